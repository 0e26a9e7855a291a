"""Seeded sets of product events that are hard to count: late, doubled, bursting, near midnight, in two trials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from .segment_calls import message_id
from .usage_oracle import DAY, Catalogue, Clock, TrialSpan, UsageEvent

VALUE = ("Report Created", "Dashboard Viewed", "Query Run", "Alert Sent", "Export Downloaded")
MILESTONES = {"Data Source Connected": "data_source_connected", "Teammate Invited": "teammate_invited"}
NOISE = ("Viewed Pricing Page", "Help Opened")
RENAMED = {"Query Executed": "Query Run", "Report Made": "Report Created"}


@dataclass(frozen=True)
class HardSet:
    """Events, the trials they belong to, what names mean, and the clock that all is read by."""

    events: list[UsageEvent]
    trials: list[TrialSpan]
    catalogue: Catalogue
    clock: Clock


def catalogue() -> Catalogue:
    """Five value events that are features too, two milestones of which one is a value event, two renamed events."""
    return Catalogue(
        value_events=frozenset({*VALUE, "Data Source Connected"}),
        features={name: name.lower().replace(" ", "_") for name in VALUE},
        milestones=MILESTONES,
        aliases=RENAMED,
        excluded_users=frozenset({"user_staff"}),
    )


def hard_set(
    seed: int,
    *,
    accounts: int = 20,
    zone: str = "UTC",
    late_share: float = 0.05,
    first_day: date = date(2026, 2, 20),
    days: int = 75,
    horizon_days: int = 30,
    as_of: datetime | None = None,
) -> HardSet:
    """A set of `accounts` accounts over `days` days from `first_day` (the default spans both spring clock changes).

    `late_share` of the user-days arrives wholly late, by 1 to 20 days; as many arrive with a late half. One account in
    four has a second trial, one user in eight works in two accounts, one user-day in thirty bursts over the cap. The
    default clock stops in the middle of a day, 20 days before the last events.
    """
    rng = Random(seed)
    tz = ZoneInfo(zone)
    if as_of is None:
        noon = datetime(first_day.year, first_day.month, first_day.day, 11, 30, tzinfo=tz) + (days - 20) * DAY
        as_of = noon.astimezone(UTC).replace(tzinfo=None)
    clock = Clock(as_of, zone=tz)
    events: list[UsageEvent] = []
    trials: list[TrialSpan] = []
    for number in range(accounts):
        account = f"acct_{seed}_{number:03d}"
        start = first_day + rng.randrange(0, days // 2) * DAY
        length = rng.choice((7, 14, 14, 14, 30))
        trials.append(_span(account, 1, start, length, horizon_days, rng, clock))
        if rng.random() < 0.25:
            again = start + rng.randrange(length + 4, length + 25) * DAY
            trials.append(_span(account, 2, again, 14, horizon_days, rng, clock))
        users = [f"user_{seed}_{number}_{i}" for i in range(rng.choice((1, 1, 2, 3)))]
        if rng.random() < 0.3:
            users.append(f"user_{seed}_{max(0, number - 1)}_0")
        if rng.random() < 0.2:
            users.append("user_staff")
        for user in users:
            events += _user_events(rng, account, user, first_day, days, tz, late_share)
    doubled = [
        UsageEvent(e.event_id, e.account_id, e.user_id, e.name, e.occurred_at, e.known_at + rng.randrange(1, 9) * DAY)
        for e in events
        if rng.random() < 0.02
    ]
    events += doubled
    rng.shuffle(events)
    return HardSet(events, trials, catalogue(), clock)


def _span(account: str, number: int, start: date, length: int, horizon: int, rng: Random, clock: Clock) -> TrialSpan:
    local = datetime(start.year, start.month, start.day, rng.randrange(0, 24), rng.randrange(60), tzinfo=clock.zone)
    started_at = local.astimezone(UTC).replace(tzinfo=None)
    start = clock.day(started_at)
    end = clock.day(started_at + length * DAY)
    return TrialSpan(f"trial:{account}:{number}", account, started_at, start, end + horizon * DAY)


def _user_events(
    rng: Random, account: str, user: str, first_day: date, days: int, tz: ZoneInfo, late_share: float
) -> list[UsageEvent]:
    events: list[UsageEvent] = []
    keen = rng.choice((0.05, 0.3, 0.6, 0.9))
    for offset in range(days):
        day = first_day + offset * DAY
        keen_today = keen * (0.5 if day.weekday() >= 5 else 1)
        if rng.random() >= keen_today:
            continue
        count = rng.randrange(101, 160) if rng.random() < 1 / 30 else rng.choice((1, 1, 2, 3, 8))
        fate = rng.random()
        delay = rng.randrange(1, 21) if fate < 2 * late_share else 0
        for index in range(count):
            name = _name(rng, user)
            late = delay if fate < late_share or index % 2 else 0
            at = _instant(rng, day, tz)
            # the usual way takes seconds; one in fifty is known a moment before it happened (a fast client clock)
            lag = timedelta(seconds=rng.randrange(1, 40)) if rng.random() > 0.02 else -timedelta(hours=7)
            known = at + late * DAY + lag
            events.append(UsageEvent(message_id(account, user, day, index), account, user, name, at, known))
    return events


def _name(rng: Random, user: str) -> str:
    roll = rng.random()
    if user != "user_staff":
        if roll < 0.02:
            return rng.choice(tuple(MILESTONES))
        if roll < 0.12:
            return rng.choice(NOISE)
    return rng.choice((*VALUE, *RENAMED)) if roll < 0.6 else VALUE[2]


def _instant(rng: Random, day: date, tz: ZoneInfo) -> datetime:
    """A UTC instant of the local day, close to midnight one time in five."""
    second = rng.choice((0, 1, 59, 86_398, 86_399)) if rng.random() < 0.2 else rng.randrange(86_400)
    local = datetime(day.year, day.month, day.day, second // 3600, second // 60 % 60, second % 60, tzinfo=tz)
    return local.astimezone(UTC).replace(tzinfo=None)


def segment_calls(events: list[UsageEvent]) -> list[dict[str, Any]]:
    """The events as Segment track calls whose `receivedAt` is when they became known."""
    return [
        {
            "type": "track",
            "messageId": event.event_id,
            "event": event.name,
            "userId": event.user_id,
            "context": {"groupId": event.account_id},
            "properties": {},
            "timestamp": event.occurred_at.isoformat(timespec="milliseconds") + "Z",
            "receivedAt": event.known_at.isoformat(timespec="milliseconds") + "Z",
        }
        for event in events
    ]
