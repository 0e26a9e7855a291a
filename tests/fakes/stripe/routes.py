"""Which call goes where."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.fakes.stripe import (
    cards,
    catalog,
    checkout,
    customers,
    invoices,
    payments,
    subscription_calls,
)
from tests.fakes.stripe.errors import ApiError
from tests.fakes.stripe.forms import Params, known
from tests.fakes.stripe.lists import LISTS, PAGING
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode

Handler = Callable[..., Object]


def _invoice(act: Callable[[Mode, Object], Object]) -> Handler:
    def handle(mode: Mode, id_: str, params: Params) -> Object:
        known(params)
        return act(mode, mode.get("invoice", id_))

    return handle


def _lines(mode: Mode, id_: str, params: Params) -> Object:
    found: Object = mode.get("invoice", id_)["lines"]
    return found


def _methods_of(mode: Mode, id_: str, params: Params) -> Object:
    mode.get("customer", id_)
    return LISTS["payment_methods"].page(mode, f"/v1/customers/{id_}/payment_methods", {**params, "customer": id_})


def _events(mode: Mode, params: Params) -> Object:
    known(params, *PAGING, "type", "types", "delivery_success")
    return mode.log.page(params, mode.now)


def _event(mode: Mode, id_: str, params: Params) -> Object:
    return mode.log.retrieve(id_, mode.now)


def _account(mode: Mode, params: Params) -> Object:
    return {
        "id": mode.world.account_id,
        "object": "account",
        "business_profile": {"name": "Fake", "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "billing@example.com",
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "Fake", "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def _close_dispute(mode: Mode, id_: str, params: Params) -> Object:
    return payments.decide(mode, id_, "lost")


CALLS: list[tuple[str, str, Handler]] = [
    ("POST", "customers", customers.create),
    ("POST", "customers/ID", customers.update),
    ("DELETE", "customers/ID", lambda mode, id_, params: customers.delete(mode, id_)),
    ("GET", "customers/ID", lambda mode, id_, params: customers.retrieve(mode, id_)),
    ("GET", "customers/ID/payment_methods", _methods_of),
    ("POST", "products", catalog.create_product),
    ("POST", "products/ID", catalog.update_product),
    ("DELETE", "products/ID", lambda mode, id_, params: catalog.delete_product(mode, id_)),
    ("POST", "prices", catalog.create_price),
    ("POST", "prices/ID", catalog.update_price),
    ("POST", "coupons", catalog.create_coupon),
    ("DELETE", "coupons/ID", lambda mode, id_, params: catalog.delete_coupon(mode, id_)),
    ("POST", "subscriptions", subscription_calls.create),
    ("POST", "subscriptions/ID", subscription_calls.update),
    ("DELETE", "subscriptions/ID", subscription_calls.cancel),
    ("POST", "subscriptions/ID/pause", subscription_calls.pause),
    ("POST", "subscriptions/ID/resume", subscription_calls.resume),
    ("POST", "invoices", invoices.create),
    ("POST", "invoices/ID", invoices.update),
    ("DELETE", "invoices/ID", lambda mode, id_, params: invoices.delete(mode, id_)),
    ("POST", "invoices/ID/finalize", invoices.finalize_by_api),
    ("POST", "invoices/ID/pay", invoices.pay),
    ("POST", "invoices/ID/void", _invoice(invoices.void)),
    ("POST", "invoices/ID/mark_uncollectible", _invoice(invoices.mark_uncollectible)),
    ("GET", "invoices/ID/lines", _lines),
    ("POST", "invoiceitems", invoices.create_item),
    ("POST", "payment_methods", cards.create),
    ("POST", "payment_methods/ID/attach", cards.attach),
    ("POST", "payment_methods/ID/detach", cards.detach),
    ("POST", "setup_intents", cards.create_setup),
    ("POST", "setup_intents/ID/confirm", cards.confirm_setup),
    ("POST", "setup_intents/ID/cancel", cards.cancel_setup),
    ("POST", "refunds", payments.refund),
    ("POST", "disputes/ID/close", _close_dispute),
    ("POST", "checkout/sessions", checkout.create),
    ("POST", "checkout/sessions/ID/expire", checkout.expire),
    ("GET", "events", _events),
    ("GET", "events/ID", _event),
    ("GET", "account", _account),
]
_COMPILED = [
    (method, re.compile("/v1/" + path.replace("ID", "([A-Za-z0-9_.-]+)") + "$"), handler)
    for method, path, handler in CALLS
]
_RETRIEVE = re.compile(r"/v1/((?:checkout/)?[a-z_]+)/([A-Za-z0-9_.-]+)$")


def resource(path: str) -> str:
    """The resource that a restricted key needs a permission for."""
    rest = path.removeprefix("/v1/")
    return "checkout/sessions" if rest.startswith("checkout/sessions") else rest.split("/")[0]


def answer(mode: Mode, method: str, path: str, params: Params) -> Object:
    """Carry out one call; 404 for a path that the fake (or Stripe) does not have."""
    for verb, pattern, handler in _COMPILED:
        found = pattern.match(path)
        if found and verb == method:
            return handler(mode, *found.groups(), params)
    name = path.removeprefix("/v1/")
    if method == "GET" and name in LISTS:
        return LISTS[name].page(mode, path, params)
    one = _RETRIEVE.match(path)
    if method == "GET" and one and one[1] in LISTS:
        known(params)
        found_one: Any = mode.get(LISTS[one[1]].kind, one[2])
        return dict(found_one)
    raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")
