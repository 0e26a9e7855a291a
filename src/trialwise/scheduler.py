"""What a server does by itself, and when: each job is one function of the pipeline, carried out by the owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from trialwise import pipeline
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


def jobs_of(config: Config, _secrets: Secrets) -> list[Job]:
    """The jobs a configuration asks for: those of a source only where it is configured."""
    schedule = config.schedule
    return [
        Job("load", IntervalTrigger(seconds=schedule.load_seconds, timezone=UTC), _Load(), is_first=True),
        Job("refresh", IntervalTrigger(minutes=schedule.refresh_minutes, timezone=UTC), pipeline.refresh),
    ]


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
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more; what runs goes on."""
        self._scheduler.shutdown(wait=False)

    def _run(self, job: Job) -> None:
        try:
            self._owner.work(job.name, job.task)
        except TrialwiseError:
            return  # the owner has told of it; the next run may go well
