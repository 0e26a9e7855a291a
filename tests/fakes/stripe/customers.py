"""Customers: made, changed, deleted; their default payment method and credit balance."""

from __future__ import annotations

from tests.fakes.stripe import cards, subscriptions
from tests.fakes.stripe.forms import Params, known, merged, needed, text, whole
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode

TEXTS = ("email", "name", "phone", "description")


def create(mode: Mode, params: Params) -> Object:
    """POST /v1/customers."""
    known(params, *TEXTS, "metadata", "payment_method", "invoice_settings", "balance", "id", "coupon")
    customer = mode.make(
        "customer",
        "cus",
        {
            "address": None,
            "balance": whole(params, "balance", 0),
            "currency": None,
            "customer_account": None,
            "default_source": None,
            "delinquent": False,
            "description": text(params, "description"),
            "discount": None,
            "email": text(params, "email"),
            "invoice_prefix": mode.ids.new("pre")[4:12].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "metadata": merged({}, params),
            "name": text(params, "name"),
            "next_invoice_sequence": 1,
            "phone": text(params, "phone"),
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        },
        text(params, "id"),
    )
    mode.emit("customer.created", customer)
    if params.get("payment_method"):
        cards.attach(mode, params["payment_method"], {"customer": customer["id"]})
    with mode.change(customer, "customer.updated"):
        _default_card(mode, customer, params)
    return customer


def update(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/customers/:id."""
    customer = mode.get("customer", id_)
    if customer.get("_deleted"):
        raise subscriptions.gone("customer", id_)
    known(params, *TEXTS, "metadata", "invoice_settings", "balance")
    with mode.change(customer, "customer.updated"):
        for name in TEXTS:
            if name in params:
                customer[name] = text(params, name)
        customer["metadata"] = merged(customer["metadata"], params)
        customer["balance"] = whole(params, "balance", customer["balance"])
        _default_card(mode, customer, params)
    return customer


def _default_card(mode: Mode, customer: Object, params: Params) -> None:
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" not in settings:
        return
    id_ = settings["default_payment_method"] or None
    if id_ is not None:
        needed(settings, "default_payment_method")
        if mode.get("payment_method", id_, "invoice_settings[default_payment_method]")["customer"] != customer["id"]:
            raise subscriptions.foreign_card(id_)
    customer["invoice_settings"]["default_payment_method"] = id_


def delete(mode: Mode, id_: str) -> Object:
    """DELETE /v1/customers/:id: its subscriptions end at once; the customer stays as a stub."""
    customer = mode.get("customer", id_)
    if customer.get("_deleted"):
        raise subscriptions.gone("customer", id_)
    for sub in mode.store.of("subscription"):
        if sub["customer"] == id_ and sub["ended_at"] is None:
            subscriptions.end(mode, sub, requested=True)
    for method in mode.store.of("payment_method"):
        if method["customer"] == id_:
            method["customer"] = None
    mode.emit("customer.deleted", customer)
    customer["_deleted"] = True
    if not mode.settings.customers_stay_cursors:
        mode.store.remove(customer)
        mode.deleted[id_] = customer
    return stub(customer)


def stub(customer: Object) -> Object:
    """What is left of a deleted customer."""
    return {"id": customer["id"], "object": "customer", "deleted": True}


def retrieve(mode: Mode, id_: str) -> Object:
    """GET /v1/customers/:id."""
    customer = mode.deleted.get(id_) or mode.get("customer", id_)
    return stub(customer) if customer.get("_deleted") else customer
