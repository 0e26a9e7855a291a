"""Publishing: complete or not at all, the old one until the last rename, old ones removed late."""

from __future__ import annotations

from pathlib import Path

import pytest

import trialwise.delivery.publishing as module
from trialwise.delivery.generation import CURRENT, open_generation
from trialwise.delivery.publishing import publish, write_generation
from trialwise.engines.duckdb import Engine, EngineError, connect
from trialwise.errors import NotFoundError, StoreError

TABLES = {"marts.clock": "the moment"}


@pytest.fixture
def store() -> Engine:
    engine = connect()
    engine.execute("CREATE SCHEMA marts")
    set_clock(engine, "2026-01-01")
    return engine


def set_clock(engine: Engine, as_of: str) -> None:
    engine.execute(
        "CREATE OR REPLACE TABLE marts.clock AS"
        " SELECT CAST($at AS TIMESTAMP) AS as_of, CAST($at AS TIMESTAMP) AS known_at,"
        " CAST($at AS DATE) - 1 AS as_of_date",
        {"at": as_of},
    )


def read(folder: Path) -> str:
    results = open_generation(folder)
    try:
        return results.caption
    finally:
        results.close()


def test_readers_find_the_newest_generation(store: Engine, tmp_path: Path) -> None:
    assert publish(store, tmp_path, TABLES).number == 1
    assert read(tmp_path) == "as of 2026-01-01 00:00Z (generation 1)"
    set_clock(store, "2026-01-02")
    assert publish(store, tmp_path, TABLES).number == 2
    assert read(tmp_path) == "as of 2026-01-02 00:00Z (generation 2)"


def test_an_open_reader_keeps_its_generation(store: Engine, tmp_path: Path) -> None:
    publish(store, tmp_path, TABLES)
    held = open_generation(tmp_path)
    for _ in range(5):
        publish(store, tmp_path, TABLES, keep=2)
    assert not (tmp_path / "000001.duckdb").exists()
    assert held.cursor().sql("SELECT as_of FROM marts.clock").height == 1
    held.close()


def test_old_generations_are_removed_late(store: Engine, tmp_path: Path) -> None:
    for _ in range(5):
        publish(store, tmp_path, TABLES, keep=3)
    assert sorted(path.name for path in tmp_path.glob("*.duckdb")) == [
        "000003.duckdb",
        "000004.duckdb",
        "000005.duckdb",
    ]


def test_a_table_that_cannot_be_copied_leaves_the_published_results(store: Engine, tmp_path: Path) -> None:
    publish(store, tmp_path, TABLES)
    with pytest.raises(StoreError, match=r"marts\.missing cannot be published"):
        publish(store, tmp_path, {**TABLES, "marts.missing": ""})
    assert (tmp_path / CURRENT).read_text() == "000001.duckdb\n"
    assert publish(store, tmp_path, TABLES).number == 2
    assert not list(tmp_path.glob(".*unfinished*"))


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_crash_at_any_rename_is_mended_by_the_next_publish(
    store: Engine, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, tmp_path, TABLES)
    seen = 0
    real = module._sync

    def crash(path: Path) -> None:
        nonlocal seen
        if seen == step:
            raise OSError("power cut")
        seen += 1
        real(path)

    monkeypatch.setattr(module, "_sync", crash)
    with pytest.raises(OSError, match="power cut"):
        publish(store, tmp_path, TABLES)
    monkeypatch.undo()
    assert read(tmp_path).endswith("(generation 1)")
    number = publish(store, tmp_path, TABLES).number
    assert read(tmp_path).endswith(f"(generation {number})")
    assert not list(tmp_path.glob(".*"))


def test_files_and_folder_are_synced_before_readers_are_switched(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(module, "_sync", lambda path: synced.append(path.name))
    publish(store, tmp_path, TABLES)
    assert synced == [".000001.duckdb.unfinished", tmp_path.name, ".CURRENT.unfinished", tmp_path.name]


def test_trial_days_are_published_with_the_rest(store: Engine, tmp_path: Path) -> None:
    store.execute("CREATE SCHEMA intermediate; CREATE TABLE intermediate.trial_days AS SELECT 1 AS x")
    publish(store, tmp_path, TABLES)
    results = open_generation(tmp_path)
    assert results.reader.tables("intermediate") == {"trial_days": ""}
    assert results.reader.tables("marts") == {"clock": "the moment"}
    results.close()


def test_a_generation_in_a_file_of_its_own(store: Engine, tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    write_generation(store, path, TABLES)
    write_generation(store, path, TABLES)
    assert read(path) == "as of 2026-01-01 00:00Z (computed for this moment)"


def test_what_is_known_later_is_said(store: Engine, tmp_path: Path) -> None:
    store.execute("UPDATE marts.clock SET known_at = TIMESTAMP '2026-01-05'")
    write_generation(store, tmp_path / "g.duckdb", TABLES)
    assert (
        read(tmp_path / "g.duckdb") == "as of 2026-01-01 00:00Z, known by 2026-01-05 00:00Z (computed for this moment)"
    )


def test_nothing_published_yet(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing is published"):
        open_generation(tmp_path)
    (tmp_path / CURRENT).write_text("000007.duckdb\n")
    with pytest.raises(NotFoundError, match=r"000007\.duckdb, which is not there"):
        open_generation(tmp_path)
    (tmp_path / CURRENT).write_text("nonsense\n")
    with pytest.raises(StoreError, match="names no generation"):
        open_generation(tmp_path)


def test_another_database_is_no_generation(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    connect(path).close()
    with pytest.raises(StoreError, match="is no generation"):
        open_generation(path)


def test_a_generation_without_its_clock_is_damaged(store: Engine, tmp_path: Path) -> None:
    store.execute("DELETE FROM marts.clock")
    write_generation(store, tmp_path / "g.duckdb", TABLES)
    results = open_generation(tmp_path / "g.duckdb")
    with pytest.raises(StoreError, match="0 clocks"):
        _ = results.moment
    results.close()


def test_a_reader_can_change_nothing_and_read_no_file(store: Engine, tmp_path: Path) -> None:
    publish(store, tmp_path, TABLES)
    results = open_generation(tmp_path)
    with pytest.raises(EngineError, match="read-only"):
        results.reader.engine.execute("DELETE FROM marts.clock")
    with pytest.raises(EngineError, match="disabled"):
        results.reader.engine.rows("SELECT * FROM read_text('/etc/hostname')")
    results.close()


def test_only_tables_of_the_store_itself_are_published(store: Engine, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    store.execute(f"ATTACH '{other}' AS other")
    store.execute("CREATE SCHEMA other.intermediate; CREATE TABLE other.intermediate.trial_days AS SELECT 1 AS x")
    assert publish(store, tmp_path / "published", TABLES).number == 1
