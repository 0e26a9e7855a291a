"""The other metrics, on numbers worked out by hand, and what a metric refuses."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.conftest import Published, at, trial
from tests.delivery.test_conversion import END_OF_JANUARY, END_OF_MARCH, vector

from trialwise.delivery.metrics import METRIC_COLUMNS, METRICS, names
from trialwise.errors import InputError, NotFoundError


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_exactly_the_columns_of_the_contract(published: Published, name: str) -> None:
    segment = [{"segment": "pql", "version": "1"}]
    results = published(END_OF_MARCH, {"marts.trials": vector(END_OF_MARCH), "marts.segments": segment})
    frame = results.metrics(name)
    assert tuple(frame.columns) == METRIC_COLUMNS
    assert set(frame["metric"]) == {name}
    assert set(frame["generation"]) == {1}
    assert set(frame["known_at"]) == {at(END_OF_MARCH)}


def test_new_trials_by_month(published: Published) -> None:
    results = published(END_OF_MARCH, {"marts.trials": vector(END_OF_MARCH)})
    frame = results.metrics("new_trials")
    assert frame.select("period_start", "value", "numerator", "is_final").rows() == [
        (date(2025, 12, 1), 2.0, 2, True),
        (date(2026, 1, 1), 4.0, 4, True),
        (date(2026, 2, 1), 0.0, 0, True),
        (date(2026, 3, 1), 0.0, 0, True),
    ]


def test_new_trials_by_iso_week_start_on_monday(published: Published) -> None:
    results = published(END_OF_JANUARY, {"marts.trials": vector(END_OF_JANUARY)})
    frame = results.metrics("new_trials", by="week", since=date(2026, 1, 1), until=date(2026, 1, 12))
    # 29 Dec to 4 Jan: A; 5 to 11 Jan: B; 12 to 18 Jan: none
    assert frame.select("period_start", "value").rows() == [
        (date(2025, 12, 29), 1.0),
        (date(2026, 1, 5), 1.0),
        (date(2026, 1, 12), 0.0),
    ]


def test_active_trials_at_the_end_of_january_are_c_and_d(published: Published) -> None:
    results = published(END_OF_JANUARY, {"marts.trials": vector(END_OF_JANUARY)})
    frame = results.metrics("active_trials")
    # at the end of December E and F run; A starts with the next instant
    assert frame.select("period_start", "value").rows() == [(date(2025, 12, 1), 2.0), (date(2026, 1, 1), 2.0)]


def test_a_trial_at_its_very_end_and_a_paused_one_are_not_active(published: Published) -> None:
    rows = [
        trial("A", "2026-01-01", "2026-02-01", "pending", is_active=False),
        trial("B", "2026-01-01", "2026-02-10", "pending", is_active=False, is_paused=True),
        trial("C", "2026-01-01", "2026-02-01 00:00:01", "pending"),
    ]
    frame = published(END_OF_JANUARY, {"marts.trials": rows}).metrics("active_trials", since=date(2026, 1, 1))
    assert frame["value"].to_list() == [1.0]


def test_outcomes_add_up_to_the_new_trials(published: Published) -> None:
    results = published(END_OF_MARCH, {"marts.trials": vector(END_OF_MARCH)})
    outcomes = results.metrics("trial_outcomes").filter(period_start=date(2026, 1, 1))
    assert outcomes.select("split_key", "split_value", "numerator", "denominator").rows() == [
        ("outcome", "cancelled", 1, 4),
        ("outcome", "converted", 2, 4),
        ("outcome", "no_payment_method", 1, 4),
    ]
    new = results.metrics("new_trials").filter(period_start=date(2026, 1, 1))
    assert outcomes["value"].sum() == new["value"][0]


def test_time_to_convert_from_start_and_from_end(published: Published) -> None:
    # four convert after 2, 4, 6 and 14 days of 14, one is cancelled on day 1: half of the reached incidence is there
    # with the second (4 days), nine tenths with the fourth (14 days)
    rows = [
        trial(f"T{days}", "2026-01-01", "2026-01-15", "converted", converted_at=at("2026-01-01") + timedelta(days=days),
              outcome_at=at("2026-01-01") + timedelta(days=days))
        for days in (2, 4, 6, 14)
    ]  # fmt: skip
    rows.append(
        trial("X", "2026-01-01", "2026-01-15", "cancelled", ended_at=at("2026-01-02"), outcome_at=at("2026-01-02"))
    )
    frame = published(END_OF_MARCH, {"marts.trials": rows}).metrics("time_to_convert", by="all")
    assert frame.select("definition", "value", "numerator", "denominator").rows() == [
        ("median_from_start", 4.0, 4, 5),
        ("p90_from_start", 14.0, 4, 5),
        ("median_from_end", -10.0, 4, 5),
        ("p90_from_end", 0.0, 4, 5),
    ]


def test_time_to_convert_of_nobody_is_null(published: Published) -> None:
    rows = [trial("X", "2026-01-01", "2026-01-15", "expired", outcome_at=at("2026-01-15"))]
    frame = published(END_OF_MARCH, {"marts.trials": rows}).metrics("time_to_convert", by="all")
    assert frame["value"].to_list() == [None] * 4


def member(name: str, day: int) -> dict[str, Any]:
    return {"trial_id": f"stripe:{name}:1", "account_id": name, "segment": "pql", "entered_on": date(2026, 1, day)}


def test_pql_conversion_against_trials_not_qualified_on_the_same_day(published: Published) -> None:
    def of(name: str, converts: bool, **more: Any) -> dict[str, Any]:
        when = at("2026-01-15") if converts else None
        outcome = "converted" if converts else "expired"
        return trial(name, "2026-01-01", "2026-01-15", outcome, converted_at=when, outcome_at=at("2026-01-15"), **more)

    rows = [
        of("A", True), of("B", False),  # qualify on day 3
        of("C", True), of("D", False), of("E", False), of("F", False),  # never qualify
        of("G", True),  # qualifies on day 5, so on day 3 it is compared with A and B
        of("H", True, is_add_on=True, population="add_on"),  # pays already
        trial("I", "2026-01-01", "2026-01-15", "cancelled", ended_at=at("2026-01-02"), outcome_at=at("2026-01-02")),
    ]  # fmt: skip
    stays = [member("A", 3), member("B", 3), member("G", 5), member("H", 3)]
    results = published(END_OF_MARCH, {
        "marts.trials": rows, "marts.memberships": stays, "marts.segments": [{"segment": "pql", "version": "2"}],
    })  # fmt: skip
    frame = results.metrics("pql_conversion", by="all")
    first, baseline, lift = frame.to_dicts()
    assert (first["definition"], first["numerator"], first["denominator"], first["excluded"]) == (
        "first_qualified",
        2,
        3,
        1,
    )
    # day 3: C, D, E, F, G, of which C and G pay = 2/5 (two leads); day 5: C, D, E, F = 1/4 (one lead)
    expected = (2 * 2 / 5 + 1 / 4) / 3
    assert baseline["value"] == pytest.approx(expected, abs=1e-12)
    assert (baseline["numerator"], baseline["denominator"]) == (2, 5)
    assert lift["value"] == pytest.approx(2 / 3 / expected, abs=1e-12)
    assert (lift["unit"], first["version"]) == ("ratio", "1+pql:2")


def test_an_account_that_paid_before_it_qualified_is_excluded(published: Published) -> None:
    rows = [
        trial(
            "A",
            "2026-01-01",
            "2026-01-15",
            "converted",
            converted_at=at("2026-01-03 10:00"),
            outcome_at=at("2026-01-03"),
        )
    ]
    results = published(END_OF_MARCH, {
        "marts.trials": rows, "marts.memberships": [member("A", 4)],
        "marts.segments": [{"segment": "pql", "version": "1"}],
    })  # fmt: skip
    row = results.metrics("pql_conversion", by="all").row(0, named=True)
    assert (row["denominator"], row["excluded"], row["value"]) == (0, 1, None)


def test_stickiness_is_the_mean_of_daily_over_monthly_users(published: Published) -> None:
    users = [(1, 2, 4), (2, 1, 4), (3, 0, 0), (4, 4, 4)]
    rows = [
        {"activity_date": date(2026, 1, day), "active_users": dau, "active_users_28d": mau} for day, dau, mau in users
    ]
    frame = published(END_OF_JANUARY, {"marts.active_users": rows}).metrics("stickiness", since=date(2026, 1, 1))
    row = frame.row(0, named=True)
    assert row["value"] == pytest.approx((2 / 4 + 1 / 4 + 4 / 4) / 3)
    assert (row["numerator"], row["denominator"]) == (7, 12)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("new_trials", {"net": True}, "new_trials takes no net"),
        ("trial_conversion", {"definition": "start_kohort"}, "did you mean 'start_cohort'"),
        ("trial_conversion", {"by": "year"}, "no by 'year'"),
        ("trial_conversion", {"population": "all_of_them"}, "no population"),
        (
            "trial_conversion",
            {"definition": "status", "grace_days": 3},
            "grace_days belongs to the definition end_cohort",
        ),
        ("trial_conversion", {"within_days": 0}, "within_days is 0"),
        ("trial_conversion", {"at_day": 3}, "no segment is given"),
        ("trial_conversion", {"segment": "pql", "split": "plan"}, "give one of them"),
        ("trial_conversion", {"segment": "pql", "definition": "rolling_ended"}, "no split by segment"),
        ("trial_conversion", {"segment": "pgl"}, "did you mean 'pql'"),
        ("trial_conversion", {"split": "plam"}, "did you mean 'plan'"),
        ("trial_conversion", {"since": date(2026, 2, 1), "until": date(2026, 1, 1)}, "before it starts"),
        ("trial_conversion", {"definitions": "ever"}, "did you mean 'definition'"),
    ],
)
def test_what_a_metric_does_not_take_is_said(
    published: Published, name: str, options: dict[str, Any], message: str
) -> None:
    splits = [{"trial_id": "x", "split_key": "plan", "split_value": "pro"}]
    results = published(
        END_OF_MARCH, {"marts.trial_splits": splits, "marts.segments": [{"segment": "pql", "version": "1"}]}
    )
    with pytest.raises(InputError, match=message):
        results.metrics(name, **options)


def test_an_unknown_metric_names_the_nearest(published: Published) -> None:
    results = published(END_OF_MARCH, {})
    with pytest.raises(NotFoundError, match="did you mean 'stickiness'"):
        results.metrics("stickyness")
    assert "trial_conversion_rolling" not in names(results.reader)


def test_a_metric_of_ones_own_is_found_and_gets_the_parameters_it_names(published: Published, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "metrics"
    folder.mkdir(parents=True)
    text = "SELECT count(*) AS trials, $population AS population FROM marts.trials -- not $a parameter\n"
    (folder / "how_many.sql").write_text(text, encoding="utf-8")
    results = published(END_OF_MARCH, {"marts.trials": vector(END_OF_MARCH)}, roots=(tmp_path / "own",))
    assert results.metrics("how_many", population="all").rows() == [(6, "all")]
