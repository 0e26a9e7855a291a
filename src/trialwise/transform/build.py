"""Build: run every model in order and check the results, in one transaction or not at all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trialwise.engines.duckdb import Engine, EngineError, cause_of
from trialwise.errors import ModelError
from trialwise.transform.changes import relation
from trialwise.transform.check import CheckResult, raise_failed, run_checks
from trialwise.transform.graph import order
from trialwise.transform.keys import keyed_inputs, restrict
from trialwise.transform.model import Model

Progress = Callable[[str, int, int], None]
"""Called with the name of the model that starts, the number already built, and the number of all."""


@dataclass(frozen=True, slots=True)
class Built:
    """One model that ran: rows of the table (None for a view) and seconds."""

    name: str
    rows: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did: the models in the order they ran, and every check's result."""

    models: tuple[Built, ...]
    checks: tuple[CheckResult, ...]

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """The checks of level `warn` that found bad rows."""
        return tuple(result for result in self.checks if result.bad_rows and result.level == "warn")


def build(engine: Engine, models: Mapping[str, Model], progress: Progress | None = None) -> BuildReport:
    """Build and check all models in one transaction; on any error the tables are as they were.

    Raises ModelError naming model, line and cause, or CheckFailed naming model, check and rows.
    """
    ordered = order(models)  # before the transaction: an unknown table or a cycle costs nothing
    with engine.transaction():
        return build_in_transaction(engine, models, progress, ordered)


def build_in_transaction(
    engine: Engine,
    models: Mapping[str, Model],
    progress: Progress | None = None,
    ordered: list[Model] | None = None,
) -> BuildReport:
    """As `build`, inside a transaction of the caller, who must roll back on any exception."""
    ordered = order(models) if ordered is None else ordered
    built = build_models(engine, ordered, create_schemas(engine, models), progress, models)
    return BuildReport(tuple(built), tuple(check_models(engine, ordered, progress)))


def build_models(
    engine: Engine,
    ordered: Sequence[Model],
    kinds: dict[str, str],
    progress: Progress | None = None,
    models: Mapping[str, Model] | None = None,
) -> list[Built]:
    """Build models in the order given, without their checks, inside a transaction of the caller.

    kinds: what `create_schemas` returned; it is brought up to date, so that a model can be built twice. models: as
    `materialise` takes them.
    """
    built = []
    for done, model in enumerate(ordered):
        if progress is not None:
            progress(model.name, done, len(ordered))
        started = time.perf_counter()
        rows = materialise(engine, model, kinds.get(model.name), models)
        kinds[model.name] = "VIEW" if model.is_view else "BASE TABLE"
        built.append(Built(model.name, rows, time.perf_counter() - started))
    return built


def check_models(engine: Engine, ordered: Sequence[Model], progress: Progress | None = None) -> list[CheckResult]:
    """Check models that have been built; raises CheckFailed when a check of level `fail` finds rows."""
    if progress is not None:
        progress("checks", len(ordered), len(ordered))
    results = run_checks(engine, ordered)
    raise_failed(results)
    return results


def sketch(engine: Engine, model: Model, columns: Collection[str], kinds: dict[str, str]) -> None:
    """Stand in for a model with some of its columns only: for one reader that comes before the model is built whole."""
    if kinds.get(model.name) == "VIEW":
        engine.execute(f"DROP VIEW {model.name}")
    wanted = [f'm."{name}"' for name in model.column_names if name in columns]
    run(engine, model, f"CREATE OR REPLACE TABLE {model.name} AS SELECT {', '.join(wanted)} FROM ({model.sql}) AS m")
    kinds[model.name] = "BASE TABLE"


def create_schemas(engine: Engine, models: Mapping[str, Model]) -> dict[str, str]:
    """Create the schemas of all models and the external tables that do not exist yet.

    Returns the kind (`BASE TABLE` or `VIEW`) of every relation that existed before, by name.
    """
    kinds: dict[str, str] = dict(
        engine.rows(
            "SELECT table_schema || '.' || table_name, table_type FROM information_schema.tables "
            "WHERE table_catalog = current_database()"
        )
    )
    for schema in sorted({model.schema for model in models.values() if model.kind != "query"}):
        engine.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    for model in models.values():
        if model.kind == "external" and model.name not in kinds:
            run(engine, model, model.sql)
    return kinds


def materialise(
    engine: Engine, model: Model, existing: str | None = None, models: Mapping[str, Model] | None = None
) -> int | None:
    """Create the model's table or view; returns the rows of a table. `existing` is the table_type it had, if any.

    models: those it reads, by name; with them a model whose header says `at_once` is built a part of its keys after the
    other, which bounds the memory that joins and windows over all of its rows would take.
    """
    wanted = "VIEW" if model.is_view else "TABLE"
    if existing is not None and (existing == "VIEW") != model.is_view:
        engine.execute(f"DROP {'VIEW' if existing == 'VIEW' else 'TABLE'} {model.name}")
    if models is not None and model.header.at_once is not None and (parts := _parts(engine, model, models)) > 1:
        return _in_parts(engine, model, models, parts)
    rows = run(engine, model, f"CREATE OR REPLACE {wanted} {model.name} AS {model.sql}")
    return int(rows[0][0]) if rows and not model.is_view else None


def _parts(engine: Engine, model: Model, models: Mapping[str, Model]) -> int:
    """Number the keys of the tables the model reads, `at_once` a part; returns how many parts there are."""
    keys = ", ".join(f'"{name}"' for name in model.header.incremental)
    found = " UNION ".join(f"SELECT {keys} FROM {table}" for table in keyed_inputs(model, models))
    numbered = (
        f"SELECT k.*, (row_number() OVER (ORDER BY {keys}) - 1) // {model.header.at_once} AS part FROM ({found}) AS k"
    )
    run(engine, model, f"CREATE OR REPLACE TEMP TABLE {relation('keys', model.name)} AS {numbered}")
    return int(engine.rows(f"SELECT coalesce(max(part), 0) + 1 FROM {relation('keys', model.name)}")[0][0])


def _in_parts(engine: Engine, model: Model, models: Mapping[str, Model], parts: int) -> int:
    keys, some, rows = relation("keys", model.name), relation("part", model.name), 0
    query = restrict(model, models, some).sql(dialect="duckdb", comments=False)
    for part in range(parts):
        run(
            engine,
            model,
            f"CREATE OR REPLACE TEMP TABLE {some} AS SELECT * EXCLUDE (part) FROM {keys} WHERE part = {part}",
        )
        into = f"INSERT INTO {model.name}" if part else f"CREATE OR REPLACE TABLE {model.name} AS"
        rows += int(run(engine, model, f"{into} {query}")[0][0])
    return rows


def run(engine: Engine, model: Model, sql: str) -> list[tuple[Any, ...]]:
    """Run a model's statement; an engine error becomes a ModelError naming model, line and cause."""
    try:
        return engine.rows(sql)
    except EngineError as error:
        raise failure(model, error) from error


def failure(model: Model, error: Exception) -> ModelError:
    """The engine's error as a ModelError, with the line of the model's file where its text can be found."""
    text = str(error)
    line = line_of(model, text)
    return ModelError(f"{model.name}{f', line {line}' if line else ''}: {cause_of(error)}", f"See {model.path}.")


def line_of(model: Model, engine_message: str) -> int | None:
    """The line of the model's own text that the engine's caret points at.

    The engine saw generated text on one line, so the marked word is looked up in the author's text.
    """
    marked = re.search(r"LINE \d+: (.*)\n( *)(\^+)", engine_message)
    if marked is None:
        return None
    offset = len(marked.group(2)) - (marked.start(1) - marked.start())
    word = re.match(r"[\w.]+", marked.group(1)[max(offset, 0) :])
    if word is None:
        return None
    header_ends = model.source.find("*/") + 2 if model.source.lstrip().startswith("/*") else 0
    place = re.compile(rf"(?<![\w.]){re.escape(word.group())}(?!\w)", re.IGNORECASE).search(model.source, header_ends)
    return None if place is None else model.source.count("\n", 0, place.start()) + 1
