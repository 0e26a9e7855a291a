"""What happened to the tables others fill, raw and config, since the results were built."""

from __future__ import annotations

import io
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from trialwise.engines.duckdb import Engine
from trialwise.transform import state
from trialwise.transform.changes import NONE, WHOLE, Change, images
from trialwise.transform.model import Model
from trialwise.transform.state import State

if TYPE_CHECKING:
    import polars as pl

LOADED = {"raw.events": "event_id", "raw.identities": "call_id", "raw.stripe": "record_id"}
"""Tables whose rows name the load that brought them; what the loader takes away it keeps in state.gone_<table>."""
NUMBERED = {"raw.dim_account": "account_key", "raw.dim_user": "user_key", "raw.dim_event": "event_key"}
"""Tables whose rows are numbered, and never change."""
PROPERTIES = "raw.event_properties"


def mark_of(frame: pl.DataFrame) -> int:
    """A digest of the rows a table is filled with, in their order."""
    data = io.BytesIO()
    frame.write_ipc(data)
    return int.from_bytes(sha256(data.getbuffer()).digest()[:15])


def marks(engine: Engine, models: Mapping[str, Model], given: Mapping[str, int]) -> dict[str, int]:
    """How far every table that others fill is filled: a load, a number, a count, or a digest of all rows.

    given: the marks that are known.
    """
    last = engine.rows("SELECT coalesce(max(load_id), 0) FROM raw.loads")[0][0]
    found: dict[str, int] = {**given, **dict.fromkeys(LOADED, last)}
    for table, key in NUMBERED.items():
        found[table] = engine.rows(f"SELECT coalesce(max({key}), 0) FROM {table}")[0][0]
    found[PROPERTIES] = engine.rows(f"SELECT count(*) FROM {PROPERTIES}")[0][0]
    read = {table for model in models.values() for table in model.reads}
    for table in sorted(name for name, model in models.items() if model.kind == "external" and name in read):
        if table not in found:
            found[table] = _digest(engine, table)
    return found


def changes(
    engine: Engine, models: Mapping[str, Model], known: State, now: Mapping[str, int], replaced: Mapping[str, Change]
) -> dict[str, Change]:
    """What happened to each external table between two sets of marks.

    replaced: the changes of tables that were filled anew, with their rows compared.
    """
    found: dict[str, Change] = {}
    for table, mark in now.items():
        if table in replaced:
            found[table] = replaced[table]
        elif table not in known.inputs:
            found[table] = WHOLE
        elif table in LOADED:
            found[table] = _loaded(engine, models[table], known.inputs[table], mark)
        elif known.inputs[table] == mark:
            found[table] = NONE
        elif table in NUMBERED:
            came = f"SELECT * FROM {table} WHERE {NUMBERED[table]} > {known.inputs[table]}"
            found[table] = images(engine, table, f"FROM {table} LIMIT 0", came, models[table].column_names)
        elif table == PROPERTIES:
            # An event that an earlier-known copy replaced has a new load, and the properties it had.
            replaced_events = f"SELECT event_id FROM {_gone(engine, models['raw.events'], known.inputs['raw.events'])}"
            came = (
                f"SELECT p.* FROM {table} AS p JOIN raw.events AS e USING (event_id) "
                f"WHERE e.load_id > {known.inputs['raw.events']} AND e.event_id NOT IN ({replaced_events})"
            )
            found[table] = images(engine, table, f"FROM {table} LIMIT 0", came, models[table].column_names)
        else:
            found[table] = WHOLE
    return found


def _loaded(engine: Engine, table: Model, before: int, now: int) -> Change:
    if before == now:
        return NONE
    came = f"SELECT * FROM {table.name} WHERE load_id > {before}"
    return images(engine, table.name, f"FROM {_gone(engine, table, before)}", came, table.column_names)


def _gone(engine: Engine, table: Model, before: int) -> str:
    """The rows of a table loaded up to a load that the loader has taken away since, as a relation.

    A row that came and went between two refreshes was never read.
    """
    kept = f"gone_{table.table}"
    if kept in state.tables(engine):
        return f"(SELECT * FROM state.{kept} WHERE load_id <= {before})"
    return f"(FROM {table.name} LIMIT 0)"


def let_go(engine: Engine) -> None:
    """The rows the loader took away have been taken into account."""
    for table in sorted(state.tables(engine)):
        if table.startswith("gone_"):
            engine.clear(f"state.{table}")


def _digest(engine: Engine, table: str) -> int:
    """Rows and their hashes, told apart from any other content but by chance (2^-64)."""
    count, mixed = engine.rows(f"SELECT count(*), coalesce(sum(hash(t)), 0) % 18446744073709551616 FROM {table} AS t")[
        0
    ]
    return (int(count) << 64) | int(mixed)
