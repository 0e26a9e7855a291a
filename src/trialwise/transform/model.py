"""A model: one SQL file, its header, its columns, and the tables it reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import sqlglot
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from trialwise.errors import ModelError, nearest
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.expand import Expansion, expand, lists_used

EXTERNAL_SCHEMAS = ("raw", "config")
"""Tables others fill: `CREATE TABLE` files, for their columns and documentation."""
RESERVED_SCHEMAS = ("state", "main", "temp", "pg_catalog", "information_schema")
"""Schemas that are the runner's or the engine's own."""
_NAMED = (exp.Column, exp.ColumnDef, exp.Table, exp.TableAlias, exp.Alias, exp.Join)
"""What names a table or column; the key of a struct is data."""
QUERY_SCHEMAS = ("metrics", "calibration")
"""Queries run by name, with parameters or on a schedule of their own; never part of a build."""
PUBLISHED_SCHEMAS = ("marts", "lists")
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT"})
_HEADER = re.compile(r"\A\s*/\*(.*?)\*/", re.DOTALL)
_TYPE_NAMES = {"INT": "INTEGER", "TEXT": "VARCHAR", "TIMESTAMPNTZ": "TIMESTAMP", "REAL": "FLOAT", "INT128": "HUGEINT"}

Kind = Literal["model", "external", "query"]
Level = Literal["fail", "warn"]
_M = TypeVar("_M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_Strict):
    """A query that returns the bad rows."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    level: Level = "fail"
    sql: str


class Header(_Strict):
    """What a model promises: the YAML of its first block comment."""

    description: str
    grain: str | None = None
    key: tuple[str, ...] = ()
    not_null: tuple[str, ...] = ()
    accepted: dict[str, tuple[str | int | bool, ...]] = Field(default_factory=dict)
    incremental: tuple[str, ...] = ()
    determines: dict[str, str] = Field(default_factory=dict)
    at_once: Annotated[int, Field(ge=1)] | None = None
    materialized: Literal["table", "view"] | None = None
    published: bool | None = None
    unique_by: Literal["check", "load"] = "check"
    checks: tuple[Check, ...] = ()
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One output column: its name, its DuckDB type, what it means."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, eq=False)
class Model:
    """One file of `sql/`. `query` is the parsed, expanded SELECT; None for an external table."""

    name: str
    path: Path
    source: str
    header: Header
    columns: tuple[Column, ...]
    reads: tuple[str, ...]
    kind: Kind
    query: exp.Query | None

    @property
    def schema(self) -> str:
        """The folder the file stands in."""
        return self.name.split(".")[0]

    @property
    def table(self) -> str:
        """The file's name without its ending."""
        return self.name.split(".")[1]

    @property
    def is_view(self) -> bool:
        """Whether the model is built as a view: staging unless its header says otherwise."""
        return (self.header.materialized or ("view" if self.schema == "staging" else "table")) == "view"

    @property
    def is_published(self) -> bool:
        """Whether readers find it in a published generation: marts and lists unless the header says otherwise."""
        default = self.schema in PUBLISHED_SCHEMAS
        return default if self.header.published is None else self.header.published

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the output columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def columns_named(self) -> frozenset[str]:
        """The names of all columns the query speaks of, of whichever table."""
        return frozenset() if self.query is None else frozenset(c.name for c in self.query.find_all(exp.Column))

    @cached_property
    def sql(self) -> str:
        """The text the engine runs: generated from the parsed query (for an external table the file's own text).

        Generated, not the author's, in every path: the generator rewrites functions, and a full and a restricted
        run must not differ in a last bit.
        """
        return self.source if self.query is None else self.query.sql(dialect="duckdb", comments=False)

    @cached_property
    def fingerprint(self) -> str:
        """Names the definition: the text that runs, what the header promises of it, and whether it is a view."""
        text = f"{self.is_view}\n{self.header.model_dump_json()}\n{self.sql}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def load_models(roots: Iterable[Path] | None = None, expansion: Expansion | None = None) -> dict[str, Model]:
    """All models by name, of the packaged `sql/` when `roots` is None; a later root overrides an earlier one.

    Raises ModelError for a file that cannot be used, naming it.
    """
    found = find_files([packaged_sql()] if roots is None else roots)
    return {name: load_model(path, name, expansion) for name, path in sorted(found.items())}


def load_model(path: Path, name: str | None = None, expansion: Expansion | None = None) -> Model:
    """Read one model file. Raises ModelError naming the model, the line and what was expected."""
    name = name or f"{path.parent.name}.{path.stem}"
    return parse_model(name, path.read_text(encoding="utf-8"), path, expansion)


def parse_model(name: str, source: str, path: Path, expansion: Expansion | None = None) -> Model:
    """Make a model of its text; `path` is only kept for messages and documentation."""
    schema = name.split(".")[0]
    if schema in RESERVED_SCHEMAS:
        raise ModelError(f"{name}: the schema {schema} is kept for what trialwise notes itself", f"Move {path}.")
    if name != name.lower():
        raise ModelError(f"{name}: names of models are written in lower case", f"Rename {path}.")
    kind: Kind = "external" if schema in EXTERNAL_SCHEMAS else "query" if schema in QUERY_SCHEMAS else "model"
    match = _HEADER.match(source)
    if match is None:
        raise ModelError(
            f"{name}: no header",
            f"Start {path} with a block comment that gives description, grain and key (docs/howto/add-a-model.md).",
        )
    header = parse_header(name, match.group(1))
    body = "\n" * source[: match.end()].count("\n") + source[match.end() :]  # keeps the file's line numbers
    statement = _parse(name, body)
    _check_case(name, statement)
    if kind == "external":
        return Model(name, path, source, header, _table_columns(name, statement), (), kind, None)
    if not isinstance(statement, exp.Query):
        raise ModelError(f"{name}: expected one SELECT, found {statement.key.upper()}")
    query = expand(statement, expansion or {}, name) if "each_" in body and lists_used(statement) else statement
    _name_tables_without_schema(query)
    return Model(name, path, source, header, _query_columns(query), reads_of(query, name), kind, query)


def _check_case(name: str, statement: exp.Expr) -> None:
    """Refuse C.AS_OF for c.as_of: the engine takes them for the same, what is told of a query by its names does not."""
    for found in statement.find_all(exp.Identifier):
        if isinstance(found.parent, _NAMED) and found.name != found.name.lower():
            line = found.meta.get("line")
            raise ModelError(
                f"{name}{f', line {line}' if line else ''}: {found.name}: names are written in lower case",
                f"Write {found.name.lower()}; a key of JSON is read by ->> '{found.name}'.",
            )


def _name_tables_without_schema(query: exp.Expr) -> None:
    """Write marts.trials.kind as trials.kind: another table may be read in the place of one, and has its name alone."""
    tables = {(table.db, table.name) for table in query.find_all(exp.Table) if table.db and not table.alias}
    for column in query.find_all(exp.Column):
        if (column.db, column.table) in tables:
            column.set("db", None)


def parse_header(name: str, text: str) -> Header:
    """The header of the YAML in a model's first block comment; ModelError names the key and the nearest one."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place is not None else ""
        problem = getattr(error, "problem", None) or "not readable"
        raise ModelError(
            f"{name}{line}: the header is no YAML: {problem}",
            "A text that contains `: ` or starts with a special character needs quotes.",
        ) from error
    if not isinstance(found, Mapping):
        raise ModelError(f"{name}: the header must be `key: value` lines, found {type(found).__name__}")
    return validated(Header, found, f"{name}: header")


def validated(kind: type[_M], found: Mapping[Any, Any], where: str) -> _M:
    """`found` as a pydantic model; an unknown key is answered with the nearest known one."""
    for key in found:
        if key not in kind.model_fields:
            raise ModelError(
                f"{where}: unknown key '{key}'{nearest(str(key), kind.model_fields)}",
                f"Known keys: {', '.join(kind.model_fields)}.",
            )
    try:
        return kind.model_validate(dict(found))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        known = kind.model_fields
        if first["type"] == "extra_forbidden":
            last = str(first["loc"][-1])
            inner = Check.model_fields if "checks" in first["loc"] else known
            raise ModelError(f"{where}: unknown key '{last}' at {place}{nearest(last, inner)}") from error
        found_there = "" if first["type"] == "missing" else f", found {first['input']!r}"
        raise ModelError(f"{where}: {place}: {first['msg']}{found_there}") from error


def reads_of(query: exp.Expr, name: str) -> tuple[str, ...]:
    """The tables with a schema a query reads. A name without one must be a CTE, else ModelError."""
    found: set[str] = set()
    tables: list[exp.Table] = []
    ctes: set[str] = set()
    for node in query.find_all(exp.CTE, exp.Table):
        if isinstance(node, exp.Table):
            tables.append(node)
        else:
            ctes.add(node.alias)
    for table in tables:
        if not isinstance(table.this, exp.Identifier):
            raise ModelError(f"{name}: {table.this.sql(dialect='duckdb')} is a table function; models read tables")
        if table.db:
            found.add(f"{table.db}.{table.name}")
        elif table.name not in ctes:
            line = table.this.meta.get("line")
            raise ModelError(
                f"{name}{f', line {line}' if line else ''}: {table.name} is no CTE of this model"
                f"{nearest(table.name, ctes)}",
                "Tables are read with their schema, as in intermediate.trials.",
            )
    return tuple(sorted(found))


def type_name(kind: exp.DataType) -> str:
    """The name trialwise writes for a type: INTEGER, VARCHAR, TIMESTAMP and so on."""
    text = kind.sql(dialect="duckdb")
    return _TYPE_NAMES.get(text, text)


def is_one_type(one: str | None, other: str | None) -> bool:
    """Whether values of two types, by their names, are the same without being turned into one another."""
    return one == other or {one, other} <= _INTEGERS


def _parse(name: str, text: str) -> exp.Expr:
    try:
        statements = [statement for statement in sqlglot.parse(text, dialect="duckdb") if statement is not None]
    except ParseError as error:
        first = error.errors[0]
        raise ModelError(f"{name}, line {first['line']}: {first['description']} near `{first['highlight']}`") from error
    except TokenError as error:
        raise ModelError(f"{name}: {' '.join(str(error).split())}; is a quote left open?") from error
    if len(statements) != 1:
        raise ModelError(f"{name}: expected one statement, found {len(statements)}")
    return statements[0]


def _comment(*nodes: object) -> str:
    texts = [text for node in nodes if isinstance(node, exp.Expr) for text in node.comments or ()]
    return " ".join(text.strip() for text in texts)


def _query_columns(query: exp.Query) -> tuple[Column, ...]:
    columns = []
    for node in query.selects:
        value = node.this if isinstance(node, exp.Alias) else node
        kind = type_name(value.to) if isinstance(value, exp.Cast) else ""
        columns.append(Column(node.output_name, kind, _comment(node, node.this, node.args.get("alias"))))
    return tuple(columns)


def _table_columns(name: str, statement: exp.Expr) -> tuple[Column, ...]:
    if not isinstance(statement, exp.Create) or not isinstance(statement.this, exp.Schema):
        raise ModelError(f"{name}: expected CREATE TABLE with columns, found {statement.key.upper()}")
    return tuple(
        Column(column.name, type_name(column.args["kind"]), _comment(*column.walk()))
        for column in statement.this.expressions
        if isinstance(column, exp.ColumnDef)
    )
