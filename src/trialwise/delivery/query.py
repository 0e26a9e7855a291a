"""Queries typed by people: one SELECT, on the published tables, for a limited time."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Timer
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from trialwise.delivery.reader import Reader
from trialwise.engines.duckdb import EngineError
from trialwise.errors import InputError

if TYPE_CHECKING:
    import polars as pl

_TABLES_HINT = "Tables: SELECT table_schema, table_name FROM information_schema.tables"


def query(reader: Reader, text: str, params: Mapping[str, Any] | None, timeout_seconds: float) -> pl.DataFrame:
    """Rows of one SELECT as a frame.

    The connection can change nothing and read no file; here only clear errors are added. Raises InputError for
    anything but one query, for the engine's complaint, and when `timeout_seconds` have passed.
    """
    try:
        statements = [one for one in sqlglot.parse(text, dialect="duckdb") if one is not None]
    except SqlglotError as error:
        raise InputError(f"the query cannot be parsed: {str(error).splitlines()[0]}", _TABLES_HINT) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query | exp.Describe | exp.Summarize):
        found = f"{len(statements)} statements" if len(statements) != 1 else statements[0].key.upper()
        raise InputError(f"expected one SELECT, found {found}", _TABLES_HINT)
    engine = reader.engine.cursor()
    expired: list[bool] = []

    def stop() -> None:
        expired.append(True)
        engine.interrupt()

    timer = Timer(timeout_seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        return engine.frame(text, dict(params) if params else None)
    except EngineError as error:
        if expired:
            raise InputError(f"the query was stopped after {timeout_seconds:g} seconds") from error
        raise InputError(f"the query fails: {error}", _TABLES_HINT) from error
    finally:
        timer.cancel()
        engine.close()
