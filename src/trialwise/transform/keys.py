"""The promise `incremental: [keys]`: a row depends only on input rows with the same key values.

Checked by names: a key keeps its name from the source to the last SELECT and stands, itself or a column that is
declared to determine it, in every GROUP BY, PARTITION BY, DISTINCT and set operation; two sources that carry keys
are joined by plain equality on them. Everything unknown is refused. It is a lint, no proof; the proof is a test
that compares the restricted with the full result. `restrict` makes that restricted query.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from weakref import WeakKeyDictionary

from sqlglot import exp

from trialwise.errors import ModelError, nearest
from trialwise.transform.model import Model, is_one_type

_REFUSED: dict[type[exp.Expr], str] = {
    exp.Lateral: "LATERAL",
    exp.Unnest: "UNNEST",
    exp.Qualify: "QUALIFY",
    exp.Limit: "LIMIT",
    exp.Fetch: "FETCH",
    exp.Offset: "OFFSET",
    exp.TableSample: "TABLESAMPLE",
    exp.Pivot: "PIVOT",
    exp.Rollup: "ROLLUP",
    exp.Cube: "CUBE",
    exp.GroupingSets: "GROUPING SETS",
}
_A_DAY = date.min
"""Stands in a text for the days that are put into it; no model names it."""
_RESTRICTED: WeakKeyDictionary[Model, dict[tuple[str, bool], str]] = WeakKeyDictionary()
_SELECT_ARGUMENTS = frozenset(
    {"with_", "kind", "expressions", "from_", "joins", "where", "group", "having", "order", "distinct", "hint"}
)
_SET_ARGUMENTS = frozenset({"with_", "this", "expression", "distinct", "order"})


@dataclass(frozen=True, slots=True)
class _Relation:
    """A table, CTE or subquery: its columns if known, and which of them carry keys (none: no keys in it)."""

    columns: tuple[str, ...] | None
    carriers: frozenset[str]

    @property
    def keyed(self) -> bool:
        return bool(self.carriers)


def check_incremental(model: Model, models: Mapping[str, Model]) -> None:
    """Refuse a model whose header promises `incremental` and whose query may break it.

    Raises ModelError naming the model, the place and the rule. A model without `incremental` passes.
    """
    if model.header.incremental:
        if not model.header.key and not model.is_view:
            raise ModelError(f"{model.name}: `incremental` needs a key", "Give its header a key: the columns of a row.")
        _KeyRule(model, models).check()
    elif model.header.at_once is not None:
        raise ModelError(f"{model.name}: `at_once` is of keys, and it has no `incremental`", f"See {model.path}.")


def keyed_inputs(model: Model, models: Mapping[str, Model]) -> tuple[str, ...]:
    """The tables the model reads that have all its incremental keys: those a restricted run restricts."""
    keys = set(model.header.incremental)
    return tuple(table for table in model.reads if keys and keys <= set(models[table].column_names))


def restrict(model: Model, models: Mapping[str, Model], changed: str, days: Sequence[date] | None = None) -> exp.Query:
    """The model's query with every keyed input semi-joined to the table `changed`, which has the keys' columns.

    days: all values of the key activity_date in `changed`; told as a list they keep blocks of other days unread.
    """
    if model.query is None or not model.header.incremental:
        raise ModelError(f"{model.name} declares no incremental keys and is rebuilt whole")
    inputs = set(keyed_inputs(model, models))
    query = model.query.copy()
    for number, table in enumerate(list(query.find_all(exp.Table))):
        if f"{table.db}.{table.name}" not in inputs:
            continue
        source, keys = f"s{number}", f"c{number}"
        alias = table.alias or table.name
        bare = exp.to_table(f"{table.db}.{table.name}", alias=source)
        inner = (
            exp.select(exp.Column(this=exp.Star(), table=exp.to_identifier(source)))
            .from_(bare)
            .join(
                exp.to_table(changed, alias=keys),
                using=list(model.header.incremental),
                join_type="semi",
            )
        )
        if days is not None:
            inner = inner.where(exp.column("activity_date", table=source).isin(*(exp.convert(day) for day in days)))
        table.replace(inner.subquery(alias))
    return query


def restricted_sql(model: Model, models: Mapping[str, Model], changed: str, days: Sequence[date] | None = None) -> str:
    """The text of `restrict`; of a model that is kept from run to run it is made once, and the days put into it."""
    texts = _RESTRICTED.setdefault(model, {})
    asked = (changed, days is not None)
    if asked not in texts:
        query = restrict(model, models, changed, None if days is None else [_A_DAY])
        texts[asked] = query.sql(dialect="duckdb", comments=False)
    return texts[asked].replace(_told([_A_DAY]), _told(days or ()))


def _told(days: Sequence[date]) -> str:
    return ", ".join(exp.convert(day).sql(dialect="duckdb") for day in days)


class _KeyRule:
    def __init__(self, model: Model, models: Mapping[str, Model]) -> None:
        self.model = model
        self.models = models
        self.keys = model.header.incremental
        self.determines = model.header.determines
        self.names = frozenset((*self.keys, *(c for c, key in self.determines.items() if key in self.keys)))

    def check(self) -> None:
        model = self.model
        for key in (*self.keys, *self.determines):  # names first: the commonest mistake is a spelling
            if key not in model.column_names:
                raise self.refused(f"its last SELECT has no column {key}{nearest(key, model.column_names)}")
        for table in model.reads:
            if table not in self.models:
                raise self.refused(f"{table} is not defined{nearest(table, self.models)}")
        for determined in self.determines.values():
            if determined not in model.column_names:
                raise self.refused(f"its last SELECT has no column {determined}, which `determines` names")
        if not keyed_inputs(model, self.models):
            raise self.refused(f"no table it reads has all of [{', '.join(self.keys)}]")
        if model.query is None:
            raise self.refused("it has no query")
        for found in model.query.find_all(exp.With, *_REFUSED):
            if not isinstance(found, exp.With):
                name = next(name for kind, name in _REFUSED.items() if isinstance(found, kind))
                raise self.refused(f"{name} is not allowed", found)
            if found.args.get("recursive"):
                raise self.refused("a recursive CTE is not allowed", found)
        last = self.query(model.query, {})
        if not set(self.keys) <= last.carriers:
            missing = next(key for key in self.keys if key not in last.carriers)
            raise self.refused(f"the last SELECT does not carry {missing} from a source that has the keys")
        self.types(model.query)

    def refused(self, problem: str, node: exp.Expr | None = None) -> ModelError:
        line = next((n.meta["line"] for n in node.walk() if "line" in n.meta), None) if node is not None else None
        place = f"{self.model.name}{f', line {line}' if line else ''}"
        return ModelError(
            f"{place}: incremental: [{', '.join(self.keys)}] is refused: {problem}",
            "Mend the query, declare `determines`, or leave `incremental` out: the model is then rebuilt whole.",
        )

    def covers(self, names: Iterable[str]) -> bool:
        """Whether the names hold every key or a column that determines it."""
        held = set(names)
        return all(key in held or any(self.determines.get(name) == key for name in held) for key in self.keys)

    def query(self, query: exp.Expr, scope: Mapping[str, _Relation]) -> _Relation:
        """What a query yields, its rule checked on the way."""
        known = dict(scope)
        with_ = query.args.get("with_")
        if with_ is not None:
            tables = {table.split(".")[1] for table in self.model.reads}
            for cte in with_.expressions:
                if cte.alias in tables or cte.alias in known:
                    raise self.refused(f"the CTE {cte.alias} is named like a table", cte)
                if cte.args["alias"].args.get("columns"):
                    raise self.refused(f"the CTE {cte.alias} renames its columns", cte)
                known[cte.alias] = self.query(cte.this, known)
        if isinstance(query, exp.Subquery):
            return self.query(query.this, known)
        if isinstance(query, exp.SetOperation):
            return self.set_operation(query, known)
        if isinstance(query, exp.Select):
            return self.select(query, known)
        raise self.refused(f"{query.key.upper()} is not known to the rule", query)

    def set_operation(self, query: exp.SetOperation, scope: Mapping[str, _Relation]) -> _Relation:
        self.only(query, _SET_ARGUMENTS)
        left, right = self.query(query.this, scope), self.query(query.expression, scope)
        if not left.keyed and not right.keyed:
            return left
        if not (left.keyed and right.keyed):
            raise self.refused("one side of a set operation carries no keys", query)
        if left.columns is None or right.columns is None or len(left.columns) != len(right.columns):
            raise self.refused("the columns of a set operation cannot be matched; write them out", query)
        both = [a for a, b in zip(left.columns, right.columns, strict=True) if a == b]
        carriers = left.carriers & right.carriers & set(both)
        if not self.covers(carriers):
            raise self.refused("the sides of a set operation do not have the keys at the same place", query)
        return _Relation(left.columns, frozenset(carriers))

    def select(self, query: exp.Select, scope: Mapping[str, _Relation]) -> _Relation:
        self.only(query, _SELECT_ARGUMENTS)
        sources, nullable = self.sources(query, scope)
        self.expressions(query, scope)
        keyed = {name: relation for name, relation in sources.items() if relation.keyed}
        if not keyed:
            return _Relation(self.output(query, sources), frozenset())
        if query.args.get("windows"):
            raise self.refused("a named WINDOW is not allowed; spell it out", query)
        self.group(query, sources, nullable)
        for window in self.inside(query, exp.Window):
            parts = window.args.get("partition_by") or []
            if not self.covers(self.carried(part, sources, nullable) for part in parts):
                raise self.refused(f"`{_sql(window)}` does not partition by the keys", window)
        distinct = query.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            raise self.refused("DISTINCT ON is not allowed", query)
        carriers = self.outputs(query, sources, nullable)
        if not self.covers(carriers):
            raise self.refused(f"`{_sql(query)}` drops the keys", query)
        return _Relation(self.output(query, sources), frozenset(carriers))

    def sources(self, query: exp.Select, scope: Mapping[str, _Relation]) -> tuple[dict[str, _Relation], frozenset[str]]:
        """The relations of FROM and JOIN by alias, and the aliases a LEFT JOIN may fill with NULL."""
        from_ = query.args.get("from_")
        if from_ is None:
            return {}, frozenset()
        name, relation = self.source(from_.this, scope)
        sources, nullable = {name: relation}, set()
        for join in query.args.get("joins") or []:
            name, relation = self.source(join.this, scope)
            side, kind = (join.args.get("side") or "").upper(), (join.args.get("kind") or "").upper()
            if side not in ("", "LEFT") or kind not in ("", "INNER", "CROSS", "OUTER") or join.args.get("method"):
                raise self.refused(f"{' '.join(filter(None, (join.method, side, kind)))} JOIN is not allowed", join)
            if name in sources:
                raise self.refused(f"the alias {name} stands twice", join)
            earlier = {alias: known for alias, known in sources.items() if known.keyed}
            if relation.keyed and earlier and not self.covers(self.joined(join, name, relation, earlier)):
                raise self.refused(f"`{_sql(join)}` does not join by plain equality on the keys", join)
            if side == "LEFT":
                if relation.keyed and not earlier:
                    raise self.refused("a LEFT JOIN must start from the side with the keys", join)
                nullable.add(name)
            sources[name] = relation
        return sources, frozenset(nullable)

    def source(self, node: exp.Expr, scope: Mapping[str, _Relation]) -> tuple[str, _Relation]:
        alias, told = node.alias_or_name, node.args.get("alias")
        if told is not None and told.args.get("columns") and not isinstance(node, exp.Values):
            raise self.refused(f"the alias {alias} renames columns", node)
        if isinstance(node, exp.Table):
            if not node.db:
                if node.name not in scope:
                    raise self.refused(f"{node.name} is defined where the rule does not look", node)
                return alias, scope[node.name]
            columns = self.models[f"{node.db}.{node.name}"].column_names
            carriers = self.names & set(columns) if set(self.keys) <= set(columns) else frozenset()
            return alias, _Relation(columns, frozenset(carriers))
        if isinstance(node, exp.Subquery):
            if not alias:
                raise self.refused("a subquery in FROM needs an alias", node)
            return alias, self.query(node.this, scope)
        if isinstance(node, exp.Values):
            return alias, _Relation(None, frozenset())
        raise self.refused(f"{node.key.upper()} in FROM is not known to the rule", node)

    def joined(self, join: exp.Join, name: str, relation: _Relation, earlier: Mapping[str, _Relation]) -> set[str]:
        """The carriers a join equates between the new source and an earlier one that has keys."""
        using = {column.name for column in join.args.get("using") or []}
        if using:
            return {c for c in using & relation.carriers if any(c in other.carriers for other in earlier.values())}
        found: set[str] = set()
        on = join.args.get("on")
        for part in on.flatten() if isinstance(on, exp.And) else [on]:
            part = part.unnest() if isinstance(part, exp.Paren) else part
            if not isinstance(part, exp.EQ):
                continue
            sides = (part.this, part.expression)
            if not all(isinstance(side, exp.Column) and side.name in self.names for side in sides):
                continue
            tables = {side.table for side in sides}
            others = tables - {name}
            if sides[0].name == sides[1].name and name in tables and len(others) == 1:
                other = earlier.get(others.pop())
                if other is not None and sides[0].name in other.carriers & relation.carriers:
                    found.add(sides[0].name)
        return found

    def group(self, query: exp.Select, sources: Mapping[str, _Relation], nullable: frozenset[str]) -> None:
        group = query.args.get("group")
        if group is None:
            functions = self.inside(query, exp.AggFunc, exp.Anonymous, exp.AnonymousAggFunc)
            aggregate = next((function for function in functions if not _in_window(function)), None)
            if aggregate is not None:
                raise self.refused(f"`{_sql(aggregate)}` aggregates, or is not known, without GROUP BY", aggregate)
            if query.args.get("having") is not None:
                raise self.refused("HAVING without GROUP BY is not allowed", query)
            return
        if any(value for key, value in group.args.items() if key != "expressions"):
            raise self.refused("GROUP BY ALL and other forms than a list of columns are not allowed", group)
        if any(isinstance(part, exp.Literal) for part in group.expressions):
            raise self.refused("GROUP BY a number is not allowed; name the column", group)
        if not self.covers(self.carried(part, sources, nullable) for part in group.expressions):
            raise self.refused(f"`{_sql(group)}` lacks a key", group)

    def expressions(self, query: exp.Select, scope: Mapping[str, _Relation]) -> None:
        """Subqueries in expressions may only read tables without keys."""
        for inner in self.inside(query, exp.Query):
            if isinstance(inner.parent, exp.From | exp.Join | exp.CTE | exp.With):
                continue
            relations = [self.source(table, scope)[1] for table in inner.find_all(exp.Table)]
            if any(relation.keyed for relation in relations):
                raise self.refused("a subquery in an expression reads a table with the keys", inner)

    def inside(self, query: exp.Select, *kinds: type[Any]) -> list[Any]:
        """Nodes of these kinds in the SELECT itself: not in its CTEs, FROM subqueries or expression subqueries."""
        found: list[Any] = []
        waiting: list[exp.Expr] = [
            node for key in _SELECT_ARGUMENTS - {"with_"} for node in _nodes(query.args.get(key))
        ]
        while waiting:
            node = waiting.pop()
            if isinstance(node, kinds):
                found.append(node)
            if isinstance(node, exp.Query | exp.Subquery):
                continue
            waiting += node.iter_expressions()
        return found

    def carried(self, node: exp.Expr, sources: Mapping[str, _Relation], nullable: frozenset[str]) -> str:
        """The name of the carrier a node is, or '' when it is none or may be NULL by a LEFT JOIN."""
        node = node.this if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast) else node
        if not isinstance(node, exp.Column) or node.name not in self.names:
            return ""
        if node.table:
            relation = sources.get(node.table)
            return node.name if relation and node.name in relation.carriers and node.table not in nullable else ""
        having = [alias for alias, known in sources.items() if known.columns is None or node.name in known.columns]
        keyed = [alias for alias in having if node.name in sources[alias].carriers]
        return node.name if having == keyed and any(alias not in nullable for alias in keyed) else ""

    def outputs(self, query: exp.Select, sources: Mapping[str, _Relation], nullable: frozenset[str]) -> set[str]:
        """The carriers among the outputs; a carrier's name on anything else is refused."""
        found: set[str] = set()
        for node in query.expressions:
            star = _star_of(node)
            if star is not None:
                starred = sources if star == "" else {star: sources[star]} if star in sources else {}
                if isinstance(node, exp.Star) and any(node.args.get(key) for key in ("except_", "replace", "rename")):
                    raise self.refused("* EXCLUDE, REPLACE or RENAME is not allowed", node)
                for alias, relation in starred.items():
                    if alias not in nullable:
                        found |= relation.carriers
                continue
            name = node.output_name
            if name in self.names:
                value = node.this if isinstance(node, exp.Alias) else node
                if self.carried(value, sources, nullable) != name:
                    raise self.refused(f"`{_sql(node)}` is called {name} and is not the key of a keyed source", node)
                found.add(name)
        return found

    def output(self, query: exp.Select, sources: Mapping[str, _Relation]) -> tuple[str, ...] | None:
        names: list[str] = []
        for node in query.expressions:
            star = _star_of(node)
            if star is None:
                names.append(node.output_name)
                continue
            starred = [sources[star]] if star in sources else list(sources.values())
            for relation in starred:
                if relation.columns is None:
                    return None
                names += relation.columns
        return tuple(names)

    def types(self, query: exp.Query) -> None:
        """A key keeps its type: a lossy cast would map two keys to one."""
        types = {column.name: column.type for column in self.model.columns}
        for table in keyed_inputs(self.model, self.models):
            for column in self.models[table].columns:
                if column.name in self.keys and not is_one_type(column.type, types[column.name]):
                    raise self.refused(
                        f"{column.name} is {column.type} in {table} and {types[column.name]} in the last SELECT"
                    )
        for cast in query.find_all(exp.Cast):
            if isinstance(cast.this, exp.Column) and cast.this.name in self.names:
                wanted = types[cast.this.name]
                found = _plain(cast.to.sql(dialect="duckdb"))
                if isinstance(cast.parent, exp.Alias | exp.Select | exp.Group) and not is_one_type(found, wanted):
                    raise self.refused(f"`{_sql(cast)}` changes the type of a key", cast)

    def only(self, node: exp.Expr, allowed: frozenset[str]) -> None:
        for key, value in node.args.items():
            if value and key not in allowed:
                raise self.refused(f"{key.strip('_').upper()} is not known to the rule", node)


def _nodes(value: object) -> list[exp.Expr]:
    if isinstance(value, list):
        return [node for node in value if isinstance(node, exp.Expr)]
    return [value] if isinstance(value, exp.Expr) else []


def _star_of(node: exp.Expr) -> str | None:
    """'' for `*`, the alias for `a.*`, None for anything else."""
    if isinstance(node, exp.Star):
        return ""
    return node.table if isinstance(node, exp.Column) and isinstance(node.this, exp.Star) else None


def _in_window(node: exp.Expr) -> bool:
    """Whether an aggregate is the function of a window: `sum(x) OVER ...`, `lag(x) IGNORE NULLS OVER ...`."""
    parent = node.parent
    while isinstance(parent, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        node, parent = parent, parent.parent
    return isinstance(parent, exp.Window) and parent.this is node


def _plain(kind: str) -> str:
    return {"INT": "INTEGER", "TEXT": "VARCHAR"}.get(kind, kind)


def _sql(node: exp.Expr) -> str:
    text = node.sql(dialect="duckdb", comments=False)
    return text if len(text) <= 100 else f"{text[:97]}..."
