"""The benchmark inputs are what the budgets speak of, and one small run prints every goal."""

import hashlib
import json
import subprocess
import sys
from collections import Counter

import duckdb
import polars as pl
import pytest
from benchmarks.generate import EVENTS, MACRO, generate, pieces
from benchmarks.measure import Cost, Goal, percentile, split


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("bench"), 200_000, accounts=2_000, seed=2, ndjson=True)


def test_duplicates_late_rows_and_order(inputs):
    events = pl.read_parquet(inputs.parquet)
    assert events["id"].n_unique() == inputs.events
    assert events.height == inputs.rows
    assert 190_000 < inputs.events < 210_000
    assert 0.015 < inputs.rows / inputs.events - 1 < 0.025
    late = (events["received_at"] - events["timestamp"]).dt.total_hours() >= 24
    assert 0.007 < late.mean() < 0.013
    assert events["received_at"].is_sorted()


def test_skew_and_several_users(inputs):
    events = pl.read_parquet(inputs.parquet)
    counts = events["account_id"].value_counts()["count"].sort(descending=True)
    assert inputs.accounts == 2_000
    assert counts[0] > 20 * counts.median()
    assert events["user_id"].n_unique() > 1.5 * events["account_id"].n_unique()


def test_pieces_of_any_size_hold_the_same_rows():
    """Memory is bounded by drawing a stretch of time after the other; where the stretches end must not show."""
    connection = duckdb.connect()
    connection.execute(MACRO.replace("$seed", "2"))
    query = f"SELECT *, $seed FROM ({EVENTS})"
    whole, parts = (
        [row for piece in pieces(50_000, 60, 2, size) for row in connection.execute(query, piece).fetchall()]
        for size in (10_000_000, 20_000)
    )
    assert len(list(pieces(50_000, 60, 2, 20_000))) > 5
    assert len(whole) > 45_000
    assert parts == whole


def test_ndjson_holds_the_same_rows(inputs):
    rows = pl.read_ndjson(inputs.ndjson)
    assert rows.height == inputs.rows
    assert rows["id"].to_list() == pl.read_parquet(inputs.parquet)["id"].to_list()
    assert rows["timestamp"][0].endswith("Z")


def test_stripe_side_has_one_trial_per_account(inputs):
    envelopes = [json.loads(line) for line in inputs.stripe.read_text(encoding="utf-8").splitlines()]
    kinds = Counter(envelope["type"] for envelope in envelopes)
    assert kinds["customer.subscription.created"] == 2_000
    assert 0 < kinds["invoice.paid"] < 600
    assert {"customer.subscription.updated", "customer.subscription.deleted", "payment_method.attached"} <= kinds.keys()


def test_same_arguments_same_rows(tmp_path, inputs):
    again = generate(tmp_path, 200_000, accounts=2_000, seed=2)
    assert pl.read_parquet(again.parquet).equals(pl.read_parquet(inputs.parquet))
    digests = [hashlib.sha256(each.stripe.read_bytes()).hexdigest() for each in (again, inputs)]
    assert digests[0] == digests[1]


def test_too_few_events_are_refused(tmp_path):
    with pytest.raises(ValueError, match="9999 events are too few"):
        generate(tmp_path, 9_999)


def test_what_came_last_is_split_off_in_the_order_of_arrival(inputs):
    files = split(inputs.parquet, 2)
    parts = [pl.read_parquet(path) for path in files]
    assert [part.height for part in parts[1:]] == [inputs.rows // 100] * 2
    assert pl.concat(parts).equals(pl.read_parquet(inputs.parquet))


def test_targets_are_kept_by_cpu_time_but_latencies_by_the_clock():
    busy = Cost(wall=3.0, cpu=1.0)
    assert Goal("G1", "a ratio", busy, 2).is_met
    assert not Goal("G11", "a latency", busy, 2, by_clock=True).is_met
    assert not Goal("G8", "a speed", busy, 2, is_least=True).is_met


def test_ratio_and_nearest_rank():
    assert Cost(6.0, 9.0).over(Cost(2.0, 3.0)) == Cost(3.0, 3.0)
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.99) == 2.0


@pytest.mark.long
def test_a_run_prints_every_goal(tmp_path):
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--events",
        "10000",
        "--accounts",
        "120",  # so many that some are in their trial, and used, at the noon that is measured
        "--runs",
        "1",
        "--no-peers",
        "--json",
        str(tmp_path / "out.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    goals = ["G1", "G1", "G2", "G4", "G4", "G7", "G12", "G14", "G14", "G15", "G15", "G11", "G11"]
    assert [goal["goal"] for goal in figures["goals"] if goal["target"] is not None] == goals
    assert figures["differing"] == {}
    assert all(goal["value"]["cpu"] > 0 for goal in figures["goals"] if goal["goal"] != "G7")
    steps = {step["step"] for step in figures["profile"]}
    named = {"intermediate.user_days", "intermediate.trial_days", "marts.trials", "checks, commit, record", "publish"}
    assert named <= steps
