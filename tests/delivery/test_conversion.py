"""Every definition of trial conversion, on numbers worked out by hand.

The vector (zone UTC, all at 00:00Z; payments at end + 1 h): A 1 to 15 Jan, paid. B 10 to 24 Jan, ended at once by its
user on 20 Jan. C 20 Jan to 3 Feb, paid. D 28 Jan to 11 Feb, no card, canceled at its end. E 20 Dec to 3 Jan, paid.
F 25 Dec to 8 Jan, no card, paused; resumed and paid 30 Jan 12:00.
"""

from __future__ import annotations

from datetime import date
from math import sqrt
from typing import Any

import pytest
from tests.delivery.conftest import Published, at, trial

Z = 1.959963984540054


def vector(as_of: str) -> list[dict[str, Any]]:
    """The six trials as marts.trials has them at one of the two dates."""
    late = as_of > "2026-02-12"

    def paid(when: str) -> dict[str, Any]:
        return {
            "converted_at": at(when),
            "outcome_at": at(when),
            "ever_paid_at": at(when),
            "active_status_at": at(when),
        }

    return [
        trial("A", "2026-01-01", "2026-01-15", "converted", card_type="card_required", **paid("2026-01-15 01:00")),
        trial("B", "2026-01-10", "2026-01-24", "cancelled", card_type="card_required", ended_at=at("2026-01-20"),
              outcome_at=at("2026-01-20")),
        trial("C", "2026-01-20", "2026-02-03", "converted" if late else "pending", card_type="card_required",
              **(paid("2026-02-03 01:00") if late else {})),
        trial("D", "2026-01-28", "2026-02-11", "no_payment_method" if late else "pending", card_type="cardless",
              is_inferred=late, **({"outcome_at": at("2026-02-11"), "ended_at": at("2026-02-11")} if late else {})),
        trial("E", "2025-12-20", "2026-01-03", "converted", **paid("2026-01-03 01:00")),
        trial("F", "2025-12-25", "2026-01-08", "converted", **paid("2026-01-30 12:00")),
    ]  # fmt: skip


END_OF_JANUARY, END_OF_MARCH = "2026-02-01", "2026-04-01"


def wilson(hits: int, n: int) -> tuple[float, float]:
    share = hits / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return middle - half, middle + half


@pytest.mark.parametrize(
    ("options", "numerator", "denominator", "pending"),
    [
        ({"definition": "start_cohort", "within_days": "ever"}, 1, 4, 2),
        ({"definition": "start_cohort"}, 1, 4, 2),
        ({"definition": "end_cohort", "grace_days": 0}, 2, 4, 0),
        ({"definition": "end_cohort", "grace_days": 30}, 3, 4, 0),
        ({"definition": "rolling_ended"}, 3, 4, 0),
        ({"definition": "rolling_flow"}, 3, 3, 2),
        ({"definition": "status"}, 1, 4, 2),
        ({"definition": "ever"}, 1, 4, 2),
    ],
)
def test_the_vector_at_the_end_of_january(
    published: Published, options: dict[str, Any], numerator: int, denominator: int, pending: int
) -> None:
    results = published(END_OF_JANUARY, {"marts.trials": vector(END_OF_JANUARY)})
    frame = results.metrics("trial_conversion", by="month", **options)
    row = frame.filter(frame["period_end"] == date(2026, 2, 1)).row(0, named=True)
    assert (row["numerator"], row["denominator"], row["pending"]) == (numerator, denominator, pending)
    assert row["value"] == numerator / denominator
    assert row["as_of"] == at(END_OF_JANUARY)


def test_bounds_and_final_of_the_vector(published: Published) -> None:
    results = published(END_OF_JANUARY, {"marts.trials": vector(END_OF_JANUARY)})
    frame = results.metrics("trial_conversion", definition="start_cohort")
    december, january = frame.to_dicts()
    assert (december["numerator"], december["denominator"], december["is_final"]) == (2, 2, True)
    assert (january["bound_low"], january["bound_high"], january["is_final"]) == (0.25, 0.75, False)
    low, high = wilson(1, 4)
    assert january["wilson_low"] == pytest.approx(low, abs=1e-12)
    assert january["wilson_high"] == pytest.approx(high, abs=1e-12)
    # D is censored on its day 4 and B ends on day 10, C is censored on day 12, A converts on day 14:
    # 4 at risk, 3 when B ends (2/3 stay open), then 1 of 1 converts
    assert january["estimate"] == pytest.approx(2 / 3, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "numerator", "denominator"),
    [
        ({"definition": "start_cohort"}, 2, 4),
        ({"definition": "start_cohort", "within_days": "ever"}, 2, 4),
        ({"definition": "start_cohort", "within_days": 14}, 0, 4),
        ({"definition": "start_cohort", "within_days": 15}, 2, 4),
        ({"definition": "status"}, 2, 4),
        ({"definition": "ever"}, 2, 4),
        ({"definition": "end_cohort"}, 3, 4),
    ],
)
def test_the_vector_in_january_at_the_end_of_march(
    published: Published, options: dict[str, Any], numerator: int, denominator: int
) -> None:
    results = published(END_OF_MARCH, {"marts.trials": vector(END_OF_MARCH)})
    frame = results.metrics("trial_conversion", **options)
    row = frame.filter(frame["period_start"] == date(2026, 1, 1)).row(0, named=True)
    assert (row["numerator"], row["denominator"], row["pending"]) == (numerator, denominator, 0)
    assert row["is_final"] is (options["definition"] != "ever")


def test_rolling_windows_are_thirty_days_and_name_their_days(published: Published) -> None:
    results = published(END_OF_JANUARY, {"marts.trials": vector(END_OF_JANUARY)})
    row = results.metrics("trial_conversion", definition="rolling_ended", by="all").row(0, named=True)
    assert (row["period_start"], row["period_end"]) == (date(2026, 1, 2), date(2026, 2, 1))


def test_a_flow_is_no_subset_and_has_no_interval(published: Published) -> None:
    results = published(END_OF_JANUARY, {"marts.trials": vector(END_OF_JANUARY)})
    row = results.metrics("trial_conversion", definition="rolling_flow", by="all").row(0, named=True)
    assert [row[c] for c in ("wilson_low", "wilson_high", "bound_low", "bound_high", "estimate")] == [None] * 5


def test_a_trial_that_is_only_paused_has_not_ended_in_the_rolling_rate(published: Published) -> None:
    paused = trial("P", "2026-01-01", "2026-01-15", "no_payment_method", is_paused=True, outcome_at=at("2026-01-15"))
    canceled = trial("Q", "2026-01-01", "2026-01-15", "no_payment_method", ended_at=at("2026-01-15"),
                     outcome_at=at("2026-01-15"))  # fmt: skip
    results = published(END_OF_JANUARY, {"marts.trials": [paused, canceled]})
    row = results.metrics("trial_conversion", definition="rolling_ended", by="all").row(0, named=True)
    assert (row["numerator"], row["denominator"], row["pending"]) == (0, 1, 1)


def test_all_definitions_stand_side_by_side_when_none_is_named(published: Published) -> None:
    results = published(END_OF_MARCH, {"marts.trials": vector(END_OF_MARCH)})
    frame = results.metrics("trial_conversion", by="all", within_days=15, grace_days=0)
    assert frame["definition"].to_list() == [
        "start_cohort(within_days=15)", "end_cohort(grace_days=0)", "rolling_ended", "rolling_flow", "status", "ever",
    ]  # fmt: skip


def test_other_populations_are_excluded_and_have_rates_of_their_own(published: Published) -> None:
    rows = [
        trial("A", "2026-01-01", "2026-01-08", "expired", outcome_at=at("2026-01-08")),
        trial("B", "2026-01-02", "2026-01-09", "converted", converted_at=at("2026-01-09"), outcome_at=at("2026-01-09"),
              population="repeat", is_first_trial=False),
        trial("C", "2026-01-03", "2026-01-10", "expired", population="add_on", is_add_on=True),
        trial("D", "2026-01-04", "2026-01-11", "merged", population="merged"),
        trial("E", "2026-01-05", "2026-04-05", "pending", kind="freemium", population="freemium"),
    ]  # fmt: skip
    results = published(END_OF_MARCH, {"marts.trials": rows})

    def row(population: str) -> tuple[Any, ...]:
        frame = results.metrics("trial_conversion", definition="start_cohort", by="all", population=population)
        return frame.select("numerator", "denominator", "excluded", "definition").row(0)

    # the others of the period, freemium among them; D was joined to another trial by a merge and stands nowhere
    assert row("first") == (0, 1, 3, "start_cohort")
    assert row("repeat") == (1, 1, 3, "start_cohort(population=repeat)")
    assert row("add_on") == (0, 1, 3, "start_cohort(population=add_on)")
    assert row("all") == (1, 3, 1, "start_cohort(population=all)")
    assert row("freemium") == (0, 1, 3, "start_cohort(population=freemium)")


def test_trials_from_product_events_have_no_status(published: Published) -> None:
    rows = [trial("A", "2026-01-01", "2026-01-15", "expired", source="event")]
    row = (
        published(END_OF_MARCH, {"marts.trials": rows})
        .metrics("trial_conversion", definition="status", by="all")
        .row(0, named=True)
    )
    assert (row["denominator"], row["excluded"], row["value"], row["wilson_low"]) == (0, 1, None, None)


def test_net_drops_refunded_conversions_and_keeps_them_below_the_line(published: Published) -> None:
    rows = [
        trial("A", "2026-01-01", "2026-01-15", "converted", converted_at=at("2026-01-15"), outcome_at=at("2026-01-15")),
        trial("B", "2026-01-01", "2026-01-15", "converted", converted_at=at("2026-01-15"), outcome_at=at("2026-01-15"),
              is_refunded=True),
    ]  # fmt: skip
    results = published(END_OF_MARCH, {"marts.trials": rows})
    gross = results.metrics("trial_conversion", definition="start_cohort", by="all").row(0, named=True)
    net = results.metrics("trial_conversion", definition="start_cohort", by="all", net=True).row(0, named=True)
    assert (gross["numerator"], gross["denominator"]) == (2, 2)
    assert (net["numerator"], net["denominator"], net["estimate"], net["definition"]) == (
        1,
        2,
        0.5,
        "start_cohort(net)",
    )


def test_cancellations_compete_and_are_not_censored(published: Published) -> None:
    # nine leave on day 2, one of the ten converts on day 14: 10 %, not the 100 % that censoring them would give
    leavers = [
        trial(f"L{n}", "2026-01-01", "2026-01-15", "cancelled", ended_at=at("2026-01-03"), outcome_at=at("2026-01-03"))
        for n in range(9)
    ]
    payer = trial(
        "P", "2026-01-01", "2026-01-15", "converted", converted_at=at("2026-01-15"), outcome_at=at("2026-01-15")
    )
    results = published("2026-01-20", {"marts.trials": [*leavers, payer]})
    row = results.metrics("trial_conversion", definition="start_cohort").filter(
        period_start=date(2026, 1, 1)
    ).row(0, named=True)  # fmt: skip
    assert row["estimate"] == pytest.approx(0.1, abs=1e-12)


def test_the_deadline_is_inclusive(published: Published) -> None:
    rows = [
        trial("A", "2026-01-01", "2026-01-15", "converted", converted_at=at("2026-02-17"), outcome_at=at("2026-02-17")),
        trial("B", "2026-01-01", "2026-01-15", "converted_late", converted_at=at("2026-02-17 00:00:01"),
              outcome_at=at("2026-02-17 00:00:01")),
    ]  # fmt: skip
    results = published(END_OF_MARCH, {"marts.trials": rows})
    row = results.metrics("trial_conversion", definition="start_cohort", by="all").row(0, named=True)
    ever = results.metrics("trial_conversion", definition="start_cohort", by="all", within_days="ever").row(
        0, named=True
    )
    assert (row["numerator"], ever["numerator"]) == (1, 2)


def test_a_split_never_mixes_unknown_with_another_value(published: Published) -> None:
    trials = vector(END_OF_MARCH)
    splits = [{"trial_id": t["trial_id"], "split_key": "card_type", "split_value": t["card_type"]} for t in trials]
    results = published(END_OF_MARCH, {"marts.trials": trials, "marts.trial_splits": splits})
    frame = results.metrics("trial_conversion", definition="start_cohort", by="all", split="card_type")
    assert frame.select("split_key", "split_value", "numerator", "denominator").rows() == [
        ("card_type", "card_required", 2, 3),
        ("card_type", "cardless", 0, 1),
        ("card_type", "unknown", 2, 2),
    ]


def test_membership_is_read_at_a_trial_day_among_trials_open_then(published: Published) -> None:
    # day 7 is 7 Jan: A is a member, B joined on day 8 and is none, C left on day 7 and is none, D ended before it
    rows = [
        trial(name, "2026-01-01", "2026-01-15", "converted", converted_at=at("2026-01-15"), outcome_at=at("2026-01-15"))
        for name in "ABC"
    ]
    rows.append(
        trial("D", "2026-01-01", "2026-01-15", "cancelled", ended_at=at("2026-01-05"), outcome_at=at("2026-01-05"))
    )
    stays = [("A", 7, None), ("B", 8, None), ("C", 2, 7), ("D", 1, None)]
    memberships = [
        {"trial_id": f"stripe:{name}:1", "account_id": name, "segment": "pql", "entered_on": date(2026, 1, day),
         "left_on": left and date(2026, 1, left)}
        for name, day, left in stays
    ]  # fmt: skip
    results = published(END_OF_MARCH, {
        "marts.trials": rows, "marts.memberships": memberships, "marts.segments": [{"segment": "pql", "version": "3"}],
    })  # fmt: skip
    frame = results.metrics("trial_conversion", definition="start_cohort", by="all", segment="pql")
    assert frame.select("split_key", "split_value", "numerator", "denominator", "excluded").rows() == [
        ("segment:pql@half", "member", 1, 1, 0),
        ("segment:pql@half", "non_member", 2, 2, 0),
        ("segment:pql@half", "not_open", 0, 0, 1),
    ]
    later = results.metrics("trial_conversion", definition="start_cohort", by="all", segment="pql", at_day=8)
    assert later.select("split_value", "denominator").rows() == [("member", 2), ("non_member", 1), ("not_open", 0)]
    assert set(later["version"]) == {"1+pql:3"}


def test_periods_without_trials_are_shown_with_an_empty_rate(published: Published) -> None:
    results = published(END_OF_MARCH, {"marts.trials": vector(END_OF_MARCH)})
    frame = results.metrics("trial_conversion", definition="start_cohort", since=date(2026, 2, 1))
    assert frame.select("period_start", "denominator", "value").rows() == [
        (date(2026, 2, 1), 0, None),
        (date(2026, 3, 1), 0, None),
    ]
