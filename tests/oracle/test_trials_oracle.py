"""The trials oracle on single stories whose answers were worked out by hand."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from . import segment_calls as segment
from . import vector
from .conversion_oracle import aalen_johansen, conversion, landmark, wilson
from .facts import from_iso, from_seconds
from .stripe_shapes import Line, Subscription
from .stripe_sim import DAY, HOUR, StripeSim, seconds
from .trial import last_row_date
from .trials_oracle import Rules, Trial, read_trials

START = seconds("2026-01-05")
END = START + 14 * DAY
LATER = START + 200 * DAY


class Story:
    """One customer with one trial of 14 days from Monday 5 January."""

    def __init__(self, shape: str = "endive", name: str = "one", **more: Any) -> None:
        self.sim = StripeSim(shape, name)
        self.cus = self.sim.customer(START, "acct")
        self.sub = self.sim.subscribe(self.cus, START, trial_end=END, **more)

    def pay(self, at: int = END, sub: Subscription | None = None, **more: Any) -> Any:
        """Active at `at`, invoice at once, paid an hour later."""
        sub = sub or self.sub
        self.sim.update(sub, at, status="active", period_start=at, period_end=at + 30 * DAY)
        invoice = self.sim.open_invoice(sub, at, **more)
        self.sim.pay(invoice, at + HOUR)
        return invoice

    def trials(self, at: int = LATER, calls: tuple[dict[str, Any], ...] = ()) -> list[Trial]:
        """Trials as of `at`."""
        return read_trials([*self.sim.events, *calls], _at(at))

    def trial(self, at: int = LATER) -> Trial:
        """The only trial as of `at`."""
        (trial,) = self.trials(at)
        return trial


def _at(at: int) -> datetime:
    found = from_seconds(at)
    assert found is not None
    return found


def test_extended_twice_and_shortened_once() -> None:
    story = Story()
    for at, end in ((1, 21), (2, 28), (3, 24)):
        story.sim.update(story.sub, START + at * DAY, trial_end=START + end * DAY)
    trial = story.trial()
    assert (trial.extension_count, trial.shortened_count, trial.days_added) == (2, 1, 10)
    assert (trial.original_ends_at, trial.ends_at) == (_at(END), _at(START + 24 * DAY))
    assert (trial.outcome, trial.outcome_at) == ("expired", _at(START + 24 * DAY))


@pytest.mark.parametrize("shape", ["endive", "2020"])
def test_early_upgrade_is_no_shortening(shape: str) -> None:
    story = Story(shape)
    at = START + 5 * DAY
    story.sim.update(story.sub, at, status="active", trial_end=at, period_start=at, period_end=at + 30 * DAY)
    story.sim.pay(story.sim.open_invoice(story.sub, at), at)
    trial = story.trial()
    assert (trial.is_early_upgrade, trial.extension_count, trial.shortened_count) == (True, 0, 0)
    assert (trial.outcome, trial.converted_at, trial.effective_end_at) == ("converted", _at(at), _at(at))
    assert trial.days_added == -9


def test_ended_early_unpaid_is_shortened() -> None:
    story = Story()
    at = START + 5 * DAY
    story.sim.update(story.sub, at, status="active", trial_end=at)
    trial = story.trial()
    assert (trial.is_early_upgrade, trial.shortened_count, trial.outcome) == (False, 1, "expired")


@pytest.mark.parametrize(("gap", "count"), [(3 * DAY, 1), (3 * DAY + 1, 2)])
def test_reentry_up_to_three_days_after_the_end(gap: int, count: int) -> None:
    story = Story(missing="pause")
    story.sim.update(story.sub, END, "paused", status="paused")
    again = END + gap
    story.sim.update(story.sub, again, status="trialing", trial_start=again, trial_end=again + 7 * DAY)
    trials = story.trials()
    assert len(trials) == count
    first = trials[0]
    assert first.trial_id == f"stripe:{story.sub.id}:1"
    if count == 1:
        # 19 Jan + 3 + 7 days
        assert (first.extension_count, first.ends_at, first.days_added) == (1, _at(END + 10 * DAY), 10)
        assert first.outcome == "expired"
    else:
        assert (first.extension_count, first.ends_at, first.outcome) == (0, _at(END), "no_payment_method")
        assert [(t.trial_number, t.is_first_trial) for t in trials] == [(1, True), (2, False)]


def test_a_payment_between_makes_it_a_second_trial() -> None:
    story = Story()
    story.pay()
    again = END + DAY
    story.sim.update(story.sub, again, status="trialing", trial_start=again, trial_end=again + 7 * DAY)
    first, second = story.trials()
    assert (first.outcome, second.outcome) == ("converted", "expired")
    # the payment of its own subscription does not make the second trial an add-on
    assert (second.is_first_trial, second.is_add_on) == (False, False)


def test_the_invoice_of_a_second_trial_is_no_free_plan() -> None:
    story = Story()
    story.sim.update(story.sub, END, "paused", status="paused")
    again = END + 10 * DAY
    story.sim.update(story.sub, again, status="trialing", trial_start=again, trial_end=again + 7 * DAY)
    story.sim.pay(story.sim.open_invoice(story.sub, again, [Line(0, again, again + 7 * DAY)]), again)
    assert [t.outcome for t in story.trials()] == ["no_payment_method", "expired"]


@pytest.mark.parametrize(("after", "outcome"), [(0, "converted"), (1, "converted_late")])
def test_the_deadline_is_inclusive(after: int, outcome: str) -> None:
    """End + 30 days + 72 hours to the second."""
    story = Story()
    story.sim.update(story.sub, END, status="active", period_start=END, period_end=END + 30 * DAY)
    invoice = story.sim.open_invoice(story.sub, END)
    story.sim.fail(invoice, END + HOUR)
    story.sim.update(story.sub, END + HOUR, status="past_due")
    paid = END + 33 * DAY + after
    story.sim.pay(invoice, paid)
    trial = story.trial()
    assert (trial.outcome, trial.outcome_at, trial.deadline_at) == (outcome, _at(paid), _at(END + 33 * DAY))
    assert story.trial(paid).outcome == "payment_failed"


def test_an_open_invoice_keeps_it_pending_for_the_lag() -> None:
    story = Story(collection="send_invoice")
    story.sim.update(story.sub, END, status="active", period_start=END, period_end=END + 30 * DAY)
    invoice = story.sim.open_invoice(story.sub, END)
    assert story.trial(END + 72 * HOUR).outcome == "pending"
    assert story.trial(END + 72 * HOUR + 1).outcome == "expired"
    story.sim.pay(invoice, END + 80 * HOUR, out_of_band=True)
    trial = story.trial()
    assert (trial.outcome, trial.settlement) == ("converted", "out_of_band")


@pytest.mark.parametrize("shape", ["endive", "2020"])
def test_what_is_no_conversion(shape: str) -> None:
    """The set-up fee in the trial, and a one-off item after it."""
    story = Story(shape, setup_fee=2500)
    invoice = story.sim.open_invoice(story.sub, END + DAY, [Line(900, END + DAY, END + DAY, is_item=True)])
    story.sim.pay(invoice, END + DAY)
    trial = story.trial()
    assert (trial.converted_at, trial.outcome) == (None, "expired")
    # though the customer has paid something after the start
    assert trial.ever_paid_at == _at(START + 30)


def test_full_discount_is_converted_free() -> None:
    story = Story(coupon_percent=100)
    story.pay()
    trial = story.trial()
    assert (trial.outcome, trial.outcome_at, trial.settlement) == ("converted_free", _at(END + HOUR), "free")
    assert trial.converted_at is None


@pytest.mark.parametrize("shape", ["endive", "2020"])
def test_credit_balance_is_a_payment(shape: str) -> None:
    story = Story(shape)
    story.pay(credit=True)
    trial = story.trial()
    assert (trial.outcome, trial.settlement, trial.amount_minor) == ("converted", "credit_balance", 4900)


@pytest.mark.parametrize("shape", ["endive", "2020"])
def test_refunds(shape: str) -> None:
    """A third back, then all of it within 30 days of the payment; on day 31 it is too late to count."""
    story = Story(shape)
    invoice = story.pay()
    paid = END + HOUR
    story.sim.refund(invoice, paid + DAY, 1633)
    part = story.trial()
    assert (part.refunded_minor, part.is_refunded, part.refunded_at) == (1633, False, None)
    story.sim.refund(invoice, paid + 30 * DAY)
    full = story.trial()
    assert (full.refunded_minor, full.is_refunded, full.refunded_at) == (4900, True, _at(paid + 30 * DAY))
    late = Story(shape)
    late.sim.refund(late.pay(), paid + 31 * DAY)
    assert (late.trial().is_refunded, late.trial().refunded_minor) == (False, 4900)


@pytest.mark.parametrize(("verdict", "lost"), [("lost", True), ("won", False)])
def test_disputes(verdict: str, lost: bool) -> None:
    story = Story()
    story.sim.close_dispute(story.pay(), END + 20 * DAY, verdict)
    assert story.trial().is_refunded is lost


def test_cancel_at_the_end_and_taken_back() -> None:
    story = Story()
    asked = START + 3 * DAY
    story.sim.update(story.sub, asked, cancel_at_period_end=True, canceled_at=asked)
    before = story.trial(START + 4 * DAY)
    assert (before.outcome, before.is_active, before.cancel_requested_at) == ("pending", True, _at(asked))
    back = START + 5 * DAY
    story.sim.update(story.sub, back, cancel_at_period_end=False, canceled_at=None)
    assert story.trial().outcome == "expired"
    story.sim.update(story.sub, END - HOUR, cancel_at_period_end=True, canceled_at=END - HOUR)
    story.sim.update(story.sub, END, "deleted", status="canceled", ended_at=END)
    trial = story.trial()
    assert (trial.outcome, trial.outcome_at, trial.cancel_requested_at) == ("cancelled", _at(END), _at(END - HOUR))


def test_canceled_at_the_end_with_and_without_a_card() -> None:
    story = Story()
    story.sim.update(story.sub, END, "deleted", status="canceled", canceled_at=END, ended_at=END)
    assert (story.trial().outcome, story.trial().is_inferred) == ("no_payment_method", True)
    story.sim.add_card(story.cus, START + DAY)
    assert (story.trial().outcome, story.trial().is_inferred) == ("expired", False)


@pytest.mark.parametrize(("minutes", "kind"), [(10, "card_required"), (11, "cardless")])
def test_card_at_start(minutes: int, kind: str) -> None:
    story = Story()
    story.sim.add_card(story.cus, START + minutes * 60, "payment_method")
    assert story.trial().card_type == kind


def test_a_successor_goes_to_the_latest_waiting_trial() -> None:
    """Two cardless trials in a row, then a checkout 20 days after the first ended, 3 days into the second's grace."""
    story = Story()
    second = story.sim.subscribe(story.cus, END + 10 * DAY, trial_end=END + 17 * DAY)
    bought = END + 20 * DAY
    other = story.sim.subscribe(story.cus, bought, price_minor=9900)
    story.sim.pay(story.sim.open_invoice(other, bought), bought)
    by_id = {t.subscription_id: t for t in story.trials()}
    assert by_id[story.sub.id].outcome == "expired"
    claimed = by_id[second.id]
    assert (claimed.outcome, claimed.link, claimed.amount_minor) == ("converted", "successor", 9900)


def test_a_paid_trial_claims_nothing() -> None:
    """The latest trial paid before the checkout, so the earlier one, still waiting, claims it."""
    story = Story()
    second = story.sim.subscribe(story.cus, END + DAY, trial_end=END + 8 * DAY, price_minor=700)
    story.pay(END + 8 * DAY, second)
    bought = END + 12 * DAY
    other = story.sim.subscribe(story.cus, bought, price_minor=9900)
    story.sim.pay(story.sim.open_invoice(other, bought), bought)
    by_id = {t.subscription_id: t for t in story.trials()}
    assert (by_id[story.sub.id].link, by_id[story.sub.id].amount_minor) == ("successor", 9900)
    assert (by_id[second.id].link, by_id[second.id].amount_minor) == ("same", 700)


@pytest.mark.parametrize(("after", "outcome"), [(-1, "converted"), (0, "expired")])
def test_the_grace_of_a_successor_is_half_open(after: int, outcome: str) -> None:
    story = Story()
    bought = END + 30 * DAY + after
    other = story.sim.subscribe(story.cus, bought)
    story.sim.pay(story.sim.open_invoice(other, bought), bought)
    assert story.trial().outcome == outcome


def test_add_on_and_overlap() -> None:
    """A trial beside a paid subscription is an add-on; two trials at once are both first."""
    story = Story()
    paying = story.sim.subscribe(story.cus, START - DAY, price_minor=9900, price_id="price_base")
    story.sim.pay(story.sim.open_invoice(paying, START - DAY), START - DAY)
    other = story.sim.subscribe(story.cus, START + DAY, trial_end=END + DAY)
    trials = {t.subscription_id: t for t in story.trials()}
    assert {(t.is_add_on, t.is_first_trial) for t in trials.values()} == {(True, True)}
    assert trials[other.id].trial_number == 2
    # that payment was for a service that began before the trial did and is no successor's: nobody converts
    assert {t.outcome for t in trials.values()} == {"expired"}


def test_active_is_half_open() -> None:
    story = Story()
    assert [story.trial(START + 1).is_active, story.trial(END - 1).is_active, story.trial(END).is_active] == [
        True,
        True,
        False,
    ]
    assert (story.trial(END - 1).outcome, story.trial(END).outcome) == ("pending", "expired")
    assert story.trials(START) == []


def test_zero_length_is_no_trial() -> None:
    sim = StripeSim("endive", "zero")
    cus = sim.customer(START, "acct")
    sim.subscribe(cus, START, trial_end=START)
    assert read_trials(sim.events, _at(LATER)) == []


def test_same_second_ties_do_not_depend_on_arrival() -> None:
    """Created, extended and cancelled within one second."""
    story = Story()
    story.sim.update(story.sub, START, trial_end=END + 7 * DAY)
    story.sim.update(story.sub, START, "deleted", status="canceled", canceled_at=START, ended_at=START)
    forward = read_trials(story.sim.events, _at(LATER))
    backward = read_trials(list(reversed(story.sim.events)) * 2, _at(LATER))
    assert forward == backward
    assert (forward[0].extension_count, forward[0].ends_at) == (1, _at(END + 7 * DAY))
    assert (forward[0].outcome, forward[0].outcome_at) == ("cancelled", _at(START))


@pytest.mark.parametrize("name", [f"ids-{number}" for number in range(8)])
def test_asked_to_cancel_and_took_it_back_within_a_second(name: str) -> None:
    """The two changes end where they began; which comes first is told by what stood before, not by their ids."""
    story, ask, keep = Story(name=name), {"cancel_at_period_end": True}, {"cancel_at_period_end": False}
    story.sim.update(story.sub, START + HOUR, trial_end=END + DAY)
    story.sim.update(story.sub, START + DAY, **ask, canceled_at=START + DAY)
    story.sim.update(story.sub, START + DAY, **keep, canceled_at=None)
    assert story.trial().cancel_requested_at is None
    story.sim.update(story.sub, START + 2 * DAY, **ask, canceled_at=START + 2 * DAY)
    story.sim.update(story.sub, START + 3 * DAY, **keep, canceled_at=None)
    story.sim.update(story.sub, START + 3 * DAY, **ask, canceled_at=START + 3 * DAY)
    assert story.trial().cancel_requested_at == _at(START + 3 * DAY)


def test_creation_comes_first_within_a_second() -> None:
    """Created for 14 days, shortened to 7 in the same second: a shortening, though the shorter end sorts first."""
    story = Story()
    story.sim.update(story.sub, START, trial_end=START + 7 * DAY)
    trial = story.trial()
    assert (trial.shortened_count, trial.extension_count, trial.days_added) == (1, 0, -7)


def test_a_trial_that_starts_when_another_ends_is_not_the_first() -> None:
    story = Story()
    again = story.sim.subscribe(story.cus, END, trial_end=END + 7 * DAY)
    assert {t.subscription_id: t.is_first_trial for t in story.trials()} == {story.sub.id: True, again.id: False}


def test_ever_counts_payments_after_the_start() -> None:
    """Paid for something else in the second the trial began: not after it. A day later: yes, though no conversion."""
    story = Story()
    other = story.sim.subscribe(story.cus, START - DAY, price_id="price_base")
    invoice = story.sim.open_invoice(other, START - DAY)
    story.sim.pay(invoice, START)
    assert story.trial().ever_paid_at is None
    renewal = story.sim.open_invoice(other, START + DAY)
    story.sim.pay(renewal, START + DAY)
    assert (story.trial().ever_paid_at, story.trial().converted_at) == (_at(START + DAY), None)


def test_ever_counts_no_renewal_of_a_customer_who_had_paid_before() -> None:
    """Paid a second before the trial began: whatever comes after is no first payment, not even the conversion."""
    story = Story()
    other = story.sim.subscribe(story.cus, START - DAY, price_id="price_base")
    invoice = story.sim.open_invoice(other, START - DAY)
    story.sim.pay(invoice, START - 1)
    story.pay()
    trial = story.trial()
    assert (trial.outcome, trial.ever_paid_at) == ("converted", None)


def test_the_known_cut_hides_what_came_later() -> None:
    story = Story()
    story.pay()
    trials = read_trials(story.sim.events, _at(LATER), _at(END))
    # nothing is known of the end, so on day 200 the trial has just run out
    assert [(t.outcome, t.active_status_at) for t in trials] == [("expired", None)]


# ---------------------------------------------------------------------------------------------- product events


def test_announcements_of_a_billing_trial_are_no_trial() -> None:
    story = Story()
    calls = (
        segment.trial_started("acct", "u", START + 23 * HOUR, END),
        segment.subscription_started("acct", "u", END + HOUR, 4900),
    )
    trial = story.trials(calls=calls)
    assert [(t.source, t.converted_at) for t in trial] == [("stripe", None)]


def test_product_trials_alone() -> None:
    """An end announced, an end by length, a second trial whose payment is its own."""
    calls = [
        segment.trial_started("a", "u", START, START + 7 * DAY),
        segment.trial_started("b", "u", START, None),
        segment.trial_started("a", "u", START + 60 * DAY, None),
        segment.subscription_started("a", "u", START + 61 * DAY, 500),
        segment.trial_ended("b", "u", START + 2 * DAY),
        segment.subscription_started("b", "u", START + 9 * DAY, 0),
    ]
    first, again, b = sorted(read_trials(calls, _at(LATER)), key=lambda t: (t.account_id, t.started_at))
    assert (first.ends_at, first.outcome) == (_at(START + 7 * DAY), "expired")
    assert (again.outcome, again.link, again.effective_end_at) == ("converted", "event", _at(START + 61 * DAY))
    assert (again.is_first_trial, again.trial_number) == (False, 2)
    assert (b.original_ends_at, b.ends_at) == (_at(START + 14 * DAY), _at(START + 2 * DAY))
    assert (b.outcome, b.outcome_at) == ("converted_free", _at(START + 9 * DAY))


def test_two_announcements_within_a_day_are_one_trial() -> None:
    calls = [
        segment.trial_started("a", "u", START + 24 * HOUR, START + 30 * HOUR),
        segment.trial_started("a", "u", START, START + 2 * HOUR),
    ]
    (trial,) = read_trials(calls, _at(LATER))
    assert (trial.started_at, trial.ends_at) == (_at(START), _at(START + 2 * HOUR))


def test_a_product_account_that_pays_tries_an_add_on() -> None:
    calls = [
        segment.subscription_started("a", "u", START - 9 * DAY, 500),
        segment.trial_started("a", "u", START, None),
        segment.subscription_started("b", "u", START - 9 * DAY, 500),
        segment.subscription_ended("b", "u", START - DAY),
        segment.trial_started("b", "u", START, None),
    ]
    assert {t.account_id: t.is_add_on for t in read_trials(calls, _at(LATER))} == {"a": True, "b": False}


def test_a_merge_leaves_one_merged() -> None:
    merged = segment.track("big", "u", "Account Merged", START + 20 * DAY, {"previous_account_id": "small"})
    calls = [
        segment.trial_started("big", "u", START, None),
        segment.trial_started("small", "v", START + DAY, None),
        merged,
    ]
    before = {t.announced_account_id: t.outcome for t in read_trials(calls, _at(START + 2 * DAY))}
    after = {t.announced_account_id: (t.account_id, t.outcome) for t in read_trials(calls, _at(LATER))}
    assert before == {"big": "pending", "small": "pending"}
    assert after == {"big": ("big", "expired"), "small": ("big", "merged")}
    (rate,) = conversion(read_trials(calls, _at(LATER)), "start_cohort", _at(LATER))
    assert (len(rate.denominator), len(rate.excluded)) == (1, 0), "the merged one is no new trial"


# ---------------------------------------------------------------------------------------------- rates


def test_only_paused_is_out_of_rolling_ended() -> None:
    """One trial paused at its end, one canceled there without a card: the second alone has ended."""
    sim = StripeSim("endive", "rolling")
    for name in ("acct_a", "acct_b"):
        sub = sim.subscribe(sim.customer(START, name), START, trial_end=END)
        if name == "acct_a":
            sim.update(sub, END, "paused", status="paused")
        else:
            sim.update(sub, END, "deleted", status="canceled", canceled_at=END, ended_at=END)
    as_of = _at(END + 10 * DAY)
    trials = read_trials(sim.events, as_of)
    (rate,) = conversion(trials, "rolling_ended", as_of, by=None)
    account = {t.trial_id: t.account_id for t in trials}
    assert {account[x] for x in rate.denominator} == {"acct_b"}
    assert (rate.value, rate.wilson) == (0.0, wilson(0, 1))


def test_populations_share_out_the_trials() -> None:
    story = Story()
    story.pay()
    story.sim.subscribe(story.cus, END + 2 * DAY, trial_end=END + 9 * DAY, price_id="price_extra")
    as_of = _at(LATER)
    trials = story.trials()
    found = {
        p: conversion(trials, "start_cohort", as_of, population=p)[0] for p in ("first", "repeat", "add_on", "all")
    }
    assert {p: (len(r.numerator), len(r.denominator), len(r.excluded)) for p, r in found.items()} == {
        "first": (1, 1, 1),
        "repeat": (0, 0, 2),
        "add_on": (0, 1, 1),
        "all": (1, 2, 0),
    }


def test_a_split_is_taken_among_trials_still_open() -> None:
    """B ended on trial day 11, at midnight, and D has seen only four days by the end of January."""
    as_of = Rules().end_of_day(date(2026, 1, 31))
    trials = read_trials(vector.stripe_events(), as_of)
    names = {day: {t.account_id[-1] for t in landmark(trials, day, as_of)} for day in (4, 5, 7, 10, 14, 15)}
    # day 10 of B is over at 20 Jan 00:00, the instant it ended; day 14 is over at everybody's end
    assert names == {4: set("abcdef"), 5: set("abcef"), 7: set("abcef"), 10: set("acef"), 14: set(), 15: set()}


@pytest.mark.parametrize(
    ("paid_on_day", "last"),
    [(0, END + 30 * DAY), (20, END + 50 * DAY), (30, END + 60 * DAY), (31, END + 30 * DAY)],
)
def test_a_conversion_moves_the_last_row_once(paid_on_day: int, last: int) -> None:
    story = Story()
    story.sim.update(story.sub, END, status="active", period_start=END, period_end=END + 30 * DAY)
    story.sim.pay(story.sim.open_invoice(story.sub, END), END + paid_on_day * DAY + HOUR)
    assert last_row_date(story.trial(), Rules()) == _at(last).date()


def test_wilson_against_known_values() -> None:
    """5 of 10 and 0 of 10, from the closed formula: z2 = 3.8415; 0 of 10 has the upper end z2 / (10 + z2)."""
    assert wilson(0, 0) is None
    low, high = wilson(5, 10) or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)
    low, high = wilson(0, 10) or (1, 1)
    assert low == pytest.approx(0, abs=1e-12)
    assert high == pytest.approx(3.841458820694124 / 13.841458820694124)


def test_aalen_johansen_by_hand() -> None:
    """Ten trials: day 3 one pays and one leaves, four are censored on day 5, day 8 one of four pays.

    Day 3: 1/10, alive 8/10. Day 8: + 8/10 x 1/4 = 3/10, alive 6/10. Day 9: one leaves, nothing is added.
    """
    rows = [
        (3, "converted"),
        (3, "ended"),
        *[(5, "running")] * 4,
        (8, "converted"),
        (9, "ended"),
        *[(9, "running")] * 2,
    ]
    assert aalen_johansen(rows) == [(3, 0.1), (8, 0.3), (9, 0.3)]
    # on one day an end comes before censoring: both are still at risk
    assert aalen_johansen([(5, "running"), (5, "converted")]) == [(5, 0.5)]
    assert aalen_johansen([(5, "running")]) == []


def test_local_days_decide_the_cohort() -> None:
    """31 January 23:30 in New York is 1 February UTC."""
    from zoneinfo import ZoneInfo

    calls = [segment.trial_started("a", "u", seconds("2026-02-01T04:30:00"), None)]
    rules = Rules(zone=ZoneInfo("America/New_York"))
    as_of = from_iso("2026-03-01")
    (rate,) = conversion(read_trials(calls, as_of, rules=rules), "start_cohort", as_of, rules=rules)
    assert str(rate.period_start) == "2026-01-01"
