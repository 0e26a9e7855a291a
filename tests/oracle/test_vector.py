"""The oracle answers the conformance vector the way it was worked out by hand, all three ways and in both shapes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from . import vector
from .conversion_oracle import conversion
from .facts import from_iso
from .trials_oracle import Rules, Trial, read_trials

LANDED = from_iso(vector.SNAPSHOTS_LANDED_AT)


def _trials(way: vector.Way, day: str, shape: str = "endive") -> list[Trial]:
    if way == "product":
        records = vector.product_events()
    else:
        records = vector.stripe_events(shape) if way == "events" else vector.stripe_snapshots(shape)
    return read_trials(records, Rules().end_of_day(date.fromisoformat(day)), landed_at=LANDED)


def _name(trial: Trial) -> str:
    return trial.account_id[-1].upper()


CASES = [
    (way, shape, day)
    for way in vector.WAYS
    for shape in (("endive",) if way == "product" else ("endive", "2020"))
    for day in (vector.END_OF_JANUARY, vector.END_OF_MARCH)
]


@pytest.mark.parametrize(("way", "shape", "day"), CASES)
def test_outcomes_and_active(way: vector.Way, shape: str, day: str) -> None:
    trials = _trials(way, day, shape)
    assert {_name(t): t.outcome for t in trials} == vector.outcomes(way, day)
    assert {_name(t) for t in trials if t.is_active} == set(vector.ACTIVE[day])
    assert {(t.trial_number, t.is_first_trial, t.is_add_on) for t in trials} == {(1, True, False)}


@pytest.mark.parametrize(("way", "shape", "day"), CASES)
def test_every_rate(way: vector.Way, shape: str, day: str) -> None:
    trials = _trials(way, day, shape)
    as_of = Rules().end_of_day(date.fromisoformat(day))
    name = {t.trial_id: _name(t) for t in trials}
    for row in (r for r in vector.rates(way) if r.as_of == day):
        options: dict[str, Any] = dict(row.options) | {"by": None if row.definition.startswith("rolling") else "month"}
        rates = conversion(trials, row.definition, as_of, **options)
        period = (row.period_start, row.period_end)
        found = [r for r in rates if (str(r.period_start), str(r.period_end)) == period]
        assert len(found) == 1, row
        rate = found[0]
        assert {name[x] for x in rate.numerator} == set(row.numerator), row
        assert {name[x] for x in rate.denominator} == set(row.denominator), row
        assert {name[x] for x in rate.pending} == set(row.pending), row
        assert not rate.excluded
        assert rate.value == row.value
        assert rate.bounds == row.bounds


def test_the_published_table_is_in_the_vector() -> None:
    """The six rates printed in the definitions, as fractions."""
    table = {(r.as_of, r.definition, r.options, r.period_start): r.value for r in vector.rates("events")}
    january = vector.END_OF_JANUARY
    assert table[january, "start_cohort", (("within_days", "ever"),), "2026-01-01"] == 0.25
    assert table[january, "end_cohort", (("grace_days", 0),), "2026-01-01"] == 0.5
    assert table[january, "end_cohort", (("grace_days", 30),), "2026-01-01"] == 0.75
    assert table[january, "rolling_ended", (), "2026-01-02"] == 0.75
    assert table[january, "rolling_flow", (), "2026-01-02"] == 1.0
    assert table[vector.END_OF_MARCH, "start_cohort", (("within_days", "ever"),), "2026-01-01"] == 0.5


def test_facts_of_single_trials() -> None:
    by_name = {_name(t): t for t in _trials("events", vector.END_OF_MARCH)}
    a, b, d, f = (by_name[x] for x in "ABDF")
    assert (a.link, a.settlement, a.amount_minor, a.currency) == ("same", "card", 4900, "usd")
    # 15 Jan + 30 days + 72 h
    assert (a.effective_end_at, a.deadline_at) == (from_iso("2026-01-15"), from_iso("2026-02-17"))
    assert (a.card_type, d.card_type) == ("card_required", "cardless")
    assert (b.outcome_at, b.ended_at, b.ends_at) == (
        from_iso("2026-01-20"),
        from_iso("2026-01-20"),
        from_iso("2026-01-24"),
    )
    assert (d.is_inferred, d.outcome_at) == (True, from_iso("2026-02-11"))
    assert (f.converted_at, f.active_status_at) == (from_iso("2026-01-30T12:00:00"),) * 2


def test_between_pause_and_payment_the_ways_differ() -> None:
    """F on 20 January: the events saw the pause, a later snapshot has no dated trace of it, the product no card."""
    seen = {way: next(t for t in _trials(way, "2026-01-20") if _name(t) == "F").outcome for way in vector.WAYS}
    assert seen == {"events": "no_payment_method", "snapshots": "expired", "product": "expired"}


def test_the_status_of_a_snapshot_counts_from_its_landing() -> None:
    as_of = Rules().end_of_day(date(2026, 3, 31))
    rates = conversion(_trials("snapshots", vector.END_OF_MARCH), "status", as_of)
    assert [len(rate.numerator) for rate in rates] == [0, 0]
    assert [len(rate.denominator) for rate in rates] == [2, 4]


def test_estimate_of_the_january_cohort() -> None:
    """B ends on trial day 11 with A, B, C at risk (D is censored on day 4): 1 - 1/3 are left when A converts alone."""
    as_of = Rules().end_of_day(date(2026, 1, 31))
    january = conversion(_trials("events", vector.END_OF_JANUARY), "start_cohort", as_of, within_days="ever")[-1]
    assert january.estimate == pytest.approx(2 / 3)
    assert january.bounds == (0.25, 0.75)
