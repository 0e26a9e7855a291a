"""The state of Stripe objects, and how Stripe writes them in its current shape and in that of 2020.

Instants are whole seconds since 1970 (UTC), amounts are minor units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

API_VERSIONS = {"endive": "2026-10-28.endive", "2020": "2020-08-27"}


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


class Renderer:
    """Writes objects in one shape, `endive` or `2020`."""

    def __init__(self, shape: str) -> None:
        if shape not in API_VERSIONS:
            raise ValueError(f"unknown shape {shape!r}, expected one of {sorted(API_VERSIONS)}")
        self.shape = shape

    @property
    def api_version(self) -> str:
        """The API version whose shape this is."""
        return API_VERSIONS[self.shape]

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

    def subscription(self, sub: Subscription) -> dict[str, Any]:
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

    def invoice(self, invoice: Invoice) -> dict[str, Any]:
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

    def charge(self, invoice: Invoice) -> dict[str, Any]:
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
