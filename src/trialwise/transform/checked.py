"""Checks of tables that were brought up to date: on what changed, where that is enough; else on all of it.

What a check of level `warn` found stays told until its table, or another it reads, changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from trialwise.engines.duckdb import Engine
from trialwise.transform.changes import Change
from trialwise.transform.check import (
    CheckQuery,
    CheckResult,
    checks_of,
    of_rows,
    passing,
    raise_failed,
    run_check,
    run_checks,
)
from trialwise.transform.model import Model

_KEPT = """
CREATE TABLE IF NOT EXISTS state.warnings (
    model VARCHAR NOT NULL, check_name VARCHAR NOT NULL, bad_rows BIGINT NOT NULL, sample VARCHAR[] NOT NULL
)
"""


def check(engine: Engine, ordered: Sequence[Model], changes: Mapping[str, Change]) -> list[CheckResult]:
    """Check the models whose tables changed, and what is written of others that read them.

    Raises CheckFailed when a check of level `fail` finds rows, ModelError for one that cannot run.
    """
    before = {
        (model, name): CheckResult(model, name, "warn", bad, tuple(sample), 0.0)
        for model, name, bad, sample in engine.rows(f"{_KEPT}; SELECT * FROM state.warnings")
    }
    results: list[CheckResult] = []
    for model in ordered:
        change = changes[model.name]
        if change.is_whole or (change.rows and change.came is None):
            results += run_checks(engine, [model])
            continue
        own = {written.name for written in model.header.checks}
        for query in checks_of(model):
            if query.check in own:
                if _concerns(query, changes):
                    results.append(run_check(engine, query))
                elif (model.name, query.check) in before:
                    results.append(before[model.name, query.check])
        results += _of_rows(engine, model, change)
    raise_failed(results)
    return results


def keep(engine: Engine, results: Sequence[CheckResult]) -> None:
    """Remember what checks of level `warn` found."""
    engine.execute(_KEPT)
    engine.clear("state.warnings")
    for result in results:
        if result.bad_rows:
            engine.execute(
                "INSERT INTO state.warnings VALUES (?, ?, ?, ?)",
                [result.model, result.check, result.bad_rows, list(result.sample)],
            )


def _concerns(query: CheckQuery, changes: Mapping[str, Change]) -> bool:
    """Whether a check may find something else now; of a table nothing is known of it may."""
    read = _read_by(query.sql)
    return read is None or any(name not in changes or not changes[name].is_none for name in read)


@lru_cache(maxsize=1024)
def _read_by(sql: str) -> frozenset[str] | None:
    """The tables a check reads, in lower case as the names of models are; None where that cannot be told."""
    try:
        tables = parse_one(sql, dialect="duckdb").find_all(exp.Table)
        return frozenset(f"{table.db}.{table.name}".lower() for table in tables if table.db)
    except SqlglotError:
        return None


def _of_rows(engine: Engine, model: Model, change: Change) -> list[CheckResult]:
    """The checks a header asks for, on the rows that came: those that stayed held them before.

    All are asked in one query; those that do not hold once more, for their rows.
    """
    if change.is_none or change.came is None:
        return []
    queries = list(_queries(model, change))
    counts = {query.check: f"(SELECT count(*) FROM ({query.sql}) AS bad)" for query in queries}
    counts |= {check: count for check, count in of_rows(model).items() if check in counts}
    started = time.perf_counter()
    clean = passing(engine, model, counts, change.came)
    share = (time.perf_counter() - started) / max(len(counts), 1)
    return [
        CheckResult(query.model, query.check, query.level, 0, (), share)
        if query.check in clean
        else run_check(engine, query)
        for query in queries
    ]


def _queries(model: Model, change: Change) -> Iterator[CheckQuery]:
    """The checks over the rows that came, or where they speak of several rows, over all with a key of one that came.

    Where all rows of an incremental key stand and fall together these are at hand, and the table is not looked through.
    """
    own, came = {written.name for written in model.header.checks}, change.came
    for query in checks_of(model):
        if query.check in own:
            continue
        if query.check.startswith("key ["):
            keys = model.header.key
        elif " determines " in query.check:
            keys = (query.check.split(" determines ")[0],)
        else:
            yield replace(query, sql=query.sql.replace(f"FROM {model.name}", f"FROM {came}"))
            continue
        if change.present is not None and set(model.header.incremental) <= set(keys):
            yield replace(query, sql=query.sql.replace(f"FROM {model.name}", f"FROM {change.present}"))
            continue
        names = ", ".join(f'"{name}"' for name in keys)
        rows = f"(SELECT m.* FROM {model.name} AS m SEMI JOIN {came} AS c USING ({names})) AS m"
        yield replace(query, sql=query.sql.replace(f"FROM {model.name}", f"FROM {rows}"))
