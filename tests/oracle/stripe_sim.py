"""A miniature Stripe: keeps subscriptions and invoices and writes the event envelopes and objects Stripe would send.

Instants are whole seconds since 1970 (UTC), amounts are minor units. Two shapes are written: `endive` (the current one:
period on the item, `invoice.parent`, `line.pricing`) and `2020` (period on the subscription, `invoice.subscription`,
`line.type`). The simulator decides nothing about trials; a caller says what happens and when.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DAY = 86_400
HOUR = 3_600
MONTH = 30 * DAY

API_VERSIONS = {"endive": "2026-10-28.endive", "2020": "2020-08-27"}


def seconds(text: str) -> int:
    """Seconds since 1970 of an ISO date or instant read as UTC, like `2026-01-15` or `2026-01-15T01:00:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@dataclass
class Subscription:
    """The state of one subscription, independent of the shape it is rendered in."""

    id: str
    customer: str
    created: int
    price_minor: int
    currency: str
    price_id: str
    product_id: str
    interval: str
    status: str
    period_start: int
    period_end: int
    trial_start: int | None = None
    trial_end: int | None = None
    cancel_at_period_end: bool = False
    cancel_at: int | None = None
    canceled_at: int | None = None
    ended_at: int | None = None
    cancel_reason: str | None = None
    default_payment_method: str | None = None
    missing_payment_method: str = "create_invoice"
    collection_method: str = "charge_automatically"
    paused_at: int | None = None
    coupon: dict[str, Any] | None = None
    latest_invoice: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class Line:
    """One invoice line: a subscription's service period, or a one-off invoice item (a set-up fee, an add-on)."""

    amount: int
    start: int
    end: int
    is_item: bool = False
    description: str = "1 x Plan"


@dataclass
class Invoice:
    """The state of one invoice; `credit` is the part of `total` met from the customer's credit balance."""

    id: str
    customer: str
    subscription: str | None
    created: int
    currency: str
    lines: list[Line]
    discount: int = 0
    status: str = "draft"
    billing_reason: str = "subscription_cycle"
    collection_method: str = "charge_automatically"
    attempt_count: int = 0
    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    uncollectible_at: int | None = None
    credit: int = 0
    out_of_band: bool = False
    payment_intent: str | None = None
    charge: str | None = None
    price_id: str = ""
    product_id: str = ""
    refunded: int = 0

    @property
    def subtotal(self) -> int:
        """Sum of the lines before the discount."""
        return sum(line.amount for line in self.lines)

    @property
    def total(self) -> int:
        """What the invoice asks for: after the discount, before the credit balance."""
        return self.subtotal - self.discount


class StripeSim:
    """Writes Stripe payloads in one shape; `name` keeps the ids of two simulators apart."""

    def __init__(self, shape: str = "endive", name: str = "sim") -> None:
        if shape not in API_VERSIONS:
            raise ValueError(f"unknown shape {shape!r}, expected one of {sorted(API_VERSIONS)}")
        self.shape = shape
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
            "api_version": API_VERSIONS[self.shape],
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
        self._publish("customer.subscription.created", self.render_subscription(sub), at)
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
        self._publish(f"customer.subscription.{event}", self.render_subscription(sub), at)

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
        self._publish("invoice.created", self.render_invoice(invoice), at)
        if finalize_at is None or finalize_at >= 0:
            self.finalize(invoice, at if finalize_at is None else finalize_at)
        return invoice

    def finalize(self, invoice: Invoice, at: int) -> None:
        """Draft to open."""
        invoice.status = "open"
        invoice.finalized_at = at
        self._publish("invoice.finalized", self.render_invoice(invoice), at)

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
            self._publish("charge.succeeded", self.render_charge(invoice), at)
        self._publish("invoice.paid", self.render_invoice(invoice), at)
        if not out_of_band:
            self._publish("invoice.payment_succeeded", self.render_invoice(invoice), at)

    def fail(self, invoice: Invoice, at: int) -> None:
        """A payment attempt fails; the invoice stays open."""
        invoice.attempt_count += 1
        self._publish("invoice.payment_failed", self.render_invoice(invoice), at)

    def void(self, invoice: Invoice, at: int) -> None:
        """The invoice is voided."""
        invoice.status = "void"
        invoice.voided_at = at
        self._publish("invoice.voided", self.render_invoice(invoice), at)

    def uncollectible(self, invoice: Invoice, at: int) -> None:
        """The invoice is written off."""
        invoice.status = "uncollectible"
        invoice.uncollectible_at = at
        self._publish("invoice.marked_uncollectible", self.render_invoice(invoice), at)

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
        self._publish("charge.refunded", self.render_charge(invoice), at)

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

    # ------------------------------------------------------------------ rendering

    def _price(self, price_id: str, product_id: str, amount: int, currency: str, interval: str) -> dict[str, Any]:
        return {
            "id": price_id,
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "created": 1_600_000_000,
            "currency": currency,
            "livemode": True,
            "metadata": {},
            "product": product_id,
            "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"},
            "type": "recurring",
            "unit_amount": amount,
            "unit_amount_decimal": str(amount),
        }

    def _plan(self, price_id: str, product_id: str, amount: int, currency: str, interval: str) -> dict[str, Any]:
        return {
            "id": price_id,
            "object": "plan",
            "active": True,
            "amount": amount,
            "amount_decimal": str(amount),
            "billing_scheme": "per_unit",
            "created": 1_600_000_000,
            "currency": currency,
            "interval": interval,
            "interval_count": 1,
            "livemode": True,
            "metadata": {},
            "product": product_id,
            "trial_period_days": None,
            "usage_type": "licensed",
        }

    def _discount(self, sub: Subscription) -> dict[str, Any]:
        base: dict[str, Any] = {
            "id": "di_" + sub.id.removeprefix("sub_"),
            "object": "discount",
            "customer": sub.customer,
            "end": None,
            "start": sub.created,
            "subscription": sub.id,
        }
        if self.shape == "2020":
            return base | {"coupon": sub.coupon}
        return base | {"source": {"type": "coupon", "coupon": sub.coupon}}

    def render_subscription(self, sub: Subscription) -> dict[str, Any]:
        """The subscription object as Stripe writes it in this shape."""
        args = (sub.price_id, sub.product_id, sub.price_minor, sub.currency, sub.interval)
        item: dict[str, Any] = {
            "id": "si_" + sub.id.removeprefix("sub_"),
            "object": "subscription_item",
            "created": sub.created,
            "metadata": {},
            "price": self._price(*args),
            "plan": self._plan(*args),
            "quantity": 1,
            "subscription": sub.id,
            "tax_rates": [],
        }
        obj: dict[str, Any] = {
            "id": sub.id,
            "object": "subscription",
            "billing_cycle_anchor": sub.period_end if sub.status == "trialing" else sub.period_start,
            "cancel_at": sub.cancel_at,
            "cancel_at_period_end": sub.cancel_at_period_end,
            "canceled_at": sub.canceled_at,
            "collection_method": sub.collection_method,
            "created": sub.created,
            "customer": sub.customer,
            "days_until_due": 7 if sub.collection_method == "send_invoice" else None,
            "default_payment_method": sub.default_payment_method,
            "default_source": None,
            "ended_at": sub.ended_at,
            "items": {
                "object": "list",
                "data": [item],
                "has_more": False,
                "total_count": 1,
                "url": f"/v1/subscription_items?subscription={sub.id}",
            },
            "latest_invoice": sub.latest_invoice,
            "livemode": True,
            "metadata": dict(sub.metadata),
            "pause_collection": None,
            "start_date": sub.created,
            "status": sub.status,
            "trial_end": sub.trial_end,
            "trial_start": sub.trial_start,
        }
        if self.shape == "2020":
            obj["current_period_start"] = sub.period_start
            obj["current_period_end"] = sub.period_end
            obj["plan"] = self._plan(*args)
            obj["quantity"] = 1
            obj["discount"] = None if sub.coupon is None else self._discount(sub)
            return obj
        item["current_period_start"] = sub.period_start
        item["current_period_end"] = sub.period_end
        item["discounts"] = []
        item["current_trial"] = (
            None
            if sub.trial_start is None or sub.status != "trialing"
            else {"start_date": sub.trial_start, "end_date": sub.trial_end, "trial_offer": None}
        )
        obj["currency"] = sub.currency
        obj["discounts"] = [] if sub.coupon is None else [self._discount(sub)]
        obj["cancellation_details"] = {"comment": None, "feedback": None, "reason": sub.cancel_reason}
        obj["trial_settings"] = {"end_behavior": {"missing_payment_method": sub.missing_payment_method}}
        obj["status_details"] = (
            None
            if sub.paused_at is None
            else {
                "paused": {
                    "subscription": {"type": "trial_end_without_payment_method"},
                    "transitioned_at": sub.paused_at,
                    "type": "subscription",
                }
            }
        )
        return obj

    def _line(self, invoice: Invoice, number: int, line: Line) -> dict[str, Any]:
        obj: dict[str, Any] = {
            "id": f"il_{invoice.id.removeprefix('in_')}{number}",
            "object": "line_item",
            "amount": line.amount,
            "currency": invoice.currency,
            "description": line.description,
            "discount_amounts": [],
            "discountable": True,
            "discounts": [],
            "livemode": True,
            "metadata": {},
            "period": {"start": line.start, "end": line.end},
            "quantity": 1,
        }
        item = None if invoice.subscription is None else "si_" + invoice.subscription.removeprefix("sub_")
        if self.shape == "2020":
            args = (invoice.price_id, invoice.product_id, line.amount, invoice.currency, "month")
            obj["plan"] = None if line.is_item else self._plan(*args)
            obj["price"] = self._price(*args)
            obj["proration"] = False
            obj["subscription"] = invoice.subscription
            obj["type"] = "invoiceitem" if line.is_item else "subscription"
            if line.is_item:
                obj["invoice_item"] = f"ii_{invoice.id.removeprefix('in_')}{number}"
            else:
                obj["subscription_item"] = item
            return obj
        obj["invoice"] = invoice.id
        obj["pricing"] = {
            "price_details": {"price": invoice.price_id, "product": invoice.product_id},
            "type": "price_details",
            "unit_amount_decimal": str(line.amount),
        }
        obj["subtotal"] = line.amount
        obj["taxes"] = []
        obj["parent"] = (
            {
                "invoice_item_details": {
                    "invoice_item": f"ii_{invoice.id.removeprefix('in_')}{number}",
                    "proration": False,
                    "proration_details": {"credited_items": None},
                    "subscription": invoice.subscription,
                },
                "subscription_item_details": None,
                "type": "invoice_item_details",
            }
            if line.is_item
            else {
                "invoice_item_details": None,
                "subscription_item_details": {
                    "invoice_item": None,
                    "proration": False,
                    "proration_details": {"credited_items": None},
                    "subscription": invoice.subscription,
                    "subscription_item": item,
                },
                "type": "subscription_item_details",
            }
        )
        return obj

    def render_invoice(self, invoice: Invoice) -> dict[str, Any]:
        """The invoice object as Stripe writes it in this shape."""
        due = invoice.total - invoice.credit
        is_paid = invoice.status == "paid"
        lines = [self._line(invoice, number, line) for number, line in enumerate(invoice.lines)]
        obj: dict[str, Any] = {
            "id": invoice.id,
            "object": "invoice",
            "amount_due": due,
            "amount_paid": due if is_paid else 0,
            "amount_remaining": 0 if is_paid else due,
            "attempt_count": invoice.attempt_count,
            "attempted": invoice.attempt_count > 0 or is_paid,
            "auto_advance": invoice.status in ("draft", "open"),
            "billing_reason": invoice.billing_reason,
            "collection_method": invoice.collection_method,
            "created": invoice.created,
            "currency": invoice.currency,
            "customer": invoice.customer,
            "default_payment_method": None,
            "ending_balance": 0 if invoice.status != "draft" else None,
            "lines": {
                "object": "list",
                "data": lines,
                "has_more": False,
                "total_count": len(lines),
                "url": f"/v1/invoices/{invoice.id}/lines",
            },
            "livemode": True,
            "metadata": {},
            "next_payment_attempt": None,
            "period_end": invoice.created,
            "period_start": invoice.created,
            "starting_balance": -invoice.credit,
            "status": invoice.status,
            "status_transitions": {
                "finalized_at": invoice.finalized_at,
                "marked_uncollectible_at": invoice.uncollectible_at,
                "paid_at": invoice.paid_at,
                "voided_at": invoice.voided_at,
            },
            "subtotal": invoice.subtotal,
            "total": invoice.total,
            "total_discount_amounts": [{"amount": invoice.discount, "discount": "di_x"}] if invoice.discount else [],
        }
        if self.shape == "2020":
            obj["charge"] = invoice.charge
            obj["discount"] = None
            obj["paid"] = is_paid
            obj["paid_out_of_band"] = invoice.out_of_band
            obj["payment_intent"] = invoice.payment_intent
            obj["subscription"] = invoice.subscription
            obj["tax"] = None
            obj["total_tax_amounts"] = []
            return obj
        obj["amount_overpaid"] = 0
        obj["amount_paid_off_stripe"] = due if invoice.out_of_band else 0
        obj["parent"] = {
            "quote_details": None,
            "subscription_details": {"metadata": {}, "subscription": invoice.subscription},
            "type": "subscription_details",
        }
        obj["discounts"] = []
        obj["total_taxes"] = []
        obj["payments"] = {"object": "list", "data": self._payments(invoice, due), "has_more": False}
        return obj

    def _payments(self, invoice: Invoice, due: int) -> list[dict[str, Any]]:
        if invoice.payment_intent is None and not invoice.out_of_band:
            return []
        payment: dict[str, Any] = (
            {"type": "payment_record", "payment_record": "prec_" + invoice.id.removeprefix("in_")}
            if invoice.out_of_band
            else {"type": "payment_intent", "payment_intent": invoice.payment_intent}
        )
        return [
            {
                "id": "inpay_" + invoice.id.removeprefix("in_"),
                "object": "invoice_payment",
                "amount_paid": due,
                "amount_requested": due,
                "created": invoice.finalized_at,
                "currency": invoice.currency,
                "invoice": invoice.id,
                "is_default": True,
                "livemode": True,
                "payment": payment,
                "status": "paid",
                "status_transitions": {"canceled_at": None, "paid_at": invoice.paid_at},
            }
        ]

    def render_charge(self, invoice: Invoice) -> dict[str, Any]:
        """The charge that paid an invoice, with what was given back so far."""
        amount = invoice.total - invoice.credit
        obj: dict[str, Any] = {
            "id": invoice.charge,
            "object": "charge",
            "amount": amount,
            "amount_captured": amount,
            "amount_refunded": invoice.refunded,
            "captured": True,
            "created": invoice.paid_at,
            "currency": invoice.currency,
            "customer": invoice.customer,
            "disputed": False,
            "livemode": True,
            "metadata": {},
            "paid": True,
            "payment_intent": invoice.payment_intent,
            "refunded": invoice.refunded >= amount,
            "status": "succeeded",
        }
        if self.shape == "2020":
            obj["invoice"] = invoice.id
        return obj

    # ------------------------------------------------------------------ what a caller takes away

    def ordered_events(self) -> list[dict[str, Any]]:
        """The envelopes by `created`; same-second envelopes keep the order they were written in."""
        return sorted(self.events, key=lambda event: int(event["created"]))

    def snapshots(self) -> list[dict[str, Any]]:
        """The last state of every object, as a list endpoint would return it."""
        return [copy.deepcopy(obj) for obj in self._rendered.values()]
