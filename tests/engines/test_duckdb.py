from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from threading import Barrier, Thread

import polars as pl
import pytest

from trialwise.engines.duckdb import EngineError, cause_of, connect
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
    with pytest.raises(EngineError, match="Cannot change configuration option"):
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


# ── what errors say ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT CAST($v AS INTEGER)", "ana@example.com"),
        ("SELECT CAST($v AS TIMESTAMP)", "ana@example.com"),
        ("SELECT CAST($v AS INTEGER[])", '[1, "ana@example.com'),
        ("SELECT CAST($v AS BLOB)", r"\xZZ ana@example.com"),
        ("SELECT CAST($v AS UTINYINT)", "4711004711"),
        ("SELECT CAST(CAST($v AS BIGINT) AS UTINYINT)", "4711004711"),
        ("SELECT json_extract($v, '$.a')", '{"a": ana@example.com'),
        ("SELECT strptime($v, '%Y')", "ana@example.com"),
        ("SELECT error($v || ' \"ana@example.com\"') WHERE false OR error('x \"' || $v) IS NULL", "ana@example.com"),
        ("INSERT INTO t VALUES ($v), ($v)", "ana@example.com"),
        ("SELECT CAST($v AS INTEGER)", "x\n\nLINE 1: ana@example.com\n        ^^^"),
    ],
)
@pytest.mark.parametrize("way", ["rows", "frame"])
def test_errors_and_their_tracebacks_never_show_records(sql: str, value: str, way: str) -> None:
    engine = connect()
    engine.execute("CREATE TABLE t (a VARCHAR PRIMARY KEY)")
    with pytest.raises(EngineError) as caught:
        engine.frame(sql, {"v": value}) if way == "frame" and "INSERT" not in sql else engine.rows(sql, {"v": value})
    for shown in (str(caught.value), cause_of(caught.value), "".join(traceback.format_exception(caught.value))):
        assert "ana@" not in shown
        assert "4711004711" not in shown
    assert "\n" not in cause_of(caught.value)


def test_what_stands_in_the_statement_stays() -> None:
    engine = connect()
    with pytest.raises(EngineError, match='Referenced column "nosuch" not found') as caught:
        engine.rows("SELECT nosuch FROM range(3) AS r(near)")
    assert "LINE 1: SELECT nosuch" in str(caught.value)
    assert "LINE" not in cause_of(caught.value)
    with pytest.raises(EngineError, match=r"(?s)Could not convert string ….*LINE 1: SELECT 'x' :: INT"):
        engine.rows("SELECT 'x' :: INT")


def test_paths_stay_and_causes_are_short(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1torn")
    with pytest.raises(EngineError, match=r"broken\.parquet' too small"):
        connect().rows(f"FROM read_parquet('{tmp_path}/broken.parquet')")
    assert len(cause_of(EngineError("long " * 10_000))) <= 300


def test_words_in_a_record_are_not_taken_for_the_engines(tmp_path: Path) -> None:
    engine = connect(tmp_path / "x.duckdb")
    for said in ("No space left on device", "Corrupt database file"):
        with pytest.raises(EngineError, match="Could not convert"):
            engine.rows("SELECT CAST($v AS INTEGER)", {"v": said})
    engine.close()


# ── no room ──────────────────────────────────────────────────────────────────

FILLED = """
import resource, sys
from pathlib import Path
from trialwise.engines.duckdb import connect
from trialwise.errors import DiskFull
def told(task):
    try:
        task()
    except DiskFull as error:
        print(error.message)
        return
    print("went in")
path = Path(sys.argv[1])
engine = connect(path)
engine.execute("CREATE TABLE t (i BIGINT, x VARCHAR); INSERT INTO t VALUES (1, 'kept')")
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
numbers = "(SELECT hash(i) AS h FROM range(1000000) AS r(i))"
told(lambda: connect().write_parquet(numbers, path.with_name("p"), rows_per_group=9000))
told(lambda: engine.execute("INSERT INTO t SELECT i, repeat(CAST(hash(i) AS VARCHAR), 20) FROM range(200000) AS r(i)"))
told(lambda: engine.execute("CHECKPOINT"))
engine.close()
print(connect(path).rows("FROM t"))
"""


def test_no_room_is_told_as_such_and_what_was_there_stays(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLED, str(tmp_path / "x.duckdb")], capture_output=True, text=True, check=True
    )
    *refused, kept = done.stdout.splitlines()
    assert len(refused) == 3
    assert all(line.startswith("the disk is full: ") for line in refused)
    assert all("Could not write file" in line and "File too large" in line for line in refused[:2])
    assert kept == "[(1, 'kept')]"


def test_readers_of_one_file_may_begin_at_once(tmp_path: Path) -> None:
    connect(tmp_path / "x.duckdb").close()
    refused: list[Exception] = []

    def read(barrier: Barrier) -> None:
        barrier.wait()
        try:
            engine = connect(tmp_path / "x.duckdb", read_only=True, external_access=False)
            assert engine.rows("SELECT current_setting('lock_configuration')") == [(True,)]
            engine.close()
        except EngineError as error:
            refused.append(error)

    for _ in range(50):  # without care, one round of three fails
        barrier = Barrier(6)
        threads = [Thread(target=read, args=(barrier,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == []
