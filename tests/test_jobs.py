"""The jobs: which a configuration asks for, when they are due, and what they do."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trialwise import arrivals, intake, jobs, pipeline
from trialwise.config import parse_config
from trialwise.config.secrets import Secrets
from trialwise.errors import ConfigError
from trialwise.intake import Fetched
from trialwise.jobs import Stage, jobs_of
from trialwise.landing.report import LoadReport
from trialwise.timetable import Calendar, Every
from trialwise.workspace import Workspace

FULL = {
    "workspace": {"timezone": "Asia/Tokyo"},
    "stripe": {"poll_minutes": 7, "reconcile_hour": 4},
    "schedule": {"load_seconds": 5, "refresh_minutes": 20, "compact_at": "5 6 * * 7"},
    "delivery": {"at": "0 7 * * 1-5"},
    "backup": {"at": "02:17"},
    "sources": {
        "http": {"crm": {"url": "https://crm.example.com/deals", "every_minutes": 90}},
        "files": {
            "drop": {"folder": "in", "every_seconds": 40},
            "other": {"folder": "other", "every_seconds": 15},
        },
    },
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "trialwise.toml").write_text("")
    return Workspace.open(tmp_path)


def test_only_what_is_configured_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIALWISE_STRIPE_KEY", raising=False)
    assert [job.name for job in jobs_of(parse_config({}), Secrets())] == ["load", "refresh", "compact"]
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", "sk_test_x")
    assert [(job.name, job.stage) for job in jobs_of(parse_config(FULL), Secrets())] == [
        ("stripe poll", Stage.source), ("stripe reconcile", Stage.source), ("pull crm", Stage.source),
        ("watch drop", Stage.source), ("watch other", Stage.source), ("load", Stage.load),
        ("refresh", Stage.refresh), ("compact", Stage.after),
        ("deliver", Stage.after), ("backup", Stage.after),
    ]  # fmt: skip


def test_when_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", "sk_test_x")
    tables = {job.name: job.timetable for job in jobs_of(parse_config(FULL), Secrets())}
    reconcile, compact, backup, deliver = (
        tables.pop(name) for name in ("stripe reconcile", "compact", "backup", "deliver")
    )
    assert isinstance(deliver, Calendar)
    assert tables == {
        "load": Every(timedelta(seconds=5)),
        "refresh": Every(timedelta(minutes=20)),
        "stripe poll": Every(timedelta(minutes=7)),
        "pull crm": Every(timedelta(minutes=90)),
        "watch drop": Every(timedelta(seconds=40)),
        "watch other": Every(timedelta(seconds=15)),
    }
    assert isinstance(reconcile, Calendar)
    assert reconcile.latest(datetime(2026, 3, 1, 20)) == datetime(2026, 3, 1, 19, 7), "04:07 in Tokyo"
    assert isinstance(compact, Calendar)
    assert compact.latest(datetime(2026, 3, 3)) == datetime(2026, 2, 28, 21, 5), "06:05 of Sunday the 1st in Tokyo"
    assert str(backup) == "02:17 Asia/Tokyo"
    [by_default] = [job.timetable for job in jobs_of(parse_config({}), Secrets()) if job.name == "compact"]
    assert str(by_default) == "3:37 UTC", "after the reconcile"


def test_a_time_that_is_none_is_refused_with_the_key() -> None:
    with pytest.raises(
        ConfigError, match=r"schedule.compact_at: '3 o'clock' is no time of the day and no crontab line"
    ):
        parse_config({"schedule": {"compact_at": "3 o'clock"}})


def test_the_backup_goes_where_the_configuration_says(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text('[backup]\nat = "02:17"\nfolder = "copies"\n', encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    [job] = [job for job in jobs_of(workspace.config, Secrets()) if job.name == "backup"]
    assert job.task(workspace).folder.parent == tmp_path / "copies"


def test_what_they_do(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", "sk_test_x")
    done: list[Any] = []

    def noting(module: Any, name: str) -> None:
        def note(_: Workspace, *given: Any) -> Fetched[Any]:
            done.append((name, *given[:1]))
            return Fetched((), None)

        monkeypatch.setattr(module, name, note)

    for module, name in (
        (pipeline, "load_landed"), (pipeline, "refresh"), (arrivals, "import_stripe_api"),
        (arrivals, "reconcile_stripe"), (intake, "pull_all"), (intake, "watch_all"),
    ):  # fmt: skip
        noting(module, name)
    monkeypatch.setattr(
        jobs, "CALENDAR", (jobs.Entry("backup", lambda _: "03:00", lambda _: done.append(("backup",))),)
    )
    for job in jobs_of(parse_config(FULL), Secrets()):
        job.task(workspace)
    assert sorted(done) == [
        ("backup",), ("import_stripe_api",), ("load_landed",), ("pull_all", "crm"), ("reconcile_stripe",),
        ("refresh",), ("watch_all", "drop"), ("watch_all", "other"),
    ]  # fmt: skip


def test_the_load_looks_once_and_then_only_when_something_came(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    [load] = [job for job in jobs_of(parse_config({}), Secrets()) if job.name == "load"]
    waits = [False]
    monkeypatch.setattr(arrivals, "has_landed", lambda _: waits[0])
    monkeypatch.setattr(pipeline, "load_landed", lambda _: LoadReport(1, 1))
    results = []
    for wait in (False, False, True, False):
        waits[0] = wait
        results.append(load.task(workspace))
    assert results == [LoadReport(1, 1), None, LoadReport(1, 1), None]
