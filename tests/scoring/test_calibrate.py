"""Benchmark versions: appended month by month, never changed, handed over to a build of the past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl
import pytest

from trialwise.engines.duckdb import Engine, connect
from trialwise.scoring.calibrate import calibrate, months_due, set_prior, take_over
from trialwise.shipped import packaged_sql

JAN, FEB, MARCH, APRIL = (date(2026, month, 1) for month in (1, 2, 3, 4))
EPOCH = date(1970, 1, 1)
PERCENTILES = {f"p{n:02d}": n for n in range(5, 100, 5)}


def _open() -> Engine:
    engine = connect()
    engine.execute("CREATE SCHEMA config; CREATE SCHEMA intermediate")
    for table in ("calibration", "calibration_grid", "calendar"):
        engine.execute((packaged_sql() / "config" / f"{table}.sql").read_text(encoding="utf-8"))
    engine.execute("CREATE TABLE intermediate.trials (start_date DATE)")
    days = [date(2025, 12, 1) + timedelta(days=n) for n in range(180)]
    months = [day.replace(day=1) for day in days]
    columns = {name for name, _ in engine.columns("SELECT * FROM config.calendar")}
    filler = {
        "day_no": [(day - EPOCH).days for day in days],
        "starts_at": days,
        "ends_at": days,
        "week_start": days,
        "iso_dow": [day.isoweekday() for day in days],
        "is_business_day": [True] * len(days),
    }
    assert columns >= set(filler)
    engine.append("config.calendar", pl.DataFrame({"day": days, "month_start": months, **filler}))
    return engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Empty calibration tables with the prior, a calendar of December 2025 to May 2026."""
    made = _open()
    set_prior(made, 10)
    yield made
    made.close()


def _versions(engine: Engine) -> list[tuple[object, ...]]:
    return engine.rows("SELECT version, valid_from, benchmark_events_per_day FROM config.calibration ORDER BY version")


def _benchmark(version: int, day: date) -> pl.DataFrame:
    """Nothing for February, the month's number for the others."""
    rows = [] if day == FEB else [{"version": version, "valid_from": day, "benchmark_events_per_day": day.month}]
    schema = {"version": pl.Int32, "valid_from": pl.Date, "benchmark_events_per_day": pl.Int32}
    return pl.DataFrame(rows, schema=schema)


def _grid(version: int, day: date) -> pl.DataFrame:
    return pl.DataFrame(
        [{"version": version, "trial_day": day.month, "card_type": "cardless", "trials": 30, **PERCENTILES}]
    )


def test_the_prior_is_version_0_and_follows_the_configuration(engine: Engine) -> None:
    calibrate(engine, [MARCH], _benchmark, _grid)
    set_prior(engine, 12)
    assert _versions(engine) == [(0, EPOCH, 12), (1, MARCH, 3)]


def _start(engine: Engine, day: str, trials: int) -> None:
    engine.execute(f"INSERT INTO intermediate.trials SELECT DATE '{day}' FROM range({trials})")


def test_months_begun_after_thirty_trials_are_due_once(engine: Engine) -> None:
    assert months_due(engine, date(2026, 3, 20)) == []  # without a trial there is nothing to measure
    _start(engine, "2026-01-15", 29)
    assert months_due(engine, date(2026, 3, 20)) == []
    _start(engine, "2026-02-20", 1)
    assert months_due(engine, date(2026, 3, 20)) == [MARCH]
    _start(engine, "2026-01-31", 1)
    assert months_due(engine, date(2026, 3, 20)) == [FEB, MARCH]
    assert months_due(engine, MARCH) == [FEB, MARCH]
    assert months_due(engine, MARCH - timedelta(days=1)) == [FEB]
    calibrate(engine, [MARCH], _benchmark, _grid)
    assert months_due(engine, date(2026, 4, 2)) == [APRIL]


def test_trials_that_start_on_the_first_wait_for_the_next_month(engine: Engine) -> None:
    _start(engine, "2026-02-01", 30)
    assert months_due(engine, date(2026, 3, 20)) == [MARCH]


def test_versions_are_numbered_on_and_a_month_with_too_few_trials_gets_none(engine: Engine) -> None:
    assert calibrate(engine, [JAN, FEB, MARCH], _benchmark, _grid) == 2
    assert _versions(engine) == [(0, EPOCH, 10), (1, JAN, 1), (2, MARCH, 3)]
    assert engine.rows("SELECT version, trial_day, p95 FROM config.calibration_grid ORDER BY 1") == [
        (1, 1, 95),
        (2, 3, 95),
    ]
    assert calibrate(engine, [APRIL], _benchmark, _grid) == 1
    assert _versions(engine)[-1] == (3, APRIL, 4)
    assert calibrate(engine, [], _benchmark, _grid) == 0


def test_a_build_of_the_past_gets_the_versions_valid_then(engine: Engine) -> None:
    calibrate(engine, [JAN, MARCH, APRIL], _benchmark, _grid)
    past = _open()
    take_over(engine, past, date(2026, 3, 31))
    set_prior(past, 10)
    assert _versions(past) == [(0, EPOCH, 10), (1, JAN, 1), (2, MARCH, 3)]
    assert past.rows("SELECT version FROM config.calibration_grid ORDER BY 1") == [(1,), (2,)]
    past.close()
