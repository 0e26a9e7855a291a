"""What happened to a table, told by two states of it."""

from __future__ import annotations

from typing import Any

import pytest

from trialwise.engines.duckdb import Engine
from trialwise.transform.changes import difference

Rows = list[tuple[Any, ...]]
FIRST: Rows = [(1, "a"), (2, "b"), (3, None)]


def _difference(engine: Engine, old: Rows, new: Rows, *, is_unique: bool) -> tuple[Rows, Rows]:
    for name, rows in (("old", old), ("new", new)):
        engine.execute(f"CREATE OR REPLACE TABLE {name} (id INTEGER, label VARCHAR)")
        for row in rows:
            engine.execute(f"INSERT INTO {name} VALUES (?, ?)", list(row))
    found = difference(engine, "marts.x", "old", "new", ["id", "label"], is_unique=is_unique)
    if found.is_none:
        return [], []
    gone, came = (engine.rows(f"FROM {image} ORDER BY ALL") for image in (found.gone, found.came))
    assert found.rows == len(gone) + len(came)
    return gone, came


@pytest.mark.parametrize("is_unique", [True, False])
@pytest.mark.parametrize(
    ("new", "gone", "came"),
    [
        (FIRST, [], []),
        ([(1, "a"), (2, "c"), (3, None)], [(2, "b")], [(2, "c")]),
        ([(1, None), (2, "b"), (3, None)], [(1, "a")], [(1, None)]),
        ([(2, "b"), (3, None)], [(1, "a")], []),
        ([*FIRST, (None, None)], [], [(None, None)]),
        ([*FIRST, (3, None)], [], [(3, None)]),  # a row that stayed, once more
        ([(1, "a"), (1, "a"), (3, None)], [(2, "b")], [(1, "a")]),  # as many rows as before
        ([*FIRST, (4, "d"), (4, "d")], [], [(4, "d"), (4, "d")]),
    ],
)
def test_rows_that_went_and_came(engine: Engine, is_unique: bool, new: Rows, gone: Rows, came: Rows) -> None:
    assert _difference(engine, FIRST, new, is_unique=is_unique) == (gone, came)


def test_copies_are_counted_where_there_were_some(engine: Engine) -> None:
    twice = [(1, "a"), (1, "a"), (2, "b")]
    assert _difference(engine, twice, [(1, "a"), (2, "b"), (2, "b")], is_unique=False) == ([(1, "a")], [(2, "b")])
