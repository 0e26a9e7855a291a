"""A workspace whose generations are made of the trials a test gives, published and put on record as a refresh does."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.delivery.conftest import EXPANSION, Rows, at, clock_rows, fill, trial
from trialwise import chronicle
from trialwise.clock import Clock
from trialwise.config import parse_config
from trialwise.delivery import shown
from trialwise.delivery.publishing import Delta, Published
from trialwise.engines.duckdb import Engine, connect
from trialwise.history import NAME
from trialwise.shipped import packaged_sql
from trialwise.transform.model import Model, load_model
from trialwise.workspace import Workspace

RAW = """
CREATE SCHEMA raw; CREATE SCHEMA IF NOT EXISTS config;
CREATE TABLE raw.loads (load_id INTEGER);
CREATE TABLE raw.stripe (record_id INTEGER, event_type VARCHAR, object_type VARCHAR, object_id VARCHAR,
    object VARCHAR, load_id INTEGER);
CREATE TABLE raw.events (event_id INTEGER, account_key INTEGER, activity_date DATE, load_id INTEGER);
CREATE TABLE raw.identities (call_id INTEGER, account_key INTEGER, kind VARCHAR, load_id INTEGER);
CREATE TABLE raw.dim_account (account_key INTEGER, account_id VARCHAR);
CREATE TABLE config.calibration (version INTEGER);
"""
CONTENT = {
    "records": "SELECT generation, day, as_of, known_at, is_backfilled, is_kept, last_load FROM records",
    "numbers": "SELECT r.day, r.generation, n.metric, n.definition, n.by, n.period_start, n.period_end, n.split_key,"
    " n.split_value, n.version, n.numerator, n.denominator, n.pending, n.value, n.is_final, n.is_gone"
    " FROM numbers AS n JOIN records AS r USING (record_id)",
    "restatements": "SELECT n.metric, n.definition, n.by, n.period_start, s.causes, s.why, o.value, n.value"
    " FROM restatements AS s JOIN numbers AS n USING (number_id) JOIN numbers AS o ON o.number_id = s.old_number_id",
    "behind": "SELECT n.metric, n.definition, n.by, n.period_start, t.trial_id, b.change FROM restated_trials AS b"
    " JOIN numbers AS n USING (number_id) JOIN trials AS t USING (trial_no)",
    "listed": "SELECT d.day, l.list, t.trial_id, d.position, d.score_hundredths, r.generation FROM listed AS d"
    " JOIN lists AS l USING (list_no) JOIN trials AS t USING (trial_no) JOIN records AS r USING (record_id)",
    "first listed": "SELECT l.list, t.trial_id, r.generation, r.day FROM first_listed AS d JOIN lists AS l"
    " USING (list_no) JOIN trials AS t USING (trial_no) JOIN records AS r USING (record_id)",
    "scores": "SELECT t.trial_id, r.day, r.generation, s.score_hundredths, s.grade, s.scored_by FROM scores AS s"
    " JOIN trials AS t USING (trial_no) JOIN records AS r USING (record_id)",
}
"""What a history says, without the numbers of its rows and the instants of its writing."""


def content(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All a history says, in an order of its own."""
    with closing(sqlite3.connect(data / NAME)) as file:
        return {name: sorted(file.execute(query).fetchall(), key=repr) for name, query in CONTENT.items()}


def january(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    """A trial from 5 to 19 January: its deadline is 21 February, 33 days later."""
    return trial(name, "2026-01-05", "2026-01-19", outcome, stripe_customer_id=f"cus_{name}", **more)


def paid(name: str, day: str = "2026-01-19 10:00") -> dict[str, Any]:
    """One that was paid for."""
    return january(name, "converted", converted_at=at(day), outcome_at=at(day))


def unpaid(name: str) -> dict[str, Any]:
    """One that was not."""
    return january(name, "expired", outcome_at=at("2026-02-21"))


def on_trial(name: str, score: float, started: str = "2026-03-01", ends: str = "2026-04-30") -> dict[str, Any]:
    """A running one with a score."""
    return trial(name, started, ends, "pending", score=score, score_hundredths=round(score * 100),
                 fit_grade="B", engagement_grade="1")  # fmt: skip


def lead(row: Mapping[str, Any], position: int) -> dict[str, Any]:
    """A trial as a list has it."""
    kept = ("trial_id", "account_id", "started_at", "ends_at", "outcome", "score", "scored_by")
    return {**{name: row[name] for name in kept}, "position": position}


@cache
def _models() -> dict[str, Model]:
    found = {}
    for name in ("lists.hot_trials", "marts.trials"):
        schema, table = name.split(".")
        found[name] = load_model(packaged_sql() / schema / f"{table}.sql", name, EXPANSION)
    return found


@dataclass
class Book:
    """The workspace at `folder`; each `publish` is a refresh that knows these metrics and periods alone."""

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Sequence[str] = ("trial_conversion",)
    units: Sequence[str] = ("month",)
    models: Mapping[str, Model] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "trialwise.toml").touch()
        if not self.models:
            self.models = _models()

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder, parse_config(self.config))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def publish(
        self,
        as_of: str,
        trials: Sequence[Mapping[str, Any]],
        *,
        leads: Sequence[Mapping[str, Any]] = (),
        more: Mapping[str, Rows] | None = None,
        known_at: datetime | None = None,
        raw: str = "INSERT INTO raw.loads VALUES (1)",
        changed: Mapping[str, Delta] | None = None,
    ) -> Published:
        """Publish these trials, as of a day's begin or an instant; `raw` fills the raw tables, `changed` is what a
        refresh knows of the tables that are not as they were.
        """
        store = self.store(as_of, trials, leads, more or {}, raw)
        moment = at(as_of)
        names = [f"{s}.{t}" for s, t in store.rows(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ('raw', 'config')"
        )]  # fmt: skip
        clock = Clock(moment, known_at or moment, "UTC")
        try:
            with (
                patch.object(shown, "UNITS", self.units),
                patch.object(shown, "names", lambda _: list(self.metrics)),
                patch.object(chronicle, "metric_names", lambda _: list(self.metrics)),
            ):
                return chronicle.publish(
                    self.workspace, store, clock, self.models, dict.fromkeys(names, ""), changed=changed
                )
        finally:
            store.close()

    def store(
        self,
        as_of: str,
        trials: Sequence[Mapping[str, Any]],
        leads: Sequence[Mapping[str, Any]],
        more: Mapping[str, Rows],
        raw: str,
    ) -> Engine:
        store = connect()
        rows: dict[str, Rows] = {"marts.trials": trials, "lists.hot_trials": leads, **more}
        fill(store, {**clock_rows(at(as_of)), **rows})
        store.execute(RAW)
        store.execute(raw)
        return store
