"""Random lives of customers at Stripe, told as the payloads Stripe and the product would send.

`stories()` is a hypothesis strategy, `random_story(seed)` the same author driven by `random.Random`. A story knows no
outcome: what it should mean is for the oracle to read from its payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from . import segment_calls as segment
from .stripe_shapes import Invoice, Line, Subscription
from .stripe_sim import DAY, HOUR, StripeSim, seconds

T = TypeVar("T")
MINUTE = 60
JANUARY = seconds("2026-01-01")
GRACE = 30 * DAY
LAG = 72 * HOUR


class Chooser(Protocol):
    """Where an author's decisions come from."""

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both possible."""

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`; earlier ones are simpler."""

    def chance(self, percent: int) -> bool:
        """True about `percent` times in a hundred."""


class RandomChooser:
    """Decisions of a seeded generator."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def integer(self, low: int, high: int) -> int:
        """See Chooser."""
        return self._rng.randint(low, high)

    def choice(self, options: Sequence[T]) -> T:
        """See Chooser."""
        return self._rng.choice(options)

    def chance(self, percent: int) -> bool:
        """See Chooser."""
        return self._rng.random() * 100 < percent


class DrawChooser:
    """Decisions drawn by hypothesis, which shrinks them towards the first option, the least number and False."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        """See Chooser."""
        return int(self._draw(st.integers(low, high)))

    def choice(self, options: Sequence[T]) -> T:
        """See Chooser."""
        picked: T = self._draw(st.sampled_from(options))
        return picked

    def chance(self, percent: int) -> bool:
        """See Chooser."""
        return int(self._draw(st.integers(0, 99))) >= 100 - percent


@dataclass(frozen=True)
class Story:
    """Payloads of one story.

    `events` are oldest first (scramble them with `scrambled`), `snapshots` the final objects, `product_calls` the
    Segment calls. `instants` are moments (seconds) at which something just has, or just has not, come to pass: good
    values for as_of. `plot` names what was told.
    """

    shape: str
    events: tuple[dict[str, Any], ...]
    snapshots: tuple[dict[str, Any], ...]
    product_calls: tuple[dict[str, Any], ...]
    instants: tuple[int, ...]
    plot: tuple[str, ...]


ENDINGS = (
    "pay",
    "cancel_now",
    "cancel_at_end",
    "taken_back",
    "upgrade",
    "fail_then_pay",
    "fail_for_good",
    "no_card_cancel",
    "no_card_pause",
    "coupon",
    "send_invoice",
    "credit_balance",
    "upgrade_unpaid",
    "silence",
)


class _Author:
    """Tells the life of one account."""

    def __init__(self, pick: Chooser, sim: StripeSim, account_id: str | None, number: int) -> None:
        self.pick = pick
        self.sim = sim
        self.account_id = account_id
        self.user = f"user_{number}"
        self.calls: list[dict[str, Any]] = []
        self.instants: set[int] = set()
        self.plot: list[str] = []

    # ------------------------------------------------------------------ small parts

    def note(self, what: str, *instants: int) -> None:
        """Remember what was told and the moments around it."""
        self.plot.append(what)
        for instant in instants:
            self.instants |= {instant, instant + 1}

    def say(self, call: Callable[..., dict[str, Any]], at: int, *more: Any) -> None:
        """The product says it too, when the customer names an account."""
        if self.account_id is not None:
            self.calls.append(call(self.account_id, self.user, at, *more))

    def between(self, low: int, high: int) -> int:
        """A moment in [low, high], often a whole day after `low`, sometimes either end."""
        if high <= low:
            return low
        days = (high - low) // DAY
        kind = self.pick.choice(("days", "any", "edge"))
        if kind == "days" and days:
            return low + DAY * self.pick.integer(0, days)
        return self.pick.choice((low, high)) if kind == "edge" else self.pick.integer(low, high)

    # ------------------------------------------------------------------ one trial

    def trial(self, cus: str, start: int) -> tuple[Subscription, int]:
        """A subscription that trials from `start`; returns it and the moment it has settled."""
        pick, sim = self.pick, self.sim
        ending = pick.choice(ENDINGS)
        end = start + pick.choice((14 * DAY, 7 * DAY, 3 * DAY, 14 * DAY - HOUR, 30 * DAY))
        has_card = ending not in ("no_card_cancel", "no_card_pause") and pick.chance(75)
        card_at = start + pick.choice((0, 9 * MINUTE, 10 * MINUTE, 11 * MINUTE, 2 * DAY)) if has_card else None
        via = pick.choice(("setup_intent", "payment_method", "both"))
        card = sim.add_card(cus, card_at, via) if card_at is not None else None
        missing = {"no_card_cancel": "cancel", "no_card_pause": "pause"}.get(ending, "create_invoice")
        sub = sim.subscribe(
            cus,
            start,
            trial_end=end,
            card=card if card_at == start else None,
            missing=missing,
            collection="send_invoice" if ending == "send_invoice" else "charge_automatically",
            coupon_percent=100 if ending == "coupon" else pick.choice((0, 0, 0, 50)),
            currency=pick.choice(("usd", "usd", "jpy")),
            price_minor=pick.choice((4_900, 1_200, 99)),
            setup_fee=2_500 if pick.chance(10) else 0,
        )
        self.note(f"trial ending in {ending}", start, end)
        if pick.chance(60):
            self.say(segment.trial_started, start + pick.choice((0, 5, HOUR)), end if pick.chance(80) else None)
        end = self.moves(sub, start, end)
        self.use(start, end)
        settled = self.finish(sub, start, end, ending)
        if ending == "pay":
            self.say(segment.trial_ended, end)
        return sub, settled

    def use(self, start: int, end: int) -> None:
        """What the user does in the product during the trial."""
        for _ in range(self.pick.choice((0, 1, 3))):
            at = self.between(start, end + 5 * DAY)
            name = self.pick.choice(("Query Run", "Report Created", "Data Source Connected"))
            self.say(segment.used, at, name, len(self.calls))

    def moves(self, sub: Subscription, start: int, end: int) -> int:
        """Extensions, shortenings and reminders in the trial; returns its end."""
        at = start + HOUR
        for _ in range(self.pick.choice((0, 0, 0, 1, 1, 2))):
            at = self.between(at, end - DAY)
            kind = self.pick.choice(("extend", "shorten", "remind", "nothing"))
            if kind == "extend":
                end += self.pick.integer(1, 14) * DAY
                self.sim.update(sub, at, trial_end=end, period_end=end)
            elif kind == "shorten" and end - DAY > at:
                end = self.between(at + 12 * HOUR, end - HOUR)
                self.sim.update(sub, at, trial_end=end, period_end=end)
            elif kind == "remind":
                self.sim.update(sub, at, "trial_will_end")
            else:
                self.sim.update(sub, at, metadata={"seats": str(self.pick.integer(1, 9))})
            self.note(kind, at, end)
            # sales often press the button twice within one second
            at = self.pick.choice((at + HOUR, at, at + 1))
            if at >= end - DAY:
                break
        return end

    def finish(self, sub: Subscription, start: int, end: int, ending: str) -> int:
        """How the trial ends; returns the moment after which nothing of it is open."""
        sim, pick = self.sim, self.pick
        inside = self.between(max(start + HOUR, max(e["created"] for e in sim.events if self._about(e, sub))), end - 1)
        self.instants |= {end + GRACE + LAG, end + GRACE + LAG + 1, end + LAG, end + LAG + 1}
        if ending == "silence":
            return end
        if ending == "cancel_now":
            self.delete(sub, inside, reason="cancellation_requested")
            self.say(segment.trial_ended, inside)
            return inside
        if ending in ("cancel_at_end", "taken_back"):
            sim.update(
                sub,
                inside,
                cancel_at_period_end=True,
                canceled_at=inside,
                cancel_at=end if pick.chance(50) else None,
                cancel_reason="cancellation_requested",
            )
            self.note("asked to cancel", inside)
            if ending == "cancel_at_end":
                self.delete(sub, end, canceled_at=inside, reason="cancellation_requested")
                return end
            again = self.between(inside, end - 1)
            sim.update(sub, again, cancel_at_period_end=False, canceled_at=None, cancel_at=None, cancel_reason=None)
            self.note("took it back", again)
            ending = pick.choice(("pay", "fail_then_pay", "no_card_cancel"))
        if ending == "no_card_cancel":
            self.delete(sub, end)
            self.say(segment.trial_ended, end)
            return end
        if ending == "no_card_pause":
            return self.pause(sub, end)
        if ending in ("upgrade", "upgrade_unpaid"):
            return self.upgrade(sub, inside, ending == "upgrade_unpaid")
        self.activate(sub, end)
        return self.collect(sub, end, ending)

    def _about(self, event: dict[str, Any], sub: Subscription) -> bool:
        return bool(event["data"]["object"]["id"] == sub.id)

    def delete(self, sub: Subscription, at: int, canceled_at: int | None = None, reason: str | None = None) -> None:
        """The subscription is over at `at`."""
        self.sim.update(
            sub,
            at,
            "deleted",
            status="canceled",
            ended_at=at,
            canceled_at=at if canceled_at is None else canceled_at,
            cancel_reason=reason,
        )
        self.note("deleted", at)

    def activate(self, sub: Subscription, at: int, event: str = "updated") -> None:
        """Stripe turns a subscription active before it charges."""
        self.sim.update(sub, at, event, status="active", period_start=at, period_end=at + 30 * DAY, paused_at=None)

    def pause(self, sub: Subscription, end: int) -> int:
        """No card at the end, the subscription waits; perhaps it resumes, perhaps it is given up."""
        self.sim.update(sub, end, "paused", status="paused", paused_at=end)
        self.note("paused", end)
        self.say(segment.trial_ended, end)
        then = self.pick.choice(("waits", "resumes", "gives up", "resumes in vain"))
        if then == "waits":
            return end
        at = self.between(end + 1, end + 45 * DAY)
        self.note(then, at)
        if then == "gives up":
            self.delete(sub, at)
            return at
        card = self.sim.add_card(sub.customer, at)
        self.activate(sub, at, "resumed")
        self.sim.update(sub, at, default_payment_method=card)
        return self.collect(sub, at, "pay" if then == "resumes" else "fail_for_good")

    def upgrade(self, sub: Subscription, at: int, unpaid: bool) -> int:
        """The user pays before the end (trial_end = now), or sales ends the trial and nobody pays."""
        self.sim.update(sub, at, status="active", trial_end=at, period_start=at, period_end=at + 30 * DAY)
        self.note("trial_end = now", at)
        if unpaid:
            invoice = self.sim.open_invoice(sub, at)
            self.sim.void(invoice, at + DAY)
            return at + DAY
        return self.collect(sub, at, "at once")

    # ------------------------------------------------------------------ money

    def collect(self, sub: Subscription, at: int, how: str) -> int:
        """The first invoice after the trial, made at `at`, and what becomes of it."""
        sim, pick = self.sim, self.pick
        delay = 0 if how == "at once" or pick.chance(30) else HOUR
        lines = [Line(sub.price_minor, sub.period_start, sub.period_end)]
        if pick.chance(15):
            lines.append(Line(700, at, at, is_item=True, description="Onboarding call"))
        invoice = sim.open_invoice(sub, at, lines, finalize_at=at + delay, credit=how == "credit_balance")
        if how in ("fail_then_pay", "fail_for_good"):
            return self.dun(sub, invoice, at + delay, how == "fail_then_pay")
        paid_at = at + delay
        if how == "send_invoice":
            if pick.chance(25):
                self.note("never paid", at + delay)
                if pick.chance(50):
                    sim.void(invoice, at + 20 * DAY)
                return at + 20 * DAY
            paid_at = self.between(at + delay, at + 40 * DAY)
        sim.pay(invoice, paid_at, out_of_band=how == "send_invoice" and pick.chance(70))
        self.note(f"paid {how}", paid_at)
        self.say(segment.subscription_started, paid_at, invoice.total)
        return self.afterwards(sub, invoice, paid_at)

    def dun(self, sub: Subscription, invoice: Invoice, at: int, pays: bool) -> int:
        """A charge that fails, is tried again, and is paid in the end or not."""
        sim, pick = self.sim, self.pick
        sim.fail(invoice, at)
        sim.update(sub, at, status="past_due")
        self.note("payment failed", at)
        for _ in range(pick.integer(0, 2)):
            at += pick.integer(1, 5) * DAY
            sim.fail(invoice, at)
        at = self.between(at + HOUR, at + self.pick.choice((20, 38)) * DAY) if pick.chance(85) else at + 34 * DAY
        if pays:
            sim.pay(invoice, at)
            sim.update(sub, at, status="active")
            self.note("dunning paid", at)
            self.say(segment.subscription_started, at, invoice.total)
            return self.afterwards(sub, invoice, at)
        end = pick.choice(("canceled", "unpaid", "uncollectible"))
        self.note(f"dunning gave up: {end}", at)
        if end == "canceled":
            self.delete(sub, at, reason="payment_failed")
            sim.void(invoice, at)
        elif end == "unpaid":
            sim.update(sub, at, status="unpaid")
        else:
            sim.uncollectible(invoice, at)
        return at

    def afterwards(self, sub: Subscription, invoice: Invoice, at: int) -> int:
        """Refunds, disputes, renewals and a cancellation after the first payment."""
        sim, pick = self.sim, self.pick
        if invoice.charge is not None:
            kind = pick.choice(("keeps", "keeps", "refund", "part", "two parts", "lost", "won"))
            back = at + pick.choice((DAY, 29 * DAY, 31 * DAY))
            if kind == "refund":
                sim.refund(invoice, back)
            elif kind in ("part", "two parts"):
                sim.refund(invoice, back, invoice.total // 3)
                if kind == "two parts":
                    sim.refund(invoice, back + DAY // 2)
            elif kind in ("lost", "won"):
                sim.close_dispute(invoice, back, kind)
            self.note(kind, back)
        for _ in range(pick.choice((0, 1, 2))):
            sim.update(sub, sub.period_end, period_start=sub.period_end, period_end=sub.period_end + 30 * DAY)
            renewal = sim.open_invoice(sub, sub.period_start)
            sim.pay(renewal, sub.period_start + pick.choice((0, HOUR)))
        if pick.chance(20):
            gone = sub.period_end - DAY
            self.delete(sub, gone, reason="cancellation_requested")
            self.say(segment.subscription_ended, gone)
        return at

    # ------------------------------------------------------------------ several subscriptions

    def retrial(self, sub: Subscription, settled: int) -> int:
        """The same subscription goes into trial again, soon after its end or later."""
        assert sub.trial_end is not None
        last = max(e["created"] for e in self.sim.events if self._about(e, sub))
        gap = self.pick.choice((DAY, 3 * DAY, 3 * DAY + 1, 10 * DAY))
        at = max(last + 1, sub.trial_end + gap)
        end = at + self.pick.choice((7 * DAY, 14 * DAY))
        self.sim.update(
            sub, at, status="trialing", trial_start=at, trial_end=end, period_start=at, period_end=end, paused_at=None
        )
        if self.pick.chance(60):
            invoice = self.sim.open_invoice(sub, at, [Line(0, at, end, description="Trial period for Plan")])
            self.sim.pay(invoice, at)
        self.note("re-trial", at, end)
        end = self.moves(sub, at, end)
        ending = self.pick.choice(("pay", "cancel_now", "fail_for_good", "no_card_pause", "silence"))
        return self.finish(sub, at, end, ending)

    def checkout(self, cus: str, at: int) -> None:
        """A subscription without a trial: what a cardless trial buys, or a second product; perhaps on a free plan."""
        kind = self.pick.choice(("buys", "buys", "fails first", "free", "incomplete"))
        card = self.sim.add_card(cus, at) if kind != "free" else None
        price = 0 if kind == "free" else self.pick.choice((2_900, 9_900))
        status = "incomplete" if kind in ("fails first", "incomplete") else None
        sub = self.sim.subscribe(cus, at, card=card, price_minor=price, price_id="price_solo", status=status)
        invoice = self.sim.open_invoice(sub, at, reason="subscription_create")
        self.note(f"checkout {kind}", at)
        if status is not None:
            self.sim.fail(invoice, at)
        if kind == "incomplete":
            self.sim.update(sub, at + 23 * HOUR, status="incomplete_expired")
            self.sim.void(invoice, at + 23 * HOUR)
            return
        paid_at = at + (HOUR if kind == "fails first" else 0)
        self.sim.pay(invoice, paid_at)
        if kind == "fails first":
            self.sim.update(sub, paid_at, status="active")
        self.say(segment.subscription_started, paid_at, price)
        if self.pick.chance(30):
            self.delete(sub, at + self.pick.integer(2, 50) * DAY)

    def live(self, start: int) -> None:
        """The whole life: up to three trials and a purchase or two, on one or two Stripe customers."""
        pick, sim = self.pick, self.sim
        customers = [sim.customer(start, self.account_id, f"{self.user}@example.com")]
        if self.account_id is not None and pick.chance(25):
            customers.append(sim.customer(start, self.account_id))
            self.note("two customers")
        if pick.chance(8):
            self.checkout(customers[0], start)
        sub, settled = self.trial(customers[0], start)
        if sub.status in ("active", "paused", "past_due", "unpaid") and pick.chance(35):
            settled = self.retrial(sub, settled)
        for _ in range(pick.choice((0, 0, 1, 1, 2))):
            cus = pick.choice(customers)
            kind = pick.choice(("checkout", "trial"))
            at = self.between(start, settled + pick.choice((2 * DAY, 40 * DAY)))
            if kind == "checkout":
                self.checkout(cus, at)
            else:
                # overlapping the first trial, after it, or beside a paid subscription
                self.note("another trial", at)
                _, settled = self.trial(cus, at)


def tell(pick: Chooser, accounts: int, shape: str, name: str = "story") -> Story:
    """One story of `accounts` accounts in shape `endive`, `2020` or `mixed` (each account in a shape of its own)."""
    events: list[dict[str, Any]] = []
    snapshots: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    instants: set[int] = set()
    plot: list[str] = []
    for number in range(accounts):
        own = shape if shape != "mixed" else ("endive", "2020")[number % 2]
        sim = StripeSim(own, f"{name}/{number}")
        account_id = None if pick.chance(5) else f"acct_{number}"
        author = _Author(pick, sim, account_id, number)
        author.live(JANUARY + pick.integer(0, 20) * DAY + pick.choice((0, 12 * HOUR, 17_111)))
        events += sim.events
        snapshots += sim.snapshots()
        calls += author.calls
        instants |= author.instants
        plot += author.plot
    return Story(
        shape,
        tuple(sorted(events, key=lambda event: int(event["created"]))),
        tuple(snapshots),
        tuple(sorted(calls, key=lambda call: str(call["timestamp"]))),
        tuple(sorted(instants)),
        tuple(plot),
    )


def random_story(seed: int, accounts: int = 3, shape: str = "mixed") -> Story:
    """The story of a seed, the same in every run."""
    return tell(RandomChooser(Random(seed)), accounts, shape, f"seed{seed}")


@st.composite
def stories(draw: Callable[[st.SearchStrategy[Any]], Any], max_accounts: int = 3) -> Story:
    """Stories of one to `max_accounts` accounts in any shape."""
    pick = DrawChooser(draw)
    return tell(pick, pick.integer(1, max_accounts), pick.choice(("endive", "2020", "mixed")))


def as_ofs(story: Story) -> st.SearchStrategy[int]:
    """Moments of a story at which answers change, and any other moment, in seconds since 1970."""
    last = max(int(event["created"]) for event in story.events)
    return st.one_of(st.sampled_from(story.instants), st.integers(JANUARY, last + 80 * DAY))


def scrambled(records: Sequence[T], rng: Random, doubles: float = 0.2) -> list[T]:
    """The records in any order, about `doubles` of them twice."""
    mixed = list(records) + [record for record in records if rng.random() < doubles]
    rng.shuffle(mixed)
    return mixed
