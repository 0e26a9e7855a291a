"""Subscriptions as the clock moves them: trials end, periods renew, payments settle or fail, all comes to an end."""

from __future__ import annotations

from tests.fakes.stripe import cards, invoices
from tests.fakes.stripe.clock import DAY, HOUR, later
from tests.fakes.stripe.errors import ApiError, missing
from tests.fakes.stripe.invoice_lines import period_lines, take_pending
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode

UPDATED = "customer.subscription.updated"
REMINDED = 3 * DAY
EXPIRES = 23 * HOUR


def of(mode: Mode, invoice: Object) -> Object | None:
    """The subscription that an invoice belongs to."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return mode.store.find(details.get("subscription"))


def gone(kind: str, id_: str) -> ApiError:
    """Answer to a change of something deleted."""
    return missing(kind, id_)


def foreign_card(id_: str) -> ApiError:
    """Answer to a default payment method of somebody else."""
    return ApiError(
        400,
        f"The customer does not have a payment method with the ID {id_}. The payment method must be attached to it.",
        code="resource_missing",
        param="default_payment_method",
    )


def payment_method(mode: Mode, sub: Object) -> str | None:
    """What the subscription would be charged to."""
    return cards.usable(mode, sub["customer"], sub["default_payment_method"])


# ---- periods


def set_period(sub: Object, start: int, end: int) -> None:
    """All items share one period."""
    for item in sub["items"]["data"]:
        item["current_period_start"], item["current_period_end"] = start, end


def period_end(sub: Object) -> int:
    """End of the current period; a subscription's items have one in common here."""
    return int(sub["items"]["data"][0]["current_period_end"])


def new_period(mode: Mode, sub: Object, start: int) -> None:
    """A full period from `start`, on the anchor's day."""
    recurring = sub["items"]["data"][0]["price"]["recurring"]
    end = later(start, recurring["interval"], recurring["interval_count"], sub["billing_cycle_anchor"])
    set_period(sub, start, end)
    if sub["cancel_at_period_end"]:
        sub["cancel_at"] = end


def schedule(mode: Mode, sub: Object) -> None:
    """Wake up at every instant at which the subscription, as it is now, has something to do."""
    clock, end = mode.world.clock, period_end(sub)
    clock.at(end, lambda: tick(mode, sub))
    if sub["cancel_at"]:
        clock.at(sub["cancel_at"], lambda: tick(mode, sub))
    if sub["status"] == "trialing":
        trial_end = sub["trial_end"]
        clock.at(trial_end, lambda: tick(mode, sub))
        clock.at(max(mode.now, trial_end - REMINDED), lambda: _remind(mode, sub, trial_end))
    if mode.settings.upcoming_days and end - mode.settings.upcoming_days * DAY > mode.now:
        clock.at(end - mode.settings.upcoming_days * DAY, lambda: _upcoming(mode, sub, end))


def tick(mode: Mode, sub: Object) -> None:
    """Do what is due at this second, if anything; a timer whose date has moved finds nothing."""
    if sub["ended_at"] is not None or sub["status"] in ("incomplete", "paused"):
        return
    if sub["cancel_at"] is not None and sub["cancel_at"] <= mode.now:
        end(mode, sub)
    elif sub["status"] == "trialing":
        if sub["trial_end"] <= mode.now:
            trial_ends(mode, sub)
    elif period_end(sub) <= mode.now:
        _renew(mode, sub)


def _remind(mode: Mode, sub: Object, trial_end: int) -> None:
    waits = sub["status"] == "trialing" and sub["trial_end"] == trial_end and sub["ended_at"] is None
    if waits and sub.get("_reminded") != trial_end:
        sub["_reminded"] = trial_end
        mode.emit("customer.subscription.trial_will_end", sub)


def _upcoming(mode: Mode, sub: Object, at: int) -> None:
    if sub["ended_at"] is None and period_end(sub) == at and not sub["cancel_at"] and sub["status"] != "paused":
        lines = period_lines(mode, sub, free=False)
        found = invoices.draft(
            mode,
            customer=sub["customer"],
            currency=sub["currency"],
            lines=lines,
            reason="upcoming",
            subscription=sub,
            announce=False,
        )
        del found["id"]
        mode.emit("invoice.upcoming", found)


# ---- what the clock does


def trial_ends(mode: Mode, sub: Object, *, at_once: bool = False) -> None:
    """The end of a trial, reached or asked for: active with an invoice, or what `end_behavior` says without a card."""
    behaviour = sub["trial_settings"]["end_behavior"]["missing_payment_method"]
    bare = sub["collection_method"] == "charge_automatically" and payment_method(mode, sub) is None
    if bare and behaviour == "cancel":
        end(mode, sub)
        return
    if bare and behaviour == "pause":
        pause(mode, sub, "trial_end_without_payment_method")
        return
    with mode.change(sub, UPDATED):
        sub["trial_end"] = mode.now
        sub["status"] = "active"
        sub["billing_cycle_anchor"] = mode.now
        new_period(mode, sub, mode.now)
        reason = "subscription_update" if at_once else "subscription_cycle"
        invoice = bill(mode, sub, reason, (sub["trial_start"], mode.now), at_once=at_once)
    if at_once:
        mode.emit("customer.subscription.trial_will_end", sub)
        charge_now(mode, invoice)
    schedule(mode, sub)


def pause(mode: Mode, sub: Object, why: str) -> None:
    """Status `paused`: no periods and no invoices until it is resumed."""
    with mode.change(sub, UPDATED, "customer.subscription.paused"):
        sub["status"] = "paused"
        sub["status_details"] = {
            "paused": {"subscription": {"type": why}, "transitioned_at": mode.now, "type": "subscription"}
        }


def _renew(mode: Mode, sub: Object) -> None:
    start = period_end(sub)
    before = (int(sub["items"]["data"][0]["current_period_start"]), start)
    with mode.change(sub, UPDATED):
        new_period(mode, sub, start)
        bill(mode, sub, "subscription_cycle", before)
    schedule(mode, sub)


def bill(mode: Mode, sub: Object, reason: str, before: tuple[int, int], *, at_once: bool = False) -> Object:
    """The invoice of a period that has begun; `at_once` also finalises and charges it in this second."""
    lines = [
        *take_pending(mode, sub["customer"], sub["id"]),
        *period_lines(mode, sub, free=sub["status"] == "trialing"),
    ]
    held = sub["pause_collection"] or {}
    invoice = invoices.draft(
        mode,
        customer=sub["customer"],
        currency=sub["currency"],
        lines=lines,
        reason=reason,
        subscription=sub,
        period=before,
        automatic=not at_once and sub["status"] != "unpaid" and held.get("behavior") != "keep_as_draft",
    )
    sub["latest_invoice"] = invoice["id"]
    return invoice


def charge_now(mode: Mode, invoice: Object) -> str:
    """Finalise and collect an invoice in this second; the decline code or nothing."""
    invoice["auto_advance"] = True
    invoices.finalize(mode, invoice)
    return invoices.collect(mode, invoice)


def end(mode: Mode, sub: Object, *, requested: bool = False, reason: str | None = None) -> None:
    """Status `canceled` for good, with `customer.subscription.deleted`."""
    with mode.change(sub, "customer.subscription.deleted"):
        sub["status"], sub["ended_at"] = "canceled", mode.now
        if requested or sub["canceled_at"] is None:
            sub["canceled_at"] = mode.now
        sub["cancel_at_period_end"] = False if requested else sub["cancel_at_period_end"]
        if requested:
            sub["cancellation_details"]["reason"] = "cancellation_requested"
        elif reason:
            sub["cancellation_details"]["reason"] = reason
        sub["status_details"] = None
    invoices.stop(mode, sub["id"])


# ---- what its invoices do to it


def paid(mode: Mode, invoice: Object) -> None:
    """An invoice was paid: the subscription that waited for it is active (again)."""
    sub = of(mode, invoice)
    if sub is None or sub["ended_at"] is not None or sub["latest_invoice"] != invoice["id"]:
        return
    waited = sub["status"] in ("incomplete", "past_due", "unpaid") or sub.get("_resuming") == invoice["id"]
    if waited:
        resumed = sub["status"] == "paused"
        with mode.change(sub, UPDATED, *(["customer.subscription.resumed"] if resumed else [])):
            sub["status"], sub["status_details"] = "active", None
            sub.pop("_resuming", None)


def payment_failed(mode: Mode, invoice: Object) -> None:
    """A payment failed or a due date passed: an active subscription is past due."""
    sub = of(mode, invoice)
    if sub is not None and sub["status"] == "active" and sub["latest_invoice"] == invoice["id"]:
        with mode.change(sub, UPDATED):
            sub["status"] = "past_due"


def retries_exhausted(mode: Mode, sub: Object) -> None:
    """The last retry failed: what the account's settings say."""
    if sub["ended_at"] is not None:
        return
    if mode.settings.after_retries == "cancel":
        end(mode, sub, reason="payment_failed")
    elif mode.settings.after_retries == "unpaid":
        with mode.change(sub, UPDATED):
            sub["status"] = "unpaid"


def first_payment_overdue(mode: Mode, sub: Object) -> None:
    """23 hours after an incomplete start: `incomplete_expired`, its invoice void."""
    if sub["status"] != "incomplete":
        return
    with mode.change(sub, UPDATED):
        sub["status"], sub["ended_at"] = "incomplete_expired", mode.now
    invoice = mode.get("invoice", sub["latest_invoice"])
    if invoice["status"] == "open":
        invoices.void(mode, invoice)
