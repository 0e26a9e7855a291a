"""The way in under kill -9: received, synced, sealed, loaded, imported, started again. Every fail point has to fire."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.chaos import oracle
from tests.chaos.points import POINTS
from tests.chaos.report import Report
from tests.chaos.storm import storm

WAY_IN = ("receive", "fsync", "seal", "load", "restart", "import")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storm")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    points = [point for point in POINTS if point.stage in WAY_IN]
    return storm(
        folder, len(points), 1, points=points, chosen=("collector", "everything", "import command", "start"), every=5
    )


def test_nothing_acknowledged_is_lost_or_doubled(report: Report) -> None:
    assert report.problems == []
    assert report.verdict.problems == []
    assert (report.verdict.lost, report.verdict.doubled, report.verdict.never_sent) == (0, 0, 0)
    assert report.verdict.acknowledged_records > 200
    assert report.verdict.duplicate > 0
    assert report.verdict.quarantined > 0
    assert report.reads > 20


def test_every_fail_point_fired(report: Report) -> None:
    assert [point.name for point in POINTS if point.stage in WAY_IN and not report.points[point.name]] == []
    assert report.killed > 25


def test_the_oracle_sees_what_is_wrong(report: Report, folder: Path, tmp_path: Path) -> None:
    """A log that says more was acknowledged, or less was sent, than the store holds."""
    data = folder / "company" / "data"
    log = tmp_path / "log"
    shutil.copy(folder / "sent.ndjson", log)
    ghost = "00000000-0000-4000-8000-000000000001"
    with log.open("a") as stream:
        stream.write(json.dumps({"sending": "ghost", "kind": "single", "events": [ghost]}) + "\n")
        stream.write(json.dumps({"tried": "ghost"}) + "\n" + json.dumps({"acknowledged": "ghost"}) + "\n")
    verdict = oracle.judge(log, data)
    assert (verdict.lost, verdict.doubled, verdict.never_sent) == (1, 0, 0)
    assert ghost in verdict.problems[0]
    lines = (folder / "sent.ndjson").read_text().splitlines(keepends=True)
    unsent = next(name for line in lines if (name := json.loads(line).get("acknowledged")))
    log.write_text("".join(line for line in lines if unsent not in json.loads(line).values()))
    assert oracle.judge(log, data).never_sent > 0


@pytest.mark.long
def test_three_hundred_kills(tmp_path: Path) -> None:
    report = storm(tmp_path, 300, 3)
    assert [*report.problems, *report.verdict.problems] == []
    assert [point.name for point in POINTS if not report.points[point.name]] == []
    assert report.killed >= 300
