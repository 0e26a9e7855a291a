"""A miniature Stripe: keeps subscriptions and invoices and writes the event envelopes and objects Stripe would send.

Instants are whole seconds since 1970 (UTC), amounts are minor units. Two shapes are written: `endive` (the current one:
period on the item, `invoice.parent`, `line.pricing`) and `2020` (period on the subscription, `invoice.subscription`,
`line.type`). The simulator decides nothing about trials; a caller says what happens and when.
"""

from __future__ import annotations

import copy
import hashlib
from datetime import UTC, datetime
from typing import Any

from .stripe_shapes import Invoice, Line, Renderer, Subscription

DAY = 86_400
HOUR = 3_600
MONTH = 30 * DAY


def seconds(text: str) -> int:
    """Seconds since 1970 of an ISO date or instant read as UTC, like `2026-01-15` or `2026-01-15T01:00:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


class StripeSim:
    """Writes Stripe payloads in one shape; `name` keeps the ids of two simulators apart."""

    def __init__(self, shape: str = "endive", name: str = "sim") -> None:
        self.render = Renderer(shape)
        self.name = name
        self.events: list[dict[str, Any]] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.invoices: dict[str, Invoice] = {}
        self._rendered: dict[str, dict[str, Any]] = {}
        self._count = 0

    # ------------------------------------------------------------------ ids and envelopes

    def _id(self, prefix: str) -> str:
        self._count += 1
        digest = hashlib.sha256(f"{self.name}/{self._count}".encode()).hexdigest()
        return f"{prefix}_{digest[:24]}"

    def emit(self, event_type: str, obj: dict[str, Any], at: int, previous: dict[str, Any] | None = None) -> None:
        """Append the envelope of `event_type` about `obj` created at `at`."""
        data: dict[str, Any] = {"object": copy.deepcopy(obj)}
        if previous is not None:
            data["previous_attributes"] = copy.deepcopy(previous)
        event: dict[str, Any] = {
            "id": self._id("evt"),
            "object": "event",
            "api_version": self.render.api_version,
            "created": at,
            "data": data,
            "livemode": True,
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": event_type,
        }
        self.events.append(event)

    def _publish(self, event_type: str, obj: dict[str, Any], at: int) -> None:
        """Emit with `previous_attributes` for an update, and remember the object as the current one."""
        before = self._rendered.get(obj["id"])
        previous = None
        if before is not None and event_type.endswith((".updated", ".paused", ".resumed")):
            previous = {key: before.get(key) for key in obj if before.get(key) != obj[key]}
        self._rendered[obj["id"]] = copy.deepcopy(obj)
        self.emit(event_type, obj, at, previous)

    # ------------------------------------------------------------------ customers and cards

    def customer(self, at: int, account_id: str | None, email: str | None = None) -> str:
        """Create a customer that names `account_id` in its metadata; returns the customer id."""
        cus = self._id("cus")
        obj: dict[str, Any] = {
            "id": cus,
            "object": "customer",
            "address": None,
            "balance": 0,
            "created": at,
            "currency": "usd",
            "default_source": None,
            "delinquent": False,
            "description": None,
            "email": email,
            "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
            "livemode": True,
            "metadata": {} if account_id is None else {"account_id": account_id},
            "name": None,
            "phone": None,
            "shipping": None,
            "tax_exempt": "none",
        }
        self._publish("customer.created", obj, at)
        return cus

    def add_card(self, cus: str, at: int, via: str = "setup_intent") -> str:
        """A card is saved: `via` setup_intent (succeeded), payment_method (attached), or both; returns its id."""
        pm = self._id("pm")
        if via in ("setup_intent", "both"):
            self.emit("setup_intent.succeeded", self._setup_intent(cus, pm, at), at)
        if via in ("payment_method", "both"):
            obj: dict[str, Any] = {
                "id": pm,
                "object": "payment_method",
                "billing_details": {"address": None, "email": None, "name": None, "phone": None},
                "card": {"brand": "visa", "country": "US", "exp_month": 12, "exp_year": 2031, "last4": "4242"},
                "created": at,
                "customer": cus,
                "livemode": True,
                "metadata": {},
                "type": "card",
            }
            self._publish("payment_method.attached", obj, at)
        return pm

    def _setup_intent(self, cus: str, pm: str, at: int) -> dict[str, Any]:
        obj: dict[str, Any] = {
            "id": self._id("seti"),
            "object": "setup_intent",
            "created": at,
            "customer": cus,
            "latest_attempt": None,
            "livemode": True,
            "metadata": {},
            "payment_method": pm,
            "payment_method_types": ["card"],
            "status": "succeeded",
            "usage": "off_session",
        }
        self._rendered[obj["id"]] = copy.deepcopy(obj)
        return obj

    # ------------------------------------------------------------------ subscriptions

    def subscribe(
        self,
        cus: str,
        at: int,
        *,
        trial_end: int | None = None,
        price_minor: int = 4_900,
        currency: str = "usd",
        card: str | None = None,
        missing: str = "create_invoice",
        collection: str = "charge_automatically",
        coupon_percent: int = 0,
        status: str | None = None,
        price_id: str = "price_team",
        setup_fee: int = 0,
    ) -> Subscription:
        """Create a subscription, trialing when `trial_end` is given, with the $0 or set-up fee invoice of its trial."""
        end = trial_end if trial_end is not None else at + MONTH
        sub = Subscription(
            id=self._id("sub"),
            customer=cus,
            created=at,
            price_minor=price_minor,
            currency=currency,
            price_id=price_id,
            product_id="prod_" + price_id.removeprefix("price_"),
            interval="month",
            status=status or ("trialing" if trial_end is not None else "active"),
            period_start=at,
            period_end=end,
            trial_start=at if trial_end is not None else None,
            trial_end=trial_end,
            default_payment_method=card,
            missing_payment_method=missing,
            collection_method=collection,
        )
        if coupon_percent:
            sub.coupon = {
                "id": f"OFF{coupon_percent}",
                "object": "coupon",
                "amount_off": None,
                "duration": "forever",
                "percent_off": float(coupon_percent),
                "valid": True,
            }
        self.subscriptions[sub.id] = sub
        self._publish("customer.subscription.created", self.render.subscription(sub), at)
        if trial_end is not None:
            lines = [Line(0, at, end, description="Trial period for Plan")]
            if setup_fee:
                lines.append(Line(setup_fee, at, at, is_item=True, description="Set-up fee"))
            invoice = self.open_invoice(sub, at, lines, reason="subscription_create", discounted=False)
            # nothing is paid at once; a real charge takes a moment
            self.pay(invoice, at + 30 if setup_fee else at)
        return sub

    def update(self, sub: Subscription, at: int, event: str = "updated", **changes: Any) -> None:
        """Change fields of a subscription and emit `customer.subscription.<event>`."""
        for key, value in changes.items():
            if not hasattr(sub, key):
                raise AttributeError(f"a subscription has no field {key!r}")
            setattr(sub, key, value)
        self._publish(f"customer.subscription.{event}", self.render.subscription(sub), at)

    def discounted(self, sub: Subscription, amount: int) -> int:
        """The part of `amount` the subscription's coupon takes off, in minor units."""
        return 0 if sub.coupon is None else int(amount * float(sub.coupon["percent_off"])) // 100

    # ------------------------------------------------------------------ invoices

    def open_invoice(
        self,
        sub: Subscription,
        at: int,
        lines: list[Line] | None = None,
        *,
        period: tuple[int, int] | None = None,
        reason: str = "subscription_cycle",
        finalize_at: int | None = None,
        discounted: bool = True,
        credit: bool = False,
    ) -> Invoice:
        """Create an invoice for a service period (default: the subscription's); finalize it now or when told."""
        start, end = period or (sub.period_start, sub.period_end)
        lines = lines if lines is not None else [Line(sub.price_minor, start, end)]
        invoice = Invoice(
            id=self._id("in"),
            customer=sub.customer,
            subscription=sub.id,
            created=at,
            currency=sub.currency,
            lines=lines,
            billing_reason=reason,
            collection_method=sub.collection_method,
            price_id=sub.price_id,
            product_id=sub.product_id,
        )
        invoice.discount = self.discounted(sub, invoice.subtotal) if discounted else 0
        if credit:
            invoice.credit = invoice.total
        self.invoices[invoice.id] = invoice
        sub.latest_invoice = invoice.id
        self._publish("invoice.created", self.render.invoice(invoice), at)
        if finalize_at is None or finalize_at >= 0:
            self.finalize(invoice, at if finalize_at is None else finalize_at)
        return invoice

    def finalize(self, invoice: Invoice, at: int) -> None:
        """Draft to open."""
        invoice.status = "open"
        invoice.finalized_at = at
        self._publish("invoice.finalized", self.render.invoice(invoice), at)

    def pay(self, invoice: Invoice, at: int, *, out_of_band: bool = False) -> None:
        """The invoice is paid at `at`: by card, credit balance (`credit` set before), outside Stripe, or free."""
        invoice.status = "paid"
        invoice.paid_at = at
        invoice.out_of_band = out_of_band
        charged = invoice.total - invoice.credit
        if charged > 0 and not out_of_band:
            invoice.attempt_count += 1
            invoice.payment_intent = self._id("pi")
            invoice.charge = self._id("ch")
            self._publish("charge.succeeded", self.render.charge(invoice), at)
        self._publish("invoice.paid", self.render.invoice(invoice), at)
        if not out_of_band:
            self._publish("invoice.payment_succeeded", self.render.invoice(invoice), at)

    def fail(self, invoice: Invoice, at: int) -> None:
        """A payment attempt fails; the invoice stays open."""
        invoice.attempt_count += 1
        self._publish("invoice.payment_failed", self.render.invoice(invoice), at)

    def void(self, invoice: Invoice, at: int) -> None:
        """The invoice is voided."""
        invoice.status = "void"
        invoice.voided_at = at
        self._publish("invoice.voided", self.render.invoice(invoice), at)

    def uncollectible(self, invoice: Invoice, at: int) -> None:
        """The invoice is written off."""
        invoice.status = "uncollectible"
        invoice.uncollectible_at = at
        self._publish("invoice.marked_uncollectible", self.render.invoice(invoice), at)

    def refund(self, invoice: Invoice, at: int, amount: int | None = None) -> None:
        """Refund `amount` (default everything) of a paid invoice's charge."""
        if invoice.charge is None:
            raise ValueError(f"invoice {invoice.id} has no charge to refund")
        amount = invoice.total - invoice.credit - invoice.refunded if amount is None else amount
        invoice.refunded += amount
        obj = {
            "id": self._id("re"),
            "object": "refund",
            "amount": amount,
            "charge": invoice.charge,
            "created": at,
            "currency": invoice.currency,
            "metadata": {},
            "payment_intent": invoice.payment_intent,
            "reason": "requested_by_customer",
            "status": "succeeded",
        }
        self._publish("refund.created", obj, at)
        self._publish("charge.refunded", self.render.charge(invoice), at)

    def close_dispute(self, invoice: Invoice, at: int, status: str = "lost") -> None:
        """A dispute over the invoice's charge is closed at `at`, `lost` or `won` by the seller."""
        if invoice.charge is None:
            raise ValueError(f"invoice {invoice.id} has no charge to dispute")
        obj = {
            "id": self._id("dp"),
            "object": "dispute",
            "amount": invoice.total - invoice.credit,
            "charge": invoice.charge,
            "created": at - 5 * HOUR,
            "currency": invoice.currency,
            "is_charge_refundable": False,
            "livemode": True,
            "metadata": {},
            "payment_intent": invoice.payment_intent,
            "reason": "fraudulent",
            "status": status,
        }
        self._publish("charge.dispute.closed", obj, at)

    # ------------------------------------------------------------------ what a caller takes away

    def ordered_events(self) -> list[dict[str, Any]]:
        """The envelopes by `created`; same-second envelopes keep the order they were written in."""
        return sorted(self.events, key=lambda event: int(event["created"]))

    def snapshots(self) -> list[dict[str, Any]]:
        """The last state of every object, as a list endpoint would return it."""
        return [copy.deepcopy(obj) for obj in self._rendered.values()]
