"""When a job is due: every so often, or at times of the calendar of a zone.

A slot is one occurrence, named by its UTC instant. Of the slots that passed unseen (the machine was off, or asleep) the
latest alone is due: what a job does, it does for all that went before. A run at a time of the calendar that failed is
tried again, ever more seldom, until it goes well or its next slot comes.

```
every 15 minutes   counted from the slot before, so that a slow run moves nothing
03:07              once a day of the zone
7 3 * * 1-5        minute, hour, day of month, month, weekday as in crontab(5): 0 and 7 are Sunday; where both kinds of
                   days are named, either will do
```

A time that the clock passes twice in autumn has one slot, the first; one that it leaps over in spring has its slot at
the next instant there is. With `*` for the hour a job follows the clock instead, through both of the autumn's hours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from trialwise.clock import zone
from trialwise.errors import ConfigError

_BEGINNING = datetime.fromisoformat("2000-01-01")
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""How long after its failures, the first, the second, ..., a run is tried again; then always the last."""
_YEARS_LOOKED = 9  # from one 29th of February to the next, over a year such as 2100
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Every:
    """Every so often; `length` is at least a second outside of tests."""

    length: timedelta

    def __str__(self) -> str:
        return f"every {self.length.total_seconds():g} s"

    def spacing(self, _now: datetime) -> timedelta:
        """The longest time between two slots."""
        return self.length

    def first(self, now: datetime) -> datetime:
        """The slot of a job that never ran: now, in whole minutes or seconds, so that a caller who comes every quarter
        of an hour, give or take a second, finds it due each time.
        """
        whole = _MINUTE if self.length >= _MINUTE else _SECOND if self.length >= _SECOND else timedelta(microseconds=1)
        return now - (now - _BEGINNING) % whole


@dataclass(frozen=True)
class Calendar:
    """Times of the calendar of a zone, as `calendar` reads them."""

    text: str
    zone: ZoneInfo = field(repr=False)
    minutes: tuple[int, ...] = field(repr=False)
    hours: tuple[int, ...] = field(repr=False)
    days: frozenset[int] = field(repr=False)
    months: frozenset[int] = field(repr=False)
    weekdays: frozenset[int] = field(repr=False)
    is_any_hour: bool = field(default=False, repr=False)
    is_any_day: bool = field(default=True, repr=False)
    is_any_weekday: bool = field(default=True, repr=False)

    def __str__(self) -> str:
        return f"{self.text} {self.zone.key}"

    def latest(self, now: datetime) -> datetime | None:
        """The last slot that is not after `now`, UTC without zone; None when there is none for years."""
        day = now.replace(tzinfo=UTC).astimezone(self.zone).date() + _DAY
        for _ in range(_YEARS_LOOKED * 366):
            found = [slot for one in (day, day - _DAY) for slot in self._slots(one) if slot <= now]
            if found:
                return max(found)
            day -= _DAY
        return None

    def following(self, now: datetime) -> Iterator[datetime]:
        """The slots after `now`, in order."""
        day = now.replace(tzinfo=UTC).astimezone(self.zone).date() - _DAY
        for _ in range(_YEARS_LOOKED * 366):
            yield from (slot for slot in self._slots(day) if slot > now)
            day += _DAY

    def spacing(self, now: datetime) -> timedelta:
        """The longest time between two of the next slots."""
        slots = list(islice(self.following(now), 9))
        return max((after - before for before, after in pairwise(slots)), default=_DAY)

    def _slots(self, day: date) -> tuple[datetime, ...]:
        return _slots_of(self, day) if day.month in self.months and self._is_day(day) else ()

    def _is_day(self, day: date) -> bool:
        by_date, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date and by_week if self.is_any_day or self.is_any_weekday else by_date or by_week


Timetable = Every | Calendar


@dataclass(frozen=True)
class Past:
    """What is known of a job's runs; instants are UTC without zone.

    since: from when on its timetable holds; last: the slot of the newest run that had one; ran: slots that are not to
    be run again; failures: how often the last slot failed in a row, the last time at failed_at.
    """

    since: datetime
    last: datetime | None = None
    ran: Collection[datetime] = frozenset()
    failures: int = 0
    failed_at: datetime | None = None


def due(timetable: Timetable, past: Past, now: datetime) -> datetime | None:
    """The slot a job should run for now, None while there is nothing to do.

    A clock that was set back makes no slot of the calendar due again. What is done every so often goes on: from `now`,
    when the last slot is further ahead than one more turn would be.
    """
    if isinstance(timetable, Calendar):
        slot = timetable.latest(now)
        return slot if slot is not None and slot > past.since and slot not in past.ran else None
    if past.last is None:
        return timetable.first(now)
    if past.last > now + timetable.length:
        return now
    slot = past.last + (now - past.last) // timetable.length * timetable.length
    return slot if slot >= past.last and slot not in past.ran else None


def is_retried(timetable: Timetable, past: Past, now: datetime) -> bool:
    """Whether a slot that failed is tried again; what is done every so often comes again by itself."""
    if isinstance(timetable, Every) or past.failed_at is None:
        return False
    wait = RETRIES[min(past.failures, len(RETRIES)) - 1]
    return not past.failed_at <= now < past.failed_at + wait  # a clock that was set back is no reason to wait longer


def calendar(text: str, timezone: str) -> Calendar:
    """Read '03:07' or five fields of a crontab; raises ConfigError naming the field, what was found and expected."""
    at = _TIME.fullmatch(text.strip())
    fields = [at.group(2), at.group(1), "*", "*", "*"] if at is not None else text.lower().split()
    if len(fields) != len(_FIELDS):
        raise ConfigError(
            f"'{text}' is no time of the day and no crontab line",
            'Write "03:07", or minute, hour, day of month, month and weekday: "7 3 * * 1-5".',
        )
    minutes, hours, days, months, weekdays = (
        _values(text, part, *known) for part, known in zip(fields, _FIELDS, strict=True)
    )
    if all(day > _LONGEST[month - 1] for day in days for month in months) and fields[4].startswith("*"):
        raise ConfigError(f"'{text}' names no day that ever comes", "Mend the day of month or the month.")
    return Calendar(
        " ".join(text.split()),
        zone(timezone),
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(day % 7 for day in weekdays),
        is_any_hour=fields[1].startswith("*"),
        is_any_day=fields[2].startswith("*"),
        is_any_weekday=fields[4].startswith("*"),
    )


@lru_cache(maxsize=256)  # asked every second for the same few days
def _slots_of(calendar: Calendar, day: date) -> tuple[datetime, ...]:
    """The slots of a day that is one of the calendar's, in order."""
    times = [datetime.combine(day, time(hour, minute)) for hour in calendar.hours for minute in calendar.minutes]
    if calendar.is_any_hour:
        return tuple(sorted(slot for local in times for slot in _every_instant(local, calendar.zone)))
    return tuple(sorted({_instant(local, calendar.zone) for local in times}))


def _values(text: str, part: str, name: str, least: int, most: int, names: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for piece in part.split(","):
        match = _PART.fullmatch(piece)
        if match is None:
            raise _wrong(text, name, piece, least, most)
        begin, end, step = match.groups()
        low = least if begin is None else _number(begin, names)
        high = (most if begin is None else low) if end is None else _number(end, names)
        if step is not None and (int(step) == 0 or (begin is not None and end is None)):
            raise _wrong(text, name, piece, least, most)
        if low is None or high is None or not least <= low <= high <= most:
            raise _wrong(text, name, piece, least, most)
        found.update(range(low, high + 1, int(step or 1)))
    return found


def _number(word: str, names: tuple[str, ...]) -> int | None:
    if word in names:
        return names.index(word) + (1 if names is _MONTHS else 0)
    return int(word) if word.isascii() and word.isdigit() else None


def _wrong(text: str, name: str, piece: str, least: int, most: int) -> ConfigError:
    return ConfigError(
        f"'{text}': '{piece}' is no {name}",
        f"Expected {least} to {most}, as in * */5 {least} {least}-{most} and lists.",
    )


def _utc(local: datetime) -> datetime:
    return local.astimezone(UTC).replace(tzinfo=None)


def _is_there(local: datetime, where: ZoneInfo) -> bool:
    """Whether a wall time with its fold is shown by the clock of a zone."""
    return _utc(local.replace(tzinfo=where)).replace(tzinfo=UTC).astimezone(where).replace(tzinfo=None) == local


def _instant(local: datetime, where: ZoneInfo) -> datetime:
    """The first instant at which the clock shows a wall time, or the first one after it where that is leapt over."""
    if _is_there(local, where):
        return _utc(local.replace(tzinfo=where, fold=0))
    before, after = _utc(local.replace(tzinfo=where, fold=1)), _utc(local.replace(tzinfo=where, fold=0))
    while after - before > _SECOND:  # `before` shows an earlier wall time, `after` a later one: the leap is between
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.replace(tzinfo=UTC).astimezone(where).replace(tzinfo=None) < local:
            before = middle
        else:
            after = middle
    return after


def _every_instant(local: datetime, where: ZoneInfo) -> Iterator[datetime]:
    """Each instant at which the clock shows a wall time: none, one or two."""
    if _is_there(local, where):
        yield from sorted({_utc(local.replace(tzinfo=where, fold=fold)) for fold in (0, 1)})
