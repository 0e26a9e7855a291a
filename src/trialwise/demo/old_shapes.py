"""The way back: current Stripe objects as API version 2024-06-20 rendered them."""

from __future__ import annotations

from trialwise.demo.product import PRICES
from trialwise.demo.shapes import Json, plan_object, price_object

_PRICE_BY_ID = {price.id: price for price in PRICES.values()}


def to_old_shape(current: Json) -> Json:
    """The same object in version 2024-06-20: periods on the subscription, `invoice.subscription`, `line.price`.

    Objects whose shape did not change in a way a reader meets come back as they are. The argument is not changed.
    """
    kind = current["object"]
    if kind == "subscription":
        return _old_subscription(dict(current))
    if kind == "invoice":
        return _old_invoice(dict(current))
    return current


def _old_subscription(old: Json) -> Json:
    items = [dict(item) for item in old["items"]["data"]]
    old["current_period_start"], old["current_period_end"] = (
        items[0]["current_period_start"],
        items[0]["current_period_end"],
    )
    for item in items:
        for key in ("billed_until", "current_period_start", "current_period_end", "current_trial"):
            del item[key]
    old["items"] = {**old["items"], "data": items}
    old["plan"], old["quantity"] = items[0]["plan"], items[0]["quantity"]
    old["discount"] = None
    for key in (
        "billing_mode",
        "billing_schedules",
        "customer_account",
        "managed_payments",
        "presentment_details",
        "status_details",
    ):
        del old[key]
    return old


def _old_invoice(old: Json) -> Json:
    subscription = old.pop("parent")["subscription_details"]["subscription"]
    old["subscription"] = subscription
    old["subscription_details"] = {"metadata": {}}
    old["paid"] = old["status"] == "paid"
    old["paid_out_of_band"] = old.pop("amount_paid_off_stripe") > 0
    old["charge"] = old["payment_intent"] = old["discount"] = old["tax"] = None
    old["total_tax_amounts"] = old.pop("total_taxes")
    lines = []
    for line in old["lines"]["data"]:
        line = dict(line)
        price = line.pop("pricing")["price_details"]["price"]
        parent = line.pop("parent")
        known = _PRICE_BY_ID.get(price)
        line["price"] = price_object(known, old["livemode"], old["created"]) if known else None
        line["plan"] = plan_object(known, old["livemode"], old["created"]) if known else None
        line["proration"] = False
        line["type"] = "subscription" if parent["type"] == "subscription_item_details" else "invoiceitem"
        line["subscription"] = subscription
        line["tax_amounts"] = line.pop("taxes")
        lines.append(line)
    old["lines"] = {**old["lines"], "data": lines}
    for key in ("amount_overpaid", "confirmation_secret", "customer_account", "status_details"):
        del old[key]
    return old
