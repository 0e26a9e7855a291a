"""Timetables: which slots a calendar names around the changes of clocks, what is due, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest

from trialwise.errors import ConfigError
from trialwise.timetable import Every, Past, calendar, due

LONG_AGO = Past(datetime(2020, 1, 1))
QUARTER = Every(timedelta(minutes=15))
NOON = datetime(2026, 3, 1, 12)


def slots(text: str, zone: str, since: datetime, count: int) -> list[datetime]:
    return list(islice(calendar(text, zone).following(since), count))


def test_a_time_of_the_day_is_the_zones() -> None:
    assert slots("03:07", "Asia/Kolkata", datetime(2026, 1, 1), 2) == [
        datetime(2026, 1, 1, 21, 37), datetime(2026, 1, 2, 21, 37),
    ]  # fmt: skip
    assert calendar("03:07", "Asia/Kolkata").latest(datetime(2026, 1, 1, 21, 36)) == datetime(2025, 12, 31, 21, 37)
    assert calendar("03:07", "Asia/Kolkata").latest(datetime(2026, 1, 1, 21, 37)) == datetime(2026, 1, 1, 21, 37)


@pytest.mark.parametrize(
    ("text", "zone", "day", "expected"),
    [
        # Berlin leaps from 02:00 (01:00Z) to 03:00 on 29 March: half past two is at three
        ("02:30", "Europe/Berlin", datetime(2026, 3, 28, 12), [datetime(2026, 3, 29, 1), datetime(2026, 3, 30, 0, 30)]),
        # and goes from 03:00 (01:00Z) back to 02:00 on 25 October: half past two is the first of both, in summer time
        (
            "02:30", "Europe/Berlin", datetime(2026, 10, 24, 12),
            [datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 26, 1, 30)],
        ),
        # New York: 02:00 (07:00Z) to 03:00 on 8 March; 02:00 (06:00Z) back to 01:00 on 1 November
        ("02:30", "America/New_York", datetime(2026, 3, 8), [datetime(2026, 3, 8, 7), datetime(2026, 3, 9, 6, 30)]),
        (
            "01:30", "America/New_York", datetime(2026, 11, 1),
            [datetime(2026, 11, 1, 5, 30), datetime(2026, 11, 2, 6, 30)],
        ),
        # Lord Howe leaps half an hour: 02:00 (15:30Z) to 02:30 on 4 October; 02:00 (15:00Z) back to 01:30 on 5 April
        (
            "02:15", "Australia/Lord_Howe", datetime(2026, 10, 3, 12),
            [datetime(2026, 10, 3, 15, 30), datetime(2026, 10, 4, 15, 15)],
        ),
        (
            "01:45", "Australia/Lord_Howe", datetime(2026, 4, 4, 12),
            [datetime(2026, 4, 4, 14, 45), datetime(2026, 4, 5, 15, 15)],
        ),
        # Samoa left out the 30th of December 2011 (10:00Z on the 30th): its noon is the midnight after
        ("12:00", "Pacific/Apia", datetime(2011, 12, 30), [datetime(2011, 12, 30, 10), datetime(2011, 12, 30, 22)]),
    ],
)  # fmt: skip
def test_times_that_are_leapt_over_or_come_twice(text: str, zone: str, day: datetime, expected: list[datetime]) -> None:
    found = slots(text, zone, day, 2)
    assert found == expected
    for slot in expected:
        assert calendar(text, zone).latest(slot) == slot
        assert calendar(text, zone).latest(slot + timedelta(seconds=59)) == slot
        before = calendar(text, zone).latest(slot - timedelta(seconds=1))
        assert before is not None
        assert before < slot


def test_with_a_star_for_the_hour_a_job_follows_the_clock() -> None:
    assert slots("30 * * * *", "Europe/Berlin", datetime(2026, 10, 25), 3) == [
        datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 25, 1, 30), datetime(2026, 10, 25, 2, 30),
    ]  # fmt: skip
    assert slots("30 * * * *", "Europe/Berlin", datetime(2026, 3, 29), 3) == [
        datetime(2026, 3, 29, 0, 30), datetime(2026, 3, 29, 1, 30), datetime(2026, 3, 29, 2, 30),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 * * 0", [1, 8, 15, 22]),  # 1 March 2026 is a Sunday
        ("0 0 * * 7", [1, 8, 15, 22]),
        ("0 0 * * sun", [1, 8, 15, 22]),
        ("0 0 * * 1", [2, 9, 16, 23]),
        ("0 0 * * 6", [7, 14, 21, 28]),
        ("0 0 * * 5-7", [1, 6, 7, 8]),
        ("0 0 * * 1-5", [2, 3, 4, 5]),
        ("0 0 13 * 5", [6, 13, 20, 27]),  # either: the 13th is a Friday too
        ("0 0 10 * mon", [2, 9, 10, 16]),
        ("0 0 */10 * *", [1, 11, 21, 31]),
        ("0 0 */2 * 1", [9, 23]),  # with a star both have to fit: odd days that are Mondays
    ],
)
def test_weekdays_are_those_of_crontab(text: str, days: list[int]) -> None:
    found = [slot.day for slot in slots(text, "UTC", datetime(2026, 2, 28, 12), 4) if slot.month == 3]
    assert found == days


def test_the_fields_of_a_crontab() -> None:
    start = datetime(2026, 1, 1)
    assert slots("*/20 8-9 * * *", "UTC", start, 7) == [
        *(datetime(2026, 1, 1, hour, minute) for hour in (8, 9) for minute in (0, 20, 40)), datetime(2026, 1, 2, 8),
    ]  # fmt: skip
    assert slots("5,10-30/10 4 1 jan,JUL *", "UTC", start, 4) == [
        datetime(2026, 1, 1, 4, 5), datetime(2026, 1, 1, 4, 10),
        datetime(2026, 1, 1, 4, 20), datetime(2026, 1, 1, 4, 30),
    ]  # fmt: skip
    assert slots("0 0 29 2 *", "UTC", start, 1) == [datetime(2028, 2, 29)]
    assert calendar("0 0 29 2 *", "UTC").latest(datetime(2026, 1, 1)) == datetime(2024, 2, 29)
    assert calendar("0 0 31 * *", "UTC").latest(datetime(2026, 7, 30)) == datetime(2026, 5, 31)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noon", "'noon' is no time of the day and no crontab line"),
        ("24:00", "is no time of the day"),
        ("", "is no time of the day"),
        ("0 3 * *", "is no time of the day"),
        ("60 3 * * *", "'60' is no minute"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 0 0 * *", "'0' is no day of month"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * 8", "'8' is no weekday"),
        ("0 0 * * fryday", "'fryday' is no weekday"),
        ("0 9-5 * * *", "'9-5' is no hour"),
        ("*/0 * * * *", "is no minute"),
        ("3/5 * * * *", "is no minute"),
        ("1,,2 * * * *", "'' is no minute"),
        ("² * * * *", "is no minute"),
        ("0 0 30 2 *", "names no day that ever comes"),
        ("0 0 31 4,6 *", "names no day that ever comes"),
    ],
)
def test_what_is_no_timetable_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("*", r"\*")):
        calendar(text, "UTC")


def test_how_far_apart_slots_are() -> None:
    assert calendar("03:07", "UTC").spacing(NOON) == timedelta(days=1)
    assert calendar("0 3 * * 1-5", "UTC").spacing(NOON) == timedelta(days=3)
    assert calendar("0 3 1 1 *", "UTC").spacing(NOON) == timedelta(days=366)
    assert QUARTER.spacing(NOON) == timedelta(minutes=15)
    assert (str(QUARTER), str(calendar(" 3  4 * * 1", "Asia/Tokyo"))) == ("every 900 s", "3 4 * * 1 Asia/Tokyo")


def test_only_the_latest_slot_of_a_calendar_is_due_and_once() -> None:
    daily = calendar("03:00", "UTC")
    today = datetime(2026, 3, 1, 3)
    assert due(daily, LONG_AGO, NOON) == today, "of the many that passed"
    assert due(daily, Past(LONG_AGO.since, today, {today}), NOON) is None
    assert due(daily, Past(LONG_AGO.since, today, {today}), NOON + timedelta(days=3)) == datetime(2026, 3, 4, 3)
    assert due(daily, Past(today), NOON) is None, "what went before the timetable held is none of its slots"
    assert due(daily, Past(today - timedelta(seconds=1)), NOON) == today
    assert due(calendar("0 0 29 2 *", "UTC"), Past(NOON), NOON) is None


def test_a_clock_set_back_makes_no_slot_of_a_calendar_due_again() -> None:
    hourly = calendar("0 * * * *", "UTC")
    ran = {datetime(2026, 3, 1, hour) for hour in range(10, 13)}
    past = Past(LONG_AGO.since, datetime(2026, 3, 1, 12), ran)
    assert due(hourly, past, datetime(2026, 3, 1, 11, 30)) is None
    assert due(hourly, past, datetime(2026, 3, 1, 12, 30)) is None
    assert due(hourly, past, datetime(2026, 3, 1, 13)) == datetime(2026, 3, 1, 13)
    far = Past(LONG_AGO.since, datetime(2031, 1, 1), {datetime(2031, 1, 1)})
    assert due(hourly, far, NOON) == NOON, "a clock that was years ahead for a while stops nothing"


def test_what_is_done_every_so_often_counts_from_the_slot_before() -> None:
    assert due(QUARTER, LONG_AGO, NOON + timedelta(seconds=1.5)) == NOON, "never run: now, in whole minutes"
    past = Past(LONG_AGO.since, NOON, {NOON})
    assert due(QUARTER, past, NOON + timedelta(minutes=14, seconds=59)) is None
    assert due(QUARTER, past, NOON + timedelta(minutes=15, seconds=1)) == NOON + timedelta(minutes=15)
    assert due(QUARTER, past, NOON + timedelta(minutes=50)) == NOON + timedelta(minutes=45), "once for three"
    assert due(Every(timedelta(seconds=30)), LONG_AGO, NOON + timedelta(seconds=1.5)) == NOON + timedelta(seconds=1)


def test_what_is_done_every_so_often_goes_on_when_the_clock_is_set_back() -> None:
    past = Past(LONG_AGO.since, NOON, {NOON})
    back = NOON - timedelta(hours=1)
    assert due(QUARTER, past, back) == back
    assert due(QUARTER, past, NOON - timedelta(minutes=14)) is None, "no more than one turn ahead: it comes soon enough"


def test_a_slot_whose_run_was_killed_is_due_again() -> None:
    daily, slot = calendar("03:00", "UTC"), datetime(2026, 3, 1, 3)
    assert due(daily, Past(LONG_AGO.since, slot), NOON) == slot
    assert due(QUARTER, Past(LONG_AGO.since, NOON), NOON + timedelta(minutes=1)) == NOON
    assert due(QUARTER, Past(LONG_AGO.since, NOON), NOON + timedelta(minutes=16)) == NOON + timedelta(minutes=15)
    assert due(QUARTER, Past(LONG_AGO.since, NOON), NOON - timedelta(minutes=1)) is None
