"""Nothing new is told from files alone; whatever changed in one of them, a refresh looks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.command import run
from tests.keeping import NOW, land, receive, workspace
from tests.landing.kit import event
from trialwise import pipeline, standstill
from trialwise.clock import Clock, utc_now
from trialwise.config.secrets import Secrets
from trialwise.engines.duckdb import connect
from trialwise.history import NAME as HISTORY
from trialwise.jobs import jobs_of
from trialwise.landing.cursors import Cursors
from trialwise.owner.recording import Recorder
from trialwise.runs import Ledger
from trialwise.shipped import packaged_sql
from trialwise.standstill import Standstill, Warned
from trialwise.workspace import Workspace

LATER = NOW + timedelta(hours=3)
MAP = '[identity]\ncustomer_map = "map.csv"\n'


def _noted(held: Workspace) -> Workspace:
    """A workspace as a refresh leaves it, as far as is looked at."""
    (held.folder / "map.csv").write_text("customer_id,account_id\n", encoding="utf-8")
    (held.models / "marts").mkdir(parents=True)
    (held.models / "marts" / "own.sql").write_text("-- mine\n", encoding="utf-8")
    held.published.mkdir(parents=True)
    (held.published / "CURRENT").write_text("000001.duckdb\n", encoding="ascii")
    for path in (held.published / "000001.duckdb", held.store, held.calibration, held.data / HISTORY):
        path.write_bytes(b"as it was left")
    land(held, event(id="landed"))
    Cursors(held.landing).put("stripe", {"account": "acct_1", "polled": 1})
    found = Standstill(
        standstill.defined_by(held), standstill.landed_in(held), standstill.left_by(held),
        NOW, NOW, LATER, LATER, 1, 120, None, {}, (Warned("marts.own", "looks odd", 7),),
    )  # fmt: skip
    standstill.note(held, found)
    return held


@pytest.fixture
def held(tmp_path: Path) -> Workspace:
    """A workspace after a refresh."""
    return _noted(workspace(tmp_path / "held", MAP))


def _clock(hours: float = 0.0, known_hours: float | None = None) -> Clock:
    known = hours if known_hours is None else known_hours
    return Clock(NOW + timedelta(hours=hours), NOW + timedelta(hours=known), "UTC")


def _rewritten(path: Path) -> None:
    """Other bytes of the same number."""
    held = path.read_bytes()
    path.write_bytes(bytes(reversed(held)))
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


CHANGES: dict[str, Callable[[Workspace], object]] = {
    "a file landed": lambda held: land(held, event(id="new")),
    "calls wait": lambda held: receive(held, event(id="new")),
    "a segment was written anew": lambda held: _rewritten(held.landing / "000001.ndjson"),
    "somebody was forgotten": lambda held: (held.landing / "forgotten.json").write_text("{}"),
    "the account of Stripe is another": lambda held: Cursors(held.landing).put("stripe", {"account": "acct_2"}),
    "a model was edited": lambda held: (held.models / "marts" / "own.sql").write_text("-- ours\n"),
    "a model was added": lambda held: (held.models / "marts" / "other.sql").write_text("-- mine\n"),
    "the map was edited": lambda held: (held.folder / "map.csv").write_text("customer_id,account_id\na,b\n"),
    "the store was written": lambda held: _rewritten(held.store),
    "the store has a log": lambda held: held.store.with_name("store.duckdb.wal").write_bytes(b"rows"),
    "the store went": lambda held: held.store.unlink(),
    "another history is in its place": lambda held: _rewritten(held.data / HISTORY),
    "the history went": lambda held: (held.data / HISTORY).unlink(),
    "the calibration went": lambda held: held.calibration.unlink(),
    "the results were written": lambda held: _rewritten(held.published / "000001.duckdb"),
    "the results went": lambda held: (held.published / "000001.duckdb").unlink(),
    "others are current": lambda held: (held.published / "CURRENT").write_text("000002.duckdb\n"),
    "what was noted is damaged": lambda held: (held.data / standstill.NAME).write_bytes(b"{"),
    "what was noted is foreign": lambda held: (held.data / standstill.NAME).write_bytes(b'{"models": 1}'),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_changed_is_seen(held: Workspace, change: Callable[[Workspace], object]) -> None:
    assert standstill.find(held, _clock()) is not None
    change(held)
    assert standstill.find(held, _clock()) is None


def test_an_edit_of_the_configuration_is_seen(held: Workspace) -> None:
    (held.folder / "trialwise.toml").write_text(f"{MAP}[usage]\nbenchmark_events_per_day = 7\n", encoding="utf-8")
    assert standstill.find(Workspace.open(held.folder), _clock()) is None


def test_a_poll_that_brought_nothing_is_nothing_new(held: Workspace) -> None:
    Cursors(held.landing).put("stripe", {"account": "acct_1", "polled": 2})
    assert standstill.find(held, _clock()) is not None


@pytest.mark.parametrize(
    ("clock", "holds"),
    [
        (_clock(), True),
        (_clock(2.9), True),
        (_clock(3), False),  # the instant that matters
        (_clock(-1), False),  # a clock that was set back
        (_clock(0, 2.9), True),  # a fixed as_of, whatever is known by now
        (_clock(0, 3), False),
    ],
)
def test_a_clock_holds_up_to_the_instant_that_matters(held: Workspace, clock: Clock, holds: bool) -> None:
    assert (standstill.find(held, clock) is not None) == holds


def test_a_fixed_clock_holds_for_itself() -> None:
    fixed = Standstill("", "", "", NOW, NOW, NOW, NOW, 1, 120, None, {})
    assert fixed.holds(_clock())
    assert not fixed.holds(_clock(0.1))


def test_a_disk_that_refuses_costs_no_results(held: Workspace) -> None:
    (held.data / standstill.NAME).unlink()
    (held.data / standstill.NAME).mkdir()
    standstill.note(held, Standstill("", "", "", NOW, NOW, NOW, NOW, 1, 120, None, {}))
    assert standstill.find(held, _clock()) is None


def test_the_command_tells_what_the_refresh_before_did(held: Workspace) -> None:
    found = standstill.find(held, _clock())
    assert found is not None
    now = utc_now()
    standstill.note(held, replace(found, as_of=now, known_at=now, as_of_until=LATER.replace(year=2199),
                                  known_until=LATER.replace(year=2199)))  # fmt: skip
    said = run("refresh", "--dir", held.folder).err
    assert "120 models: 120 unchanged; nothing is new" in said
    assert "warning: marts.own: looks odd: 7 rows" in said
    assert "published as 000001.duckdb" in said
    (noted,) = Ledger(held.data).runs()
    assert (noted.job, noted.asked_by, noted.status, noted.generation) == ("refresh", "command", "ok", 1)


def test_who_does_not_own_the_store_is_told_nothing(held: Workspace) -> None:
    with held.lock():
        assert standstill.confirm(held) is None


def test_a_refresh_with_nothing_new_names_the_moment_that_answers_show(tmp_path: Path) -> None:
    held = workspace(tmp_path / "held", "")
    land(held, event(id="first"))

    def refreshed(minute: int) -> str:
        with patch("trialwise.clock.utc_now", lambda: NOW + timedelta(minutes=minute)):
            return run("refresh", "-C", held.folder).err.splitlines()[-1]

    noon = f"as of {NOW:%Y-%m-%d %H:%M}Z, published as 000001.duckdb"
    assert refreshed(0) == noon
    assert refreshed(1) == f"{noon}; the same as of {NOW + timedelta(minutes=1):%Y-%m-%d %H:%M}Z"
    (held.data / standstill.NAME).unlink()  # so that it looks at everything
    assert refreshed(2) == f"{noon}; the same as of {NOW + timedelta(minutes=2):%Y-%m-%d %H:%M}Z"
    assert refreshed(3) == f"{noon}; the same as of {NOW + timedelta(minutes=3):%Y-%m-%d %H:%M}Z"
    assert f"as of {NOW:%Y-%m-%d %H:%M}Z (generation 1)" in run("trials", "-C", held.folder).err


def test_a_refresh_notes_where_it_left_off(tmp_path: Path) -> None:
    held = workspace(tmp_path / "refreshed")
    land(held, event(id="first"))
    pipeline.refresh(held)
    assert standstill.confirm(held) is not None
    into = tmp_path / "then.duckdb"
    pipeline.refresh(held, as_of="2026-02-01", into=into)  # of another moment: nothing here was changed by it
    land(held, event(id="second"))
    assert standstill.confirm(held) is None
    pipeline.load_landed(held)
    assert standstill.confirm(held) is None
    pipeline.refresh(held)
    assert standstill.confirm(held) is not None
    engine = connect(held.store)
    engine.execute("INSERT INTO raw.dim_event SELECT 9999, 'never'")
    engine.close()
    assert standstill.confirm(held) is None


def test_a_scheduled_refresh_looks_only_where_something_is_new(tmp_path: Path) -> None:
    held = workspace(tmp_path / "scheduled")
    (job,) = [job for job in jobs_of(held.config, Secrets()) if job.name == "refresh"]
    recorder = Recorder(held)
    looked = []
    for _ in range(2):
        land(held, event(id=f"event {len(looked)}"))
        for _ in range(3):
            done = recorder.record("refresh", "schedule", lambda: job.task(held))
            looked.append(isinstance(done, pipeline.Refreshed))
    assert looked == [True, False, False] * 2
    recorder.record("refresh", "command", lambda: pipeline.refresh(held))  # it finds nothing by looking at everything
    (by_looking, by_files, *_) = Ledger(held.data).runs()
    assert (by_files.status, by_files.generation, by_files.rows) == ("ok", 2, 0)
    assert by_files.fingerprints
    for name in ("status", "generation", "rows", "watermark", "fingerprints"):
        assert getattr(by_files, name) == getattr(by_looking, name)
    assert sum(by_files.details["models"].values()) == sum(by_looking.details["models"].values())
    assert by_files.details.keys() == by_looking.details.keys()
    assert by_files.details["warnings"] == by_looking.details["warnings"]
    for told in (by_files.details["as_of"], by_files.details["known_at"]):
        assert (
            timedelta(0)
            <= datetime.fromisoformat(told) - by_files.started_at.replace(tzinfo=UTC)
            < timedelta(minutes=1)
        )


def test_a_process_that_outlives_an_upgrade_notes_the_program_it_runs(held: Workspace, tmp_path: Path) -> None:
    """What it left is no standstill to the program that came after it."""
    package = Path(standstill.__file__).parent
    shutil.copytree(package, tmp_path / "src" / "trialwise", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "sql").symlink_to(packaged_sql())
    asks = (
        "import pathlib, sys\n"
        "from trialwise import standstill\n"
        "from trialwise.workspace import Workspace\n"
        "before = standstill.defined_by(Workspace.open(sys.argv[1]))\n"
        "path = pathlib.Path(standstill.__file__).with_name('clock.py')\n"
        "if len(sys.argv) > 2: path.write_text(path.read_text() + '# another version\\n')\n"
        "print(before, standstill.defined_by(Workspace.open(sys.argv[1])))\n"
    )

    def told(*more: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", asks, str(held.folder), *more],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "src")}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    before, upgraded, after = told(), told("upgrade"), told()
    assert before[0] == before[1] == upgraded[0] == upgraded[1], "it is the same program until it ends"
    assert after[0] == after[1] != before[0]
