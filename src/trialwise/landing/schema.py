"""The shape of the raw tables: which one a store has, and whether this version can go on with it.

The comment of raw.loads says it, so that it is written in the transaction that makes the tables: the number of their
shape, and what stands for the text of sql/raw, by which a look at a store that is as it should be costs nothing. A
store of an older shape is no loss: it is filled again from landing.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache

from trialwise.engines.duckdb import Engine, connect
from trialwise.errors import StoreError
from trialwise.landing.statements import run, sql_folder

VERSION = 2
"""Goes up by one with every change of sql/raw, and of what the loader writes there."""
_STAMP = re.compile(r"shape (\d+) of ([0-9a-f]+)")
_COMMENT = "SELECT comment FROM duckdb_tables() WHERE schema_name = 'raw' AND table_name = 'loads'"
_COLUMNS = """
SELECT concat(table_name, '.', column_name), data_type FROM duckdb_columns()
WHERE schema_name = 'raw' AND database_name = current_database()
"""


def create_raw(engine: Engine) -> None:
    """Create the schema raw and its tables where they are missing, with key 0 for nobody and the shape's number."""
    engine.execute("CREATE SCHEMA IF NOT EXISTS raw")
    for text in _texts():
        engine.execute(text)
    run(engine, "nobody")
    if _stamp_of(engine) != (VERSION, _text_key()):
        engine.execute(f"COMMENT ON TABLE raw.loads IS 'shape {VERSION} of {_text_key()}'")


def outdated(engine: Engine) -> str | None:
    """What an older version made otherwise in a store; None for one of this version, and for one without tables.

    Raises StoreError for one of a newer version.
    """
    number, text_key = _stamp_of(engine)
    if (number, text_key) == (VERSION, _text_key()):
        return None
    if number > VERSION:
        raise StoreError(
            f"the store was made by a newer version of trialwise: its raw tables have shape {number}, "
            f"this one knows up to {VERSION}",
            "Use the newer version, or move store.duckdb and store.duckdb.wal away: it is filled again from landing.",
        )
    there = columns(engine)
    wanted = _wanted() if there else {}
    for name in sorted(there.keys() | wanted.keys()):
        if name not in there:
            return f"it has no raw.{name}"
        if name not in wanted:
            return f"it has raw.{name}, which is no more"
        if there[name] != wanted[name]:
            return f"its raw.{name} is {there[name]}, not {wanted[name]}"
    return None if number in (0, VERSION) else f"its raw tables have shape {number}, not {VERSION}"


def columns(engine: Engine) -> dict[str, str]:
    """`table.column` -> type, of the raw tables."""
    return dict(engine.rows(_COLUMNS))


def _stamp_of(engine: Engine) -> tuple[int, str]:
    """(number, key of the text) of a store's shape; (0, "") without tables, and of a version that wrote none."""
    for (comment,) in engine.rows(_COMMENT):
        found = _STAMP.fullmatch(comment or "")
        if found is not None:
            return int(found[1]), found[2]
    return 0, ""


def _texts() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((sql_folder() / "raw").glob("*.sql"))]


@cache
def _text_key() -> str:
    return hashlib.sha256("\0".join(_texts()).encode()).hexdigest()[:16]


@cache
def _wanted() -> dict[str, str]:
    engine = connect()
    try:
        create_raw(engine)
        return columns(engine)
    finally:
        engine.close()
