"""What is due is begun here: a tick a second asks the agenda, and each run has a thread and a row in the ledger."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from trialwise import freshness
from trialwise.agenda import Agenda, Turn
from trialwise.clock import utc_now
from trialwise.errors import StoreError, TrialwiseError
from trialwise.jobs import Job
from trialwise.owner.service import Owner
from trialwise.runs import Ledger, Skipped, SlotTaken
from trialwise.timetable import Every, Past
from trialwise.workspace import Workspace

TICK = 1.0
"""Seconds between two looks at what is due."""
log = structlog.get_logger("trialwise.scheduler")


class Schedule:
    """The jobs of the process that owns the store. A run that is late is done once; a job never runs twice at a time.

    Every run has a thread of its own: however many sources keep silent, and for however long, neither the load nor
    another source waits for them longer than the agenda lets it.
    """

    def __init__(
        self,
        owner: Owner,
        jobs: Iterable[Job],
        begins: Callable[[str], None] = lambda _: None,
        *,
        is_once: bool = False,
    ) -> None:
        """begins: is told the name of a job when it begins, and the owner tells of its end; is_once: see Agenda."""
        self._owner = owner
        self._begins = begins
        jobs, workspace, now = list(jobs), owner.workspace(), utc_now()
        past = _past(workspace, jobs, now)
        hurried = _hurried(workspace, jobs, now)
        self._agenda = Agenda(jobs, past, now, hurried=hurried, is_once=is_once)
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._failed: list[str] = []
        self._ticks = _Ticks(timezone=UTC)
        self._ticks.add_job(
            self.tick,
            IntervalTrigger(seconds=TICK, timezone=UTC),
            next_run_time=datetime.now(UTC),
            misfire_grace_time=None,  # by default a tick that is a second late is left out
            coalesce=True,
        )

    def start(self) -> None:
        """Begin."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick that is late is no news
        self._ticks.start()

    def stop(self) -> None:
        """Begin nothing more; what runs goes on."""
        if self._ticks.running:
            self._ticks.shutdown(wait=False)

    def tick(self) -> None:
        """Begin what is due now."""
        with self._mutex:
            for turn in self._agenda.take(utc_now(), time.monotonic()):
                self._begin(turn)

    def do_due(self, is_stopped: Callable[[], bool] = lambda: False) -> list[str]:
        """Do what is due and return when it is done, each job once at most; the jobs that failed."""
        while not is_stopped():
            self._ended.clear()
            self.tick()
            with self._mutex:
                if self._agenda.is_idle:
                    break
            self._ended.wait(TICK)
        return list(self._failed)

    def _begin(self, turn: Turn) -> None:
        name = turn.job.name
        try:
            run_id = self._owner.recorder.begin(name, turn.asked_by, turn.slot)
        except SlotTaken:
            self._agenda.ended(name, time.monotonic())
            return
        self._owner.begin(name, self._run, turn.job, run_id, is_for_store=not turn.job.is_source)

    def _run(self, job: Job, run_id: int | None) -> None:
        failed_at = skipped_at = None
        self._begins(job.name)
        try:
            result = self._owner.work(job.name, job.task)
            skipped_at = utc_now() if isinstance(result, Skipped) else None
            self._owner.recorder.ended(run_id, result)
        except TrialwiseError as error:  # the owner has told of it; the next run may go well
            failed_at = utc_now()
            self._failed.append(job.name)
            self._owner.recorder.failed(run_id, error)
        finally:
            with self._mutex:
                self._agenda.ended(job.name, time.monotonic(), failed_at=failed_at, skipped_at=skipped_at)
            self._ended.set()


class _Ticks(BackgroundScheduler):
    """APScheduler, going on where the clock is set back: by itself it waits until the old time comes again."""

    def _process_jobs(self) -> float:
        now = datetime.now(UTC)
        for job in self.get_jobs():
            if job.next_run_time > now + timedelta(seconds=2 * TICK):
                job.modify(next_run_time=now)
        wait = super()._process_jobs()
        return TICK if wait is None else min(wait, TICK)


def _past(workspace: Workspace, jobs: Iterable[Job], now: datetime) -> dict[str, Past]:
    """What the ledger knows of each job. One that cannot be used knows nothing: then every timetable begins now."""
    ledger = Ledger(workspace.data)
    try:
        ledger.check()
        ledger.tell_killed(is_owner=True)
        ledger.drop_old(now)
        return {job.name: ledger.past(job.name, str(job.timetable), now) for job in jobs}
    except StoreError as error:
        log.warning("no run ledger", error=error.message)
        return {job.name: Past(now) for job in jobs}


def _hurried(workspace: Workspace, jobs: Iterable[Job], now: datetime) -> list[str]:
    """What is done at the start, due or not: the load, for the store may be damaged, and a refresh that is overdue."""
    hurried = []
    for job in jobs:
        if job.name == "load":
            hurried.append(job.name)
        if job.name == "refresh" and isinstance(job.timetable, Every):
            is_published = freshness.published_at(workspace) is not None
            last = freshness.look(workspace, now).refreshed_at if is_published else None
            if last is None or not last <= now < last + job.timetable.length:
                hurried.append(job.name)
    return hurried
