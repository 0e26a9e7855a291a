"""The dense trial days against a naive reading of the definitions, cell by cell."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.usage_events import HardSet, hard_set
from tests.oracle.usage_oracle import DAY, UsageRow, band, usage_rows
from tests.usage.chain import USAGE, World, day_no, open_world, run, shipped
from trialwise.engines.duckdb import Engine
from trialwise.transform.model import Model

Cell = tuple[str, int]
DATES = ("trial_id", "account_key", "start_date", "start_no", "last_no", "account_known_no")
CHAIN = ("intermediate.event_days", *USAGE)
COLUMNS = (
    "activity_date",
    "is_complete",
    "active_today",
    "days_available",
    "active_days_3d",
    "active_days_7d",
    "active_days_14d",
    "active_days_28d",
    "stickiness",
    "value_events_7d",
    "value_events_total",
    "capped_events_7d",
    "events_per_active_day",
    "active_users_7d",
    "features_used",
    "breadth_share",
    "last_active_date",
    "recency_days",
    "current_streak_days",
    "longest_streak_days",
    "business_streak_days",
    "trend_hundredths",
    "lifecycle",
    "intensity_frequency",
    "intensity_depth",
    "intensity_breadth",
    "usage_band",
    "peak_usage_band",
)


@cache
def _models() -> dict[str, Model]:
    return shipped()


def built(made: HardSet) -> Engine:
    """The usage chain over a hard set, on a database in memory."""
    clock, catalogue = made.clock, made.catalogue
    names = sorted({event.name for event in made.events})
    features = sorted(set(catalogue.features.values()))
    accounts = {name: key for key, name in enumerate(sorted({t.account_id for t in made.trials}), 1)}
    # keys must mean nothing: they run against the order of the ids
    users = {name: key for key, name in enumerate(sorted({e.user_id for e in made.events}, reverse=True), 1)}
    seen: dict[str, Any] = {}
    for event in sorted(made.events, key=lambda e: e.known_at):
        seen.setdefault(event.event_id, event)
    as_of_no = day_no(clock.as_of_date)
    complete_no = as_of_no if clock.is_day_complete else as_of_no - 1
    trials = [
        {
            "trial_id": trial.trial_id,
            "account_key": accounts[trial.account_id],
            "account_id": trial.account_id,
            "start_date": trial.start_date,
            "start_no": day_no(trial.start_date),
            "last_no": day_no(trial.last_date),
            "n_days": min(day_no(trial.last_date), as_of_no) - day_no(trial.start_date) + 1,
            "complete_days": min(day_no(trial.last_date), complete_no) - day_no(trial.start_date) + 1,
            "account_known_no": day_no(trial.start_date),
        }
        for trial in made.trials
        if trial.started_at < clock.as_of
    ]
    world = World(
        as_of=clock.as_of,
        parameters={
            "features_total": catalogue.size,
            "events_per_day_cap": catalogue.cap,
            "benchmark_events_per_day": catalogue.benchmark,
        },
        rows={
            "staging.events": [
                {
                    "event_id": event.event_id,
                    "account_key": accounts[event.account_id],
                    "user_key": users[event.user_id],
                    "event_key": names.index(event.name),
                    "occurred_at": event.occurred_at,
                    "known_at": event.known_at,
                    "activity_date": clock.day(event.occurred_at),
                    "known_date": max(clock.day(event.known_at), clock.day(event.occurred_at)),
                }
                for event in seen.values()
                if event.account_id in accounts
            ],
            "config.event_catalogue": [
                {
                    "event_key": key,
                    "event_name": name,
                    "is_value": (known := catalogue.aliases.get(name, name)) in catalogue.value_events,
                    "feature_bit": 1 << features.index(catalogue.features[known]) if known in catalogue.features else 0,
                    "is_notable": False,
                }
                for key, name in enumerate(names)
            ],
            "intermediate.users": [
                {
                    "user_key": key,
                    "user_id": name,
                    "canonical_user_key": key,
                    "is_excluded": name in catalogue.excluded_users,
                    "excluded_date": dt.date(1970, 1, 1) if name in catalogue.excluded_users else None,
                }
                for name, key in users.items()
            ],
            "staging.accounts": [{"account_key": key, "account_id": name} for name, key in accounts.items()],
            "intermediate.trials": trials,
            "intermediate.trial_dates": [
                {name: trial[name] for name in DATES} | {"days_kept": trial["last_no"] - trial["start_no"] + 1}
                for trial in trials
            ],
        },
    )
    engine = open_world(world, _models())
    engine.execute(
        f"UPDATE config.clock SET as_of_date = DATE '{clock.as_of_date}', as_of_no = {as_of_no}, "
        f"complete_no = {complete_no}, is_day_complete = {clock.is_day_complete}"
    )
    run(engine, _models(), CHAIN)
    return engine


def _found(engine: Engine) -> dict[Cell, dict[str, Any]]:
    columns = ", ".join(COLUMNS)
    rows = engine.rows(f"SELECT trial_id, trial_day, {columns} FROM intermediate.trial_usage_days")
    return {(row[0], row[1]): dict(zip(COLUMNS, row[2:], strict=True)) for row in rows}


def _recent(made: HardSet) -> dict[tuple[str, dt.date], tuple[int, set[dt.date]]]:
    """Per trial and complete day: capped events of the last 7 days, and all active days, as known at its end."""
    clock, catalogue = made.clock, made.catalogue
    first: dict[str, Any] = {}
    for event in sorted(made.events, key=lambda e: e.known_at):
        first.setdefault(event.event_id, event)
    by_account: dict[str, list[tuple[str, dt.date, dt.date]]] = defaultdict(list)
    for event in first.values():
        name = catalogue.aliases.get(event.name, event.name)
        if name not in catalogue.value_events or event.user_id in catalogue.excluded_users:
            continue
        if event.occurred_at < clock.as_of and event.known_at < clock.known_at:
            on = clock.day(event.occurred_at)
            by_account[event.account_id].append((event.user_id, on, max(on, clock.day(event.known_at))))
    result = {}
    for trial in made.trials:
        day = trial.start_date - DAY
        while day <= min(trial.last_date, clock.as_of_date):
            counts: dict[tuple[str, dt.date], int] = defaultdict(int)
            active = set()
            for user, on, known_on in by_account[trial.account_id]:
                if trial.start_date <= on <= day and known_on <= day:
                    active.add(on)
                    if on > day - 7 * DAY:
                        counts[user, on] += 1
            result[trial.trial_id, day] = (sum(min(catalogue.cap, n) for n in counts.values()), active)
            day += DAY
    return result


def _lifecycle(active: set[dt.date], day: dt.date) -> str | None:
    now = {on for on in active if on > day - 7 * DAY}
    before = {on for on in active if day - 14 * DAY < on <= day - 7 * DAY}
    if not active:
        return None
    if not now:
        return "dormant"
    if now == active:
        return "new"
    return "returning" if before else "resurrecting"


def _share(value: int, of: int, most: int) -> int:
    return most * value // of if of else 0


def _expected(made: HardSet) -> dict[Cell, dict[str, Any]]:
    """The oracle's rows, with the measures it leaves out worked out from sets of days."""
    recent = _recent(made)
    result: dict[Cell, dict[str, Any]] = {}
    peaks: dict[str, int] = defaultdict(int)
    for row in usage_rows(made.events, made.trials, made.catalogue, made.clock):
        windows_end = row.activity_date if row.is_complete else row.activity_date - DAY
        capped, active = recent[row.trial_id, windows_end]
        weight = made.catalogue.benchmark * row.active_days_7d
        parts = (
            _share(row.active_days_7d, min(7, row.days_available), 5000),
            _share(min(capped, weight), weight, 3000),
            _share(row.features_used, made.catalogue.size, 2000),
        )
        if row.is_complete:
            peaks[row.trial_id] = max(peaks[row.trial_id], sum(parts))
        shown = {name: getattr(row, name) for name in COLUMNS if hasattr(row, name)}
        # today belongs to every streak it makes: the longest one and the one over business days too
        shown["longest_streak_days"] = max(row.longest_streak_days, row.current_streak_days)
        if not row.is_complete and row.activity_date.weekday() < 5:
            shown["business_streak_days"] += row.active_today
        result[row.trial_id, row.trial_day] = shown | {
            "active_today": bool(row.active_today),
            "capped_events_7d": capped,
            "events_per_active_day": _ratio(row, capped),
            "lifecycle": _lifecycle(active, windows_end),
            "intensity_frequency": parts[0],
            "intensity_depth": parts[1],
            "intensity_breadth": parts[2],
            "usage_band": band(sum(parts)),
            "peak_usage_band": band(peaks[row.trial_id]),
        }
    return result


def _ratio(row: UsageRow, capped: int) -> Fraction | None:
    return Fraction(capped, row.active_days_7d) if row.active_days_7d else None


def _differences(made: HardSet) -> list[str]:
    made = replace(made, clock=replace(made.clock, known_at=made.clock.as_of))
    expected = _expected(made)
    engine = built(made)
    found = _found(engine)
    engine.close()
    assert set(found) == set(expected)
    assert expected, "a set without rows proves nothing"
    wrong = []
    for cell, row in expected.items():
        for name, value in row.items():
            wanted = float(value) if isinstance(value, Fraction) else value
            if found[cell][name] != wanted:
                wrong.append(f"{cell} {name}: {found[cell][name]} instead of {wanted}")
    return wrong


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo"])
def test_no_cell_differs_on_a_hard_set(zone: str) -> None:
    """Late events, bursts over the cap, second trials, users of two accounts, both spring clock changes."""
    assert _differences(hard_set(11, accounts=20, zone=zone)) == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland", "America/New_York"]),
    late_share=st.sampled_from([0.0, 0.05, 0.3]),
    hours=st.integers(24 * 40, 24 * 75),
)
def test_no_cell_differs_whatever_the_events(seed: int, zone: str, late_share: float, hours: int) -> None:
    as_of = dt.datetime(2026, 2, 20) + dt.timedelta(hours=hours)
    assert _differences(hard_set(seed, accounts=4, zone=zone, late_share=late_share, as_of=as_of)) == []


def test_the_most_active_user_leads_by_what_was_known() -> None:
    made = hard_set(5, accounts=15)
    made = replace(made, clock=replace(made.clock, known_at=made.clock.as_of))
    clock, catalogue = made.clock, made.catalogue
    engine = built(made)
    steps = engine.rows(
        "SELECT m.trial_id, m.k_from, least(m.k_to, t.n_days), m.user_id FROM intermediate.most_active_users AS m "
        "JOIN intermediate.trials AS t ON t.trial_id = m.trial_id"
    )
    engine.close()
    found = {(trial, k): user for trial, k_from, k_to, user in steps for k in range(k_from, k_to + 1)}
    first: dict[str, Any] = {}
    for event in sorted(made.events, key=lambda e: e.known_at):
        first.setdefault(event.event_id, event)
    expected = {}
    for trial in made.trials:
        for row_day in range(min(trial.last_date, clock.as_of_date).toordinal() - trial.start_date.toordinal() + 1):
            day = trial.start_date + row_day * DAY
            totals: dict[str, int] = defaultdict(int)
            for event in first.values():
                on = clock.day(event.occurred_at)
                if (
                    event.account_id == trial.account_id
                    and catalogue.aliases.get(event.name, event.name) in catalogue.value_events
                    and event.user_id not in catalogue.excluded_users
                    and event.occurred_at < clock.as_of
                    and event.known_at < clock.known_at
                    and trial.start_date <= on
                    and max(on, clock.day(event.known_at)) <= day
                ):
                    totals[event.user_id] += 1
            if totals:
                expected[trial.trial_id, row_day + 1] = min(totals, key=lambda user: (-totals[user], user))
    assert len(set(expected.values())) > 15
    assert found == expected
