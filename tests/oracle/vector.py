"""The conformance vector A..F of the definitions (section 2), as Stripe events, as object snapshots, as product events.

All trials begin and end at 00:00 UTC, payments come one hour after the end. The tables were worked by hand from the
definitions; `rates` and `outcomes` say, for each of the three ways, what a correct engine answers, and DIFFERENCES why
the ways may not agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from . import segment_calls as segment
from .conversion_oracle import Definition
from .stripe_sim import HOUR, StripeSim, seconds

Way = Literal["events", "snapshots", "product"]
WAYS: tuple[Way, ...] = ("events", "snapshots", "product")

END_OF_JANUARY = "2026-01-31"
END_OF_MARCH = "2026-03-31"
SNAPSHOTS_LANDED_AT = "2026-04-02T00:00:00"
PRICE_MINOR = 4_900

PERIODS = {
    "A": ("2026-01-01", "2026-01-15"),
    "B": ("2026-01-10", "2026-01-24"),
    "C": ("2026-01-20", "2026-02-03"),
    "D": ("2026-01-28", "2026-02-11"),
    "E": ("2025-12-20", "2026-01-03"),
    "F": ("2025-12-25", "2026-01-08"),
}
"""Start and original end of every trial."""

PAID_AT = {
    "A": "2026-01-15T01:00:00",
    "C": "2026-02-03T01:00:00",
    "E": "2026-01-03T01:00:00",
    "F": "2026-01-30T12:00:00",
}
B_ENDED_AT = "2026-01-20T00:00:00"

DIFFERENCES = (
    "product: Trial Ended shortens B to 20 Jan without a word of cancelling: B is expired, pending until 22 Feb",
    "product: D is expired, not no_payment_method: no card is ever seen",
    "product: definition status is undefined, its trials stand outside it",
    "product: trial ids begin with event:, card_type is unknown, link of a conversion is event",
    "snapshots: status counts from the day the snapshot landed, so definition status has no conversion before it",
    "snapshots: between 8 Jan and 30 Jan F is expired, not no_payment_method: the pause left no dated trace",
    "snapshots: card_type is unknown, history is snapshot",
)


def account(name: str) -> str:
    """The account id of trial `name`."""
    return f"acct_{name.lower()}"


def _simulate(shape: str) -> StripeSim:
    sim = StripeSim(shape, "vector")
    for name, (start_text, end_text) in PERIODS.items():
        start, end = seconds(start_text), seconds(end_text)
        cus = sim.customer(start, account(name), f"owner@{name.lower()}.example")
        card = sim.add_card(cus, start, "both") if name in "ABCE" else None
        missing = {"D": "cancel", "F": "pause"}.get(name, "create_invoice")
        sub = sim.subscribe(cus, start, trial_end=end, card=card, missing=missing, price_minor=PRICE_MINOR)
        if name in "ACE":
            sim.update(sub, end, status="active", period_start=end, period_end=end + 31 * 24 * HOUR)
            invoice = sim.open_invoice(sub, end, finalize_at=end + HOUR)
            sim.pay(invoice, end + HOUR)
        elif name == "B":
            at = seconds(B_ENDED_AT)
            reason = "cancellation_requested"
            sim.update(sub, at, "deleted", status="canceled", canceled_at=at, ended_at=at, cancel_reason=reason)
        elif name == "D":
            sim.update(sub, end, "deleted", status="canceled", canceled_at=end, ended_at=end)
        else:
            sim.update(sub, end, "paused", status="paused", paused_at=end)
            at = seconds(PAID_AT["F"])
            card = sim.add_card(cus, at, "both")
            period = {"period_start": at, "period_end": at + 31 * 24 * HOUR}
            sim.update(sub, at, "resumed", status="active", paused_at=None, default_payment_method=card, **period)
            sim.pay(sim.open_invoice(sub, at), at)
    return sim


def stripe_events(shape: str = "endive") -> list[dict[str, Any]]:
    """The vector as event envelopes, oldest first, in shape `endive` or `2020`."""
    return _simulate(shape).ordered_events()


def stripe_snapshots(shape: str = "endive") -> list[dict[str, Any]]:
    """The vector as the objects a list call after the end of March returns."""
    return _simulate(shape).snapshots()


def product_events() -> list[dict[str, Any]]:
    """The vector as Segment track calls, oldest first."""
    calls = []
    for name, (start_text, end_text) in PERIODS.items():
        who = (account(name), f"user_{name.lower()}")
        start, end = seconds(start_text), seconds(end_text)
        calls.append(segment.trial_started(*who, start, end))
        calls.append(segment.trial_ended(*who, seconds(B_ENDED_AT) if name == "B" else end))
        if name in PAID_AT:
            calls.append(segment.subscription_started(*who, seconds(PAID_AT[name]), PRICE_MINOR))
    return sorted(calls, key=lambda call: str(call["timestamp"]))


@dataclass(frozen=True)
class ExpectedRate:
    """One row of the table: `options` are the command's, names stand for trials; denominator names None = NULL row."""

    as_of: str
    definition: Definition
    options: tuple[tuple[str, int | str], ...]
    period_start: str
    period_end: str
    numerator: str
    denominator: str
    pending: str

    @property
    def value(self) -> float | None:
        """The rate as a fraction, None when nobody is in the denominator."""
        return len(self.numerator) / len(self.denominator) if self.denominator else None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """What the rate can still become at the least and at the most."""
        if not self.denominator:
            return None
        return (
            len(self.numerator) / len(self.denominator),
            (len(self.numerator) + len(self.pending)) / len(self.denominator),
        )


_JAN = ("2026-01-01", "2026-02-01")
_FEB = ("2026-02-01", "2026-03-01")
_DEC = ("2025-12-01", "2026-01-01")
_EVER = (("within_days", "ever"),)
_G0 = (("grace_days", 0),)
_G30 = (("grace_days", 30),)


def rates(way: Way) -> tuple[ExpectedRate, ...]:
    """The whole table for one of the three ways; every row has excluded = 0 (all are first trials, none an add-on)."""
    b_open = "B" if way == "product" else ""  # expired, so it may still convert; by billing it is cancelled
    jan, mar = END_OF_JANUARY, END_OF_MARCH
    rows = [
        ExpectedRate(jan, "start_cohort", _EVER, *_JAN, "A", "ABCD", b_open + "CD"),
        ExpectedRate(jan, "start_cohort", (), *_JAN, "A", "ABCD", b_open + "CD"),
        # within 14 days of the start: A was paid on day 14 + 1 h, hence not; C (20 Jan) and D (28 Jan) are ahead, and B
        # (10 Jan) is behind on 31 Jan whatever its outcome
        ExpectedRate(jan, "start_cohort", (("within_days", 14),), *_JAN, "", "ABCD", "CD"),
        ExpectedRate(jan, "start_cohort", (("within_days", 15),), *_JAN, "A", "ABCD", "CD"),
        # W of the December starts: deadlines 3 Jan + 33 d = 5 Feb, 8 Jan + 33 d = 10 Feb; both have paid
        ExpectedRate(jan, "start_cohort", (), *_DEC, "EF", "EF", ""),
        ExpectedRate(jan, "end_cohort", _G0, *_JAN, "AE", "ABEF", ""),
        ExpectedRate(jan, "end_cohort", _G30, *_JAN, "AEF", "ABEF", b_open),
        ExpectedRate(jan, "rolling_ended", (), "2026-01-02", "2026-02-01", "AEF", "AEFB", b_open),
        ExpectedRate(jan, "rolling_flow", (), "2026-01-02", "2026-02-01", "AEF", "BCD", b_open + "CD"),
        ExpectedRate(jan, "ever", (), *_JAN, "A", "ABCD", b_open + "CD"),
        ExpectedRate(mar, "start_cohort", _EVER, *_JAN, "AC", "ABCD", ""),
        ExpectedRate(mar, "start_cohort", (), *_JAN, "AC", "ABCD", ""),
        ExpectedRate(mar, "end_cohort", _G0, *_JAN, "AE", "ABEF", ""),
        ExpectedRate(mar, "end_cohort", _G30, *_JAN, "AEF", "ABEF", ""),
        ExpectedRate(mar, "end_cohort", _G0, *_FEB, "C", "CD", ""),
        ExpectedRate(mar, "rolling_ended", (), "2026-03-02", "2026-04-01", "", "", ""),
        ExpectedRate(mar, "rolling_flow", (), "2026-03-02", "2026-04-01", "", "", ""),
        ExpectedRate(mar, "ever", (), *_JAN, "AC", "ABCD", ""),
    ]
    if way == "events":
        rows.append(ExpectedRate(jan, "status", (), *_JAN, "A", "ABCD", "CD"))
        rows.append(ExpectedRate(mar, "status", (), *_JAN, "AC", "ABCD", ""))
        # F: trialing -> paused -> active on 30 Jan
        rows.append(ExpectedRate(jan, "status", (), *_DEC, "EF", "EF", ""))
    return tuple(rows)


def outcomes(way: Way, as_of: str) -> dict[str, str]:
    """Outcome of every trial at the end of `as_of` (END_OF_JANUARY or END_OF_MARCH)."""
    b = "expired" if way == "product" else "cancelled"
    paid = "converted"
    if as_of == END_OF_JANUARY:
        return {"A": paid, "B": b, "C": "pending", "D": "pending", "E": paid, "F": paid}
    if as_of == END_OF_MARCH:
        d = "expired" if way == "product" else "no_payment_method"
        return {"A": paid, "B": b, "C": paid, "D": d, "E": paid, "F": paid}
    raise KeyError(f"the vector is worked out at {END_OF_JANUARY} and {END_OF_MARCH}, not at {as_of}")


ACTIVE = {END_OF_JANUARY: "CD", END_OF_MARCH: ""}
"""Trials active at the end of each day, the same in all three ways."""
