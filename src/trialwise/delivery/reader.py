"""A published generation as the modules of this package read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialwise.engines.duckdb import Engine
from trialwise.errors import StoreError
from trialwise.shipped import packaged_sql

if TYPE_CHECKING:
    import polars as pl

_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True)
class Moment:
    """The clock a generation was computed for; instants are UTC without a zone."""

    as_of: datetime
    known_at: datetime
    as_of_date: date


@dataclass(frozen=True)
class Reader:
    """A read-only connection to one generation. Give each thread its own `cursor()`.

    number: the generation's number, 0 for a file of its own. roots: `sql/` folders whose metrics/ are found, the
    later one first.
    """

    engine: Engine
    number: int
    roots: tuple[Path, ...]

    @cached_property
    def moment(self) -> Moment:
        """The clock of the generation."""
        rows = self.engine.rows("SELECT as_of, known_at, as_of_date FROM marts.clock")
        if len(rows) != 1:
            raise StoreError(f"the generation has {len(rows)} clocks, expected one", "Run 'trialwise refresh'.")
        return Moment(*rows[0])

    def cursor(self) -> Reader:
        """The same generation for another thread."""
        return Reader(self.engine.cursor(), self.number, self.roots)

    def frame(self, sql: str, params: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Rows of a query as a polars frame; of `params` it takes those that the query names."""
        return self.engine.frame(sql, used(sql, params or {}) or None)

    def tables(self, schema: str) -> dict[str, str]:
        """Table name -> description, of one schema of the generation."""
        rows = self.engine.rows(
            "SELECT table_name, coalesce(comment, '') FROM duckdb_tables() WHERE schema_name = $schema ORDER BY 1",
            {"schema": schema},
        )
        return {str(name): str(text) for name, text in rows}

    def queries(self) -> dict[str, Path]:
        """Metric name -> its file, the user's own before the shipped ones."""
        found: dict[str, Path] = {}
        for root in (packaged_sql(), *self.roots):
            found.update({path.stem: path for path in sorted((root / "metrics").glob("*.sql"))})
        return found


def used(sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters a query names: DuckDB refuses those it does not."""
    names = set(_PARAMETER.findall(_COMMENT.sub(" ", sql)))
    return {name: value for name, value in params.items() if name in names}
