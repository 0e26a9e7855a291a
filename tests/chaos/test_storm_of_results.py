"""The way out under kill -9: models, checks, publishing, checkpoint, commands, compaction. Every fail point has to
fire, and what was published stays readable after every kill."""

from __future__ import annotations

import pytest

from tests.chaos.points import POINTS
from tests.chaos.report import Report
from tests.chaos.storm import storm

WAY_OUT = ("refresh", "publish", "checkpoint", "command", "compact")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    points = [point for point in POINTS if point.stage in WAY_OUT]
    chosen = ("parent", "refresh command")
    return storm(tmp_path_factory.mktemp("storm"), len(points), 2, points=points, chosen=chosen, every=5)


def test_results_stay_readable_and_nothing_is_lost(report: Report) -> None:
    assert report.problems == []
    assert report.verdict.problems == []
    assert (report.verdict.lost, report.verdict.doubled, report.verdict.never_sent) == (0, 0, 0)
    assert report.reads > 20
    assert report.refreshes > 1


def test_every_fail_point_fired(report: Report) -> None:
    assert [point.name for point in POINTS if point.stage in WAY_OUT and not report.points[point.name]] == []
    assert report.killed > 20
