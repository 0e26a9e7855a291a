"""Conditions typed by people: one expression over the catalogue, parsed, type-checked, never pasted.

A segment's `enter`, a score rule's `when` and its `points` come from trialwise.toml. Only the node types and
functions listed here pass: no subquery, table, lambda, star, cast that can fail on data, or function that reads
files. What passes is a parsed expression that a model is composed of.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from trialwise.errors import ConfigError, nearest

Family = Literal["number", "text", "yes or no", "date", "timestamp", "interval", "nothing"]

MAX_LENGTH = 4000
"""Characters of one condition; far beyond what a person writes, far below what hurts the parser."""

_FAMILIES: dict[str, Family] = {
    "BIGINT": "number",
    "INTEGER": "number",
    "SMALLINT": "number",
    "DOUBLE": "number",
    "DECIMAL": "number",
    "VARCHAR": "text",
    "BOOLEAN": "yes or no",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_EQUALITIES = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)
_NUMBER_FUNCTIONS = (exp.Abs, exp.Round, exp.Floor, exp.Ceil)
_TEXT_FUNCTIONS = (exp.Lower, exp.Upper, exp.Trim)
_SAME_FUNCTIONS = (exp.Coalesce, exp.Greatest, exp.Least)
_FUNCTIONS = "abs, ceil, coalesce, floor, greatest, least, length, lower, nullif, round, trim, upper"
_INTERVAL_UNITS = ("DAY", "HOUR", "MINUTE", "WEEK")


def parse_condition(text: str, catalogue: Mapping[str, str], where: str = "condition") -> exp.Expr:
    """The boolean expression `text` over the columns of `catalogue` (name -> DuckDB type).

    Raises ConfigError starting with `where`, naming the place, what was found and the nearest column.
    """
    return _Checker(text, catalogue, where).parse("yes or no")


def parse_number(text: str, catalogue: Mapping[str, str], where: str = "points") -> exp.Expr:
    """The number expression `text` over the columns of `catalogue`; errors as `parse_condition`."""
    return _Checker(text, catalogue, where).parse("number")


class _Checker:
    def __init__(self, text: str, catalogue: Mapping[str, str], where: str) -> None:
        self.text = text
        self.where = where
        self.columns = {name.lower(): (name, kind) for name, kind in catalogue.items()}

    def parse(self, wanted: Family) -> exp.Expr:
        if len(self.text) > MAX_LENGTH:
            raise self.error(f"has {len(self.text)} characters, at most {MAX_LENGTH} are allowed")
        try:
            statements = sqlglot.parse(self.text, dialect="duckdb")
            if len(statements) != 1 or statements[0] is None:
                raise self.error(f"expected one expression, found {len([s for s in statements if s is not None])}")
            root = statements[0]
            found = self.family(root)
        except SqlglotError as error:
            details = getattr(error, "errors", None)
            raise ConfigError(f"{self.where}: cannot be read{_place(details)}: {self.text}") from error
        except RecursionError as error:
            raise ConfigError(f"{self.where}: is nested too deeply") from error
        if found != wanted and not (wanted == "yes or no" and found == "nothing"):
            example = "compare it, as in `... > 0`" if wanted == "yes or no" else "give points as a number"
            raise self.error(f"`{self.text.strip()}` is {_a(found)}, expected {_a(wanted)}; {example}")
        for node in root.walk():
            node.pop_comments()
        return self.guarded(root)

    def guarded(self, root: exp.Expr) -> exp.Expr:
        """Divisors that may be zero give NULL: in DuckDB 1/0 is infinite, elsewhere an error."""
        holder = exp.Paren(this=root)
        for node in list(holder.find_all(exp.Div, exp.Mod)):
            if not (isinstance(node.expression, exp.Literal) and float(node.expression.this) != 0):
                divisor = node.expression.unnest()
                node.set("expression", exp.Nullif(this=divisor, expression=exp.Literal.number(0)))
        result: exp.Expr = holder.this
        result.pop()
        return result

    def error(self, problem: str, node: exp.Expr | None = None, hint: str | None = None) -> ConfigError:
        place = _character(node)
        return ConfigError(f"{self.where}: {problem}{f' at character {place}' if place else ''}", hint)

    def family(self, node: exp.Expr) -> Family:
        """The family of a node's value; raises for every node that is not listed."""
        if isinstance(node, exp.Paren):
            return self.family(node.this)
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Literal):
            return self.literal(node)
        if isinstance(node, exp.Boolean):
            return "yes or no"
        if isinstance(node, exp.Null):
            return "nothing"
        if isinstance(node, exp.And | exp.Or):
            self.each(node, (node.this, node.expression), "yes or no")
            return "yes or no"
        if isinstance(node, exp.Not):
            self.each(node, (node.this,), "yes or no")
            return "yes or no"
        if isinstance(node, (*_COMPARISONS, exp.In, exp.Between, exp.Is, exp.Like, exp.ILike)):
            return self.comparison(node)
        if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod | exp.Neg | exp.Interval):
            return self.arithmetic(node)
        if isinstance(node, exp.Case):
            return self.case(node)
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
            return self.cast(node)
        return self.function(node)

    def column(self, node: exp.Column) -> Family:
        if node.table:
            raise self.error(f"`{node.sql()}` names a table; write the column alone", node)
        if not isinstance(node.this, exp.Identifier):
            raise self.error("`*` is no column", node)
        known = self.columns.get(node.name.lower())
        if known is None:
            hint = "Text is written in single quotes." if node.this.quoted else None
            place = _character(node)
            raise ConfigError(
                f"{self.where}: unknown column '{node.name}'{f' at character {place}' if place else ''}"
                f"{nearest(node.name.lower(), self.columns)}",
                hint or "`trialwise docs` lists the columns of intermediate.trial_days.",
            )
        name, kind = known
        node.set("this", exp.to_identifier(name))
        family = _FAMILIES.get(kind.split("(")[0].upper())
        if family is None:
            raise self.error(f"column '{name}' has the type {kind}, which conditions cannot use", node)
        return family

    def literal(self, node: exp.Literal) -> Family:
        if node.is_string:
            return "text"
        if not math.isfinite(float(node.this)):
            raise self.error(f"the number {node.this[:20]} is too large")
        return "number"

    def comparison(self, node: exp.Expr) -> Family:
        if isinstance(node, exp.Is):
            subject = self.family(node.this)
            if isinstance(node.expression, exp.Boolean) and subject != "yes or no":
                raise self.error(f"`{_sql(node)}` asks {_a(subject)} whether it is true", node)
            if not isinstance(node.expression, exp.Boolean | exp.Null):
                raise self.error(f"`{_sql(node)}`: after IS comes NULL, TRUE or FALSE", node)
            return "yes or no"
        if isinstance(node, exp.Like | exp.ILike):
            self.each(node, (node.this, node.expression), "text")
            return "yes or no"
        if isinstance(node, exp.In):
            if any(node.args.get(key) for key in ("query", "unnest", "field")) or not node.expressions:
                raise self.error(f"`{_sql(node)}`: after IN comes a list of values in parentheses", node)
            family = self.same(node, [node.this, *node.expressions])
        elif isinstance(node, exp.Between):
            family = self.same(node, [node.this, node.args["low"], node.args["high"]])
        else:
            family = self.same(node, [node.this, node.expression])
        with_null = family == "nothing" or any(isinstance(part, exp.Null) for part in node.iter_expressions())
        if with_null and not isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ):
            raise self.error(f"`{_sql(node)}` is never true; write IS NULL", node)
        if family == "yes or no" and not isinstance(node, (*_EQUALITIES, exp.In)):
            raise self.error(f"`{_sql(node)}` orders {_a(family)}", node)
        return "yes or no"

    def arithmetic(self, node: exp.Expr) -> Family:
        if isinstance(node, exp.Neg):
            self.each(node, (node.this,), "number")
            return "number"
        if isinstance(node, exp.Interval):
            unit = node.args.get("unit")
            amount = node.this
            if not (isinstance(amount, exp.Literal) and unit is not None and unit.name.upper() in _INTERVAL_UNITS):
                raise self.error(f"`{_sql(node)}`: write INTERVAL, a number and {', '.join(_INTERVAL_UNITS)}", node)
            return "interval"
        left, right = self.family(node.this), self.family(node.expression)
        if left in ("number", "nothing") and right in ("number", "nothing"):
            return "number"
        if isinstance(node, exp.Sub) and left == right == "date":
            return "number"
        if isinstance(node, exp.Add | exp.Sub) and left == "date" and right == "number":
            return "date"
        if isinstance(node, exp.Add | exp.Sub) and left in ("date", "timestamp") and right == "interval":
            return "timestamp"
        raise self.error(f"`{_sql(node)}` calculates with {_a(left)} and {_a(right)}", node)

    def case(self, node: exp.Case) -> Family:
        results = [branch.args["true"] for branch in node.args["ifs"]]
        if node.args.get("default") is not None:
            results.append(node.args["default"])
        tests = [branch.this for branch in node.args["ifs"]]
        if node.this is None:
            self.each(node, tests, "yes or no")
        else:
            self.same(node, [node.this, *tests])
        return self.same(node, results)

    def cast(self, node: exp.Cast) -> Family:
        kind = node.to.sql(dialect="duckdb")
        target = _FAMILIES.get({"INT": "INTEGER", "TEXT": "VARCHAR"}.get(kind, kind))
        if isinstance(node.this, exp.Literal) and node.this.is_string and target in ("date", "timestamp"):
            try:
                (dt.date if target == "date" else dt.datetime).fromisoformat(node.this.this)
            except ValueError:
                raise self.error(f"'{node.this.this}' is no {target}, expected as in DATE '2026-01-31'", node) from None
            return target
        source = self.family(node.this)
        allowed = {("number", "number"), ("date", "timestamp"), ("timestamp", "date"), ("number", "text")}
        if target is None or (source, target) not in allowed:
            raise self.error(f"`{_sql(node)}` turns {_a(source)} into {kind}, which can fail on the data", node)
        return target

    def function(self, node: exp.Expr) -> Family:
        if isinstance(node, _SAME_FUNCTIONS):
            return self.same(node, [node.this, *node.expressions])
        if isinstance(node, exp.Nullif):
            return self.same(node, [node.this, node.expression])
        if isinstance(node, _NUMBER_FUNCTIONS):
            self.only_arguments(node, "this", "decimals")
            digits = node.args.get("decimals")
            self.each(node, [node.this, *([] if digits is None else [digits])], "number")
            return "number"
        if isinstance(node, exp.Length | exp.Lower | exp.Upper | exp.Trim):
            self.only_arguments(node, "this")
            self.each(node, (node.this,), "text")
            return "number" if isinstance(node, exp.Length) else "text"
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name() if isinstance(node, exp.Func) else ""
        if name:
            raise self.error(f"the function {name.lower()} is not allowed", node, f"Allowed: {_FUNCTIONS}.")
        raise self.error(f"`{_sql(node)}` is not allowed in a condition", node)

    def only_arguments(self, node: exp.Expr, *names: str) -> None:
        if any(value for key, value in node.args.items() if key not in names and isinstance(value, exp.Expr | list)):
            raise self.error(f"`{_sql(node)}` has too many arguments", node)

    def each(self, node: exp.Expr, parts: list[exp.Expr] | tuple[exp.Expr, ...], wanted: Family) -> None:
        for part in parts:
            found = self.family(part)
            if found not in (wanted, "nothing"):
                raise self.error(f"`{_sql(node)}`: `{_sql(part)}` is {_a(found)}, expected {_a(wanted)}", part)

    def same(self, node: exp.Expr, parts: list[exp.Expr]) -> Family:
        """The one family of all parts; a date and a timestamp go together, NULL goes with all."""
        families = [self.family(part) for part in parts]
        real = list(dict.fromkeys(family for family in families if family != "nothing"))
        if not real:
            return "nothing"
        if set(real) == {"date", "timestamp"}:
            return "timestamp"
        if len(real) > 1:
            hint = "Write a date as DATE '2026-01-31'." if set(real) == {"date", "text"} else None
            raise self.error(f"`{_sql(node)}` puts {_a(real[0])} beside {_a(real[1])}", node, hint)
        return real[0]


def _a(family: Family) -> str:
    if family in ("yes or no", "nothing"):
        return {"yes or no": "a yes or no", "nothing": "NULL"}[family]
    return f"an {family}" if family == "interval" else "text" if family == "text" else f"a {family}"


def _sql(node: exp.Expr) -> str:
    return node.sql(dialect="duckdb")


def _character(node: exp.Expr | None) -> int | None:
    """The place of the first positioned name inside a node, counted from 1."""
    if node is None:
        return None
    starts = [inner.meta["start"] for inner in node.walk() if "start" in inner.meta]
    return min(starts) + 1 if starts else None


def _place(details: list[dict[str, object]] | None) -> str:
    return f" at character {details[0]['col']}, near `{details[0]['highlight']}`" if details else ""
