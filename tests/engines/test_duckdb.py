from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from trialwise.engines.duckdb import EngineError, connect
from trialwise.errors import StoreError


def test_frames_go_in_by_name_and_come_out_typed() -> None:
    engine = connect()
    engine.execute("CREATE TABLE t (a INTEGER, b VARCHAR, seen TIMESTAMP)")
    engine.append("t", pl.DataFrame({"b": ["x"], "a": [1]}))
    engine.append("t", pl.DataFrame({"a": []}, schema={"a": pl.Int32}))
    assert engine.rows("FROM t") == [(1, "x", None)]
    assert engine.frame("SELECT * FROM t WHERE a = $a", {"a": 1}).schema == {
        "a": pl.Int32,
        "b": pl.String,
        "seen": pl.Datetime("us"),
    }
    assert engine.columns("SELECT a, b FROM t") == [("a", "INTEGER"), ("b", "VARCHAR")]


def test_a_column_of_nothing_but_null_is_left_to_the_default() -> None:
    engine = connect()
    engine.execute("CREATE TABLE t (a INTEGER, b VARCHAR, c INTEGER DEFAULT 7)")
    engine.append("t", pl.DataFrame({"a": [1, 2], "b": [None, None], "c": [None, None]}))
    engine.append("t", pl.DataFrame({"b": [None]}))
    assert engine.rows("FROM t ORDER BY a") == [(1, None, 7), (2, None, 7)]


def test_a_failed_transaction_leaves_nothing() -> None:
    engine = connect()
    engine.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(ValueError, match="stop"), engine.transaction():
        engine.execute("INSERT INTO t VALUES (1)")
        raise ValueError("stop")
    with engine.transaction():
        engine.execute("INSERT INTO t VALUES (2)")
    assert engine.cursor().rows("FROM t") == [(2,)]


def test_without_external_access_no_file_is_read_and_nothing_reconfigured(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", encoding="utf-8")
    engine = connect(external_access=False)
    with pytest.raises(EngineError, match="disabled by configuration"):
        engine.rows(f"SELECT * FROM read_csv('{secret}')")
    with pytest.raises(EngineError, match="locked"):
        engine.execute("SET enable_external_access = true")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match=r"store\.duckdb.*\n?.*Run 'trialwise refresh': it sets the file aside"):
        connect(path)
    with pytest.raises(StoreError, match="Run 'trialwise refresh'"):
        connect(path, read_only=True)


def test_a_long_query_writes_nothing_to_stdout() -> None:
    engine = connect()
    assert engine.rows("SELECT current_setting('enable_progress_bar')") == [(False,)]
    assert engine.cursor().rows("SELECT current_setting('enable_progress_bar')") == [(False,)]


def test_limits_are_taken_over(tmp_path: Path) -> None:
    engine = connect(tmp_path / "x.duckdb", memory_limit="512MiB", threads=1)
    assert engine.rows("SELECT current_setting('memory_limit'), current_setting('threads')") == [("512.0 MiB", 1)]
    engine.close()


def test_work_beside_a_database_sees_its_schema_and_leaves_no_file(tmp_path: Path) -> None:
    engine = connect(tmp_path / "store.duckdb")
    engine.execute("CREATE SCHEMA raw; CREATE TABLE raw.t AS SELECT 1 AS a; CREATE SCHEMA marts")
    path = tmp_path / "it's" / "scratch.duckdb"
    with engine.beside(path, "raw") as other:
        other.execute("CREATE SCHEMA marts; CREATE TABLE marts.m AS SELECT a + 1 AS b FROM raw.t")
        assert other.rows("FROM marts.m") == [(2,)]
        assert path.exists()
    assert not path.exists()
    assert engine.rows("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'marts'") == [(0,)]
