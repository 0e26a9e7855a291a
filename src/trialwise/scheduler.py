"""What a server does by itself, and when: each job is one function, carried out by the owner."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from trialwise import arrivals, intake, pipeline, upkeep
from trialwise.clock import zone
from trialwise.config import Config
from trialwise.config.environment import Secrets
from trialwise.errors import SourceBusy, TrialwiseError
from trialwise.landing.report import LoadReport
from trialwise.owner.service import Owner
from trialwise.workspace import Workspace

Task = Callable[[Workspace], Any]
_OWN, _OUTSIDE = "default", "outside"


@dataclass(frozen=True)
class Job:
    """A piece of work that is done again and again.

    name: as it is logged and counted; every: the time between two runs; is_first: also done when the server starts;
    is_source: it waits for somebody else's answer, not for the store.
    """

    name: str
    trigger: BaseTrigger
    every: timedelta
    task: Task
    is_first: bool = False
    is_source: bool = False


@dataclass(frozen=True)
class Skipped:
    """A run that was left out, for somebody else is at the same work; `why` says who."""

    why: str


@dataclass
class _Load:
    """The load, which looks at the store the first time even when nothing waits: it may be damaged."""

    has_looked: bool = field(default=False)

    def __call__(self, workspace: Workspace) -> LoadReport | None:
        if self.has_looked and not arrivals.has_landed(workspace):
            return None
        loaded = pipeline.load_landed(workspace)
        self.has_looked = True
        return loaded


def jobs_of(config: Config, secrets: Secrets) -> list[Job]:
    """The jobs a configuration asks for: those of a source only where it is configured."""
    schedule, stripe, sources = config.schedule, config.stripe, config.sources
    jobs = [
        _often("load", timedelta(seconds=schedule.load_seconds), _Load(), is_first=True),
        _often("refresh", timedelta(minutes=schedule.refresh_minutes), pipeline.refresh),
        _daily("compact", stripe.reconcile_hour, 37, config, upkeep.compact),
    ]
    if secrets.stripe_key:
        jobs += [
            _source("stripe poll", timedelta(minutes=stripe.poll_minutes), arrivals.import_stripe_api),
            _daily(
                "stripe reconcile",
                stripe.reconcile_hour,
                7,
                config,
                _unless_busy(arrivals.reconcile_stripe),
                is_source=True,
            ),
        ]
    for name, section in sources.http.items():
        jobs.append(_source(f"pull {name}", timedelta(minutes=section.every_minutes), _pull(name)))
    for name, folder in sources.files.items():
        jobs.append(_source(f"watch {name}", timedelta(seconds=folder.every_seconds), _watch(name)))
    return jobs


def _often(name: str, every: timedelta, task: Task, *, is_first: bool = False, is_source: bool = False) -> Job:
    trigger = IntervalTrigger(seconds=int(every.total_seconds()), timezone=UTC)
    return Job(name, trigger, every, task, is_first, is_source)


def _source(name: str, every: timedelta, task: Task) -> Job:
    return _often(name, every, _unless_busy(task), is_first=True, is_source=True)


def _unless_busy(task: Task) -> Task:
    """A source that is being read already needs no second reading: the next run goes on where that one ends."""

    def run(workspace: Workspace) -> Any:
        try:
            return task(workspace)
        except SourceBusy as busy:
            return Skipped(busy.message)

    return run


def _daily(name: str, hour: int, minute: int, config: Config, task: Task, *, is_source: bool = False) -> Job:
    """Once a day of the reporting zone. In an hour that comes twice it may run twice, which does no harm."""
    trigger = CronTrigger(hour=hour, minute=minute, timezone=zone(config.workspace.timezone))
    return Job(name, trigger, timedelta(days=1), task, is_source=is_source)


def _pull(name: str) -> Task:
    return lambda workspace: intake.pull_all(workspace, name, _leave_it_to_the_load).checked()


def _watch(name: str) -> Task:
    return lambda workspace: intake.watch_all(workspace, name, _leave_it_to_the_load).checked()


def _leave_it_to_the_load(_progress: object) -> LoadReport:
    """What was landed waits for the next load, so that a source that fails hides no load."""
    return LoadReport()


class Schedule:
    """The jobs of a live server. A run that is late is done once; a job never runs twice at a time.

    Every job has a thread to run in, and those of sources are not those of the store: however many sources keep silent,
    and for however long, neither the load nor another source waits for them.
    """

    def __init__(self, owner: Owner, jobs: list[Job], begins: Callable[[str], None] = lambda _: None) -> None:
        """begins: is told the name of a job when it begins; of its end the owner tells."""
        self._owner = owner
        self._begins = begins
        outside = sum(job.is_source for job in jobs)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                _OWN: ThreadPoolExecutor(max(1, len(jobs) - outside)),
                _OUTSIDE: ThreadPoolExecutor(max(1, outside)),
            },
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for job in jobs:
            when = {"next_run_time": datetime.now(UTC)} if job.is_first else {}
            executor = _OUTSIDE if job.is_source else _OWN
            self._scheduler.add_job(self._run, job.trigger, args=[job], id=job.name, executor=executor, **when)

    def start(self) -> None:
        """Begin."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a run that is late is the rule here, not a warning
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more; what runs goes on."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _run(self, job: Job) -> None:
        self._begins(job.name)
        try:
            self._owner.work(job.name, job.task)
        except TrialwiseError:
            return  # the owner has told of it; the next run may go well
