"""The horizon: up to which instants a clock that moves changes nothing, as far as the tables tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from trialwise.engines.duckdb import Engine
from trialwise.transform.incremental import CLOCK
from trialwise.transform.model import Model
from trialwise.transform.trace import Crossing, trace_of

CARRIED = "marts.clock"
"""The clock as it is published: a model that carries its columns on, whose own change is no news."""


def horizon(
    engine: Engine, models: Mapping[str, Model], clocks: Mapping[str, datetime], until: Mapping[str, datetime]
) -> dict[str, datetime]:
    """For each of some columns of the clock the first instant from its value on that rows are compared with.

    clocks: the columns, and what they show; until: the answer for each where no row is met before. A column that stands
    anywhere but in comparisons with a table's column changes rows with every move: its answer is what it shows.
    """
    found = dict(until)
    asked: set[Crossing] = set()
    for model in models.values():
        for table in (CLOCK, CARRIED):
            if model.kind != "model" or model.name == CARRIED or table not in model.reads:
                continue
            read, crossings = trace_of(model, models).clock_uses(table)
            if crossings is None:
                found.update({column: clocks[column] for column in read & clocks.keys()})
                continue
            asked.update(crossing for crossing in crossings if crossing.clock in clocks)
    for column, value in clocks.items():
        mine = [crossing for crossing in asked if crossing.clock == column]
        if any(crossing.is_limit for crossing in mine):
            found[column] = value
        if not mine or found[column] == value:
            continue
        first = " UNION ALL ".join(sorted(_first(crossing, value) for crossing in mine))
        (met,) = engine.rows(f"SELECT min(met) FROM ({first})")[0]
        found[column] = until[column] if met is None else min(met, until[column])
    return found


def _first(crossing: Crossing, value: datetime) -> str:
    """The instant at which the clock comes to the first row that it has not passed."""
    column, after = f'"{crossing.origin.column}"', "" if crossing.before is None else f" + {crossing.before}"
    return f"SELECT min({column}){after} AS met FROM {crossing.origin.table} WHERE {column} >= {crossing.of(value)}"
