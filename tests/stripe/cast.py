"""The story that every door must tell alike: a company's customers on trial, each with an end of its own.

Time is told in days since `Cast.start`, a midnight 27 days ago, so that Stripe still lists every event and nothing of
it lies in the future of the machine that runs the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import stripe

from tests.fakes.stripe import TEST_KEY, StripeFake

DAY = 86400
LAST_DAY = 26


@cache  # one answer, also where midnight passes while the tests run
def midnight(days_ago: int = 27) -> datetime:
    """A midnight in UTC, with its zone."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def client(fake: StripeFake, key: str = TEST_KEY) -> Any:
    """The official client, pointed at the fake."""
    return stripe.StripeClient(key, base_addresses={"api": fake.url}, max_network_retries=0).v1


@dataclass
class Cast:
    """The customers of one fake, by the account they are of."""

    fake: StripeFake
    start: datetime
    subscriptions: dict[str, Any] = field(default_factory=dict)
    price: str = ""
    yen: str = ""

    def __post_init__(self) -> None:
        self.api = client(self.fake)

    def day(self, number: float) -> datetime:
        """The instant, without zone, that is `number` days after the start."""
        return (self.start + timedelta(days=number)).replace(tzinfo=None)

    def on_day(self, number: float, act: Callable[[], None]) -> None:
        """Do something when that day begins."""
        self.fake.world.clock.at(int((self.start + timedelta(days=number)).timestamp()), act)

    def go_to(self, number: float, *, hours: float = 0) -> None:
        """Let the time pass until then."""
        self.fake.clock.advance(to=int((self.start + timedelta(days=number, hours=hours)).timestamp()))

    def enter(self, account: str, card: str | None = "pm_card_visa", price: str = "", **fields: Any) -> Any:
        """An account begins a trial of 14 days, with a card or without."""
        customer = self.api.customers.create(
            {"email": f"{account}@example.com", "name": account.title(), "metadata": {"account_id": account}}
        )
        if card:
            method = self.api.payment_methods.attach(card, {"customer": customer.id})
            self.api.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
        made = self.api.subscriptions.create(
            {"customer": customer.id, "items": [{"price": price or self.price}], "trial_period_days": 14, **fields}
        )
        self.subscriptions[account] = made
        return made

    def catalogue(self) -> None:
        """Two plans: 49 dollars and 4,900 yen a month."""
        product = self.api.products.create({"name": "Pro"})
        for currency in ("usd", "jpy"):
            made = self.api.prices.create(
                {
                    "product": product.id,
                    "currency": currency,
                    "unit_amount": 4900,
                    "recurring": {"interval": "month"},
                }
            )
            setattr(self, {"usd": "price", "jpy": "yen"}[currency], made.id)


def bare(missing: str) -> dict[str, Any]:
    """A trial without a card, and what its end does then."""
    return {"card": None, "trial_settings": {"end_behavior": {"missing_payment_method": missing}}}


def play(cast: Cast) -> Cast:
    """The whole story up to `LAST_DAY`."""
    api, subs = cast.api, cast.subscriptions
    cast.catalogue()
    cast.enter("paid")
    cast.enter("declined", "pm_card_chargeCustomerFail")
    cast.enter("canceller")
    cast.enter("quitter")
    cast.enter("paused", **bare("pause"))
    cast.enter("cardless", **bare("cancel"))
    cast.enter("extended")
    cast.enter("refunded")
    cast.enter("mended", "pm_card_chargeCustomerFail")
    cast.enter("kyoto", price=cast.yen)
    cast.go_to(3)
    api.subscriptions.cancel(subs["quitter"].id)
    cast.go_to(5)
    api.subscriptions.update(subs["canceller"].id, {"cancel_at_period_end": True})
    cast.go_to(12)
    api.subscriptions.update(subs["extended"].id, {"trial_end": subs["extended"].trial_end + 7 * DAY})
    cast.go_to(16)
    charge = api.charges.list({"customer": subs["refunded"].customer}).data[0]
    api.refunds.create({"charge": charge.id})
    method = api.payment_methods.list({"customer": subs["mended"].customer}).data[0]
    cast.fake.decline(method.id, "")
    cast.go_to(20)
    cast.enter("running")
    cast.go_to(LAST_DAY)
    return cast
