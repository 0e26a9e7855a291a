"""Pages of the terminal: an account, an explanation, the report of a morning."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.delivery.conftest import Published, at, trial

from trialwise.delivery.explain import Explanation
from trialwise.delivery.pages import TIMELINE_LINES, account_page, explanation_page, morning_report

NOW = "2026-01-10"
PARTS = pl.DataFrame(
    {
        "points": [20.0, -3.0],
        "text": ["Uses it regularly", "cap of usage"],
        "axis": ["engagement", "engagement"],
        "score_group": ["usage", "usage"],
        "evidence_text": ["4 active days of 7", None],
        "evidence_id": ["trial_days:7", None],
    }
)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 120 characters."""
    monkeypatch.setenv("COLUMNS", "120")


def _given(lines: int) -> dict[str, list[dict[str, Any]]]:
    start = at("2026-01-01")
    return {
        "marts.trials": [
            trial("acme", "2026-01-01", "2026-01-15", "pending", account_name="Acme", score=42.5, usage_band="light"),
            trial("cask", "2025-12-03", "2025-12-17", "expired", outcome_at=at("2025-12-17")),
        ],
        "marts.accounts": [{"account_id": "acme", "account_name": "Acme", "owner": None, "trials": 1}],
        "marts.account_timeline": [
            {"account_id": "acme", "at": start + timedelta(hours=n), "kind": "use", "text": f"line {n};",
             "source_id": f"{n:03d}"}
            for n in range(lines)
        ],
        "marts.account_days": [
            {"account_id": "acme", "activity_date": date(2026, 1, 5), "events": 9, "value_events": 4, "active_users": 2}
        ],
        "lists.hot_trials": [{"trial_id": "stripe:acme:1", "account_id": "acme", "score": 42.5, "position": 1}],
        "marts.segments": [
            {"segment": "pql", "ordinal": 0, "version": "1", "title": "Qualified", "live_trials": 1, "entered_7d": 1},
            {"segment": "empty", "ordinal": 1, "version": "1", "title": "Nobody", "live_trials": 0, "entered_7d": 0},
        ],
    }  # fmt: skip


def test_an_account_shows_its_profile_and_the_newest_lines(published: Published) -> None:
    results = published(NOW, _given(TIMELINE_LINES + 2))
    page = account_page(results.account("acme"), results)
    assert "account_name: Acme" in page
    assert "owner" not in page.split("\n\n")[0]
    assert "... 2 earlier lines" in page
    shown = [n for n in range(TIMELINE_LINES + 2) if f"line {n};" in page]
    assert shown == list(range(2, TIMELINE_LINES + 2))


def test_a_short_timeline_is_whole(published: Published) -> None:
    results = published(NOW, _given(3))
    page = account_page(results.account("acme"), results)
    assert "earlier lines" not in page
    assert [f"line {n};" in page for n in range(3)] == [True, True, True]


def _explanation(**more: Any) -> Explanation:
    known: dict[str, Any] = {
        "trial_id": "stripe:acme:1", "account_id": "acme", "day": date(2026, 1, 7), "trial_day": 7, "score": 17.0,
        "scored_by": "rules", "parts": PARTS, "reasons": pl.DataFrame({"text": ["4 active days; typical: 1.8"]}),
    }  # fmt: skip
    return Explanation(**{**known, **more})


def test_an_explanation_is_the_sum_it_names() -> None:
    assert explanation_page(_explanation()).splitlines() == [
        "stripe:acme:1 of acme on 2026-01-07, trial day 7",
        "score 17.00, by rules; the parts add up to it exactly",
        "",
        "    +20.00  Uses it regularly  [engagement, usage]",
        "            4 active days of 7  trial_days:7",
        "     -3.00  cap of usage  [engagement, usage]",
        "     17.00  score",
        "",
        "what goes with it, against the typical trial on the same day:",
        "  4 active days; typical: 1.8",
    ]


def test_an_explanation_of_a_change_names_causes_or_that_nothing_changed() -> None:
    none = pl.DataFrame({"text": []}, schema={"text": pl.String})
    changes = pl.DataFrame({"part": ["card", "usage"], "cause": ["decay", "new events"], "change": [-2.0, 0.0]})
    since = {"since": date(2026, 1, 5), "score_before": 19.0, "reasons": none}
    page = explanation_page(_explanation(changes=changes, **since))
    assert page.endswith("\n\nsince 2026-01-05 the score went from 19.00 to 17.00:\n     -2.00  card: decay\n")
    still = explanation_page(_explanation(changes=changes.tail(1), **{**since, "score_before": 17.0}))
    assert still.endswith("went from 17.00 to 17.00:\n  nothing changed\n")
    assert "what goes with it" not in page


def test_a_trial_without_a_day_has_no_score() -> None:
    assert explanation_page(_explanation(score=None)) == "stripe:acme:1 of acme has no trial day yet, so no score.\n"


def test_the_morning_report_answers_in_order_and_ends_with_what_to_try(published: Published) -> None:
    results = published(NOW, _given(1))
    report = morning_report(results, Path("demo"))
    titles = [
        line
        for line, under in zip(report.splitlines(), report.splitlines()[1:], strict=False)
        if under and set(under) == {"="}
    ]
    assert titles == [
        "What became of every trial so far",
        "The conversion rate, under each definition",
        "By month of start",
        "1 trials are running, by intensity of use",
        "Segments now",
        "Whom to call this morning: hot_trials, the first 1",
        "The other lists",
        "Try next",
    ]
    assert report.startswith("as of 2026-01-10 00:00Z (generation 1)\n")
    assert "Qualified" in report
    assert "Nobody" not in report
    assert "trialwise explain acme -C demo" in report


def test_a_report_of_nothing_still_says_what_to_try(published: Published) -> None:
    report = morning_report(published(NOW, {}), Path("demo"))
    assert "0 trials are running" in report
    assert "trialwise explain ACCOUNT -C demo" in report
