"""Usage measures per trial and day, read straight from the definitions (sections 3 and 6) in plain Python.

For every trial and every day the raw events are filtered anew by what had happened and was known by the end of that
day, and the measures are taken from sets of days. Nothing is incremental, so nothing can be carried over wrongly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from math import floor, log2

DAY = timedelta(days=1)
FOREVER = datetime(9999, 12, 31)


@dataclass(frozen=True)
class UsageEvent:
    """One product event; instants are naive UTC. The event carries its account, so a user may have several."""

    event_id: str
    account_id: str
    user_id: str
    name: str
    occurred_at: datetime
    known_at: datetime


@dataclass(frozen=True)
class TrialSpan:
    """The days of one trial: rows run from `start_date` to `last_date` (end + horizon), or to the as_of date."""

    trial_id: str
    account_id: str
    started_at: datetime
    start_date: date
    last_date: date


@dataclass(frozen=True)
class Catalogue:
    """What event names mean. `aliases` maps a renamed event to the name it has in the other fields."""

    value_events: frozenset[str]
    features: Mapping[str, str] = field(default_factory=dict)
    features_total: int | None = None
    milestones: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    excluded_users: frozenset[str] = frozenset()
    cap: int = 100
    benchmark: int = 10

    @property
    def size(self) -> int:
        """Number of catalogued features."""
        return self.features_total if self.features_total is not None else len(set(self.features.values()))


@dataclass(frozen=True)
class Clock:
    """As of when (`as_of`, naive UTC, exclusive), known by when, and the zone whose days count."""

    as_of: datetime
    known_at: datetime = FOREVER
    zone: tzinfo = UTC

    def day(self, instant: datetime) -> date:
        """The reporting day of a naive UTC instant."""
        return instant.replace(tzinfo=UTC).astimezone(self.zone).date()

    @property
    def as_of_date(self) -> date:
        """The day that holds the last instant before as_of."""
        return self.day(self.as_of - timedelta(microseconds=1))

    @property
    def is_day_complete(self) -> bool:
        """Whether as_of is the very end of its day."""
        return self.day(self.as_of) > self.as_of_date


@dataclass(frozen=True)
class UsageRow:
    """One trial and day; names are those of the catalogue. Shares and ratios are exact fractions, dates local."""

    trial_id: str
    account_id: str
    trial_day: int
    activity_date: date
    is_complete: bool
    active_today: int
    days_available: int
    active_days_3d: int
    active_days_7d: int
    active_days_14d: int
    active_days_28d: int
    value_events_7d: int
    value_events_total: int
    capped_events_total: int
    stickiness: Fraction
    events_per_active_day: Fraction | None
    features_used: int
    breadth_share: Fraction | None
    last_active_date: date | None
    recency_days: int | None
    current_streak_days: int
    longest_streak_days: int
    business_streak_days: int
    trend_hundredths: int | None
    active_users_7d: int
    milestones: Mapping[str, date]

    def intensity(self, benchmark: int) -> tuple[int, int, int]:
        """Frequency, depth and breadth in hundredths of an index point (at most 5000, 3000, 2000)."""
        usable = min(7, self.days_available)
        frequency = Fraction(self.active_days_7d, usable) if usable else Fraction(0)
        depth = min(Fraction(1), (self.events_per_active_day or Fraction(0)) / benchmark)
        return (
            half_up(5000 * frequency),
            half_up(3000 * depth),
            half_up(2000 * (self.breadth_share or Fraction(0))),
        )


def half_up(value: Fraction) -> int:
    """The nearest integer, halves away from zero."""
    return floor(value + Fraction(1, 2)) if value >= 0 else -floor(-value + Fraction(1, 2))


def band(index_hundredths: int) -> str:
    """none at 0, light below 33, moderate below 66, heavy from there."""
    if index_hundredths == 0:
        return "none"
    return "light" if index_hundredths < 3300 else "moderate" if index_hundredths < 6600 else "heavy"


@dataclass(frozen=True)
class _Seen:
    """An event with its two days."""

    user_id: str
    name: str
    on: date
    known_on: date


def usage_rows(
    events: Iterable[UsageEvent], trials: Iterable[TrialSpan], catalogue: Catalogue, clock: Clock
) -> list[UsageRow]:
    """Every row of every trial, ordered by trial id and day. Copies of an event id count once, the one known first."""
    best: dict[str, UsageEvent] = {}
    for event in events:
        old = best.get(event.event_id)
        if old is None or event.known_at < old.known_at:
            best[event.event_id] = event
    of_account: dict[str, list[_Seen]] = {}
    for event in best.values():
        if event.occurred_at >= clock.as_of or event.known_at >= clock.known_at:
            continue
        on = clock.day(event.occurred_at)
        name = catalogue.aliases.get(event.name, event.name)
        seen = _Seen(event.user_id, name, on, max(on, clock.day(event.known_at)))
        of_account.setdefault(event.account_id, []).append(seen)
    rows = []
    for trial in sorted(trials, key=lambda t: t.trial_id):
        seen_here = of_account.get(trial.account_id, [])
        if trial.started_at >= clock.as_of:
            continue
        day = trial.start_date
        while day <= min(trial.last_date, clock.as_of_date):
            if day < clock.as_of_date or clock.is_day_complete:
                rows.append(_complete_row(trial, day, seen_here, catalogue))
            else:
                rows.append(_open_row(trial, day, seen_here, catalogue))
            day += DAY
    return rows


def _complete_row(trial: TrialSpan, day: date, seen: list[_Seen], catalogue: Catalogue) -> UsageRow:
    known = [s for s in seen if s.on <= day and s.known_on <= day]
    used = [s for s in known if s.on >= trial.start_date and s.user_id not in catalogue.excluded_users]
    value = [s for s in used if s.name in catalogue.value_events]
    active = {s.on for s in value}
    age = (day - trial.start_date).days + 1

    def within(days: int) -> int:
        return sum(1 for on in active if on > day - days * DAY)

    per_user_day = Counter((s.user_id, s.on) for s in value)
    capped = sum(min(catalogue.cap, count) for count in per_user_day.values())
    features = {catalogue.features[s.name] for s in used if s.name in catalogue.features}
    last = max(active, default=None)
    return UsageRow(
        trial_id=trial.trial_id,
        account_id=trial.account_id,
        trial_day=age,
        activity_date=day,
        is_complete=True,
        active_today=int(day in active),
        days_available=age,
        active_days_3d=within(3),
        active_days_7d=within(7),
        active_days_14d=within(14),
        active_days_28d=within(28),
        value_events_7d=sum(1 for s in value if s.on > day - 7 * DAY),
        value_events_total=len(value),
        capped_events_total=capped,
        stickiness=Fraction(within(28), 28),
        events_per_active_day=Fraction(capped, len(active)) if active else None,
        features_used=len(features),
        breadth_share=Fraction(len(features), catalogue.size) if catalogue.size else None,
        last_active_date=last,
        recency_days=None if last is None else (day - last).days,
        current_streak_days=current_streak(active, day),
        longest_streak_days=longest_streak(active),
        business_streak_days=business_streak(active, trial.start_date, day),
        trend_hundredths=_trend(age, within),
        active_users_7d=len({s.user_id for s in value if s.on > day - 7 * DAY}),
        milestones=_milestones(known, catalogue),
    )


def _open_row(trial: TrialSpan, day: date, seen: list[_Seen], catalogue: Catalogue) -> UsageRow:
    """Today, not over: yesterday's measures, plus active_today, the streak it makes, and today's milestones."""
    known = [s for s in seen if s.on <= day and s.known_on <= day]
    is_active = any(
        s.on == day and s.name in catalogue.value_events and s.user_id not in catalogue.excluded_users for s in known
    )
    # on the first day there is no yesterday: the row of the day before has nothing to count
    yesterday = vars(_complete_row(trial, day - DAY, seen, catalogue))
    return UsageRow(
        **yesterday
        | {
            "trial_day": (day - trial.start_date).days + 1,
            "activity_date": day,
            "is_complete": False,
            "active_today": int(is_active),
            "current_streak_days": yesterday["current_streak_days"] + int(is_active),
            "milestones": _milestones(known, catalogue),
        }
    )


def _milestones(known: list[_Seen], catalogue: Catalogue) -> dict[str, date]:
    first: dict[str, date] = {}
    for s in known:
        milestone = catalogue.milestones.get(s.name)
        if milestone is not None:
            first[milestone] = min(s.on, first.get(milestone, s.on))
    return first


def _trend(age: int, within: Callable[[int], int]) -> int | None:
    """log2 of the last week (or 3 days) against the one before, in hundredths; None before day 6."""
    if age < 6:
        return None
    recent = within(7) if age >= 14 else within(3)
    both = within(14) if age >= 14 else within(6)
    return round(100 * log2((recent + 1) / (both - recent + 1)))


def current_streak(active: set[date], day: date) -> int:
    """Consecutive active days that end on `day`."""
    length = 0
    while day - length * DAY in active:
        length += 1
    return length


def longest_streak(active: set[date]) -> int:
    """The longest run of consecutive active days."""
    return max((current_streak(active, day) for day in active), default=0)


def business_streak(active: set[date], start: date, day: date) -> int:
    """Consecutive active business days (Monday to Friday) up to `day`; weekends neither add nor break."""
    length = 0
    while day >= start:
        if day.weekday() < 5:
            if day not in active:
                break
            length += 1
        day -= DAY
    return length
