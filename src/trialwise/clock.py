"""The clock is an input: as_of (what was true then) and known_at (only what was known by then).

Nothing else in trialwise reads the wall clock for a number; the commands read it once, here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trialwise.errors import ConfigError, InputError

EPOCH = date(1970, 1, 1)
AHEAD = timedelta(hours=26)
"""How far ahead of the machine's clock a moment may be: the end of the day that is today somewhere."""


@dataclass(frozen=True)
class Clock:
    """The moment a result is computed for.

    as_of, known_at: UTC instants without a zone; everything strictly before them counts.
    timezone: the reporting zone whose calendar days all dates are.
    """

    as_of: datetime
    known_at: datetime
    timezone: str

    @property
    def as_of_date(self) -> date:
        """The local day that holds the last instant before as_of."""
        last = self.as_of - timedelta(microseconds=1)
        return to_local(last, self.timezone).date()

    @property
    def is_day_complete(self) -> bool:
        """Whether as_of is exactly the end of its local day."""
        return self.as_of == day_start(self.as_of_date + timedelta(days=1), self.timezone)


def zone(name: str) -> ZoneInfo:
    """The IANA zone `name`; raises ConfigError when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"unknown time zone '{name}'", "Use an IANA name such as 'UTC' or 'Europe/Berlin' in [workspace] timezone."
        ) from error


def to_local(instant: datetime, timezone: str) -> datetime:
    """A UTC instant without a zone as local wall time with its zone."""
    return instant.replace(tzinfo=UTC).astimezone(zone(timezone))


def day_start(day: date, timezone: str) -> datetime:
    """The UTC instant, without a zone, at which the local calendar day begins (DST gaps included)."""
    local = datetime.combine(day, time.min, tzinfo=zone(timezone))
    return local.astimezone(UTC).replace(tzinfo=None)


def utc_now() -> datetime:
    """The wall clock as a UTC instant without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def parse_moment(text: str, timezone: str) -> datetime:
    """A DATE means the end of that local day, an instant is literal (UTC unless it names a zone).

    Returns a UTC instant without a zone. Raises InputError for anything else.
    """
    try:
        if len(text.strip()) == 10:
            return day_start(date.fromisoformat(text.strip()) + timedelta(days=1), timezone)
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"'{text}' is neither a date nor an instant",
            "Write a date (2026-03-01, the end of that day) or an instant (2026-03-01T12:00:00Z).",
        ) from error
    return moment


def clock_for(timezone: str, as_of: str | None, known_at: str | None, now: datetime | None = None) -> Clock:
    """The clock for the given texts; what is not given is now."""
    present = utc_now() if now is None else now
    return Clock(
        as_of=parse_moment(as_of, timezone) if as_of else present,
        known_at=parse_moment(known_at, timezone) if known_at else present,
        timezone=timezone,
    )
