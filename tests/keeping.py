"""A workspace with something of everything a backup takes, for tests of backup and restore."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tests.landing.kit import call, event, subscription
from trialwise import pipeline
from trialwise.clock import utc_now
from trialwise.engines.duckdb import connect
from trialwise.keys import Keys
from trialwise.landing.compact import compact
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.runs import Ledger, Outcome
from trialwise.sources.files import open_file
from trialwise.workspace import Workspace

NOW = datetime(2026, 3, 1, 12)
COLLECTOR = Channel("events", "segment", "collector")
TABLES = "SELECT concat(schema_name, '.', table_name) FROM duckdb_tables() WHERE schema_name {} ORDER BY ALL"


RUNNING = """/*
description: Running trials, the oldest first.
grain: one row per trial
key: [trial_id]
*/
SELECT
    CAST(t.trial_id AS VARCHAR) AS trial_id, -- the trial
    CAST(t.account_id AS VARCHAR) AS account_id, -- its account
    CAST(row_number() OVER (ORDER BY t.started_at, t.trial_id) AS INTEGER) AS position -- place in the list, from 1
FROM marts.trials AS t
WHERE t.is_active
"""
"""A list of somebody's own: sql/lists/running.sql."""


def workspace(folder: Path, config: str = "") -> Workspace:
    """An empty one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trialwise.toml").write_text(config, encoding="utf-8")
    return Workspace.open(folder)


def copied(make: Callable[[Path], Workspace], folder: Path) -> Workspace:
    """A workspace as `make` makes it, which does so once in a process."""
    shutil.copytree(_made(make), folder, dirs_exist_ok=True)
    return Workspace.open(folder)


@cache
def _made(make: Callable[[Path], Workspace]) -> Path:
    top = Path(tempfile.mkdtemp(prefix="trialwise-tests-"))
    atexit.register(shutil.rmtree, top)
    return make(top / "made").folder


def land(held: Workspace, *records: Any, kind: str = "events", now: datetime = NOW) -> None:
    """Land one file of records."""
    path = held.folder / "incoming.ndjson"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    Landing(held.landing).land(open_file(path, kind=kind), landed_at=now)
    path.unlink()


def receive(held: Workspace, *records: Any, writer: str = "test", now: datetime = NOW) -> None:
    """Records that are acknowledged, and wait to be sealed."""
    with Journal(Landing(held.landing), COLLECTOR, writer) as journal:
        journal.append([Arrival(now, [(1, 0, json.dumps(record).encode(), None, None, None) for record in records])])


def furnished(folder: Path, config: str = "") -> Workspace:
    """One with segments, compacted ones, a journal, cursors, keys, a ledger, a model of its own; loaded in part."""
    held = workspace(folder, config)
    land(held, event(id="compacted"), event(user_id="null"))
    land(held, subscription(), kind="stripe")
    pipeline.load_landed(held)
    later = utc_now() + timedelta(days=1)
    compact(Landing(held.landing), landed_before=later, now=later)
    land(held, event(id="landed"))
    pipeline.load_landed(held)
    receive(held, call(messageId="acknowledged"))
    Cursors(held.landing).put("http-usage", {"page": 7})
    Keys(held.keys).create("website", ["ingest"], NOW)
    held.calibration.write_text("", encoding="utf-8")
    for _ in range(2):
        ledger = Ledger(held.data)
        ledger.end(ledger.begin("load", asked_by="command"), Outcome())
    known = sqlite3.connect(held.landing / "cursors" / "stripe-known.sqlite")
    known.execute("PRAGMA journal_mode = WAL")
    known.executescript("CREATE TABLE runs (run_id INTEGER); INSERT INTO runs VALUES (1), (2);")
    known.close()
    (held.models / "marts").mkdir(parents=True)
    (held.models / "marts" / "own.sql").write_text("-- not read by these tests\n", encoding="utf-8")
    return held


def everything(store: Path, schemas: str = "= 'raw'") -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a store's schemas."""
    engine = connect(store, read_only=True)
    try:
        names: Sequence[str] = [name for (name,) in engine.rows(TABLES.format(schemas))]
        return {name: engine.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in names}
    finally:
        engine.close()


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; of a lock that it is there, as it tells who held it last and in which second."""
    found = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return {
        path.relative_to(folder).as_posix(): b"" if path.name.endswith(".lock") else path.read_bytes() for path in found
    }
