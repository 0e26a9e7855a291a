"""Invoices: drafted, finalised, collected, tried again, written off."""

from __future__ import annotations

from typing import Any

from tests.fakes.stripe import catalog, payments, subscriptions
from tests.fakes.stripe.clock import DAY
from tests.fakes.stripe.errors import ApiError
from tests.fakes.stripe.forms import Params, flag, known, merged, needed, text, whole
from tests.fakes.stripe.invoice_lines import manual_line, take_pending
from tests.fakes.stripe.store import Object, sheet
from tests.fakes.stripe.world import Mode


def draft(
    mode: Mode,
    *,
    customer: str,
    currency: str,
    lines: list[Object],
    reason: str,
    subscription: Object | None = None,
    period: tuple[int, int] | None = None,
    automatic: bool = True,
    announce: bool = True,
) -> Object:
    """A draft with `invoice.created`; an automatic one finalises itself about an hour later.

    `announce=False` only computes one (for `invoice.upcoming`): it has no id and is not kept.
    """
    holder = mode.get("customer", customer)
    discounts = subscription["discounts"] if subscription else []
    method = subscription["collection_method"] if subscription else "charge_automatically"
    parent = subscription and {
        "quote_details": None,
        "subscription_details": {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]},
        "type": "subscription_details",
    }
    start, end = period or (mode.now, mode.now)
    invoice: Object = {
        "id": mode.ids.new("in") if announce else None,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Fake",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": automatic,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": mode.now + mode.settings.finalize_after if automatic else None,
        "billing_reason": reason,
        "collection_method": method,
        "created": mode.now,
        "currency": currency,
        "custom_fields": None,
        "customer": customer,
        "customer_account": None,
        "customer_address": None,
        "customer_email": holder["email"],
        "customer_name": holder["name"],
        "customer_phone": holder["phone"],
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": list(discounts),
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {},
        "livemode": mode.livemode,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": parent,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": end,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": holder["balance"],
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": mode.now,
        "_days_until_due": subscription["days_until_due"] if subscription else None,
    }
    if automatic and method == "charge_automatically":
        invoice["next_payment_attempt"] = invoice["automatically_finalizes_at"]
    for line in lines:
        line["invoice"] = invoice["id"]
    invoice["lines"] = sheet(lines, False, f"/v1/invoices/{invoice['id'] or 'upcoming'}/lines")
    _total(mode, invoice)
    if not announce:
        return invoice
    mode.store.add(invoice)
    if holder["currency"] is None:
        with mode.change(holder, "customer.updated"):
            holder["currency"] = currency
    mode.emit("invoice.created", invoice)
    if automatic:
        mode.world.clock.at(invoice["automatically_finalizes_at"], lambda: _due(mode, invoice))
    return invoice


def _total(mode: Mode, invoice: Object) -> None:
    """Amounts from the lines, less discounts; the balance is applied when it is finalised."""
    lines = invoice["lines"]["data"]
    subtotal = sum(line["amount"] for line in lines)
    left, reductions = subtotal, []
    for id_ in invoice["discounts"]:
        discount = mode.store.find(id_)
        if discount and left > 0 and (discount["end"] is None or discount["end"] > mode.now):
            off = catalog.reduction(mode, discount, left)
            left -= off
            reductions.append({"amount": off, "discount": id_})
    invoice.update(
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=left,
        total_excluding_tax=left,
        total_discount_amounts=reductions,
    )
    for line in lines[:1]:
        line["discount_amounts"] = [dict(reduction) for reduction in reductions]
    invoice["amount_due"] = max(0, left + min(0, invoice["starting_balance"]))
    invoice["amount_remaining"] = invoice["amount_due"]


def _due(mode: Mode, invoice: Object) -> None:
    if invoice["status"] == "draft" and invoice["auto_advance"]:
        finalize(mode, invoice)
        collect(mode, invoice)


def finalize(mode: Mode, invoice: Object) -> None:
    """Draft to open (nothing due: paid): number, balance, payment intent, due date."""
    if invoice["status"] != "draft":
        raise ApiError(400, "This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    holder = mode.get("customer", invoice["customer"])
    with mode.change(invoice, "invoice.updated", "invoice.finalized"):
        invoice["starting_balance"] = holder["balance"]
        wanted = invoice["total"] + holder["balance"]
        invoice["amount_due"] = invoice["amount_remaining"] = max(0, wanted)
        invoice["ending_balance"] = min(0, wanted)
        invoice["number"] = f"{holder['invoice_prefix']}-{holder['next_invoice_sequence']:04d}"
        invoice["status"] = "open"
        invoice["automatically_finalizes_at"] = None
        invoice["effective_at"] = invoice["status_transitions"]["finalized_at"] = mode.now
        invoice["hosted_invoice_url"] = f"https://invoice.stripe.com/i/{mode.world.account_id}/{invoice['id']}"
        if invoice["collection_method"] == "send_invoice":
            invoice["due_date"] = mode.now + DAY * (invoice["_days_until_due"] or 30)
            invoice["next_payment_attempt"] = None
        if invoice["amount_due"] > 0:
            payments.request(mode, invoice)
    holder["next_invoice_sequence"] += 1
    with mode.change(holder, "customer.updated"):
        holder["balance"] = invoice["ending_balance"]
    if invoice["amount_due"] == 0:
        _mark_paid(mode, invoice)
    elif invoice["collection_method"] == "send_invoice":
        mode.emit("invoice.sent", invoice)
        mode.world.clock.at(invoice["due_date"], lambda: _overdue(mode, invoice))


def collect(mode: Mode, invoice: Object, method: str | None = None, *, asked: bool = False) -> str:
    """Try to charge an open invoice; returns the decline code or nothing.

    `asked` is a try by API: it counts as an attempt and leaves the schedule of retries alone.
    """
    if invoice["status"] not in ("open", "uncollectible") or invoice["amount_remaining"] == 0:
        return ""
    if invoice["collection_method"] == "send_invoice" and not asked:
        return ""
    sub = subscriptions.of(mode, invoice)
    chosen = method or payments.card_for(mode, invoice, sub)
    code, charge = payments.charge_invoice(mode, invoice, chosen)
    if not code:
        _mark_paid(mode, invoice, charge)
        return ""
    with mode.change(invoice, "invoice.updated", "invoice.payment_failed"):
        invoice["attempted"], invoice["attempt_count"] = True, invoice["attempt_count"] + 1
        invoice["_charge"] = charge and charge["id"]
        if not asked or invoice["next_payment_attempt"] is None:
            _plan_retry(mode, invoice, sub)
    subscriptions.payment_failed(mode, invoice)
    if invoice["next_payment_attempt"] is None and not asked:
        _give_up(mode, invoice)
    return code


def _plan_retry(mode: Mode, invoice: Object, sub: Object | None) -> None:
    first = invoice.setdefault("_first_attempt", mode.now)
    days = mode.settings.retry_days
    tried = invoice["attempt_count"] - 1
    automatic = invoice["auto_advance"] and not (sub and sub["status"] in ("incomplete", "paused"))
    if automatic and tried < len(days):
        invoice["next_payment_attempt"] = first + days[tried] * DAY
        due = invoice["next_payment_attempt"]
        mode.world.clock.at(due, lambda: _retry(mode, invoice, due))
    else:
        invoice["next_payment_attempt"] = None


def _retry(mode: Mode, invoice: Object, due: int) -> None:
    if invoice["status"] == "open" and invoice["next_payment_attempt"] == due and invoice["auto_advance"]:
        collect(mode, invoice)


def _give_up(mode: Mode, invoice: Object) -> None:
    sub = subscriptions.of(mode, invoice)
    if sub is None or sub["status"] in ("incomplete", "paused"):
        return
    if mode.settings.invoice_after_retries == "uncollectible":
        mark_uncollectible(mode, invoice)
    subscriptions.retries_exhausted(mode, sub)


def _overdue(mode: Mode, invoice: Object) -> None:
    if invoice["status"] != "open":
        return
    mode.emit("invoice.overdue", invoice)
    subscriptions.payment_failed(mode, invoice)
    mode.world.clock.at(mode.now + mode.settings.past_due_days * DAY, lambda: _long_overdue(mode, invoice))


def _long_overdue(mode: Mode, invoice: Object) -> None:
    if invoice["status"] == "open":
        _give_up(mode, invoice)


def _mark_paid(mode: Mode, invoice: Object, charge: Object | None = None, *, outside: bool = False) -> None:
    with mode.change(invoice, "invoice.updated", "invoice.paid", "invoice.payment_succeeded"):
        if charge is not None:
            invoice["attempt_count"] += 1
            invoice["_charge"] = charge["id"]
        if outside:
            invoice["_out_of_band"], invoice["amount_paid_off_stripe"] = True, invoice["amount_due"]
        invoice["attempted"], invoice["auto_advance"] = True, False
        invoice["status"], invoice["next_payment_attempt"] = "paid", None
        invoice["amount_paid"], invoice["amount_remaining"] = invoice["amount_due"], 0
        invoice["status_transitions"]["paid_at"] = mode.now
    payments.settle(mode, invoice, outside=outside)
    subscriptions.paid(mode, invoice)


# ---- by API


def create(mode: Mode, params: Params) -> Object:
    """POST /v1/invoices: a draft of the customer's waiting items."""
    known(params, "customer", "auto_advance", "metadata", "currency", "collection_method", "days_until_due")
    customer = mode.get("customer", needed(params, "customer"), "customer")
    lines = take_pending(mode, customer["id"])
    currency = text(params, "currency") or (lines[0]["currency"] if lines else customer["currency"] or "usd")
    invoice = draft(
        mode,
        customer=customer["id"],
        currency=currency,
        lines=lines,
        reason="manual",
        automatic=flag(params, "auto_advance"),
    )
    invoice["metadata"] = merged({}, params)
    invoice["collection_method"] = text(params, "collection_method") or "charge_automatically"
    invoice["_days_until_due"] = whole(params, "days_until_due")
    return invoice


def create_item(mode: Mode, params: Params) -> Object:
    """POST /v1/invoiceitems: waits for the next invoice of its customer."""
    known(params, "customer", "amount", "currency", "description", "subscription", "metadata")
    customer = mode.get("customer", needed(params, "customer"), "customer")
    item, line = manual_line(mode, customer["id"], params)
    mode.pending_lines.setdefault(customer["id"], []).append(line)
    mode.emit("invoiceitem.created", item)
    return item


def update(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/invoices/:id."""
    known(params, "auto_advance", "metadata", "description", "default_payment_method")
    invoice = mode.get("invoice", id_)
    with mode.change(invoice, "invoice.updated"):
        invoice["auto_advance"] = flag(params, "auto_advance", invoice["auto_advance"])
        invoice["metadata"] = merged(invoice["metadata"], params)
        invoice["description"] = text(params, "description") or invoice["description"]
        invoice["default_payment_method"] = text(params, "default_payment_method") or invoice["default_payment_method"]
    return invoice


def finalize_by_api(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/invoices/:id/finalize."""
    known(params, "auto_advance")
    invoice = mode.get("invoice", id_)
    finalize(mode, invoice)
    return invoice


def pay(mode: Mode, id_: str, params: Params) -> Object:
    """POST /v1/invoices/:id/pay: 402 when the card says no."""
    known(params, "payment_method", "paid_out_of_band", "off_session")
    invoice = mode.get("invoice", id_)
    if invoice["status"] == "paid":
        raise ApiError(400, "Invoice is already paid")
    if invoice["status"] == "void":
        raise ApiError(400, "This invoice is void and cannot be paid.")
    if invoice["status"] == "draft":
        finalize(mode, invoice)
    if flag(params, "paid_out_of_band"):
        _mark_paid(mode, invoice, outside=True)
        return invoice
    code = collect(mode, invoice, text(params, "payment_method"), asked=True)
    if code:
        raise payments.refusal(mode, invoice, code)
    return invoice


def void(mode: Mode, invoice: Object) -> Object:
    """POST /v1/invoices/:id/void."""
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError(
            400, f"You can only pass in open or uncollectible invoices. This invoice is {invoice['status']}."
        )
    _close(mode, invoice, "void", "voided_at", "invoice.voided")
    return invoice


def mark_uncollectible(mode: Mode, invoice: Object) -> Object:
    """POST /v1/invoices/:id/mark_uncollectible."""
    if invoice["status"] != "open":
        raise ApiError(400, f"You can only pass in open invoices. This invoice is {invoice['status']}.")
    _close(mode, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")
    return invoice


def _close(mode: Mode, invoice: Object, status: str, stamp: str, event: str) -> None:
    with mode.change(invoice, "invoice.updated", event):
        invoice["status"], invoice["auto_advance"], invoice["next_payment_attempt"] = status, False, None
        invoice["status_transitions"][stamp] = mode.now


def delete(mode: Mode, id_: str) -> Object:
    """DELETE /v1/invoices/:id: drafts alone."""
    invoice = mode.get("invoice", id_)
    if invoice["status"] != "draft" or invoice["parent"] is not None:
        raise ApiError(400, "You can only delete draft invoices that no subscription made.")
    mode.store.remove(invoice)
    mode.emit("invoice.deleted", invoice)
    return {"id": id_, "object": "invoice", "deleted": True}


def stop(mode: Mode, subscription: str) -> None:
    """A subscription has ended: Stripe goes on with none of its unpaid invoices."""
    for invoice in mode.store.of("invoice"):
        details: dict[str, Any] = (invoice["parent"] or {}).get("subscription_details") or {}
        if details.get("subscription") == subscription and invoice["status"] in ("draft", "open"):
            with mode.change(invoice, "invoice.updated"):
                invoice["auto_advance"], invoice["next_payment_attempt"] = False, None
                invoice["automatically_finalizes_at"] = None
