"""Tales of trials that do not pay."""

from __future__ import annotations

from trialwise.demo.product import COUPON_FREE, DAY, HOUR, MINUTE
from trialwise.demo.steps import Steps
from trialwise.demo.subscriptions import Subscription


class Leaving(Steps):
    """How trials come to nothing."""

    def _free_coupon(self, sub: Subscription) -> None:
        """Goes on for nothing with a 100 % coupon."""
        sub.give_discount(sub.created + self._days(2, 9), COUPON_FREE)
        end = self._end(sub)
        self._activate(sub, end).pay(end + HOUR)

    def _cancel_at_end(self, sub: Subscription) -> None:
        self._cancel(sub, self._share_of_trial(sub, 0.15, 0.95), now=False)

    def _cancel_now(self, sub: Subscription) -> None:
        self._cancel(sub, self._share_of_trial(sub, 0.1, 0.9), now=True)

    def _cancel_late(self, sub: Subscription) -> None:
        """In the last 72 hours before the first payment."""
        end = sub.trial_end or sub.created
        self._cancel(sub, end - self._days(0.1, 2.9), now=False)

    def _payment_failed(self, sub: Subscription) -> None:
        self._ensure_card(sub)
        end = self._end(sub)
        invoice = self._activate(sub, end)
        self._dun(sub, invoice, end, (0, 3, 8, 15))
        if self.rng.random() < 0.5:
            invoice.write_off(end + 16 * DAY)
        sub.cancel(end + 16 * DAY, "payment_failed")

    def _expired(self, sub: Subscription) -> None:
        """Ends with a card on file, nothing asked, nothing charged: the vendor stops the subscription after the end."""
        end = self._end(sub)
        invoice = self._activate(sub, end)
        invoice.void(end + 20 * MINUTE)
        sub.cancel(end + 30 * MINUTE, None)

    def _extended_cancelled(self, sub: Subscription) -> None:
        self._extend(sub)
        self._cancel(sub, (sub.trial_end or sub.created) - self._days(1.2, 5), now=True)

    def _extended_paused(self, sub: Subscription) -> None:
        self._extend(sub)
        self._pause(sub, self._end(sub))

    def _card_removed_paused(self, sub: Subscription) -> None:
        at = self._share_of_trial(sub, 0.3, 0.8)
        self._pass_reminder(sub, at)
        sub.customer.remove_card(at)
        sub.change(at, by_request=True, card=None)
        self._pause(sub, self._end(sub))

    def _no_card_cancelled(self, sub: Subscription) -> None:
        sub.cancel(self._end(sub), None)

    def _no_card_paused(self, sub: Subscription) -> None:
        self._pause(sub, self._end(sub))
