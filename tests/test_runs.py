"""The run ledger: one row a run, a slot taken once, processes that are gone, and a file that proves damaged."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog

from tests.rights import read_only
from trialwise import runs
from trialwise.errors import InputError, NotFoundError, NotWritable, StoreError
from trialwise.runs import Ledger, Outcome, SlotTaken, is_gone, process_identity, runs_frame
from trialwise.sqlite_file import READ, SqliteFile
from trialwise.timetable import calendar, due

NOON = datetime(2026, 3, 1, 12)
MINUTE = timedelta(minutes=1)
BEGINS = """
import sys, time
from datetime import datetime
from pathlib import Path
from trialwise.runs import Ledger
print(Ledger(Path(sys.argv[1])).begin("backup", asked_by="schedule", slot=datetime(2026, 3, 1, 3)), flush=True)
time.sleep(600)
"""
HOLDS = """
import sqlite3, sys, time
from pathlib import Path
from trialwise.runs import Ledger
held = sqlite3.connect(Path(sys.argv[1]) / "runs.sqlite")
held.execute("SELECT count(*) FROM runs").fetchone()
print(Ledger(Path(sys.argv[1])).begin("backup", asked_by="command"), flush=True)
time.sleep(600)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data")


def begun_with_a_log(ledger: Ledger) -> subprocess.Popen[str]:
    """A process that has begun a backup, which stands in the log of the file while it is at it."""
    process = begun_elsewhere(ledger, HOLDS)
    assert ledger.path.with_name("runs.sqlite-wal").stat().st_size > 0
    return process


def begun_elsewhere(ledger: Ledger, program: str = BEGINS) -> subprocess.Popen[str]:
    """A process that has begun the backup of 03:00 and is at it."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(ledger.path.parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline().strip().isdigit()
    return process


def test_what_a_run_came_to_is_kept(ledger: Ledger) -> None:
    first = ledger.begin("refresh", asked_by="schedule", slot=NOON, now=NOON + timedelta(seconds=1))
    assert [(run.run_id, run.status, run.seconds) for run in ledger.runs()] == [(first, "running", None)]
    ledger.end(first, Outcome(7, 500, 12, {"marts.trials": "ab12"}, {"models": 81}), now=NOON + timedelta(seconds=3.5))
    second = ledger.begin("load", asked_by="command", now=NOON)
    ledger.end(second, None, error="the disk is full", now=NOON)
    third = ledger.begin("stripe poll", asked_by="start", slot=NOON, now=NOON)
    ledger.end(third, Outcome(skipped="Stripe is being read by process 7"), now=NOON)
    told = {run.run_id: run for run in ledger.runs()}
    assert list(told) == [third, second, first], "the newest first"
    run = told[first]
    assert (run.job, run.slot, run.asked_by, run.status) == ("refresh", NOON, "schedule", "ok")
    assert (run.generation, run.rows, run.watermark) == (7, 500, 12)
    assert (run.fingerprints, run.details, run.error) == ({"marts.trials": "ab12"}, {"models": 81}, None)
    assert (run.started_at, run.seconds, run.pid) == (NOON + timedelta(seconds=1), 2.5, os.getpid())
    assert (told[second].status, told[second].error, told[second].slot) == ("failed", "the disk is full", None)
    assert (told[third].status, told[third].error) == ("skipped", "Stripe is being read by process 7")
    assert [run.run_id for run in ledger.runs(job="load")] == [second]
    assert [run.run_id for run in ledger.runs(status="ok")] == [first]
    assert [run.run_id for run in ledger.runs(limit=2)] == [third, second]
    assert ledger.run(first) == run
    assert [run.job for run in ledger.latest()] == ["load", "refresh", "stripe poll"]
    assert ledger.last_ok("refresh") == run
    assert ledger.last_ok("load") is None


def test_a_run_that_was_left_out_says_nothing_of_how_the_job_fares(ledger: Ledger) -> None:
    failed = ledger.begin("pull crm", asked_by="schedule", slot=NOON, now=NOON)
    ledger.end(failed, None, error="gone", now=NOON)
    for job in ("pull crm", "stripe poll"):
        ledger.end(ledger.begin(job, asked_by="schedule", now=NOON), Outcome(skipped="read by process 7"), now=NOON)
    assert [(run.job, run.status) for run in ledger.latest()] == [("pull crm", "failed"), ("stripe poll", "skipped")]


def test_the_rows_of_a_listing(ledger: Ledger) -> None:
    run_id = ledger.begin("refresh", asked_by="schedule", slot=NOON, now=NOON)
    ledger.end(run_id, Outcome(7, 500, 12, details={"b": 1, "a": 2}), now=NOON + MINUTE)
    [row] = runs_frame(ledger.runs()).rows(named=True)
    assert row == {
        "run_id": run_id, "job": "refresh", "slot": NOON, "asked_by": "schedule", "started_at": NOON,
        "ended_at": NOON + MINUTE, "seconds": 60.0, "status": "ok", "generation": 7, "rows": 500, "watermark": 12,
        "error": None,
    }  # fmt: skip
    [row] = runs_frame(ledger.runs(), runs.SHOWN).rows(named=True)
    assert (row["details"], row["fingerprints"], row["pid"]) == ('{"a": 2, "b": 1}', None, os.getpid())
    assert runs_frame([]).columns == list(runs.LISTED)


def test_what_is_not_there_is_told(ledger: Ledger) -> None:
    assert ledger.runs() == []
    assert not ledger.path.exists(), "asking makes no file"
    with pytest.raises(InputError, match="no run of a job 'load'"):
        ledger.runs(job="load")
    with pytest.raises(NotFoundError, match="no run 7"):
        ledger.run(7)
    ledger.begin("refresh", asked_by="command")
    with pytest.raises(InputError, match="no run of a job 'refesh'; did you mean 'refresh'"):
        ledger.runs(job="refesh")
    with pytest.raises(InputError, match="no status 'fialed'; did you mean 'failed'"):
        ledger.runs(status="fialed")


def test_a_slot_is_taken_once(ledger: Ledger) -> None:
    ledger.begin("backup", asked_by="schedule", slot=NOON)
    with pytest.raises(SlotTaken):
        ledger.begin("backup", asked_by="start", slot=NOON)
    ledger.begin("backup", asked_by="schedule", slot=NOON + MINUTE)
    ledger.begin("load", asked_by="schedule", slot=NOON)
    for _ in range(2):
        ledger.begin("backup", asked_by="command")
    assert len(ledger.runs()) == 5


def test_of_many_at_once_one_has_the_slot(ledger: Ledger) -> None:
    took: list[int] = []
    together = threading.Barrier(8)

    def begin() -> None:
        together.wait()
        for minute in range(5):
            try:
                took.append(ledger.begin("backup", asked_by="schedule", slot=NOON + minute * MINUTE))
            except SlotTaken:
                continue

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(took) == sorted(run.run_id for run in ledger.runs())
    assert len(took) == 5


def test_a_run_whose_process_is_gone_was_killed_and_its_slot_is_free_once(ledger: Ledger) -> None:
    slot = datetime(2026, 3, 1, 3)
    for attempt in (1, 2):
        process = begun_elsewhere(ledger)
        assert [run.status for run in ledger.runs(limit=1)] == ["running"], "it lives"
        assert ledger.past("backup", "03:00", NOON).ran == {slot}
        process.send_signal(signal.SIGKILL)
        process.wait()
        [run] = ledger.runs(status="killed", limit=1)
        assert (run.error, run.ended_at, run.pid) == ("its process ended before it did", None, process.pid)
        past = ledger.past("backup", "03:00", NOON)
        assert past.last == slot
        assert past.ran == (set() if attempt == 1 else {slot}), "work that kills its process is tried twice, no more"
    assert len(ledger.runs(status="killed")) == 2
    again = ledger.begin("backup", asked_by="schedule", slot=slot)
    ledger.end(again, Outcome())
    assert ledger.past("backup", "03:00", NOON).ran == {slot}


OUTCOMES = {"ok": Outcome(), "skipped": Outcome(skipped="read by process 7"), "failed": None}


def test_failures_of_the_newest_slot_are_known_until_something_goes_well(ledger: Ledger) -> None:
    def tried(minute: int, status: str, slot: datetime | None = None) -> tuple[int, datetime | None]:
        at = NOON + minute * MINUTE
        run_id = ledger.begin("backup", asked_by="schedule", slot=slot, now=at)
        if status != "killed":
            ledger.end(run_id, OUTCOMES[status], error="full", now=at + MINUTE / 2)
        else:
            with sqlite3.connect(ledger.path) as file:
                file.execute("UPDATE runs SET status = 'killed' WHERE run_id = ?", (run_id,))
        past = ledger.past("backup", "03:00", at)
        return past.failures, past.failed_at

    ledger.past("backup", "03:00", NOON)
    assert tried(1, "failed", NOON + MINUTE) == (1, NOON + 1.5 * MINUTE)
    assert tried(2, "failed") == (2, NOON + 2.5 * MINUTE)
    assert tried(8, "killed") == (3, NOON + 8 * MINUTE), "when it ended nobody knows"
    assert tried(13, "failed") == (4, NOON + 13.5 * MINUTE)
    assert tried(14, "skipped") == (4, NOON + 14.5 * MINUTE), "it is tried again after the same wait"
    assert ledger.past("backup", "04:00", NOON + 15 * MINUTE).failures == 0, "of another timetable"
    ledger.past("backup", "03:00", NOON)
    assert tried(28, "ok") == (0, None)
    assert tried(29, "failed") == (0, None), "it went well once, and this one nobody scheduled"
    assert tried(40, "killed", NOON + 40 * MINUTE) == (0, None), "its slot is free instead"
    assert tried(41, "failed", NOON + 40 * MINUTE) == (1, NOON + 41.5 * MINUTE)
    assert tried(43, "killed") == (2, NOON + 43 * MINUTE)
    assert tried(49, "killed") == (0, None), "work that kills its process waits for its next slot"


def test_a_process_that_nobody_has_waited_for_yet_is_gone(ledger: Ledger) -> None:
    process = begun_elsewhere(ledger)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still listed
    assert [run.status for run in ledger.runs()] == ["killed"]
    process.wait()


def test_a_process_is_more_than_its_number() -> None:
    mine = process_identity(os.getpid())
    assert not is_gone(os.getpid(), mine)
    namespace, boot, start = mine.split(" ")
    assert is_gone(os.getpid(), f"{namespace} {boot} {int(start) - 1}"), "its number was given to another"
    assert is_gone(os.getpid(), f"{namespace} 0000 {start}"), "before the machine started anew"
    elsewhere = f"pid:[1] {boot} {start}"
    assert not is_gone(os.getpid(), elsewhere), "of another container nobody can say"
    assert is_gone(os.getpid(), elsewhere, is_owner=True), "but who owns the store is alone"


def test_a_timetable_holds_from_when_it_was_first_seen(ledger: Ledger) -> None:
    assert ledger.past("backup", "03:00", NOON).since == NOON
    assert ledger.past("backup", "03:00", NOON + MINUTE).since == NOON
    assert ledger.past("backup", "04:00", NOON + MINUTE).since == NOON + MINUTE, "another one"
    assert ledger.past("backup", "04:00", NOON).since == NOON, "the clock was set back"


def test_runs_that_find_nothing_to_do_leave_one_row(ledger: Ledger) -> None:
    for minute in range(5):
        run_id = ledger.begin("load", asked_by="schedule", slot=NOON + minute * MINUTE)
        ledger.end(run_id, Outcome(rows=minute, is_idle=minute in (1, 2, 4)))
    ledger.end(ledger.begin("watch drop", asked_by="schedule", slot=NOON), Outcome(is_idle=True))
    assert [run.rows for run in ledger.runs(job="load")] == [4, 3, 0]
    assert len(ledger.runs(job="watch drop")) == 1


def test_old_runs_are_forgotten_and_their_numbers_not_given_again(ledger: Ledger) -> None:
    for age in (401, 399, 401):
        ledger.begin("load", asked_by="command", now=NOON - timedelta(days=age))
    ledger.drop_old(NOON)
    assert [run.run_id for run in ledger.runs()] == [2]
    assert ledger.begin("load", asked_by="command", now=NOON) == 4


def test_the_last_slot_of_a_job_is_known_however_old(ledger: Ledger) -> None:
    leap_days = calendar("0 3 29 2 *", "UTC")
    ledger.past("backup", "0 3 29 2 *", datetime(2020, 1, 1))
    slot = datetime(2024, 2, 29, 3)
    for one in (slot - timedelta(days=366 * 4), slot):
        ledger.end(ledger.begin("backup", asked_by="schedule", slot=one, now=one), Outcome())
    later = slot + timedelta(days=426)
    ledger.drop_old(later)
    assert [run.slot for run in ledger.runs(job="backup")] == [slot]
    assert due(leap_days, ledger.past("backup", "0 3 29 2 *", later), later) is None


@pytest.mark.parametrize("damage", ["text", "cut", "page", "empty"])
def test_a_damaged_ledger_is_set_aside_and_begun_anew(ledger: Ledger, damage: str) -> None:
    ledger.begin("load", asked_by="schedule", slot=NOON)
    held = ledger.path.read_bytes()
    if damage == "text":
        ledger.path.write_text("this is no database, and never was one, whatever its name says; " * 100)
    elif damage == "cut":
        ledger.path.write_bytes(held[: len(held) // 2])
    elif damage == "page":
        ledger.path.write_bytes(held[:8192] + os.urandom(4096) + held[12288:])
    else:
        ledger.path.write_bytes(b"")
    with structlog.testing.capture_logs() as logged:
        ledger.check()
        again = ledger.begin("load", asked_by="schedule", slot=NOON)
    assert [run.run_id for run in ledger.runs()] == [again]
    if damage == "empty":  # as it is before its first row: nothing can be told from it
        return
    assert [(line["event"], line["kept"]) for line in logged] == [
        ("the run ledger was damaged; it is begun anew", "runs.sqlite.damaged-1")
    ]
    assert ledger.path.with_name("runs.sqlite.damaged-1").exists()


def test_damage_that_shows_on_the_way_is_no_error_of_the_run(ledger: Ledger) -> None:
    ledger.begin("load", asked_by="command")
    ledger.path.write_bytes(b"x" * 5000)
    with structlog.testing.capture_logs():
        ledger.begin("load", asked_by="command")
        ledger.path.write_bytes(b"y" * 5000)
        assert ledger.runs() == []
    assert sorted(path.name for path in ledger.path.parent.glob("*.damaged-?")) == [
        "runs.sqlite.damaged-1", "runs.sqlite.damaged-2",
    ]  # fmt: skip


@pytest.mark.parametrize("writer", ["none", "closed", "at it", "killed"])
def test_a_ledger_is_read_without_a_right_to_write(ledger: Ledger, writer: str) -> None:
    done = ledger.begin("load", asked_by="command")
    ledger.end(done, Outcome(rows=7))
    if writer == "closed":
        ledger.begin("refresh", asked_by="command")
    process = begun_with_a_log(ledger) if writer in ("at it", "killed") else None
    if process is not None and writer == "killed":
        process.kill()
        process.wait()
    held = {path.name: path.read_bytes() for path in ledger.path.parent.iterdir()}
    with read_only(ledger.path.parent):
        assert ledger.run(done).rows == 7
        jobs = [run.job for run in ledger.runs()]
        with pytest.raises(NotWritable, match=r"run ledger .*runs.sqlite cannot be used"):
            ledger.begin("load", asked_by="command")
    others = {"none": [], "closed": ["refresh"]}
    assert jobs == [*others.get(writer, ["backup"]), "load"]
    assert {path.name: path.read_bytes() for path in ledger.path.parent.iterdir()} == held
    if process is not None:
        process.kill()
        process.wait()


def test_who_may_not_write_sees_a_killed_run_as_running(ledger: Ledger) -> None:
    process = begun_elsewhere(ledger)
    process.kill()
    process.wait()
    with read_only(ledger.path.parent):
        assert [run.status for run in ledger.runs()] == ["running"]
    assert [run.status for run in ledger.runs()] == ["killed"]


def test_a_file_that_changes_while_it_is_read_is_read_again(ledger: Ledger) -> None:
    ledger.begin("load", asked_by="command")
    file, seen = SqliteFile(ledger.path, "run ledger", "", 1), list[int]()

    def look(connection: sqlite3.Connection) -> int:
        seen.append(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
        if len(seen) == 1:
            os.utime(ledger.path)  # as the user who may write does
        return seen[-1]

    with read_only(ledger.path.parent):
        assert file.work(look, READ) == 1
    assert seen == [1, 1]


def test_a_ledger_of_a_newer_trialwise_is_left_alone(ledger: Ledger) -> None:
    ledger.begin("load", asked_by="command")
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreError, match="version 2"):
        ledger.begin("load", asked_by="command")


def test_a_ledger_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"run ledger .*runs.sqlite cannot be used"):
        Ledger(tmp_path / "data").begin("load", asked_by="command")


def test_it_is_read_while_others_write(ledger: Ledger) -> None:
    ledger.begin("load", asked_by="command")
    process = begun_elsewhere(ledger)
    with sqlite3.connect(ledger.path) as reading:
        assert reading.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM runs").fetchone() == (2,)
        ledger.begin("load", asked_by="command")
        assert reading.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    reading.close()
    assert len(ledger.runs()) == 3
    process.kill()
    process.wait()
