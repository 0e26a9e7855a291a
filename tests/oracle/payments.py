"""Which payment converts which trial: its own subscription's, or that of a successor it claims (section 2)."""

from __future__ import annotations

from .facts import FOREVER, Facts, InvoiceFact
from .spells import end_of, spells
from .trial import Merges, Rules, Trial, surviving


def _convert(trial: Trial, invoice: InvoiceFact, link: str) -> None:
    """Let `invoice` convert the trial unless an earlier payment has; at one instant its own subscription's comes first,
    then the lesser id."""
    assert invoice.paid_at is not None
    held = (trial.converted_at or FOREVER, trial.link != "same", trial.converting_invoice or "")
    if held <= (invoice.paid_at, link != "same", invoice.invoice_id):
        return
    trial.converted_at, trial.link, trial.settlement = invoice.paid_at, link, invoice.settlement
    trial.amount_minor, trial.currency = invoice.total, invoice.currency
    trial.converting_invoice = invoice.invoice_id


def after_trial(invoice: InvoiceFact, trial: Trial) -> bool:
    """An invoice of the trial's subscription that asks money for a service period after the trial.

    It belongs to the last trial before that period: one that starts with the subscription's next trial, or later, is
    no business of this one.
    """
    if invoice.subscription_id != trial.subscription_id or not invoice.service_lines:
        return False
    return trial.ends_at <= max(line.start for line in invoice.service_lines) < trial.next_started_at


def paid_in_order(facts: Facts) -> list[InvoiceFact]:
    """Paid invoices, earliest payment first."""
    paid = [invoice for invoice in facts.invoices.values() if invoice.paid_at is not None]
    return sorted(paid, key=lambda invoice: (invoice.paid_at or FOREVER, invoice.invoice_id))


def own_payment(facts: Facts, trial: Trial) -> None:
    """Let the first payment of its own subscription for service after the trial convert it."""
    for invoice in paid_in_order(facts):
        if invoice.total > 0 and after_trial(invoice, trial):
            _convert(trial, invoice, "same")
            trial.own_paid_at = invoice.paid_at
            return


def successors(facts: Facts, trials: list[Trial], rules: Rules, merges: Merges) -> None:
    """Hand every subscription that never trialed to the latest trial that waited for it."""
    for subscription_id, versions in facts.versions.items():
        if any(version.in_trial for version in versions):
            continue
        account_id = surviving(facts.account_of(versions[0].customer_id), merges)
        created = versions[0].created
        waiting = [
            trial
            for trial in trials
            if trial.account_id == account_id
            and trial.started_at <= created < trial.end_basis + rules.grace
            and (trial.own_paid_at is None or trial.own_paid_at >= created)
        ]
        if not waiting:
            continue
        claimant = max(waiting, key=lambda trial: (trial.started_at, trial.trial_id))
        for invoice in paid_in_order(facts):
            if invoice.subscription_id != subscription_id:
                continue
            if invoice.total > 0:
                _convert(claimant, invoice, "successor")
                break
        for invoice in paid_in_order(facts):
            if invoice.subscription_id == subscription_id:
                note_free(facts, claimant, invoice)


def note_free(facts: Facts, trial: Trial, invoice: InvoiceFact) -> None:
    """Remember the first paid invoice over nothing for service after the trial.

    The $0 invoice that opens another trial of the same subscription is a trial, not a free plan.
    """
    if invoice.total != 0 or invoice.paid_at is None or invoice.subscription_id is None:
        return
    again = [
        (run[0].trial_start, end_of(run, leaving)[0])
        for run, leaving in spells(facts.versions[invoice.subscription_id])
    ]
    until = trial.next_started_at if invoice.subscription_id == trial.subscription_id else FOREVER
    for line in invoice.lines:
        in_trial = any(start is not None and start <= line.start < end for start, end in again)
        if line.is_subscription and trial.ends_at <= line.start < until and not in_trial:
            trial.free_at = invoice.paid_at if trial.free_at is None else min(trial.free_at, invoice.paid_at)
