"""Calibration: monthly benchmark versions, appended and never changed. A step of its own, so that no refresh of one
trial depends on the rows of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from trialwise.clock import EPOCH
from trialwise.engines.duckdb import Engine

if TYPE_CHECKING:
    import polars as pl

VERSIONS, GRID = "config.calibration", "config.calibration_grid"
Query = Callable[[int, date], "pl.DataFrame"]
"""(version, valid_from) -> rows to append."""

_MONTHS = """
SELECT k.day
FROM config.calendar AS k
WHERE k.day = k.month_start AND k.day <= $until
    AND k.day > (SELECT max(v.valid_from) FROM config.calibration AS v)
    AND (SELECT count(*) FROM intermediate.trials AS t WHERE t.start_date < k.day) >= 30
ORDER BY k.day
"""
_VALID = "SELECT * FROM config.calibration WHERE version > 0 AND valid_from <= $until"
_VALID_GRID = """
SELECT g.* FROM config.calibration_grid AS g
JOIN config.calibration AS v ON v.version = g.version
WHERE v.valid_from <= $until
"""


def set_prior(engine: Engine, events_per_day: int) -> None:
    """Version 0, valid from 1970-01-01: the configured benchmark, used until there is a calibrated one."""
    import polars as pl

    engine.execute("DELETE FROM config.calibration WHERE version = 0")
    prior = {"version": [0], "valid_from": [EPOCH], "benchmark_events_per_day": [events_per_day]}
    engine.append(VERSIONS, pl.DataFrame(prior))


def months_due(engine: Engine, until: date) -> list[date]:
    """First days of the months begun up to `until` that are later than every version, with trials enough before them.

    Thirty trials, as the queries ask of those that were active.
    """
    return [day for (day,) in engine.rows(_MONTHS, {"until": until})]


def latest_version(engine: Engine) -> int:
    """The number of the newest version; 0 is the configured prior."""
    return int(engine.rows("SELECT max(version) FROM config.calibration")[0][0])


def calibrate(engine: Engine, months: Sequence[date], benchmark: Query, grid: Query) -> int:
    """Append the versions of `months`, as months_due gives them; returns how many.

    A version is made from rows before its first day alone, so making it later gives the same one. A month with too
    few trials behind it gets none.
    """
    version, made = latest_version(engine), 0
    for valid_from in months:
        row = benchmark(version + made + 1, valid_from)
        if row.height:
            made += 1
            engine.append(VERSIONS, row)
            engine.append(GRID, grid(version + made, valid_from))
    return made


def take_over(source: Engine, target: Engine, until: date) -> None:
    """Copy the versions valid by `until` into another database, for a build of a past moment."""
    target.append(VERSIONS, source.frame(_VALID, {"until": until}))
    target.append(GRID, source.frame(_VALID_GRID, {"until": until}))
