"""Checks: what a header promises, tested on the rows. A check finds the bad rows; `fail` blocks, `warn` reports."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from trialwise.engines.duckdb import Engine, EngineError, cause_of
from trialwise.errors import CheckFailed, ModelError
from trialwise.transform.model import Level, Model

SAMPLE = 5
"""Bad rows shown with a failing check."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check that ran. `sample` holds the first bad rows as texts `column=value, ...`."""

    model: str
    check: str
    level: Level
    bad_rows: int
    sample: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckQuery:
    """A check of a model as the query that returns its bad rows."""

    model: str
    check: str
    level: Level
    sql: str


def checks_of(model: Model) -> Iterator[CheckQuery]:
    """Every check a model's header asks for, the built-in ones first."""
    header, table = model.header, model.name
    if header.key and header.unique_by == "check":
        keys = ", ".join(_quoted(header.key))
        yield CheckQuery(
            table,
            f"key [{', '.join(header.key)}] is unique",
            "fail",
            f"SELECT {keys}, count(*) AS copies FROM {table} GROUP BY {keys} HAVING count(*) > 1",
        )
    shown = ", ".join(_quoted(dict.fromkeys((*header.key, *header.incremental)))) or "*"
    for column in dict.fromkeys((*header.not_null, *header.incremental)):
        yield CheckQuery(
            table, f"{column} is not null", "fail", f'SELECT {shown} FROM {table} WHERE "{column}" IS NULL'
        )
    for column, values in header.accepted.items():
        accepted = ", ".join(exp.convert(value).sql(dialect="duckdb") for value in values)
        yield CheckQuery(
            table,
            f"{column} is an accepted value",
            "fail",
            f"SELECT {', '.join(_quoted(dict.fromkeys((*header.key, column))))} FROM {table} "
            f'WHERE "{column}" NOT IN ({accepted})',
        )
    for column, determined in header.determines.items():
        yield CheckQuery(
            table,
            f"{column} determines {determined}",
            "fail",
            f'SELECT "{column}", min("{determined}") AS one, max("{determined}") AS other FROM {table} '
            f'GROUP BY "{column}" HAVING min("{determined}") <> max("{determined}")',
        )
    for check in header.checks:
        yield CheckQuery(table, check.name, check.level, check.sql.strip().rstrip(";"))


def run_checks(engine: Engine, models: Iterable[Model]) -> list[CheckResult]:
    """Run every check of the models on their tables. A check that cannot run raises ModelError naming it."""
    results = []
    for model in models:
        started = time.perf_counter()
        clean = passing(engine, model, of_rows(model), model.name)
        share = (time.perf_counter() - started) / max(len(clean), 1)
        for query in checks_of(model):
            if query.check in clean:
                results.append(CheckResult(query.model, query.check, query.level, 0, (), share))
            else:
                results.append(run_check(engine, query))
    return results


def run_check(engine: Engine, query: CheckQuery) -> CheckResult:
    """Run one check: count its bad rows and keep the first few."""
    started = time.perf_counter()
    try:
        bad = int(engine.rows(f"SELECT count(*) FROM ({query.sql}) AS bad")[0][0])
        sample: tuple[str, ...] = ()
        if bad:
            first = f"SELECT * FROM ({query.sql}) AS bad LIMIT {SAMPLE}"
            names = [name for name, _ in engine.columns(first)]
            sample = tuple(
                ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True))
                for row in engine.rows(first)
            )
    except EngineError as error:
        raise ModelError(f"{query.model}: check '{query.check}' cannot run: {cause_of(error)}") from error
    return CheckResult(query.model, query.check, query.level, bad, sample, time.perf_counter() - started)


def raise_failed(results: Sequence[CheckResult]) -> None:
    """Raise CheckFailed for the checks of level `fail` that found bad rows, naming model, check and rows."""
    failed = [result for result in results if result.bad_rows and result.level == "fail"]
    if not failed:
        return
    lines = []
    for result in failed:
        rows = "1 bad row" if result.bad_rows == 1 else f"{result.bad_rows} bad rows"
        lines.append(f"{result.model}: check '{result.check}' found {rows}: {'; '.join(result.sample)}")
    names = [(result.model, result.check) for result in failed]
    raise CheckFailed("\n".join(lines), "The results published before stay as they were.", names)


def passing(engine: Engine, model: Model, counts: Mapping[str, str], table: str) -> set[str]:
    """The checks that hold, of `counts`: by name an expression over `table` that counts bad rows; in one query."""
    if not counts:
        return set()
    try:
        found = engine.rows(f"SELECT count(*), {', '.join(counts.values())} FROM {table}")[0][1:]
    except EngineError as error:
        raise ModelError(f"{model.name}: what its header promises cannot be checked: {cause_of(error)}") from error
    return {name for name, bad in zip(counts, found, strict=True) if not bad}


def of_rows(model: Model) -> dict[str, str]:
    """The not-null and accepted checks, as counts of bad rows."""
    header = model.header
    conditions = {
        f"{column} is not null": f'count(*) - count("{column}")'
        for column in dict.fromkeys((*header.not_null, *header.incremental))
    }
    for column, values in header.accepted.items():
        accepted = ", ".join(exp.convert(value).sql(dialect="duckdb") for value in values)
        conditions[f"{column} is an accepted value"] = f'count(*) FILTER (WHERE "{column}" NOT IN ({accepted}))'
    return conditions


def _quoted(names: Iterable[str]) -> list[str]:
    return [f'"{name}"' for name in names]
