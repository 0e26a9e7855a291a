"""The run ledger: what was done when, for which slot of the schedule, and what came of it.

data/runs.sqlite   one row a run: any process reads and writes it at any time, a live server or not
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from trialwise.clock import utc_now
from trialwise.errors import InputError, NotFoundError, NotWritable, nearest
from trialwise.sqlite_file import READ, SqliteFile
from trialwise.timetable import Past

if TYPE_CHECKING:
    import polars as pl

Status = Literal["running", "ok", "failed", "skipped", "killed"]
AskedBy = Literal["schedule", "command", "start"]
NAME = "runs.sqlite"
KEPT = timedelta(days=400)
KILLED_TWICE = 2
"""A slot whose run was killed is run once more; work that kills its process again has to wait for its next slot."""
SLOTS_KNOWN = 3_000  # of a job, the newest ones: two days of a job that runs every minute
LISTED = ("run_id", "job", "status", "started_at", "seconds", "rows", "error", "asked_by", "slot", "ended_at",
          "generation", "watermark")  # fmt: skip
SHOWN = (*LISTED, "pid", "fingerprints", "details")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    slot TEXT,
    asked_by TEXT NOT NULL CHECK (asked_by IN ('schedule', 'command', 'start')),
    started_at TEXT NOT NULL,
    ended_at TEXT,
    status TEXT NOT NULL CHECK (status IN ('running', 'ok', 'failed', 'skipped', 'killed')),
    generation INTEGER,
    rows INTEGER,
    watermark INTEGER,
    fingerprints TEXT,
    details TEXT,
    error TEXT,
    is_idle INTEGER NOT NULL DEFAULT 0,
    pid INTEGER NOT NULL,
    process TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS runs_slot ON runs (job, slot) WHERE status <> 'killed';
CREATE INDEX IF NOT EXISTS runs_job ON runs (job, run_id);
CREATE TABLE IF NOT EXISTS timetables (job TEXT PRIMARY KEY, timetable TEXT NOT NULL, since TEXT NOT NULL) STRICT;
PRAGMA user_version = 1;
"""
_VERSION = 1


@dataclass(frozen=True)
class Skipped:
    """What a run that was left out gives, for somebody else is at the same work; `why` says who."""

    why: str


class SlotTaken(Exception):
    """A slot of a job has been run, or is being run."""


@dataclass(frozen=True)
class Outcome:
    """What a run that went well came to.

    generation: the published one; rows: records loaded; watermark: the id of the last load; fingerprints: of what the
    results were made from; details: whatever else is worth telling, as JSON; is_idle: whether there was nothing to do;
    skipped: why it was left out.
    """

    generation: int | None = None
    rows: int | None = None
    watermark: int | None = None
    fingerprints: Mapping[str, str] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    is_idle: bool = False
    skipped: str | None = None


@dataclass(frozen=True)
class Run:
    """One row of the ledger; instants are UTC without zone, `slot` None for what a person asked for."""

    run_id: int
    job: str
    slot: datetime | None
    asked_by: str
    started_at: datetime
    ended_at: datetime | None
    status: str
    generation: int | None
    rows: int | None
    watermark: int | None
    fingerprints: Mapping[str, str] | None
    details: Mapping[str, Any]
    error: str | None
    pid: int

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs, and of one that was killed nobody knows when."""
        return None if self.ended_at is None else round((self.ended_at - self.started_at).total_seconds(), 3)


class Ledger:
    """The ledger of one data folder; the file is made at the first run.

    Every method raises StoreError when the ledger cannot be read or written; a damaged one is set aside and begun anew.
    """

    def __init__(self, data: Path) -> None:
        self.path = data / NAME
        self._file = SqliteFile(self.path, "run ledger", _SCHEMA, _VERSION)

    def begin(self, job: str, *, asked_by: AskedBy, slot: datetime | None = None, now: datetime | None = None) -> int:
        """Note that a run begins, before it does; its id. Raises SlotTaken when the job had that slot before."""
        started = utc_now() if now is None else now
        row = (job, _text(slot), asked_by, _text(started), os.getpid(), process_identity(os.getpid()))

        def insert(ledger: sqlite3.Connection) -> int:
            try:
                found = ledger.execute(
                    "INSERT INTO runs (job, slot, asked_by, started_at, status, pid, process)"
                    " VALUES (?, ?, ?, ?, 'running', ?, ?) RETURNING run_id",
                    row,
                ).fetchone()
            except sqlite3.IntegrityError as error:
                raise SlotTaken(f"{job} at {slot}") from error
            return int(found[0])

        return self._file.work(insert)

    def end(
        self, run_id: int, outcome: Outcome | None, *, error: str | None = None, now: datetime | None = None
    ) -> None:
        """Note how a run ended. One that found nothing to do replaces the one of its job before it that found nothing.

        outcome: None where it failed with `error`.
        """
        told = outcome or Outcome()
        status: Status = "failed" if outcome is None else "ok" if told.skipped is None else "skipped"
        row = {
            "run_id": run_id,
            "ended_at": _text(utc_now() if now is None else now),
            "status": status,
            "generation": told.generation,
            "rows": told.rows,
            "watermark": told.watermark,
            "fingerprints": None if told.fingerprints is None else json.dumps(told.fingerprints, sort_keys=True),
            "details": json.dumps(told.details) if told.details else None,
            "error": error if told.skipped is None else told.skipped,
            "is_idle": told.is_idle,
        }

        def update(ledger: sqlite3.Connection) -> None:
            ledger.execute(
                "UPDATE runs SET ended_at = :ended_at, status = :status, generation = :generation, rows = :rows,"
                " watermark = :watermark, fingerprints = :fingerprints, details = :details, error = :error,"
                " is_idle = :is_idle WHERE run_id = :run_id",
                row,
            )
            if told.is_idle:
                ledger.execute(
                    "DELETE FROM runs WHERE is_idle AND run_id < ?1 AND job = (SELECT job FROM runs WHERE run_id = ?1)",
                    (run_id,),
                )

        self._file.work(update)

    def rewrite(self, change: Callable[[str], str]) -> int:
        """Put other texts in the place of errors and details that were noted, whose bytes go too; how many changed."""
        if not self.path.exists():
            return 0

        def update(ledger: sqlite3.Connection) -> int:
            rows = ledger.execute("SELECT run_id, job, error, details FROM runs").fetchall()
            new = [
                (
                    *(None if text is None else change(text) for text in (row["job"], row["error"], row["details"])),
                    row["run_id"],
                )
                for row in rows
            ]
            changed = [one for row, one in zip(rows, new, strict=True) if one[:3] != tuple(row)[1:]]
            ledger.executemany("UPDATE runs SET job = ?, error = ?, details = ? WHERE run_id = ?", changed)
            return len(changed)

        count = self._file.work(update)
        if count:
            self._file.compact()
        return count

    def tell_killed(self, *, is_owner: bool = False) -> int:
        """Call runs killed whose process is gone; how many there were.

        A process is known by its id and start. One of another container cannot be seen from here: its runs are left
        alone, but by the owner of the store (is_owner), beside whom nobody else can be at work.
        """

        def look(ledger: sqlite3.Connection) -> list[int]:
            rows = ledger.execute("SELECT run_id, pid, process FROM runs WHERE status = 'running'").fetchall()
            return [run_id for run_id, pid, process in rows if is_gone(pid, process, is_owner=is_owner)]

        def update(ledger: sqlite3.Connection) -> int:
            gone = look(ledger)
            ledger.executemany(
                "UPDATE runs SET status = 'killed', error = 'its process ended before it did' WHERE run_id = ?",
                [(run_id,) for run_id in gone],
            )
            return len(gone)

        return self._file.work(update) if self.path.exists() and self._file.work(look, READ) else 0

    def past(self, job: str, timetable: str, now: datetime) -> Past:
        """What is known of a job that runs by `timetable`.

        A timetable that is new holds from `now`: the times before were none of its own. A slot whose run was killed may
        be run once more. Failures are those of the newest slot and of what was tried after it, by whomever.
        """

        def look(ledger: sqlite3.Connection) -> Past:
            known = ledger.execute("SELECT timetable, since FROM timetables WHERE job = ?", (job,)).fetchone()
            since = None if known is None or known[0] != timetable else datetime.fromisoformat(known[1])
            if since is None or since > now:
                since = now
                ledger.execute("INSERT OR REPLACE INTO timetables VALUES (?, ?, ?)", (job, timetable, _text(now)))
            newest = ledger.execute(
                "SELECT slot, status, run_id FROM runs WHERE job = ? AND slot IS NOT NULL ORDER BY run_id DESC LIMIT ?",
                (job, SLOTS_KNOWN),
            ).fetchall()
            killed = Counter(slot for slot, status, _ in newest if status == "killed")
            done = {slot for slot, status, _ in newest if status != "killed"}
            done |= {slot for slot, times in killed.items() if times >= KILLED_TWICE}
            last = _moment(newest[0][0]) if newest else None
            found = Past(since, last, frozenset(map(datetime.fromisoformat, done)))
            return found if last is None or last <= since else _with_failures(found, ledger, job, newest[0][2])

        return self._file.work(look)

    def last_ok(self, job: str) -> Run | None:
        """The newest run of a job that went well; None before the first."""
        return self._first("SELECT * FROM runs WHERE job = ? AND status = 'ok' ORDER BY run_id DESC LIMIT 1", job)

    def last(self, job: str) -> Run | None:
        """The newest run of a job; None before the first."""
        return self._first("SELECT * FROM runs WHERE job = ? ORDER BY run_id DESC LIMIT 1", job)

    def latest(self) -> list[Run]:
        """The newest run of each job, in their order; one that was left out only where there is no other."""
        return self._runs(
            "SELECT * FROM runs WHERE run_id IN (SELECT coalesce(max(run_id) FILTER (WHERE status <> 'skipped'),"
            " max(run_id)) FROM runs GROUP BY job) ORDER BY job"
        )

    def runs(self, *, job: str | None = None, status: str | None = None, limit: int | None = None) -> list[Run]:
        """Runs, the newest first. Raises InputError for a status or job there is none of."""
        known = get_args(Status)
        if status is not None and status not in known:
            raise InputError(f"no status '{status}'{nearest(status, known)}", f"There are {', '.join(known)}.")
        self._tell_killed_if_may()
        jobs = [run.job for run in self.latest()]
        if job is not None and job not in jobs:
            there = f"Jobs that ran: {', '.join(jobs)}." if jobs else "Nothing ran yet."
            raise InputError(f"no run of a job '{job}'{nearest(job, jobs)}", there)
        return self._runs(
            "SELECT * FROM runs WHERE (?1 IS NULL OR job = ?1) AND (?2 IS NULL OR status = ?2)"
            " ORDER BY run_id DESC LIMIT ?3",
            job, status, -1 if limit is None else limit,
        )  # fmt: skip

    def run(self, run_id: int) -> Run:
        """One run; raises NotFoundError."""
        self._tell_killed_if_may()
        found = self._first("SELECT * FROM runs WHERE run_id = ?", run_id)
        if found is None:
            raise NotFoundError(f"no run {run_id}", "See 'trialwise runs'.")
        return found

    def drop_old(self, now: datetime) -> None:
        """Forget runs that are older than `KEPT`, but the last of each job's slots: it is not to be caught up on."""
        query = (
            "DELETE FROM runs WHERE started_at < ? "
            "AND run_id NOT IN (SELECT max(run_id) FROM runs WHERE slot IS NOT NULL GROUP BY job)"
        )
        self._file.work(lambda ledger: ledger.execute(query, (_text(now - KEPT),)))

    def check(self) -> None:
        """Look at the whole file, which a transaction reads a part of; a damaged one is set aside."""
        self._file.check()

    def set_aside(self) -> tuple[Path, ...]:
        """Ledgers that proved damaged, the oldest first."""
        return self._file.set_aside()

    def _tell_killed_if_may(self) -> None:
        with suppress(NotWritable):  # who may only read sees it as running, until somebody else has told
            self.tell_killed()

    def _first(self, query: str, *values: Any) -> Run | None:
        return next(iter(self._runs(query, *values)), None)

    def _runs(self, query: str, *values: Any) -> list[Run]:
        if not self.path.exists():
            return []
        return self._file.work(lambda ledger: [_run(row) for row in ledger.execute(query, values).fetchall()], READ)


def _with_failures(past: Past, ledger: sqlite3.Connection, job: str, run_id: int) -> Past:
    """With what failed from the newest slot's run on, if nothing went well since; one left out is tried again later."""
    tried = ledger.execute(
        "SELECT status, coalesce(ended_at, started_at) FROM runs WHERE job = ? AND run_id >= ? ORDER BY run_id",
        (job, run_id),
    ).fetchall()
    counts = Counter(status for status, _ in tried)
    failures = counts["failed"] + counts["killed"]
    is_failing = tried[0][0] == "failed" and failures + counts["skipped"] == len(tried)
    if not is_failing or counts["killed"] >= KILLED_TWICE:
        return past
    return replace(past, failures=failures, failed_at=_moment(tried[-1][1]))


def runs_frame(runs: list[Run], columns: tuple[str, ...] = LISTED) -> pl.DataFrame:
    """Runs as rows; `fingerprints` and `details` as JSON text."""
    import polars as pl

    kinds: dict[str, Any] = {
        "run_id": pl.Int64, "slot": pl.Datetime("us"), "started_at": pl.Datetime("us"), "ended_at": pl.Datetime("us"),
        "seconds": pl.Float64, "generation": pl.Int64, "rows": pl.Int64, "watermark": pl.Int64, "pid": pl.Int64,
    }  # fmt: skip

    def cell(run: Run, name: str) -> Any:
        value = getattr(run, name)
        return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value

    schema = {name: kinds.get(name, pl.String) for name in columns}
    return pl.DataFrame([tuple(cell(run, name) for name in columns) for run in runs], schema, orient="row")


def process_identity(pid: int) -> str:
    """What tells a process from a later one with its id: namespace, boot and start; empty when there is none such.

    On a system without /proc it is 'alive' of any process that lives: its id has to do.
    """
    try:
        # the name in parentheses may hold anything; state and start are the 3rd field and the 22nd
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return "" if fields[0] in ("Z", "X") else f"{Path('/proc/self/ns/pid').readlink()} {boot} {fields[19]}"
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "alive"
    return "alive"


def is_gone(pid: int, identity: str, *, is_owner: bool = False) -> bool:
    """Whether a process has ended; of one of another container only the owner of the store may say so."""
    mine = process_identity(os.getpid()).split(" ")
    if len(mine) > 1 and mine[0] != identity.split(" ")[0]:
        return is_owner
    return process_identity(pid) != identity


def _run(row: sqlite3.Row) -> Run:
    return Run(
        run_id=row["run_id"],
        job=row["job"],
        slot=_moment(row["slot"]),
        asked_by=row["asked_by"],
        started_at=datetime.fromisoformat(row["started_at"]),
        ended_at=_moment(row["ended_at"]),
        status=row["status"],
        generation=row["generation"],
        rows=row["rows"],
        watermark=row["watermark"],
        fingerprints=json.loads(row["fingerprints"]) if row["fingerprints"] else None,
        details=json.loads(row["details"]) if row["details"] else {},
        error=row["error"],
        pid=row["pid"],
    )


def _text(moment: datetime | None) -> str | None:
    """A UTC instant without zone, so that texts sort as instants do."""
    return None if moment is None else moment.isoformat(timespec="microseconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
