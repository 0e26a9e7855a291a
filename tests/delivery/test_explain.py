"""Scores down to the last hundredth: parts add up, changes add up, and each change has a cause."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.delivery.conftest import Published, trial

from trialwise.errors import InputError, NotFoundError, StoreError

NOW = "2026-01-08"
RULES = [
    {"rule": "regular_use", "score_group": "usage", "axis": "engagement", "points": 20,
     "condition": "active_days_7d >= 3", "text": "Uses it regularly", "ordinal": 0, "cap": 25},
    {"rule": "card", "score_group": "usage", "axis": "engagement", "points": 10, "milestone": "card_added",
     "lifespan_days": 10, "text": "Added a card", "ordinal": 1, "cap": 25},
    {"rule": "bad_title", "score_group": "person", "axis": "fit", "points": -5, "condition": "attr_title = 'student'",
     "text": "Is a student", "ordinal": 2, "cap": None},
]  # fmt: skip


def day(number: int, use: int, card: int, title: int, cap: int) -> dict[str, Any]:
    return {
        "trial_id": "stripe:acme:1", "trial_day": number, "activity_date": date(2026, 1, number),
        "rule_score_hundredths": use + card + title + cap, "points_regular_use": use, "points_card": card,
        "points_bad_title": title, "cap_usage": cap, "cap_person": 0, "fit_grade": "C", "engagement_grade": "2",
    }  # fmt: skip


def given(score: int = 2000) -> dict[str, list[dict[str, Any]]]:
    def part(kind: str, name: str, points: int, ordinal: int, evidence: str | None = None) -> dict[str, Any]:
        return {"trial_id": "stripe:acme:1", "trial_day": 7, "kind": kind, "part": name, "axis": "engagement",
                "score_group": "usage", "points_hundredths": points, "evidence_id": evidence, "ordinal": ordinal,
                "evidence_text": f"why {name}"}  # fmt: skip

    return {
        "marts.trials": [trial("acme", "2026-01-01", "2026-01-15", "pending", trial_day=7, score_hundredths=score)],
        "marts.score_rules": RULES,
        "marts.score_parts": [
            part("cap", "usage", -300, 1000),
            part("rule", "card", 800, 1, "evt-1"),
            part("rule", "regular_use", 2000, 0, "trial_days:stripe:acme:1:7"),
            part("rule", "bad_title", -500, 2),
        ],
        "marts.trial_reasons": [
            {"trial_id": "stripe:acme:1", "rank": 1, "key": "regular_use", "text": "4 active days", "points": 20.0},
        ],
        "intermediate.trial_days": [
            day(3, 0, 1000, -500, 0),
            day(5, 2000, 900, -500, -400),
            day(7, 2000, 800, -500, -300),
        ],
    }


def test_parts_add_up_and_name_their_evidence(published: Published) -> None:
    found = published(NOW, given()).explain("stripe:acme:1")
    assert (found.score, found.scored_by, found.trial_day, found.day) == (20.0, "rules", 7, date(2026, 1, 7))
    assert found.parts.select("kind", "part", "points", "evidence_id").rows() == [
        ("rule", "regular_use", 20.0, "trial_days:stripe:acme:1:7"),
        ("rule", "card", 8.0, "evt-1"),
        ("rule", "bad_title", -5.0, None),
        ("cap", "usage", -3.0, None),
    ]
    assert found.parts["points"].sum() == found.score
    assert found.parts["text"].to_list() == ["Uses it regularly", "Added a card", "Is a student", "why usage"]
    assert found.reasons["key"].to_list() == ["regular_use"]
    assert found.changes is None
    assert found.grade == "C2"


def test_an_account_stands_for_its_latest_trial(published: Published) -> None:
    assert published(NOW, given()).explain("acme").trial_id == "stripe:acme:1"


def test_what_came_and_what_decayed_since_a_day(published: Published) -> None:
    found = published(NOW, given()).explain("acme", since="2026-01-03")
    assert (found.since, found.score_before) == (date(2026, 1, 3), 5.0)
    assert found.changes is not None
    assert found.changes.rows() == [
        ("rule", "regular_use", "new events", 0.0, 20.0, 20.0),
        ("cap", "usage", "new events", 0.0, -3.0, -3.0),
        ("rule", "card", "decay", 10.0, 8.0, -2.0),
    ]
    assert found.changes["change"].sum() == 20.0 - 5.0


def test_a_cap_that_lets_go_is_decay(published: Published) -> None:
    found = published(NOW, given()).explain("acme", since="2026-01-05")
    assert found.changes is not None
    assert found.changes.rows() == [
        ("cap", "usage", "decay", -4.0, -3.0, 1.0),
        ("rule", "card", "decay", 9.0, 8.0, -1.0),
    ]


def test_an_older_generation_tells_new_definitions_from_corrected_data(published: Published) -> None:
    # when it was published, regular_use gave 15 points and the card of day 3 was unknown
    old = given()
    old["marts.score_rules"] = [{**RULES[0], "points": 15}, *RULES[1:]]
    old["intermediate.trial_days"] = [day(5, 1500, 0, -500, 0)]
    before = published(NOW, old)
    found = published(NOW, given()).explain("acme", since="2026-01-05", before=before)
    assert found.score_before == 10.0
    assert found.changes is not None
    assert found.changes.rows() == [
        ("rule", "card", "data correction", 0.0, 9.0, 9.0),
        ("rule", "regular_use", "definition change", 15.0, 20.0, 5.0),
        ("cap", "usage", "definition change", 0.0, -4.0, -4.0),
        ("cap", "usage", "decay", -4.0, -3.0, 1.0),
        ("rule", "card", "decay", 9.0, 8.0, -1.0),
    ]
    assert found.changes["change"].sum() == pytest.approx(20.0 - 10.0)


def test_parts_that_do_not_add_up_are_an_error(published: Published) -> None:
    with pytest.raises(StoreError, match=r"add up to 20 points, its score is 20\.01"):
        published(NOW, given(score=2001)).explain("acme")


def test_a_trial_without_days_has_no_score(published: Published) -> None:
    rows = {"marts.trials": [trial("acme", "2026-01-01", "2026-01-15", "pending")]}
    results = published(NOW, rows)
    found = results.explain("acme")
    assert (found.score, found.day, found.parts.height) == (None, None, 0)
    with pytest.raises(InputError, match="it has no days yet"):
        results.explain("acme", since="2026-01-03")


def test_a_day_without_a_row_names_those_there_are(published: Published) -> None:
    results = published(NOW, given())
    with pytest.raises(InputError, match="no row for 2026-02-01; it has days from 2026-01-03 to 2026-01-07"):
        results.explain("acme", since="2026-02-01")
    with pytest.raises(InputError, match="'last week' is no day"):
        results.explain("acme", since="last week")


def test_an_unknown_trial_is_said(published: Published) -> None:
    with pytest.raises(NotFoundError, match="no trial or account 'nobody'"):
        published(NOW, given()).explain("nobody")
