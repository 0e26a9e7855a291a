"""Published worked examples that concern the shipped metrics, and what of them is wrong.

Wrong as published, hence not reproduced:
- stripe-mrr-mix prints 800/12 inside its formula; only 600/12 gives the page's own total of 12,500.
- dmt_expected__retention.csv takes a user's first event of any type as day 0, then counts another one; a cohort by
  first action gives other numbers on the same rows.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.command import run, write_lines
from tests.oracle.stripe_shapes import Subscription
from tests.oracle.stripe_sim import DAY, HOUR, StripeSim, seconds
from tests.property.world import loaded

LENGTH = 14 * DAY
VALUE_TABLES = ("intermediate.subscription_versions", "intermediate.subscription_discounts")
COUNTED = ("active", "past_due")
"""Status of a subscription whose value counts, by Stripe's glossary and by ours."""


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> dict[str, dict[str, Any]]:
    """The published cases by id."""
    found = json.loads((shared_data / "worked_examples" / "cases.json").read_text(encoding="utf-8"))
    return {case["id"]: case for case in found}


# ---------------------------------------------------------------------------------------------------- trial conversion


def _trial(sim: StripeSim, name: str, start: int) -> Subscription:
    cus = sim.customer(start, name, f"owner@{name}.example")
    return sim.subscribe(cus, start, trial_end=start + LENGTH, card=sim.add_card(cus, start, "both"))


def _pays(sim: StripeSim, sub: Subscription, at: int) -> None:
    """The first service period is invoiced at the trial's end and paid at `at`."""
    end = sub.trial_end or at
    sim.update(sub, end, status="active", period_start=end, period_end=end + 31 * DAY)
    sim.pay(sim.open_invoice(sub, end), at)


def _leaves(sim: StripeSim, sub: Subscription, at: int, reason: str = "cancellation_requested") -> None:
    sim.update(sub, at, "deleted", status="canceled", canceled_at=at, ended_at=at, cancel_reason=reason)


def _imported(folder: Path, sim: StripeSim) -> Path:
    (folder / "trialwise.toml").write_text("", encoding="utf-8")
    run("import", "stripe", "--from", write_lines(folder / "stripe.ndjson", sim.ordered_events()), "-C", folder)
    return folder


def _rate(folder: Path, definition: str, as_of: str, *options: str) -> list[dict[str, Any]]:
    asked = ("--definition", definition, *options, "--as-of", as_of)
    return run("metrics", "trial_conversion", *asked, "-f", "json", "-C", folder).rows()


def test_chartmogul_cohort_by_trial_start(cases: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Ten trials of May 2015, five of which have become paying since: 50 %, and less when asked earlier."""
    case = cases["chartmogul-trial-cohort"]
    started, paying = case["input"]["trials_started_2015_05"], case["input"]["of_which_since_became_paying"]
    sim = StripeSim("2020", "chartmogul")
    for number in range(started):
        start = seconds("2015-05-02") + number * 2 * DAY
        sub = _trial(sim, f"acct{number}", start)
        if number < paying - 1:
            _pays(sim, sub, start + LENGTH + HOUR)
        elif number == paying - 1:  # long after, when a deadline would have cut it off
            _pays(sim, sub, seconds("2015-09-01"))
        else:
            _leaves(sim, sub, start + LENGTH)
    folder = _imported(tmp_path, sim)

    def cohort(as_of: str) -> tuple[int, int, float]:
        rows = _rate(folder, "start_cohort", as_of, "--within-days", "ever", "--by", "month")
        (may,) = [row for row in rows if row["period_start"] == "2015-05-01"]
        return may["numerator"], may["denominator"], may["value"]

    assert cohort("2015-12-31") == (paying, started, case["expected"]["trial_to_paid_rate_2015_05"])
    assert cohort("2015-07-31") == (paying - 1, started, 0.4)


def test_stripe_trial_conversion_rate(cases: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Conversions over trials that ended by conversion or by cancelling in the last 30 days: rolling_ended.

    As of the end of 31 March 2026 the window is 2 to 31 March.
    """
    case = cases["stripe-trial-conversion-rule"]
    assert case["input"]["window_days"] == 30
    assert case["expected"]["still_converted_if_cancelled_after_first_paid_invoice"]
    sim = StripeSim("endive", "stripe-rule")
    start = seconds("2026-03-03")
    _pays(sim, _trial(sim, "paid", start), start + LENGTH + HOUR)
    fickle = _trial(sim, "paid-then-cancelled", start)
    _pays(sim, fickle, start + LENGTH + HOUR)
    _leaves(sim, fickle, start + LENGTH + 3 * DAY)
    _leaves(sim, _trial(sim, "cancelled", start), start + 5 * DAY)
    paused = _trial(sim, "paused", start)
    sim.update(paused, start + LENGTH, "paused", status="paused", paused_at=start + LENGTH, default_payment_method=None)
    _trial(sim, "running", seconds("2026-03-25"))
    before = _trial(sim, "before", seconds("2026-02-01"))
    _pays(sim, before, seconds("2026-02-15T01:00:00"))
    (row,) = _rate(_imported(tmp_path, sim), "rolling_ended", "2026-03-31", "--by", "all")
    assert (row["period_start"], row["period_end"]) == ("2026-03-02", "2026-04-01")
    # paid and paid-then-cancelled over these two and cancelled; only paused, running and earlier ones are out
    assert (row["numerator"], row["denominator"]) == (2, 3)


# ------------------------------------------------------------------------------------------------------- monthly value


def _monthly(subscriptions: Sequence[dict[str, Any]], durations: Sequence[str]) -> float:
    """Monthly value in major units of subscriptions that Stripe reports, discounts of these durations taken off."""
    sim = StripeSim("endive", "value")
    at = seconds("2026-01-01")
    for number, given in enumerate(subscriptions):
        cus = sim.customer(at, f"acct{number}")
        sub = sim.subscribe(cus, at, price_minor=round(100 * given["amount_usd"]), status=given.get("status", "active"))
        sub.interval = given["interval"]
        if coupon := given.get("coupon"):
            sub.coupon = {"id": "OFF", "object": "coupon", "amount_off": None, "valid": True, **coupon}
        sim.update(sub, at + HOUR)
        for event in sim.events[-1:]:
            event["data"]["object"]["items"]["data"][0]["quantity"] = given.get("quantity", 1)
    later = dt.datetime(2026, 1, 2)
    with loaded([("stripe", sim.ordered_events(), later)]) as world:
        world.build(later, later + dt.timedelta(days=1), VALUE_TABLES)
        ((minor,),) = world.engine.rows(
            """SELECT coalesce(sum(v.monthly_value_minor * (1 - coalesce(d.percent_off, 0) / 100)), 0)
            FROM intermediate.subscription_versions AS v
            LEFT JOIN intermediate.subscription_discounts AS d
              ON d.source_id = v.source_id AND list_contains($durations, d.duration)
            WHERE v.version_no = 2 AND list_contains($counted, v.status)""",
            {"durations": list(durations), "counted": list(COUNTED)},
        )
    return float(minor) / 100


STRIPE, BAREMETRICS, PROFITWELL = ("forever",), ("forever",), ("forever", "repeating", "once")
"""The discounts each vendor takes off."""


@pytest.mark.parametrize(
    ("case_id", "durations"),
    [
        ("stripe-mrr-annual", STRIPE),
        ("stripe-mrr-forever-coupon", STRIPE),
        ("stripe-mrr-repeating-coupon", STRIPE),
        ("stripe-mrr-trialing", STRIPE),
        ("baremetrics-annual", BAREMETRICS),
        ("baremetrics-coupon", BAREMETRICS),
    ],
)
def test_monthly_value_of_one_plan(cases: dict[str, dict[str, Any]], case_id: str, durations: Sequence[str]) -> None:
    case = cases[case_id]
    assert _monthly([case["input"]], durations) == case["expected"]["mrr_usd"]


def test_monthly_value_of_many_customers(cases: dict[str, dict[str, Any]]) -> None:
    mix, ten = cases["stripe-mrr-mix"], cases["baremetrics-mrr"]
    crowd = [one for one in mix["input"]["subscribers"] for _ in range(one["n"])]
    assert len(crowd) == 150
    # 100 x 100 + 50 x 600 / 12; with the 800 that the page prints inside its formula it would be 13,333.33
    assert _monthly(crowd, STRIPE) == mix["expected"]["mrr_usd"] == 100 * 100 + 50 * 600 / 12
    assert _monthly([ten["input"]] * ten["input"]["customers"], BAREMETRICS) == ten["expected"]["mrr_usd"]


def test_discounts_of_any_duration_are_profitwells_convention(cases: dict[str, dict[str, Any]]) -> None:
    given = cases["profitwell-annual-discount"]["input"]
    coupon = {"percent_off": float(given["discount_percent"]), "duration": "once"}
    plan = {"amount_usd": given["amount_usd"], "interval": given["interval"], "coupon": coupon}
    assert _monthly([plan], PROFITWELL) == cases["profitwell-annual-discount"]["expected"]["mrr_usd"]
    assert _monthly([plan], STRIPE) == given["amount_usd"] / 12


def test_the_levels_behind_chartmoguls_movements(cases: dict[str, dict[str, Any]]) -> None:
    """What each step adds or takes; the movements themselves need the history of an account's value."""
    case = cases["chartmogul-lifecycle"]
    plans = case["input"]["plans_usd"]
    gold_yearly = {"amount_usd": plans["gold"]["year"], "interval": "year", "quantity": 4}
    silver_monthly = {"amount_usd": plans["silver"]["month"], "interval": "month", "quantity": 2}
    gold_monthly = {"amount_usd": plans["gold"]["month"], "interval": "month", "quantity": 3}
    levels = [
        0.0,
        _monthly([gold_yearly], STRIPE),
        _monthly([gold_yearly, silver_monthly], STRIPE),
        _monthly([gold_yearly, {**silver_monthly, "status": "canceled"}], STRIPE),
        _monthly([{**gold_yearly, "status": "canceled"}], STRIPE),
        _monthly([gold_monthly], STRIPE),
    ]
    movements = [round(after - before, 2) for before, after in pairwise(levels)]
    assert movements == [amount for _, amount in case["expected"]["movements"]]


# ---------------------------------------------------------------------------------------------------- funnel, retention


def _orders(shared_data: Path, name: str, user: str) -> list[tuple[str, dt.date, str]]:
    """(user, date, status) of every order, in the order of the file."""
    with (shared_data / "product_analytics_expected" / name).open(encoding="utf-8", newline="") as file:
        return [(row[user], dt.date.fromisoformat(row["order_date"]), row["status"]) for row in csv.DictReader(file)]


def _published(shared_data: Path, name: str) -> list[list[float]]:
    with (shared_data / "product_analytics_expected" / name).open(encoding="utf-8", newline="") as file:
        return [[float(cell) for cell in row[1:] if cell] for row in list(csv.reader(file))[1:]]


def test_the_published_funnel_is_right(shared_data: Path) -> None:
    """Users who placed, then completed, then returned: each step after the first time of the one before."""
    orders = _orders(shared_data, "raw_orders_simple.csv", "customer_id")
    reached: dict[str, dt.date] = {}
    counts = []
    for number, step in enumerate(("placed", "completed", "returned")):
        following: dict[str, dt.date] = {}
        for user, day, status in sorted(orders, key=lambda order: order[1]):
            if status == step and (number == 0 or (user in reached and day > reached[user])):
                following.setdefault(user, day)
        reached = following
        counts.append(len(reached))
    assert counts == [6, 5, 2]
    rows = _published(shared_data, "dmt_expected__funnel_simple.csv")
    assert [row[0] for row in rows] == counts
    assert [row[1] for row in rows] == pytest.approx([count / counts[0] for count in counts])
    assert [row[2] for row in rows[1:]] == pytest.approx([after / before for before, after in pairwise(counts)])


def test_the_published_retention_is_no_cohort_by_first_action(shared_data: Path) -> None:
    orders = [
        order
        for order in _orders(shared_data, "raw_orders.csv", "user_id")
        if dt.date(2018, 1, 1) <= order[1] < dt.date(2018, 2, 1)
    ]

    def retained(first: Sequence[str] | None) -> tuple[int, list[int]]:
        start: dict[str, dt.date] = {}
        for user, day, status in sorted(orders, key=lambda order: order[1]):
            if first is None or status in first:
                start.setdefault(user, day)
        counts = [
            len({u for u, day, status in orders if status == "completed" and u in start and (day - start[u]).days >= n})
            for n in (0, 1, 7, 14)
        ]
        return len(start), counts

    rows = _published(shared_data, "dmt_expected__retention.csv")
    assert retained(None) == (24, [int(row[0]) for row in rows]) == (24, [19, 4, 3, 3])
    assert [row[1] for row in rows] == pytest.approx([19 / 24, 4 / 24, 3 / 24, 3 / 24])
    assert retained(["completed"]) == (19, [19, 3, 2, 2])
