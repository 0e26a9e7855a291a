"""What the parent does around its children: takes the store, tells of the work, and knows when to stop waiting."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from trialwise.errors import CheckFailed, InputError, NotFoundError, SourceError, StoreError, StoreLocked
from trialwise.jobs import Job, Stage
from trialwise.landing.cursors import Cursors
from trialwise.landing.report import LoadReport
from trialwise.runs import Ledger, Outcome, Skipped
from trialwise.server import holding, state
from trialwise.server.stop import Stop
from trialwise.server.teller import Teller
from trialwise.timetable import Every
from trialwise.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "trialwise.toml").write_text("")
    return Workspace.open(tmp_path)


def test_a_command_that_has_the_store_is_waited_for(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    has, go_on = threading.Event(), threading.Event()

    def command() -> None:
        with workspace.lock():
            has.set()
            assert go_on.wait(30)

    thread = threading.Thread(target=command)
    thread.start()
    assert has.wait(30)
    last = 2 * holding.STORE_SECONDS
    seconds = chain([0.0, 1.0, 2.0, 601.0, 602.0], repeat(last))

    def monotonic() -> float:
        now = next(seconds)
        if now == last:
            go_on.set()
        return now

    monkeypatch.setattr(holding, "time", SimpleNamespace(monotonic=monotonic))
    with structlog.testing.capture_logs() as told, holding.owned(workspace, Stop(), seconds=2_000) as owned:
        assert owned is not None
        assert owned.turns is not None
    thread.join()
    assert {line["event"] for line in told} == {"waiting for the store"}
    assert [line["seconds"] for line in told] == [2, 602], "not at once, and again every ten minutes"


def test_a_command_that_keeps_the_store_is_named(workspace: Workspace) -> None:
    with (
        workspace.lock(),
        pytest.raises(StoreLocked, match=f"owned by process {os.getpid()}"),
        holding.owned(workspace, Stop(), seconds=0.0),
    ):
        raise AssertionError("it was given twice")


def test_who_is_asked_to_end_while_it_waits_for_the_store_has_none_and_is_no_failure(workspace: Workspace) -> None:
    stop = Stop()
    stop._asked.set()
    with workspace.lock(), holding.owned(workspace, stop) as owned:
        assert owned is None


def test_the_children_are_told_what_the_work_came_to(workspace: Workspace) -> None:
    teller = Teller(workspace)
    assert state.read(workspace.run).pid == os.getpid()
    teller.worked("load", 0.5, None, LoadReport(5, 3, 1, 1, reasons={"bad_json": 1}))
    teller.worked("load", 0.1, None, None)
    teller.worked("refresh", 4.0, CheckFailed("2 rows are bad: sk_live_secret"), None)
    teller.worked("quarantine retry", 0.1, None, SimpleNamespace(loaded=LoadReport(2, 1, 0, 1, reasons={"nul": 1})))
    teller.worked("quarantine show", 0.1, NotFoundError("nothing is called x"), None)
    teller.worked("results", 0.1, InputError("no such day"), None)
    teller.worked("pull crm", 0.1, InputError("the CRM answers nonsense"), None)
    teller.restarted()
    told = state.read(workspace.run)
    assert told.failing == ("pull crm", "refresh"), "what a command asked wrongly is no failure of the server"
    assert told.work["load"].runs == 2
    assert told.loaded == LoadReport(7, 4, 1, 2, reasons={"bad_json": 1, "nul": 1})
    assert told.restarts == 1
    assert told.loaded_at is not None
    assert "sk_live_secret" not in (workspace.run / state.NAME).read_text()
    teller.worked("refresh", 4.0, None, SimpleNamespace(loaded=LoadReport()))
    assert state.read(workspace.run).failing == ("pull crm",)


def test_what_failed_before_a_restart_fails_until_it_goes_well(workspace: Workspace) -> None:
    ledger = Ledger(workspace.data)
    for job, error in (
        ("refresh", "2 rows are bad"),
        ("pull crm", "gone"),
        ("pull crm", None),
        ("backup", "disk full"),
    ):
        run_id = ledger.begin(job, asked_by="schedule")
        ledger.end(run_id, Outcome() if error is None else None, error=error)
    often = Every(timedelta(minutes=1))
    teller = Teller(workspace)
    teller.plans([Job(job, often, Stage.after, lambda _: None) for job in ("refresh", "pull crm", "load")])
    assert state.read(workspace.run).failing == ("refresh",), "a job that is no longer planned is nobody's concern"
    assert state.read(workspace.run).work["refresh"].failures == 0, "this server has not tried it yet"
    teller.worked("refresh", 4.0, None, None)
    assert state.read(workspace.run).failing == ()


def test_a_run_that_was_left_out_is_neither_success_nor_failure(workspace: Workspace) -> None:
    teller = Teller(workspace)
    teller.worked("stripe poll", 0.1, SourceError("out of reach"), None)
    failed = state.read(workspace.run).work["stripe poll"]
    teller.begins("stripe poll")
    with structlog.testing.capture_logs() as told:
        teller.worked("stripe poll", 0.1, None, Skipped("Stripe is being read by process 7"))
    work = state.read(workspace.run).work["stripe poll"]
    assert (work.runs, work.failures, work.succeeded_at, work.is_failing) == (1, 1, None, True)
    assert work.began_at is None
    assert work.last_at is not None
    assert failed.last_at is not None
    assert work.last_at > failed.last_at
    assert told == [
        {
            "event": "work skipped",
            "log_level": "info",
            "work": "stripe poll",
            "why": "Stripe is being read by process 7",
        }
    ]


def test_how_far_stripe_has_come_is_told(workspace: Workspace) -> None:
    Cursors(workspace.landing).put(
        "stripe",
        {
            "last_polled_at": "2026-03-01T12:00:00",
            "last_reconciled_at": "2026-02-28T03:00:00",
            "gaps": [
                {"begins": "2026-01-01T00:00:00", "ends": "2026-01-02T00:00:00", "why": "outage", "healed_at": None},
                {"begins": None, "ends": "2025-01-02T00:00:00", "why": "since", "healed_at": None},
            ],
        },
    )
    Teller(workspace)
    told = state.read(workspace.run)
    assert told.stripe_polled_at == datetime(2026, 3, 1, 12)
    assert told.stripe_reconciled_at == datetime(2026, 2, 28, 3)
    assert (told.stripe_gaps, told.stripe_gap) == (2, 86_400)


def test_files_that_cannot_be_read_do_not_end_the_telling(workspace: Workspace) -> None:
    teller = Teller(workspace)
    (workspace.landing / "cursors").mkdir(parents=True)
    (workspace.landing / "cursors" / "stripe.json").write_text("{")
    teller.worked("load", 0.1, None, LoadReport(1, 1))
    assert state.read(workspace.run).loaded.loaded == 1


def test_a_folder_without_room_is_told(workspace: Workspace) -> None:
    workspace.data.mkdir()
    workspace.run.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="run cannot be written"):
        Teller(workspace)


@dataclass
class Working:
    """An owner as the end sees it: how many looks until the store is free, and what goes on beside it."""

    looks: int
    running: tuple[str, ...]
    is_joined: bool = False

    @property
    def is_busy(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    def join(self, seconds: float) -> None:
        assert seconds == holding.LAST_NOTES_SECONDS
        self.is_joined = True


@pytest.mark.parametrize(
    ("working", "exits"),
    [(Working(0, ()), []), (Working(3, ()), []), (Working(0, ("stripe poll",)), [0]), (Working(3, ("pull x",)), [0])],
)
def test_the_end_waits_for_the_store_and_for_nothing_else(
    working: Any, exits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setattr(holding.os, "_exit", left.append)
    monkeypatch.setattr(holding.time, "sleep", lambda _: None)
    holding.finish(working)
    assert left == exits
    assert working.looks < 0
    assert working.is_joined == (not exits), "what is done is given the time to note it, what is dropped is not"


def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(holding.os, "_exit", left.append)
    monkeypatch.setattr(holding, "LAST_WORK_SECONDS", 0.0)
    working: Any = Working(1_000_000, ("refresh",))
    holding.finish(working)
    assert left == [0]
