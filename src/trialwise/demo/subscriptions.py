"""The state of one Stripe subscription and the events its changes send."""

from __future__ import annotations

from dataclasses import dataclass, field

from trialwise.demo import shapes
from trialwise.demo.customers import Customer
from trialwise.demo.ledger import PRICES_FROM, Ledger
from trialwise.demo.product import Price, add_months
from trialwise.demo.shapes import Json


@dataclass(slots=True)
class Subscription:
    """One subscription with one item. `render` gives its object now; every method sends what Stripe would."""

    ledger: Ledger
    customer: Customer
    price: Price
    created: int
    trial_end: int | None
    missing_payment_method: str = "create_invoice"
    collection_method: str = "charge_automatically"
    metadata: dict[str, str] = field(default_factory=dict)
    quantity: int = 1
    id: str = ""
    item_id: str = ""
    status: str = "trialing"
    trial_start: int | None = None
    period_start: int = 0
    period_end: int = 0
    card: str | None = None
    cancel_at_period_end: bool = False
    cancel_at: int | None = None
    canceled_at: int | None = None
    ended_at: int | None = None
    reason: str | None = None
    reminded_of: int | None = None
    feedback: str | None = None
    pause_collection: Json | None = None
    paused_at: int | None = None
    coupon: str | None = None
    discount_id: str | None = None
    latest_invoice: str | None = None

    def __post_init__(self) -> None:
        self.id = self.ledger.new_id("sub", 22)
        self.item_id = self.ledger.new_id("si", 12)
        self.period_start = self.created
        if self.trial_end is None:
            self.status = "active"
            self.period_end = self.next_period_end(self.created)
        else:
            self.trial_start = self.created
            self.period_end = self.trial_end
            if self.trial_end <= self.created:
                self.status = "active"

    def next_period_end(self, start: int) -> int:
        """End of the billing period that starts at `start`."""
        return add_months(start, 12 if self.price.interval == "year" else 1)

    def render(self) -> Json:
        """The subscription object now."""
        live = self.customer.livemode
        item: Json = {
            "id": self.item_id,
            "object": "subscription_item",
            "billed_until": None,
            "billing_thresholds": None,
            "created": self.created,
            "current_period_end": self.period_end,
            "current_period_start": self.period_start,
            "current_trial": None,
            "discounts": [],
            "metadata": {},
            "plan": shapes.plan_object(self.price, live, PRICES_FROM),
            "price": shapes.price_object(self.price, live, PRICES_FROM),
            "quantity": self.quantity,
            "subscription": self.id,
            "tax_rates": [],
        }
        paused = None
        if self.paused_at is not None:
            paused = {
                "subscription": {"type": "trial_end_without_payment_method"},
                "transitioned_at": self.paused_at,
                "type": "subscription",
            }
        return {
            "id": self.id,
            "object": "subscription",
            "application": None,
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": self.trial_end or self.created,
            "billing_cycle_anchor_config": None,
            "billing_mode": {"flexible": None, "type": "classic"},
            "billing_schedules": None,
            "billing_thresholds": None,
            "cancel_at": self.cancel_at,
            "cancel_at_period_end": self.cancel_at_period_end,
            "canceled_at": self.canceled_at,
            "cancellation_details": {"comment": None, "feedback": self.feedback, "reason": self.reason},
            "collection_method": self.collection_method,
            "created": self.created,
            "currency": self.price.currency,
            "customer": self.customer.id,
            "customer_account": None,
            "days_until_due": 14 if self.collection_method == "send_invoice" else None,
            "default_payment_method": self.card,
            "default_source": None,
            "default_tax_rates": [],
            "description": None,
            "discounts": [self.discount_id] if self.discount_id else [],
            "ended_at": self.ended_at,
            "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
            "items": {
                "object": "list",
                "data": [item],
                "has_more": False,
                "total_count": 1,
                "url": f"/v1/subscription_items?subscription={self.id}",
            },
            "latest_invoice": self.latest_invoice,
            "livemode": live,
            "managed_payments": None,
            "metadata": self.metadata,
            "next_pending_invoice_item_invoice": None,
            "on_behalf_of": None,
            "pause_collection": self.pause_collection,
            "payment_settings": {
                "payment_method_options": None,
                "payment_method_types": None,
                "save_default_payment_method": "on_subscription",
            },
            "pending_invoice_item_interval": None,
            "pending_setup_intent": None,
            "pending_update": None,
            "presentment_details": None,
            "schedule": None,
            "start_date": self.created,
            "status": self.status,
            "status_details": {"paused": paused} if paused else None,
            "test_clock": None,
            "transfer_data": None,
            "trial_end": self.trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": self.missing_payment_method}},
            "trial_start": self.trial_start,
        }

    def create(self) -> Subscription:
        """Send `customer.subscription.created`."""
        self.ledger.emit(
            "customer.subscription.created",
            self.created,
            self.render(),
            by_request=True,
            livemode=self.customer.livemode,
        )
        return self

    def change(
        self, at: int, kind: str = "customer.subscription.updated", *, by_request: bool = False, **fields: object
    ) -> None:
        """Set `fields`, then send `kind` with the changed top-level keys in `previous_attributes`."""
        before = self.render()
        for name, value in fields.items():
            setattr(self, name, value)
        after = self.render()
        previous = {key: value for key, value in before.items() if value != after[key]}
        sent = previous if kind.endswith(".updated") else None
        self.ledger.emit(kind, at, after, sent, by_request=by_request, livemode=self.customer.livemode)

    def remind(self, at: int) -> None:
        """Send `customer.subscription.trial_will_end`."""
        self.ledger.emit("customer.subscription.trial_will_end", at, self.render(), livemode=self.customer.livemode)

    def give_discount(self, at: int, coupon: str) -> None:
        """Put a coupon on the subscription: `customer.discount.created` and the update."""
        self.discount_id = self.ledger.new_id("di")
        rendered = shapes.discount_object(self.discount_id, coupon, self.customer.id, self.id, at)
        self.ledger.emit("customer.discount.created", at, rendered, by_request=True)
        discount, self.discount_id = self.discount_id, None
        self.change(at, by_request=True, discount_id=discount, coupon=coupon)

    def cancel(
        self,
        at: int,
        reason: str | None = "cancellation_requested",
        feedback: str | None = None,
        canceled_at: int | None = None,
    ) -> None:
        """End it at once: `customer.subscription.deleted`."""
        self.status = "canceled"
        self.ended_at = at
        self.canceled_at = canceled_at or self.canceled_at or at
        self.reason = self.reason or reason
        self.feedback = self.feedback or feedback
        self.ledger.emit("customer.subscription.deleted", at, self.render(), livemode=self.customer.livemode)
