"""A condition tried on the rows of the clock's day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlglot import parse_one
from tests.delivery.conftest import Published, trial

from trialwise.delivery.preview import preview

NOW = "2026-01-10"
TODAY, BEFORE = date(2026, 1, 9), date(2026, 1, 8)


def _given() -> dict[str, list[dict[str, Any]]]:
    def day(name: str, at: date, score: int | None) -> dict[str, Any]:
        return {"trial_id": f"stripe:{name}:1", "activity_date": at, "trial_day": 9, "rule_score_hundredths": score}

    return {
        "marts.trials": [
            trial("acme", "2026-01-01", "2026-01-15", "pending"),
            trial("bolt", "2026-01-03", "2026-01-12", "pending"),
            trial("null", "2026-01-03", "2026-01-13", "pending"),
            trial("late", "2026-01-09", "2026-01-23", "pending"),  # has no row yet
            trial("cask", "2025-12-13", "2025-12-27", "expired"),
        ],
        "intermediate.trial_days": [
            day("acme", BEFORE, 100),
            day("acme", TODAY, 3000),
            day("bolt", BEFORE, 9000),
            day("bolt", TODAY, 100),
            day("null", TODAY, None),
            day("cask", TODAY, 5000),
        ],
    }


@pytest.mark.parametrize(
    ("condition", "every", "looked_at", "members"),
    [
        ("rule_score_hundredths >= 2000", False, 3, ["acme"]),
        ("rule_score_hundredths >= 2000", True, 4, ["cask", "acme"]),
        ("rule_score_hundredths < 2000", False, 3, ["bolt"]),
        ("rule_score_hundredths IS NULL OR trial_day > 100", False, 3, ["null"]),
        ("FALSE", False, 3, []),
    ],
)
def test_members_are_those_for_whom_it_holds_today(
    published: Published, condition: str, every: bool, looked_at: int, members: list[str]
) -> None:
    results = published(NOW, _given())
    found = preview(results.reader, parse_one(condition, dialect="duckdb"), every=every)
    assert found.looked_at == looked_at
    assert found.members["account_id"].to_list() == members
