"""What a server does by itself, and when: each job is one function of the pipeline, carried out by the owner."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from trialwise import intake, pipeline
from trialwise.clock import zone
from trialwise.config import Config, Secrets
from trialwise.errors import TrialwiseError
from trialwise.landing.report import LoadReport
from trialwise.owner.service import Owner
from trialwise.workspace import Workspace


@dataclass(frozen=True)
class Job:
    """name: as it is logged and counted; is_first: also done when the server starts."""

    name: str
    trigger: BaseTrigger
    task: Callable[[Workspace], Any]
    is_first: bool = False


@dataclass
class _Load:
    """The load, which looks at the store the first time even when nothing waits: it may be damaged."""

    has_looked: bool = field(default=False)

    def __call__(self, workspace: Workspace) -> LoadReport | None:
        if self.has_looked and not pipeline.has_landed(workspace):
            return None
        loaded = pipeline.load_landed(workspace)
        self.has_looked = True
        return loaded


def jobs_of(config: Config, secrets: Secrets) -> list[Job]:
    """The jobs a configuration asks for: those of a source only where it is configured."""
    schedule, stripe, sources = config.schedule, config.stripe, config.sources
    jobs = [
        Job("load", _every(seconds=schedule.load_seconds), _Load(), is_first=True),
        Job("refresh", _every(minutes=schedule.refresh_minutes), pipeline.refresh),
        Job("compact", _daily(stripe.reconcile_hour, 37, config), pipeline.compact),
    ]
    if secrets.stripe_key:
        jobs += [
            Job("stripe poll", _every(minutes=stripe.poll_minutes), pipeline.import_stripe_api, is_first=True),
            Job("stripe reconcile", _daily(stripe.reconcile_hour, 7, config), pipeline.reconcile_stripe),
        ]
    for name, section in sources.http.items():
        jobs.append(Job(f"pull {name}", _every(minutes=section.every_minutes), _pull(name), is_first=True))
    if sources.files:
        often = min(section.every_seconds for section in sources.files.values())
        jobs.append(Job("watch folders", _every(seconds=often), _watch, is_first=True))
    return jobs


def _every(*, seconds: int = 0, minutes: int = 0) -> BaseTrigger:
    return IntervalTrigger(seconds=seconds, minutes=minutes, timezone=UTC)


def _daily(hour: int, minute: int, config: Config) -> BaseTrigger:
    """Once a day of the reporting zone. In an hour that comes twice it may run twice, which does no harm."""
    return CronTrigger(hour=hour, minute=minute, timezone=zone(config.workspace.timezone))


def _pull(name: str) -> Callable[[Workspace], Any]:
    return lambda workspace: intake.pull_all(workspace, name, _leave_it_to_the_load).checked()


def _watch(workspace: Workspace) -> Any:
    return intake.watch_all(workspace, None, _leave_it_to_the_load).checked()


def _leave_it_to_the_load(_progress: object) -> LoadReport:
    """What was landed waits for the next load, so that a source that fails hides no load."""
    return LoadReport()


class Schedule:
    """The jobs of a live server. A run that is late is done once; a job never runs twice at a time."""

    def __init__(self, owner: Owner, jobs: list[Job]) -> None:
        self._owner = owner
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        for job in jobs:
            when = {"next_run_time": datetime.now(UTC)} if job.is_first else {}
            self._scheduler.add_job(self._run, job.trigger, args=[job], id=job.name, **when)

    def start(self) -> None:
        """Begin."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a run that is late is the rule here, not a warning
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more; what runs goes on."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _run(self, job: Job) -> None:
        try:
            self._owner.work(job.name, job.task)
        except TrialwiseError:
            return  # the owner has told of it; the next run may go well
