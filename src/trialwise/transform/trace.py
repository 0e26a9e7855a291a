"""What a query shows of itself: where a column comes from, what the clock can do to it, and how it reads a table.

Everything here is cautious: what cannot be told is told as None or False, and the model is then rebuilt whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from weakref import WeakKeyDictionary

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from trialwise.transform.model import Model, is_one_type

_COMPARISONS = (exp.LT, exp.LTE, exp.GT, exp.GTE)
_RENAMED = (exp.Table, exp.CTE, exp.Subquery)
"""What an alias with a list of columns, `t (a, b)`, gives other names than it has; these are not followed."""
_FIXED = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK")
"""Units of intervals that are as long whatever they are taken from, of instants without a zone."""
_GATHERING = (
    exp.AggFunc, exp.Window, exp.Distinct, exp.Limit, exp.Offset, exp.Qualify, exp.Except, exp.Intersect, exp.Group,
    exp.Anonymous, exp.AnonymousAggFunc,
)  # fmt: skip
"""What makes a row of the result depend on more than one row of a table; unknown functions among them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A column of a table."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class Crossing:
    """A comparison of a table's column with a column of the clock: only for rows between two clocks do these differ.

    is_limit: the least of the two is taken instead, which differs for all rows from the earlier clock on. before: what
    is taken from the clock first, as SQL of an interval of a fixed length.
    """

    origin: Origin
    clock: str
    is_limit: bool = False
    before: str | None = None

    def of(self, value: datetime | date | int) -> str:
        """What the column is compared with when the clock shows a value, as SQL."""
        told = exp.convert(value).sql("duckdb")
        return told if self.before is None else f"({told} - {self.before})"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table only ever joined by equality: its rows with a value touch the rows of `origin` with that value.

    via: how the table of `origin` is itself looked up, where it is not the one asked for.
    """

    column: str
    origin: Origin
    via: tuple[Lookup, ...] = ()

    def touched(self, values: str, columns: str) -> list[str]:
        """Queries for columns of the rows touched by the values of `column` that the query `values` gives."""
        if not self.via:
            return [self._rows(values, columns)]
        return [query for one in self.via for query in one.touched(self._rows(values, f'"{one.column}"'), columns)]

    def _rows(self, values: str, columns: str) -> str:
        return f'SELECT {columns} FROM {self.origin.table} WHERE "{self.origin.column}" IN ({values})'


def trace_of(model: Model, models: Mapping[str, Model]) -> Trace:
    """The trace of a model; of one that is kept from run to run it is made once."""
    if model not in _TRACES:
        _TRACES[model] = Trace(model, models)
    return _TRACES[model]


class Trace:
    """The scopes of a model's query, taken apart once."""

    def __init__(self, model: Model, models: Mapping[str, Model]) -> None:
        self._columns = {name: models[name].column_names for name in model.reads}
        self._types = {name: {column.name: column.type for column in models[name].columns} for name in model.reads}
        self._query = model.query
        self._scopes: list[Scope] = [] if model.query is None else list(traverse_scope(model.query))
        self._renames = self._query is not None and any(
            isinstance(alias.parent, _RENAMED) and alias.args.get("columns")
            for alias in self._query.find_all(exp.TableAlias)
        )
        self._uses: dict[str, tuple[set[str], list[Crossing] | None]] = {}
        self._linear: dict[str, bool] = {}

    def clock_uses(self, clock: str) -> tuple[set[str], list[Crossing] | None]:
        """The columns of the one-row table `clock` the query reads, and the comparisons all of them stand in.

        The comparisons are None where a column stands anywhere else: then every move of the clock counts.
        """
        if clock not in self._uses:
            self._uses[clock] = self._clock_uses(clock)
        return self._uses[clock]

    def _clock_uses(self, clock: str) -> tuple[set[str], list[Crossing] | None]:
        if self._reads_all_of(clock):
            return set(self._columns[clock]), None
        columns: set[str] = set()
        crossings: list[Crossing] | None = []
        for scope, column in self._columns_of(clock):
            columns.add(column.name)
            before = _taken_from(column)
            value = column if before is None or column.parent is None else column.parent
            is_here = column.find_ancestor(exp.Select) is scope.expression  # else of a subquery, with names of its own
            other = _compared_with(value) if is_here else None
            origin = None if other is None else self.origin(scope, other)
            if origin is None:
                crossings = None
            elif crossings is not None:
                found = Crossing(origin, column.name, isinstance(value.parent, exp.Least), before)
                crossings += [found] if found not in crossings else []
        return columns, crossings

    def columns_read(self, table: str) -> set[str]:
        """The columns of a table the query names; all of them where a star or a whole row may stand for some."""
        if self._reads_all_of(table):
            return set(self._columns[table])
        return {column.name for _, column in self._columns_of(table)}

    def _reads_all_of(self, table: str) -> bool:
        names = set(self._columns[table])
        return self._renames or any(
            _has_star(scope, table) or _has_row(scope, table) or _is_joined_by_name(scope, table, names)
            for scope in self._scopes
        )

    def _columns_of(self, table: str) -> Iterator[tuple[Scope, exp.Column]]:
        known = set(self._columns[table])
        for scope in self._scopes:
            names = _aliases(scope, table)
            if not names:
                continue
            for column in scope.columns:
                unsaid = not column.table and column.name in known
                if column.table in names or unsaid:
                    yield scope, column

    def origin(self, scope: Scope, column: exp.Column) -> Origin | None:
        """The table's column whose value this one is, handed through CTEs unchanged; None where it cannot be told."""
        if not column.table or self._renames:
            return None
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            table = f"{source.db}.{source.name}"
            known = source.db and column.name in self._columns[table]
            return Origin(table, column.name) if known else None
        return self._handed_through(source, column.name) if isinstance(source, Scope) else None

    def _handed_through(self, scope: Scope, name: str) -> Origin | None:
        if not isinstance(scope.expression, exp.Select):
            return None
        starred: list[Origin] = []
        for item in scope.expression.expressions:
            value = item.unalias()
            if isinstance(value, exp.Column) and isinstance(value.this, exp.Star):
                found = self.origin(scope, exp.column(name, table=value.table))
                starred += [found] if found is not None else []
            elif item.alias_or_name == name:
                return self.origin(scope, value) if isinstance(value, exp.Column) else None
        return starred[0] if len(starred) == 1 else None

    def lookup(self, table: str, within: frozenset[str], asked: frozenset[str] = frozenset()) -> list[Lookup] | None:
        """How each reading of `table` is joined, by equality, to a table of `within`; None where one is not.

        A table may be joined to another that is looked up in turn. asked: tables on the way here.
        """
        found: list[Lookup] = []
        for scope in self._scopes:
            for alias in sorted(_aliases(scope, table)):
                one = self._lookup(scope, table, alias, within, asked | {table})
                if one is None:
                    return None
                found += [one] if one not in found else []
        return found or None

    def _lookup(
        self, scope: Scope, table: str, alias: str, within: frozenset[str], asked: frozenset[str]
    ) -> Lookup | None:
        # values are looked for by IN, which turns none of them into another type as a comparison does
        equal = [
            (column, origin)
            for column, origin in self._equal(scope, alias)
            if is_one_type(self._types[table].get(column), self._types[origin.table].get(origin.column))
        ]
        for column, origin in equal:
            if origin.table in within:
                return Lookup(column, origin)
        for column, origin in equal:
            via = None if origin.table in asked else self.lookup(origin.table, within, asked)
            if via is not None:
                return Lookup(column, origin, tuple(via))
        return None

    def _equal(self, scope: Scope, alias: str) -> Iterator[tuple[str, Origin]]:
        """Columns of a joined table and the columns of others that they have to equal."""
        for join in scope.expression.args.get("joins") or []:
            if join.this.alias_or_name != alias or (join.args.get("side") or "").upper() not in ("", "LEFT"):
                continue
            on = join.args.get("on")
            for part in on.flatten() if isinstance(on, exp.And) else [on]:
                if not isinstance(part, exp.EQ):
                    continue
                sides = [part.this, part.expression]
                mine = [side for side in sides if isinstance(side, exp.Column) and side.table == alias]
                others = [side for side in sides if isinstance(side, exp.Column) and side.table not in ("", alias)]
                if len(mine) == 1 and len(others) == 1:
                    origin = self.origin(scope, others[0])
                    if origin is not None:
                        yield mine[0].name, origin

    def is_linear_in(self, table: str) -> bool:
        """Whether the rows of the result are those each row of `table` brings by itself, the other tables given.

        Then the result of some rows of the table is what they add, or took away.
        """
        if table not in self._linear:
            self._linear[table] = self._is_linear_in(table)
        return self._linear[table]

    def _is_linear_in(self, table: str) -> bool:
        query = self._query
        if query is None or self._renames or next(query.find_all(*_GATHERING), None) is not None:
            return False
        if any(union.args.get("distinct") is not False for union in query.find_all(exp.SetOperation)):
            return False
        reading = [scope for scope in self._scopes if _aliases(scope, table)]
        if len(reading) != 1 or len(_aliases(reading[0], table)) != 1:
            return False
        scope: Scope | None = reading[0]
        alias = next(iter(_aliases(reading[0], table)))
        while scope is not None:
            if not _keeps_rows_of(scope, alias):
                return False
            above = [
                (reader, name)
                for reader in self._scopes
                for name, source in reader.sources.items()
                if source is scope and name in _from_names(reader)
            ]
            if len(above) > 1:
                return False
            if not above:
                return scope.expression is query
            scope, alias = above[0]
        return False


def _from_names(scope: Scope) -> set[str]:
    if not isinstance(scope.expression, exp.Select):
        return set()
    from_ = scope.expression.args.get("from_")
    joins = scope.expression.args.get("joins") or []
    return {part.this.alias_or_name for part in ([from_] if from_ is not None else []) + joins}


def _keeps_rows_of(scope: Scope, alias: str) -> bool:
    """Whether a SELECT reads `alias` where no join can make rows up for want of it."""
    select = scope.expression
    if not isinstance(select, exp.Select) or alias not in _from_names(scope):
        return False
    for join in select.args.get("joins") or []:
        side, kind = (join.args.get("side") or "").upper(), (join.args.get("kind") or "").upper()
        if side not in ("", "LEFT") or kind not in ("", "INNER", "CROSS", "OUTER") or join.args.get("method"):
            return False
        if side == "LEFT" and join.this.alias_or_name == alias:
            return False
    return not scope.subquery_scopes


def _aliases(scope: Scope, table: str) -> set[str]:
    return {
        name
        for name, source in scope.sources.items()
        if isinstance(source, exp.Table) and f"{source.db}.{source.name}" == table and name in _from_names(scope)
    }


def _has_star(scope: Scope, table: str) -> bool:
    names = _aliases(scope, table)
    if not names:
        return False
    return any(
        star.parent.table in names if isinstance(star.parent, exp.Column) else not isinstance(star.parent, exp.Count)
        for star in scope.find_all(exp.Star)
    )


def _has_row(scope: Scope, table: str) -> bool:
    """Whether an alias of the table may stand for its row as a value: it then looks like a column without a table."""
    names = _aliases(scope, table)
    return bool(names) and any(not column.table and column.name in names for column in scope.columns)


def _is_joined_by_name(scope: Scope, table: str, columns: set[str]) -> bool:
    """Whether a NATURAL join or USING may read columns of the table, which are then named nowhere, or without it."""
    return bool(_aliases(scope, table)) and any(
        join.args.get("method") or columns & {name.name for name in join.args.get("using") or ()}
        for join in scope.expression.args.get("joins") or ()
    )


def _taken_from(column: exp.Column) -> str | None:
    """The interval of a fixed length that is taken from a column where it stands, as SQL."""
    parent = column.parent
    taken = parent.expression if isinstance(parent, exp.Sub) and parent.this is column else None
    unit = taken.args.get("unit") if isinstance(taken, exp.Interval) and isinstance(taken.this, exp.Literal) else None
    return taken.sql("duckdb") if taken is not None and unit is not None and unit.name in _FIXED else None


def _compared_with(value: exp.Expr) -> exp.Column | None:
    parent = value.parent
    if isinstance(parent, exp.Least) and len(parent.expressions) == 1:
        other = parent.expressions[0] if parent.this is value else parent.this
        return other if isinstance(other, exp.Column) else None
    if not isinstance(parent, _COMPARISONS):
        return None
    other = parent.expression if parent.this is value else parent.this
    return other if isinstance(other, exp.Column) else None


_TRACES: WeakKeyDictionary[Model, Trace] = WeakKeyDictionary()
