"""What the parent tells its children: a small file, replaced after every piece of the owner's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from trialwise.freshness import Freshness
from trialwise.landing.report import LoadReport

NAME = "state.json"
STUCK_AFTER = timedelta(minutes=30)
"""A source that is asked for longer is stuck: it neither answers nor fails, or has more than a run should bring."""
OVERDUE_RUNS = 3
OVERDUE_MORE = timedelta(minutes=1)
log = structlog.get_logger("trialwise.server")


@dataclass(frozen=True)
class Work:
    """One kind of the owner's work since the server started.

    Instants are UTC without zone; seconds: how long the last run took; is_failing: whether the last one failed, be it
    before the server started. Why, only the log says, which knows what to leave out. every: the time between two runs
    of a job, None of what only commands ask for; is_source: whether it waits for somebody else's answer; began_at: of
    the run that goes on now.
    """

    runs: int = 0
    failures: int = 0
    last_at: datetime | None = None
    succeeded_at: datetime | None = None
    seconds: float = 0.0
    is_failing: bool = False
    every: timedelta | None = None
    is_source: bool = False
    began_at: datetime | None = None

    def ran(self, at: datetime, seconds: float, failed: bool) -> Work:
        """After one more run."""
        return replace(
            self,
            runs=self.runs + 1,
            failures=self.failures + failed,
            last_at=at,
            succeeded_at=self.succeeded_at if failed else at,
            seconds=seconds,
            is_failing=failed,
            began_at=None,
        )

    def left_out(self, at: datetime) -> Work:
        """After a run that was left out: neither a success nor a failure."""
        return replace(self, last_at=at, began_at=None)

    def is_overdue(self, started_at: datetime, now: datetime) -> bool:
        """Whether no run has ended for several times the time between two; started_at: of the server."""
        since = now - (self.last_at or started_at)
        return self.every is not None and since > OVERDUE_RUNS * self.every + OVERDUE_MORE

    def is_stuck(self, now: datetime) -> bool:
        """Whether a source has been asked for too long."""
        return self.is_source and self.began_at is not None and now - self.began_at > STUCK_AFTER


@dataclass(frozen=True)
class State:
    """The owner and its workspace, as of the last piece of work. Instants are UTC without zone.

    loaded      all loads since the server started, together, without those that filled the store anew
    refilled    records read again by those that did, with the few that had just come
    unlanded    records that Stripe's API gave of who was forgotten, and that were not landed, since the server started
    recoveries  how often the store was damaged and filled again, ever
    stripe_gaps, stripe_gap   how many times events of Stripe may be missing, and for how many seconds altogether
    """

    pid: int = 0
    started_at: datetime | None = None
    work: Mapping[str, Work] = field(default_factory=dict)
    loaded: LoadReport = field(default_factory=LoadReport)
    refilled: int = 0
    unlanded: int = 0
    restarts: int = 0
    loaded_at: datetime | None = None
    published_at: datetime | None = None
    freshness: Freshness = field(default_factory=Freshness)
    recoveries: int = 0
    stripe_polled_at: datetime | None = None
    stripe_reconciled_at: datetime | None = None
    stripe_gaps: int = 0
    stripe_gap: float = 0.0

    def ran(self, name: str, at: datetime, seconds: float, *, failed: bool) -> State:
        """After a piece of work."""
        return replace(self, work={**self.work, name: self.work.get(name, Work()).ran(at, seconds, failed)})

    def with_load(self, report: LoadReport) -> State:
        """After a load. One that fills the store anew brings records that were counted when they came."""
        if report.rebuilt is not None:
            return replace(self, refilled=self.refilled + report.received)
        return replace(self, loaded=self.loaded + report)

    def left_out(self, name: str, at: datetime) -> State:
        """After a run of a job that was left out."""
        return replace(self, work={**self.work, name: self.work.get(name, Work()).left_out(at)})

    def plans(self, name: str, every: timedelta, *, is_source: bool, is_failing: bool = False) -> State:
        """With a job that is to be done; is_failing: whether its last run, before the server started, failed."""
        work = replace(self.work.get(name, Work()), every=every, is_source=is_source, is_failing=is_failing)
        return replace(self, work={**self.work, name: work})

    def begins(self, name: str, at: datetime) -> State:
        """While a run of a job goes on."""
        return replace(self, work={**self.work, name: replace(self.work.get(name, Work()), began_at=at)})

    def overdue(self, now: datetime) -> tuple[str, ...]:
        """Jobs of which no run has ended for too long; of a parent that is gone, in time all."""
        started_at = self.started_at or now
        return tuple(sorted(name for name, work in self.work.items() if work.is_overdue(started_at, now)))

    def stuck(self, now: datetime) -> tuple[str, ...]:
        """Sources that have been asked for too long."""
        return tuple(sorted(name for name, work in self.work.items() if work.is_stuck(now)))

    @property
    def failing(self) -> tuple[str, ...]:
        """Work whose last run failed."""
        return tuple(sorted(name for name, work in self.work.items() if work.is_failing))


_STATES = TypeAdapter(State)


class Watched:
    """The state in a folder, read again when it has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, int] = (0, 0)
        self._state = State()

    def __call__(self) -> State:
        """What the parent told last."""
        try:
            stat = (self._folder / NAME).stat()
        except FileNotFoundError:
            return self._state
        if (seen := (stat.st_mtime_ns, stat.st_ino)) != self._seen:
            self._seen, self._state = seen, read(self._folder)
        return self._state


def write(folder: Path, state: State) -> None:
    """Tell the children; a disk that is full leaves them with what they knew."""
    fresh = folder / f".{NAME}"
    try:
        fresh.write_bytes(_STATES.dump_json(state))
        fresh.replace(folder / NAME)
    except OSError as error:
        log.warning("state not written", error=str(error))


def read(folder: Path) -> State:
    """What the parent told last; an empty state before the first."""
    try:
        return _STATES.validate_json((folder / NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return State()
