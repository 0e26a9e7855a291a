"""Up to which instants a clock that moves changes nothing."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.transform.project import Project

from trialwise.engines.duckdb import Engine
from trialwise.transform.build import create_schemas
from trialwise.transform.horizon import horizon

NOON, NEVER = datetime(2026, 3, 1, 12), datetime(2027, 1, 1)
QUERY = "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e CROSS JOIN {} AS c WHERE {}"
CARRIED = "SELECT CAST(c.as_of_no AS INTEGER) AS id, CAST(c.as_of AS TIMESTAMP) AS as_of FROM config.clock AS c"


def _horizon(engine: Engine, project: Project, table: str, condition: str) -> dict[str, datetime]:
    """Events at 11, 12, 14 and 16 o'clock, known a day later, seen at noon by a model with a condition."""
    project.write("raw.events", "CREATE TABLE raw.events (id INTEGER, moment TIMESTAMP, known TIMESTAMP)\n")
    project.write("config.clock", "CREATE TABLE config.clock (as_of TIMESTAMP, known_at TIMESTAMP, as_of_no INTEGER)\n")
    project.write("marts.clock", CARRIED)
    project.write("marts.x", QUERY.format(table, condition))
    models = project.models()
    create_schemas(engine, models)
    for hour in (11, 12, 14, 16):
        engine.execute("INSERT INTO raw.events VALUES (?, ?, ?)", [hour, NOON.replace(hour=hour), datetime(2026, 3, 2)])
    clocks = {"as_of": NOON.replace(minute=1), "known_at": NOON}
    return horizon(engine, models, clocks, {"as_of": datetime(2026, 3, 2), "known_at": NEVER})


@pytest.mark.parametrize("table", ["config.clock", "marts.clock"])
@pytest.mark.parametrize(
    ("condition", "as_of"),
    [
        ("e.moment < c.as_of", datetime(2026, 3, 1, 14)),
        ("e.id < c.as_of_no", datetime(2026, 3, 2)),
        ("e.moment < c.as_of - INTERVAL 1 HOUR", datetime(2026, 3, 1, 13)),  # 12 o'clock is an hour ago at 13
        ("e.moment < c.as_of - INTERVAL 3 HOUR", datetime(2026, 3, 1, 14)),  # and 11 is three hours ago at 14
        ("e.moment < c.as_of - INTERVAL 2 DAY", datetime(2026, 3, 2)),  # none before midnight, which comes anyway
        ("e.moment = c.as_of", datetime(2026, 3, 1, 12, 1)),  # what cannot be told: now
        ("e.moment < c.as_of - INTERVAL 1 MONTH", datetime(2026, 3, 1, 12, 1)),
        ("e.id < CASE WHEN least(e.moment, c.as_of) IS NULL THEN 1 END", datetime(2026, 3, 1, 12, 1)),
    ],
)
def test_the_next_row_is_the_horizon(
    engine: Engine, project: Project, table: str, condition: str, as_of: datetime
) -> None:
    assert _horizon(engine, project, table, condition) == {"as_of": as_of, "known_at": NEVER}


def test_each_column_of_the_clock_has_its_own(engine: Engine, project: Project) -> None:
    found = _horizon(engine, project, "config.clock", "e.moment < c.as_of AND e.known <= c.known_at")
    assert found == {"as_of": datetime(2026, 3, 1, 14), "known_at": datetime(2026, 3, 2)}
