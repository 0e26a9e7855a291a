"""The schedule at work: threads, rows in the ledger, and what becomes of a job that fails or never ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from apscheduler.schedulers import base

from tests.serving import until
from trialwise import runs, scheduler
from trialwise.clock import utc_now
from trialwise.errors import SourceError
from trialwise.jobs import Job, Stage
from trialwise.landing.report import LoadReport
from trialwise.owner.service import Owner
from trialwise.runs import Ledger, Skipped
from trialwise.scheduler import Schedule
from trialwise.server import holding
from trialwise.timetable import Every, calendar
from trialwise.workspace import Workspace


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[Owner, list[Any]]]:
    (tmp_path / "trialwise.toml").write_text("")
    told: list[Any] = []
    with Workspace.open(tmp_path).owned() as held:
        yield Owner(held, lambda name, _s, error, result: told.append((name, error and error.message, result))), told


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "TICK", 0.01)


def often(name: str, task: Callable[[Workspace], Any], stage: Stage = Stage.after, seconds: float = 0.01) -> Job:
    """A job that is always due."""
    return Job(name, Every(timedelta(seconds=seconds)), stage, task)


def ledger(owner: tuple[Owner, list[Any]]) -> Ledger:
    return Ledger(owner[0].workspace().data)


def test_a_job_that_fails_is_told_of_and_runs_again(
    owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", "sk_test_secret123")
    again = Owner(owner[0]._held, owner[0]._report)
    runs = [SourceError("Stripe is out of reach with sk_test_secret123"), ZeroDivisionError("oops"), None]

    def task(_: Workspace) -> Any:
        error = runs.pop(0) if runs else None
        if error is not None:
            raise error
        return LoadReport(5, 4, 1)

    schedule = Schedule(again, [often("poll", task)])
    schedule.start()
    until(lambda: ledger(owner).last_ok("poll"))
    schedule.stop()
    until(lambda: again.running == ())
    assert [told[1] for told in owner[1][:3]] == [
        "Stripe is out of reach with sk_test_secret123", "poll failed: ZeroDivisionError: oops", None,
    ]  # fmt: skip
    kept = ledger(owner).runs()[::-1][:3]
    assert [(run.status, run.error, run.rows) for run in kept] == [
        ("failed", "Stripe is out of reach with [secret]", None),
        ("failed", "poll failed: ZeroDivisionError: oops", None),
        ("ok", None, 4),
    ]
    assert len({run.slot for run in kept}) == 3


def test_a_slow_job_never_runs_twice_at_a_time(owner: tuple[Owner, list[Any]]) -> None:
    inside: list[int] = []
    most: list[int] = []
    go_on = threading.Event()

    def task(_: Workspace) -> None:
        inside.append(1)
        most.append(len(inside))
        go_on.wait(0.2)
        inside.pop()

    schedule = Schedule(owner[0], [often("slow", task)])
    schedule.start()
    until(lambda: len(owner[1]) >= 2)
    schedule.stop()
    go_on.set()
    assert max(most) == 1
    until(lambda: owner[0].running == ())


def test_sources_that_never_answer_hold_up_neither_the_store_nor_each_other(owner: tuple[Owner, list[Any]]) -> None:
    answers = threading.Event()
    asked: list[str] = []

    def silent(name: str) -> Job:
        def task(_: Workspace) -> None:
            asked.append(name)
            assert answers.wait(60)

        return often(name, task, Stage.source)

    def done(name: str) -> int:
        return sum(told[0] == name and told[1] is None for told in owner[1])

    sources = [silent(f"pull {number}") for number in range(20)]
    own = [often("load", lambda _: None, Stage.load), often("refresh", lambda _: None, Stage.refresh)]
    begun: list[str] = []
    jobs = [*sources, *own, often("pull good", lambda _: None, Stage.source)]
    schedule = Schedule(owner[0], jobs, begun.append)
    schedule.start()
    until(lambda: len(asked) == 20 and all(done(name) > 3 for name in ("load", "refresh", "pull good")), 60)
    schedule.stop()
    assert sorted(asked) == sorted(job.name for job in sources), "each was asked, and not again while it is silent"
    assert all(begun.count(job.name) == 1 for job in sources)
    answers.set()
    until(lambda: owner[0].running == ())


def test_an_end_waits_for_work_that_is_on_its_way_to_the_store_and_for_no_silent_source(
    owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, answers = threading.Event(), threading.Event(), threading.Event()

    def refresh(workspace: Workspace) -> None:
        assert workspace.turns is not None
        assert not workspace.turns.is_taken, "it reads its models and has not asked for the store yet"
        begun.set()
        assert go_on.wait(30)

    silent = often("pull crm", lambda _: answers.wait(60), Stage.source, 3600)
    for job in (often("refresh", refresh, Stage.refresh, 3600), silent):
        Schedule(owner[0], [job]).tick()
    assert begun.wait(30)
    until(lambda: len(owner[0].running) == 2)
    left: list[tuple[int, tuple[str, ...], list[str]]] = []

    def exits(code: int) -> None:
        left.append((code, owner[0].running, [run.status for run in ledger(owner).runs() if run.job == "refresh"]))

    monkeypatch.setattr(holding.os, "_exit", exits)
    monkeypatch.setattr(holding.time, "sleep", lambda _: go_on.set())
    holding.finish(owner[0])
    assert [told[0] for told in owner[1]] == ["refresh"]
    assert left == [(0, ("pull crm",), ["ok"])], "what came of it is in the ledger by then"
    answers.set()
    owner[0].join(30)
    assert sorted((run.job, run.status) for run in ledger(owner).runs()) == [("pull crm", "ok"), ("refresh", "ok")]


def test_stopping_before_the_start_is_nothing(owner: tuple[Owner, list[Any]]) -> None:
    Schedule(owner[0], []).stop()
    assert owner[1] == []


def test_what_is_due_is_done_once_and_in_order(owner: tuple[Owner, list[Any]]) -> None:
    order: list[str] = []

    def fails(_: Workspace) -> None:
        raise SourceError("no answer")

    jobs = [
        often("backup", lambda _: order.append("backup"), seconds=60),
        often("refresh", lambda _: order.append("refresh"), Stage.refresh, 60),
        often("load", lambda _: order.append("load"), Stage.load, 60),
        often("pull", fails, Stage.source, 60),
        often("poll", lambda _: Skipped("read by process 7"), Stage.source, 60),
    ]
    assert Schedule(owner[0], jobs, is_once=True).do_due() == ["pull"]
    assert order == ["load", "refresh", "backup"]
    assert {run.job: run.status for run in ledger(owner).runs()} == {
        "pull": "failed", "poll": "skipped", "load": "ok", "refresh": "ok", "backup": "ok",
    }  # fmt: skip
    assert Schedule(owner[0], jobs[1:2], is_once=True).do_due() == [], "not due for a minute"
    assert order.count("refresh") == 2, "but done at the start: nothing was ever published"


def test_a_round_is_broken_off_when_it_is_asked_to(owner: tuple[Owner, list[Any]]) -> None:
    go_on = threading.Event()
    schedule = Schedule(owner[0], [often("slow", lambda _: go_on.wait(30))], is_once=True)
    assert schedule.do_due(lambda: bool(owner[0].running)) == []
    go_on.set()
    until(lambda: owner[0].running == ())


def test_the_refresh_at_the_start(owner: tuple[Owner, list[Any]]) -> None:
    workspace = owner[0].workspace()
    refresh = often("refresh", lambda _: None, Stage.refresh, 60)

    def asked(published: timedelta | None) -> list[str]:
        """Who asked for the refresh of a scheduler that starts, a moment after a refresh that failed."""
        ledger(owner).path.unlink(missing_ok=True)
        ledger(owner).end(ledger(owner).begin("refresh", asked_by="schedule", slot=utc_now()), None, error="bad rows")
        workspace.published.mkdir(exist_ok=True)
        current = workspace.published / "CURRENT"
        current.unlink(missing_ok=True)
        if published is not None:
            current.write_text("000001.duckdb")
            moment = (datetime.now(UTC) + published).timestamp()
            os.utime(current, (moment, moment))
        Schedule(owner[0], [refresh], is_once=True).do_due()
        return [run.asked_by for run in ledger(owner).runs(limit=1) if run.status == "ok"]

    assert asked(None) == ["start"]
    assert asked(timedelta(seconds=-30)) == []
    assert asked(timedelta(seconds=-61)) == ["start"]
    assert asked(timedelta(hours=1)) == ["start"], "published by a clock that was ahead"


def test_a_ledger_that_cannot_be_used_stops_no_work(
    owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = owner[0].workspace()
    workspace.data.joinpath("runs.sqlite").mkdir(parents=True)
    done: list[int] = []
    with structlog.testing.capture_logs() as logged:
        assert Schedule(owner[0], [often("load", lambda _: done.append(1), Stage.load)], is_once=True).do_due() == []
    assert done == [1]
    assert [line["event"] for line in logged] == ["no run ledger", "run not noted"]


def test_the_ticks_go_on_when_the_clock_is_set_back(
    owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """APScheduler alone waits for the hour to come again."""
    back = [timedelta(0)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) - back[0]

    monkeypatch.setattr(base, "datetime", Clock)
    monkeypatch.setattr(scheduler, "datetime", Clock)
    monkeypatch.setattr(scheduler, "utc_now", lambda: Clock.now(UTC).replace(tzinfo=None))
    schedule = Schedule(owner[0], [often("load", lambda _: None, Stage.load)])
    schedule.start()
    until(lambda: len(owner[1]) >= 2)
    back[0] = timedelta(hours=1)
    so_far = len(owner[1])
    until(lambda: len(owner[1]) >= so_far + 5)
    schedule.stop()
    until(lambda: owner[0].running == ())


def test_what_failed_at_its_time_is_tried_again_by_the_next_round_after_a_while(
    owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [datetime(2026, 3, 1, 2)]
    monkeypatch.setattr(scheduler, "utc_now", lambda: shown[0])
    monkeypatch.setattr(runs, "utc_now", lambda: shown[0])
    full = [True]

    def task(_: Workspace) -> None:
        if full[0]:
            raise SourceError("the disk is full")

    def rounds(*moments: str) -> list[list[str]]:
        said = []
        for moment in moments:
            shown[0] = datetime.fromisoformat(f"2026-03-01 {moment}")
            backup = Job("backup", calendar("03:00", "UTC"), Stage.after, task)
            said.append(Schedule(owner[0], [backup], is_once=True).do_due())
        return said

    assert rounds("02:00", "03:00:30", "03:01", "03:02", "03:05") == [[], ["backup"], [], ["backup"], []]
    full[0] = False
    assert rounds("03:07", "03:20", "05:00") == [[], [], []]
    kept = [(run.started_at.strftime("%H:%M:%S"), run.status, run.slot) for run in ledger(owner).runs()]
    assert kept[::-1] == [
        ("03:00:30", "failed", datetime(2026, 3, 1, 3)), ("03:02:00", "failed", None), ("03:07:00", "ok", None),
    ]  # fmt: skip


def test_a_slot_that_was_taken_elsewhere_is_not_run(
    owner: tuple[Owner, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = datetime(2026, 3, 1, 12)
    ledger(owner).begin("load", asked_by="schedule", slot=slot)
    done: list[int] = []
    schedule = Schedule(owner[0], [often("load", lambda _: done.append(1), Stage.load)], is_once=True)
    monkeypatch.setattr(schedule._agenda, "_turn", lambda entry, _now: None if entry.is_done else SimpleNamespace(
        job=entry.job, slot=slot, asked_by="schedule"))  # fmt: skip
    assert schedule.do_due() == []
    assert done == []
