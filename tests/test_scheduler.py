"""The schedule: which jobs a configuration asks for, when they run, and what becomes of one that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from tests.serving import until
from trialwise import arrivals, intake, pipeline, upkeep
from trialwise.config import parse_config
from trialwise.config.environment import Secrets
from trialwise.errors import SourceError
from trialwise.intake import Fetched
from trialwise.landing.report import LoadReport
from trialwise.owner.service import Owner
from trialwise.scheduler import Job, Schedule, jobs_of
from trialwise.workspace import Workspace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = {
    "workspace": {"timezone": "Asia/Tokyo"},
    "stripe": {"poll_minutes": 7, "reconcile_hour": 4},
    "schedule": {"load_seconds": 5, "refresh_minutes": 20},
    "sources": {
        "http": {"crm": {"url": "https://crm.example.com/deals", "every_minutes": 90}},
        "files": {
            "drop": {"folder": "in", "every_seconds": 40},
            "other": {"folder": "other", "every_seconds": 15},
        },
    },
}


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[Owner, list[Any]]]:
    (tmp_path / "trialwise.toml").write_text("")
    told: list[Any] = []
    with Workspace.open(tmp_path).owned() as held:
        yield Owner(held, lambda name, _s, error, result: told.append((name, error and error.message, result))), told


def often(name: str, task: Callable[[Workspace], Any], *, is_source: bool = False) -> Job:
    """A job that is always due."""
    every = timedelta(seconds=0.01)
    return Job(name, IntervalTrigger(seconds=0.01, timezone=UTC), every, task, is_first=True, is_source=is_source)


def next_runs(jobs: list[Job]) -> dict[str, timedelta]:
    """How long after NOW each runs, once it has run now."""
    found = {}
    for job in jobs:
        following = job.trigger.get_next_fire_time(NOW, NOW + timedelta(microseconds=1))
        assert following is not None
        found[job.name] = following - NOW
    return found


def test_only_what_is_configured_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIALWISE_STRIPE_KEY", raising=False)
    names = [job.name for job in jobs_of(parse_config({}), Secrets())]
    assert [name for name in names if "stripe" in name or "pull" in name or "watch" in name] == []
    assert {"load", "refresh"} <= set(names)
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", "sk_test_x")
    names = [job.name for job in jobs_of(parse_config(FULL), Secrets())]
    assert {"load", "refresh", "stripe poll", "stripe reconcile", "pull crm", "watch drop", "watch other"} <= set(names)


def test_when_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", "sk_test_x")
    jobs = jobs_of(parse_config(FULL), Secrets())
    runs = next_runs(jobs)
    assert runs["load"] == timedelta(seconds=5)
    assert runs["refresh"] == timedelta(minutes=20)
    assert runs["stripe poll"] == timedelta(minutes=7)
    assert runs["pull crm"] == timedelta(minutes=90)
    assert (runs["watch drop"], runs["watch other"]) == (timedelta(seconds=40), timedelta(seconds=15))
    reconcile = (NOW + runs["stripe reconcile"]).astimezone(UTC)
    assert (reconcile.hour, reconcile.minute) == (19, 7), "04:07 in Tokyo"
    sources = {"stripe poll", "pull crm", "watch drop", "watch other"}
    assert {job.name for job in jobs if job.is_first} == {"load", *sources}
    assert {job.name for job in jobs if job.is_source} == {"stripe reconcile", *sources}
    assert {name: job.every for job in jobs if (name := job.name) in runs and name != "stripe reconcile"} == {
        **{name: run for name, run in runs.items() if name not in ("stripe reconcile", "compact")},
        "compact": timedelta(days=1),
    }


def test_what_they_do(owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", "sk_test_x")
    done: list[Any] = []

    def noting(module: Any, name: str) -> None:
        def note(_: Workspace, *given: Any) -> Fetched[Any]:
            done.append((name, *given[:1]))
            return Fetched((), None)

        monkeypatch.setattr(module, name, note)

    noting(pipeline, "load_landed")
    noting(pipeline, "refresh")
    noting(upkeep, "compact")
    noting(arrivals, "import_stripe_api")
    noting(arrivals, "reconcile_stripe")
    noting(intake, "pull_all")
    noting(intake, "watch_all")
    for job in jobs_of(parse_config(FULL), Secrets()):
        owner[0].work(job.name, job.task)
    assert set(done) == {
        ("load_landed",), ("refresh",), ("compact",), ("import_stripe_api",), ("reconcile_stripe",),
        ("pull_all", "crm"), ("watch_all", "drop"), ("watch_all", "other"),
    }  # fmt: skip


def test_the_load_looks_once_and_then_only_when_something_came(
    owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [load] = [job for job in jobs_of(parse_config({}), Secrets()) if job.name == "load"]
    waits = [False]
    monkeypatch.setattr(arrivals, "has_landed", lambda _: waits[0])
    monkeypatch.setattr(pipeline, "load_landed", lambda _: LoadReport(1, 1))
    results = []
    for wait in (False, False, True, False):
        waits[0] = wait
        results.append(owner[0].work(load.name, load.task))
    assert results == [LoadReport(1, 1), None, LoadReport(1, 1), None]


def test_a_job_that_fails_is_told_of_and_runs_again(owner: tuple[Owner, list[Any]]) -> None:
    runs = [SourceError("Stripe is out of reach"), ZeroDivisionError("oops"), None]
    finished = threading.Event()

    def task(_: Workspace) -> str:
        error = runs.pop(0) if runs else None
        if error is not None:
            raise error
        finished.set()
        return "done"

    schedule = Schedule(owner[0], [often("poll", task)])
    schedule.start()
    assert finished.wait(30)
    schedule.stop()
    until(lambda: len(owner[1]) >= 3)
    assert owner[1][:3] == [
        ("poll", "Stripe is out of reach", None),
        ("poll", "poll failed: ZeroDivisionError: oops", None),
        ("poll", None, "done"),
    ]


def test_a_slow_job_never_runs_twice_at_a_time_and_late_runs_are_one(owner: tuple[Owner, list[Any]]) -> None:
    inside: list[int] = []
    most: list[int] = []
    go_on, began = threading.Event(), threading.Event()

    def task(_: Workspace) -> None:
        inside.append(1)
        most.append(len(inside))
        began.set()
        go_on.wait(0.2)
        inside.pop()

    schedule = Schedule(owner[0], [often("slow", task)])
    schedule.start()
    assert began.wait(30)
    until(lambda: len(owner[1]) >= 2)
    schedule.stop()
    go_on.set()
    assert max(most) == 1


def test_sources_that_never_answer_hold_up_neither_the_store_nor_each_other(owner: tuple[Owner, list[Any]]) -> None:
    answers = threading.Event()
    asked: list[str] = []

    def silent(name: str) -> Job:
        def task(_: Workspace) -> None:
            asked.append(name)
            assert answers.wait(60)

        return often(name, task, is_source=True)

    def done(name: str) -> int:
        return sum(told[0] == name and told[1] is None for told in owner[1])

    sources = [silent(f"pull {number}") for number in range(40)]
    own = [often(name, lambda _: None) for name in ("load", "refresh", "compact")]
    begun: list[str] = []
    schedule = Schedule(owner[0], [*sources, *own, often("pull good", lambda _: None, is_source=True)], begun.append)
    schedule.start()
    until(lambda: len(asked) == 40 and all(done(name) > 20 for name in ("load", "refresh", "compact", "pull good")))
    schedule.stop()
    assert sorted(asked) == sorted(job.name for job in sources), "each was asked, and not again while it is silent"
    assert all(begun.count(job.name) == 1 for job in sources)
    assert begun.count("load") >= 20
    answers.set()
    until(lambda: owner[0].running == ())


def test_stopping_before_the_start_is_nothing(owner: tuple[Owner, list[Any]]) -> None:
    Schedule(owner[0], []).stop()
    assert owner[1] == []
