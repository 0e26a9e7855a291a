"""Tales of trials that pay, each returning the instant until which the account pays."""

from __future__ import annotations

from trialwise.demo.customers import Customer
from trialwise.demo.invoices import Invoice, bill
from trialwise.demo.product import DAY, HOUR, MINUTE
from trialwise.demo.steps import Steps
from trialwise.demo.subscriptions import Subscription


class Paying(Steps):
    """How trials become customers."""

    def _first_paid(self, sub: Subscription) -> Invoice:
        self._ensure_card(sub)
        end = self._end(sub)
        return self._activate(sub, end).pay(end + HOUR)

    def _paid(self, sub: Subscription) -> int:
        self._first_paid(sub)
        return self._renew(sub)

    def _early_upgrade(self, sub: Subscription) -> int:
        length = (sub.trial_end or sub.created) - sub.created
        at = sub.created + int(length * self.rng.uniform(0.25, 0.75))
        if sub.customer.card is None:
            card = sub.customer.add_card(at - 2 * MINUTE)
            sub.change(at - 2 * MINUTE + 2, by_request=True, card=card)
        end = sub.next_period_end(at)
        invoice = bill(sub, at, at, end, "subscription_update")
        sub.change(at, by_request=True, status="active", trial_end=at, period_start=at, period_end=end)
        sub.remind(at)  # Stripe sends the reminder also when a trial is ended at once.
        invoice.announce().pay(at + 2)
        return self._renew(sub)

    def _extended(self, sub: Subscription) -> int:
        self._ensure_card(sub, 0.2, 0.6)
        self._extend(sub)
        return self._paid(sub)

    def _shortened(self, sub: Subscription) -> int:
        end = sub.trial_end or sub.created
        self._move_end(sub, sub.created + 2 * DAY, end - 4 * DAY)
        return self._paid(sub)

    def _cancel_taken_back(self, sub: Subscription) -> int:
        asked = sub.created + self._days(3, 6)
        end = sub.trial_end
        sub.change(
            asked,
            by_request=True,
            cancel_at_period_end=True,
            cancel_at=end,
            canceled_at=asked,
            reason="cancellation_requested",
        )
        sub.change(
            asked + self._days(0.5, 3),
            by_request=True,
            cancel_at_period_end=False,
            cancel_at=None,
            canceled_at=None,
            reason=None,
        )
        return self._paid(sub)

    def _dunning_recovered(self, sub: Subscription) -> int:
        end = self._end(sub)
        invoice = self._activate(sub, end)
        self._dun(sub, invoice, end, (0, 3))
        invoice.pay(end + 8 * DAY + HOUR)
        sub.change(end + 8 * DAY + HOUR, status="active")
        return self._renew(sub)

    def _dunning_late(self, sub: Subscription) -> int:
        end = self._end(sub)
        invoice = self._activate(sub, end)
        self._dun(sub, invoice, end, (0, 3, 8, 15))
        sub.change(end + 16 * DAY, status="unpaid")
        late = end + 36 * DAY + self._days(0, 9)
        sub.customer.add_card(late - HOUR)
        invoice.pay(late)
        sub.change(late, status="active", period_start=late, period_end=sub.next_period_end(late))
        return self._renew(sub)

    def _re_entry(self, sub: Subscription) -> int:
        """The first charge fails, sales gives another week within three days, then the trial pays."""
        end = self._end(sub)
        invoice = self._activate(sub, end)
        self._dun(sub, invoice, end, (0,))
        back = end + self._days(0.5, 2.6)
        invoice.void(back - 5)
        sub.change(
            back,
            by_request=True,
            status="trialing",
            trial_start=back,
            trial_end=back + 7 * DAY,
            period_start=back,
            period_end=back + 7 * DAY,
        )
        return self._paid(sub)

    def _second_trial(self, sub: Subscription) -> int:
        """A paying customer is given a second trial on the same subscription after its first month."""
        self._first_paid(sub)
        back = sub.period_start + self._days(20, 26)
        sub.change(
            back,
            by_request=True,
            status="trialing",
            trial_start=back,
            trial_end=back + 14 * DAY,
            period_start=back,
            period_end=back + 14 * DAY,
        )
        return self._paid(sub)

    def _credit_balance(self, sub: Subscription) -> int:
        sub.customer.grant_credit(sub.created + 2 * DAY, sub.price.amount * 2)
        end = self._end(sub)
        invoice = self._activate(sub, end)
        invoice.finalize(end + HOUR)
        invoice.pay(end + HOUR)
        return self._renew(sub)

    def _refund(self, sub: Subscription, share: float) -> int:
        invoice = self._first_paid(sub)
        at = (invoice.paid_at or sub.created) + self._days(3, 20)
        invoice.refund(at, int(invoice.total * share))
        if share < 1:
            return self._renew(sub)
        sub.cancel(at, feedback="too_expensive")
        return at

    def _refund_full(self, sub: Subscription) -> int:
        return self._refund(sub, 1.0)

    def _refund_partial(self, sub: Subscription) -> int:
        return self._refund(sub, 0.4)

    def _dispute(self, sub: Subscription, outcome: str) -> int:
        invoice = self._first_paid(sub)
        at = (invoice.paid_at or sub.created) + self._days(2, 8)
        closed = at + self._days(7, 18)
        invoice.dispute(at, closed, outcome)
        if outcome == "won":
            return self._renew(sub)
        sub.cancel(closed, "payment_disputed")
        return closed

    def _dispute_lost(self, sub: Subscription) -> int:
        return self._dispute(sub, "lost")

    def _dispute_won(self, sub: Subscription) -> int:
        return self._dispute(sub, "won")

    def _resume(self, sub: Subscription, low: float, high: float) -> int:
        end = self._end(sub)
        self._pause(sub, end)
        at = end + self._days(low, high)
        card = sub.customer.add_card(at - 3 * MINUTE)
        period_end = sub.next_period_end(at)
        invoice = bill(sub, at, at, period_end, "subscription_update")
        sub.change(
            at, by_request=True, status="active", paused_at=None, card=card, period_start=at, period_end=period_end
        )
        sub.change(at, "customer.subscription.resumed", by_request=True)
        invoice.announce().pay(at + 3)
        return self._renew(sub)

    def _paused_resumed(self, sub: Subscription) -> int:
        return self._resume(sub, 1, 24)

    def _paused_resumed_late(self, sub: Subscription) -> int:
        return self._resume(sub, 35, 70)

    def _succeed(self, sub: Subscription, customer: Customer, at: int) -> int:
        card = customer.add_card(at - MINUTE)
        heir = Subscription(self.ledger, customer, sub.price, at, None, card=card)
        invoice = bill(heir, at, at, heir.period_end, "subscription_create")
        heir.create()
        if self._account is not None:
            self._check_out(self._account, heir, at + 4, invoice.total)
        invoice.pay(at + 2)
        return self._renew(heir)

    def _successor(self, sub: Subscription) -> int:
        end = self._end(sub)
        sub.cancel(end, None)
        return self._succeed(sub, sub.customer, end + self._days(0.3, 21))

    def _successor_other_customer(self, sub: Subscription) -> int:
        """Checks out anew as another Stripe customer of the same account."""
        end = self._end(sub)
        sub.cancel(end, None)
        at = end + self._days(0.3, 21)
        old = sub.customer
        account_id = self._account.account_id if self._account else ""
        other = Customer(
            self.ledger, self.ledger.new_id("cus", 13), at - 2 * MINUTE, old.email, old.name, {"account_id": account_id}
        ).create()
        return self._succeed(sub, other, at)

    def _mailed(self, sub: Subscription, *, off_stripe: bool) -> int:
        end = self._end(sub)
        invoice = self._activate(sub, end)
        invoice.finalize(end + HOUR)
        paid_at = end + self._days(2, 12)
        invoice.pay(paid_at, off_stripe=off_stripe)
        card = sub.customer.add_card(paid_at + HOUR)
        sub.change(paid_at + HOUR + 2, by_request=True, collection_method="charge_automatically", card=card)
        return self._renew(sub)

    def _out_of_band(self, sub: Subscription) -> int:
        return self._mailed(sub, off_stripe=True)

    def _invoice_by_mail(self, sub: Subscription) -> int:
        return self._mailed(sub, off_stripe=False)
