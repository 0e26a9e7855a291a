"""A history is what the loader would have left, and batches onto it are what they are called."""

import json

import polars as pl
import pytest
from benchmarks.history import READY, Batch, goals_of, keep, measure_to, prepare, write_batch
from benchmarks.measure import Stopwatch, refresh_once

from trialwise import arrivals, pipeline
from trialwise.engines.duckdb import connect
from trialwise.workspace import Workspace


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "history"
    prepare(folder, 50_000, seed=1)
    return folder


def rows(folder, sql):
    engine = connect(folder / "data" / "store.duckdb", read_only=True)
    try:
        return engine.rows(sql)[0]
    finally:
        engine.close()


def test_a_history_stands_in_raw_in_the_order_of_arrival(history):
    count, ids, late, unsorted = rows(
        history,
        "SELECT count(*), count(DISTINCT event_id), avg(CAST(known_date > activity_date + 1 AS INTEGER)), "
        "(SELECT count(*) FROM (SELECT known_at < lag(known_at) OVER (ORDER BY rowid) AS is_less FROM raw.events) "
        "WHERE is_less) FROM raw.events",
    )
    assert 45_000 < count == ids
    assert 0.005 < late < 0.015
    assert unsorted == 0
    assert rows(history, "SELECT received = loaded, loaded > 45000 FROM raw.loads") == (True, True)


def test_a_batch_is_news_of_some_accounts_and_a_refresh_takes_it_in(history):
    workspace = Workspace.open(history)
    pipeline.refresh(workspace)
    before = rows(history, "SELECT count(*) FROM raw.events")[0]
    path = write_batch(history, Batch(600, 10), 60, 1, 1)
    events = pl.read_parquet(path)
    assert (events.height, events["id"].n_unique()) == (600, 600)
    assert 3 <= events["account_id"].n_unique() <= 10
    assert not set(events["id"]) & set(pl.read_parquet(write_batch(history, Batch(600, 10), 60, 2, 1))["id"])
    arrivals.import_files(workspace, [path], kind="events", file_format="flat")
    watch = Stopwatch()
    told = []
    done = refresh_once(workspace, tell=lambda step, cost: told.append((step, cost)))
    spent = watch.read()
    assert rows(history, "SELECT count(*) FROM raw.events")[0] == before + 600
    assert rows(history, "SELECT count(*) FROM raw.dim_account WHERE account_id LIKE 'acct-%'")[0] == 60
    assert {"intermediate.user_days", "checks, commit, record", "publish"} <= set(done.steps)
    assert 0 < done.of({"publish"}).wall < done.work.wall < spent.wall
    assert [step for step, _ in told][-2:] == ["publish", "checks, commit, record"]
    assert ("intermediate.user_days", done.steps["intermediate.user_days"]) in told


def test_a_store_that_was_filled_again_is_not_measured(tmp_path):
    folder = tmp_path / "history"
    prepare(folder, 10_000, seed=1)
    ready = json.loads((folder / READY).read_text(encoding="utf-8"))
    (folder / READY).write_text(json.dumps({**ready, "rows": ready["rows"] + 1}), encoding="utf-8")
    with pytest.raises(RuntimeError, match="prepared by another version"):
        measure_to(folder, 10_000, 1, 1, tmp_path / "out.json")


def cost(cpu):
    return {"wall": cpu, "cpu": cpu}


def figures(events, full, refresh):
    return {
        "events": events, "accounts": 1, "noon_trials": 5, "raw_scan": cost(1.0), "full_refresh": cost(full),
        "peak_gigabytes": {"full refresh": 2.0, "everything": 3.0}, "new_day": cost(1.0), "noon": cost(1.0),
        "noon_publish": cost(1.0), "publish_trial_days": cost(1.0), "build_trial_days": cost(10.0),
        "listing_ms": {"0.5": cost(4.0), "0.99": cost(20.0)},
        "batches": {"100,000 events of 1,000 accounts": {"refresh": cost(refresh), "import": cost(1.0)}},
    }  # fmt: skip


def test_a_batch_is_measured_against_the_rebuild_and_against_a_tenth_of_the_history():
    goals = {goal.goal: (goal.value.cpu, goal.is_met) for goal in goals_of([figures(10, 10, 1), figures(100, 50, 2)])}
    assert goals["G5"] == (0.04, True)
    assert goals["G6"] == (1.5, False)
    assert goals["G15"] == (1.0, False)


def test_sizes_are_kept_beside_each_other(tmp_path):
    path = tmp_path / "history.json"
    keep(path, [figures(100, 50, 2)])
    merged = keep(path, [figures(10, 10, 1), figures(100, 60, 2)])
    assert [(one["events"], one["full_refresh"]["cpu"]) for one in merged] == [(10, 10), (100, 60)]
    assert json.loads(path.read_text(encoding="utf-8")) == merged
