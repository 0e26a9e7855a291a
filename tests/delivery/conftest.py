"""A published generation made of the rows a test gives: the tables have the columns of the shipped models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trialwise.delivery.generation import Generation, open_generation
from trialwise.delivery.publishing import publish
from trialwise.engines.duckdb import Engine, connect
from trialwise.shipped import packaged_sql
from trialwise.transform.expand import Expansion, item
from trialwise.transform.model import load_model

Rows = Sequence[Mapping[str, Any]]
EPOCH = date(1970, 1, 1)

EXPANSION: Expansion = {
    "each_rule": [item("each_rule", "regular_use"), item("each_rule", "card"), item("each_rule", "bad_title")],
    "each_group": [item("each_group", "usage"), item("each_group", "person")],
    "each_milestone": [item("each_milestone", "card_added")],
    "each_attribute": [],
    "each_segment": [],
}
MARTS = (
    "clock", "periods", "calendar", "trials", "trial_splits", "memberships", "segments", "trial_segments",
    "trial_reasons", "score_parts", "score_rules", "accounts", "account_timeline", "account_days", "active_users",
)  # fmt: skip


def at(text: str) -> datetime:
    """A UTC instant from `2026-01-01` or `2026-01-01 12:00`."""
    return datetime.fromisoformat(text)


def clock_rows(as_of: datetime) -> dict[str, Rows]:
    """marts.clock, calendar and periods as the models make them, in UTC, from December 2025 on."""
    last = (as_of - timedelta(microseconds=1)).date()
    days = [date(2025, 12, 1) + timedelta(days=n) for n in range(500)]
    calendar = [
        {
            "day": day,
            "day_no": (day - EPOCH).days,
            "starts_at": datetime.combine(day, datetime.min.time()),
            "ends_at": datetime.combine(day + timedelta(days=1), datetime.min.time()),
            "week_start": day - timedelta(days=day.weekday()),
            "month_start": day.replace(day=1),
        }
        for day in days
    ]
    periods = []
    for day in (day for day in days if day <= last):
        month_end = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        week = day - timedelta(days=day.weekday())
        bounds = {
            "day": (day, day + timedelta(days=1)),
            "week": (week, week + timedelta(days=7)),
            "month": (day.replace(day=1), month_end),
            "all": (days[0], last + timedelta(days=1)),
        }
        periods += [
            {"unit": unit, "day": day, "period_start": a, "period_end": b, "seen_end": min(b, last + timedelta(days=1))}
            for unit, (a, b) in bounds.items()
        ]
    clock = {
        "as_of": as_of, "known_at": as_of, "as_of_date": last, "as_of_no": (last - EPOCH).days,
        "is_day_complete": as_of.time() == datetime.min.time(), "grace_days": 30, "collection_lag_hours": 72,
        "freemium_days": 90,
    }  # fmt: skip
    return {"marts.clock": [clock], "marts.calendar": calendar, "marts.periods": periods}


def trial(name: str, started: str, ends: str, outcome: str, **more: Any) -> dict[str, Any]:
    """One row of marts.trials; deadline and dates follow from start, end and what `more` says (zone UTC)."""
    started_at, ends_at = at(started), at(ends)
    row: dict[str, Any] = {
        "trial_id": f"stripe:{name}:1", "account_id": name, "kind": "trial", "source": "stripe", "trial_number": 1,
        "is_first_trial": True, "is_add_on": False, "started_at": started_at, "ends_at": ends_at,
        "original_ends_at": ends_at, "outcome": outcome, "population": "first",
        "is_active": outcome == "pending", "is_paused": False,
        "is_final": outcome != "pending", "is_inferred": False, "is_refunded": False, "card_type": "unknown",
        "scored_by": "rules", "history": "event", "start_date": started_at.date(),
        "start_no": (started_at.date() - EPOCH).days, "half_day": (ends_at.date() - started_at.date()).days // 2,
        "ended_at": None, "converted_at": None, "outcome_at": None, **more,
    }  # fmt: skip
    over = min(ends_at, row["ended_at"] or ends_at)
    end = min(over, row["converted_at"] or over)
    row.setdefault("over_at", over)
    row.setdefault("effective_end_at", end)
    row.setdefault("deadline_at", over + timedelta(days=30, hours=72))
    row["effective_end_date"] = row["effective_end_at"].date()
    for name_at, name_date in (("converted_at", "converted_date"), ("outcome_at", "outcome_date")):
        row[name_date] = row[name_at].date() if row[name_at] else None
    return row


@cache
def columns_of(name: str) -> dict[str, str]:
    """Column -> type of a shipped model."""
    schema, table = name.split(".")
    model = load_model(packaged_sql() / schema / f"{table}.sql", name, EXPANSION)
    return {column.name: column.type for column in model.columns}


def fill(engine: Engine, given: Mapping[str, Rows]) -> None:
    """Create every published table with the columns of its model and the rows given."""
    for name in [*(f"marts.{mart}" for mart in MARTS), "lists.hot_trials", "intermediate.trial_days"]:
        schema = name.split(".")[0]
        engine.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        if name == "intermediate.trial_days":
            columns = {"trial_id": "VARCHAR", "activity_date": "DATE", "trial_day": "INTEGER",
                       "rule_score_hundredths": "INTEGER", "points_regular_use": "INTEGER", "points_card": "INTEGER",
                       "points_bad_title": "INTEGER", "cap_usage": "INTEGER", "cap_person": "INTEGER",
                       "fit_grade": "VARCHAR", "engagement_grade": "VARCHAR"}  # fmt: skip
        else:
            columns = columns_of(name)
        declared = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        engine.execute(f"CREATE TABLE {name} ({declared})")
        rows = given.get(name, [])
        unknown = {key for row in rows for key in row} - columns.keys()
        assert not unknown, f"{name} has no columns {unknown}"
        if rows:
            frame = pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)
            engine.append(name, frame)


Published = Callable[..., Generation]


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Published]:
    """`published(as_of, {table: rows})`: publish those rows and open them; each call is the next generation."""
    opened: list[Generation] = []

    def make(as_of: str, given: Mapping[str, Rows], **options: Any) -> Generation:
        store = connect()
        fill(store, {**clock_rows(at(as_of)), **given})
        names = [f"{s}.{t}" for s, t in store.rows("SELECT table_schema, table_name FROM information_schema.tables")]
        publish(store, tmp_path / "published", {name: f"about {name}" for name in names})
        store.close()
        generation = open_generation(tmp_path / "published", **options)
        opened.append(generation)
        return generation

    yield make
    for generation in opened:
        generation.close()
