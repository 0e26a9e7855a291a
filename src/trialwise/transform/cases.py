"""Given/expect cases: read from YAML, set up as tables, run on an engine, compared as multisets of rows."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import sqlglot
import yaml
from pydantic import BaseModel, ConfigDict, Field
from sqlglot import exp

from trialwise.errors import ModelError, nearest
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.expand import Expansion, item
from trialwise.transform.model import Column, Model, load_model, validated

Row = Mapping[str, Any]
Rows = Sequence[Row]

READER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, six times as fast, wherever PyYAML came with it."""
EPOCH = dt.date(1970, 1, 1)
AS_OF = dt.datetime.fromisoformat("2026-07-01T00:00:00")
SPINES = {
    "config.numbers": "SELECT n FROM generate_series(0, 400) AS g (n)",
    "config.calendar": """
SELECT day, day - DATE '1970-01-01', CAST(day AS TIMESTAMP), CAST(day + 1 AS TIMESTAMP),
  CAST(date_trunc('week', day) AS DATE), CAST(date_trunc('month', day) AS DATE),
  EXTRACT(isodow FROM day), EXTRACT(isodow FROM day) < 6
FROM (SELECT DATE '2023-01-01' + CAST(n AS INTEGER) AS day FROM generate_series(0, 1825) AS g (n)) AS d""",
}
"""Rows of the calendar (2023 to 2027, UTC) and the numbers, in SQL that DuckDB and PostgreSQL read alike."""
PARAMETERS: Row = {
    "trial_length_days": None,
    "grace_days": 30,
    "collection_lag_hours": 72,
    "horizon_days": 30,
    "one_trial_hours": 24,
    "reentry_days": 3,
    "card_at_start_minutes": 10,
    "refund_days": 30,
    "cancelled_before_payment_hours": 72,
    "freemium_days": 90,
    "streak_days": 14,
    "events_per_day_cap": 100,
    "features_total": 0,
    "benchmark_events_per_day": 10,
    "band_light": 33,
    "band_moderate": 66,
    "account_metadata_key": "account_id",
}
"""The row of config.parameters a case starts from: the defaults of trialwise.toml."""


class Runner(Protocol):
    """What a case needs of an engine: DuckDB's, or another one behind the same two methods."""

    def execute(self, sql: str, params: Any = None) -> Any:
        """Run statements."""

    def rows(self, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Rows of a query."""


class CaseMismatch(AssertionError):
    """The model's rows are not the expected ones; the text shows both."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Clock(_Strict):
    as_of: dt.datetime | dt.date = AS_OF
    known_at: dt.datetime | dt.date | None = None


class _Setting(_Strict):
    clock: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    expand: dict[str, list[str | dict[str, Any]]] = Field(default_factory=dict)
    given: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    arguments: dict[str, Any] = Field(default_factory=dict)


class _Case(_Setting):
    name: str
    expect: list[dict[str, Any]]


class _File(_Strict):
    defaults: dict[str, Any] = Field(default_factory=dict)
    cases: list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One case: the model it runs, the tables it gives, the rows it expects."""

    model: str
    name: str
    line: int
    as_of: dt.datetime
    known_at: dt.datetime
    parameters: Row
    expansion: Expansion
    given: Mapping[str, Rows]
    expect: Rows
    arguments: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """The models a case may need, read one by one: a file nobody reads may be broken."""

    roots: tuple[Path, ...]

    @classmethod
    def of(cls, case_file: Path) -> Catalogue:
        """The shipped models, overridden by those of the `sql/` folder the case file stands in."""
        return cls(tuple(dict.fromkeys((packaged_sql(), case_file.parent.parent))))

    @cached_property
    def files(self) -> dict[str, Path]:
        """The model files by name."""
        return find_files(self.roots)

    def model(self, name: str, expansion: Expansion) -> Model:
        """The model of that name; ModelError with the nearest name when there is none."""
        path = self.files.get(name)
        if path is None:
            raise ModelError(f"no model {name}{nearest(name, self.files)}", f"Write sql/{name.replace('.', '/')}.sql.")
        if expansion:
            return load_model(path, name, expansion)
        return _cached_model(path, name, path.stat().st_mtime_ns)


@lru_cache(maxsize=512)
def _cached_model(path: Path, name: str, _changed: int) -> Model:
    return load_model(path, name)


def read_cases(path: Path) -> list[Case]:
    """The cases of one file. ModelError names the file, the case and what was expected."""
    text = path.read_text(encoding="utf-8")
    try:
        reader = READER(text)
        node = reader.get_single_node()
        found = None if node is None else reader.construct_document(node)
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: no YAML: {error}") from error
    if not isinstance(found, Mapping):
        raise ModelError(f"{path}: expected `cases:` with a list of cases")
    file = validated(_File, found, str(path))
    lines = _case_lines(node)
    model = f"{path.parent.name}.{path.name.removesuffix('.test.yaml')}"
    defaults = validated(_Setting, file.defaults, f"{path}: defaults")
    cases = [
        _case(model, validated(_Case, one, f"{path}: case {one.get('name', number)!r}"), defaults, lines[number - 1])
        for number, one in enumerate(file.cases, start=1)
    ]
    repeated = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if repeated:
        raise ModelError(f"{path}: two cases are named {repeated[0]!r}", "Name each case after its rule.")
    return cases


def run_case(case: Case, catalogue: Catalogue, engine: Runner, dialect: str = "duckdb") -> None:
    """Set the tables up on an empty database, run the model, compare; raises CaseMismatch with a diff of rows."""
    model = catalogue.model(case.model, case.expansion)
    if model.query is None:
        raise ModelError(f"{model.name} is an external table and has no query to test")
    for table in case.given:
        if table not in model.reads:
            raise ModelError(f"{case.name}: {model.name} does not read {table}{nearest(table, model.reads)}")
    set_up(case, model, catalogue, engine, dialect)
    names = list(dict.fromkeys(name for row in case.expect for name in row)) or list(model.column_names[:1])
    types = _types_of(model, names, f"{case.name}: expect")
    columns = ", ".join(f'"{name}"' for name in names)
    query = model.query.sql(dialect=dialect, comments=False)
    found = engine.rows(f"SELECT {columns} FROM ({query}) AS model", dict(case.arguments) or None)
    expected = [_expected(row, names, types, engine, dialect) for row in case.expect]
    difference = diff(names, expected, found)
    if difference:
        raise CaseMismatch(difference)


def set_up(case: Case, model: Model, catalogue: Catalogue, engine: Runner, dialect: str = "duckdb") -> None:
    """Create every table the model reads, with the case's rows."""
    for schema in sorted({name.split(".")[0] for name in model.reads}):
        engine.execute(f"CREATE SCHEMA {schema}")
    for name in model.reads:
        columns = catalogue.model(name, case.expansion).columns
        untyped = [column.name for column in columns if not column.type]
        if untyped:
            raise ModelError(f"{name}: column {untyped[0]} has no CAST in the last SELECT, so its type is unknown")
        declared = ", ".join(f'"{c.name}" {_sql_type(c.type, dialect)}' for c in columns)
        engine.execute(f"CREATE TABLE {name} ({declared})")
        if name in SPINES and name not in case.given:
            engine.execute(f"INSERT INTO {name} {SPINES[name]}")
            continue
        rows = case.given[name] if name in case.given else default_rows(name, case)
        _insert(engine, name, columns, rows, case.name, dialect)


def default_rows(table: str, case: Case) -> Rows:
    """The rows of a table that is not given: those of the clock and the parameters, else none."""
    if table == "config.clock":
        last = (case.as_of - dt.timedelta(microseconds=1)).date()
        return [
            {
                "as_of": case.as_of,
                "known_at": case.known_at,
                "as_of_date": last,
                "as_of_no": (last - EPOCH).days,
                "complete_no": (case.as_of.date() - EPOCH).days - 1,
                "is_day_complete": case.as_of.time() == dt.time.min,
            }
        ]
    if table == "config.parameters":
        return [case.parameters]
    return []


def diff(names: Sequence[str], expected: Sequence[tuple[Any, ...]], found: Sequence[tuple[Any, ...]]) -> str:
    """The rows that are missing and those that are too many, as an aligned table; empty when there are none."""
    wanted, got = Counter(map(_comparable, expected)), Counter(map(_comparable, found))
    missing, surplus = list((wanted - got).elements()), list((got - wanted).elements())
    if not missing and not surplus:
        return ""
    rows = [("-", row) for row in missing] + [("+", row) for row in surplus]
    rows.sort(key=lambda marked: (tuple(str(cell) for cell in marked[1][:1]), marked[0] == "+"))
    table = [("", *names)] + [(mark, *("NULL" if cell is None else str(cell) for cell in row)) for mark, row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(names) + 1)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    same = len(expected) - len(missing)
    return "\n".join([f"{same} rows as expected, {len(missing)} missing (-), {len(surplus)} not expected (+)", *lines])


def _comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(float(f"{cell:.9g}") if isinstance(cell, float) else cell for cell in row)


def _case(model: str, case: _Case, defaults: _Setting, line: int) -> Case:
    clock = validated(_Clock, {**defaults.clock, **case.clock}, f"{case.name}: clock")
    as_of = _instant(clock.as_of)
    return Case(
        model=model,
        name=case.name,
        line=line,
        as_of=as_of,
        known_at=as_of if clock.known_at is None else _instant(clock.known_at),
        parameters={**PARAMETERS, **defaults.parameters, **case.parameters},
        expansion=_expansion({**defaults.expand, **case.expand}),
        given={**defaults.given, **case.given},
        expect=case.expect,
        arguments={**defaults.arguments, **case.arguments},
    )


def _expansion(lists: Mapping[str, list[str | dict[str, Any]]]) -> Expansion:
    """`each_milestone: [card_added]` names the items; a dict gives replacements, a text that is no name is SQL."""
    expansion = {}
    for name, entries in lists.items():
        list_name = name if name.startswith("each_") else f"each_{name}"
        items = []
        for entry in entries:
            given = {list_name: entry} if isinstance(entry, str) else entry
            key = str(given.get(list_name, ""))
            parsed = {identifier: _replacement(text) for identifier, text in given.items()}
            items.append({**item(list_name, key), **parsed})
        expansion[list_name] = items
    return expansion


def _replacement(text: Any) -> str | int | exp.Expr:
    if isinstance(text, str) and not text.isidentifier():
        return sqlglot.parse_one(text, dialect="duckdb")
    return text if isinstance(text, int) else str(text)


def _instant(moment: dt.datetime | dt.date) -> dt.datetime:
    """An instant is itself, a date the end of that day (UTC)."""
    if isinstance(moment, dt.datetime):
        return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)
    return dt.datetime.combine(moment, dt.time.min) + dt.timedelta(days=1)


def _case_lines(root: yaml.Node | None) -> list[int]:
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "cases" and isinstance(value, yaml.SequenceNode):
                return [one.start_mark.line + 1 for one in value.value]
    return []


def _types_of(model: Model, names: Sequence[str], where: str) -> list[str]:
    types = {column.name: column.type for column in model.columns}
    for name in names:
        if name not in types:
            raise ModelError(f"{where}: {model.name} has no column {name}{nearest(name, types)}")
    return [types[name] for name in names]


def _insert(engine: Runner, table: str, columns: Sequence[Column], rows: Rows, case: str, dialect: str) -> None:
    types = {column.name: column.type for column in columns}
    by_columns: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        for name in row:
            if name not in types:
                raise ModelError(f"{case}: {table} has no column {name}{nearest(name, types)}")
        by_columns.setdefault(tuple(row), []).append(row)
    for names, same in by_columns.items():
        shown = ", ".join(f'"{name}"' for name in names)
        values = ",\n".join(
            "(" + ", ".join(_literal(row[name], types[name], dialect) for name in names) + ")" for row in same
        )
        try:
            engine.execute(f"INSERT INTO {table} ({shown}) VALUES {values}")
        except Exception as error:  # every engine has its own class; the case and table matter here
            raise ModelError(f"{case}: a given row of {table} does not fit: {error}") from error


def _literal(value: Any, kind: str, dialect: str) -> str:
    coerced = coerce(value, kind)
    if coerced is None:
        return "NULL"
    bare = isinstance(coerced, bool | int | float)
    text = str(coerced) if bare else "'" + str(coerced).replace("'", "''") + "'"
    return f"CAST({text} AS {_sql_type(kind, dialect)})"


def coerce(value: Any, kind: str) -> Any:
    """A YAML value as a value of the column's type; what needs no help is left to the engine's own cast."""
    if value is None:
        return None
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    if kind == "UUID" and isinstance(value, int):
        return UUID(int=value)
    if kind == "TIMESTAMP":
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime.combine(moment, dt.time.min)
        return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)
    return value


@lru_cache(maxsize=256)
def _sql_type(kind: str, dialect: str) -> str:
    return exp.DataType.build(kind, dialect="duckdb").sql(dialect=dialect)


def _expected(row: Row, names: Sequence[str], types: Sequence[str], engine: Runner, dialect: str) -> tuple[Any, ...]:
    """An expected row as the engine would return it; a column the row does not name is NULL."""
    literals = [_literal(row.get(name), kind, dialect) for name, kind in zip(names, types, strict=True)]
    typed = [f"CAST({text} AS {_sql_type(kind, dialect)})" for text, kind in zip(literals, types, strict=True)]
    return engine.rows(f"SELECT {', '.join(typed)}")[0]
