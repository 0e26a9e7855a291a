"""A year of a scheduler on a clock of its own: suspended and killed at random moments, it misses and doubles nothing.

What should have run is told by an oracle that knows zones alone: it looks at the wall clock every five minutes.
"""

from __future__ import annotations

import random
import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from trialwise import runs
from trialwise.agenda import SOURCE_PATIENCE, STORE_PATIENCE, Agenda
from trialwise.jobs import Job, Stage
from trialwise.runs import Ledger, Outcome
from trialwise.sqlite_file import SqliteFile
from trialwise.timetable import Every, calendar

BEGIN, END = datetime(2026, 1, 1), datetime(2027, 1, 1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOOK = 5 * MINUTE  # all times here, and all changes of clocks, are multiples of it
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
SHORT = 6 * MINUTE  # the longest a job at the store takes
LONG = 40 * MINUTE  # the longest a source takes

# name -> crontab and what it says: whether a local day is meant, and the wall times of such a day
CALENDAR: dict[str, tuple[str, Callable[[datetime], bool], list[tuple[int, int]], bool]] = {
    "compact": ("02:15", lambda _: True, [(2, 15)], False),
    "backup": ("45 1 * * 0", lambda day: day.weekday() == 6, [(1, 45)], False),
    "delivery": ("30 2 * * 1-5,7", lambda day: day.weekday() != 5, [(2, 30)], False),
    "calibration": ("5 0 1 * *", lambda day: day.day == 1, [(0, 5)], False),
    "digest": ("35 */6 * * *", lambda _: True, [(hour, 35) for hour in (0, 6, 12, 18)], True),
}
OFTEN = {
    "pull crm": (timedelta(hours=6), Stage.source),
    "load": (timedelta(hours=3), Stage.load),
    "refresh": (timedelta(hours=12), Stage.refresh),
}


@cache
def wall(zone: str) -> tuple[list[datetime], list[datetime]]:
    """Moments of the year, with days around it, and what the clock on the wall shows then."""
    where = ZoneInfo(zone)
    minutes = [BEGIN - 2 * DAY + count * LOOK for count in range((END - BEGIN + 4 * DAY) // LOOK)]
    return minutes, [one.replace(tzinfo=UTC).astimezone(where).replace(tzinfo=None) for one in minutes]


def oracle(name: str, zone: str) -> list[datetime]:
    """The slots of a job of the calendar, in order."""
    _, is_day, times, follows_clock = CALENDAR[name]
    minutes, shown = wall(zone)
    found = set()
    seen: set[datetime] = set()
    before = shown[0]
    for utc, local in zip(minutes, shown, strict=True):
        # wall times this moment stands for: its own, and those the clock has just leapt over
        passed = [before + LOOK * n for n in range(1, 1 + (local - before) // LOOK)] or [local]
        for one in passed:
            if (one.hour, one.minute) in times and is_day(one):
                if follows_clock:
                    if one == local:
                        found.add(utc)
                elif one not in seen:
                    seen.add(one)
                    found.add(utc)
        before = local
    return sorted(found)


class Kept(sqlite3.Connection):
    """A ledger in memory outlives the processes that write to it."""

    def close(self) -> None:
        return


class InMemory(SqliteFile):
    """The ledger's file with its SQL as it is, kept in memory: a year has many thousand transactions."""

    @cached_property
    def kept(self) -> sqlite3.Connection:
        found = sqlite3.connect(":memory:", isolation_level=None, factory=Kept)
        found.row_factory = sqlite3.Row
        found.executescript(self.schema)
        return found

    def _connect(self) -> sqlite3.Connection:
        return self.kept


class QuickLedger(Ledger):
    """The ledger, kept in memory; a file that stays empty tells that there is one."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.path.touch()
        self._file: InMemory = InMemory(**vars(self._file))

    def end_of_test(self) -> None:
        assert not self.path.stat().st_size, "nothing went to the disk"
        sqlite3.Connection.close(self._file.kept)


@dataclass
class Life:
    """One process of the scheduler: its begin, when it last woke, what runs (run, end, begin) and what ended when."""

    agenda: Agenda
    born: datetime
    woke: datetime = BEGIN - DAY
    running: dict[str, tuple[int, datetime, datetime]] = field(default_factory=dict)
    ended: dict[str, datetime] = field(default_factory=dict)


@dataclass
class Year:
    """What happened: the ticks, who was busy then, and what began at each."""

    zone: str
    ticks: list[datetime] = field(default_factory=list)
    busy: list[frozenset[str]] = field(default_factory=list)
    begun: dict[str, list[tuple[datetime, datetime, str]]] = field(default_factory=lambda: defaultdict(list))
    lives: int = 0
    suspends: int = 0


def jobs(zone: str) -> list[Job]:
    found = [Job(name, Every(every), stage, lambda _: None) for name, (every, stage) in OFTEN.items()]
    return found + [Job(name, calendar(said[0], zone), Stage.after, lambda _: None) for name, said in CALENDAR.items()]


def live(zone: str, seed: int, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Year:
    """Live through the year; the order of things within a life is checked on the way."""
    luck = random.Random(f"{zone} {seed}")
    year = Year(zone)
    stages = {job.name: job.stage for job in jobs(zone)}
    monkeypatch.setattr(runs, "process_identity", lambda _pid: f"pid boot {year.lives}")
    now, seconds, life = BEGIN, 0.0, None
    while now < END:
        if life is None:
            year.lives += 1
            ledger.tell_killed(is_owner=True)
            listed = jobs(zone)
            past = {job.name: ledger.past(job.name, str(job.timetable), now) for job in listed}
            life = Life(Agenda(listed, past, now, hurried=["load"]), now)
        for name, (run_id, done, _) in list(life.running.items()):
            if done <= now:
                ledger.end(run_id, Outcome(rows=1), now=done)
                life.agenda.ended(name, seconds)
                life.ended[name] = now
                del life.running[name]
        year.ticks.append(now)
        turns = life.agenda.take(now, seconds)
        assert [turn.job.stage for turn in turns] == sorted(turn.job.stage for turn in turns)
        for turn in turns:
            name = turn.job.name
            for other, (_, _, began) in life.running.items():
                assert other != name, "twice at a time"
                due = max(turn.slot, life.born)
                if stages[other] < turn.job.stage and now - life.woke > HOUR and life.ended.get(other, BEGIN) < due:
                    patience = SOURCE_PATIENCE if stages[other] is Stage.source else STORE_PATIENCE
                    assert now - min(began, due) >= patience, f"{name} of {turn.slot} did not wait for {other}"
            run_id = ledger.begin(name, asked_by=turn.asked_by, slot=turn.slot, now=now)
            length = luck.random() * (LONG if turn.job.is_source else SHORT)
            life.running[name] = (run_id, now + length, now)
            year.begun[name].append((turn.slot, now, turn.asked_by))
        year.busy.append(frozenset(life.running))
        fate = luck.random()
        if fate < 0.003:  # killed, and started again by whoever watches it, soon or after days
            life = None
            now += luck.choice([luck.random() * MINUTE, luck.random() * 3 * DAY])
            continue
        step = luck.random() * (25 * MINUTE if life.agenda.is_idle else MINUTE)
        if fate < 0.006:  # suspended: what runs goes on afterwards
            year.suspends += 1
            slept = luck.random() * 2 * DAY
            life.running = {
                name: (run, done + slept, began + slept) for name, (run, done, began) in life.running.items()
            }
            now += slept
            life.woke = now
        now += step
        seconds += step.total_seconds()
    return year


def check(year: Year, ledger: Ledger) -> Counter[str]:
    """Hold what happened against the oracle; how often what was found."""
    kept: dict[tuple[str, datetime | None], list[str]] = defaultdict(list)
    for run in ledger.runs():
        kept[run.job, run.slot].append(run.status)
    count: Counter[str] = Counter()
    for (job, slot), statuses in kept.items():
        assert len(statuses) - statuses.count("killed") <= 1, f"{job} at {slot} was done twice"
        assert statuses.count("killed") <= 2
        count["runs"] += 1
    for name in CALENDAR:
        _check_calendar(name, year, kept, count)
    for name, (every, _) in OFTEN.items():
        _check_often(name, every, year, count)
    return count


def _check_calendar(name: str, year: Year, kept: Any, count: Counter[str]) -> None:
    slots = oracle(name, year.zone)
    expected = [slot for slot in slots if BEGIN < slot < END]
    for place, slot in enumerate(expected):
        first = bisect_left(year.ticks, slot)
        until = expected[place + 1] if place + 1 < len(expected) else END
        seen = range(first, bisect_left(year.ticks, until))
        statuses = kept.pop((name, slot), [])
        if not seen:
            assert not statuses
            count["passed unseen, done with a later one"] += 1
        elif "killed" in statuses and set(statuses) == {"killed"}:
            count["killed"] += 1
            begun = [moment for one, moment, _ in year.begun[name] if one == slot]
            later = [tick for tick in year.ticks[bisect_right(year.ticks, begun[-1]) : seen.stop] if tick > begun[-1]]
            free = [year.busy[bisect_left(year.ticks, tick)] for tick in later]
            assert len(statuses) == 2 or not later or all(free), f"{name} at {slot} was killed and not tried again"
        elif not statuses:
            others = set(OFTEN) | {name}
            assert all(year.busy[tick] & others for tick in seen), f"{name} missed {slot}"
            count["busy all the time"] += 1
        else:
            count["done"] += 1
    left = [slot for job, slot in kept if job == name]
    assert not left, f"{name} ran at {left}, which are none of its slots"


def _check_often(name: str, every: timedelta, year: Year, count: Counter[str]) -> None:
    begun = year.begun[name]
    before: datetime | None = None
    for slot, moment, asked_by in begun:
        assert slot <= moment
        if before is not None and asked_by == "schedule":
            assert (slot - before) % every == timedelta(0), "the rhythm stays"
            assert moment - slot < every, "of the turns that passed, the latest"
        before = slot
    earlier = {job for job, (_, stage) in OFTEN.items() if stage < OFTEN[name][1]} | {name}
    moments = [moment for _, moment, _ in begun]
    for tick, busy in zip(year.ticks, year.busy, strict=True):
        if not busy & earlier:
            last = begun[bisect_right(moments, tick) - 1]
            assert tick - last[0] < every, f"{name} was due at {tick} and did not run"
            count["free looks"] += 1


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[QuickLedger]:
    found = QuickLedger(tmp_path)
    yield found
    found.end_of_test()


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_without_a_slot_missed_or_doubled(
    zone: str, ledger: QuickLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    year = live(zone, 1, ledger, monkeypatch)
    count = check(year, ledger)
    assert count["done"] > 600
    assert count["killed"] + count["passed unseen, done with a later one"] > 20
    assert year.lives > 40
    assert year.suspends > 40


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 22))
@pytest.mark.parametrize("zone", ZONES)
def test_twenty_years(zone: str, seed: int, ledger: QuickLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    check(live(zone, seed, ledger, monkeypatch), ledger)


def test_the_oracle_knows_the_days_of_change() -> None:
    """Worked out by hand from the zones' rules."""
    berlin = oracle("compact", "Europe/Berlin")
    assert datetime(2026, 3, 29, 1) in berlin, "02:15 is leapt over: 03:00 in summer time"
    assert [slot for slot in berlin if slot.date() == datetime(2026, 10, 25).date()] == [datetime(2026, 10, 25, 0, 15)]
    lord_howe = oracle("compact", "Australia/Lord_Howe")
    assert datetime(2026, 10, 3, 15, 30) in lord_howe, "02:15 is leapt over: 02:30 in summer time"
    assert datetime(2026, 4, 4, 14, 45) in oracle("backup", "Australia/Lord_Howe"), "01:45 of the two, the first"
    assert len(oracle("digest", "Asia/Kolkata")) == pytest.approx(4 * 369, abs=4)
