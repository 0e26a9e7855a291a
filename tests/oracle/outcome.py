"""The one outcome of a trial, and the facts that follow from its interval and payments (sections 1 and 2)."""

from __future__ import annotations

from datetime import datetime, timedelta

from .facts import Facts
from .payments import after_trial, note_free, paid_in_order
from .trial import Merges, Rules, Trial, surviving


def settle(facts: Facts, trial: Trial, rules: Rules, merges: Merges) -> None:
    """Fill everything that follows from the trial's interval and payments."""
    trial.deadline_at = trial.end_basis + rules.grace + rules.lag
    trial.effective_end_at = trial.end_basis if trial.converted_at is None else min(trial.end_basis, trial.converted_at)
    if trial.is_early_end:
        trial.is_early_upgrade = trial.own_paid_at is not None
        trial.shortened_count += not trial.is_early_upgrade
    if trial.source == "stripe":
        for invoice in paid_in_order(facts):
            if invoice.subscription_id == trial.subscription_id:
                note_free(facts, trial, invoice)
        _cards_and_status(facts, trial, rules)
        trial.cancel_requested_at = _cancel_request(facts, trial)
    _refunds(facts, trial, rules)
    paid = [
        invoice.paid_at
        for invoice in paid_in_order(facts)
        if invoice.total > 0
        and invoice.paid_at is not None
        and surviving(facts.account_of(invoice.customer_id), merges) == trial.account_id
    ]
    told = [
        a.at
        for a in facts.announcements
        if trial.source == "event"
        and a.role == "subscription_started"
        and (a.amount_minor or 0) > 0
        and surviving(a.account_id, merges) == trial.account_id
    ]
    if all(at >= trial.started_at for at in paid + told):  # a customer who had paid before pays no first time
        after = [at for at in paid if at > trial.started_at] + told
        trial.ever_paid_at = min(after, default=None)
    trial.is_active = trial.started_at < facts.as_of < trial.effective_end_at and not trial.left_to_paused
    trial.outcome = _outcome(facts, trial, rules)
    if trial.outcome in ("converted", "converted_late"):
        trial.outcome_at = trial.converted_at
    elif trial.outcome == "converted_free":
        trial.outcome_at, trial.settlement = trial.free_at, "free"
    elif trial.outcome == "cancelled":
        trial.outcome_at = trial.end_basis
    elif trial.outcome != "pending":
        trial.outcome_at = trial.effective_end_at


def _outcome(facts: Facts, trial: Trial, rules: Rules) -> str:
    if trial.converted_at is not None:
        return "converted" if trial.converted_at <= trial.deadline_at else "converted_late"
    if trial.free_at is not None:
        return "converted_free"
    asked = [invoice for invoice in facts.invoices.values() if trial.source == "stripe" and after_trial(invoice, trial)]
    is_open = any(invoice.status in ("draft", "open") and invoice.total > 0 for invoice in asked)
    if facts.as_of < trial.effective_end_at or (is_open and facts.as_of <= trial.effective_end_at + rules.lag):
        return "pending"
    if trial.source == "event":
        return "expired"
    if trial.cancel_requested_at is not None:
        return "cancelled"
    assert trial.subscription_id is not None
    versions = facts.versions[trial.subscription_id]
    later = [version for version in versions if version.at >= trial.end_basis and trial.precedes_next(version)]
    if (
        any(invoice.has_failed or invoice.status == "uncollectible" for invoice in asked)
        or any(version.status in ("past_due", "unpaid") for version in later)
        or any(version.cancel_reason == "payment_failed" for version in later)
    ):
        return "payment_failed"
    if trial.left_to_paused:
        return "no_payment_method"
    if trial.ended_at is not None and trial.ended_at >= trial.ends_at and not _has_card(facts, trial, trial.ended_at):
        trial.is_inferred = True
        return "no_payment_method"
    return "expired"


def _cancel_request(facts: Facts, trial: Trial) -> datetime | None:
    """When the user asked to end the trial, if the request was in force at its end."""
    assert trial.subscription_id is not None
    if trial.ended_at is not None and trial.ended_at < trial.ends_at:
        over = next(v for v in facts.versions[trial.subscription_id] if v.ended_at == trial.ended_at)
        return trial.ended_at if over.canceled_at is None else min(over.canceled_at, trial.ended_at)
    own = trial.versions
    last = own[-1]
    if last.canceled_at is not None and last.canceled_at < trial.ends_at:
        return last.canceled_at
    if (last.cancel_at_period_end or last.cancel_at is not None) and last.at < trial.ends_at:
        asked = last.at
        for version in reversed(own):
            if not (version.cancel_at_period_end or version.cancel_at is not None):
                break
            asked = version.at
        return asked
    for version in facts.versions[trial.subscription_id]:
        is_leaving = trial.left_at is not None and version.at == trial.left_at
        if is_leaving and version.canceled_at is not None and version.canceled_at < trial.ends_at:
            return version.canceled_at
    return None


def _has_card(facts: Facts, trial: Trial, by: datetime) -> bool:
    assert trial.subscription_id is not None
    assert trial.stripe_customer_id is not None
    saved = any(at <= by for at in facts.cards.get(trial.stripe_customer_id, []))
    versions = facts.versions[trial.subscription_id]
    return saved or any(v.default_payment_method is not None and v.at <= by for v in versions)


def _cards_and_status(facts: Facts, trial: Trial, rules: Rules) -> None:
    assert trial.subscription_id is not None
    if trial.history == "event":
        by = trial.started_at + timedelta(minutes=rules.card_at_start_minutes)
        trial.card_type = "card_required" if _has_card(facts, trial, by) else "cardless"
    for version in facts.versions[trial.subscription_id]:
        if version.status == "active" and version.order > trial.versions[0].order and trial.precedes_next(version):
            trial.active_status_at = version.at
            break


def _refunds(facts: Facts, trial: Trial, rules: Rules) -> None:
    """What was given back of the converting payment, and when all of it was."""
    if trial.converting_invoice is None or trial.converted_at is None or trial.amount_minor is None:
        return
    ids = facts.invoices[trial.converting_invoice].payment_ids
    parts: dict[str, int] = {}
    told = 0
    for back in sorted(facts.given_back, key=lambda b: (b.at, b.source_id)):
        if not ids & back.ids:
            continue
        if back.source_id.startswith("refund:"):
            parts[back.source_id] = back.amount
        elif not back.is_dispute:
            told = max(told, back.amount)
        trial.refunded_minor = max(told, sum(parts.values()))
        is_all = back.is_dispute or trial.refunded_minor >= trial.amount_minor
        if is_all and trial.refunded_at is None:
            trial.refunded_at = back.at
            trial.is_refunded = back.at <= trial.converted_at + timedelta(days=rules.refund_days)
