"""Models brought up to date: each is left alone, worked out for changed keys alone, or built whole.

Which it is follows from what happened to the tables it reads. A row that goes or comes is kept as an image; the keys of
the images are the keys that changed for whoever reads the table. So merges, late events, forgotten people and new
definitions need no rules of their own: they are rows that changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal
from weakref import WeakKeyDictionary

from sqlglot import exp

from trialwise.engines.duckdb import Engine, EngineError
from trialwise.errors import ModelError
from trialwise.transform.build import failure, materialise, run
from trialwise.transform.changes import NONE, WHOLE, Change, difference, images, relation
from trialwise.transform.keys import keyed_inputs, restricted_sql
from trialwise.transform.model import Model
from trialwise.transform.trace import trace_of

_READING: WeakKeyDictionary[Model, dict[tuple[tuple[str, str], ...], str]] = WeakKeyDictionary()
Progress = Callable[[str, int, int], None]
Action = Literal["unchanged", "restricted", "added", "rebuilt"]
CLOCK = "config.clock"
ONE_ROW = (CLOCK, "config.parameters", "marts.clock")
"""Tables of one row, whose columns count one by one."""
MOST = 0.5
"""Share of a table's rows beyond which it is built whole: then that is cheaper."""
COMPARED = 100_000
"""Rows of a model with keys up to which a whole build is compared with what was there."""
SLIGHT, CELLS = 10, 100_000_000
"""Where fewer rows than one in so many changed of what a model reads, it is compared whatever its size, up to so many
values: customers use a product for years, and their trials, which are over, have the same keys."""
FEW = 1_000
"""Changed rows that are always told one by one, however few rows there are."""
LARGE = 200_000
"""Rows of a table from which on those of changed keys are looked for by their keys alone, and then read."""
DAYS_LISTED = 400
"""Days up to which a restriction lists them, so that blocks without them are not read."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was done to one model, and why.

    keys: changed keys it was worked out for, None where it was built whole or left alone; rows: rows that went or came,
    None where they were not compared.
    """

    model: str
    action: Action
    why: str
    keys: int | None = None
    rows: int | None = None
    seconds: float = 0.0


@dataclass
class Incremental:
    """One run over the models, in order, inside a transaction of the caller.

    changes: what happened to the external tables, by name; that of models is added as they are brought up to date.
    columns: of tables of one row, the columns that changed. clocks: the clock's row before and now, by column.
    crossed: whether a table has rows that meet a condition, of what was asked before: models share such questions.
    built: the fingerprints the tables were built by. kinds: the relations there are, as `create_schemas` returns.
    """

    engine: Engine
    models: Mapping[str, Model]
    built: Mapping[str, str]
    kinds: dict[str, str]
    changes: dict[str, Change]
    columns: dict[str, frozenset[str]]
    clocks: tuple[Mapping[str, Any], Mapping[str, Any]]
    crossed: dict[tuple[str, str], bool] = field(default_factory=dict)

    def run(self, ordered: Sequence[Model], progress: Progress | None = None) -> tuple[Step, ...]:
        """Bring models up to date, each after those it reads. Raises as `bring` does."""
        steps = []
        for done, model in enumerate(ordered):
            if progress is not None:
                progress(model.name, done, len(ordered))
            steps.append(self.bring(model))
        return tuple(steps)

    def bring(self, model: Model) -> Step:
        """Bring one model up to date; the models it reads come first. Raises ModelError naming model and cause."""
        started = time.perf_counter()
        step = self._bring(model)
        if model.name in ONE_ROW:
            self.columns[model.name] = self._changed_columns(model)
        return Step(step.model, step.action, step.why, step.keys, step.rows, time.perf_counter() - started)

    def _bring(self, model: Model) -> Step:
        known = self.built.get(model.name)
        if known != model.fingerprint or model.name not in self.kinds:
            return self._whole(model, "new" if known is None else "its definition changed", compares=False)
        touched = [name for name in model.reads if self._touches(model, name)]
        moved = self._moved(model)
        if not touched and moved is None:
            self.changes[model.name] = NONE
            return Step(model.name, "unchanged", "nothing it reads changed")
        why = ", ".join([*touched, *(["the clock"] if moved is not None else [])])
        if len(touched) == 1 and moved is None and (step := self._added(model, touched[0])) is not None:
            return step
        if model.header.incremental and moved != []:
            keys = self._keys(model, touched, moved or [])
            if keys is not None:
                changed = None if moved else sum(self.changes[name].rows for name in touched)
                return self._restricted(model, keys, why, changed)
        if model.is_view:
            self.changes[model.name] = WHOLE
            return Step(model.name, "rebuilt", why)
        return self._whole(model, why)

    def _changed_columns(self, model: Model) -> frozenset[str]:
        change = self.changes[model.name]
        if change.gone is None or change.came is None:
            return frozenset() if change.is_none else frozenset(model.column_names)
        before, now = (self.engine.rows(f"FROM {image}") for image in (change.gone, change.came))
        if len(before) != 1 or len(now) != 1:
            return frozenset(model.column_names)
        values = zip(model.column_names, before[0], now[0], strict=True)
        return frozenset(name for name, old, new in values if old != new)

    def _touches(self, model: Model, table: str) -> bool:
        """Whether what happened to a table it reads can show in a model; the clock is looked at by itself."""
        if table == CLOCK or self.changes[table].is_none:
            return False
        if table in ONE_ROW:
            return bool(trace_of(model, self.models).columns_read(table) & self.columns[table])
        return True

    def _moved(self, model: Model) -> list[tuple[str, str]] | None:
        """What the clock's move can do to a model: None for nothing, else (table, condition) of the rows between.

        An empty list stands for anything.
        """
        if CLOCK not in model.reads:
            return None
        read, crossings = trace_of(model, self.models).clock_uses(CLOCK)
        if not read & self.columns[CLOCK]:
            return None
        before, now = self.clocks
        if crossings is None or any(crossing.clock not in before for crossing in crossings):
            return []
        found = []
        for crossing in crossings:
            if crossing.clock not in self.columns[CLOCK]:
                continue
            between = sorted((before[crossing.clock], now[crossing.clock]))
            low, high = (crossing.of(value) for value in between)
            column = f'"{crossing.origin.column}"'
            condition = f"{column} >= {low}"
            condition += f" OR {column} IS NULL" if crossing.is_limit else f" AND {column} <= {high}"
            asked = (crossing.origin.table, condition)
            if asked not in self.crossed:
                self.crossed[asked] = bool(self.engine.rows(f"SELECT 1 FROM {asked[0]} WHERE {condition} LIMIT 1"))
            if self.crossed[asked]:
                found.append(asked)
        return found or None

    def _keys(self, model: Model, touched: Sequence[str], moved: Sequence[tuple[str, str]]) -> str | None:
        """A query for the keys that may have changed; None where all may have."""
        names = model.header.incremental
        inputs = frozenset(keyed_inputs(model, self.models))
        keys = ", ".join(f'"{name}"' for name in names)
        parts = []
        for table in touched:
            change = self.changes[table]
            if change.is_whole:
                return None
            if table in inputs:
                if not set(names) <= change.columns:
                    return None
                parts += [f"SELECT {keys} FROM {image}" for image in change.images]
                continue
            lookups = trace_of(model, self.models).lookup(table, inputs)
            if lookups is None or any(lookup.column not in change.columns for lookup in lookups):
                return None
            for lookup in lookups:
                values = " UNION ALL ".join(f'SELECT "{lookup.column}" FROM {image}' for image in change.images)
                parts += lookup.touched(values, keys)
        for table, condition in moved:
            if table in inputs:
                parts.append(f"SELECT {keys} FROM {table} WHERE {condition}")
                continue
            lookups = trace_of(model, self.models).lookup(table, inputs)
            if lookups is None:
                return None
            for lookup in lookups:
                parts += lookup.touched(f'SELECT "{lookup.column}" FROM {table} WHERE {condition}', keys)
        return f"SELECT DISTINCT {keys} FROM ({' UNION ALL '.join(parts)}) AS k"

    def _restricted(self, model: Model, keys: str, why: str, read: int | None) -> Step:
        """Work the model out for the keys a query gives, and put the rows that differ in place.

        read: rows that changed of what it reads, None where the clock moved too.
        """
        changed = relation("keys", model.name)
        count = self._run(model, f"CREATE OR REPLACE TEMP TABLE {changed} AS {keys}")
        if count == 0:
            self.changes[model.name] = NONE
            return Step(model.name, "unchanged", f"no key of it: {why}", 0, 0)
        names = model.header.incremental
        if model.is_view:
            self.changes[model.name] = Change(touched=changed, columns=frozenset(names), rows=count)
            return Step(model.name, "restricted", why, count)
        using = ", ".join(f'"{name}"' for name in names)
        days = self._days(model, changed)
        here = f"FROM {model.name} AS m SEMI JOIN {changed} AS k USING ({using})"
        if days is not None:
            listed = exp.column("activity_date", table="m").isin(*(exp.convert(day) for day in days))
            here += f" WHERE {listed.sql('duckdb')}"
        old, new = relation("old", model.name), relation("new", model.name)
        total = self.engine.rows(f"SELECT count(*) FROM {model.name}")[0][0]
        # of a large table by their keys alone first: the other columns are then read where the rows are
        found, wanted = (relation("places", model.name), "m.rowid AS place") if total > LARGE else (old, "m.*")
        if self._run(model, f"CREATE OR REPLACE TEMP TABLE {found} AS SELECT {wanted} {here}") > MOST * total:
            is_slight = read is not None and read * SLIGHT < total and total * len(model.column_names) < CELLS
            return self._whole(model, f"{why}: {count:,} keys, most of its rows", is_slight=is_slight)
        if found != old:
            there = f"FROM {model.name} AS m SEMI JOIN {found} AS p ON m.rowid = p.place"
            self._run(model, f"CREATE OR REPLACE TEMP TABLE {old} AS SELECT m.* {there}")
        query = restricted_sql(model, self.models, changed, days)
        self._run(model, f"CREATE OR REPLACE TEMP TABLE {new} AS {query}")
        unique = bool(model.header.key)
        change = difference(self.engine, model.name, old, new, model.column_names, is_unique=unique)
        self._apply(model, change)
        self.changes[model.name] = change if change.is_none else replace(change, present=new)
        return Step(model.name, "restricted", why, count, change.rows)

    def _days(self, model: Model, changed: str) -> list[date] | None:
        """The days of the changed keys, where they are a key and few enough to be listed."""
        if "activity_date" not in model.header.incremental:
            return None
        days = self.engine.rows(f"SELECT DISTINCT activity_date FROM {changed} ORDER BY 1 LIMIT {DAYS_LISTED + 1}")
        return [day for (day,) in days] if len(days) <= DAYS_LISTED else None

    def _added(self, model: Model, table: str) -> Step | None:
        """Add what new rows of one table bring, and take away what those that went had brought by the clock then."""
        change, clock = self.changes[table], self.changes[CLOCK] if CLOCK in model.reads else NONE
        if change.is_whole or change.gone is None or change.came is None or not (model.header.key or model.is_view):
            return None
        if not trace_of(model, self.models).is_linear_in(table) or clock.is_whole:
            return None
        before = {table: change.gone} if clock.gone is None else {table: change.gone, CLOCK: clock.gone}
        gone, came = _reading(model, before), _reading(model, {table: change.came})
        try:
            found = images(self.engine, model.name, gone, came, model.column_names)
        except EngineError as error:
            raise failure(model, error) from error
        if not model.is_view:
            self._apply(model, found)
        self.changes[model.name] = found
        return Step(model.name, "added", table, None, found.rows)

    def _whole(self, model: Model, why: str, *, compares: bool = True, is_slight: bool = False) -> Step:
        """Build the model whole; where the old rows can be compared, those that differ alone count as changed.

        is_slight: so little changed of what it reads that few rows will differ: what reads it is spared the rest.
        """
        if model.is_view or not compares or (not is_slight and self._is_large(model)):
            self._materialise(model)
            return Step(model.name, "rebuilt", why)
        new = relation("new", model.name)
        count = self._run(model, f"CREATE OR REPLACE TEMP TABLE {new} AS {model.sql}")
        unique = bool(model.header.key)
        change = difference(self.engine, model.name, model.name, new, model.column_names, is_unique=unique)
        if change.rows > max(count, FEW):
            self._run(model, f"CREATE OR REPLACE TABLE {model.name} AS FROM {new}")
            self.changes[model.name] = WHOLE
        else:
            self._apply(model, change, new)
            self.changes[model.name] = change
        return Step(model.name, "rebuilt", why, None, change.rows)

    def _is_large(self, model: Model) -> bool:
        """Whether comparing its rows would cost more than building what reads it: that of trials by day is wide."""
        if not model.header.incremental:
            return False
        return int(self.engine.rows(f"SELECT count(*) FROM {model.name}")[0][0]) > COMPARED

    def _materialise(self, model: Model) -> None:
        materialise(self.engine, model, self.kinds.get(model.name), self.models)
        self.kinds[model.name] = "VIEW" if model.is_view else "BASE TABLE"
        self.changes[model.name] = WHOLE

    def _apply(self, model: Model, change: Change, new: str | None = None) -> None:
        """Put rows in place of others, by the model's key; without a key the table is replaced, or its changed keys."""
        if change.is_none:
            return
        if model.header.key and change.gone is not None and change.came is not None:
            self.engine.replace_rows(model.name, model.header.key, change.gone, change.came)
        elif new is not None:
            self.engine.execute(f"CREATE OR REPLACE TABLE {model.name} AS FROM {new}")
        else:
            raise ModelError(f"{model.name}: `incremental` needs a key", "Give its header a key: the columns of a row.")

    def _run(self, model: Model, sql: str) -> int:
        rows = run(self.engine, model, sql)
        return int(rows[0][0]) if rows else 0


def _reading(model: Model, instead: Mapping[str, str]) -> str:
    """The model's text with other rows in the place of tables; of a model that is kept it is made once."""
    texts, asked = _READING.setdefault(model, {}), tuple(instead.items())
    if asked not in texts:
        texts[asked] = _read_instead(model, instead)
    return texts[asked]


def _read_instead(model: Model, instead: Mapping[str, str]) -> str:
    if model.query is None:
        raise ModelError(f"{model.name} has no query")
    query = model.query.copy()
    for node in list(query.find_all(exp.Table)):
        image = instead.get(f"{node.db}.{node.name}")
        if image is not None:
            node.replace(exp.to_table(image, alias=node.alias or node.name))
    return query.sql(dialect="duckdb", comments=False)
