"""The owner's database cut, changed, emptied, exchanged: found, set aside, filled again, row for row."""

from __future__ import annotations

import errno
import json
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.crash import crash_at_every_step
from tests.landing.kit import event, subscription
from trialwise.delivery.generation import open_generation
from trialwise.delivery.publishing import publish
from trialwise.engines.duckdb import Engine, connect
from trialwise.errors import DiskFull, StoreDamaged, StoreError
from trialwise.landing import durable
from trialwise.landing.folder import Landing
from trialwise.landing.load import load
from trialwise.landing.report import LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.sources.files import open_file
from trialwise.store import Recovery, Store, recoveries

NOW = datetime(2026, 3, 1, 12)
SETTINGS = LoadSettings(declared_events=frozenset({"Report Created"}))
DAYS = """
CREATE SCHEMA IF NOT EXISTS marts;
CREATE OR REPLACE TABLE marts.days AS
SELECT a.account_id, e.activity_date, count(*) AS events, max(p.properties) AS properties
FROM raw.events AS e
JOIN raw.dim_account AS a ON a.account_key = e.account_key
LEFT JOIN raw.event_properties AS p ON p.event_id = e.event_id
GROUP BY a.account_id, e.activity_date
"""
RAW = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw' ORDER BY table_name"


def store_in(folder: Path) -> Store:
    landing = Landing(folder / "landing")
    return Store(folder / "store.duckdb", landing.folder, lambda engine: load(engine, landing, SETTINGS, landed_at=NOW))


def refresh(engine: Engine, filled: LoadReport, folder: Path) -> LoadReport:
    """What a refresh does with the store: load, build, publish, checkpoint."""
    report = filled + load(engine, Landing(folder / "landing"), SETTINGS, landed_at=NOW)
    with engine.transaction():
        engine.execute(DAYS)
    publish(engine, folder / "published", {"marts.days": "use per account and day"})
    engine.execute("CHECKPOINT")
    return report


def refreshed(engine: Engine, filled: LoadReport, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What is in the tables after a refresh."""
    refresh(engine, filled, folder)
    return contents(engine, folder)


def contents(engine: Engine, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every raw table, and what is published."""
    found = {name: engine.rows(f"SELECT * FROM raw.{name} ORDER BY ALL") for (name,) in engine.rows(RAW)}
    results = open_generation(folder / "published")
    found["published"] = results.sql("SELECT * FROM marts.days ORDER BY ALL").rows()
    results.close()
    return found


@dataclass(frozen=True)
class Company:
    """A data folder whose store has a filled log beside it, as a crash leaves it; and what is in it."""

    folder: Path
    expected: dict[str, list[tuple[Any, ...]]]

    def copy(self, target: Path) -> Path:
        shutil.copytree(self.folder, target)
        return target


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("store") / "data"
    store = store_in(folder)
    _land(folder, 0)
    store.work(lambda engine, filled: refresh(engine, filled, folder))
    _land(folder, 1)
    engine = connect(store.path)
    report = load(engine, Landing(folder / "landing"), SETTINGS, landed_at=NOW)
    with engine.transaction():
        engine.execute(DAYS)
    publish(engine, folder / "published", {"marts.days": ""})
    assert (report.loaded, report.quarantined) == (202, 2)
    expected = contents(engine, folder)
    kept = folder.with_name("crashed")
    shutil.copytree(folder, kept)  # with the log, which closing would fold into the file
    engine.close()
    assert (kept / "store.duckdb.wal").stat().st_size > 10_000
    return Company(kept, expected)


def _land(folder: Path, number: int) -> None:
    events = [
        event(id=f"{number}-{i}", user_id=f"u{i % 20}", account_id=f"a{i % 7}", timestamp=f"2026-01-{i % 28 + 1:02d}",
              properties={"size": i})
        for i in range(200)
    ]  # fmt: skip
    lines = [json.dumps(record) for record in [*events, event(user_id="null"), event(id="0-1", event="Other")]]
    lines.append(json.dumps(event(id=f"{number}-x", timestamp="2026-02-01")))
    path = folder.with_name(f"events{number}.ndjson")
    path.write_text("\n".join(lines), encoding="utf-8")
    Landing(folder / "landing").land(open_file(path), landed_at=NOW)
    path = folder.with_name(f"stripe{number}.ndjson")
    path.write_text(json.dumps(subscription(status=f"state {number}")), encoding="utf-8")
    Landing(folder / "landing").land(open_file(path, kind="stripe"), landed_at=NOW)


# ── mutations ────────────────────────────────────────────────────────────────


def _cut(data: bytearray, chance: random.Random) -> bytes:
    return bytes(data[: chance.randrange(1, len(data))])


def _flip(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 20))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _zero(data: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    data[start : start + 70_000] = bytes(len(data[start : start + 70_000]))
    return bytes(data)


def _garbage(data: bytearray, chance: random.Random) -> bytes:
    return chance.randbytes(len(data))


def _empty(data: bytearray, chance: random.Random) -> bytes:
    return b""


def _other_version(data: bytearray, chance: random.Random) -> bytes:
    """Another storage version in the first header, with the checksum that belongs to it."""
    data[12:20] = struct.pack("<Q", chance.choice((1, 200)))
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", bytes(data[8:4096])):
        checksum ^= (word * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    data[:8] = struct.pack("<Q", checksum)
    return bytes(data)


MUTATIONS: tuple[tuple[str, Callable[[bytearray, random.Random], bytes]], ...] = (
    ("store.duckdb", _cut),
    ("store.duckdb", _flip),
    ("store.duckdb", _zero),
    ("store.duckdb", _garbage),
    ("store.duckdb", _empty),
    ("store.duckdb", _other_version),
    ("store.duckdb.wal", _cut),
    ("store.duckdb.wal", _flip),
    ("store.duckdb.wal", _zero),
    ("store.duckdb.wal", _garbage),
    ("store.duckdb.wal", _empty),
)
SURE = {_garbage, _empty, _other_version}
"""Mutations of the database file that cannot go unseen: others may hit what is no longer, or not yet, asked for."""


def _mutate_and_recover(company: Company, folder: Path, seed: int) -> bool:
    """Damage a copy and refresh; whether the damage was found. The results must be those of the sound one."""
    chance = random.Random(seed)
    name, mutation = MUTATIONS[seed % len(MUTATIONS)]
    company.copy(folder)
    damaged = mutation(bytearray((folder / name).read_bytes()), chance)
    (folder / name).write_bytes(damaged)
    store = store_in(folder)
    found = store.work(partial(refreshed, folder=folder))
    assert found == company.expected, (seed, name, mutation)
    known = recoveries(folder)
    kept = [path.name for path in folder.glob("*.damaged-*")]
    assert bool(known) == bool(kept)
    assert name == "store.duckdb.wal" or mutation not in SURE or known, (seed, mutation)
    if known:
        assert len(known) == 1
        assert known[0].rebuilt_at is not None
        assert known[0].kept == "store.duckdb.damaged-1" in kept
        if mutation in SURE:
            suffix = ".wal" if name.endswith(".wal") else ""
            assert (folder / f"store.duckdb.damaged-1{suffix}").read_bytes() == damaged
    shutil.rmtree(folder)
    return bool(known)


def test_a_damaged_store_is_set_aside_and_filled_again_row_for_row(company: Company, tmp_path: Path) -> None:
    found = [_mutate_and_recover(company, tmp_path / "data", seed) for seed in range(44)]
    assert sum(found) > 30


@pytest.mark.long
def test_two_hundred_mutations(company: Company, tmp_path: Path) -> None:
    found = [_mutate_and_recover(company, tmp_path / "data", seed) for seed in range(1000, 1200)]
    assert sum(found) > 150


# ── another version's ────────────────────────────────────────────────────────


def as_an_older_version_left_it(folder: Path) -> None:
    """A table with a column that is no more and without one that came later, under a text of its own."""
    engine = connect(folder / "store.duckdb")
    engine.execute("ALTER TABLE raw.events DROP body_hash; ALTER TABLE raw.events ADD COLUMN payload VARCHAR")
    engine.execute("COMMENT ON TABLE raw.loads IS 'shape 1 of 0123456789abcdef'")
    engine.close()


def test_a_store_of_an_older_version_is_set_aside_and_filled_again_row_for_row(
    company: Company, tmp_path: Path
) -> None:
    folder = company.copy(tmp_path / "data")
    as_an_older_version_left_it(folder)
    before = (folder / "store.duckdb").read_bytes()
    assert store_in(folder).work(partial(refreshed, folder=folder)) == company.expected
    [known] = recoveries(folder)
    assert str(known) == (
        "the store was made by an older version (it has no raw.events.body_hash); "
        "it was set aside as store.duckdb.older-1 and filled again from landing"
    )
    assert (folder / "store.duckdb.older-1").read_bytes() == before
    assert store_in(folder).work(lambda engine, filled: filled) == LoadReport()
    (folder / "store.duckdb").write_bytes(b"torn")
    assert store_in(folder).work(partial(refreshed, folder=folder)) == company.expected
    assert [entry.kept for entry in recoveries(folder)] == ["store.duckdb.older-1", "store.duckdb.damaged-2"]


def test_a_store_of_an_older_version_that_is_damaged_too_is_damaged(company: Company, tmp_path: Path) -> None:
    folder = company.copy(tmp_path / "data")
    as_an_older_version_left_it(folder)
    engine = connect(folder / "store.duckdb")
    engine.execute("DELETE FROM raw.loads WHERE load_id = 2")
    engine.close()
    assert store_in(folder).work(partial(refreshed, folder=folder)) == company.expected
    assert [entry.kept for entry in recoveries(folder)] == ["store.duckdb.damaged-1"]


def test_a_store_of_a_newer_version_is_refused_and_stays_as_it_is(company: Company, tmp_path: Path) -> None:
    folder = company.copy(tmp_path / "data")
    engine = connect(folder / "store.duckdb")
    engine.execute("COMMENT ON TABLE raw.loads IS 'shape 9 of 0123456789abcdef'; CHECKPOINT")
    engine.close()
    before = (folder / "store.duckdb").read_bytes()
    with pytest.raises(StoreError, match=r"made by a newer version .* shape 9, .*\n.*Use the newer version"):
        store_in(folder).work(partial(refreshed, folder=folder))
    assert (folder / "store.duckdb").read_bytes() == before
    assert recoveries(folder) == ()


# ── what a recovery says, and what it does when it is interrupted ────────────


def test_a_sound_store_is_left_alone_whatever_its_log_holds(company: Company, tmp_path: Path) -> None:
    folder = company.copy(tmp_path / "data")
    filled = store_in(folder).work(lambda engine, filled: filled)
    assert filled == LoadReport()
    assert recoveries(folder) == ()


def test_the_task_hears_what_was_filled_and_is_repeated_once(company: Company, tmp_path: Path) -> None:
    folder = company.copy(tmp_path / "data")
    store = store_in(folder)
    asked = []

    def task(engine: Engine, filled: LoadReport) -> int:
        asked.append(filled.received)
        if len(asked) == 1:
            raise StoreDamaged("a block of it fails its checksum", None, store.path)
        return engine.rows("SELECT count(*) FROM raw.events")[0][0]

    assert store.work(task) == 402
    assert asked == [0, 408]
    assert [(known.number, known.reason) for known in recoveries(folder)] == [(1, "a block of it fails its checksum")]


def test_a_machine_that_damages_what_it_writes_is_named(company: Company, tmp_path: Path) -> None:
    store = store_in(company.copy(tmp_path / "data"))

    def task(engine: Engine, filled: LoadReport) -> None:
        raise StoreDamaged("bad", "again", store.path)

    with pytest.raises(StoreDamaged, match=r"just been made anew.*\n.*disk or the memory"):
        store.work(task)


def test_damage_of_another_file_is_no_damage_of_the_store(company: Company, tmp_path: Path) -> None:
    store = store_in(company.copy(tmp_path / "data"))

    def task(engine: Engine, filled: LoadReport) -> None:
        raise StoreDamaged("bad", "again", tmp_path / "published")

    with pytest.raises(StoreDamaged):
        store.work(task)
    assert recoveries(store.path.parent) == ()


def test_a_log_without_its_database_is_set_aside(company: Company, tmp_path: Path) -> None:
    folder = company.copy(tmp_path / "data")
    (folder / "store.duckdb").unlink()
    store = store_in(folder)
    assert store.work(partial(refreshed, folder=folder)) == company.expected
    assert (folder / "store.duckdb.damaged-1.wal").exists()


def test_a_missing_store_is_no_damage(company: Company, tmp_path: Path) -> None:
    folder = company.copy(tmp_path / "data")
    for path in folder.glob("store.duckdb*"):
        path.unlink()
    store = store_in(folder)
    assert store.work(partial(refreshed, folder=folder)) == company.expected
    assert recoveries(folder) == ()


def test_without_room_for_the_record_nothing_is_moved(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = company.copy(tmp_path / "data")
    (folder / "store.duckdb").write_bytes(b"torn")

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "replace", full)
        with pytest.raises(DiskFull, match="Make room"):
            store_in(folder).work(partial(refreshed, folder=folder))
    assert (folder / "store.duckdb").read_bytes() == b"torn"
    assert store_in(folder).work(partial(refreshed, folder=folder)) == company.expected


def test_numbers_go_on_even_when_the_record_is_lost(company: Company, tmp_path: Path) -> None:
    folder = company.copy(tmp_path / "data")
    for number in (1, 2):
        (folder / "store.duckdb").write_bytes(b"torn" * number)
        store_in(folder).work(lambda engine, filled: refresh(engine, filled, folder))
        (folder / "recovered.json").write_text("{", encoding="utf-8")
        assert recoveries(folder) == ()
    assert (folder / "store.duckdb.damaged-1").read_bytes() == b"torn"
    assert (folder / "store.duckdb.damaged-2").read_bytes() == b"torntorn"


def recover(folder: Path) -> None:
    store_in(folder / "data").work(lambda engine, filled: None)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
def test_a_recovery_killed_at_any_step_ends_the_same(company: Company, tmp_path: Path, every: int) -> None:
    def prepare(folder: Path) -> None:
        company.copy(folder / "data")
        (folder / "data" / "store.duckdb").write_bytes(b"torn" * 100)

    for folder in crash_at_every_step(tmp_path, prepare, recover, every=every):
        data = folder / "data"
        store = store_in(data)
        assert store.work(partial(refreshed, folder=data)) == company.expected
        [known] = recoveries(data)
        assert known.rebuilt_at is not None
        assert (data / "store.duckdb.damaged-1").read_bytes() == b"torn" * 100
        assert (data / "store.duckdb.damaged-1.wal").exists()
        shutil.rmtree(folder)


@pytest.mark.parametrize("left", ["nothing", "an empty file", "a part", "a log alone", "a part and a log", "a store"])
def test_a_filling_that_was_interrupted_goes_on(company: Company, tmp_path: Path, left: str) -> None:
    """It is no second damage: what was being filled held nothing that landing does not."""
    folder = company.copy(tmp_path / "data")
    store = store_in(folder)
    store.path.write_bytes(b"torn")
    sound = (company.folder / "store.duckdb").read_bytes()
    log = folder / "store.duckdb.wal"

    def killed(engine: Engine) -> LoadReport:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store(store.path, store.landing, killed).work(lambda engine, filled: filled)
    store.path.unlink()
    log.unlink(missing_ok=True)
    if left == "an empty file":
        store.path.touch()
    elif left in ("a part", "a part and a log"):
        store.path.write_bytes(sound[: len(sound) // 3])
    elif left == "a store":
        connect(store.path).close()
    if left in ("a log alone", "a part and a log"):
        log.write_bytes((company.folder / "store.duckdb.wal").read_bytes())
    assert store.work(partial(refreshed, folder=folder)) == company.expected
    [known] = recoveries(folder)
    assert (known.number, known.rebuilt_at is not None) == (1, True)
    assert sorted(path.name for path in folder.glob("*.damaged-*")) == [
        "store.duckdb.damaged-1", "store.duckdb.damaged-1.wal",
    ]  # fmt: skip


def test_a_recovery_is_told_in_one_sentence() -> None:
    found = Recovery(1, NOW, "it holds 1 of 2 loads", "store.duckdb.damaged-1", True, None)
    assert str(found) == (
        "the store was damaged (it holds 1 of 2 loads); it was set aside as store.duckdb.damaged-1 "
        "and not yet filled again"
    )
