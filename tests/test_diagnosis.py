"""What doctor says, from tables with one thing wrong at a time."""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.command import run
from trialwise import pipeline, upkeep
from trialwise.clock import utc_now
from trialwise.config import Config, parse_config
from trialwise.delivery.generation import Generation
from trialwise.diagnosis import FREE_BYTES, Finding, diagnose
from trialwise.engines.duckdb import Engine, connect
from trialwise.errors import DiskFull, StoreError, StoreLocked
from trialwise.history import History, News, Record
from trialwise.landing import manifest
from trialwise.landing.manifest import Import, Segment
from trialwise.runs import Ledger
from trialwise.store import Recovery, Store
from trialwise.workspace import Workspace

NOW = dt.datetime(2026, 3, 10)
MAPPED: Config = parse_config({"events": {"value": ["Report Created"]}})
RESULTS = cast(Generation, SimpleNamespace(caption="as of now", moment=SimpleNamespace(as_of=NOW)))


@pytest.fixture
def store() -> Iterator[Engine]:
    """The tables doctor reads, with one healthy event, customer and Stripe record."""
    engine = connect()
    engine.execute(
        """
        CREATE SCHEMA raw; CREATE SCHEMA config; CREATE SCHEMA intermediate;
        CREATE TABLE raw.dim_event (event_key INTEGER, event_name VARCHAR);
        CREATE TABLE raw.events (event_key INTEGER, known_at TIMESTAMP, activity_date DATE, known_date DATE);
        CREATE TABLE raw.stripe (known_at TIMESTAMP);
        CREATE TABLE raw.quarantine (reason VARCHAR, retried_at TIMESTAMP, detail VARCHAR);
        CREATE TABLE config.event_catalogue (event_key INTEGER, event_name VARCHAR, is_value BOOLEAN, role VARCHAR);
        CREATE TABLE config.event_milestones (event_key INTEGER, milestone VARCHAR);
        CREATE TABLE intermediate.customer_accounts (customer_id VARCHAR, method VARCHAR);
        INSERT INTO intermediate.customer_accounts VALUES ('cus_1', 'metadata');
        INSERT INTO raw.stripe VALUES (TIMESTAMP '2026-03-09 12:00:00');
        """
    )
    _event(engine, 1, "Report Created", is_value=True)
    yield engine
    engine.close()


def _event(
    engine: Engine, key: int, name: str, *, count: int = 1, is_value: bool = False, role: str | None = None,
    known: dt.datetime = dt.datetime(2026, 3, 9, 8),
) -> None:  # fmt: skip
    engine.execute("INSERT INTO raw.dim_event VALUES (?, ?)", [key, name])
    engine.execute("INSERT INTO config.event_catalogue VALUES (?, ?, ?, ?)", [key, name, is_value, role])
    for _ in range(count):
        engine.execute("INSERT INTO raw.events VALUES (?, ?, ?, ?)", [key, known, dt.date(2026, 3, 9), known.date()])


def _found(store: Engine, data: Path, config: Config = MAPPED, **more: Any) -> dict[str, Finding]:
    backed_up = more.get("backed_up", (utc_now(),))
    found = diagnose(config, store, more.get("results", RESULTS), data, backed_up=backed_up)
    return {finding.topic: finding for finding in found}


def test_a_healthy_workspace(store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").write_bytes(bytes(3 << 20))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 << 30))
    found = _found(store, tmp_path)
    assert {finding.level for finding in found.values()} == {"ok"}
    assert found["customers"].found == "every Stripe customer belongs to an account (1 by metadata)"
    assert found["source product events"].found == "the newest record is of 2026-03-09 08:00Z"
    assert found["disk"].found == "3 MB used, 5.0 GB free"
    assert found["quarantine"].found == "empty"
    assert found["results"].found == "as of now"


def test_warnings_come_first(store: Engine, tmp_path: Path) -> None:
    ranks = [finding.level for finding in diagnose(Config(), store, None, tmp_path)]
    assert ranks == sorted(ranks, key=["warning", "note", "ok"].index)
    assert ranks[0] == "warning"
    assert "ok" in ranks


def test_nothing_published(store: Engine, tmp_path: Path) -> None:
    found = _found(store, tmp_path, results=None)["results"]
    assert (found.level, found.advice) == ("warning", "Run 'trialwise refresh'.")


def test_backups_and_how_old_the_last_one_is(store: Engine, tmp_path: Path) -> None:
    none = _found(store, tmp_path, backed_up=())["backup"]
    assert (none.level, none.found) == ("note", "there is none of this workspace")
    assert none.advice.startswith("trialwise backup, or let the server")
    days = [utc_now() - dt.timedelta(days=age) for age in (20, 7)]
    fresh = _found(store, tmp_path, backed_up=days)["backup"]
    assert (fresh.level, fresh.found) == ("ok", f"the last one is of {days[1]:%Y-%m-%d %H:%M}Z, 2 in all")
    config = Config.model_validate({"backup": {"at": "2:15"}})
    old = _found(store, tmp_path, config, backed_up=days[:1])["backup"]
    assert (old.level, old.advice) == ("warning", "trialwise backup")


def test_events_that_count_for_nothing_are_counted_the_most_first(store: Engine, tmp_path: Path) -> None:
    for number in range(6):
        _event(store, 10 + number, f"Loose {number}", count=number + 1)
    _event(store, 20, "Viewed Home Page", count=9)
    _event(store, 23, "Webhook: SendGrid Deferred", count=9)
    _event(store, 21, "Trial Started", role="trial_started")
    _event(store, 22, "Demo Requested")
    store.execute("INSERT INTO config.event_milestones VALUES (22, 'demo_requested')")
    found = _found(store, tmp_path)["unmapped events"]
    assert found.level == "note"
    assert found.found == (
        "21 events count for nothing: Loose 5 (6), Loose 4 (5), Loose 3 (4), Loose 2 (3), Loose 1 (2) and 1 more names"
    )


def test_declared_events_that_were_never_seen(store: Engine, tmp_path: Path) -> None:
    config = parse_config(
        {
            "events": {"value": ["Report Created", "Report Mde"], "aliases": {"Rpt": "Export Done"}},
            "features": {"export": ["Export Done"]},
        }
    )
    found = _found(store, tmp_path, config)["events never seen"]
    assert (found.level, found.found) == ("warning", "Report Mde")


def test_every_event_as_use_is_worth_a_note(store: Engine, tmp_path: Path) -> None:
    assert _found(store, tmp_path, parse_config({"events": {"value": "*"}}))["value events"].level == "note"
    assert "value events" not in _found(store, tmp_path)


def test_history_that_became_known_at_once(store: Engine, tmp_path: Path) -> None:
    _event(store, 2, "Report Shared", is_value=True, known=dt.datetime(2026, 5, 1))
    assert "history known late" not in _found(store, tmp_path)  # one of two is no more than half
    _event(store, 3, "Report Sent", is_value=True, known=dt.datetime(2026, 5, 1))
    found = _found(store, tmp_path)["history known late"]
    assert found.found == "2 of 3 events became known more than 30 days after they happened"


def test_customers_that_belong_to_nobody(store: Engine, tmp_path: Path) -> None:
    for number in range(2, 8):
        store.execute("INSERT INTO intermediate.customer_accounts VALUES (?, 'unresolved')", [f"cus_{number}"])
    found = _found(store, tmp_path)["unresolved customers"]
    assert found.found == "6 of 7 Stripe customers belong to no account: cus_2, cus_3, cus_4, cus_5, cus_6 ..."
    store.execute("DELETE FROM intermediate.customer_accounts")
    assert {"customers", "unresolved customers"}.isdisjoint(_found(store, tmp_path))


def test_sources_that_are_empty_or_stale(store: Engine, tmp_path: Path) -> None:
    store.execute("DELETE FROM raw.stripe; UPDATE raw.events SET known_at = TIMESTAMP '2026-03-07 23:00:00'")
    found = _found(store, tmp_path)
    assert (found["source stripe"].level, found["source stripe"].found) == ("note", "nothing was ever received")
    stale = found["source product events"]
    assert (stale.level, stale.found) == (
        "warning",
        "the newest record is of 2026-03-07 23:00Z, 2 days before the clock",
    )
    assert _found(store, tmp_path, results=None)["source product events"].level == "ok"


def test_quarantined_records_by_reason_without_the_retried(store: Engine, tmp_path: Path) -> None:
    store.execute(
        "INSERT INTO raw.quarantine (reason, retried_at) VALUES "
        "('bad_json', NULL), ('bad_json', NULL), ('id_reuse', NULL), "
        "('bad_json', TIMESTAMP '2026-03-01')"
    )
    assert _found(store, tmp_path)["quarantine"].found == "3 records: bad_json 2, id_reuse 1"


def test_records_the_disk_lost_are_a_warning(store: Engine, tmp_path: Path) -> None:
    store.execute(
        "INSERT INTO raw.quarantine (reason, retried_at) VALUES "
        "('checksum', NULL), ('missing_frame', NULL), ('damaged_frame', NULL), "
        "('checksum', NULL), ('bad_json', NULL), ('checksum', TIMESTAMP '2026-03-01')"
    )
    found = _found(store, tmp_path)["landing"]
    assert found.level == "warning"
    assert found.found.startswith("4 records changed or went missing on disk")
    assert found.found.endswith(": checksum 2, damaged_frame 1, missing_frame 1")
    assert "backup" in found.advice


def test_damaged_compacted_files_are_named(store: Engine, tmp_path: Path) -> None:
    told = "rows 1 to 2048 of 000001-000003.parquet cannot be read"
    store.execute(
        "INSERT INTO raw.quarantine VALUES ('damaged', NULL, ?), ('damaged', NULL, ?), ('bad_json', NULL, 'no file')",
        [told, told],
    )
    found = _found(store, tmp_path)
    assert (found["compacted records"].level, found["compacted records"].found) == ("warning", f"{told} (2 records)")
    assert "move store.duckdb away" in found["compacted records"].advice
    assert found["landing"].found.endswith(": damaged 2")


def test_records_no_load_will_ever_take_are_a_warning(store: Engine, tmp_path: Path) -> None:
    """A manifest from a backup has forgotten what came after it; one that is young may be on its way."""
    (tmp_path / "landing" / "compacted").mkdir(parents=True)
    for name in ("000007.ndjson", "compacted/000001-000003.parquet", "000008.ndjson"):
        (tmp_path / "landing" / name).write_text("")
    assert "landing" not in _found(store, tmp_path)
    for name in ("000007.ndjson", "compacted/000001-000003.parquet"):
        os.utime(tmp_path / "landing" / name, (0, 0))
    found = _found(store, tmp_path)["landing"]
    assert found.level == "warning"
    assert found.found.startswith("2 files hold records that are in no load")
    assert "000001-000003.parquet, 000007.ndjson" in found.found


def test_segments_taken_into_the_manifest_again_are_noted(store: Engine, tmp_path: Path) -> None:
    parts = (Segment(3, 10, 0, 100), Segment(4, 10, 0, 100))
    (tmp_path / "landing").mkdir()
    manifest.append(tmp_path / "landing", Import(1, "events", "auto", "f", "", NOW, parts, is_adopted=True))
    found = _found(store, tmp_path)["landing manifest"]
    assert (found.level, found.found) == (
        "note",
        "it had forgotten 2 segments and took them in again: 000003.ndjson, 000004.ndjson",
    )


def test_backups_are_not_what_a_refresh_writes_again(store: Engine, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "backups" / "20260301T120000Z"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "records").write_bytes(bytes(3 << 20))
    assert _found(store, tmp_path)["disk"].found.startswith("3 MB used")


def test_a_disk_without_room_for_a_second_copy(store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=FREE_BYTES - 1))
    assert _found(store, tmp_path)["disk"].level == "warning"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=FREE_BYTES))
    assert _found(store, tmp_path)["disk"].level == "ok"


# ── files that proved damaged ────────────────────────────────────────────────


def test_of_a_damaged_store_nothing_is_lost_but_of_a_history_what_it_said(store: Engine, tmp_path: Path) -> None:
    for name in ("store.duckdb.damaged-1", "store.duckdb.damaged-1.wal", "store.duckdb.older-2",
                 "history.sqlite.damaged-1", "history.sqlite.damaged-1-wal", "runs.sqlite.damaged-1"):  # fmt: skip
        (tmp_path / name).write_bytes(b"torn")
    recovered = [Recovery(1, NOW, "it holds 3 of 5 loads", "store.duckdb.damaged-1", is_moved=True, rebuilt_at=NOW)]
    found = {one.topic: one for one in diagnose(MAPPED, store, RESULTS, tmp_path, recovered)}
    assert found["store"].advice == (
        "Nothing was lost. Delete store.duckdb.damaged-1, store.duckdb.damaged-1.wal, store.duckdb.older-2 in "
        f"{tmp_path} once nobody wants to look. Look after the disk."
    )
    assert (found["history"].level, found["runs"].level) == ("warning", "note")
    assert "what was published before that is on no record" in found["history"].found
    assert f"put history.sqlite of a backup in its place, then delete history.sqlite.damaged-1 in {tmp_path}." in (
        found["history"].advice
    )
    assert found["runs"].advice == f"Delete runs.sqlite.damaged-1 in {tmp_path} once nobody wants to look."


def test_doctor_looks_at_the_files_nobody_has_opened_since(store: Engine, tmp_path: Path) -> None:
    for name in ("history.sqlite", "runs.sqlite"):
        (tmp_path / name).write_bytes(b"no database" * 1000)
    found = _found(store, tmp_path)
    assert (found["history"].level, found["runs"].level) == ("warning", "note")
    assert (tmp_path / "history.sqlite.damaged-1").read_bytes() == b"no database" * 1000


def test_a_history_of_a_newer_version_is_told_and_left_alone(store: Engine, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as file:
        file.execute("PRAGMA user_version = 99")
    found = _found(store, tmp_path)["history"]
    assert (found.level, "version 99" in found.found) == ("warning", True)
    assert not list(tmp_path.glob("*.damaged-*"))


@pytest.mark.parametrize(("lead", "is_told"), [(dt.timedelta(hours=25), False), (dt.timedelta(hours=27), True)])
def test_a_history_that_runs_ahead_of_the_machines_clock(
    store: Engine, tmp_path: Path, lead: dt.timedelta, *, is_told: bool
) -> None:
    as_of = utc_now() + lead
    History(tmp_path).note(Record(1, as_of.date(), as_of, as_of, utc_now(), 1, {}), News(), is_kept=True)
    found = _found(store, tmp_path).get("history")
    assert (found is not None) == is_told
    if found is not None:
        assert found.level == "warning"
        assert found.found.startswith(f"its newest record is of {as_of:%Y-%m-%d %H:%M}Z, ahead of this machine's clock")


@pytest.mark.parametrize(
    ("job", "asked_by", "is_told"),
    [("backup", "schedule", True), ("refresh", "command", True), ("backup", "command", False)],
)
def test_a_job_whose_last_run_failed(store: Engine, tmp_path: Path, job: str, asked_by: Any, *, is_told: bool) -> None:
    """A try after the time it was due has no slot of its own; what somebody typed told them itself."""
    ledger = Ledger(tmp_path)
    ledger.end(ledger.begin(job, asked_by="schedule", slot=NOW, now=NOW), None, error="no room", now=NOW)
    ledger.end(ledger.begin(job, asked_by=asked_by, now=NOW), None, error="no room still", now=NOW)
    found = _found(store, tmp_path).get(f"job {job}")
    assert (found is not None) == is_told
    if found is not None:
        assert (found.level, found.advice) == ("warning", "trialwise runs show 2")
        assert "no room still" in found.found


# ── where the store cannot be looked into ────────────────────────────────────


def _failing(monkeypatch: pytest.MonkeyPatch, folder: Path, error: Exception) -> Workspace:
    """A workspace in which every use of the store ends with an error."""
    run("init", folder)
    workspace = Workspace.open(folder)
    workspace.data.mkdir(exist_ok=True)

    def opened(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Store, "work", opened)
    return workspace


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            DiskFull("the disk is full: no block", "Make room."),
            ("disk full", "the disk is full: no block", "Make room."),
        ),
        (StoreError("x.parquet is damaged", "Restore it."), ("store", "x.parquet is damaged", "Restore it.")),
    ],
)
def test_doctor_tells_what_keeps_it_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: StoreError, found: tuple[str, str, str]
) -> None:
    workspace = _failing(monkeypatch, tmp_path, error)
    first, *others = upkeep.diagnosis(workspace)
    assert (first.level, first.topic, first.found, first.advice) == ("warning", *found)
    assert {"results", "disk"} <= {finding.topic for finding in others}
    assert found[1] in run("doctor", "-C", tmp_path).out


def test_a_disk_without_room_for_the_smallest_file_is_told_as_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = _failing(monkeypatch, tmp_path, OSError(errno.EDQUOT, "Disk quota exceeded", "x"))
    assert upkeep.diagnosis(workspace)[0].topic == "disk full"
    with pytest.raises(DiskFull, match=r"Disk quota exceeded.*\nMake room"):
        pipeline.load_landed(workspace)
    failed = _failing(monkeypatch, tmp_path / "other", OSError(errno.EIO, "broken", "x"))
    with pytest.raises(OSError, match="broken"):
        pipeline.load_landed(failed)


def test_a_store_of_another_process_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = _failing(monkeypatch, tmp_path, StoreLocked("owned by process 1"))
    with pytest.raises(StoreLocked):
        upkeep.diagnosis(workspace)
