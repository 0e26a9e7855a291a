"""Checks of tables that were brought up to date: on what changed, where that is enough; else on all of it.

What a check of level `warn` found stays told until its table, or another it reads, changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from trialwise.engines.duckdb import Engine
from trialwise.transform.changes import Change
from trialwise.transform.check import CheckQuery, CheckResult, checks_of, raise_failed, run_check, run_checks
from trialwise.transform.model import Model

_READ = re.compile(r"\b(?:raw|config|staging|intermediate|marts|lists)\.[a-z_0-9]+")
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
        results += [run_check(engine, query) for query in _of_rows(model, change)]
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
    return any(name in changes and not changes[name].is_none for name in _READ.findall(query.sql))


def _of_rows(model: Model, change: Change) -> Iterator[CheckQuery]:
    """The checks a header asks for, on the rows that came: those that stayed held them before."""
    if change.is_none or change.came is None:
        return
    own = {written.name for written in model.header.checks}
    for query in checks_of(model):
        if query.check in own:
            continue
        if query.check.startswith("key ["):
            keys = model.header.key
        elif " determines " in query.check:
            keys = (query.check.split(" determines ")[0],)
        else:
            yield CheckQuery(
                query.model, query.check, query.level, query.sql.replace(f"FROM {model.name}", f"FROM {change.came}")
            )
            continue
        names = ", ".join(f'"{name}"' for name in keys)
        rows = f"(SELECT m.* FROM {model.name} AS m SEMI JOIN {change.came} AS c USING ({names})) AS m"
        yield CheckQuery(query.model, query.check, query.level, query.sql.replace(f"FROM {model.name}", f"FROM {rows}"))
