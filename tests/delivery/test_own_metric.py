"""A metric of the user's own, from its file to its mistakes, as a user types it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.command import run

MINE = """/*
description: Trials by outcome
grain: one row per outcome
key: [outcome]
*/
SELECT
  CAST(t.{column} AS VARCHAR) AS outcome, -- what became of them
  CAST(count(*) AS BIGINT) AS trials -- how many
FROM marts.trials AS t
GROUP BY t.{column}
"""


@pytest.fixture
def own(company: Path, tmp_path: Path) -> Path:
    """A copy of the demo company with sql/metrics/mine.sql to be written."""
    folder = tmp_path / "own"
    shutil.copytree(company, folder)
    (folder / "sql" / "metrics").mkdir(parents=True)
    return folder


def test_a_metric_of_ones_own_is_one_file(own: Path) -> None:
    (own / "sql" / "metrics" / "mine.sql").write_text(MINE.format(column="outcome"), encoding="utf-8")
    run("lint", "-C", own)
    rows = run("metrics", "mine", "-f", "json", "-C", own).rows()
    every = run("trials", "--all", "-f", "json", "-C", own).rows()
    assert sum(row["trials"] for row in rows) == len(every)


def test_a_wrong_column_is_one_clear_error_everywhere(own: Path) -> None:
    path = own / "sql" / "metrics" / "mine.sql"
    path.write_text(MINE.format(column="outcme"), encoding="utf-8")
    published = (own / "data" / "published" / "CURRENT").read_text(encoding="ascii")
    asked = run("metrics", "mine", "-C", own, code=1)
    assert "metric mine" in asked.err
    assert "outcme" in asked.err
    assert str(path) in asked.err
    linted = run("lint", "-C", own, code=1)
    assert "metrics.mine: ColumnsExist: line 7: no column outcme; did you mean 'outcome'?" in linted.out
    refreshed = run("refresh", "-C", own, code=1)
    assert "metrics.mine, line 7: no column outcme" in refreshed.err
    assert not any("Traceback" in ran.err for ran in (asked, linted, refreshed))
    assert (own / "data" / "published" / "CURRENT").read_text(encoding="ascii") == published
