"""Lint: the rules a model keeps. A rule is a small class; its docstring is the message."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from trialwise.errors import ModelError, nearest
from trialwise.transform.columns import check_columns
from trialwise.transform.keys import check_incremental
from trialwise.transform.model import Kind, Model

MAX_LINES = 150
TYPES = frozenset({"BIGINT", "INTEGER", "DOUBLE", "DECIMAL", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP"})
"""The column types from staging on; what all engines share."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: the model, the rule's name, the line in the file if known, and what was found."""

    model: str
    rule: str
    line: int | None
    found: str
    message: str

    def __str__(self) -> str:
        """`intermediate.trials:12: NoClock: now() found. A model never ...`."""
        place = f"{self.model}:{self.line}" if self.line else self.model
        return f"{place}: {self.rule}: {self.found}. {self.message}"


def lint(models: Mapping[str, Model]) -> list[Finding]:
    """Every broken rule of every model, in the order of models and rules."""
    return [
        Finding(model.name, type(rule).__name__, line, found, " ".join((type(rule).__doc__ or "").split()))
        for model in models.values()
        for rule in RULES
        if model.kind in rule.kinds
        for found, line in rule.check(Subject(model, models))
    ]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and those around it."""

    model: Model
    models: Mapping[str, Model]


Broken = Iterator[tuple[str, int | None]]


class Rule(ABC):
    """A rule every model of the given kinds keeps."""

    kinds: ClassVar[tuple[Kind, ...]] = ("model",)

    @abstractmethod
    def check(self, of: Subject) -> Broken:
        """What breaks the rule, each with its line."""


class HeaderComplete(Rule):
    """The header states description, grain and key."""

    def check(self, of: Subject) -> Broken:
        """Each of the three that is missing."""
        for name in ("description", "grain", "key"):
            if not getattr(of.model.header, name):
                yield f"no {name}", None


class HeaderNamesColumns(Rule):
    """The header speaks of columns the last SELECT has."""

    kinds = ("model", "external")

    def check(self, of: Subject) -> Broken:
        """Each column the header names and the model lacks."""
        header = of.model.header
        named = (*header.key, *header.not_null, *header.accepted, *header.incremental)
        for name in dict.fromkeys((*named, *header.determines, *header.determines.values())):
            if name not in of.model.column_names:
                yield f"no column {name}{nearest(name, of.model.column_names)}", None


class ColumnsDocumented(Rule):
    """Every column carries a trailing comment: it becomes the CLI header, the API schema and the docs."""

    kinds = ("model", "external")

    def check(self, of: Subject) -> Broken:
        """Each column without a comment."""
        for column in of.model.columns:
            if not column.description:
                yield f"column {column.name} has no comment", None


class ColumnsCast(Rule):
    """The last SELECT casts every column to a type all engines share and names it: CAST(x AS BIGINT) AS x."""

    def check(self, of: Subject) -> Broken:
        """Each column without a cast or with another type."""
        for column in of.model.columns:
            if column.name in ("", "*"):
                yield "a column without a name, or *, in the last SELECT", None
            elif not column.type:
                yield f"column {column.name} is not cast", None
            elif column.type.split("(")[0] not in TYPES:
                yield f"column {column.name} is {column.type}, not one of {', '.join(sorted(TYPES))}", None


class StagingHasNoJoins(Rule):
    """A staging model renames, casts and filters one raw table; joins begin in intermediate."""

    def check(self, of: Subject) -> Broken:
        """Each join, and each table read beyond the one."""
        if of.model.schema != "staging" or of.model.query is None:
            return
        for join in of.model.query.find_all(exp.Join):
            yield "a join", _line(join)
        if len(of.model.reads) != 1 or not of.model.reads[0].startswith("raw."):
            yield f"reads {', '.join(of.model.reads) or 'nothing'}, expected one raw table", None


class NoClock(Rule):
    """Time and chance are inputs: a model reads config.clock, never the machine's clock or a random number."""

    kinds = ("model", "query")
    _NODES = (exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentDatetime, exp.Rand, exp.Uuid)
    _NAMES = frozenset({"now", "today", "get_current_timestamp", "transaction_timestamp", "random", "uuid", "setseed"})
    _NAMES |= {"gen_random_uuid", "uuidv4", "uuidv7", "clock_timestamp", "current_localtimestamp"}

    def check(self, of: Subject) -> Broken:
        """Each call of a clock or random function."""
        for node in _walk(of.model):
            if isinstance(node, self._NODES) or (isinstance(node, exp.Anonymous) and node.name.lower() in self._NAMES):
                yield f"`{_sql(node)}`", _line(node)


class PortableSubset(Rule):
    """A model keeps to the SQL all engines share: row_number() filters, ROWS frames, joins to the calendar."""

    kinds = ("model", "query")
    _NODES: ClassVar[dict[type[exp.Expr], str]] = {
        exp.Qualify: "QUALIFY",
        exp.Lateral: "LATERAL",
        exp.ArgMax: "arg_max",
        exp.ArgMin: "arg_min",
        exp.GenerateSeries: "generate_series",
        exp.Unnest: "UNNEST",
        exp.Pivot: "PIVOT",
        exp.Array: "a list",
        exp.ArrayAgg: "a list",
        exp.Struct: "a struct",
        exp.Bracket: "a list or struct access",
        exp.Lambda: "a lambda",
    }

    def check(self, of: Subject) -> Broken:
        """Each construct outside the subset; staging may use what taking JSON apart needs."""
        if of.model.schema == "staging":
            return
        for node in _walk(of.model):
            name = next((name for kind, name in self._NODES.items() if isinstance(node, kind)), None)
            name = name or self._other(node)
            if name is not None:
                yield name, _line(node)

    def _other(self, node: exp.Expr) -> str | None:
        if isinstance(node, exp.Join) and (node.method or "").upper() in ("ASOF", "POSITIONAL"):
            return f"{node.method.upper()} JOIN"
        if isinstance(node, exp.Join) and (node.kind or "").upper() in ("SEMI", "ANTI"):
            return f"{node.kind.upper()} JOIN"
        if isinstance(node, exp.WindowSpec) and (node.args.get("kind") or "").upper() == "RANGE":
            return "a RANGE frame"
        if isinstance(node, exp.Group) and node.args.get("all"):
            return "GROUP BY ALL"
        if isinstance(node, exp.Group) and any(isinstance(part, exp.Literal) for part in node.expressions):
            return "GROUP BY a number"
        if isinstance(node, exp.Distinct) and node.args.get("on") is not None:
            return "DISTINCT ON"
        if isinstance(node, exp.With) and node.args.get("recursive"):
            return "a recursive CTE"
        return None


class CutByClock(Rule):
    """What happened or became known after the clock does not exist: a model that reads staging cuts by config.clock."""

    def check(self, of: Subject) -> Broken:
        """An intermediate model that reads dated staging rows and not the clock."""
        if of.model.schema == "staging" or "config.clock" in of.model.reads:
            return
        for table in of.model.reads:
            if table.startswith("staging.") and table in of.models and "known_at" in of.models[table].column_names:
                yield f"reads {table} without config.clock", None


class IncrementalHolds(Rule):
    """`incremental` promises that a row depends only on input rows with the same keys; the query must show it."""

    def check(self, of: Subject) -> Broken:
        """The first place that breaks the promise."""
        try:
            check_incremental(of.model, of.models)
        except ModelError as error:
            yield error.message.removeprefix(f"{of.model.name}: "), None


class ColumnsExist(Rule):
    """A query names columns that the tables it reads and its own CTEs have."""

    kinds = ("model", "query")

    def check(self, of: Subject) -> Broken:
        """The first table or column that is not there."""
        for table in of.model.reads:
            if table not in of.models:
                yield f"{table} is not defined{nearest(table, of.models)}", None
                return
        try:
            check_columns(of.model, of.models)
        except ModelError as error:
            yield error.message.removeprefix(of.model.name).lstrip(":, "), None


class OnePage(Rule):
    """A model of more than 150 lines holds more than one meaning; split it."""

    kinds = ("model", "query")

    def check(self, of: Subject) -> Broken:
        """The number of lines when there are too many."""
        lines = len(of.model.source.splitlines())
        if lines > MAX_LINES:
            yield f"{lines} lines", None


RULES: tuple[Rule, ...] = (
    HeaderComplete(),
    HeaderNamesColumns(),
    ColumnsDocumented(),
    ColumnsCast(),
    StagingHasNoJoins(),
    NoClock(),
    PortableSubset(),
    CutByClock(),
    IncrementalHolds(),
    ColumnsExist(),
    OnePage(),
)


def _walk(model: Model) -> Iterator[exp.Expr]:
    if model.query is not None:
        yield from model.query.walk()


def _line(node: exp.Expr) -> int | None:
    """The line of the nearest positioned name, inside the node or else around it."""
    around: exp.Expr | None = node
    while around is not None:
        lines = [inner.meta["line"] for inner in around.walk() if "line" in inner.meta]
        if lines:
            return int(min(lines))
        around = around.parent
    return None


def _sql(node: exp.Expr) -> str:
    return node.sql(dialect="duckdb", comments=False)[:80]
