"""The usage chain alone: trials, events and links as rows, the shipped models on top of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import sqlglot

from trialwise.config import Config, milestones
from trialwise.engines.duckdb import Engine, connect
from trialwise.scoring.rules import caps_in_force, rule_expansion, rules_in_force
from trialwise.scoring.segments import segment_expansion, segment_rows, segments_in_force
from trialwise.transform.build import materialise
from trialwise.transform.cases import CALENDAR, EPOCH, NUMBERS, PARAMETERS
from trialwise.transform.expand import item
from trialwise.transform.model import Model, find_files, load_model, packaged_sql

USAGE = (
    "intermediate.user_days",
    "intermediate.usage_calendar",
    "intermediate.trial_activity",
    "intermediate.trial_active_users",
    "intermediate.late_usage",
    "intermediate.usage_windows",
    "intermediate.trial_usage_days",
    "intermediate.most_active_users",
)
FEATURES = ("intermediate.cancel_steps", "intermediate.trial_days", "intermediate.segment_days", "intermediate.memberships")
TRIAL_COLUMNS = {
    "trial_id": "VARCHAR",
    "account_key": "INTEGER",
    "account_id": "VARCHAR",
    "start_date": "DATE",
    "start_no": "INTEGER",
    "last_no": "INTEGER",
    "n_days": "INTEGER",
    "account_known_no": "INTEGER",
    "converted_known_no": "INTEGER",
}
FACT_COLUMNS = {
    "trial_id": "VARCHAR",
    "account_key": "INTEGER",
    "k_from": "INTEGER",
    "k_to": "INTEGER",
    "ends_no": "INTEGER",
    "cancel_requested": "BOOLEAN",
    "card_on_file": "BOOLEAN",
    "card_type": "VARCHAR",
    "plan": "VARCHAR",
    "is_first_trial": "BOOLEAN",
    "is_add_on": "BOOLEAN",
    "kind": "VARCHAR",
}
ACCOUNT_COLUMNS = {"account_key": "INTEGER", "undesirable_reason": "VARCHAR", "domain": "VARCHAR"}
OWN_COLUMNS = {
    "intermediate.trials": TRIAL_COLUMNS,
    "intermediate.trial_fact_steps": FACT_COLUMNS,
    "intermediate.accounts": ACCOUNT_COLUMNS,
}
"""What the usage chain reads of models whose own inputs play no part here."""


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
            _create(engine, model.name, {column.name: column.type for column in model.columns})
    for table, columns in OWN_COLUMNS.items():
        _create(engine, table, columns)
    for table, rows in {**_config_rows(world), **world.rows}.items():
        if rows:
            frame = pl.DataFrame(list(rows), infer_schema_length=None)
            engine.append(table, frame.select(name for name in frame.columns if frame[name].dtype != pl.Null))
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
    read = {table for model in built.values() for table in model.reads} - set(built) - set(OWN_COLUMNS)
    return {**{table: load_model(files[table], table, lists) for table in sorted(read)}, **built}


def day_no(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def _create(engine: Engine, table: str, columns: Mapping[str, str]) -> None:
    declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    engine.execute(f"CREATE TABLE {table} ({declared})")


def _config_rows(world: World) -> dict[str, Sequence[Mapping[str, Any]]]:
    last = (world.as_of - dt.timedelta(microseconds=1)).date()
    first, until = CALENDAR
    days = [first + dt.timedelta(days=n) for n in range((until - first).days + 1)]
    midnight = dt.time.min
    return {
        "config.clock": [
            {
                "as_of": world.as_of,
                "known_at": world.as_of,
                "as_of_date": last,
                "as_of_no": day_no(last),
                "is_day_complete": world.as_of.time() == midnight,
            }
        ],
        "config.parameters": [{**PARAMETERS, **world.parameters}],
        "config.numbers": [{"n": n} for n in range(NUMBERS + 1)],
        "config.calendar": [
            {
                "day": day,
                "day_no": day_no(day),
                "starts_at": dt.datetime.combine(day, midnight),
                "ends_at": dt.datetime.combine(day, midnight) + dt.timedelta(days=1),
                "week_start": day - dt.timedelta(days=day.weekday()),
                "month_start": day.replace(day=1),
                "iso_dow": day.isoweekday(),
                "is_business_day": day.weekday() < 5,
            }
            for day in days
        ],
        "config.segments": segment_rows(segments_in_force(Config())),
    }
