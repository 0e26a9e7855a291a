"""The steps billing tales are made of: the trial's end, first charge, renewals, extension, dunning, cancellation."""

from __future__ import annotations

from collections import Counter
from random import Random

from trialwise.demo.invoices import Invoice, bill
from trialwise.demo.ledger import Ledger
from trialwise.demo.payment_shapes import checkout_session_object
from trialwise.demo.people import Account
from trialwise.demo.product import AS_OF, DAY, HOUR
from trialwise.demo.subscriptions import Subscription


class Steps:
    """Takes steps on a subscription; `cases` counts what happened."""

    def __init__(self, ledger: Ledger, rng: Random) -> None:
        self.ledger = ledger
        self.rng = rng
        self.cases: Counter[str] = Counter()
        self._account: Account | None = None

    def _days(self, low: float, high: float) -> int:
        return int(self.rng.uniform(low, high) * DAY)

    def _end(self, sub: Subscription) -> int:
        """The trial's end, with the reminder sent before it."""
        end = sub.trial_end or sub.created
        if sub.reminded_of != end:
            sub.reminded_of = end
            sub.remind(max(end - 3 * DAY, sub.created + 1))
        return end

    def _pass_reminder(self, sub: Subscription, at: int) -> None:
        """Send the reminder if it falls due before `at`: whatever changes then must not show in it."""
        if sub.trial_end is not None and sub.trial_end - 3 * DAY <= at:
            self._end(sub)

    def _ensure_card(self, sub: Subscription, low: float = 0.3, high: float = 0.97) -> None:
        """Add a card inside the trial unless there is one."""
        if sub.customer.card is None and sub.trial_end is not None:
            at = sub.created + int((sub.trial_end - sub.created) * self.rng.uniform(low, high))
            self._pass_reminder(sub, at)
            card = sub.customer.add_card(at)
            sub.change(at + 2, by_request=True, card=card)

    def _activate(self, sub: Subscription, at: int, reason: str = "subscription_cycle") -> Invoice:
        """Turn active at `at` with a draft invoice for the first service period."""
        end = sub.next_period_end(at)
        invoice = bill(sub, at, at, end, reason)
        sub.change(at, status="active", period_start=at, period_end=end)
        return invoice.announce()

    def _renew(self, sub: Subscription, churn: float = 0.035) -> int:
        """Bill every further period until the customer leaves or the clock stops; returns when it stopped paying."""
        pauses = self.rng.random() < 0.03
        while sub.period_end < AS_OF:
            at = sub.period_end
            months = 12 if sub.price.interval == "year" else 1
            if self.rng.random() < 1 - (1 - churn) ** months:
                asked = at - self._days(1, 20)
                sub.change(
                    asked,
                    by_request=True,
                    cancel_at_period_end=True,
                    cancel_at=at,
                    canceled_at=asked,
                    reason="cancellation_requested",
                )
                sub.cancel(at)
                return at
            if pauses:
                sub.change(
                    at - 5 * DAY, by_request=True, pause_collection={"behavior": "keep_as_draft", "resumes_at": None}
                )
                self.cases["pause_collection"] += 1
            invoice = self._activate(sub, at)
            if pauses:
                sub.change(at + 3 * DAY, by_request=True, pause_collection=None)
                invoice.pay(at + 3 * DAY + HOUR)
                pauses = False
            else:
                invoice.pay(at + HOUR)
        if sub.period_end >= AS_OF and self.rng.random() < churn:
            asked = max(AS_OF - self._days(1, 9), sub.period_start + DAY)
            sub.change(
                asked,
                by_request=True,
                cancel_at_period_end=True,
                cancel_at=sub.period_end,
                canceled_at=asked,
                reason="cancellation_requested",
            )
        return AS_OF

    def _check_out(self, account: Account, sub: Subscription, at: int, amount: int) -> None:
        name, email = self.ledger.new_id("cs_live", 40), account.contact.email
        rendered = checkout_session_object(
            name, at, sub.customer.id, sub.id, account.account_id, email, sub.price.currency, amount
        )
        self.ledger.emit("checkout.session.completed", at, rendered)

    def _zero_invoice(self, sub: Subscription, setup_fee: int = 0) -> None:
        bill(
            sub,
            sub.created,
            sub.created,
            sub.trial_end or sub.created,
            "subscription_create",
            trial=True,
            setup_fee=setup_fee,
        ).pay(sub.created)

    def _move_end(self, sub: Subscription, at: int, trial_end: int) -> None:
        sub.change(at, by_request=True, trial_end=trial_end, period_end=trial_end)

    def _extend(self, sub: Subscription) -> None:
        end = self._end(sub)
        self._move_end(sub, end - self._days(0.2, 2.5), end + 7 * DAY)
        if self.rng.random() < 0.35:
            self._end(sub)
            self._move_end(sub, end + 7 * DAY - self._days(0.2, 2), end + 14 * DAY)

    def _dun(self, sub: Subscription, invoice: Invoice, at: int, tries: tuple[int, ...]) -> None:
        for number, day in enumerate(tries):
            following = at + tries[number + 1] * DAY if number + 1 < len(tries) else None
            invoice.fail(at + day * DAY + HOUR, following)
            if number == 0:
                sub.change(at + HOUR + 1, status="past_due")

    def _pause(self, sub: Subscription, at: int) -> None:
        sub.change(at, status="paused", paused_at=at)
        sub.change(at, "customer.subscription.paused")

    def _share_of_trial(self, sub: Subscription, low: float, high: float) -> int:
        return sub.created + int(((sub.trial_end or sub.created) - sub.created) * self.rng.uniform(low, high))

    def _cancel(self, sub: Subscription, at: int, *, now: bool) -> None:
        feedback = self.rng.choice(("too_expensive", "missing_features", "switched_service", "unused", None))
        end = sub.trial_end or at
        self._pass_reminder(sub, at)
        if now:
            sub.cancel(at, feedback=feedback)
            return
        sub.change(
            at,
            by_request=True,
            cancel_at_period_end=True,
            cancel_at=end,
            canceled_at=at,
            reason="cancellation_requested",
            feedback=feedback,
        )
        sub.cancel(self._end(sub))
