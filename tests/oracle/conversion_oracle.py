"""Every definition of trial conversion, its interval, bounds and maturing estimate, over the oracle's trials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import sqrt
from typing import Literal

from .trials_oracle import Rules, Trial

Definition = Literal["start_cohort", "end_cohort", "rolling_ended", "rolling_flow", "status", "ever"]
Population = Literal["first", "repeat", "add_on", "all"]
DEFINITIONS: tuple[Definition, ...] = ("start_cohort", "end_cohort", "rolling_ended", "rolling_flow", "status", "ever")

_NOT_WAITING = ("cancelled", "converted_free", "merged")
_ENDED = ("cancelled", "expired", "no_payment_method", "payment_failed")


@dataclass(frozen=True)
class Rate:
    """One published rate; members are trial ids, so that a difference names the trial."""

    definition: str
    period_start: date
    period_end: date
    numerator: frozenset[str]
    denominator: frozenset[str]
    pending: frozenset[str]
    excluded: frozenset[str]
    estimate: float | None = None

    @property
    def value(self) -> float | None:
        """Fraction 0..1 (rolling_flow may pass 1), None over nobody."""
        return len(self.numerator) / len(self.denominator) if self.denominator else None

    @property
    def wilson(self) -> tuple[float, float] | None:
        """95 % Wilson interval, None over nobody or where the numerator is no part of the denominator."""
        if self.definition == "rolling_flow":
            return None
        return wilson(len(self.numerator), len(self.denominator))

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The rate if nothing pending converts, and if all of it does."""
        n, c = len(self.denominator), len(self.numerator)
        return (c / n, (c + len(self.pending)) / n) if n else None

    @property
    def is_final(self) -> bool:
        """Whether nothing is pending."""
        return not self.pending


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """Wilson score interval at 95 % (z = 1.959964), None over nobody."""
    if trials == 0:
        return None
    z = 1.959963984540054
    p = successes / trials
    centre = p + z * z / (2 * trials)
    spread = z * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return (centre - spread) / scale, (centre + spread) / scale


def aalen_johansen(rows: list[tuple[int, str]]) -> list[tuple[int, float]]:
    """Cumulative incidence of `converted` after every day that has an end: (day, incidence).

    `rows` are (day, what) with what in converted, ended (any other end), running (censored on that day); on one day
    ends come before censoring.
    """
    alive, incidence = Fraction(1), Fraction(0)
    curve = []
    for day in sorted({day for day, what in rows if what != "running"}):
        at_risk = sum(1 for other, _ in rows if other >= day)
        converted = sum(1 for row in rows if row == (day, "converted"))
        ended = sum(1 for row in rows if row == (day, "ended"))
        incidence += alive * Fraction(converted, at_risk)
        alive *= 1 - Fraction(converted + ended, at_risk)
        curve.append((day, float(incidence)))
    return curve


def month_of(day: date) -> tuple[date, date]:
    """The calendar month that holds `day`, end exclusive."""
    start = day.replace(day=1)
    return start, (start + timedelta(days=32)).replace(day=1)


def week_of(day: date) -> tuple[date, date]:
    """The ISO week that holds `day`, end exclusive."""
    start = day - timedelta(days=day.weekday())
    return start, start + timedelta(days=7)


def in_population(trial: Trial, population: Population) -> bool:
    """Whether a trial counts in a rate of this population; `all` counts every one."""
    if population == "all":
        return True
    if population == "add_on":
        return trial.is_add_on
    return not trial.is_add_on and trial.is_first_trial == (population == "first")


def landmark(trials: list[Trial], trial_day: int, as_of: datetime, rules: Rules | None = None) -> list[Trial]:
    """Trials still open at the end of their trial day `trial_day`, that end having passed: the base of a split.

    Who is a member then is compared among these alone; "members now" would count those who lived to become one.
    """
    rules = rules or Rules()
    result = []
    for trial in trials:
        over = rules.end_of_day(rules.day(trial.started_at) + timedelta(days=trial_day - 1))
        if over <= as_of and over < trial.effective_end_at:
            result.append(trial)
    return result


def conversion(
    trials: list[Trial],
    definition: Definition,
    as_of: datetime,
    *,
    by: Literal["month", "week"] | None = "month",
    within_days: int | Literal["ever"] | None = None,
    grace_days: int | None = None,
    population: Population = "first",
    net: bool = False,
    rules: Rules | None = None,
) -> list[Rate]:
    """Rates by period of one definition, oldest first; a rolling one names its window, without `by` the one at as_of.

    `net` leaves refunded conversions out of the numerator. Trials of other populations, and for `status` those that
    only the product announced, are excluded; a trial merged into another is no new one and counts nowhere.
    """
    rules = rules or Rules()
    if definition.startswith("rolling"):
        return _rolling(trials, definition, as_of, by, population, net, rules)
    span = week_of if by == "week" else month_of
    groups: dict[tuple[date, date], list[Trial]] = {}
    for trial in _new(trials):
        if definition == "end_cohort":
            if trial.effective_end_at <= as_of:
                groups.setdefault(span(rules.day(trial.effective_end_at)), []).append(trial)
        else:
            groups.setdefault(span(rules.day(trial.started_at)), []).append(trial)
    rates = []
    for (start, end), members in sorted(groups.items()):
        inside = [t for t in members if _counts(t, definition, population)]
        won, wait = set(), set()
        rows = []
        for trial in inside:
            hit_at, until, reached = _reached(trial, definition, within_days, grace_days, rules)
            if reached and not (net and trial.is_refunded):
                won.add(trial.trial_id)
            elif hit_at is None and as_of <= until and trial.outcome not in _NOT_WAITING:
                wait.add(trial.trial_id)
            what = "converted" if trial.trial_id in won else "running" if trial.trial_id in wait else "ended"
            rows.append((_days_at_risk(trial, definition, what, hit_at, until, as_of, rules), what))
        curve = aalen_johansen(rows)
        rates.append(
            Rate(
                definition,
                start,
                end,
                frozenset(won),
                frozenset(t.trial_id for t in inside),
                frozenset(wait),
                frozenset(t.trial_id for t in members) - frozenset(t.trial_id for t in inside),
                curve[-1][1] if curve else 0.0 if inside else None,
            )
        )
    return rates


def _new(trials: list[Trial]) -> list[Trial]:
    """Without those that an account merge joined to another one."""
    return [trial for trial in trials if trial.outcome != "merged"]


def _counts(trial: Trial, definition: str, population: Population) -> bool:
    """Whether the rate is about the trial; the others of its period are excluded."""
    if definition == "status" and trial.source == "event":
        return False
    return in_population(trial, population)


def _reached(
    trial: Trial, definition: Definition, within_days: int | str | None, grace_days: int | None, rules: Rules
) -> tuple[datetime | None, datetime, bool]:
    """What the definition counts, until when it could still come, and whether it came in time."""
    if definition == "status":
        return trial.active_status_at, trial.deadline_at, trial.active_status_at is not None
    if definition == "ever":
        return trial.ever_paid_at, trial.deadline_at, trial.ever_paid_at is not None
    if within_days == "ever":
        return trial.converted_at, trial.deadline_at, trial.is_paid
    until = trial.deadline_at
    if definition == "end_cohort":
        until = trial.end_basis + (rules.grace if grace_days is None else timedelta(days=grace_days)) + rules.lag
    elif within_days is not None:
        until = trial.started_at + timedelta(days=int(within_days))
    return trial.converted_at, until, trial.converted_at is not None and trial.converted_at <= until


def _days_at_risk(
    trial: Trial, definition: str, what: str, hit_at: datetime | None, until: datetime, as_of: datetime, rules: Rules
) -> int:
    """The day, counted from the trial's (an ended cohort's: from the end), on which the trial left the risk set.

    A trial waits until it converts, cancels or goes free, else until its deadline; while that is ahead it is censored.
    """
    origin = rules.day(trial.end_basis if definition == "end_cohort" else trial.started_at)
    if what == "running":
        return (rules.day(as_of - timedelta(microseconds=1)) - origin).days
    over = until
    if hit_at is not None and (what == "converted" or hit_at <= until):
        over = hit_at
    elif trial.outcome in ("cancelled", "converted_free"):
        assert trial.outcome_at is not None
        over = min(trial.outcome_at, until)
    return (rules.day(over) - origin).days


def _rolling(
    trials: list[Trial],
    definition: Definition,
    as_of: datetime,
    by: str | None,
    population: Population,
    net: bool,
    rules: Rules,
) -> list[Rate]:
    today = rules.day(as_of - timedelta(microseconds=1))
    if by is None:
        lasts = [today]
    else:
        span = week_of if by == "week" else month_of
        lasts, day = [], min((rules.day(t.started_at) for t in trials), default=today)
        while day <= today:
            day = span(day)[1]
            lasts.append(min(day - timedelta(days=1), today))
    rates, trials = [], _new(trials)
    for last in lasts:
        begin = last - timedelta(days=29)

        def inside(instant: datetime | None, begin: date = begin, last: date = last) -> bool:
            return instant is not None and begin <= rules.day(instant) <= last

        paid = [t for t in trials if inside(t.converted_at)]
        won = [t for t in paid if not (net and t.is_refunded)]
        if definition == "rolling_flow":
            base = [t for t in trials if inside(t.started_at)]
        else:
            base = paid + [t for t in trials if not t.is_paid and _ended_for_good(t) and inside(t.outcome_at)]
        counted = [t for t in base if _counts(t, definition, population)]
        rates.append(
            Rate(
                definition,
                begin,
                last + timedelta(days=1),
                frozenset(t.trial_id for t in won if _counts(t, definition, population)),
                frozenset(t.trial_id for t in counted),
                frozenset(
                    t.trial_id
                    for t in counted
                    if not t.is_paid and as_of <= t.deadline_at and t.outcome not in _NOT_WAITING
                ),
                frozenset(t.trial_id for t in [*base, *paid] if not _counts(t, definition, population)),
            )
        )
    return rates


def _ended_for_good(trial: Trial) -> bool:
    """Ended unconverted; a trial that only waits paused for a card has not."""
    if trial.outcome == "no_payment_method":
        return trial.is_inferred or trial.ended_at is not None
    return trial.outcome in _ENDED
