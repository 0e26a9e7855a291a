"""The agenda: what is due begins in the order of the stages, and what holds a job up does not do so for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from trialwise.agenda import Agenda
from trialwise.jobs import Job, Stage
from trialwise.timetable import Every, Past, calendar

NOON = datetime(2026, 3, 1, 12)
LONG_AGO = Past(datetime(2026, 1, 1), datetime(2026, 2, 26), {datetime(2026, 2, 26)})


def job(name: str, stage: Stage, minutes: float = 15) -> Job:
    return Job(name, Every(timedelta(minutes=minutes)), stage, lambda _: None)


PULL, POLL = job("pull", Stage.source), job("poll", Stage.source)
LOAD, REFRESH = job("load", Stage.load, 0.5), job("refresh", Stage.refresh)
BACKUP = Job("backup", calendar("03:00", "UTC"), Stage.after, lambda _: None)


def agenda(*jobs: Job, past: Past = LONG_AGO, **options: Any) -> Agenda:
    return Agenda(jobs, {job.name: past for job in jobs}, NOON, **options)


def take(agenda: Agenda, seconds: float) -> list[str]:
    return [turn.job.name for turn in agenda.take(NOON + timedelta(seconds=seconds), seconds)]


def test_after_an_outage_each_job_is_done_once_and_in_order() -> None:
    jobs = agenda(BACKUP, REFRESH, LOAD, PULL, POLL)
    assert take(jobs, 0) == ["pull", "poll"]
    jobs.ended("pull", 0)
    assert take(jobs, 1) == [], "the load waits for the other source"
    jobs.ended("poll", 1)
    assert take(jobs, 2) == ["load"]
    assert take(jobs, 3) == []
    jobs.ended("load", 3)
    assert take(jobs, 4) == ["refresh"]
    assert take(jobs, 5) == [], "the backup waits for the results"
    jobs.ended("refresh", 5)
    assert take(jobs, 6) == ["backup"]
    assert not jobs.is_idle
    jobs.ended("backup", 6)
    assert take(jobs, 7) == [], "three days are over, and one run was enough"
    assert jobs.is_idle
    assert take(jobs, 40) == ["load"]


def test_the_slots_are_the_last_that_passed() -> None:
    [pull] = agenda(PULL).take(NOON + timedelta(minutes=20), 0)
    assert (pull.slot, pull.asked_by) == (NOON + timedelta(minutes=15), "schedule")
    [backup] = agenda(BACKUP).take(NOON, 0)
    assert backup.slot == datetime(2026, 3, 1, 3)


def test_a_job_never_runs_twice_at_a_time() -> None:
    jobs = agenda(REFRESH)
    assert take(jobs, 0) == ["refresh"]
    assert take(jobs, 2_000) == []
    jobs.ended("refresh", 2_000)
    assert take(jobs, 2_001) == ["refresh"]


def test_a_source_that_does_not_answer_is_not_waited_for_long() -> None:
    jobs = agenda(PULL, LOAD, REFRESH)
    assert take(jobs, 0) == ["pull"]
    assert take(jobs, 29) == []
    assert take(jobs, 30) == ["load"], "the time between two loads is longer than it waits"
    jobs.ended("load", 30)
    assert take(jobs, 59) == []
    assert take(jobs, 60) == ["load", "refresh"], "and now it is no news that the source is silent"


def test_loads_without_a_pause_hold_no_refresh_up() -> None:
    jobs = agenda(LOAD, REFRESH)
    begun = []
    for second in range(0, 1_000, 10):
        begun += [(name, second) for name in take(jobs, second)]
        if second % 30 == 20:
            jobs.ended("load", second)
    assert [second for name, second in begun if name == "refresh"] == [30]


def test_what_is_hurried_begins_at_the_start_due_or_not() -> None:
    ran = Past(LONG_AGO.since, NOON, {NOON})
    jobs = agenda(LOAD, REFRESH, past=ran, hurried=["load"])
    [load] = jobs.take(NOON + timedelta(seconds=5), 0)
    assert (load.job.name, load.slot, load.asked_by) == ("load", NOON + timedelta(seconds=5), "start")
    jobs.ended("load", 0)
    assert take(jobs, 34) == []
    assert take(jobs, 35) == ["load"], "half a minute after that"
    [load] = agenda(LOAD, hurried=["load"]).take(NOON, 0)
    assert load.asked_by == "schedule", "it was due anyway"


def test_once_is_once() -> None:
    jobs = agenda(LOAD, BACKUP, is_once=True)
    assert take(jobs, 0) == ["load"]
    jobs.ended("load", 0)
    assert take(jobs, 100) == ["backup"]
    jobs.ended("backup", 100)
    assert take(jobs, 1_000) == []
    assert jobs.is_idle


def test_what_failed_at_its_time_is_tried_again_until_it_goes_well_or_its_next_time_comes() -> None:
    jobs, tried = agenda(BACKUP), list[tuple[int, Any]]()
    for minute in range(24 * 60):  # from noon to noon; at 4 in the morning it goes well again
        now = NOON + timedelta(minutes=minute)
        for turn in jobs.take(now, minute * 60):
            assert turn.asked_by == "schedule"
            jobs.ended("backup", minute * 60, failed_at=now if minute < 16 * 60 else None)
            tried.append((minute, turn.slot))
    assert tried == [
        (0, datetime(2026, 3, 1, 3)),
        *[(minute, None) for minute in (1, 6, 21, *range(81, 900, 60))],  # after 1, 5 and 15 minutes, then hourly
        (900, datetime(2026, 3, 2, 3)),
        *[(minute, None) for minute in (901, 906, 921, 981)],
    ]


def test_a_try_that_is_left_out_comes_again_after_the_same_wait() -> None:
    jobs, tried = agenda(BACKUP), list[int]()
    for minute in range(60):
        now = NOON + timedelta(minutes=minute)
        for _ in jobs.take(now, minute * 60):
            is_left_out = len(tried) in (2, 3)  # the second and third of the tries
            jobs.ended("backup", minute * 60, **{"skipped_at" if is_left_out else "failed_at": now})
            tried.append(minute)
    assert tried == [0, 1, 6, 11, 16, 31], "after 1, three times 5, then 15 minutes"


def test_a_time_that_is_left_out_is_not_tried_again() -> None:
    jobs = agenda(BACKUP)
    assert take(jobs, 0) == ["backup"]
    jobs.ended("backup", 0, skipped_at=NOON)
    assert [second for second in range(60, 3_600, 60) if take(jobs, second)] == []


def test_what_is_done_every_so_often_is_not_tried_sooner() -> None:
    jobs = agenda(PULL)
    assert take(jobs, 0) == ["pull"]
    jobs.ended("pull", 0, failed_at=NOON)
    assert [second for second in range(0, 1_000, 60) if take(jobs, second)] == [900]


def test_a_clock_that_is_set_back_lets_what_failed_wait_no_longer() -> None:
    past = Past(datetime(2026, 1, 1), datetime(2026, 3, 1, 3), {datetime(2026, 3, 1, 3)}, 9, NOON + timedelta(days=9))
    assert take(agenda(BACKUP, past=past), 0) == ["backup"]


def test_a_slot_that_another_had_is_let_go() -> None:
    jobs = agenda(BACKUP)
    assert take(jobs, 0) == ["backup"]
    jobs.ended("backup", 0)
    assert take(jobs, 1) == []


def test_a_clock_that_is_set_back_an_hour_doubles_no_slot_and_stops_nothing() -> None:
    hourly = Job("digest", calendar("0 * * * *", "UTC"), Stage.after, lambda _: None)
    jobs = agenda(LOAD, hourly, past=Past(NOON - timedelta(days=1)))
    slots: list[Any] = []
    for second in range(0, 7_200, 10):
        back = 3_599.75 if second >= 3_600 else 0  # at one o'clock it is noon again
        shown = NOON + timedelta(seconds=second - back)
        for turn in jobs.take(shown, second):
            slots.append((turn.job.name, turn.slot, second))
            jobs.ended(turn.job.name, second)
    assert [(slot, second) for name, slot, second in slots if name == "digest"] == [(NOON, 10)], "after the load"
    loads = [second for name, _, second in slots if name == "load"]
    assert max(after - before for before, after in pairwise(loads)) <= 40
    assert len({slot for name, slot, _ in slots if name == "load"}) == len(loads)


def test_a_clock_that_was_years_ahead_when_the_jobs_were_first_seen() -> None:
    jobs = Agenda([BACKUP], {"backup": Past(datetime(2031, 1, 1))}, NOON)
    assert take(jobs, 0) == []
    [turn] = jobs.take(datetime(2026, 3, 2, 3), 60)
    assert turn.slot == datetime(2026, 3, 2, 3)
