"""Which months want a version of the calibration, and what a version is made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl
import pytest

from trialwise.engines.duckdb import Engine, connect
from trialwise.scoring.calibrate import calibrate, months_due, set_prior

TABLES = """
CREATE SCHEMA config;
CREATE SCHEMA intermediate;
CREATE TABLE config.calibration(version INTEGER, valid_from DATE, benchmark_events_per_day INTEGER);
CREATE TABLE config.calibration_grid(version INTEGER, trial_day INTEGER, p50 INTEGER);
CREATE TABLE intermediate.trials(trial_id VARCHAR, start_date DATE);
CREATE TABLE config.calendar AS
SELECT CAST(range AS DATE) AS day, CAST(date_trunc('month', range) AS DATE) AS month_start
FROM range(TIMESTAMP '2025-12-01', TIMESTAMP '2026-07-01', INTERVAL 1 DAY);
"""
FEBRUARY, MARCH, APRIL = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)


@pytest.fixture
def store() -> Iterator[Engine]:
    """A store with the prior and one trial that started in the middle of January 2026."""
    engine = connect()
    engine.execute(TABLES)
    set_prior(engine, 10)
    engine.execute("INSERT INTO intermediate.trials VALUES ('t', DATE '2026-01-15')")
    yield engine
    engine.close()


def _benchmark(version: int, day: date) -> pl.DataFrame:
    """Too few trials before March."""
    rows = [] if day < MARCH else [(version, day, 5)]
    return pl.DataFrame(rows, schema=["version", "valid_from", "benchmark_events_per_day"], orient="row")


def _grid(version: int, day: date) -> pl.DataFrame:
    return pl.DataFrame({"version": [version], "trial_day": [7], "p50": [day.month]})


def test_months_begun_after_the_first_trial_are_due(store: Engine) -> None:
    assert months_due(store, date(2026, 4, 20)) == [FEBRUARY, MARCH, APRIL]
    assert months_due(store, APRIL) == [FEBRUARY, MARCH, APRIL]
    assert months_due(store, date(2026, 1, 31)) == []


def test_without_a_trial_nothing_is_due(store: Engine) -> None:
    store.execute("DELETE FROM intermediate.trials")
    assert months_due(store, date(2026, 4, 20)) == []


def test_a_month_with_too_few_trials_gets_no_version_and_later_ones_are_numbered_on(store: Engine) -> None:
    assert calibrate(store, months_due(store, date(2026, 4, 20)), _benchmark, _grid) == 2
    versions = store.rows("SELECT * FROM config.calibration ORDER BY version")
    assert versions == [(0, date(1970, 1, 1), 10), (1, MARCH, 5), (2, APRIL, 5)]
    assert store.rows("SELECT * FROM config.calibration_grid ORDER BY version") == [(1, 7, 3), (2, 7, 4)]


def test_what_has_a_version_is_due_no_more(store: Engine) -> None:
    calibrate(store, [MARCH], _benchmark, _grid)
    assert months_due(store, date(2026, 4, 20)) == [APRIL]
    assert calibrate(store, [APRIL], _benchmark, _grid) == 1
    assert months_due(store, date(2026, 4, 20)) == []
    assert store.rows("SELECT max(version) FROM config.calibration") == [(2,)]
