"""Models that declare `incremental`, on the data of a small company: restricted to changed keys = those rows of all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random

import polars as pl
import pytest

from tests.property.world import World, loaded, models_for
from trialwise.composition import models as composed
from trialwise.config import Config, read_config
from trialwise.demo import write_company
from trialwise.sources.files import open_file
from trialwise.transform.keys import restrict

AS_OF = datetime(2026, 3, 31, 9)
PROMISING = sorted(name for name, model in composed(Config()).items() if model.header.incremental)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A company of two hundred accounts with every model built."""
    folder: Path = tmp_path_factory.mktemp("company")
    write_company(folder, seed=9, trials=200, events=6_000)
    config = read_config(folder / "trialwise.toml")
    files = [open_file(folder / "stripe.ndjson", kind="stripe"), open_file(folder / "segment.ndjson", kind="events")]
    with loaded(files, config) as world:
        world.build(AS_OF, AS_OF, ())
        yield world


@pytest.mark.parametrize("name", PROMISING)
def test_restricted_equals_full(name: str, company: World) -> None:
    """For key sets of one key, a few, and half of them, each with a key that nothing has."""
    engine, models = company.engine, models_for(company.config)
    model = models[name]
    keys = ", ".join(model.header.incremental)
    engine.execute("CREATE SCHEMA IF NOT EXISTS restricted")
    found = engine.rows(f"SELECT DISTINCT {keys} FROM {name} ORDER BY {keys}")
    assert found, f"{name} is empty"
    dice = Random(name)
    for size in (1, min(5, len(found)), (len(found) + 1) // 2):
        engine.execute(f"CREATE OR REPLACE TABLE restricted.changed AS SELECT {keys} FROM {name} LIMIT 0")
        nobody = tuple(-1 if isinstance(value, int) else value for value in found[0])
        rows = [*dice.sample(found, size), nobody]
        engine.append("restricted.changed", pl.DataFrame(rows, schema=list(model.header.incremental), orient="row"))
        query = restrict(model, models, "restricted.changed").sql(dialect="duckdb")
        engine.execute(f"CREATE OR REPLACE TABLE restricted.part AS {query}")
        whole = f"SELECT w.* FROM {name} AS w SEMI JOIN restricted.changed USING ({keys})"
        part = "SELECT * FROM restricted.part"
        for one, other in ((whole, part), (part, whole)):
            assert engine.rows(f"SELECT count(*) FROM ({one} EXCEPT ALL {other}) AS d") == [(0,)], f"{size} keys"
        assert engine.rows("SELECT count(*) > 0 FROM restricted.part") == [(True,)]
