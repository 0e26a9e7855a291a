"""A project to write models in, and a database to build them in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.transform.project import Project

from trialwise.engines.duckdb import Engine, connect


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project with the raw table raw.items(id, size)."""
    made = Project(tmp_path)
    made.write(
        "raw.items",
        "CREATE TABLE raw.items (\n  id INTEGER NOT NULL, -- the item\n  size INTEGER -- its size\n)\n",
    )
    return made


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An empty in-memory database."""
    made = connect(threads=1)
    yield made
    made.close()


@pytest.fixture
def items(engine: Engine) -> Engine:
    """A database whose raw.items holds (1, 10), (2, 20), (3, NULL)."""
    engine.execute("CREATE SCHEMA raw")
    engine.execute("CREATE TABLE raw.items (id INTEGER NOT NULL, size INTEGER)")
    engine.execute("INSERT INTO raw.items VALUES (1, 10), (2, 20), (3, NULL)")
    return engine
