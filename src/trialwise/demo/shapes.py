"""Stripe's catalogue, customers and cards as the API renders them in version 2026-10-28.endive, every key present.

Amounts are in the currency's minor unit, instants in Unix seconds. These functions only render; others hold the state.
"""

from __future__ import annotations

from typing import Any

from trialwise.demo.product import Price

Json = dict[str, Any]
"""A JSON object: values are whatever JSON holds, so no narrower type is true."""


def price_object(price: Price, livemode: bool, created: int) -> Json:
    """A recurring licensed price."""
    return {
        "id": price.id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": price.currency,
        "custom_unit_amount": None,
        "livemode": livemode,
        "lookup_key": price.key,
        "metadata": {},
        "nickname": None,
        "product": price.product,
        "recurring": {
            "interval": price.interval,
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": price.amount,
        "unit_amount_decimal": str(price.amount),
    }


def plan_object(price: Price, livemode: bool, created: int) -> Json:
    """The same price as the legacy `plan` object that items still carry."""
    return {
        "id": price.id,
        "object": "plan",
        "active": True,
        "amount": price.amount,
        "amount_decimal": str(price.amount),
        "billing_scheme": "per_unit",
        "created": created,
        "currency": price.currency,
        "interval": price.interval,
        "interval_count": 1,
        "livemode": livemode,
        "metadata": {},
        "meter": None,
        "nickname": None,
        "product": price.product,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def product_object(price: Price, created: int) -> Json:
    """The product of a price."""
    return {
        "id": price.product,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": True,
        "marketing_features": [],
        "metadata": {},
        "name": price.product_name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": created,
        "url": None,
    }


def coupon_object(coupon: str, percent_off: float, duration: str, months: int | None, created: int) -> Json:
    """A percentage coupon."""
    return {
        "id": coupon,
        "object": "coupon",
        "amount_off": None,
        "created": created,
        "currency": None,
        "duration": duration,
        "duration_in_months": months,
        "livemode": True,
        "max_redemptions": None,
        "metadata": {},
        "name": coupon,
        "percent_off": percent_off,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def discount_object(discount: str, coupon: str, customer: str, subscription: str, start: int) -> Json:
    """A discount; since clover it names its coupon in `source`."""
    return {
        "id": discount,
        "object": "discount",
        "checkout_session": None,
        "customer": customer,
        "customer_account": None,
        "end": None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon, "type": "coupon"},
        "start": start,
        "subscription": subscription,
        "subscription_item": None,
    }


def customer_object(
    customer: str,
    created: int,
    email: str | None,
    name: str | None,
    metadata: Json,
    *,
    livemode: bool,
    balance: int,
    default_pm: str | None,
) -> Json:
    """A customer; `balance` below zero is credit in its favour."""
    return {
        "id": customer,
        "object": "customer",
        "address": None,
        "balance": balance,
        "created": created,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": email,
        "invoice_prefix": customer[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": default_pm,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": livemode,
        "metadata": metadata,
        "name": name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def payment_method_object(method: str, created: int, customer: str | None, email: str | None, livemode: bool) -> Json:
    """A card."""
    address = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
    return {
        "id": method,
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": {"address": address, "email": email, "name": None, "phone": None, "tax_id": None},
        "card": {
            "brand": "visa",
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "display_brand": "visa",
            "exp_month": 8,
            "exp_year": 2029,
            "fingerprint": method[-16:],
            "funding": "credit",
            "generated_from": None,
            "last4": "4242",
            "networks": {"available": ["visa"], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": created,
        "customer": customer,
        "customer_account": None,
        "livemode": livemode,
        "metadata": {},
        "type": "card",
    }


def setup_intent_object(intent: str, created: int, customer: str, method: str, livemode: bool) -> Json:
    """A setup intent that has succeeded."""
    return {
        "id": intent,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": None,
        "created": created,
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": f"setatt_{intent[5:]}",
        "livemode": livemode,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": method,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "succeeded",
        "usage": "off_session",
    }
