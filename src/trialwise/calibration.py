"""The calibration of a refresh: made where a version is due, kept beside the store, taken over by a past moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from trialwise.clock import Clock, to_local
from trialwise.engines.duckdb import Engine
from trialwise.landing import durable
from trialwise.scoring import versions
from trialwise.scoring.calibrate import Query, calibrate, months_due, take_over
from trialwise.store import writing
from trialwise.transform.build import create_schemas, sketch
from trialwise.transform.model import Model
from trialwise.workspace import Workspace

QUERIES = ("calibration.calibration", "calibration.calibration_grid")
"""The queries that make a version: the benchmark, then the grid."""


def tables_read(models: Mapping[str, Model]) -> set[str]:
    """What the queries read: the days of trials."""
    return {table for name in QUERIES for table in models[name].reads}


def outline(engine: Engine, models: Mapping[str, Model], kinds: dict[str, str]) -> None:
    """Build of the tables the queries read the columns they name alone, before the whole of them can be built."""
    named = {column for name in QUERIES for column in models[name].columns_named}
    for name in sorted(tables_read(models)):
        sketch(engine, models[name], named, kinds)


def make_due(engine: Engine, clock: Clock, models: Mapping[str, Model]) -> int:
    """Append the versions that are due, from the days of trials as they are without them; returns how many."""

    def query(name: str) -> Query:
        return lambda version, day: engine.frame(models[name].sql, {"version": version, "valid_from": day})

    return calibrate(engine, months_due(engine, clock.as_of_date), query(QUERIES[0]), query(QUERIES[1]))


def take(store: Engine, scratch: Engine, clock: Clock, models: Mapping[str, Model]) -> None:
    """Give a build for another moment the versions that were valid by then."""
    create_schemas(scratch, models)
    known_date = to_local(clock.known_at - timedelta(microseconds=1), clock.timezone).date()
    take_over(store, scratch, min(clock.as_of_date, known_date))


def give_back(workspace: Workspace, store: Engine, models: Mapping[str, Model]) -> None:
    """Put back versions that were kept beside the store and that it has lost."""
    create_schemas(store, {name: model for name, model in models.items() if model.kind == "external"})
    if workspace.calibration.exists():
        with store.transaction():
            versions.unpack(store, workspace.calibration.read_bytes())


def keep(workspace: Workspace, store: Engine) -> None:
    """Keep the versions beside the store before anything that rests on them is published."""
    packed = versions.pack(store)
    if not workspace.calibration.exists() or workspace.calibration.read_bytes() != packed:
        with writing(workspace.data):
            durable.replace(workspace.calibration, packed)
