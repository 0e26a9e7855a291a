"""The lists of the API: which objects, which filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.stripe.errors import invalid
from tests.fakes.stripe.forms import Params, flag, known
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode

PAGING = ("limit", "starting_after", "ending_before", "created")
Keep = Callable[[Object, Params], bool]


@dataclass(frozen=True)
class Listed:
    """One list: the kind of object, its filters beside the paging ones, and what is hidden by default."""

    kind: str
    filters: tuple[str, ...] = ()
    keep: Keep = lambda thing, params: True

    def page(self, mode: Mode, url: str, params: Params) -> Object:
        """GET the list."""
        known(params, *PAGING, *self.filters)
        return mode.store.page(self.kind, url, params, lambda thing: self._wanted(thing, params))

    def _wanted(self, thing: Object, params: Params) -> bool:
        for name in self.filters:
            given = params.get(name)
            if given in (None, "") or name in SPECIAL:
                continue
            if name == "active":
                if thing["active"] != flag(params, "active"):
                    return False
            elif thing.get(name) != given:
                return False
        return self.keep(thing, params)


SPECIAL = {"status", "subscription", "price", "ids", "payment"}
ENDED = ("canceled", "incomplete_expired")
STATUSES = ("active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "trialing", "paused")


def _subscription(thing: Object, params: Params) -> bool:
    status, price = params.get("status"), params.get("price")
    if status not in (None, "", "all", "ended", *STATUSES):
        raise invalid("status", f"Invalid status: must be one of {', '.join(STATUSES)}, all or ended")
    if price and all(item["price"]["id"] != price for item in thing["items"]["data"]):
        return False
    if status in (None, ""):
        return bool(thing["status"] != "canceled")
    if status == "all":
        return True
    return thing["status"] in ENDED if status == "ended" else bool(thing["status"] == status)


def _invoice(thing: Object, params: Params) -> bool:
    if params.get("status") and thing["status"] != params["status"]:
        return False
    details = (thing["parent"] or {}).get("subscription_details") or {}
    return not params.get("subscription") or details.get("subscription") == params["subscription"]


def _session(thing: Object, params: Params) -> bool:
    if params.get("status") and thing["status"] != params["status"]:
        return False
    return not params.get("subscription") or thing["subscription"] == params["subscription"]


def _payment(thing: Object, params: Params) -> bool:
    if params.get("status") and thing["status"] != params["status"]:
        return False
    wanted = (params.get("payment") or {}).get("payment_intent")
    return not wanted or thing["payment"]["payment_intent"] == wanted


def _living(thing: Object, params: Params) -> bool:
    return not thing.get("_deleted")


LISTS: dict[str, Listed] = {
    "customers": Listed("customer", ("email",), _living),
    "products": Listed("product", ("active", "ids"), lambda t, p: not p.get("ids") or t["id"] in p["ids"]),
    "prices": Listed("price", ("active", "product", "currency", "type")),
    "coupons": Listed("coupon"),
    "subscriptions": Listed("subscription", ("customer", "status", "price", "collection_method"), _subscription),
    "invoices": Listed("invoice", ("customer", "status", "subscription", "collection_method"), _invoice),
    "invoiceitems": Listed("invoiceitem", ("customer", "invoice")),
    "invoice_payments": Listed("invoice_payment", ("invoice", "status", "payment"), _payment),
    "payment_methods": Listed("payment_method", ("customer", "type")),
    "payment_intents": Listed("payment_intent", ("customer",)),
    "setup_intents": Listed("setup_intent", ("customer", "payment_method")),
    "charges": Listed("charge", ("customer", "payment_intent")),
    "refunds": Listed("refund", ("charge", "payment_intent")),
    "disputes": Listed("dispute", ("charge", "payment_intent")),
    "checkout/sessions": Listed("checkout.session", ("customer", "status", "subscription", "payment_intent"), _session),
}
