"""What results show: numbers of periods that are over, who is on which list, the score of every running trial.

Read from the tables a generation is made of, in the store before it is published or in a generation file.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from trialwise.delivery.metrics import METRICS, Options, metrics, names
from trialwise.delivery.reader import Reader
from trialwise.errors import InputError, ModelError
from trialwise.history import Number, Scored, Shown

UNITS = ("week", "month")
"""The periods whose numbers are kept."""
VARIANTS = {
    "trial_conversion": (Options(definition="start_cohort", net=True), Options(definition="end_cohort", net=True)),
}
"""What is kept of a metric beside its definitions with no option set: refunds show in these alone."""
_SPLITS = frozenset({"marts.trial_splits"})
ONLY_SPLIT = dict.fromkeys(METRICS, _SPLITS) | {"trial_conversion": _SPLITS | {"marts.memberships"}}
"""Tables of which what is kept of a metric needs nothing: numbers are kept unsplit."""
_COLUMNS = ("metric", "definition", "period_start", "period_end", "split_key", "split_value", "version", "numerator",
            "denominator", "pending", "value", "unit", "is_final")  # fmt: skip
_COUNTS = ("numerator", "denominator", "pending")
_OVER = "SELECT as_of_date, is_day_complete FROM marts.clock"
_SCORES = """
SELECT trial_id, account_id, score_hundredths, nullif(concat(fit_grade, engagement_grade), ''), scored_by
FROM marts.trials WHERE is_active AND score_hundredths IS NOT NULL
"""
log = structlog.get_logger("trialwise.shown")


def numbers(reader: Reader, only: Collection[str] | None = None) -> dict[str, list[Number]]:
    """By metric, under its definitions and VARIANTS, the numbers of the weeks and months that are over at the clock.

    only: the metrics to work out, None for all. One that cannot be put on record is left out and costs nobody the
    others: a query that fails, columns other than those of the shipped ones, counts in fractions. Nothing is known of
    its numbers then, not that they are gone.
    """
    found = {}
    for name in names(reader):
        if only is None or name in only:
            told = _told(reader, name)
            if told is not None:
                found[name] = told
    return found


def reading(reader: Reader, tables: Collection[str]) -> set[str]:
    """The metrics that read one of these tables."""
    paths = reader.queries()
    return {
        name
        for name in names(reader)
        if any(read_by(name, paths[file]) & set(tables) for file in files_of(name) if file in paths)
    }


def read_by(metric: str, path: Path) -> frozenset[str]:
    """The tables a query reads for what is kept of a metric: of the shipped ones nothing that only splits need."""
    found = tables_of(path)
    return found - ONLY_SPLIT.get(metric, frozenset()) if metric in METRICS else found


def files_of(metric: str) -> set[str]:
    """The queries of a metric, by the names of their files."""
    return {metric, *(METRICS[metric].files.values() if metric in METRICS else ())}


def tables_of(path: Path) -> frozenset[str]:
    """The tables a metric's query reads; none where it cannot be parsed."""
    return _tables(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _tables(text: str) -> frozenset[str]:
    try:
        query = parse_one(text, dialect="duckdb")
    except SqlglotError as error:
        log.warning("a metric's query cannot be parsed", error=str(error)[:300])
        return frozenset()
    return frozenset(f"{table.db}.{table.name}" for table in query.find_all(exp.Table) if table.db)


def lists(reader: Reader, names: Collection[str]) -> list[Shown]:
    """Every trial of every list named (as `lists.NAME`), once each."""
    found: dict[tuple[str, str], Shown] = {}
    for table in sorted(names):
        columns = {name for name, _ in reader.engine.columns(f"FROM {table}")}
        if not {"trial_id", "account_id"} <= columns:
            continue
        position = "position" if "position" in columns else "NULL"
        score = "CAST(round(score * 100) AS BIGINT)" if "score" in columns else "NULL"
        query = exp.select("trial_id", "account_id", position, score).from_(table).order_by("3", "1")
        key = table.partition(".")[2]
        for row in reader.engine.rows(query.sql("duckdb")):
            found.setdefault((key, row[0]), Shown(key, *row))
    return list(found.values())


def scores(reader: Reader) -> list[Scored]:
    """The score of every running trial that has one."""
    return [Scored(*row) for row in reader.engine.rows(_SCORES)]


def _told(reader: Reader, name: str) -> list[Number] | None:
    """All numbers of a metric; None where it cannot be put on record."""
    found: list[Number] = []
    try:
        for asked in (Options(), *VARIANTS.get(name, ())):
            for by in UNITS:
                some = _of(reader, name, replace(asked, by=by))
                if some is None:
                    return None
                found += some
    except (ModelError, InputError) as error:
        log.warning("the numbers of a metric are not recorded", metric=name, error=error.message)
        return None
    return found


def _of(reader: Reader, name: str, asked: Options) -> list[Number] | None:
    frame = metrics(reader, name, asked)
    if not set(_COLUMNS) <= set(frame.columns):
        return None
    found = []
    last, is_complete = reader.engine.rows(_OVER)[0]
    over = last + timedelta(days=1) if is_complete else last
    for row in frame.select(_COLUMNS).iter_rows(named=True):
        if row["period_end"] <= over and _ends(row["period_end"], asked.by):
            if any(row[column] != round(row[column]) for column in _COUNTS if row[column] is not None):
                log.warning("a metric that counts in fractions is not put on record", metric=name)
                return None
            found.append(Number(by=asked.by, **_plain(row)))
    return found


def _ends(day: date, by: str) -> bool:
    """Whether a week or month ends before a day: a rolling window also ends with the last day seen."""
    return day.day == 1 if by == "month" else day.weekday() == 0


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """As the history keeps it; a metric of one's own may have numbers of any type."""
    counts = {column: None if row[column] is None else int(row[column]) for column in _COUNTS}
    value = None if row["value"] is None else float(row["value"])
    return {**row, **counts, "value": value, "is_final": bool(row["is_final"])}
