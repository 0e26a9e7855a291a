"""Expansion: one line of a model, written once for every item of a configured list.

A model may say `each_milestone_on` where the configuration lists twenty milestones. The part of the query that
holds such a name is repeated once per item, on the parsed query, never on its text. Which part is repeated:

1. the whole select item, when its output name is of the list (`... AS each_milestone_on`, `m.each_milestone_on`);
2. else the operand of a `+`, `|`, `AND`, `OR` chain that also holds the neutral element (`each_rule_points + 0`);
3. else the argument of `greatest`, `least`, `concat`, the element of `IN (...)`, `GROUP BY`, `PARTITION BY`,
   `ORDER BY`, `VALUES`, a column list, or the branch of `CASE x WHEN 'each_rule' THEN ... END`;
4. else the argument of `coalesce`, then the operand of any other such chain.

An empty list drops the part; where nothing would be left the neutral element stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from sqlglot import exp

from trialwise.errors import ModelError, nearest

Replacement: TypeAlias = str | int | exp.Expr
Item: TypeAlias = Mapping[str, Replacement]
Expansion: TypeAlias = Mapping[str, Sequence[Item]]

LISTS = ("each_milestone", "each_attribute", "each_segment", "each_rule", "each_group", "each_axis")
"""The lists every workspace has, empty where it configures none."""

_NAME = re.compile(r"\beach_\w+")
_SLUG = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHAINS: dict[type[exp.Expr], str] = {exp.Add: "0", exp.BitwiseOr: "0", exp.And: "TRUE", exp.Or: "FALSE"}
_CHAIN_TYPES = (exp.Add, exp.BitwiseOr, exp.And, exp.Or)
_VARIADIC = (exp.Greatest, exp.Least, exp.Concat)
_LIST_ARGUMENTS = {
    (exp.Select, "expressions"),
    (exp.Group, "expressions"),
    (exp.Order, "expressions"),
    (exp.Window, "partition_by"),
    (exp.In, "expressions"),
    (exp.Values, "expressions"),
    (exp.TableAlias, "columns"),
}
_BARE = (exp.Column, exp.Literal, exp.Func, exp.Paren, exp.Boolean, exp.Null, exp.Case)
_Q = TypeVar("_Q", bound=exp.Expr)


def item(list_name: str, key: str, **more: Replacement) -> dict[str, Replacement]:
    """The replacements of one item: the names every model may rely on, and `more` (`value=` for `<list>_value`).

    `item("each_rule", "paid_ads", value=expression)` maps each_rule to paid_ads, each_rule_points to
    points_paid_ads and each_rule_value to the expression. Names not declared become `<key>_<suffix>`.
    """
    found: dict[str, Replacement] = {list_name: key}
    if list_name == "each_rule":
        found["each_rule_points"] = f"points_{key}"
    if list_name == "each_group":
        found["each_group_cap"] = f"cap_{key}"
    found.update({f"{list_name}_{suffix}": replacement for suffix, replacement in more.items()})
    return found


def expand(query: _Q, expansion: Expansion, where: str = "the query") -> _Q:
    """A copy of `query` in which every part written for a list stands once per item.

    `where` names the model in errors. Raises ModelError for a list that does not exist and for a place where
    nothing can be repeated.
    """
    root = exp.Paren(this=query.copy())  # a parent for the query itself, so that any node can be replaced
    lists: dict[str, Sequence[Item]] = {**dict.fromkeys(LISTS, ()), **expansion}
    while (found := next(_occurrences(root, lists, where), None)) is not None:
        node, list_name = found
        _repeat(_repeated_part(node, list_name, lists, where), list_name, lists[list_name], lists, where)
    result: _Q = root.this
    result.pop()
    return result


def lists_used(query: exp.Expr) -> set[str]:
    """The names starting with `each_` that occur in a query before expansion."""
    return {name for node in query.walk() if (name := _name(node)) is not None}


def _name(node: exp.Expr) -> str | None:
    """The `each_` name a node carries, if any."""
    text: object = None
    if isinstance(node, exp.Identifier) or (isinstance(node, exp.Literal) and node.is_string):
        text = node.this
    elif isinstance(node, exp.DataType) and node.args.get("kind") is not None:
        text = str(node.args["kind"])
    return text if isinstance(text, str) and text.startswith("each_") and _SLUG.fullmatch(text) else None


def _list_of(name: str, lists: Mapping[str, object]) -> str | None:
    fitting = [known for known in lists if name == known or name.startswith(f"{known}_")]
    return max(fitting, key=len, default=None)


def _occurrences(root: exp.Expr, lists: Mapping[str, object], where: str) -> Iterator[tuple[exp.Expr, str]]:
    for node in root.walk():
        name = _name(node)
        if name is None:
            continue
        list_name = _list_of(name, lists)
        if list_name is None:
            raise ModelError(
                f"{where}: {name} belongs to no configured list{nearest(name, lists)}",
                f"Lists: {', '.join(sorted(lists))}.",
            )
        yield node, list_name


def _repeated_part(node: exp.Expr, list_name: str, lists: Mapping[str, object], where: str) -> exp.Expr:
    """The node to repeat for one occurrence, by the order of preference in the module's docstring."""
    ranked: dict[int, exp.Expr] = {}
    child = node
    while (parent := child.parent) is not None:
        key = child.arg_key or ""
        if isinstance(parent, exp.Select) and key == "expressions":
            output = child.output_name
            if output.startswith("each_") and _list_of(output, lists) == list_name:
                return child
            break
        if isinstance(parent, _CHAIN_TYPES):
            ranked.setdefault(2 if _has_neutral(parent) else 5, child)
        elif _is_list_argument(parent, key) or (_is_simple_branch(parent, key) and child.this is node):
            ranked.setdefault(3, child)
        elif isinstance(parent, exp.Coalesce):
            ranked.setdefault(4, child)
        if isinstance(child, exp.Query) and ranked:
            break
        child = parent
    if not ranked:
        line = node.meta.get("line")
        raise ModelError(
            f"{where}{f', line {line}' if line else ''}: {_name(node)} stands where nothing can be repeated",
            "Name the column after the list (`... AS each_x`), or write a chain (`each_x + 0`), `greatest(...)` "
            "or `CASE key WHEN 'each_x' THEN ... END`.",
        )
    return ranked[min(ranked)]


def _is_list_argument(parent: exp.Expr, key: str) -> bool:
    return (type(parent), key) in _LIST_ARGUMENTS or isinstance(parent, _VARIADIC)


def _is_simple_branch(parent: exp.Expr, key: str) -> bool:
    """`CASE x WHEN ...`: branches that exclude each other. In `CASE WHEN ...` the first true one would win."""
    return isinstance(parent, exp.Case) and key == "ifs" and parent.this is not None


def _has_neutral(chain: exp.Expr) -> bool:
    """Whether the whole chain around `chain` has its neutral element among the operands."""
    kind = type(chain)
    top = chain
    while isinstance(top.parent, kind):
        top = top.parent
    return any(operand.sql() == _CHAINS[kind] for operand in top.flatten())


def _repeat(part: exp.Expr, list_name: str, items: Sequence[Item], lists: Mapping[str, object], where: str) -> None:
    copies = [_replaced(part, list_name, one, lists, where) for one in items]
    parent = part.parent
    if isinstance(parent, _CHAIN_TYPES):
        kind = type(parent)
        other = parent.expression if part is parent.this else parent.this
        operands = [*copies, other] if part is parent.this else [other, *copies]
        chain = operands[0].copy()
        for operand in operands[1:]:
            chain = kind(this=chain, expression=operand.copy())
        parent.replace(chain)
    elif isinstance(parent, (*_VARIADIC, exp.Coalesce)):
        arguments = [parent.this] if isinstance(parent.this, exp.Expr) else []
        arguments += parent.expressions
        where_it_stood = next(i for i, argument in enumerate(arguments) if argument is part)
        arguments[where_it_stood : where_it_stood + 1] = copies
        if not arguments:
            parent.replace(exp.null())
        elif isinstance(parent, exp.Concat):
            parent.set("expressions", arguments)
        else:
            parent.set("this", arguments[0])
            parent.set("expressions", arguments[1:])
    else:
        _replace_in_list(part, copies, where)


def _replace_in_list(part: exp.Expr, copies: list[exp.Expr], where: str) -> None:
    parent, key = part.parent, part.arg_key
    if parent is None or key is None:  # the climb in _repeated_part always ends below a parent
        raise ModelError(f"{where}: {part.sql()} cannot be repeated")
    elements: list[exp.Expr] = parent.args[key]
    where_it_stood = next(i for i, element in enumerate(elements) if element is part)
    rest = [*elements[:where_it_stood], *copies, *elements[where_it_stood + 1 :]]
    if rest:
        parent.set(key, rest)
    elif isinstance(parent, exp.In):
        parent.replace(exp.false())
    elif isinstance(parent, exp.Case):
        parent.replace(parent.args.get("default") or exp.null())
    elif isinstance(parent, exp.Window):
        parent.set(key, None)
    elif isinstance(parent, exp.Group | exp.Order):
        parent.pop()
    else:
        raise ModelError(
            f"{where}: nothing is left of `{parent.sql(dialect='duckdb')[:80]}` when {_name_in(part)} has no items",
            "Keep one part that does not depend on the list.",
        )


def _name_in(part: exp.Expr) -> str:
    return next((name for node in part.walk() if (name := _name(node)) is not None), "the list")


def _replaced(part: exp.Expr, list_name: str, one: Item, lists: Mapping[str, object], where: str) -> exp.Expr:
    """A copy of `part` with every name of the list replaced by what the item says."""
    holder = exp.Paren(this=part.copy())
    for node in list(holder.walk()):
        name = _name(node)
        if name is not None and _list_of(name, lists) == list_name:
            _substitute(node, _replacement(name, list_name, one, where), where)
        if node.comments:
            node.comments = [_in_comment(text, list_name, one, lists, where) for text in node.comments]
    result: exp.Expr = holder.this
    result.pop()
    return result


def _replacement(name: str, list_name: str, one: Item, where: str) -> Replacement:
    if name in one:
        return one[name]
    key = one.get(list_name)
    if not isinstance(key, str):
        raise ModelError(f"{where}: an item of {list_name} says nothing for {name}{nearest(name, one)}")
    return key + name.removeprefix(list_name)


def _substitute(node: exp.Expr, replacement: Replacement, where: str) -> None:
    if isinstance(node, exp.DataType):
        node.replace(exp.DataType.build(str(replacement), dialect="duckdb"))
    elif isinstance(node, exp.Literal):
        if isinstance(replacement, exp.Expr):
            raise ModelError(f"{where}: '{node.this}' is an expression and cannot stand as text")
        node.replace(exp.Literal.string(str(replacement)))
    elif isinstance(replacement, str):
        node.replace(exp.to_identifier(replacement))
    else:
        column = node.parent
        if not isinstance(column, exp.Column):
            raise ModelError(f"{where}: {node.this} is an expression and cannot name a column")
        column.replace(_value(replacement, column.args.get("table")))


def _value(replacement: int | exp.Expr, qualifier: exp.Identifier | None) -> exp.Expr:
    """The expression of an item in place of a column; its bare columns take the qualifier the column had."""
    if isinstance(replacement, int):
        return exp.Literal.number(replacement)
    value = replacement.copy()
    if qualifier is not None:
        holder = exp.Paren(this=value)
        for column in list(holder.find_all(exp.Column)):
            if column.args.get("table") is None:
                column.set("table", qualifier.copy())
        value = holder.this
        value.pop()
    return value if isinstance(value, _BARE) else exp.paren(value, copy=False)


def _in_comment(text: str, list_name: str, one: Item, lists: Mapping[str, object], where: str) -> str:
    def said(match: re.Match[str]) -> str:
        if _list_of(match.group(), lists) != list_name:
            return match.group()
        replacement = _replacement(match.group(), list_name, one, where)
        return replacement.sql(dialect="duckdb") if isinstance(replacement, exp.Expr) else str(replacement)

    return _NAME.sub(said, text)
