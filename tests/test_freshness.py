"""How fresh answers are, and that every door says so."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from trialwise import freshness
from trialwise.diagnosis import _jobs
from trialwise.freshness import Freshness
from trialwise.landing.cursors import Cursors
from trialwise.runs import Ledger, Outcome
from trialwise.workspace import Workspace

NOON = datetime(2026, 3, 10, 12)
HOUR = timedelta(hours=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "in").mkdir()
    (tmp_path / "trialwise.toml").write_text(
        '[sources.http.crm]\nurl = "https://crm.example.com/deals"\n[sources.files.drop]\nfolder = "in"\n'
    )
    return Workspace.open(tmp_path)


def published(workspace: Workspace, at: datetime) -> None:
    workspace.published.mkdir(parents=True, exist_ok=True)
    current = workspace.published / "CURRENT"
    current.write_text("000001.duckdb\n")
    seconds = at.replace(tzinfo=UTC).timestamp()
    os.utime(current, (seconds, seconds))


def refreshed(workspace: Workspace, at: datetime, error: str | None = None) -> None:
    ledger = Ledger(workspace.data)
    run_id = ledger.begin("refresh", asked_by="command", now=at)
    ledger.end(run_id, None if error else Outcome(), error=error, now=at + timedelta(minutes=1))


def test_before_anything_there_is_nothing_to_tell(workspace: Workspace) -> None:
    assert freshness.look(workspace, NOON) == Freshness()
    assert Freshness().note == ""
    assert Freshness().details == {
        "generation": None, "as_of": None, "known_at": None, "refreshed_at": None, "failed_at": None, "stale": [],
    }  # fmt: skip
    assert not workspace.data.exists(), "looking makes nothing"


def test_the_last_refresh_that_went_well(workspace: Workspace) -> None:
    published(workspace, NOON)
    assert freshness.look(workspace, NOON).refreshed_at == NOON, "as before there was a ledger"
    refreshed(workspace, NOON + HOUR)
    told = freshness.look(workspace, NOON)
    assert told.refreshed_at == NOON + HOUR + timedelta(minutes=1), "with nothing new it published nothing"
    assert told.note == ", refreshed 2026-03-10 13:01Z"
    refreshed(workspace, NOON + 2 * HOUR, "a check failed")
    told = freshness.look(workspace, NOON)
    assert told.refreshed_at == NOON + HOUR + timedelta(minutes=1)
    assert told.note == ", refreshed 2026-03-10 13:01Z; the refresh of 2026-03-10 14:00Z failed"
    refreshed(workspace, NOON + 3 * HOUR)
    assert freshness.look(workspace, NOON).failed_at is None
    assert told.details["failed_at"] == "2026-03-10T14:00:00Z"


@pytest.mark.parametrize(
    ("polled", "failure", "is_stale"),
    [
        (NOON - timedelta(days=2), None, False),
        (NOON - timedelta(days=2, seconds=1), None, True),
        (NOON, "out of reach", True),
        (None, None, False),
        (None, "the key is wrong", True),
    ],
)
def test_stripe_is_stale_when_it_fell_silent_or_failed(
    workspace: Workspace, polled: datetime | None, failure: str | None, is_stale: bool
) -> None:
    kept: dict[str, Any] = {"last_polled_at": polled.isoformat() if polled else None, "failure": failure}
    kept["failed_at"] = NOON.isoformat() if failure else None
    Cursors(workspace.landing).put("stripe", kept)
    assert freshness.look(workspace, NOON).stale == (("stripe",) if is_stale else ())


def test_apis_and_folders_are_stale_as_doctor_says(workspace: Workspace) -> None:
    Cursors(workspace.landing).put("http-crm", {"completed_at": (NOON - timedelta(days=3)).isoformat() + "Z"})
    (workspace.folder / "in").rmdir()
    told = freshness.look(workspace, NOON)
    assert told.stale == ("folder drop", "http crm")
    assert told.note == "; stale: folder drop, http crm"


def test_files_that_cannot_be_read_cost_no_answer(workspace: Workspace) -> None:
    published(workspace, NOON)
    (workspace.data / "runs.sqlite").mkdir()
    (workspace.landing / "cursors").mkdir(parents=True)
    (workspace.landing / "cursors" / "stripe.json").write_text("{")
    assert freshness.look(workspace, NOON) == Freshness(refreshed_at=NOON)


def test_jobs_that_failed_last_are_found_by_doctor(workspace: Workspace) -> None:
    ledger = Ledger(workspace.data)
    assert list(_jobs(workspace.data)) == []
    for job, slot, error in (
        ("load", NOON, None), ("pull crm", NOON, "no answer"), ("import events", None, "it was stopped"),
    ):  # fmt: skip
        run_id = ledger.begin(job, asked_by="schedule" if slot else "command", slot=slot, now=NOON)
        ledger.end(run_id, None if error else Outcome(), error=error)
    [found] = _jobs(workspace.data)
    assert (found.level, found.topic) == ("warning", "job pull crm")
    assert found.found == "the last run, of 2026-03-10 12:00Z, failed: no answer"
    assert found.advice == "trialwise runs show 2"
    ledger.end(ledger.begin("pull crm", asked_by="command"), Outcome())
    assert list(_jobs(workspace.data)) == []


def test_every_answer_says_how_fresh_it_is_and_data_stays_data(company: Path, tmp_path: Path) -> None:
    account = run("trials", "-f", "json", "--limit", "1", "-C", company).rows()[0]["account_id"]
    for words in (
        ["trials", "--limit", "1"], ["leads", "hot_trials", "--limit", "1"], ["segments"], ["explain", account],
        ["metrics", "trial_conversion", "--by", "all"], ["account", account], ["sql", "SELECT 1 AS one"],
        ["segments", "preview", "active_days_7d >= 4", "--limit", "1"],
    ):  # fmt: skip
        ran = run(*words, "-C", company)
        assert "(generation 1), refreshed 20" in ran.err, words
        assert "refreshed 20" not in ran.out
        ran = run(*words, "-f", "json", "-C", company)
        assert "(generation 1), refreshed 20" in ran.err, words
        json.loads(ran.out)
    found = {row["topic"]: row["found"] for row in run("doctor", "-f", "json", "-C", company).rows()}
    assert "(generation 1), refreshed 20" in found["results"]


def test_results_of_another_moment_are_as_fresh_as_their_moment(company: Path) -> None:
    said = run("sql", "SELECT 1 AS one", "--as-of", "2026-02-01", "-C", company).err
    assert "as of 2026-02-0" in said
    assert "refreshed 20" not in said
