"""Feature rows, segments and calibration on a hard set: replayable, restrictable, point in time."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest

from tests.oracle.segments_oracle import DAY, Verdict, stays, without_exit
from tests.oracle.usage_events import HardSet, hard_set
from tests.usage.chain import FEATURES, USAGE, day_no, run, shipped
from tests.usage.test_against_oracle import built
from trialwise.engines.duckdb import Engine
from trialwise.scoring.builtin import SEGMENTS
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.keys import restrict
from trialwise.transform.model import Model, load_model

CHAIN = ("intermediate.event_days", *USAGE, *FEATURES)
WITHOUT_KEYS = ("intermediate.usage_calendar", "intermediate.resolved_days")
INCREMENTAL = tuple(name for name in CHAIN if name not in WITHOUT_KEYS)


@cache
def _models() -> dict[str, Model]:
    return shipped()


def _with_facts(made: HardSet) -> Engine:
    """The whole chain of a hard set, with facts that change on day 3 and milestones that are reached on day 2."""
    engine = built(made)
    for k_from, k_to, asked, card in ((1, 2, "FALSE", "FALSE"), (3, 400, "start_no % 2 = 0", "TRUE")):
        engine.execute(
            f"INSERT INTO intermediate.trial_fact_steps BY NAME SELECT trial_id, account_key, {k_from} AS k_from, "
            f"{k_to} AS k_to, last_no - 30 AS ends_no, {asked} AS cancel_requested, {card} AS card_on_file, "
            "'cardless' AS card_type, 'trial' AS kind, TRUE AS is_first_trial, FALSE AS is_add_on "
            "FROM intermediate.trials"
        )
    engine.execute(
        "INSERT INTO intermediate.milestone_steps BY NAME SELECT trial_id, account_key, 2 AS k_from, 400 AS k_to, "
        "start_date + 1 AS data_source_connected_on, start_date + 1 AS teammate_invited_on, "
        "start_date + 1 AS card_added_on "
        "FROM intermediate.trials WHERE start_no % 3 = 0"
    )
    run(engine, _models(), FEATURES)
    return engine


def _rows(engine: Engine, table: str, where: str = "TRUE") -> list[tuple[Any, ...]]:
    return sorted(engine.rows(f"SELECT * FROM {table} WHERE {where}"), key=repr)


def test_memberships_are_those_of_a_day_by_day_replay() -> None:
    made = hard_set(21, accounts=20)
    made = replace(made, clock=replace(made.clock, known_at=made.clock.as_of))
    engine = _with_facts(made)
    conditions = ", ".join(
        f"{segment.enter} AS enter_{n}, {segment.exit or 'NULL::BOOLEAN'} AS exit_{n}"
        for n, segment in enumerate(SEGMENTS)
    )
    rows = engine.rows(f"SELECT trial_id, {conditions} FROM intermediate.trial_days ORDER BY trial_id, trial_day")
    expected = []
    for trial in made.trials:
        mine = [row[1:] for row in rows if row[0] == trial.trial_id]
        for number, segment in enumerate(SEGMENTS):
            verdicts = [
                without_exit(row[2 * number]) if segment.exit is None else Verdict(row[2 * number], row[2 * number + 1])
                for row in mine
            ]
            expected += [
                (trial.trial_id, segment.key, stay.entered_on, stay.left_on, stay.closed_reason)
                for stay in stays(trial.start_date, verdicts, trial.last_date, made.clock.as_of_date)
            ]
    found = engine.rows("SELECT trial_id, segment, entered_on, left_on, closed_reason FROM intermediate.memberships")
    engine.close()
    assert len(expected) > 50
    assert {row[1] for row in expected} >= {"heavy_usage", "card_on_file", "pql", "likely_to_convert", "went_quiet"}
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_a_past_day_reads_only_what_was_known_at_its_end() -> None:
    """Rows of the days before a cut are those of the whole input, cell by cell, with late events among them."""
    made = hard_set(8, accounts=15)
    whole = _with_facts(replace(made, clock=replace(made.clock, known_at=made.clock.as_of)))
    cut = dt.datetime(2026, 3, 30)
    kept = [event for event in made.events if event.known_at < cut and event.occurred_at < cut]
    assert any(event.occurred_at < cut <= event.known_at for event in made.events)
    truncated = _with_facts(replace(made, events=kept, clock=replace(made.clock, as_of=cut, known_at=cut)))
    days = f"activity_date < DATE '{cut.date()}'"
    known = _rows(whole, "intermediate.trial_days", days)
    assert len(known) > 100
    assert known == _rows(truncated, "intermediate.trial_days", days)
    whole.close()
    truncated.close()


@pytest.mark.parametrize("name", INCREMENTAL)
def test_a_row_depends_on_rows_of_its_keys_alone(name: str) -> None:
    """restricted(K) = full WHERE keys IN K, for random key sets: what `incremental` promises."""
    models = _models()
    model = models[name]
    engine = _built_once()
    keys = ", ".join(model.header.incremental)
    everything = sorted(set(engine.rows(f"SELECT DISTINCT {keys} FROM {name}")), key=repr)
    for seed in range(3):
        chosen = Random(seed).sample(everything, max(1, len(everything) // 10))
        engine.execute(f"CREATE OR REPLACE TABLE changed AS SELECT {keys} FROM {name} LIMIT 0")
        rows = ", ".join("(" + ", ".join(f"'{value}'" for value in row) + ")" for row in chosen)
        engine.execute(f"INSERT INTO changed VALUES {rows}")
        restricted = restrict(model, models, "changed").sql(dialect="duckdb")
        full = f"SELECT f.* FROM {name} AS f SEMI JOIN changed USING ({keys})"
        assert engine.rows(f"SELECT count(*) FROM ({full})")[0][0] > 0
        assert engine.rows(f"({restricted}) EXCEPT ALL ({full})") == []
        assert engine.rows(f"({full}) EXCEPT ALL ({restricted})") == []


@cache
def _built_once() -> Engine:
    made = hard_set(3, accounts=20)
    return _with_facts(replace(made, clock=replace(made.clock, known_at=made.clock.as_of)))


def _calibration(engine: Engine, table: str, day: dt.date) -> list[tuple[Any, ...]]:
    name = f"calibration.{table}"
    model = load_model(find_files([packaged_sql()])[name], name)
    return engine.rows(model.sql, {"version": 3, "valid_from": day})


def test_calibration_takes_nearest_rank_percentiles_of_the_days_before() -> None:
    """40 first trials with 1 to 40 events: the 5th percentile is the 2nd of 40, the 75th the 30th."""
    models = _models()
    engine = _built_once().cursor()
    day = dt.date(2026, 3, 10)
    columns = "trial_id, trial_day, activity_date, is_complete, kind, is_first_trial, is_add_on, card_type"
    engine.execute("CREATE SCHEMA IF NOT EXISTS intermediate")
    engine.execute("BEGIN")
    try:
        engine.execute("DELETE FROM intermediate.trial_days")
        facts = f"7, DATE '{day - DAY}', TRUE, 'trial', TRUE, FALSE, 'cardless'"
        for number in range(1, 41):
            engine.execute(
                f"INSERT INTO intermediate.trial_days ({columns}, value_events_total, events_per_active_day) "
                f"VALUES ('t{number:02d}', {facts}, {number}, {number / 4})"
            )
        # too few of another card type, and rows that must not count: an add-on, today, the day itself
        engine.execute(
            f"INSERT INTO intermediate.trial_days ({columns}, value_events_total, events_per_active_day) VALUES "
            f"('x1', 7, DATE '{day - DAY}', TRUE, 'trial', TRUE, FALSE, 'card_required', 900, NULL), "
            f"('x2', 7, DATE '{day - DAY}', TRUE, 'trial', TRUE, TRUE, 'cardless', 900, 900), "
            f"('x3', 7, DATE '{day - DAY}', FALSE, 'trial', TRUE, FALSE, 'cardless', 900, 900), "
            f"('x4', 7, DATE '{day}', TRUE, 'trial', TRUE, FALSE, 'cardless', 900, 900)"
        )
        grid = _calibration(engine, "calibration_grid", day)
        benchmark = _calibration(engine, "calibration", day)
        early = _calibration(engine, "calibration", day - DAY)
    finally:
        engine.execute("ROLLBACK")
    assert grid == [(3, 7, "cardless", 40, *range(2, 40, 2))]
    assert benchmark == [(3, day, 8)]  # the 30th value is 7.5, rounded up
    assert early == []
    assert day_no(day) == 20522
    assert set(models) >= set(CHAIN)
