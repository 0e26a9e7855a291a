"""The usage oracle on days small enough to count on one's fingers."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from .usage_events import hard_set, segment_calls
from .usage_oracle import (
    FOREVER,
    Catalogue,
    Clock,
    TrialSpan,
    UsageEvent,
    UsageRow,
    band,
    business_streak,
    half_up,
    usage_rows,
)

CATALOGUE = Catalogue(
    value_events=frozenset({"Query Run", "Report Created"}),
    features={"Query Run": "queries", "Report Created": "reports"},
    features_total=4,
    milestones={"Teammate Invited": "teammate_invited"},
    aliases={"Query Executed": "Query Run"},
    excluded_users=frozenset({"staff"}),
    cap=3,
)
TRIAL = TrialSpan("t1", "acct", datetime(2026, 3, 2, 15), date(2026, 3, 2), date(2026, 4, 15))  # 2 March is a Monday


def _event(
    day: int, name: str = "Query Run", *, user: str = "u1", hour: int = 10, late: int = 0, n: int = 0
) -> UsageEvent:
    at = datetime(2026, 3, day, hour)
    return UsageEvent(f"{day}/{name}/{user}/{hour}/{n}", "acct", user, name, at, at + timedelta(days=late, seconds=5))


def _rows(events: list[UsageEvent], as_of: datetime, known_at: datetime = FOREVER) -> dict[int, UsageRow]:
    rows = usage_rows(events, [TRIAL], CATALOGUE, Clock(as_of, known_at))
    return {row.trial_day: row for row in rows}


def test_windows_streaks_and_recency() -> None:
    """Active on trial days 1, 2, 3, 5, 8 (2, 3, 4, 6, 9 March)."""
    rows = _rows([_event(day) for day in (2, 3, 4, 6, 9)], datetime(2026, 3, 12))
    assert sorted(rows) == list(range(1, 11))
    third, seventh, tenth = rows[3], rows[7], rows[10]
    assert (third.active_days_3d, third.active_days_7d, third.current_streak_days) == (3, 3, 3)
    assert (seventh.active_days_3d, seventh.active_days_7d) == (1, 4)
    assert (seventh.current_streak_days, seventh.longest_streak_days) == (0, 3)
    assert (seventh.last_active_date, seventh.recency_days) == (date(2026, 3, 6), 2)
    # days 4 to 10 hold days 5 and 8
    assert (tenth.active_days_3d, tenth.active_days_7d, tenth.active_days_14d, tenth.active_days_28d) == (1, 2, 5, 5)
    assert tenth.stickiness == Fraction(5, 28)
    assert tenth.is_complete


def test_never_used() -> None:
    row = _rows([], datetime(2026, 3, 5))[3]
    assert (row.recency_days, row.last_active_date, row.events_per_active_day) == (None, None, None)
    assert (row.current_streak_days, row.longest_streak_days, row.features_used) == (0, 0, 0)


def test_trend_needs_six_days_then_fourteen() -> None:
    """Active on days 4, 5, 6: L3 = 3 against 0 is log2(4) = 2. On day 14, L7 = 0 against L14 - L7 = 3 is -2."""
    rows = _rows([_event(day) for day in (5, 6, 7)], datetime(2026, 3, 16))
    assert rows[5].trend_hundredths is None
    assert rows[6].trend_hundredths == 200
    assert rows[9].trend_hundredths == -200
    assert rows[14].trend_hundredths == -200
    # day 13 is judged by three days still: nothing in 8 to 13
    assert rows[13].trend_hundredths == 0


def test_trend_on_the_fourteenth_day() -> None:
    """Active on days 9 and 10: day 13 compares days 11 to 13 with 8 to 10, day 14 days 8 to 14 with 1 to 7."""
    rows = _rows([_event(day) for day in (10, 11)], datetime(2026, 3, 16))
    # log2(1/3) = -1.585 and log2(3/1) = 1.585
    assert (rows[13].trend_hundredths, rows[14].trend_hundredths) == (-158, 158)


def test_a_late_day_counts_from_the_day_it_became_known() -> None:
    """3 March arrives on 5 March and joins 2 and 4 March into a run of three."""
    rows = _rows([_event(2), _event(3, late=2), _event(4)], datetime(2026, 3, 7))
    assert [rows[k].active_days_7d for k in (1, 2, 3, 4)] == [1, 1, 2, 3]
    assert [rows[k].current_streak_days for k in (1, 2, 3, 4)] == [1, 0, 1, 0]
    assert [rows[k].longest_streak_days for k in (1, 2, 3, 4)] == [1, 1, 1, 3]
    assert [rows[k].active_today for k in (2, 3)] == [0, 1]


def test_known_at_cuts_like_a_truncated_input() -> None:
    events = [_event(2), _event(3, late=2), _event(4)]
    cut = datetime(2026, 3, 5)
    kept = [event for event in events if event.known_at < cut]
    assert len(kept) == 2
    assert _rows(events, datetime(2026, 3, 7), cut) == _rows(kept, datetime(2026, 3, 7))


def test_today_repeats_yesterday() -> None:
    """As of 4 March noon: one event at ten, an invitation at eleven, one event at one that has not happened."""
    events = [
        _event(2),
        _event(3),
        _event(4),
        _event(4, "Report Created"),
        _event(4, "Teammate Invited", hour=11),
        _event(4, hour=13),
    ]
    rows = _rows(events, datetime(2026, 3, 4, 12))
    today = rows[3]
    assert not today.is_complete
    assert (today.active_today, today.current_streak_days) == (1, 3)
    assert (today.active_days_7d, today.value_events_total, today.features_used) == (2, 2, 1)
    assert (today.last_active_date, today.recency_days, today.days_available) == (date(2026, 3, 3), 0, 2)
    assert today.milestones == {"teammate_invited": date(2026, 3, 4)}


def test_the_first_day_has_no_yesterday() -> None:
    row = _rows([_event(2, hour=1)], datetime(2026, 3, 2, 18))[1]
    # 01:00 is before the trial began at 15:00, yet on its calendar day
    assert (row.active_today, row.current_streak_days, row.active_days_7d, row.days_available) == (1, 1, 0, 0)
    assert row.recency_days is None


def test_cap_per_user_and_day_over_late_parts() -> None:
    """u1 does 2 on time and 4 known a day later: capped 2, then 3 of 6. u2 does 2 in the same account."""
    events = [_event(2, n=i) for i in range(2)] + [_event(2, n=i, late=1) for i in range(2, 6)]
    events += [_event(2, user="u2", n=i) for i in range(2)]
    rows = _rows(events, datetime(2026, 3, 4))
    assert (rows[1].value_events_total, rows[1].capped_events_total) == (4, 4)
    assert (rows[2].value_events_total, rows[2].capped_events_total) == (8, 5)
    assert rows[2].events_per_active_day == Fraction(5, 1)
    assert (rows[2].active_users_7d, rows[2].value_events_7d) == (2, 8)


def test_who_and_what_counts() -> None:
    """Internal users, other names, the day before the start and another account count nothing; a renamed event does."""
    events = [
        _event(2, user="staff"),
        _event(2, "Help Opened"),
        _event(1),
        UsageEvent("x", "other", "u1", "Query Run", datetime(2026, 3, 2, 9), datetime(2026, 3, 2, 9)),
    ]
    assert _rows(events, datetime(2026, 3, 3))[1].value_events_total == 0
    row = _rows([*events, _event(2, "Query Executed")], datetime(2026, 3, 3))[1]
    assert (row.value_events_total, row.features_used, row.breadth_share) == (1, 1, Fraction(1, 4))


def test_copies_count_once_as_known_first() -> None:
    early, late = _event(2), _event(2, late=3)
    assert early.event_id == late.event_id
    rows = _rows([late, early, late], datetime(2026, 3, 3))
    assert rows[1].value_events_total == 1


def test_business_streak_passes_weekends() -> None:
    """Thursday, Friday, (weekend), Monday active: three on Monday, two on the Sunday; a quiet Tuesday breaks it."""
    active = {date(2026, 3, 5), date(2026, 3, 6), date(2026, 3, 9)}
    start = date(2026, 3, 2)
    assert business_streak(active, start, date(2026, 3, 8)) == 2
    assert business_streak(active, start, date(2026, 3, 9)) == 3
    assert business_streak(active, start, date(2026, 3, 10)) == 0


def test_milestone_keeps_what_was_known_by_then() -> None:
    """The invitation of 3 March is known on 6 March; one of 4 March was known at once."""
    events = [_event(3, "Teammate Invited", late=3), _event(4, "Teammate Invited")]
    rows = _rows(events, datetime(2026, 3, 8))
    assert rows[2].milestones == {}
    assert rows[3].milestones == {"teammate_invited": date(2026, 3, 4)}
    assert rows[5].milestones == {"teammate_invited": date(2026, 3, 3)}


def test_local_days() -> None:
    """23:30 in New York on 7 March (the night of the clock change) is 8 March 04:30 UTC."""
    zone = ZoneInfo("America/New_York")
    event = UsageEvent("e", "acct", "u1", "Query Run", datetime(2026, 3, 8, 4, 30), datetime(2026, 3, 8, 4, 31))
    trial = TrialSpan("t", "acct", datetime(2026, 3, 7, 15), date(2026, 3, 7), date(2026, 3, 30))
    # 9 March 04:00 UTC is the end of 8 March in summer time
    clock = Clock(datetime(2026, 3, 9, 4), zone=zone)
    assert (clock.as_of_date, clock.is_day_complete) == (date(2026, 3, 8), True)
    rows = usage_rows([event], [trial], CATALOGUE, clock)
    assert [(row.activity_date, row.active_today, row.is_complete) for row in rows] == [
        (date(2026, 3, 7), 1, True),
        (date(2026, 3, 8), 0, True),
    ]


def test_intensity_and_band() -> None:
    """Day 4, active on days 1 and 2 of 4, 3 events a day of a benchmark of 10, one feature of four."""
    events = [_event(day, n=i) for day in (2, 3) for i in range(3)]
    row = _rows(events, datetime(2026, 3, 6))[4]
    # 50 x 2/4, 30 x 3/10, 20 x 1/4
    assert row.intensity(10) == (2500, 900, 500)
    assert band(3900) == "moderate"
    assert [band(x) for x in (0, 1, 3299, 3300, 6599, 6600)] == [
        "none",
        "light",
        "light",
        "moderate",
        "moderate",
        "heavy",
    ]
    assert [half_up(Fraction(x, 2)) for x in (1, -1, 3)] == [1, -1, 2]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo"])
def test_the_hard_set_is_hard(zone: str) -> None:
    """The generator really makes what it promises, the same in every run."""
    made = hard_set(7, accounts=12, zone=zone)
    again = hard_set(7, accounts=12, zone=zone)
    assert made == again
    clock = made.clock
    assert not clock.is_day_complete
    late = [e for e in made.events if clock.day(e.known_at) > clock.day(e.occurred_at)]
    assert 0.02 < len(late) / len(made.events) < 0.25
    assert any(t.trial_id.endswith(":2") for t in made.trials)
    assert len({e.event_id for e in made.events}) < len(made.events)
    rows = usage_rows(made.events, made.trials, made.catalogue, clock)
    assert len({(r.trial_id, r.trial_day) for r in rows}) == len(rows)
    assert any(r.capped_events_total < r.value_events_total for r in rows)
    assert any(not r.is_complete for r in rows)
    assert len(segment_calls(made.events)) == len(made.events)
