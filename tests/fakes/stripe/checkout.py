"""Checkout sessions: opened by API, completed by a person (the test), or expired by the clock."""

from __future__ import annotations

from tests.fakes.stripe import cards, catalog, customers, subscription_calls
from tests.fakes.stripe.clock import DAY
from tests.fakes.stripe.errors import ApiError, invalid
from tests.fakes.stripe.forms import Params, known, merged, needed, text, whole
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode


def create(mode: Mode, params: Params) -> Object:
    """POST /v1/checkout/sessions with `mode=subscription`."""
    known(
        params,
        "mode",
        "line_items",
        "customer",
        "customer_email",
        "client_reference_id",
        "success_url",
        "cancel_url",
        "metadata",
        "subscription_data",
        "payment_method_collection",
    )
    if needed(params, "mode") != "subscription":
        raise invalid("mode", "This fake knows subscription sessions alone.")
    prices = [(mode.get("price", item["price"], "line_items"), item) for item in needed(params, "line_items")]
    total = sum(catalog.cost(price, whole(item, "quantity", 1) or 0) for price, item in prices)
    free = bool((params.get("subscription_data") or {}).get("trial_period_days"))
    prefix = "cs_live" if mode.livemode else "cs_test"
    session = mode.make(
        "checkout.session",
        prefix,
        {
            "adaptive_pricing": None,
            "after_expiration": None,
            "allow_promotion_codes": None,
            "amount_subtotal": 0 if free else total,
            "amount_total": 0 if free else total,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "billing_address_collection": None,
            "cancel_url": text(params, "cancel_url"),
            "client_reference_id": text(params, "client_reference_id"),
            "client_secret": None,
            "collected_information": None,
            "consent": None,
            "consent_collection": None,
            "currency": prices[0][0]["currency"],
            "currency_conversion": None,
            "custom_fields": [],
            "custom_text": {},
            "customer": text(params, "customer"),
            "customer_account": None,
            "customer_creation": None if params.get("customer") else "always",
            "customer_details": None,
            "customer_email": text(params, "customer_email"),
            "discounts": [],
            "expires_at": mode.now + DAY,
            "integration_identifier": None,
            "invoice": None,
            "invoice_creation": None,
            "locale": None,
            "metadata": merged({}, params),
            "mode": "subscription",
            "origin_context": None,
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": text(params, "payment_method_collection") or "always",
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "payment_status": "unpaid",
            "permissions": None,
            "phone_number_collection": {"enabled": False},
            "recovered_from": None,
            "saved_payment_method_options": None,
            "setup_intent": None,
            "shipping_address_collection": None,
            "shipping_cost": None,
            "shipping_options": [],
            "status": "open",
            "submit_type": None,
            "subscription": None,
            "success_url": text(params, "success_url"),
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted",
            "url": "https://checkout.stripe.com/c/pay/fake",
            "wallet_options": None,
            "_items": [{"price": price["id"], "quantity": item.get("quantity", "1")} for price, item in prices],
            "_subscription_data": params.get("subscription_data") or {},
        },
    )
    mode.world.clock.at(session["expires_at"], lambda: _expire(mode, session))
    return session


def complete(mode: Mode, id_: str, card: str | None = "pm_card_visa", email: str | None = None) -> Object:
    """The visitor submits the form: customer, card, subscription, then `checkout.session.completed`.

    Raises ApiError 402 when the card refuses the first payment: the session stays open.
    """
    session = mode.get("checkout.session", id_)
    if session["status"] != "open":
        raise ApiError(400, f"This session is {session['status']}.")
    if card is None and session["payment_method_collection"] == "always":
        raise ApiError(400, "This session collects a payment method.")
    address = email or session["customer_email"]
    if session["customer"] is None:
        session["customer"] = customers.create(mode, {"email": address} if address else {})["id"]
    asked = dict(session["_subscription_data"])
    if card is not None:
        method = cards.attach(mode, card, {"customer": session["customer"]})
        asked["default_payment_method"] = method["id"]
    sub = subscription_calls.create(
        mode,
        {
            **asked,
            "customer": session["customer"],
            "items": session["_items"],
            "payment_behavior": "error_if_incomplete",
        },
    )
    session["subscription"], session["invoice"] = sub["id"], sub["latest_invoice"]
    session["status"], session["url"] = "complete", None
    session["payment_status"] = "paid" if sub["status"] == "active" else "no_payment_required"
    session["customer_details"] = {
        "address": None,
        "business_name": None,
        "email": address,
        "individual_name": None,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    mode.emit("checkout.session.completed", session)
    return session


def _expire(mode: Mode, session: Object) -> None:
    if session["status"] == "open":
        session["status"], session["url"] = "expired", None
        mode.emit("checkout.session.expired", session)


def expire(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/checkout/sessions/:id/expire."""
    known(params)
    session = mode.get("checkout.session", id_)
    if session["status"] != "open":
        raise ApiError(400, 'Only Checkout Sessions with a status in ["open"] can be expired.')
    _expire(mode, session)
    return session
