"""Which jobs may begin now: those that are due, in the order of their stages, each never twice at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trialwise.jobs import Job
from trialwise.runs import SLOTS_KNOWN, AskedBy
from trialwise.timetable import Every, Past, due, is_retried

SOURCE_PATIENCE = timedelta(minutes=1)
"""How long a job waits for sources that began before it. What they bring later, the next load takes."""
STORE_PATIENCE = timedelta(minutes=15)
"""How long a job waits for a load or refresh that comes before it."""


@dataclass(frozen=True)
class Turn:
    """One run that may begin: the slot it stands for, None where it is tried again, and who asks for it."""

    job: Job
    slot: datetime | None
    asked_by: AskedBy


@dataclass
class _Entry:
    """A job as it stands.

    began, waits: seconds of a clock that is never set, None while it does not run, or wait; ended: of its last run.
    """

    job: Job
    past: Past
    spacing: timedelta
    is_hurried: bool = False
    is_done: bool = False
    began: float | None = None
    waits: float | None = None
    ended: float | None = None


class Agenda:
    """The jobs of one scheduler. It is told the time, and keeps no thread, file or clock of its own.

    past: what the ledger knows of each job; hurried: jobs to be done at the start, due or not; is_once: whether each
    job is done once at most.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        past: Mapping[str, Past],
        now: datetime,
        *,
        hurried: Iterable[str] = (),
        is_once: bool = False,
    ) -> None:
        hurry = set(hurried)
        self._is_once = is_once
        self._entries = [
            _Entry(job, past[job.name], job.timetable.spacing(now), is_hurried=job.name in hurry)
            for job in sorted(jobs, key=lambda job: job.stage)
        ]

    def take(self, now: datetime, seconds: float) -> list[Turn]:
        """The runs that begin now, in order; each counts as running until `ended`.

        now: UTC without zone; seconds: of a clock that nobody sets, for how long things take.
        """
        turns = []
        for entry in self._entries:
            if entry.began is not None:
                continue
            turn = self._turn(entry, now)
            if turn is None:
                entry.waits = None
                continue
            entry.waits = seconds if entry.waits is None else entry.waits
            if self._is_held(entry, seconds):
                continue
            entry.began, entry.waits, entry.is_hurried, entry.is_done = seconds, None, False, True
            if turn.slot is not None:
                self.ran(entry.job.name, turn.slot)
            turns.append(turn)
        return turns

    def ran(self, name: str, slot: datetime) -> None:
        """A slot of a job is taken, here or elsewhere."""
        entry = self._entry(name)
        known = {slot} if isinstance(entry.job.timetable, Every) else {*entry.past.ran, slot}
        ran = frozenset(sorted(known)[-SLOTS_KNOWN:])
        entry.past = replace(entry.past, last=slot, ran=ran, failures=0, failed_at=None)

    def ended(
        self, name: str, seconds: float, *, failed_at: datetime | None = None, skipped_at: datetime | None = None
    ) -> None:
        """A job's run is over; failed_at, skipped_at: when, UTC without zone, if it failed, or was left out."""
        entry = self._entry(name)
        entry.began, entry.ended = None, seconds
        if skipped_at is not None and entry.past.failures:  # what failed before is still to be tried again
            entry.past = replace(entry.past, failed_at=skipped_at)
            return
        failures = 0 if failed_at is None else entry.past.failures + 1
        entry.past = replace(entry.past, failures=failures, failed_at=failed_at)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs or waits, as of the last `take`."""
        return all(entry.began is None and entry.waits is None for entry in self._entries)

    def _entry(self, name: str) -> _Entry:
        return next(entry for entry in self._entries if entry.job.name == name)

    def _turn(self, entry: _Entry, now: datetime) -> Turn | None:
        if self._is_once and entry.is_done:
            return None
        if entry.past.since > now:  # the clock was set back: what it showed before says nothing
            entry.past = replace(entry.past, since=now)
        slot = due(entry.job.timetable, entry.past, now)
        if slot is not None:
            return Turn(entry.job, slot, "schedule")
        if is_retried(entry.job.timetable, entry.past, now):
            return Turn(entry.job, None, "schedule")
        return Turn(entry.job, now, "start") if entry.is_hurried else None

    def _is_held(self, entry: _Entry, seconds: float) -> bool:
        """Whether a job of an earlier stage comes first: one that waits or runs, and was not done since this one waits.

        It is waited for with patience: not for one that has been at it for long, and not for long.
        """
        waits = seconds if entry.waits is None else entry.waits
        for other in self._entries:
            if other.job.stage >= entry.job.stage:
                return False
            longest = SOURCE_PATIENCE if other.job.is_source else STORE_PATIENCE
            patience = min(longest, entry.spacing).total_seconds()
            is_done = other.ended is not None and other.ended >= waits
            if is_done or seconds - waits >= patience:
                continue
            if other.waits is not None or (other.began is not None and seconds - other.began < patience):
                return True
        return False
