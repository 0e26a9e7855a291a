"""Older shapes: each change of the API undone, newest first, until the asked version is reached.

Objects are kept in the shape of CURRENT. A rule belongs to the first version that HAS the new shape.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

CURRENT = "2026-10-28.endive"
Object = dict[str, Any]
Lookup = Callable[[str], Object | None]
Rule = Callable[[Object, Lookup], None]


def render(thing: Object, version: str, lookup: Lookup) -> Object:
    """An object as `version` shows it."""
    shown = copy.deepcopy(thing)
    for since, rules in RULES:
        if version < since:
            _apply(shown, rules, lookup)
    public: Object = _public(shown)
    return public


def _public(value: Any) -> Any:
    """Without the fake's own notes, whose names begin with an underscore."""
    if isinstance(value, dict):
        return {key: _public(inner) for key, inner in value.items() if not key.startswith("_")}
    return [_public(inner) for inner in value] if isinstance(value, list) else value


def envelope(event: Object, version: str) -> Object:
    """The event's own fields in an old version."""
    shown = dict(event)
    if version < "2017-05-25":
        shown["request"] = event["request"]["id"]
    return shown


def _apply(thing: Any, rules: dict[str, Rule], lookup: Lookup) -> None:
    if isinstance(thing, dict):
        rule = rules.get(thing.get("object", ""))
        if rule:
            rule(thing, lookup)
        for inner in list(thing.values()):
            _apply(inner, rules, lookup)
    elif isinstance(thing, list):
        for inner in thing:
            _apply(inner, rules, lookup)


def _endive_subscription(sub: Object, _: Lookup) -> None:
    sub.pop("status_details", None)
    sub["trial_settings"]["end_behavior"].pop("billing_cycle_anchor", None)


def _endive_item(item: Object, _: Lookup) -> None:
    item.pop("current_trial", None)


def _endive_invoice(invoice: Object, _: Lookup) -> None:
    invoice.pop("amount_paid_off_stripe", None)


def _clover_discount(discount: Object, lookup: Lookup) -> None:
    source = discount.pop("source", None)
    if source:
        discount["coupon"] = copy.deepcopy(discount.get("_coupon") or lookup(source["coupon"]))


def _basil_subscription(sub: Object, lookup: Lookup) -> None:
    items = sub["items"]["data"]
    periods = [(item.pop("current_period_start"), item.pop("current_period_end")) for item in items]
    sub["current_period_start"], sub["current_period_end"] = periods[0] if periods else (None, None)
    sub.pop("billing_mode", None)
    sub["plan"] = copy.deepcopy(items[0]["plan"]) if len(items) == 1 else None
    sub["quantity"] = items[0]["quantity"] if len(items) == 1 else None
    sub["discount"] = _first_discount(sub, lookup)


def _basil_invoice(invoice: Object, lookup: Lookup) -> None:
    details = (invoice.pop("parent", None) or {}).get("subscription_details") or {}
    invoice["subscription"] = details.get("subscription")
    invoice["subscription_details"] = {"metadata": details.get("metadata")}
    invoice["paid"] = invoice["status"] == "paid"
    invoice["paid_out_of_band"] = invoice.get("_out_of_band", False)
    invoice["payment_intent"], invoice["charge"] = invoice.get("_intent"), invoice.get("_charge")
    invoice["tax"] = None
    invoice["total_tax_amounts"] = invoice.pop("total_taxes", [])
    invoice["discount"] = _first_discount(invoice, lookup)
    invoice["application_fee_amount"] = None
    invoice["transfer_data"] = None
    invoice["quote"] = None
    invoice.pop("amount_overpaid", None)
    invoice.pop("payments", None)


def _basil_line(line: Object, lookup: Lookup) -> None:
    parent, pricing = line.pop("parent"), line.pop("pricing")
    detail = parent.get(parent["type"]) or {}
    price = lookup((pricing or {}).get("price_details", {}).get("price", ""))
    line["type"] = "subscription" if parent["type"] == "subscription_item_details" else "invoiceitem"
    line["proration"] = bool(detail.get("proration"))
    line["proration_details"] = {"credited_items": None}
    line["subscription"] = detail.get("subscription")
    if detail.get("subscription_item"):
        line["subscription_item"] = detail["subscription_item"]
    if detail.get("invoice_item"):
        line["invoice_item"] = detail["invoice_item"]
    line["price"] = copy.deepcopy(price)
    line["plan"] = plan_of(price) if price and price["recurring"] else None
    line["tax_amounts"], line["tax_rates"] = line.pop("taxes", []), []
    line["unit_amount_excluding_tax"] = (pricing or {}).get("unit_amount_decimal")
    line["amount_excluding_tax"] = line["amount"]
    line.pop("subtotal", None)


def _basil_payment(payment: Object, _: Lookup) -> None:
    payment["invoice"] = payment.get("_invoice")


def _first_discount(thing: Object, lookup: Lookup) -> Object | None:
    for found in thing.get("discounts") or []:
        discount = copy.deepcopy(found if isinstance(found, dict) else lookup(found))
        if discount is not None:
            if "source" in discount:
                _clover_discount(discount, lookup)
            return discount
    return None


def _2022_charge(charge: Object, lookup: Lookup) -> None:
    refunds = [copy.deepcopy(refund) for refund in charge.pop("_refunds", [])]
    url = f"/v1/charges/{charge['id']}/refunds"
    charge["refunds"] = {"object": "list", "data": refunds, "has_more": False, "total_count": len(refunds), "url": url}


def _2020_subscription(sub: Object, _: Lookup) -> None:
    for absent in ("discounts", "trial_settings", "cancellation_details", "billing_cycle_anchor_config", "currency"):
        sub.pop(absent, None)


def _2020_invoice(invoice: Object, _: Lookup) -> None:
    for absent in ("automatically_finalizes_at", "effective_at", "from_invoice", "issuer", "rendering", "parent"):
        invoice.pop(absent, None)


def _2019_subscription(sub: Object, _: Lookup) -> None:
    sub["start"] = sub.pop("start_date")
    sub["billing"] = sub.pop("collection_method")
    for item in sub["items"]["data"]:
        item.pop("price", None)


def _2019_invoice(invoice: Object, _: Lookup) -> None:
    invoice["billing"] = invoice.pop("collection_method")
    for line in invoice["lines"]["data"]:
        line.pop("price", None)


def _2018_invoice(invoice: Object, _: Lookup) -> None:
    invoice["date"] = invoice.pop("created")
    invoice["finalized_at"] = invoice.pop("status_transitions")["finalized_at"]


def plan_of(price: Object) -> Object:
    """The plan that a recurring price also is."""
    recurring = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": recurring.get("usage_type"),
    }


RULES: list[tuple[str, dict[str, Rule]]] = [
    (
        "2026-10-28.endive",
        {"subscription": _endive_subscription, "subscription_item": _endive_item, "invoice": _endive_invoice},
    ),
    ("2025-09-30.clover", {"discount": _clover_discount}),
    (
        "2025-03-31.basil",
        {
            "subscription": _basil_subscription,
            "invoice": _basil_invoice,
            "line_item": _basil_line,
            "charge": _basil_payment,
            "payment_intent": _basil_payment,
        },
    ),
    ("2022-11-15", {"charge": _2022_charge}),
    ("2020-08-28", {"subscription": _2020_subscription, "invoice": _2020_invoice}),
    ("2019-10-17", {"subscription": _2019_subscription, "invoice": _2019_invoice}),
    ("2019-03-14", {"invoice": _2018_invoice}),
]
