"""Products, prices and coupons."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.fakes.stripe.errors import ApiError, invalid
from tests.fakes.stripe.forms import Params, flag, known, merged, needed, text, whole
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.versions import plan_of
from tests.fakes.stripe.world import Mode


def create_product(mode: Mode, params: Params) -> Object:
    """POST /v1/products."""
    known(params, "name", "id", "active", "description", "metadata", "unit_label")
    product = mode.make(
        "product",
        "prod",
        {
            "active": flag(params, "active", True),
            "default_price": None,
            "description": text(params, "description"),
            "images": [],
            "marketing_features": [],
            "metadata": merged({}, params),
            "name": needed(params, "name"),
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service",
            "unit_label": text(params, "unit_label"),
            "updated": mode.now,
            "url": None,
        },
        text(params, "id"),
    )
    mode.emit("product.created", product)
    return product


def update_product(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/products/:id."""
    known(params, "name", "active", "description", "metadata")
    product = mode.get("product", id_)
    with mode.change(product, "product.updated"):
        product["name"] = text(params, "name") or product["name"]
        product["description"] = text(params, "description") or product["description"]
        product["active"] = flag(params, "active", product["active"])
        product["metadata"] = merged(product["metadata"], params)
        product["updated"] = mode.now
    return product


def delete_product(mode: Mode, id_: str) -> Object:
    """DELETE /v1/products/:id; refused while it has prices."""
    product = mode.get("product", id_)
    if any(price["product"] == id_ for price in mode.store.of("price")):
        raise ApiError(400, "This product cannot be deleted because it has one or more user-created prices.")
    mode.store.remove(product)
    mode.emit("product.deleted", product)
    return {"id": id_, "object": "product", "deleted": True}


def create_price(mode: Mode, params: Params) -> Object:
    """POST /v1/prices: per unit (whole or fractional) or tiered."""
    known(
        params,
        "product",
        "currency",
        "unit_amount",
        "unit_amount_decimal",
        "recurring",
        "billing_scheme",
        "tiers",
        "tiers_mode",
        "nickname",
        "lookup_key",
        "metadata",
        "active",
    )
    recurring = params.get("recurring")
    amount, decimal = _amount(params)
    price = mode.make(
        "price",
        "price",
        {
            "active": flag(params, "active", True),
            "billing_scheme": text(params, "billing_scheme") or "per_unit",
            "currency": needed(params, "currency").lower(),
            "custom_unit_amount": None,
            "lookup_key": text(params, "lookup_key"),
            "metadata": merged({}, params),
            "nickname": text(params, "nickname"),
            "product": mode.get("product", needed(params, "product"), "product")["id"],
            "recurring": {
                "interval": needed(recurring, "interval"),
                "interval_count": whole(recurring, "interval_count", 1),
                "meter": None,
                "trial_period_days": None,
                "usage_type": "licensed",
            }
            if recurring
            else None,
            "tax_behavior": "unspecified",
            "tiers_mode": text(params, "tiers_mode"),
            "transform_quantity": None,
            "type": "recurring" if recurring else "one_time",
            "unit_amount": amount,
            "unit_amount_decimal": decimal,
            "_tiers": [_tier(tier) for tier in params.get("tiers") or []] or None,
        },
    )
    mode.emit("price.created", price)
    if recurring:
        mode.emit("plan.created", plan_of(price))
    return price


def _amount(params: Params) -> tuple[int | None, str | None]:
    if params.get("billing_scheme") == "tiered":
        if not params.get("tiers"):
            raise invalid("tiers", "You must specify tiers when billing_scheme=tiered.")
        return None, None
    if params.get("unit_amount_decimal"):
        decimal = Decimal(params["unit_amount_decimal"])
        return (int(decimal) if decimal == decimal.to_integral_value() else None), str(decimal)
    amount = whole(params, "unit_amount")
    if amount is None:
        raise invalid("unit_amount", "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.")
    return amount, str(amount)


def _tier(tier: Params) -> Object:
    unit, flat = whole(tier, "unit_amount"), whole(tier, "flat_amount")
    return {
        "flat_amount": flat,
        "flat_amount_decimal": None if flat is None else str(flat),
        "unit_amount": unit,
        "unit_amount_decimal": None if unit is None else str(unit),
        "up_to": None if tier["up_to"] == "inf" else int(tier["up_to"]),
    }


def update_price(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/prices/:id; amounts never change."""
    known(params, "active", "nickname", "metadata", "lookup_key")
    price = mode.get("price", id_)
    with mode.change(price, "price.updated"):
        price["active"] = flag(params, "active", price["active"])
        price["nickname"] = text(params, "nickname") or price["nickname"]
        price["metadata"] = merged(price["metadata"], params)
    return price


def cost(price: Object, quantity: int) -> int:
    """What a quantity of a price costs, in the currency's minor unit, rounded half up."""
    if price["billing_scheme"] == "per_unit":
        return _minor(Decimal(price["unit_amount_decimal"]) * quantity)
    total, below = Decimal(0), 0
    for tier in price["_tiers"]:
        top = tier["up_to"] if tier["up_to"] is not None else max(quantity, below)
        inside = quantity if price["tiers_mode"] == "volume" else min(quantity, top) - below
        fits = quantity <= top if price["tiers_mode"] == "volume" else inside > 0
        if fits:
            total += (tier["flat_amount"] or 0) + Decimal(tier["unit_amount"] or 0) * inside
        if quantity <= top:
            break
        below = top
    return _minor(total)


def _minor(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def create_coupon(mode: Mode, params: Params) -> Object:
    """POST /v1/coupons."""
    known(params, "id", "percent_off", "amount_off", "currency", "duration", "duration_in_months", "name", "metadata")
    percent: Any = params.get("percent_off")
    coupon = mode.make(
        "coupon",
        "co",
        {
            "amount_off": whole(params, "amount_off"),
            "currency": text(params, "currency"),
            "duration": text(params, "duration") or "once",
            "duration_in_months": whole(params, "duration_in_months"),
            "max_redemptions": None,
            "metadata": merged({}, params),
            "name": text(params, "name"),
            "percent_off": float(percent) if percent else None,
            "redeem_by": None,
            "times_redeemed": 0,
            "valid": True,
        },
        text(params, "id") or mode.ids.new("co")[3:11],
    )
    mode.emit("coupon.created", coupon)
    return coupon


def delete_coupon(mode: Mode, id_: str) -> Object:
    """DELETE /v1/coupons/:id: running discounts stay."""
    coupon = mode.get("coupon", id_)
    mode.store.remove(coupon)
    mode.emit("coupon.deleted", coupon)
    return {"id": id_, "object": "coupon", "deleted": True}


def redeem(mode: Mode, coupon_id: str, customer: str, subscription: str | None) -> str:
    """A discount from a coupon; returns its id."""
    coupon = mode.get("coupon", coupon_id, "coupon")
    coupon["times_redeemed"] += 1
    months = coupon["duration_in_months"] if coupon["duration"] == "repeating" else None
    discount = {
        "id": mode.ids.new("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": mode.now + months * 31 * 86400 if months else None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon_id, "type": "coupon"},
        "start": mode.now,
        "subscription": subscription,
        "subscription_item": None,
    }
    mode.store.add({"_coupon": dict(coupon), **discount})
    mode.emit("customer.discount.created", discount)
    return str(discount["id"])


def reduction(mode: Mode, discount: Object, amount: int) -> int:
    """What a discount takes off an amount."""
    coupon = discount["_coupon"]
    if coupon["percent_off"] is not None:
        return _minor(Decimal(amount) * Decimal(str(coupon["percent_off"])) / 100)
    return min(int(coupon["amount_off"]), amount)
