"""The API's calls on subscriptions: create, update, cancel, pause, resume."""

from __future__ import annotations

from typing import Any

from tests.fakes.stripe import cards, catalog, invoices, subscriptions
from tests.fakes.stripe.clock import DAY
from tests.fakes.stripe.errors import ApiError, declined, invalid
from tests.fakes.stripe.forms import Params, flag, known, merged, needed, text, whole
from tests.fakes.stripe.invoice_lines import proration_lines, take_pending
from tests.fakes.stripe.store import Object, sheet
from tests.fakes.stripe.subscriptions import UPDATED
from tests.fakes.stripe.versions import CURRENT, plan_of, render
from tests.fakes.stripe.world import Mode

SHARED = (
    "items",
    "trial_end",
    "trial_settings",
    "payment_behavior",
    "default_payment_method",
    "collection_method",
    "days_until_due",
    "cancel_at_period_end",
    "cancel_at",
    "metadata",
    "description",
    "discounts",
    "proration_behavior",
    "off_session",
    "payment_settings",
)


def create(mode: Mode, params: Params) -> Object:
    """POST /v1/subscriptions."""
    known(params, *SHARED, "customer", "trial_period_days", "currency")
    customer = mode.get("customer", needed(params, "customer"), "customer")
    prices = [_price(mode, item) for item in needed(params, "items")]
    trial_end = _trial_end(mode, params)
    method = text(params, "collection_method") or "charge_automatically"
    if method == "send_invoice" and not params.get("days_until_due"):
        raise invalid("days_until_due", "You must pass `days_until_due` when `collection_method` is `send_invoice`.")
    if params.get("payment_behavior") == "error_if_incomplete" and not trial_end:
        card = cards.usable(mode, customer["id"], text(params, "default_payment_method"))
        code = mode.cards.get(card or "", "no_payment_method")
        if code not in ("", "dispute"):
            raise declined(code, None, card)
    sub = mode.make("subscription", "sub", _fields(mode, params, customer, prices[0], trial_end, method))
    sub["items"] = sheet([], False, f"/v1/subscription_items?subscription={sub['id']}")
    sub["items"]["data"] = [
        _item(mode, sub, price, whole(item, "quantity", 1) or 0, merged({}, item))
        for price, item in zip(prices, params["items"], strict=True)
    ]
    for discount in params.get("discounts") or []:
        sub["discounts"].append(catalog.redeem(mode, needed(discount, "coupon"), customer["id"], sub["id"]))
    _own_card(mode, sub, params)
    if trial_end:
        subscriptions.set_period(sub, mode.now, trial_end)
    else:
        subscriptions.new_period(mode, sub, mode.now)
    _cancellation(mode, sub, params)
    _first_invoice(mode, sub, params)
    subscriptions.schedule(mode, sub)
    mode.world.clock.settle()
    return sub


def _trial_end(mode: Mode, params: Params) -> int | None:
    given, days = params.get("trial_end"), whole(params, "trial_period_days", 0)
    if given and days:
        raise ApiError(400, "You can only pass one of `trial_end` and `trial_period_days`.", param="trial_period_days")
    if given == "now" or (not given and not days):
        return None
    end = int(given) if given else mode.now + (days or 0) * DAY
    if end <= mode.now:
        raise invalid("trial_end", "Invalid timestamp: must be an integer Unix timestamp in the future.")
    if end > mode.now + 730 * DAY:
        raise invalid("trial_end", "Trial end cannot be more than 730 days in the future.")
    return end


def _fields(
    mode: Mode, params: Params, customer: Object, price: Object, trial_end: int | None, method: str
) -> dict[str, Any]:
    return {
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or mode.now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": method,
        "currency": price["currency"],
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": whole(params, "days_until_due"),
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": text(params, "description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "items": {},
        "latest_invoice": None,
        "managed_payments": None,
        "metadata": merged({}, params),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": (params.get("payment_settings") or {}).get(
                "save_default_payment_method", "off"
            ),
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": mode.now,
        "status": "trialing" if trial_end else "incomplete",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": _missing(params)}},
        "trial_start": mode.now if trial_end else None,
    }


def _missing(params: Params, default: str = "create_invoice") -> str:
    behaviour = ((params.get("trial_settings") or {}).get("end_behavior") or {}).get("missing_payment_method", default)
    if behaviour not in ("cancel", "pause", "create_invoice"):
        raise invalid("trial_settings[end_behavior][missing_payment_method]", f"Invalid value: {behaviour}")
    return str(behaviour)


def _price(mode: Mode, item: Params) -> Object:
    price = mode.get("price", needed(item, "price"), "items[0][price]")
    if price["recurring"] is None:
        raise invalid("items[0][price]", "The price specified is set to `type=one_time`, not `type=recurring`.")
    return price


def _item(mode: Mode, sub: Object, price: Object, quantity: int, metadata: dict[str, str]) -> Object:
    return {
        "id": mode.ids.new("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": mode.now,
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": metadata,
        "plan": plan_of(price),
        "price": render(price, CURRENT, mode.store.find),
        "quantity": quantity,
        "subscription": sub["id"],
        "tax_rates": [],
    }


def _own_card(mode: Mode, sub: Object, params: Params) -> None:
    id_ = text(params, "default_payment_method")
    if id_ is None:
        return
    if mode.get("payment_method", id_, "default_payment_method")["customer"] != sub["customer"]:
        raise subscriptions.foreign_card(id_)
    sub["default_payment_method"] = id_


def _first_invoice(mode: Mode, sub: Object, params: Params) -> None:
    """Bill the start: $0 for a trial; without one the first payment decides the status."""
    behaviour = text(params, "payment_behavior") or "allow_incomplete"
    if sub["status"] != "trialing" and sub["collection_method"] == "send_invoice":
        sub["status"] = "active"
    bare = subscriptions.payment_method(mode, sub) is None
    if sub["status"] == "trialing" and behaviour == "default_incomplete" and bare:
        sub["pending_setup_intent"] = cards.create_setup(mode, {"customer": sub["customer"]})["id"]
    sends = sub["collection_method"] == "send_invoice" and sub["status"] != "trialing"
    start = (mode.now, mode.now)
    before = sub["status"]
    invoice = subscriptions.bill(mode, sub, "subscription_create", start, at_once=not sends)
    mode.emit("customer.subscription.created", sub)
    if sends:
        return
    if before == "trialing":
        invoices.finalize(mode, invoice)
        return
    invoices.finalize(mode, invoice)
    if behaviour != "default_incomplete":
        invoices.collect(mode, invoice)
    if sub["status"] == "incomplete":
        mode.world.clock.at(mode.now + subscriptions.EXPIRES, lambda: subscriptions.first_payment_overdue(mode, sub))


def update(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/subscriptions/:id."""
    known(params, *SHARED, "pause_collection", "cancellation_details")
    sub = mode.get("subscription", id_)
    if sub["ended_at"] is not None:
        raise ApiError(400, "A canceled subscription can only update its cancellation_details and metadata.")
    now = params.get("trial_end") == "now" and sub["status"] == "trialing"
    waiting: list[Object] = []
    with mode.change(sub, UPDATED):
        _plain(mode, sub, params)
        if params.get("items"):
            waiting = _change_items(mode, sub, params)
        if params.get("trial_end") and not now:
            _move_trial(mode, sub, params)
        _cancellation(mode, sub, params)
    if now:
        subscriptions.trial_ends(mode, sub, at_once=True)
    elif waiting:
        mode.pending_lines.setdefault(sub["customer"], []).extend(waiting)
        if params.get("proration_behavior") == "always_invoice":
            _invoice_prorations(mode, sub)
    subscriptions.schedule(mode, sub)
    mode.world.clock.settle()
    return sub


def _plain(mode: Mode, sub: Object, params: Params) -> None:
    sub["metadata"] = merged(sub["metadata"], params)
    sub["description"] = text(params, "description") or sub["description"]
    sub["collection_method"] = text(params, "collection_method") or sub["collection_method"]
    sub["days_until_due"] = whole(params, "days_until_due", sub["days_until_due"])
    _own_card(mode, sub, params)
    if "trial_settings" in params:
        sub["trial_settings"]["end_behavior"]["missing_payment_method"] = _missing(params)
    if "pause_collection" in params:
        given = params["pause_collection"]
        held = given and {"behavior": needed(given, "behavior"), "resumes_at": whole(given, "resumes_at")}
        sub["pause_collection"] = held or None
    for discount in params.get("discounts") or []:
        sub["discounts"].append(catalog.redeem(mode, needed(discount, "coupon"), sub["customer"], sub["id"]))
    for name in ("comment", "feedback"):
        if name in (params.get("cancellation_details") or {}):
            sub["cancellation_details"][name] = params["cancellation_details"][name] or None


def _cancellation(mode: Mode, sub: Object, params: Params) -> None:
    if "cancel_at_period_end" in params:
        wanted = flag(params, "cancel_at_period_end")
        if wanted and not sub["cancel_at_period_end"]:
            sub["canceled_at"] = mode.now
            sub["cancellation_details"]["reason"] = "cancellation_requested"
        elif not wanted:
            sub["canceled_at"], sub["cancellation_details"]["reason"] = None, None
        sub["cancel_at_period_end"] = wanted
        sub["cancel_at"] = subscriptions.period_end(sub) if wanted else None
    elif params.get("cancel_at"):
        sub["cancel_at"], sub["canceled_at"] = int(params["cancel_at"]), mode.now
        sub["cancellation_details"]["reason"] = "cancellation_requested"
    elif params.get("cancel_at") == "":
        sub["cancel_at"] = sub["canceled_at"] = None


def _move_trial(mode: Mode, sub: Object, params: Params) -> None:
    """A trial is longer or shorter, or an active subscription gets one (again), with its $0 invoice."""
    end = _trial_end(mode, {"trial_end": params["trial_end"]})
    if end is None:
        return
    if sub["status"] == "trialing":
        sub["trial_end"] = sub["billing_cycle_anchor"] = end
        subscriptions.set_period(sub, sub["items"]["data"][0]["current_period_start"], end)
    elif sub["status"] in ("active", "past_due", "unpaid"):
        sub["status"], sub["trial_start"], sub["trial_end"] = "trialing", mode.now, end
        sub["billing_cycle_anchor"] = end
        subscriptions.set_period(sub, mode.now, end)
        invoice = subscriptions.bill(mode, sub, "subscription_update", (mode.now, mode.now), at_once=True)
        invoices.finalize(mode, invoice)
    else:
        raise ApiError(400, f"The trial of a subscription that is {sub['status']} cannot be changed; resume it first.")
    if sub["cancel_at_period_end"]:
        sub["cancel_at"] = end


def _change_items(mode: Mode, sub: Object, params: Params) -> list[Object]:
    """Items replaced, added, deleted; returns the lines that prorate it."""
    data, lines = sub["items"]["data"], []
    prorated = params.get("proration_behavior") != "none" and sub["status"] in ("active", "past_due")
    period = (data[0]["current_period_start"], data[0]["current_period_end"])
    for change in params["items"]:
        item = next((item for item in data if item["id"] == change.get("id")), None)
        if change.get("id") and item is None:
            raise ApiError(400, f"No such subscription item: '{change['id']}'", code="resource_missing", param="items")
        before = (dict(item["price"]), int(item["quantity"])) if item else None
        if item and flag(change, "deleted"):
            item["quantity"] = 0
            data.remove(item)
        elif item:
            if change.get("price"):
                price = _price(mode, change)
                item["price"], item["plan"] = render(price, CURRENT, mode.store.find), plan_of(price)
            item["quantity"] = whole(change, "quantity", item["quantity"])
        else:
            item = _item(mode, sub, _price(mode, change), whole(change, "quantity", 1) or 0, merged({}, change))
            item["current_period_start"], item["current_period_end"] = period
            data.append(item)
        if prorated:
            lines += proration_lines(mode, sub, item, before)
    return lines


def _invoice_prorations(mode: Mode, sub: Object) -> None:
    lines = take_pending(mode, sub["customer"], sub["id"])
    with mode.change(sub, UPDATED):
        invoice = invoices.draft(
            mode,
            customer=sub["customer"],
            currency=sub["currency"],
            lines=lines,
            reason="subscription_update",
            subscription=sub,
            automatic=False,
        )
        sub["latest_invoice"] = invoice["id"]
    subscriptions.charge_now(mode, invoice)


def cancel(mode: Mode, id_: str, params: Params) -> Object:
    """DELETE /v1/subscriptions/:id: ended at once."""
    known(params, "cancellation_details", "invoice_now", "prorate")
    sub = mode.get("subscription", id_)
    if sub["ended_at"] is not None:
        raise subscriptions.gone("subscription", id_)
    details = params.get("cancellation_details") or {}
    for name in ("comment", "feedback"):
        sub["cancellation_details"][name] = details.get(name, sub["cancellation_details"][name])
    subscriptions.end(mode, sub, requested=True)
    return sub


def pause(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/subscriptions/:id/pause."""
    known(params, "type")
    sub = mode.get("subscription", id_)
    if sub["status"] not in ("active", "trialing"):
        raise ApiError(400, f"A subscription that is {sub['status']} cannot be paused.")
    subscriptions.pause(mode, sub, "pause_requested")
    return sub


def resume(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/subscriptions/:id/resume: a new cycle from now, billed at once.

    By default it is active (or past due) whatever the payment says; with `resume_on_payment_success` it waits.
    """
    known(params, "billing_cycle_anchor", "proration_behavior", "payment_behavior")
    sub = mode.get("subscription", id_)
    if sub["status"] != "paused":
        raise ApiError(400, f"The subscription is {sub['status']}; only a paused one can be resumed.")
    waits = params.get("payment_behavior") == "resume_on_payment_success"
    sub["billing_cycle_anchor"] = mode.now
    types = [UPDATED] if waits else [UPDATED, "customer.subscription.resumed"]
    before = (sub["items"]["data"][0]["current_period_start"], mode.now)
    with mode.change(sub, *types):
        subscriptions.new_period(mode, sub, mode.now)
        if not waits:
            sub["status"], sub["status_details"] = "active", None
        invoice = subscriptions.bill(mode, sub, "subscription_update", before, at_once=True)
        if waits:
            sub["_resuming"] = invoice["id"]
    subscriptions.charge_now(mode, invoice)
    subscriptions.schedule(mode, sub)
    return sub
