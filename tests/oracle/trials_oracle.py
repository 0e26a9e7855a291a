"""Trials and their outcomes, read straight from the definitions (sections 0 to 2) in plain Python.

Slow and obvious on purpose: every trial looks at every fact. Instants are naive UTC datetimes, days are days of one
reporting zone, amounts minor units. The steps stand in `spells`, `payments` and `outcome`, the rates built on these
trials in `conversion_oracle`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from .facts import FOREVER, Announcement, Facts, Json, read_facts
from .outcome import settle
from .payments import own_payment, successors
from .spells import billing_trials
from .trial import Merges, Rules, Trial, surviving

__all__ = ["Rules", "Trial", "read_trials", "trials_of"]


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
        trials += billing_trials(facts, subscription_id, rules)
    for trial in trials:
        own_payment(facts, trial)
        trial.announced_account_id = trial.account_id
        trial.account_id = surviving(trial.account_id, merges)
    everyone = [*trials, *_announced_trials(facts, trials, rules, merges)]
    # a trial that was merged into another claims nothing: its successor and its payment are the other one's
    standing = [trial for trial in everyone if not _is_merged(trial, everyone, rules)]
    successors(facts, [trial for trial in standing if trial.source != "event"], rules, merges)
    _announced_payments(facts, standing, merges)
    trials = everyone
    for trial in trials:
        settle(facts, trial, rules, merges)
    _mark_merged(trials, rules)
    _number(facts, trials, merges)
    return sorted(trials, key=lambda trial: trial.trial_id)


# ---------------------------------------------------------------------------------------------- product events


def _announced_trials(facts: Facts, billing: list[Trial], rules: Rules, merges: Merges) -> list[Trial]:
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
                account_id=surviving(account_id, merges),
                source="event",
                subscription_id=None,
                stripe_customer_id=None,
                started_at=start.at,
                original_ends_at=end,
                ends_at=min(over, default=end),
                history="event_product",
                announced_account_id=account_id,
            )
            trial.days_added = (rules.day(trial.ends_at) - rules.day(end)).days
            rivals = kept + [b for b in billing if b.announced_account_id == account_id]
            if not any(_is_one_trial(trial, rival, rules) for rival in rivals):
                kept.append(trial)
        result += kept
    return result


def _is_one_trial(one: Trial, other: Trial, rules: Rules) -> bool:
    meets = one.started_at < other.end_basis and other.started_at < one.end_basis
    return meets or abs(one.started_at - other.started_at) <= timedelta(hours=rules.one_trial_hours)


def _announced_payments(facts: Facts, standing: list[Trial], merges: Merges) -> None:
    """What the product said was paid, to the last trial the account, as merges leave it, had begun by then."""
    told = sorted(facts.announcements, key=lambda a: (a.at, a.event_id))
    for trial in standing:
        if trial.source != "event":
            continue
        mates = [mate.started_at for mate in standing if mate.account_id == trial.account_id]
        following = min((at for at in mates if at > trial.started_at), default=FOREVER)
        own = [a for a in told if surviving(a.account_id, merges) == trial.account_id]
        _announced_payment(trial, own, following)


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


# ---------------------------------------------------------------------------------------------- the account's view


def _is_merged(trial: Trial, trials: list[Trial], rules: Rules) -> bool:
    """Whether a merge brought the trial to an account that has one of its own at that time."""
    if trial.announced_account_id == trial.account_id:
        return False
    mates = [t for t in trials if t.account_id == trial.account_id and t.announced_account_id == t.account_id]
    return any(_is_one_trial(trial, mate, rules) for mate in mates)


def _mark_merged(trials: list[Trial], rules: Rules) -> None:
    """Of trials that a merge brought together, the survivor's stays and the others become `merged`."""
    for trial in trials:
        if _is_merged(trial, trials, rules):
            trial.outcome, trial.outcome_at, trial.is_active, trial.is_inferred = "merged", None, False, False
            trial.settlement = None if trial.settlement == "free" else trial.settlement


def _number(facts: Facts, trials: list[Trial], merges: Merges) -> None:
    of_account: dict[str, list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=lambda t: (t.started_at, t.trial_id)):
        trial.is_add_on = _is_paying(facts, trial.account_id, trial, merges)
        if trial.outcome != "merged":  # the one it was merged into counts
            of_account[trial.account_id].append(trial)
    for own in of_account.values():
        for number, trial in enumerate(own, start=1):
            trial.trial_number = number
            trial.is_first_trial = not any(t.effective_end_at <= trial.started_at for t in own if t is not trial)


def _is_paying(facts: Facts, account_id: str, trial: Trial, merges: Merges) -> bool:
    """Whether the account was paying for something else when the trial started."""
    at = trial.started_at
    for invoice in facts.invoices.values():
        subscription_id = invoice.subscription_id
        if subscription_id is None or subscription_id == trial.subscription_id or subscription_id not in facts.versions:
            continue
        if surviving(facts.account_of(invoice.customer_id), merges) != account_id or not invoice.service_lines:
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
    told = [a for a in facts.announcements if surviving(a.account_id, merges) == account_id and a.at < at]
    began = [a.at for a in told if a.role == "subscription_started" and (a.amount_minor or 0) > 0]
    ended = [a.at for a in told if a.role == "subscription_ended"]
    return bool(began) and not any(instant >= max(began) for instant in ended)
