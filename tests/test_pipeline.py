"""refresh as a whole: what fails costs nothing, what is published stays consistent."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

import trialwise
from tests.command import run, write_lines
from trialwise.arrivals import import_files
from trialwise.clock import to_local, utc_now
from trialwise.delivery import publishing
from trialwise.engines.duckdb import connect
from trialwise.errors import ConfigError, StoreLocked
from trialwise.pipeline import refresh
from trialwise.workspace import Workspace

HEADER = """/*
description: A model of the user's own.
grain: one row per trial
key: [trial_id]
{more}
*/
"""
OWN = """SELECT
  CAST(t.trial_id AS VARCHAR) AS trial_id, -- the trial
  CAST({column} AS VARCHAR) AS plan -- its plan
FROM {table} AS t
"""


@pytest.fixture
def copy(company: Path, tmp_path: Path) -> Path:
    """A copy of the demo company to break."""
    folder = tmp_path / "copy"
    shutil.copytree(company, folder)
    return folder


def _model(folder: Path, name: str, more: str = "", column: str = "t.plan", table: str = "marts.trials") -> None:
    path = folder / "sql" / f"{name.replace('.', '/')}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER.format(more=more) + OWN.format(column=column, table=table), encoding="utf-8")


def _published(folder: Path) -> list[tuple[str, bytes]]:
    published = folder / "data" / "published"
    return [(path.name, path.read_bytes()) for path in sorted(published.iterdir())]


@pytest.mark.parametrize(
    ("model", "more", "column", "table", "code", "message"),
    [
        ("marts.mine", "", "t.paln", "marts.trials", 1, "marts.mine, line 9"),
        ("marts.mine", "", "t.plan", "marts.trails", 1, "did you mean 'marts.trials'"),
        ("marts.mine", "", "t.plan", "marts.mine", 1, "marts.mine"),
        ("marts.mine", "accepted: {plan: [no_such_plan]}", "t.plan", "marts.trials", 3, "plan"),
        ("marts.mine", "not_null: [plan]", "NULL", "marts.trials", 3, "plan is not null"),
        ("marts.mine", "kye: [trial_id]", "t.plan", "marts.trials", 1, "did you mean 'key'"),
        (
            "marts.mine",
            "incremental: [trial_id]",
            "row_number() OVER (ORDER BY t.started_at)",
            "marts.trials",
            1,
            "trial_id",
        ),
    ],
    ids=["renamed column", "unknown table", "cycle", "accepted", "not null", "header key", "incremental key"],
)  # fmt: skip
def test_a_model_that_cannot_be_used_is_one_clear_error_and_the_results_stay(
    copy: Path, model: str, more: str, column: str, table: str, code: int, message: str
) -> None:
    before = _published(copy)
    rate = run("metrics", "trial_conversion", "-f", "csv", "-C", copy).out
    _model(copy, model, more, column, table)
    ran = run("refresh", "-C", copy, code=code)
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert _published(copy) == before
    assert run("metrics", "trial_conversion", "-f", "csv", "-C", copy).out == rate
    shutil.rmtree(copy / "sql")
    run("refresh", "-C", copy)
    same = run("metrics", "trial_conversion", "-f", "json", "-C", copy).rows()
    assert [row["value"] for row in same] == [
        float(line.split(",")[14]) if line.split(",")[14] else None for line in rate.splitlines()[1:]
    ]


def test_a_shipped_table_of_ones_own_making_keeps_its_columns(copy: Path) -> None:
    before = _published(copy)
    _model(copy, "marts.trials", table="intermediate.trials")
    for command in ("refresh", "lint"):
        said = run(command, "-C", copy, code=1).err
        assert f"marts.trials: {copy / 'sql' / 'marts' / 'trials.sql'} lacks account_id," in said
        assert "of the shipped model\nMetrics, lists and other models read them: keep them" in said
    assert _published(copy) == before


def test_a_misspelt_segment_column_is_one_clear_error(copy: Path) -> None:
    before = _published(copy)
    with (copy / "trialwise.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[segments]]\nkey = "own"\nenter = "actve_days_7d >= 3"\n')
    ran = run("refresh", "-C", copy, code=1)
    assert "segment 'own'" in ran.err
    assert "did you mean 'active_days_7d'" in ran.err
    assert _published(copy) == before


def test_a_segment_of_ones_own_in_three_lines(copy: Path) -> None:
    with (copy / "trialwise.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[segments]]\nkey = "own"\nenter = "active_days_7d >= 2"\n')
    run("refresh", "-C", copy)
    rows = run("trials", "--segment", "own", "-f", "json", "-C", copy).rows()
    assert rows
    assert all(row["active_days_7d"] >= 2 for row in rows)


def test_a_model_of_ones_own_is_published(copy: Path) -> None:
    _model(copy, "marts.mine")
    run("refresh", "-C", copy)
    counts = trialwise.open(copy).sql("SELECT (SELECT count(*) FROM marts.mine) = (SELECT count(*) FROM marts.trials)")
    assert counts.row(0) == (True,)


def test_a_refresh_without_news_gives_the_same_rows(copy: Path) -> None:
    first = trialwise.open(copy)
    tables = [
        name
        for (name,) in first.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'").rows()
    ]
    before = {
        table: first.sql(f"SELECT count(*), sum(hash(t)) FROM marts.{table} AS t").row(0)
        for table in tables
        if table != "clock"
    }
    run("refresh", "-C", copy)
    assert trialwise.open(copy).number == first.number  # nothing to publish
    run("refresh", "--full", "-C", copy)
    again = trialwise.open(copy)
    assert again.number == first.number + 1
    assert {
        table: again.sql(f"SELECT count(*), sum(hash(t)) FROM marts.{table} AS t").row(0) for table in before
    } == before


def test_a_store_of_a_version_with_other_settings_is_brought_up_to_date(copy: Path) -> None:
    workspace = Workspace.open(copy)
    engine = connect(workspace.store)
    engine.execute("ALTER TABLE config.clock DROP COLUMN complete_no")
    engine.execute("ALTER TABLE config.parameters ADD COLUMN given_up INTEGER")
    engine.close()
    refresh(workspace)
    engine = connect(workspace.store, read_only=True)
    assert engine.rows("SELECT as_of_no - complete_no IN (0, 1) FROM config.clock") == [(True,)]
    assert "given_up" not in [name for name, _ in engine.columns("FROM config.parameters")]
    engine.close()


def test_while_another_owns_the_store_an_import_lands_and_waits(copy: Path, tmp_path: Path) -> None:
    workspace = Workspace.open(copy)
    file = write_lines(
        tmp_path / "more.ndjson",
        [
            {
                "type": "track",
                "event": "Report Built",
                "userId": "u1",
                "messageId": "more-1",
                "timestamp": "2026-03-30T10:00:00Z",
            }
        ],
    )
    with workspace.lock():
        ran = run("import", "events", file, "-C", copy)
        assert "loaded 0 + duplicate 0 + quarantined 0 + pending 1" in ran.err
        with pytest.raises(StoreLocked, match=f"owned by process {os.getpid()}"):
            refresh(workspace)
        assert run("trials", "-C", copy).out
    assert refresh(workspace).loaded.loaded == 1
    assert import_files(workspace, [file], kind="events").receipts[0].is_repeat


def test_an_empty_workspace_refreshes_and_answers(tmp_path: Path) -> None:
    run("init", tmp_path)
    assert "Run 'trialwise refresh'" in run("trials", "-C", tmp_path, code=1).err
    run("refresh", "-C", tmp_path)
    assert run("trials", "-f", "json", "-C", tmp_path).rows() == []
    assert run("metrics", "trial_conversion", "--definition", "start_cohort", "-f", "csv", "-C", tmp_path).code == 0
    assert run("doctor", "-C", tmp_path).out


def test_product_trials_need_a_length(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text("", encoding="utf-8")
    file = write_lines(
        tmp_path / "e.ndjson",
        [{"type": "track", "event": "Trial Started", "userId": "u", "messageId": "m",
          "timestamp": "2026-01-01T00:00:00Z",
          "receivedAt": "2026-01-01T00:00:00Z", "context": {"groupId": "acme"}}],
    )  # fmt: skip
    run("import", "events", file, "-C", tmp_path)
    ran = run("refresh", "-C", tmp_path, code=1)
    assert "length_days" in ran.err


def test_what_is_published_is_written_whole_once_a_week(tmp_path: Path) -> None:
    """One trial from the 1st on; between whole files a file is that of the refresh before with other rows in places."""
    event = {"type": "track", "event": "Trial Started", "userId": "u", "messageId": "m",
             "timestamp": "2026-03-01T00:00:00Z", "context": {"groupId": "acme"}}  # fmt: skip
    file = write_lines(tmp_path / "e.ndjson", [event])
    whole = []
    for day in ("05", "06", "11", "12", "13", "10"):
        config = f'[clock]\nas_of = "2026-03-{day} 12:00:00"\n[trials]\nlength_days = 14\n'
        (tmp_path / "trialwise.toml").write_text(config, encoding="utf-8")
        if not whole:
            run("import", "events", file, "-C", tmp_path)
        with patch.object(publishing, "write_generation", wraps=publishing.write_generation) as written:
            done = refresh(Workspace.open(tmp_path))
        whole.append((day, written.called))
        engine = connect(done.generation, read_only=True)
        days = int(day)  # the trial's days up to the clock's
        assert engine.rows("SELECT count(*) FROM intermediate.trial_days") == [(days,)]
        assert engine.rows("SELECT trial_day FROM main.trial_rows") == [(days,)]
        engine.close()
    assert whole == [("05", True), ("06", False), ("11", False), ("12", True), ("13", False), ("10", True)]


@pytest.mark.parametrize("name", ["as_of", "known_at"])
def test_what_is_published_is_of_no_day_to_come(tmp_path: Path, name: str) -> None:
    """Its record would bar all others until then, and the versions made for it would be there before their month."""
    moment = (utc_now() + timedelta(hours=27)).isoformat(sep=" ", timespec="seconds")
    (tmp_path / "trialwise.toml").write_text(f'[clock]\n{name} = "{moment}"\n', encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    with pytest.raises(ConfigError, match=f"{name} {moment[:16]}Z is ahead of this machine's clock") as told:
        refresh(workspace)
    assert f"Mend [clock] {name} in trialwise.toml" in (told.value.hint or "")
    assert not workspace.published.exists()
    assert refresh(workspace, into=tmp_path / "ahead.duckdb").generation.exists(), "to look ahead costs nothing"
    today = to_local(utc_now(), "Pacific/Auckland").date().isoformat()
    (tmp_path / "trialwise.toml").write_text(
        f'[workspace]\ntimezone = "Pacific/Auckland"\n[clock]\nas_of = "{today}"\n', encoding="utf-8"
    )
    assert refresh(Workspace.open(tmp_path)).generation.exists(), "the end of today is no day to come"


HIDDEN = """/*
description: People who are not to be seen.
grain: one row per trial
key: [trial_id]
{more}*/
SELECT CAST(concat('of-', t.account_id, '-alone') AS VARCHAR) AS trial_id -- whose it is
FROM marts.trials AS t
"""


def test_a_table_that_is_published_no_more_is_in_no_byte_of_the_results(tmp_path: Path) -> None:
    event = {"type": "track", "event": "Trial Started", "userId": "u", "messageId": "m",
             "timestamp": "2026-03-01T00:00:00Z", "context": {"groupId": "acme"}}  # fmt: skip
    file = write_lines(tmp_path / "e.ndjson", [event])
    config = '[clock]\nas_of = "2026-03-05"\n[trials]\nlength_days = 14\n'
    (tmp_path / "trialwise.toml").write_text(config, encoding="utf-8")
    own = tmp_path / "sql" / "marts" / "hidden.sql"
    own.parent.mkdir(parents=True)
    own.write_text(HIDDEN.format(more=""), encoding="utf-8")
    run("import", "events", file, "-C", tmp_path)
    workspace = Workspace.open(tmp_path)
    assert b"of-acme-alone" in refresh(workspace).generation.read_bytes()
    own.write_text(HIDDEN.format(more="published: false\n"), encoding="utf-8")
    done = refresh(workspace)
    assert done.generation.name == "000002.duckdb"
    assert b"of-acme-alone" not in done.generation.read_bytes()
    assert "marts.hidden" not in publishing.tables_in(done.generation)
    assert refresh(workspace).generation == done.generation, "and that is that"


def test_what_a_killed_owner_left_unfinished_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text("", encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    refresh(workspace)
    data = workspace.data
    left = [data / "scratch" / name for name in ("17.duckdb", "17.duckdb.wal", "17.duckdb.tmp/block")]
    left += [data / "moments" / name for name in (".ab12.duckdb.unfinished", ".ab12.duckdb.unfinished.wal")]
    kept = data / "moments" / "cd34.duckdb"
    for path in (*left, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    run("doctor", "-C", tmp_path)
    assert [path for path in left if path.exists()] == []
    assert kept.exists()
