"""What the tables of the store were built from: kept beside them, written in the same transaction.

state.models     one row per model: the fingerprint of the definition its table was built by
state.inputs     one row per raw or config table: how far it had been filled, or a digest of its rows
state.warnings   one row per check of level `warn` that found rows, of the model as it is now
state.published  the generation that holds the tables as they are now; empty until one does
state.gone_*     rows of raw tables the loader has taken away since
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from trialwise.engines.duckdb import Engine

SCHEMA = "state"
_TABLES = """
CREATE SCHEMA IF NOT EXISTS state;
CREATE TABLE IF NOT EXISTS state.models (model VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS state.inputs (input VARCHAR NOT NULL, mark HUGEINT NOT NULL);
CREATE TABLE IF NOT EXISTS state.published (number BIGINT NOT NULL, checksum BIGINT NOT NULL, whole_on DATE NOT NULL)
"""


@dataclass(frozen=True)
class State:
    """Fingerprints of models and marks of inputs, by name."""

    models: Mapping[str, str]
    inputs: Mapping[str, int]


def tables(engine: Engine) -> set[str]:
    """The names of the tables of `state` in the database that is worked in."""
    here = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = $schema"
    return {name for (name,) in engine.rows(here, {"schema": SCHEMA})}


def read(engine: Engine) -> State | None:
    """The state of the store; None where nothing was built since it was filled."""
    if not tables(engine) >= {"models", "inputs"}:
        return None
    found = State(
        dict(engine.rows("SELECT model, fingerprint FROM state.models")),
        dict(engine.rows("SELECT input, mark FROM state.inputs")),
    )
    return found if found.models else None


def write(engine: Engine, models: Mapping[str, str], inputs: Mapping[str, int]) -> None:
    """Replace the state; inside the transaction that built the tables."""
    engine.execute(_TABLES)
    for table, values in (("models", models), ("inputs", inputs)):
        engine.clear(f"state.{table}")
        engine.execute(f"INSERT INTO state.{table} SELECT unnest($names), unnest($values)",
                       {"names": list(values), "values": list(values.values())})  # fmt: skip


def published(engine: Engine) -> tuple[int, int, date] | None:
    """The generation that holds the tables as they are: its number, checksum, and the day all of it was written."""
    engine.execute(_TABLES)
    rows = engine.rows("SELECT number, checksum, whole_on FROM state.published")
    return rows[0] if rows else None


def note_published(engine: Engine, found: tuple[int, int, date] | None) -> None:
    """Note the generation that holds the tables as they are; None while there is none."""
    engine.clear("state.published")
    if found is not None:
        engine.execute("INSERT INTO state.published VALUES (?, ?, ?)", list(found))


def forget(engine: Engine) -> None:
    """Leave nothing that tells what was built: the next refresh builds everything."""
    engine.execute("DROP SCHEMA IF EXISTS state CASCADE")
