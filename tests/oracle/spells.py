"""Subscription versions to trials: maximal runs of trialing versions, re-entries joined (section 1)."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from .facts import Facts, Version
from .trial import Rules, Trial


def spells(versions: list[Version]) -> list[tuple[list[Version], Version | None]]:
    """Maximal runs of versions in trial, each with the version that ended it."""
    found: list[tuple[list[Version], Version | None]] = []
    run: list[Version] = []
    for version in versions:
        if version.in_trial:
            run.append(version)
        elif run:
            found.append((run, version))
            run = []
    if run:
        found.append((run, None))
    return found


def end_of(run: list[Version], leaving: Version | None) -> tuple[datetime, bool]:
    """The end of a spell, and whether the version that left brought an earlier one (trial_end = now)."""
    end, start = run[-1].trial_end, run[-1].trial_start
    assert end is not None
    assert start is not None
    moved = None if leaving is None or leaving.status == "canceled" else leaving.trial_end
    if moved is not None and start < moved < end:
        return moved, True
    return end, False


def billing_trials(facts: Facts, subscription_id: str, rules: Rules) -> list[Trial]:
    """The trials of one subscription, re-entries within the allowed days joined to the trial before."""
    trials: list[Trial] = []
    for run, leaving in spells(facts.versions[subscription_id]):
        first = run[0]
        assert first.trial_start is not None
        assert first.trial_end is not None
        ends_at, is_early = end_of(run, leaving)
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
    for trial, following in itertools.pairwise(trials):
        trial.next_started_at, trial.next_version = following.started_at, following.versions[0]
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
