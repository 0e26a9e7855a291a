"""The object lists that are read, in this order: what others refer to comes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """One object type and its list.

    name        the type as objects say it in `object`
    title       several of them, for people
    path        the list; an object lies below it under its id
    params      what the list is asked with besides limit and cursor
    is_bounded  `--since` leaves out the older ones; not for what newer objects refer to
    can_vanish  an object can be deleted, and is then no longer listed
    is_watched  an object that only an event told of is looked for, too, when the list does not show it
    inner       list inside the object -> path of its pages ({id} is the object's); followed when it says has_more
    """

    name: str
    title: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    is_bounded: bool = False
    can_vanish: bool = False
    is_watched: bool = False
    inner: Mapping[str, str] = field(default_factory=dict)


EVENTS = Kind("event", "events", "/v1/events")
KINDS: tuple[Kind, ...] = (
    Kind("customer", "customers", "/v1/customers", can_vanish=True, is_watched=True),
    Kind("product", "products", "/v1/products", can_vanish=True, is_watched=True),
    Kind("price", "prices", "/v1/prices", can_vanish=True, is_watched=True),
    Kind("coupon", "coupons", "/v1/coupons", can_vanish=True, is_watched=True),
    Kind(
        "subscription",
        "subscriptions",
        "/v1/subscriptions",
        params={"status": "all"},  # without it the canceled ones are left out
        is_bounded=True,
        inner={"items": "/v1/subscription_items?subscription={id}"},
    ),
    Kind(
        "invoice",
        "invoices",
        "/v1/invoices",
        is_bounded=True,
        can_vanish=True,  # drafts
        is_watched=True,
        inner={"lines": "/v1/invoices/{id}/lines"},
    ),
    Kind("invoice_payment", "invoice payments", "/v1/invoice_payments", is_bounded=True),
    Kind("charge", "charges", "/v1/charges", is_bounded=True),
    Kind("refund", "refunds", "/v1/refunds", is_bounded=True),
    Kind("dispute", "disputes", "/v1/disputes", is_bounded=True),
    Kind("payment_method", "payment methods", "/v1/payment_methods", can_vanish=True),  # detached ones
    Kind("setup_intent", "setup intents", "/v1/setup_intents", is_bounded=True),
    Kind("checkout.session", "checkout sessions", "/v1/checkout/sessions", is_bounded=True),
)
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
