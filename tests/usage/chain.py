"""The usage chain alone: trials, events and links as rows, the shipped models on top of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import sqlglot

from trialwise.clock import EPOCH
from trialwise.config import Config
from trialwise.config.milestones import milestones
from trialwise.engines.duckdb import Engine, connect
from trialwise.parameters import LAST_NUMBER, calendar, parameter_row
from trialwise.scoring.rules import caps_in_force, rule_expansion, rules_in_force
from trialwise.scoring.segments import segment_expansion, segment_rows, segments_in_force
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.build import materialise
from trialwise.transform.expand import item
from trialwise.transform.model import Model, load_model

CALENDAR_END = dt.date(2027, 12, 31)
USAGE = (
    "intermediate.placed_days",
    "intermediate.resolved_days",
    "intermediate.user_days",
    "intermediate.usage_calendar",
    "intermediate.trial_activity",
    "intermediate.trial_active_users",
    "intermediate.late_usage",
    "intermediate.usage_windows",
    "intermediate.trial_usage_days",
    "intermediate.most_active_users",
)
FEATURES = (
    "intermediate.cancel_steps",
    "intermediate.trial_days",
    "intermediate.segment_days",
    "intermediate.memberships",
)


@dataclass(frozen=True)
class World:
    """One input: rows by table, and the clock."""

    as_of: dt.datetime
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


def expansion(config: Config | None = None) -> dict[str, Any]:
    """The expansion of a configuration; conditions are parsed without a type check."""
    config = config or Config()

    def parse(text: str) -> Any:
        return sqlglot.parse_one(text, dialect="duckdb")

    return {
        "each_milestone": [item("each_milestone", key) for key in milestones(config)],
        **rule_expansion(rules_in_force(config), caps_in_force(config), parse),
        **segment_expansion(segments_in_force(config), parse),
    }


def open_world(world: World, models: Mapping[str, Model]) -> Engine:
    """A database in memory with the world's rows and the tables every model may read."""
    engine = connect(threads=2)
    for schema in ("raw", "config", "staging", "intermediate"):
        engine.execute(f"CREATE SCHEMA {schema}")
    for model in models.values():
        if model.kind == "external":
            engine.execute(model.sql)
        else:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in model.columns)
            engine.execute(f"CREATE TABLE {model.name} ({columns})")
    engine.append("config.calendar", calendar("UTC", CALENDAR_END))
    for table, rows in {**_config_rows(world), **world.rows}.items():
        if rows:
            frame = pl.DataFrame(list(rows), infer_schema_length=None)
            engine.append(table, frame)
    return engine


def run(engine: Engine, models: Mapping[str, Model], names: Sequence[str]) -> None:
    """Build the named models over the tables of an opened world."""
    for name in names:
        engine.execute(f"DROP TABLE IF EXISTS {name}")
        materialise(engine, models[name])


def shipped(config: Config | None = None) -> dict[str, Model]:
    """The shipped usage models and the tables they read, expanded for a configuration."""
    files = find_files([packaged_sql()])
    lists = expansion(config)
    built = {name: load_model(files[name], name, lists) for name in ("intermediate.event_days", *USAGE, *FEATURES)}
    read = {table for model in built.values() for table in model.reads} - set(built)
    return {**{table: load_model(files[table], table, lists) for table in sorted(read)}, **built}


def day_no(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def _config_rows(world: World) -> dict[str, Sequence[Mapping[str, Any]]]:
    last = (world.as_of - dt.timedelta(microseconds=1)).date()
    return {
        "config.clock": [
            {
                "as_of": world.as_of,
                "known_at": world.as_of,
                "as_of_date": last,
                "as_of_no": day_no(last),
                "complete_no": day_no(world.as_of.date()) - 1,
                "is_day_complete": world.as_of.time() == dt.time.min,
            }
        ],
        "config.parameters": [{**parameter_row(Config()), **world.parameters}],
        "config.numbers": [{"n": n} for n in range(LAST_NUMBER + 1)],
        "config.segments": segment_rows(segments_in_force(Config())),
    }
