"""Trials and their outcomes, read straight from the definitions (sections 0 to 2) in plain Python.

Slow and obvious on purpose: every trial looks at every fact. Instants are naive UTC datetimes, days are days of one
reporting zone, amounts minor units. The rates built on these trials stand in `conversion_oracle`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

from .facts import FOREVER, Announcement, Facts, InvoiceFact, Json, Version, read_facts


@dataclass(frozen=True)
class Rules:
    """The configured lengths, with the defaults of the definitions."""

    trial_length_days: int | None = 14
    grace_days: int = 30
    collection_lag_hours: int = 72
    reentry_days: int = 3
    one_trial_hours: int = 24
    card_at_start_minutes: int = 10
    refund_days: int = 30
    zone: tzinfo = UTC

    @property
    def grace(self) -> timedelta:
        """Grace after the end."""
        return timedelta(days=self.grace_days)

    @property
    def lag(self) -> timedelta:
        """Collection lag."""
        return timedelta(hours=self.collection_lag_hours)

    def day(self, instant: datetime) -> date:
        """The reporting day that holds a UTC instant."""
        return instant.replace(tzinfo=UTC).astimezone(self.zone).date()

    def end_of_day(self, day: date) -> datetime:
        """The UTC instant at which a reporting day is over (its first instant that counts no more)."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone) + timedelta(days=1)
        return midnight.astimezone(UTC).replace(tzinfo=None)


FACTS = (
    "trial_id",
    "account_id",
    "source",
    "subscription_id",
    "stripe_customer_id",
    "trial_number",
    "is_first_trial",
    "is_add_on",
    "started_at",
    "original_ends_at",
    "ends_at",
    "ended_at",
    "effective_end_at",
    "deadline_at",
    "cancel_requested_at",
    "converted_at",
    "link",
    "settlement",
    "amount_minor",
    "currency",
    "outcome",
    "outcome_at",
    "is_inferred",
    "is_active",
    "extension_count",
    "shortened_count",
    "days_added",
    "is_early_upgrade",
    "card_type",
    "active_status_at",
    "ever_paid_at",
    "refunded_at",
    "is_refunded",
    "history",
)


@dataclass
class Trial:
    """One trial with all its facts as of one cut."""

    trial_id: str
    account_id: str
    source: str
    subscription_id: str | None
    stripe_customer_id: str | None
    started_at: datetime
    original_ends_at: datetime
    ends_at: datetime
    left_at: datetime | None = None
    ended_at: datetime | None = None
    extension_count: int = 0
    shortened_count: int = 0
    days_added: int = 0
    is_early_end: bool = False
    is_early_upgrade: bool = False
    left_to_paused: bool = False
    history: str = "event"
    trial_number: int = 0
    is_first_trial: bool = False
    is_add_on: bool = False
    cancel_requested_at: datetime | None = None
    own_paid_at: datetime | None = None
    converted_at: datetime | None = None
    link: str | None = None
    settlement: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    converting_invoice: str | None = None
    free_at: datetime | None = None
    outcome: str = ""
    outcome_at: datetime | None = None
    is_inferred: bool = False
    is_active: bool = False
    card_type: str = "unknown"
    active_status_at: datetime | None = None
    ever_paid_at: datetime | None = None
    refunded_minor: int = 0
    refunded_at: datetime | None = None
    is_refunded: bool = False
    announced_account_id: str = ""
    versions: list[Version] = field(default_factory=list, repr=False)
    deadline_at: datetime = FOREVER
    effective_end_at: datetime = FOREVER

    @property
    def end_basis(self) -> datetime:
        """The end that deadlines count from: the trial's, or the subscription's when that came first."""
        return self.ends_at if self.ended_at is None else min(self.ends_at, self.ended_at)

    def facts(self) -> dict[str, object]:
        """The facts under the names of the published trials, for a comparison cell by cell."""
        return {name: getattr(self, name) for name in FACTS}

    @property
    def is_paid(self) -> bool:
        """Whether any payment converted it, in time or late."""
        return self.converted_at is not None


def read_trials(
    records: Iterable[Json],
    as_of: datetime,
    known_at: datetime | None = None,
    *,
    landed_at: datetime | None = None,
    rules: Rules | None = None,
) -> list[Trial]:
    """Trials of any mixture of Stripe envelopes, Stripe objects and Segment calls, ordered by trial id.

    `known_at` defaults to `as_of`'s input being complete (nothing is cut by it).
    """
    known = FOREVER if known_at is None else known_at
    return trials_of(read_facts(records, as_of, known, landed_at=landed_at), rules or Rules())


def trials_of(facts: Facts, rules: Rules) -> list[Trial]:
    """Trials of facts already cut."""
    merges = {
        a.previous_account_id: (a.account_id, a.at)
        for a in sorted(facts.announcements, key=lambda a: (a.at, a.event_id), reverse=True)
        if a.role == "account_merged" and a.previous_account_id is not None
    }
    trials: list[Trial] = []
    for subscription_id in facts.versions:
        trials += _billing_trials(facts, subscription_id, rules)
    for trial in trials:
        _own_payment(facts, trial)
        trial.announced_account_id = trial.account_id
        trial.account_id = _surviving(trial.account_id, merges)
    _successors(facts, trials, rules, merges)
    trials += _announced_trials(facts, trials, rules, merges)
    for trial in trials:
        _settle(facts, trial, rules, merges)
    _mark_merged(trials, rules)
    _number(facts, trials, merges)
    return sorted(trials, key=lambda trial: trial.trial_id)


def _surviving(account_id: str, merges: dict[str, tuple[str, datetime]]) -> str:
    seen = {account_id}
    while account_id in merges and merges[account_id][0] not in seen:
        account_id = merges[account_id][0]
        seen.add(account_id)
    return account_id


# ---------------------------------------------------------------------------------------------- spells -> trials


def _spells(versions: list[Version]) -> list[tuple[list[Version], Version | None]]:
    """Maximal runs of versions in trial, each with the version that ended it."""
    spells: list[tuple[list[Version], Version | None]] = []
    run: list[Version] = []
    for version in versions:
        if version.in_trial:
            run.append(version)
        elif run:
            spells.append((run, version))
            run = []
    if run:
        spells.append((run, None))
    return spells


def _end_of(run: list[Version], leaving: Version | None) -> tuple[datetime, bool]:
    """The end of a spell, and whether the version that left brought an earlier one (trial_end = now)."""
    end, start = run[-1].trial_end, run[-1].trial_start
    assert end is not None
    assert start is not None
    moved = None if leaving is None or leaving.status == "canceled" else leaving.trial_end
    if moved is not None and start < moved < end:
        return moved, True
    return end, False


def _billing_trials(facts: Facts, subscription_id: str, rules: Rules) -> list[Trial]:
    trials: list[Trial] = []
    for run, leaving in _spells(facts.versions[subscription_id]):
        first = run[0]
        assert first.trial_start is not None
        assert first.trial_end is not None
        ends_at, is_early = _end_of(run, leaving)
        longer = shorter = 0
        for before, after in itertools.pairwise(run):
            assert before.trial_end is not None
            assert after.trial_end is not None
            longer += after.trial_end > before.trial_end
            shorter += after.trial_end < before.trial_end
        last = trials[-1] if trials else None
        if last is not None and _is_reentry(facts, last, first.trial_start, rules):
            last.extension_count += 1 + longer
            # ended early by hand, unpaid (or it were no re-entry), and taken up again: both moves count
            last.shortened_count += shorter + last.is_early_end
            last.versions += run
            trial = last
        else:
            trial = Trial(
                trial_id=f"stripe:{subscription_id}:{len(trials) + 1}",
                account_id=facts.account_of(first.customer_id),
                source="stripe",
                subscription_id=subscription_id,
                stripe_customer_id=first.customer_id,
                started_at=first.trial_start,
                original_ends_at=first.trial_end,
                ends_at=ends_at,
                extension_count=longer,
                shortened_count=shorter,
                history=first.history,
                versions=list(run),
            )
            trials.append(trial)
        trial.ends_at = ends_at
        trial.is_early_end = is_early
        trial.left_at = None if leaving is None else leaving.at
        trial.left_to_paused = leaving is not None and leaving.status == "paused"
    over = [v.ended_at for v in facts.versions[subscription_id] if v.ended_at is not None and v.status == "canceled"]
    for trial in trials:
        trial.ended_at = min(over) if over else None
        trial.days_added = (rules.day(trial.ends_at) - rules.day(trial.original_ends_at)).days
    return trials


def _is_reentry(facts: Facts, before: Trial, again_at: datetime, rules: Rules) -> bool:
    over = before.ends_at if before.left_at is None else min(before.left_at, before.ends_at)
    paid_between = any(
        invoice.subscription_id == before.subscription_id
        and invoice.paid_at is not None
        and invoice.total > 0
        and over <= invoice.paid_at <= again_at
        for invoice in facts.invoices.values()
    )
    return again_at <= over + timedelta(days=rules.reentry_days) and not paid_between


# ---------------------------------------------------------------------------------------------- payments


def _convert(trial: Trial, invoice: InvoiceFact, link: str) -> None:
    """Let `invoice` convert the trial unless an earlier payment has, or one as early on its own subscription."""
    assert invoice.paid_at is not None
    if trial.converted_at is not None and trial.converted_at <= invoice.paid_at:
        return
    trial.converted_at, trial.link, trial.settlement = invoice.paid_at, link, invoice.settlement
    trial.amount_minor, trial.currency = invoice.total, invoice.currency
    trial.converting_invoice = invoice.invoice_id


def _after_trial(invoice: InvoiceFact, trial: Trial) -> bool:
    """An invoice of the trial's subscription that asks money for a service period after the trial."""
    return invoice.subscription_id == trial.subscription_id and any(
        line.start >= trial.ends_at for line in invoice.service_lines
    )


def _paid_in_order(facts: Facts) -> list[InvoiceFact]:
    paid = [invoice for invoice in facts.invoices.values() if invoice.paid_at is not None]
    return sorted(paid, key=lambda invoice: (invoice.paid_at or FOREVER, invoice.invoice_id))


def _own_payment(facts: Facts, trial: Trial) -> None:
    for invoice in _paid_in_order(facts):
        if invoice.total > 0 and _after_trial(invoice, trial):
            _convert(trial, invoice, "same")
            trial.own_paid_at = invoice.paid_at
            return


def _successors(facts: Facts, trials: list[Trial], rules: Rules, merges: dict[str, tuple[str, datetime]]) -> None:
    """Hand every subscription that never trialed to the latest trial that waited for it."""
    for subscription_id, versions in facts.versions.items():
        if any(version.in_trial for version in versions):
            continue
        account_id = _surviving(facts.account_of(versions[0].customer_id), merges)
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
        for invoice in _paid_in_order(facts):
            if invoice.subscription_id != subscription_id:
                continue
            if invoice.total > 0:
                _convert(claimant, invoice, "successor")
                break
        for invoice in _paid_in_order(facts):
            if invoice.subscription_id == subscription_id:
                _note_free(facts, claimant, invoice)


def _note_free(facts: Facts, trial: Trial, invoice: InvoiceFact) -> None:
    """Remember the first paid invoice over nothing for service after the trial.

    The $0 invoice that opens another trial of the same subscription is a trial, not a free plan.
    """
    if invoice.total != 0 or invoice.paid_at is None or invoice.subscription_id is None:
        return
    again = [
        (run[0].trial_start, _end_of(run, leaving)[0])
        for run, leaving in _spells(facts.versions[invoice.subscription_id])
    ]
    for line in invoice.lines:
        in_trial = any(start is not None and start <= line.start < end for start, end in again)
        if line.is_subscription and line.start >= trial.ends_at and not in_trial:
            trial.free_at = invoice.paid_at if trial.free_at is None else min(trial.free_at, invoice.paid_at)


# ---------------------------------------------------------------------------------------------- product events


def _announced_trials(
    facts: Facts, billing: list[Trial], rules: Rules, merges: dict[str, tuple[str, datetime]]
) -> list[Trial]:
    of_account: dict[str, list[Announcement]] = defaultdict(list)
    for announcement in sorted(facts.announcements, key=lambda a: (a.at, a.event_id)):
        of_account[announcement.account_id].append(announcement)
    result: list[Trial] = []
    for account_id, told in of_account.items():
        kept: list[Trial] = []
        for start in told:
            if start.role != "trial_started":
                continue
            end = start.ends_at
            if end is None:
                if rules.trial_length_days is None:
                    raise ValueError("a trial announced without an end needs trial_length_days")
                end = start.at + timedelta(days=rules.trial_length_days)
            if end <= start.at:
                continue
            over = [a.at for a in told if a.role == "trial_ended" and start.at < a.at < end]
            trial = Trial(
                trial_id=f"event:{account_id}:{start.event_id}",
                account_id=_surviving(account_id, merges),
                source="event",
                subscription_id=None,
                stripe_customer_id=None,
                started_at=start.at,
                original_ends_at=end,
                ends_at=min(over, default=end),
                history="event_product",
                announced_account_id=account_id,
            )
            rivals = kept + [b for b in billing if b.announced_account_id == account_id]
            if not any(_is_one_trial(trial, rival, rules) for rival in rivals):
                kept.append(trial)
        starts = [t.started_at for t in [*kept, *billing] if t.announced_account_id == account_id]
        for trial in kept:
            following = min((at for at in starts if at > trial.started_at), default=FOREVER)
            _announced_payment(trial, told, following)
        result += kept
    return result


def _is_one_trial(one: Trial, other: Trial, rules: Rules) -> bool:
    meets = one.started_at < other.end_basis and other.started_at < one.end_basis
    return meets or abs(one.started_at - other.started_at) <= timedelta(hours=rules.one_trial_hours)


def _announced_payment(trial: Trial, told: list[Announcement], following: datetime) -> None:
    for announcement in told:
        if announcement.role != "subscription_started" or not trial.started_at <= announcement.at < following:
            continue
        if announcement.amount_minor is None:
            continue
        if announcement.amount_minor > 0 and trial.converted_at is None:
            trial.converted_at, trial.link = announcement.at, "event"
            trial.amount_minor, trial.currency = announcement.amount_minor, announcement.currency
        elif announcement.amount_minor == 0 and trial.free_at is None:
            trial.free_at = announcement.at


# ---------------------------------------------------------------------------------------------- outcome


def _settle(facts: Facts, trial: Trial, rules: Rules, merges: dict[str, tuple[str, datetime]]) -> None:
    """Fill everything that follows from the trial's interval and payments."""
    trial.deadline_at = trial.end_basis + rules.grace + rules.lag
    trial.effective_end_at = trial.end_basis if trial.converted_at is None else min(trial.end_basis, trial.converted_at)
    if trial.is_early_end:
        trial.is_early_upgrade = trial.own_paid_at is not None
        trial.shortened_count += not trial.is_early_upgrade
    if trial.source == "stripe":
        for invoice in _paid_in_order(facts):
            if invoice.subscription_id == trial.subscription_id:
                _note_free(facts, trial, invoice)
        _cards_and_status(facts, trial, rules)
        trial.cancel_requested_at = _cancel_request(facts, trial)
    _refunds(facts, trial, rules)
    paid = [
        invoice.paid_at
        for invoice in _paid_in_order(facts)
        if invoice.total > 0
        and invoice.paid_at is not None
        and invoice.paid_at > trial.started_at
        and _surviving(facts.account_of(invoice.customer_id), merges) == trial.account_id
    ]
    told = [
        a.at
        for a in facts.announcements
        if trial.source == "event"
        and a.role == "subscription_started"
        and (a.amount_minor or 0) > 0
        and a.at >= trial.started_at
        and _surviving(a.account_id, merges) == trial.account_id
    ]
    trial.ever_paid_at = min(paid + told, default=None)
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
    asked = [
        invoice for invoice in facts.invoices.values() if trial.source == "stripe" and _after_trial(invoice, trial)
    ]
    is_open = any(invoice.status in ("draft", "open") and invoice.total > 0 for invoice in asked)
    if facts.as_of < trial.effective_end_at or (is_open and facts.as_of <= trial.effective_end_at + rules.lag):
        return "pending"
    if trial.source == "event":
        return "expired"
    if trial.cancel_requested_at is not None:
        return "cancelled"
    assert trial.subscription_id is not None
    versions = facts.versions[trial.subscription_id]
    later = [version for version in versions if version.at >= trial.end_basis]
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
        if version.status == "active" and version.order > trial.versions[0].order:
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


# ---------------------------------------------------------------------------------------------- the account's view


def _mark_merged(trials: list[Trial], rules: Rules) -> None:
    """Of trials that a merge brought together, the survivor's stays and the others become `merged`."""
    for trial in trials:
        if trial.announced_account_id == trial.account_id:
            continue
        mates = [t for t in trials if t.account_id == trial.account_id and t.announced_account_id == t.account_id]
        if any(_is_one_trial(trial, mate, rules) for mate in mates):
            trial.outcome, trial.outcome_at = "merged", None


def _number(facts: Facts, trials: list[Trial], merges: dict[str, tuple[str, datetime]]) -> None:
    of_account: dict[str, list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=lambda t: (t.started_at, t.trial_id)):
        of_account[trial.account_id].append(trial)
    for account_id, own in of_account.items():
        for number, trial in enumerate(own, start=1):
            trial.trial_number = number
            trial.is_first_trial = not any(t.effective_end_at <= trial.started_at for t in own if t is not trial)
            trial.is_add_on = _is_paying(facts, account_id, trial, merges)


def _is_paying(facts: Facts, account_id: str, trial: Trial, merges: dict[str, tuple[str, datetime]]) -> bool:
    """Whether the account was paying for something else when the trial started."""
    at = trial.started_at
    for invoice in facts.invoices.values():
        subscription_id = invoice.subscription_id
        if subscription_id is None or subscription_id == trial.subscription_id or subscription_id not in facts.versions:
            continue
        if _surviving(facts.account_of(invoice.customer_id), merges) != account_id or not invoice.service_lines:
            continue
        if invoice.total <= 0 or invoice.paid_at is None or invoice.paid_at > at:
            continue
        over = [v.ended_at for v in facts.versions[subscription_id] if v.ended_at is not None]
        if any(ended <= at for ended in over):
            continue
        if min(line.start for line in invoice.service_lines) <= at < max(line.end for line in invoice.service_lines):
            return True
    if trial.source != "event":
        return False
    told = [a for a in facts.announcements if _surviving(a.account_id, merges) == account_id and a.at < at]
    began = [a.at for a in told if a.role == "subscription_started" and (a.amount_minor or 0) > 0]
    ended = [a.at for a in told if a.role == "subscription_ended"]
    return bool(began) and not any(instant >= max(began) for instant in ended)
