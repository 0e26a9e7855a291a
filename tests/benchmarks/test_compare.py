"""What other tools answer is compared row by row, and one row that differs ends the run."""

import sys
from pathlib import Path

import polars as pl
import pytest
from benchmarks.generate import generate
from benchmarks.measure import split

from benchmarks import compare
from trialwise import arrivals, pipeline
from trialwise.workspace import Workspace


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    """A peer that this environment has: polars."""
    folder = tmp_path_factory.mktemp("bench")
    inputs = generate(folder, 20_000, accounts=40, seed=4)
    workspace = Workspace.open(folder)
    earlier, later = split(inputs.parquet, 1)
    arrivals.import_files(workspace, [earlier], kind="events", file_format="flat")
    arrivals.import_files(workspace, [inputs.stripe], kind="stripe")
    pipeline.refresh(workspace)
    made = compare.Peers(folder / "peers", workspace)
    made.add(earlier)
    return made, later


def test_the_same_answers_before_and_after_more_events(peers, monkeypatch):
    made, later = peers
    monkeypatch.setattr(compare, "PYTHON", Path(sys.executable))
    answered = made._python("polars")
    assert answered.work.cpu > 0
    made.check("polars")
    few = dict(made.compared.rows)
    assert few["trial_usage"] > 1_000
    assert few["conversion"] > 20
    arrivals.import_files(made.workspace, [later], kind="events", file_format="flat")
    pipeline.refresh(made.workspace)
    with pytest.raises(RuntimeError, match="user_days"):
        made.check("polars")
    made.add(later)
    made._python("polars")
    made.check("polars")
    assert made.compared.rows["user_days"] > few["user_days"]


def test_one_cell_that_differs_is_an_error(peers, monkeypatch):
    made, _ = peers
    monkeypatch.setattr(compare, "PYTHON", Path(sys.executable))
    made._python("polars")
    path = made.answers / "polars_trial_usage.parquet"
    usage = pl.read_parquet(path)
    wrong = usage.with_row_index().with_columns(
        pl.when(pl.col("index") == 7)
        .then(pl.col("features_used") + 1)
        .otherwise(pl.col("features_used"))
        .alias("features_used")
    )
    wrong.drop("index").write_parquet(path)
    with pytest.raises(
        RuntimeError, match=r"trial_usage: of \d+ rows 1 are not among those of polars, which has 1 more"
    ):
        made.check("polars")


def test_a_peer_that_fails_is_named_with_what_it_said(peers, monkeypatch):
    made, _ = peers
    monkeypatch.setattr(compare, "PYTHON", Path(sys.executable))
    with pytest.raises(RuntimeError, match=r"(?s)benchmarks.peers.in_nothing.*No module"):
        made._python("nothing")
