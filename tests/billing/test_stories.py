"""From Stripe payloads and product calls to trials: the whole chain, not one model at a time."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any

import pytest

from tests.billing.world import FACTS, rows, trials
from tests.oracle import vector
from tests.oracle.stripe_shapes import Subscription
from tests.oracle.stripe_sim import DAY, HOUR, StripeSim, seconds
from tests.oracle.stripe_stories import scrambled

START = seconds("2026-01-01")
END = START + 14 * DAY
LATE = dt.datetime(2026, 6, 1)

WAYS = [
    (way, shape, day)
    for way in vector.WAYS
    for shape in (("endive",) if way == "product" else ("endive", "2020"))
    for day in (vector.END_OF_JANUARY, vector.END_OF_MARCH)
]


def _payloads(way: vector.Way, shape: str) -> list[dict[str, Any]]:
    if way == "product":
        return vector.product_events()
    return vector.stripe_events(shape) if way == "events" else vector.stripe_snapshots(shape)


def _end_of(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(day) + dt.timedelta(days=1)


def _moment(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC).replace(tzinfo=None)


@pytest.mark.parametrize(("way", "shape", "day"), WAYS)
def test_the_vector_three_ways(way: vector.Way, shape: str, day: str) -> None:
    found = rows(trials(_payloads(way, shape), _end_of(day)))
    name = {row["trial_id"]: row["account_id"][-1].upper() for row in found}
    assert {name[row["trial_id"]]: row["outcome"] for row in found} == vector.outcomes(way, day)
    assert {name[row["trial_id"]] for row in found if row["is_active"]} == set(vector.ACTIVE[day])
    assert {(row["trial_number"], row["is_first_trial"], row["is_add_on"]) for row in found} == {(1, True, False)}
    for row in found:
        start, end = vector.PERIODS[name[row["trial_id"]]]
        assert row["started_at"] == dt.datetime.fromisoformat(start)
        assert row["original_ends_at"] == dt.datetime.fromisoformat(end)


def test_what_the_ways_cannot_know() -> None:
    """The listed differences: status, card type, link and history."""
    found = {way: rows(trials(_payloads(way, "endive"), LATE)) for way in vector.WAYS}
    facts = {
        way: {
            (row["history"], row["link"], row["card_type"], row["active_status_at"] is not None)
            for row in found[way]
            if row["account_id"] == "acct_a"
        }
        for way in vector.WAYS
    }
    assert facts == {
        "events": {("event", "same", "card_required", True)},
        "snapshots": {("snapshot", "same", "unknown", True)},  # landed by then: active counts from the landing
        "product": {("event_product", "event", "unknown", False)},
    }


def test_the_pause_leaves_no_dated_trace() -> None:
    """F on 20 January: events saw the pause, a later snapshot proves nothing of it, the product knows no card."""
    seen = {}
    for way in vector.WAYS:
        found = rows(trials(_payloads(way, "endive"), _end_of("2026-01-20")))
        seen[way] = next(row["outcome"] for row in found if row["account_id"] == "acct_f")
    assert seen == {"events": "no_payment_method", "snapshots": "expired", "product": "expired"}


def test_order_and_doubles_change_nothing() -> None:
    payloads = vector.stripe_events("endive")
    plain = rows(trials(payloads, LATE))
    for seed in range(3):
        mixed = rows(trials(scrambled(payloads, Random(seed)), LATE))
        for row in [*plain, *mixed]:
            row.pop("account_key", None)  # keys are given in order of arrival
        assert mixed == plain


def test_stripe_and_the_product_announce_the_same_trials() -> None:
    both = rows(trials([*vector.stripe_events("endive"), *vector.product_events()], LATE))
    assert [row["source"] for row in both] == ["stripe"] * 6
    assert {row["link"] for row in both} == {"same", None}


def test_known_at_hides_what_came_later() -> None:
    payloads = vector.stripe_events("endive")
    cut = _end_of("2026-01-31")
    early = [event for event in payloads if event["created"] < seconds("2026-02-01")]
    by_clock = rows(trials(payloads, LATE, known_at=cut))
    by_input = rows(trials(early, LATE))
    for row in [*by_clock, *by_input]:
        del row["account_key"]
    assert by_clock == by_input
    assert len(by_clock) == 6


def _one_trial(shape: str = "endive", card: bool = True) -> tuple[StripeSim, Subscription]:
    sim = StripeSim(shape, "one")
    cus = sim.customer(START, "acme", "owner@acme.example")
    pm = sim.add_card(cus, START, "both") if card else None
    return sim, sim.subscribe(cus, START, trial_end=END, card=pm, price_minor=4_900)


def _the_trial(sim: StripeSim, as_of: dt.datetime = LATE, **more: Any) -> dict[str, Any]:
    (row,) = rows(trials(sim.ordered_events(), as_of, **more))
    return row


@pytest.mark.parametrize("shape", ["endive", "2020"])
def test_extended_then_paid(shape: str) -> None:
    sim, sub = _one_trial(shape)
    later = END + 7 * DAY
    sim.update(sub, START + 5 * DAY, trial_end=later)
    sim.update(sub, later, status="active", period_start=later, period_end=later + 30 * DAY)
    sim.pay(sim.open_invoice(sub, later, finalize_at=later + HOUR), later + HOUR)
    row = _the_trial(sim)
    assert (row["outcome"], row["link"], row["amount_minor"], row["currency"]) == ("converted", "same", 4900, "USD")
    assert (row["extension_count"], row["days_added"], row["is_early_upgrade"]) == (1, 7, False)
    assert (row["original_ends_at"], row["ends_at"]) == (_moment(END), _moment(later))
    assert row["converted_at"] == _moment(later + HOUR)


def test_an_early_upgrade_is_no_shortening() -> None:
    sim, sub = _one_trial()
    now = START + 4 * DAY
    sim.update(sub, now, status="active", trial_end=now, period_start=now, period_end=now + 30 * DAY)
    sim.pay(sim.open_invoice(sub, now), now)
    row = _the_trial(sim)
    assert (row["outcome"], row["is_early_upgrade"], row["shortened_count"]) == ("converted", True, 0)
    assert row["effective_end_at"] == _moment(now)


def test_facts_of_a_day_are_those_known_then() -> None:
    """The end moves on day 6, the request stands on days 9 and 10, the rows before say what was known before.

    What was known last holds until day 52: the end, moved by a week, is on day 22, and its rows go on for 30 days.
    """
    sim, sub = _one_trial()
    sim.update(sub, START + 5 * DAY + HOUR, trial_end=END + 7 * DAY)
    sim.update(sub, START + 8 * DAY + HOUR, cancel_at_period_end=True, canceled_at=START + 8 * DAY + HOUR)
    sim.update(sub, START + 10 * DAY + HOUR, cancel_at_period_end=False, canceled_at=None)
    engine = trials(sim.ordered_events(), _moment(START + 12 * DAY))
    by_day = {
        day: (row["ends_no"] - 20454, row["cancel_requested"])  # 1 January 2026 is day 20454
        for row in rows(engine, FACTS, "k_from")
        for day in range(row["k_from"], row["k_to"] + 1)
    }
    assert by_day == {
        **dict.fromkeys(range(1, 6), (14, False)),
        **dict.fromkeys(range(6, 9), (21, False)),
        **dict.fromkeys(range(9, 11), (21, True)),
        **dict.fromkeys(range(11, 53), (21, False)),
    }


def test_days_are_days_of_the_reporting_zone() -> None:
    """1 January 00:00 UTC is the evening of 31 December in New York."""
    sim, _ = _one_trial()
    row = _the_trial(sim, timezone="America/New_York")
    assert (row["start_date"], row["end_date"]) == (dt.date(2025, 12, 31), dt.date(2026, 1, 14))


def test_a_free_plan_is_freemium() -> None:
    sim = StripeSim("endive", "free")
    cus = sim.customer(START, "acme", "owner@acme.example")
    sub = sim.subscribe(cus, START, trial_end=None, card=None, price_minor=0)
    row = _the_trial(sim, _moment(START + 10 * DAY), trial_plans=[sub.price_id])
    assert (row["trial_id"], row["kind"], row["outcome"]) == (f"stripe:{sub.id}:1", "freemium", "pending")
    assert (row["ends_at"], row["is_active"], row["n_days"]) == (None, True, 10)
    # its free plan is billed with $0 from the start on: that converts nothing, neither within the 90 days nor later
    sim.pay(sim.open_invoice(sub, START), START)
    for day, outcome in ((10, "pending"), (90, "expired"), (200, "expired")):
        row = _the_trial(sim, _moment(START + day * DAY), trial_plans=[sub.price_id])
        assert (row["outcome"], row["converted_at"], row["settlement"]) == (outcome, None, None), f"day {day}"
    assert rows(trials(sim.ordered_events(), LATE)) == []
