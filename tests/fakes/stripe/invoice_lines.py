"""Lines of invoices: trial, period, proration, manual."""

from __future__ import annotations

from tests.fakes.stripe import catalog
from tests.fakes.stripe.forms import Params, merged, needed, text
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode


def period_lines(mode: Mode, sub: Object, *, free: bool) -> list[Object]:
    """One line an item for its current period; `free` is the trial's $0 line."""
    lines = []
    for item in sub["items"]["data"]:
        price = mode.get("price", item["price"]["id"])
        quantity = item["quantity"] or 1
        amount = 0 if free else catalog.cost(price, quantity)
        words = f"Trial period for {price['product']}" if free else f"{quantity} × {price['product']}"
        detail = {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": sub["id"],
            "subscription_item": item["id"],
        }
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": detail,
            "type": "subscription_item_details",
        }
        period = (item["current_period_start"], item["current_period_end"])
        lines.append(_line(mode, amount, sub["currency"], words, parent, price, quantity, period, sub["id"], free))
    return lines


def proration_lines(mode: Mode, sub: Object, item: Object, before: tuple[Object, int] | None) -> list[Object]:
    """Credit for the unused time of what was, debit for the remaining time of what is (None: nothing was)."""
    start, end = item["current_period_start"], item["current_period_end"]
    rest, whole_period = end - mode.now, end - start
    lines = []
    for old, (price, quantity) in ((True, before or (None, 0)), (False, (item["price"], item["quantity"] or 0))):
        if price is None or quantity == 0:
            continue
        full = mode.get("price", price["id"])
        amount = round(catalog.cost(full, quantity) * rest / whole_period) * (-1 if old else 1)
        words = f"{'Unused' if old else 'Remaining'} time on {full['product']}"
        invoice_item = mode.ids.new("ii")
        parent = {
            "invoice_item_details": {
                "invoice_item": invoice_item,
                "proration": True,
                "proration_details": {"credited_items": None},
                "subscription": sub["id"],
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        }
        lines.append(_line(mode, amount, sub["currency"], words, parent, full, quantity, (mode.now, end), sub["id"]))
    return lines


def manual_line(mode: Mode, customer: str, params: Params) -> tuple[Object, Object]:
    """An invoice item and the line it will be."""
    amount, currency = int(needed(params, "amount")), needed(params, "currency")
    sub = text(params, "subscription")
    period = {"end": mode.now, "start": mode.now}
    item = mode.make(
        "invoiceitem",
        "ii",
        {
            "amount": amount,
            "currency": currency,
            "customer": customer,
            "customer_account": None,
            "date": mode.now,
            "description": text(params, "description"),
            "discountable": True,
            "discounts": [],
            "invoice": None,
            "metadata": merged({}, params),
            "net_amount": amount,
            "parent": None,
            "period": period,
            "pricing": None,
            "proration": False,
            "proration_details": None,
            "quantity": 1,
            "tax_rates": [],
            "test_clock": None,
        },
    )
    parent = {
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": sub,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    words = text(params, "description") or ""
    return item, _line(mode, amount, currency, words, parent, None, 1, (mode.now, mode.now), sub)


def take_pending(mode: Mode, customer: str, subscription: str | None = None) -> list[Object]:
    """Lines that wait for the customer's next invoice; a subscription's takes its own and those of none."""
    waiting = mode.pending_lines.pop(customer, [])
    taken = [line for line in waiting if line["subscription"] in (None, subscription)]
    left = [line for line in waiting if line["subscription"] not in (None, subscription)]
    if left:
        mode.pending_lines[customer] = left
    return taken


def _line(
    mode: Mode,
    amount: int,
    currency: str,
    description: str,
    parent: Object,
    price: Object | None,
    quantity: int,
    period: tuple[int, int],
    subscription: str | None,
    free: bool = False,
) -> Object:
    pricing = price and {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": "0" if free else price["unit_amount_decimal"],
    }
    return {
        "id": mode.ids.new("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": mode.livemode,
        "metadata": {},
        "parent": parent,
        "period": {"end": period[1], "start": period[0]},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }
