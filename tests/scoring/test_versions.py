"""Calibration versions outlive the store: packed beside it, put back where it has lost them or holds others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from trialwise import calibration
from trialwise.composition import models as shipped
from trialwise.config import Config
from trialwise.engines.duckdb import Engine, connect
from trialwise.scoring.calibrate import GRID, VERSIONS, set_prior
from trialwise.scoring.versions import pack, unpack
from trialwise.transform.build import create_schemas
from trialwise.transform.model import Model
from trialwise.workspace import Workspace

PERCENTILES = ", ".join("7" for _ in range(19))


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return shipped(Config())


@pytest.fixture
def engine(models: dict[str, Model]) -> Iterator[Engine]:
    made = connect()
    create_schemas(made, {name: model for name, model in models.items() if model.kind == "external"})
    set_prior(made, 10)
    yield made
    made.close()


def add(engine: Engine, version: int, benchmark: int) -> None:
    values = {"version": version, "day": date(2026, version, 1), "benchmark": benchmark}
    engine.execute(f"INSERT INTO {VERSIONS} VALUES ($version, $day, $benchmark)", values)
    for day in (1, 2):
        engine.execute(f"INSERT INTO {GRID} VALUES ({version}, {day}, 'cardless', 40, {PERCENTILES})")


def benchmarks(engine: Engine) -> list[tuple[int, int]]:
    return engine.rows(f"SELECT version, benchmark_events_per_day FROM {VERSIONS} ORDER BY version")


def test_what_is_packed_comes_back_whole(engine: Engine) -> None:
    add(engine, 1, 12)
    add(engine, 2, 14)
    packed = pack(engine)
    rows = engine.rows(f"FROM {VERSIONS} ORDER BY ALL"), engine.rows(f"FROM {GRID} ORDER BY ALL")
    assert unpack(engine, packed) == 0
    engine.execute(f"DELETE FROM {VERSIONS} WHERE version > 0; DELETE FROM {GRID}")
    assert unpack(engine, packed) == 2
    assert (engine.rows(f"FROM {VERSIONS} ORDER BY ALL"), engine.rows(f"FROM {GRID} ORDER BY ALL")) == rows
    assert pack(engine) == packed


def test_what_was_kept_wins_and_newer_versions_stay(engine: Engine) -> None:
    add(engine, 1, 12)
    packed = pack(engine)
    engine.execute(f"UPDATE {VERSIONS} SET benchmark_events_per_day = 99 WHERE version = 1")
    add(engine, 2, 14)
    assert unpack(engine, packed) == 1
    assert benchmarks(engine) == [(0, 10), (1, 12), (2, 14)]


@pytest.mark.parametrize("change", [b"", b"{}", b"[1]", b"\xff", b'{"sha256":"x","entry":{}}', b'{"entry":1}'])
def test_a_damaged_line_is_passed_over(engine: Engine, change: bytes) -> None:
    add(engine, 1, 12)
    add(engine, 2, 14)
    second = pack(engine).splitlines()[1]
    engine.execute(f"DELETE FROM {VERSIONS} WHERE version > 0; DELETE FROM {GRID}")
    assert unpack(engine, change + b"\n" + second.replace(b"40", b"41", 1)) == 0
    assert unpack(engine, change + b"\n" + second) == 1
    assert benchmarks(engine) == [(0, 10), (2, 14)]


def test_a_lost_store_gets_the_versions_of_the_one_before(
    engine: Engine, models: dict[str, Model], tmp_path: Path
) -> None:
    (tmp_path / "trialwise.toml").write_text("", encoding="utf-8")
    (tmp_path / "data").mkdir()
    workspace = Workspace.open(tmp_path)
    calibration.give_back(workspace, engine, models)
    add(engine, 1, 12)
    calibration.keep(workspace, engine)
    kept = workspace.calibration.stat()
    calibration.keep(workspace, engine)
    assert workspace.calibration.stat().st_mtime_ns == kept.st_mtime_ns  # nothing new, nothing written
    other = connect()
    calibration.give_back(workspace, other, models)
    set_prior(other, 10)
    assert benchmarks(other) == benchmarks(engine)
    other.close()
