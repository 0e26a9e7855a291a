"""What happened to a table since the results were built: nothing, some rows, or anything.

Of some rows the images are kept, those that went and those that came, in temporary tables: whoever reads the table
finds in them which of its own rows may have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trialwise.engines.duckdb import Engine


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a table.

    gone, came: relations with the images of rows, all columns of the table; of a view whose rows were not worked out
    `touched` has the values of its keys instead. present: a relation with every row there is now of the incremental
    keys that were worked out, those that stayed as they were too. is_whole: nothing is known but that it is another
    table now.
    """

    gone: str | None = None
    came: str | None = None
    touched: str | None = None
    present: str | None = None
    columns: frozenset[str] = frozenset()
    rows: int = 0
    is_whole: bool = False

    @property
    def is_none(self) -> bool:
        """Whether the table is as it was."""
        return not (self.is_whole or self.rows)

    @property
    def images(self) -> tuple[str, ...]:
        """The relations that hold, together, the `columns` of every row that changed."""
        return tuple(name for name in (self.gone, self.came, self.touched) if name is not None)


NONE = Change()
WHOLE = Change(is_whole=True)


def images(engine: Engine, name: str, gone: str, came: str, columns: Iterable[str]) -> Change:
    """Keep the rows two queries give as the change of table `name`."""
    left, right = relation("gone", name), relation("came", name)
    rows = keep(engine, left, gone) + keep(engine, right, came)
    return Change(left, right, columns=frozenset(columns), rows=rows) if rows else NONE


def difference(
    engine: Engine, name: str, old: str, new: str, columns: Sequence[str], *, is_unique: bool = False
) -> Change:
    """The rows of `old` that `new` lacks, and those it has instead, counting copies.

    is_unique: no row of `old` is there twice. Then a join will do, at a fourth of the cost: copies in `new` show in the
    number of rows.
    """
    if is_unique:
        left, right = relation("gone", name), relation("came", name)
        gone, came = keep(engine, left, _without(old, new, columns)), keep(engine, right, _without(new, old, columns))
        before, now = engine.rows(f"SELECT (SELECT count(*) FROM {old}), (SELECT count(*) FROM {new})")[0]
        if now == before - gone + came:
            rows = gone + came
            return Change(left, right, columns=frozenset(columns), rows=rows) if rows else NONE
    return images(engine, name, f"FROM {old} EXCEPT ALL FROM {new}", f"FROM {new} EXCEPT ALL FROM {old}", columns)


def _without(some: str, others: str, columns: Sequence[str]) -> str:
    """The rows of one table that another one lacks, once or more."""
    same = " AND ".join(f's."{name}" IS NOT DISTINCT FROM o."{name}"' for name in columns)
    return f"SELECT s.* FROM {some} AS s ANTI JOIN {others} AS o ON {same}"


def relation(role: str, name: str) -> str:
    """The temporary table for what a table named `schema.table` needs while it is brought up to date."""
    return f'temp.main."{role} {name}"'


def keep(engine: Engine, relation: str, sql: str) -> int:
    """Make a temporary table of a query; returns its rows."""
    return int(engine.rows(f"CREATE OR REPLACE TEMP TABLE {relation} AS {sql}")[0][0])


def drop_all(engine: Engine) -> None:
    """Drop every temporary table of a run."""
    for (name,) in engine.rows("SELECT table_name FROM duckdb_tables() WHERE temporary"):
        engine.execute(f'DROP TABLE temp.main."{name}"')
