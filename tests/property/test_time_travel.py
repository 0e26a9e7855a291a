"""Time travel: what was known by D, computed from everything, is what the input of that day gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from trialwise import arrivals, pipeline
from trialwise.demo import write_company
from trialwise.engines.duckdb import Engine, connect
from trialwise.workspace import Workspace

Json = Mapping[str, Any]
DAY = timedelta(days=1)
LATE_SHARE = 0.05
CUTS = ("2026-02-03T17:20:00Z", pytest.param("2025-12-14", marks=pytest.mark.long))
"""An instant inside a day, and the end of a day before accounts were merged."""


@dataclass(frozen=True)
class Lines:
    """The records of a company that say themselves when they were known, by file."""

    stripe: list[dict[str, Any]]
    segment: list[dict[str, Any]]
    settings: str

    def truncated(self, at: datetime) -> Lines:
        """What had been known before `at`."""
        return Lines(
            [line for line in self.stripe if line["created"] < at.timestamp()],
            [line for line in self.segment if instant(line["receivedAt"]) < at],
            self.settings,
        )


def instant(text: str) -> datetime:
    """An aware instant of a date (the end of that day) or an ISO text."""
    moment = datetime.fromisoformat(text if len(text) > 10 else f"{text}T00:00:00Z")
    return moment + DAY if len(text) == 10 else moment


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """A small company, one call in twenty of which arrives hours to weeks late."""
    folder = tmp_path_factory.mktemp("company")
    write_company(folder, seed=5, trials=200, events=6_000)
    stripe = [line for line in _records(folder / "stripe.ndjson") if isinstance(line.get("created"), int)]
    segment = [line for line in _records(folder / "segment.ndjson") if {"receivedAt", "timestamp"} <= line.keys()]
    dice = Random(5)
    for line in segment:
        if dice.random() < LATE_SHARE:
            received = instant(line["receivedAt"]) + timedelta(minutes=dice.randrange(60, 60 * 24 * 25))
            line["receivedAt"] = received.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return Lines(
        [line for line in stripe if line.get("object") == "event"],
        segment,
        (folder / "trialwise.toml").read_text(encoding="utf-8"),
    )


def _records(path: Path) -> list[dict[str, Any]]:
    records = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


Results = Callable[[Lines, str | None], Engine]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """`results(lines, known_at)`: import the lines as files, refresh with that cut, and open the published tables."""
    workspaces: dict[int, Workspace] = {}
    opened: dict[tuple[int, str | None], Engine] = {}

    def compute(lines: Lines, known_at: str | None) -> Engine:
        key = (len(lines.stripe) + len(lines.segment), known_at)
        if key in opened:
            return opened[key]
        if key[0] not in workspaces:
            folder = tmp_path_factory.mktemp("workspace")
            (folder / "trialwise.toml").write_text(lines.settings, encoding="utf-8")
            workspaces[key[0]] = Workspace.open(folder)
            for kind, records in (("stripe", lines.stripe), ("events", lines.segment)):
                path = folder / f"{kind}.ndjson"
                path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
                arrivals.import_files(workspaces[key[0]], [path], kind=kind)
        path = tmp_path_factory.mktemp("results") / "results.duckdb"
        pipeline.refresh(workspaces[key[0]], known_at=known_at, into=path)
        opened[key] = connect(path, read_only=True)
        return opened[key]

    yield compute
    for engine in opened.values():
        engine.close()


def tables(engine: Engine) -> dict[str, list[str]]:
    """The columns of every published table; surrogate keys mean nothing outside their database."""
    found: dict[str, list[str]] = {}
    for schema, table, column in engine.rows(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "
        "WHERE table_schema NOT IN ('main', 'information_schema') ORDER BY table_schema, table_name, ordinal_position"
    ):
        if column not in {"account_key", "user_key"} and (table, column) != ("clock", "known_at"):
            found.setdefault(f"{schema}.{table}", []).append(column)
    return found


def differing(one: Engine, other: Engine, table: str, columns: list[str], where: str = "TRUE") -> list[Any]:
    """Rows of a table that one database has and the other has not, in either direction, with their counts."""
    names = ", ".join(f'"{column}"' for column in columns)
    query = f"SELECT {names} FROM {table} WHERE {where}"
    scratch = connect()
    for name, engine in (("ours", one), ("theirs", other)):
        frame = engine.frame(query)
        kinds = ", ".join(f'"{column}" {kind}' for column, kind in engine.columns(query))
        scratch.execute(f"CREATE TABLE {name} ({kinds})")
        scratch.append(name, frame)
    found = scratch.rows("(FROM ours EXCEPT ALL FROM theirs) UNION ALL (FROM theirs EXCEPT ALL FROM ours) LIMIT 5")
    scratch.close()
    return found


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_is_a_truncated_input(cut: str, lines: Lines, results: Results) -> None:
    """Cell by cell in every published table, late events among the input."""
    at = instant(cut)
    assert sum(instant(line["timestamp"]) < at <= instant(line["receivedAt"]) for line in lines.segment) > 5
    everything, truncated = results(lines, cut), results(lines.truncated(at), None)
    assert tables(everything) == tables(truncated)
    counts = {name: everything.rows(f"SELECT count(*) FROM {name}")[0][0] for name in tables(everything)}
    assert counts["intermediate.trial_days"] > 500
    assert counts["marts.trials"] > 20
    wrong = {name: differing(everything, truncated, name, columns) for name, columns in tables(everything).items()}
    assert {name: rows for name, rows in wrong.items() if rows} == {}


@pytest.mark.parametrize("cut", CUTS)
def test_later_knowledge_changes_no_past_row(cut: str, lines: Lines, results: Results) -> None:
    """Every finished row of the feature table stays as it was, whatever became known afterwards."""
    at = instant(cut)
    then, now = results(lines, cut), results(lines, None)
    known = {row[0] for row in then.rows("SELECT DISTINCT trial_id FROM intermediate.trial_days")}
    finished = f"activity_date < DATE '{at.date()}'"
    columns = tables(then)["intermediate.trial_days"]
    assert then.rows(f"SELECT count(*) > 500 FROM intermediate.trial_days WHERE {finished}") == [(True,)]
    among = ", ".join(f"'{trial_id}'" for trial_id in sorted(known))
    where = f"{finished} AND trial_id IN ({among})"
    assert differing(then, now, "intermediate.trial_days", columns, where) == []
