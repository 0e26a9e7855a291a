"""The load benchmark takes the same rows in through every door, and tells what each step of it costs."""

import json
import subprocess
import sys
from collections import defaultdict

import pytest
from benchmarks.generate import generate
from benchmarks.load import BARE, NOTHING, Run, Taken, bare_read, goals_of, profiled, take
from benchmarks.measure import Cost

from trialwise.engines.duckdb import connect


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("bench"), 10_000, seed=3, ndjson=True)


@pytest.mark.parametrize("door", ["ndjson", "parquet", "live"])
def test_every_door_takes_every_row_in_and_tells_its_steps(door, inputs, tmp_path):
    taken = take(door, inputs, tmp_path / door)
    assert taken.landing.cpu > 0
    assert taken.loading.cpu > 0
    assert {"landing: file to records", "landing: checks, frames, fsync", "read_calls", "insert_events"} <= set(
        taken.steps
    )
    engine = connect(tmp_path / door / "data" / "store.duckdb", read_only=True)
    assert engine.rows("SELECT count(*), count(DISTINCT event_id) FROM raw.events") == [(inputs.events, inputs.events)]
    engine.close()


def test_the_bare_read_holds_every_row_typed(inputs, tmp_path):
    assert bare_read(BARE, inputs.ndjson, tmp_path / "bare.duckdb").wall > 0
    engine = connect(tmp_path / "bare.duckdb", read_only=True)
    assert engine.rows("SELECT count(*), count(id), count(timestamp), count(received_at) FROM bare") == [
        (inputs.rows,) * 4
    ]
    engine.close()


def test_steps_carry_the_names_of_the_loaders_statements():
    steps = defaultdict(lambda: NOTHING)
    engine = connect()
    with profiled(steps):
        engine.execute("SELECT 1")
    engine.execute("SELECT 2")
    engine.close()
    assert list(steps) == ["select"]
    assert steps["select"].wall > 0


def test_a_ratio_is_speed_over_the_speed_of_the_bare_read():
    doors = {door: Taken(door, Cost(2.0, 1.0), Cost(2.0, 3.0), {}) for door in ("ndjson", "parquet", "live")}
    goals = goals_of([Run(Cost(2.0, 1.0), Cost(1.0, 1.0), doors)])
    values = {(goal.goal, goal.what.split(" / ")[0]): (goal.value.wall, goal.value.cpu) for goal in goals}
    assert values["G8", "ndjson: landing + loading"] == (0.5, 0.25)
    assert values["G9", "parquet: landing + loading"] == (0.5, 0.25)
    assert values["", "live: landing"] == (1.0, 1.0)
    assert "MISSED" in str(goals[0])


@pytest.mark.long
def test_a_run_prints_both_goals(tmp_path):
    command = [sys.executable, "-m", "benchmarks.load", "--rows", "10000", "--runs", "1"]
    done = subprocess.run([*command, "--json", str(tmp_path / "out.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "What live costs" in done.stdout
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [goal["goal"] for goal in figures["goals"] if goal["target"]] == ["G8", "G9"]
    assert all(goal["value"]["cpu"] > 0 for goal in figures["goals"])
    assert {step["step"] for step in figures["profile"]["parquet"]} > {"read_calls", "landing: file to records"}
