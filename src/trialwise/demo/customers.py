"""The state of one Stripe customer and its card, and the events their changes send."""

from __future__ import annotations

from dataclasses import dataclass

from trialwise.demo import shapes
from trialwise.demo.ledger import Ledger
from trialwise.demo.shapes import Json


@dataclass(slots=True)
class Customer:
    """A Stripe customer and its default card."""

    ledger: Ledger
    id: str
    created: int
    email: str | None
    name: str | None
    metadata: dict[str, str]
    livemode: bool = True
    balance: int = 0
    card: str | None = None
    card_since: int = 0

    def render(self) -> Json:
        """The customer object now."""
        return shapes.customer_object(
            self.id,
            self.created,
            self.email,
            self.name,
            self.metadata,
            livemode=self.livemode,
            balance=self.balance,
            default_pm=self.card,
        )

    def create(self) -> Customer:
        """Send `customer.created`."""
        self.ledger.emit("customer.created", self.created, self.render(), by_request=True, livemode=self.livemode)
        return self

    def add_card(self, at: int) -> str:
        """Add a card by set-up intent, make it the default and return its id.

        Sends `payment_method.attached`, `setup_intent.succeeded`, `customer.updated`.
        """
        method, intent = self.ledger.new_id("pm"), self.ledger.new_id("seti")
        live = self.livemode
        self.ledger.emit(
            "payment_method.attached",
            at,
            shapes.payment_method_object(method, at - 5, self.id, self.email, live),
            by_request=True,
            livemode=live,
        )
        self.ledger.emit(
            "setup_intent.succeeded",
            at,
            shapes.setup_intent_object(intent, at - 40, self.id, method, live),
            by_request=True,
            livemode=live,
        )
        before = self.card
        self.card, self.card_since = method, at
        previous = {"invoice_settings": {"default_payment_method": before}}
        self.ledger.emit("customer.updated", at + 1, self.render(), previous, by_request=True, livemode=live)
        return method

    def remove_card(self, at: int) -> None:
        """Detach the card: `payment_method.detached`, then the customer without a default."""
        if self.card is None:
            return
        rendered = shapes.payment_method_object(self.card, self.created, None, self.email, self.livemode)
        self.ledger.emit("payment_method.detached", at, rendered, {"customer": self.id}, by_request=True)
        previous = {"invoice_settings": {"default_payment_method": self.card}}
        self.card = None
        self.ledger.emit("customer.updated", at, self.render(), previous, by_request=True)

    def grant_credit(self, at: int, amount: int) -> None:
        """Credit `amount` minor units to the balance."""
        previous = {"balance": self.balance}
        self.balance -= amount
        self.ledger.emit("customer.updated", at, self.render(), previous, by_request=True)

    def delete(self, at: int) -> None:
        """Send `customer.deleted`."""
        self.ledger.emit("customer.deleted", at, self.render(), by_request=True)
