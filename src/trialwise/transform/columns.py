"""Whether the columns a query names are there: checked against the columns its tables declare, before it meets data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sqlglot import exp
from sqlglot.errors import OptimizeError, SchemaError
from sqlglot.optimizer.qualify import qualify

from trialwise.errors import ModelError, nearest
from trialwise.transform.model import Model

Schema = dict[str, object]
"""schema -> table -> column -> type, as the resolver wants it."""

_UNRESOLVED = re.compile(r"(?:Column '|Unknown column: )\"?(?P<name>[\w.\"]+)")


def check_columns(model: Model, models: Mapping[str, Model]) -> None:
    """Refuse a query that names a column its tables and CTEs lack.

    Raises ModelError naming the model, the line and the nearest column. Tables the model reads must be in `models`.
    """
    if model.query is None:
        return
    read = [models[table] for table in model.reads]
    try:
        qualify(model.query.copy(), schema=_schema(read), dialect="duckdb", quote_identifiers=False)
    except (OptimizeError, SchemaError) as error:
        cause = _complaint(model.query, read, str(error))
        raise ModelError(f"{model.name}{cause}", f"See {model.path}.") from error


def _schema(tables: Iterable[Model]) -> Schema:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for table in tables:
        columns = {column.name: column.type or "VARCHAR" for column in table.columns}
        found.setdefault(table.schema, {})[table.table] = columns
    return dict(found)


def _complaint(query: exp.Query, read: Iterable[Model], message: str) -> str:
    """`, line 7: no column outcom; did you mean 'outcome'?` or, for another complaint, its first line."""
    match = _UNRESOLVED.search(message)
    if match is None:
        return f": {message.splitlines()[0]}"
    name = match.group("name").replace('"', "").split(".")[-1]
    nodes = [node for node in query.find_all(exp.Column) if node.name == name]
    lines = [node.this.meta["line"] for node in nodes if "line" in node.this.meta]
    known = {column for table in read for column in table.column_names} | {
        node.alias for node in query.find_all(exp.Alias) if node.alias != name
    }
    if name in known:  # there, but not where it is read: the text does not tell which place is meant
        return f": no column {name} in one of the tables it is read from"
    return f"{f', line {min(lines)}' if lines else ''}: no column {name}{nearest(name, sorted(known))}"
