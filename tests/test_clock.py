from __future__ import annotations

from datetime import date, datetime

import pytest

from trialwise.clock import clock_for, day_start, parse_moment
from trialwise.errors import ConfigError, InputError


@pytest.mark.parametrize(
    ("text", "timezone", "moment"),
    [
        ("2026-01-31", "UTC", datetime(2026, 2, 1)),
        ("2026-01-31", "America/New_York", datetime(2026, 2, 1, 5)),
        ("2026-01-31T12:00:00Z", "America/New_York", datetime(2026, 1, 31, 12)),
        ("2026-01-31T12:00:00+02:00", "UTC", datetime(2026, 1, 31, 10)),
        ("2026-01-31T12:00:00.5", "UTC", datetime(2026, 1, 31, 12, 0, 0, 500000)),
    ],
)
def test_a_date_is_the_end_of_its_local_day_and_an_instant_is_literal(
    text: str, timezone: str, moment: datetime
) -> None:
    assert parse_moment(text, timezone) == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-02-30", "", "0"])
def test_what_is_no_moment_is_named_in_the_error(text: str) -> None:
    with pytest.raises(InputError, match=f"'{text}' is neither a date nor an instant"):
        parse_moment(text, "UTC")


def test_days_of_23_and_25_hours() -> None:
    spring = day_start(date(2026, 3, 30), "Europe/Berlin") - day_start(date(2026, 3, 29), "Europe/Berlin")
    autumn = day_start(date(2026, 10, 26), "Europe/Berlin") - day_start(date(2026, 10, 25), "Europe/Berlin")
    assert spring.total_seconds() == 23 * 3600
    assert autumn.total_seconds() == 25 * 3600


def test_as_of_date_holds_the_last_instant_before_as_of() -> None:
    midnight = clock_for("UTC", "2026-02-01T00:00:00Z", None)
    assert midnight.as_of_date == date(2026, 1, 31)
    assert midnight.is_day_complete
    noon = clock_for("UTC", "2026-02-01T12:00:00Z", None)
    assert noon.as_of_date == date(2026, 2, 1)
    assert not noon.is_day_complete


def test_what_is_not_given_is_now() -> None:
    now = datetime(2026, 5, 5, 5, 5)
    clock = clock_for("UTC", None, "2026-03-01", now)
    assert (clock.as_of, clock.known_at) == (now, datetime(2026, 3, 2))


def test_an_unknown_zone_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="unknown time zone 'Mars/Olympus'"):
        clock_for("Mars/Olympus", "2026-02-01", None)
