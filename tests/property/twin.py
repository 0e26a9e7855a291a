"""A workspace and its twin: the same landing, configuration and clock, built whole in a folder that was empty."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from trialwise.pipeline import refresh
from trialwise.workspace import Workspace

OF_THE_MACHINE = {"raw.loads", "raw.quarantine", "main.generation"}
"""Tables that tell when they were written, or how often."""
BOOKKEEPING = {"state"}
"""Schemas of the runner: what it notes about a store is that store's own."""
KEYS = {
    "dim_account": ("account_id", "account_key", ("account_key", "announced_key", "placed_key")),
    "dim_user": (
        "user_id",
        "user_key",
        (
            "user_key",
            "announced_user_key",
            "canonical_user_key",
            "person_key",
            "previous_user_key",
            "contact_user_key",
        ),
    ),
    "dim_event": ("event_name", "event_key", ("event_key",)),
}
"""Tables that give keys: the natural id, its key, and the columns anywhere that hold such keys.

A customer map names accounts before or after the product does, so the same id may have another key in the twin.
"""
_FILES = "ATTACH '{}' AS own (READ_ONLY); ATTACH '{}' AS twin (READ_ONLY)"
_PUBLISHED = "ATTACH '{}' AS own_published (READ_ONLY); ATTACH '{}' AS twin_published (READ_ONLY)"
_TABLES = """
SELECT concat(t.schema_name, '.', t.table_name), list(concat(c.column_name, ' ', c.data_type) ORDER BY c.column_name)
FROM duckdb_tables() AS t JOIN duckdb_columns() AS c USING (database_name, schema_name, table_name)
WHERE t.database_name = ? GROUP BY ALL
"""


def twin(workspace: Workspace, folder: Path, calibration: bytes | None, as_of: str, known_at: str) -> Workspace:
    """Build the twin of a workspace in an empty folder and return it.

    calibration: the versions the workspace had before its own refresh, for they are appended and never made again.
    """
    shutil.copytree(workspace.folder, folder, ignore=lambda at, _: ["data"] if Path(at) == workspace.folder else [])
    shutil.copytree(workspace.landing, folder / "data" / "landing")
    if calibration is not None:
        (folder / "data" / "calibration.ndjson").write_bytes(calibration)
    other = Workspace.open(folder)
    refresh(other, as_of=as_of, known_at=known_at, full=True)
    return other


def differences(own: Workspace, other: Workspace, *, is_published: bool = True) -> list[str]:
    """Every table of the stores and of the published generations that is not the same, with some of its rows.

    is_published: whether the refresh published anything; where nothing changed but the clock the results of before
    stay, with the instant they were made for.
    """
    made_for = {} if is_published else {"marts.clock": {"as_of", "known_at"}}
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(_FILES.format(own.store, other.store))
        connection.execute(_PUBLISHED.format(_published(own), _published(other)))
        renamed = _renamed(connection)
        # A table that a model which is gone left behind in the store belongs to nobody; a published one is read.
        wrong = _differences(connection, "", renamed, {}, are_more_allowed=True)
        return wrong + _differences(connection, "_published", renamed, made_for)


def _published(workspace: Workspace) -> Path:
    return workspace.published / (workspace.published / "CURRENT").read_text().strip()


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[str]]:
    """Table -> its columns with their types, by name."""
    found = dict(connection.execute(_TABLES, [database]).fetchall())
    return {
        table: columns
        for table, columns in found.items()
        if table not in OF_THE_MACHINE and table.split(".")[0] not in BOOKKEEPING
    }


def _differences(
    connection: duckdb.DuckDBPyConnection,
    suffix: str,
    renamed: Mapping[str, str],
    but: Mapping[str, Collection[str]],
    *,
    are_more_allowed: bool = False,
) -> list[str]:
    wrong = []
    own, other = _tables(connection, f"own{suffix}"), _tables(connection, f"twin{suffix}")
    for table in sorted(other.keys() if are_more_allowed else own.keys() | other.keys()):
        if own.get(table) != other.get(table):
            wrong.append(f"{suffix} {table}: {own.get(table)} instead of {other.get(table)}")
            continue
        names = [column.split(" ")[0] for column in own[table]]
        columns = [name for name in names if name not in but.get(table, ())]
        difference = _difference(connection, suffix, table, columns, renamed)
        if difference is not None:
            wrong.append(f"{suffix or 'store'} {table}: {difference}")
    return wrong


def _renamed(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Column -> table of (own, twin) keys, for those keys that the twin gave otherwise."""
    found = {}
    for table, (name, key, columns) in KEYS.items():
        pairs = f"FROM own.raw.{table} AS a FULL JOIN twin.raw.{table} AS b ON b.{name} IS NOT DISTINCT FROM a.{name}"
        connection.execute(f"CREATE TEMP TABLE {table} AS SELECT a.{key} AS own, b.{key} AS twin {pairs}")
        if connection.execute(f"SELECT count(*) FROM {table} WHERE own IS DISTINCT FROM twin").fetchone() != (0,):
            found |= dict.fromkeys(columns, table)
    return found


def _difference(
    connection: duckdb.DuckDBPyConnection, suffix: str, table: str, columns: list[str], renamed: Mapping[str, str]
) -> str | None:
    """How many rows are too many and missing, and some of them; None where there are none."""
    named = ", ".join(f't."{column}"' for column in columns)
    keyed = ", ".join(
        f'(SELECT k.twin FROM {renamed[column]} AS k WHERE k.own = t."{column}") AS "{column}"'
        if column in renamed
        else f't."{column}"'
        for column in columns
    )
    own, other = f"SELECT {keyed} FROM own{suffix}.{table} AS t", f"SELECT {named} FROM twin{suffix}.{table} AS t"
    # A sum over hashes of whole rows first: it tells equal tables in a third of the time.
    sums = [f"SELECT count(*), sum(hash({named})) FROM ({rows}) AS t" for rows in (own, other)]
    if len(connection.execute(f"{sums[0]} UNION {sums[1]}").fetchall()) == 1:
        return None
    more, less = (f"({one} EXCEPT ALL {two})" for one, two in ((own, other), (other, own)))
    found = connection.execute(f"SELECT (SELECT count(*) FROM {more}), (SELECT count(*) FROM {less})").fetchone()
    few = [connection.execute(f"FROM {part} ORDER BY ALL LIMIT 3").fetchall() for part in (more, less)]
    text = f"{few[0]} instead of {few[1]}"
    if few[0] and few[1]:
        pairs = zip(columns, few[0][0], few[1][0], strict=True)
        cells = [f"{name}: {has} instead of {wanted}" for name, has, wanted in pairs if has != wanted]
        text = f"such as {'; '.join(cells)} in {few[1][0]}"
    return f"{found} rows too many and missing, {text[:1500]}"
