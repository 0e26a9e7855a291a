"""Payment methods, how their cards behave, and setup intents."""

from __future__ import annotations

from typing import Any

from tests.fakes.stripe.errors import ApiError, declined, invalid, missing
from tests.fakes.stripe.forms import Params, flag, known, merged, needed, text
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode

TOKENS = {
    "pm_card_visa": "",
    "pm_card_mastercard": "",
    "pm_card_chargeCustomerFail": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_createDispute": "dispute",
    "tok_visa": "",
    "tok_chargeCustomerFail": "generic_decline",
}
"""Test tokens and what a later charge answers: nothing for success, else the decline code."""
REFUSED = {"pm_card_visa_chargeDeclined": "generic_decline", "pm_card_chargeDeclined": "generic_decline"}
"""Test tokens whose card is refused as soon as it is attached."""


def create(mode: Mode, params: Params) -> Object:
    """POST /v1/payment_methods with `card[token]` or a test card's number."""
    known(params, "type", "card", "metadata", "billing_details")
    if needed(params, "type") != "card":
        raise invalid("type", "This fake knows cards alone.")
    card = params.get("card") or {}
    behaviour = TOKENS.get(card.get("token", "tok_visa"))
    if card.get("number") == "4000000000000341":
        behaviour = "generic_decline"
    if behaviour is None:
        raise missing("token", card["token"], "card[token]")
    return _make(mode, behaviour, params)


def _make(mode: Mode, behaviour: str, params: Params) -> Object:
    method = mode.make(
        "payment_method",
        "pm",
        {
            "allow_redisplay": "unspecified",
            "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
            "card": {
                "brand": "visa",
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": "US",
                "display_brand": "visa",
                "exp_month": 8,
                "exp_year": 2034,
                "fingerprint": mode.ids.new("fp")[3:19],
                "funding": "credit",
                "generated_from": None,
                "last4": "0341" if behaviour else "4242",
                "networks": {"available": ["visa"], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "customer": None,
            "customer_account": None,
            "metadata": merged({}, params),
            "type": "card",
        },
    )
    mode.cards[method["id"]] = behaviour
    return method


def real(mode: Mode, id_: Any, param: str = "payment_method") -> Object:
    """The payment method behind an id; a test token becomes a new one, as at Stripe."""
    if id_ in REFUSED:
        raise declined(REFUSED[id_], None, None)
    if id_ in TOKENS:
        return _make(mode, TOKENS[id_], {})
    return mode.get("payment_method", id_, param)


def attach(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/payment_methods/:id/attach."""
    known(params, "customer")
    customer = mode.get("customer", needed(params, "customer"), "customer")
    method = real(mode, id_, "id")
    if method["customer"] not in (None, customer["id"]):
        raise ApiError(400, "The payment method you provided has already been attached to a customer.")
    if method["customer"] is None:
        method["customer"] = customer["id"]
        mode.emit("payment_method.attached", method)
    return method


def detach(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/payment_methods/:id/detach: it is nobody's default any more."""
    known(params)
    method = mode.get("payment_method", id_)
    if method["customer"] is None:
        raise ApiError(
            400, "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    customer = mode.get("customer", method["customer"])
    with mode.change(method, "payment_method.detached"):
        method["customer"] = None
    if customer["invoice_settings"]["default_payment_method"] == id_:
        with mode.change(customer, "customer.updated"):
            customer["invoice_settings"]["default_payment_method"] = None
    for sub in mode.store.of("subscription"):
        if sub["default_payment_method"] == id_:
            with mode.change(sub, "customer.subscription.updated"):
                sub["default_payment_method"] = None
    return method


def usable(mode: Mode, customer_id: str, *preferred: str | None) -> str | None:
    """The payment method that an automatic charge takes: the given ones first, then the customer's default."""
    customer = mode.get("customer", customer_id)
    for id_ in (*preferred, customer["invoice_settings"]["default_payment_method"], customer["default_source"]):
        if id_ is not None:
            return id_
    return None


def decline(mode: Mode, id_: str, code: str = "generic_decline") -> None:
    """From now on the card is refused with this code; `` makes it good again."""
    mode.get("payment_method", id_)
    mode.cards[id_] = code


# ---- setup intents


def create_setup(mode: Mode, params: Params) -> Object:
    """POST /v1/setup_intents."""
    known(params, "customer", "payment_method", "confirm", "usage", "payment_method_types", "metadata", "description")
    if params.get("customer"):
        mode.get("customer", params["customer"], "customer")
    method = real(mode, params["payment_method"]) if params.get("payment_method") else None
    intent = mode.make(
        "setup_intent",
        "seti",
        {
            "application": None,
            "automatic_payment_methods": None,
            "cancellation_reason": None,
            "client_secret": None,
            "customer": text(params, "customer"),
            "customer_account": None,
            "description": text(params, "description"),
            "excluded_payment_method_types": None,
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "mandate": None,
            "metadata": merged({}, params),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": method["id"] if method else None,
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "single_use_mandate": None,
            "status": "requires_confirmation" if method else "requires_payment_method",
            "usage": text(params, "usage") or "off_session",
        },
    )
    mode.emit("setup_intent.created", intent)
    return confirm_setup(mode, intent["id"], {}) if flag(params, "confirm") else intent


def confirm_setup(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/setup_intents/:id/confirm: the method is attached to the customer."""
    known(params, "payment_method")
    intent = mode.get("setup_intent", id_)
    if intent["status"] in ("succeeded", "canceled"):
        raise ApiError(400, f"This SetupIntent is {intent['status']}.", code="setup_intent_unexpected_state")
    intent["latest_attempt"] = mode.ids.new("setatt")
    try:
        method = real(mode, params.get("payment_method") or intent["payment_method"])
    except ApiError as error:
        if error.status != 402:
            raise
        intent["status"], intent["last_setup_error"] = "requires_payment_method", error.error
        mode.emit("setup_intent.setup_failed", intent)
        raise
    intent["payment_method"], intent["status"] = method["id"], "succeeded"
    if intent["customer"] and method["customer"] is None:
        attach(mode, method["id"], {"customer": intent["customer"]})
    mode.emit("setup_intent.succeeded", intent)
    for sub in mode.store.of("subscription"):
        if sub["pending_setup_intent"] == id_:
            with mode.change(sub, "customer.subscription.updated"):
                sub["pending_setup_intent"], sub["default_payment_method"] = None, method["id"]
    return intent


def cancel_setup(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/setup_intents/:id/cancel."""
    known(params, "cancellation_reason")
    intent = mode.get("setup_intent", id_)
    if intent["status"] in ("succeeded", "canceled"):
        raise ApiError(400, f"This SetupIntent is {intent['status']}.", code="setup_intent_unexpected_state")
    intent["status"], intent["cancellation_reason"] = "canceled", text(params, "cancellation_reason")
    mode.emit("setup_intent.canceled", intent)
    return intent
