"""What is done by itself: each job is one function, carried out by the owner, with a timetable from trialwise.toml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Any

from trialwise import arrivals, backup, deliveries, forgetting, intake, pipeline, standstill, upkeep
from trialwise.config import Config
from trialwise.config.secrets import Secrets
from trialwise.errors import SourceBusy
from trialwise.landing.report import LoadReport
from trialwise.runs import Skipped
from trialwise.standstill import Standstill
from trialwise.timetable import Every, Timetable, calendar
from trialwise.workspace import Workspace

Task = Callable[[Workspace], Any]


class Stage(IntEnum):
    """The order of what is due at the same time: what comes in, the load of it, the results, what is made of them."""

    source = 0
    load = 1
    refresh = 2
    after = 3


@dataclass(frozen=True)
class Job:
    """A piece of work that is done again and again; `name` is how it is logged, counted and kept in the run ledger."""

    name: str
    timetable: Timetable
    stage: Stage
    task: Task

    @property
    def is_source(self) -> bool:
        """Whether it waits for somebody else's answer, not for the store."""
        return self.stage is Stage.source


@dataclass(frozen=True)
class Entry:
    """A job at times of the calendar. at: its time as the configuration says it, None where it is not wanted."""

    name: str
    at: Callable[[Config], str | None]
    task: Task
    stage: Stage = Stage.after


CALENDAR: tuple[Entry, ...] = (
    Entry("compact", lambda config: config.schedule.compact_at or f"{config.stripe.reconcile_hour}:37", upkeep.compact),
    Entry("deliver", lambda config: config.delivery.at, deliveries.deliver),
    Entry("backup", lambda config: config.backup.at, backup.make),
)
"""Every job at times of the calendar but those of sources: one line each, and a key of the configuration."""


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


def refresh(workspace: Workspace) -> pipeline.Refreshed | Standstill:
    """A refresh where there is anything to do, after what a crash left of a forget."""
    forgetting.finish(workspace)
    with workspace.lock():
        found = standstill.find(workspace, workspace.clock())
    return pipeline.refresh(workspace) if found is None else found


def jobs_of(config: Config, secrets: Secrets) -> list[Job]:
    """The jobs a configuration asks for, in the order of their stages; a source's only where it is configured."""
    schedule, stripe, sources, timezone = config.schedule, config.stripe, config.sources, config.workspace.timezone
    jobs = [
        Job("load", Every(timedelta(seconds=schedule.load_seconds)), Stage.load, _Load()),
        Job("refresh", Every(timedelta(minutes=schedule.refresh_minutes)), Stage.refresh, refresh),
    ]
    jobs += [
        Job(entry.name, calendar(at, timezone), entry.stage, entry.task)
        for entry in CALENDAR
        if (at := entry.at(config)) is not None
    ]
    if secrets.stripe_key:
        reconcile = calendar(f"{stripe.reconcile_hour}:07", timezone)
        jobs += [
            _source("stripe poll", Every(timedelta(minutes=stripe.poll_minutes)), arrivals.import_stripe_api),
            _source("stripe reconcile", reconcile, arrivals.reconcile_stripe),
        ]
    for name, section in sources.http.items():
        jobs.append(_source(f"pull {name}", Every(timedelta(minutes=section.every_minutes)), _pull(name)))
    for name, folder in sources.files.items():
        jobs.append(_source(f"watch {name}", Every(timedelta(seconds=folder.every_seconds)), _watch(name)))
    return sorted(jobs, key=lambda job: job.stage)


def _source(name: str, timetable: Timetable, task: Task) -> Job:
    return Job(name, timetable, Stage.source, _unless_busy(task))


def _unless_busy(task: Task) -> Task:
    """A source that is being read already needs no second reading: the next run goes on where that one ends."""

    def run(workspace: Workspace) -> Any:
        try:
            return task(workspace)
        except SourceBusy as busy:
            return Skipped(busy.message)

    return run


def _pull(name: str) -> Task:
    return lambda workspace: intake.pull_all(workspace, name, _leave_it_to_the_load).checked()


def _watch(name: str) -> Task:
    return lambda workspace: intake.watch_all(workspace, name, _leave_it_to_the_load).checked()


def _leave_it_to_the_load(_progress: object) -> LoadReport:
    """What was landed waits for the next load, so that a source that fails hides no load."""
    return LoadReport()
