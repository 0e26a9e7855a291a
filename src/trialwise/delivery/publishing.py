"""Publishing: a generation is written beside the store and switched to by rename.

A new file each time, made of the tables whole, or of a copy of the generation before and the rows that changed since.
A crash leaves CURRENT at the old generation; what the crash left behind is removed by the next publishing.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from trialwise.delivery import trials as trial_rows
from trialwise.delivery.generation import CURRENT, NUMBER, current_number
from trialwise.engines.duckdb import Engine, EngineError, cause_of, connect
from trialwise.errors import StoreError

ALWAYS = ("intermediate.trial_days",)
"""Published besides marts and lists: explanations, previews and back-tests read the one feature row."""
_ALIAS = "generation_being_written"
_NUMBERED = (
    f"CREATE OR REPLACE TABLE {_ALIAS}.main.generation AS"
    " SELECT CAST($number AS BIGINT) AS number, CAST($about AS VARCHAR) AS about"
)
_TABLES = "SELECT concat(schema_name, '.', table_name) FROM duckdb_tables() WHERE database_name = current_database()"
_PUBLISHED = """
SELECT concat(schema_name, '.', table_name) FROM duckdb_tables() WHERE database_name = $file AND schema_name <> 'main'
"""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Delta:
    """The rows of a table that went and came since a generation; without a key the table is copied whole.

    gone, came: relations of the store's connection with the table's columns. key: the columns that name a row.
    """

    gone: str = ""
    came: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """A generation as it was written: its number, and the CRC-32 of its file."""

    number: int
    checksum: int


def publish(
    store: Engine,
    folder: Path,
    tables: Mapping[str, str],
    *,
    keep: int = 3,
    since: Published | None = None,
    deltas: Mapping[str, Delta] | None = None,
    about: str = "{}",
    least: int = 0,
    announce: Callable[[int], None] | None = None,
    spared: int | None = None,
) -> Published:
    """Bring tables of the store into a new generation and make it the current one.

    store: a connection outside any transaction. tables: `schema.table` -> description; intermediate.trial_days is
    added when the store has it. keep: how many generations stay, for readers that still hold an older one.
    since, deltas: the generation the store's tables were published in last, and what happened to those that are not
    as they were then; used when that generation is still current and whole, else everything is copied.
    about: JSON the file says of itself. least: the number is greater than this one, whatever lies in the folder.
    announce: told the number when the file is whole and nobody reads it yet; where it raises nothing is published.
    spared: a generation that stays as long as it is named here, however old.
    Until the last rename readers see the old generation; calling it again after a crash is safe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder, keep=None)
    current = current_of(folder)
    number = max([*_numbers(folder), current, least]) + 1
    path = folder / f"{number:06d}.duckdb"
    unfinished = _unfinished(path)
    if since is None or deltas is None or since.number != current or not _copied(folder, since, unfinished):
        write_generation(store, path, tables, number=number, about=about)
    else:
        _bring(store, unfinished, chosen(store, tables), deltas, number, about)
        _finish(unfinished, path)
    checksum = checksum_of(path)
    if announce is not None:
        announce(number)
    _replace(folder / CURRENT, path.name)
    _sweep(folder, keep=keep, spared=spared)
    return Published(number, checksum)


def keep_current(folder: Path) -> int:
    """Remove every generation but the one readers open; how many went. Who has one open reads on."""
    if not folder.is_dir():
        return 0
    before = len(_numbers(folder))
    _sweep(folder, keep=1)
    _sync(folder)
    return before - len(_numbers(folder))


def is_current(folder: Path, published: Published) -> bool:
    """Whether readers open this generation, and its file is as it was written."""
    path = folder / f"{published.number:06d}.duckdb"
    return current_of(folder) == published.number and path.exists() and checksum_of(path) == published.checksum


def write_generation(
    store: Engine, path: Path, tables: Mapping[str, str], *, number: int = 0, about: str = "{}"
) -> None:
    """Copy tables of the store into a generation file of its own, complete or not at all.

    A file already at `path` is replaced. Raises StoreError naming the table that could not be copied.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    _bring(store, unfinished, chosen(store, tables), None, number, about)
    _finish(unfinished, path)


def is_results(path: Path) -> bool:
    """Whether a file is one that `write_generation` wrote, of whatever version."""
    try:
        with closing(connect(path, read_only=True, external_access=False)) as engine:
            return bool(engine.columns("FROM main.generation"))
    except (EngineError, StoreError):
        return False


def tables_in(path: Path) -> set[str]:
    """The tables a generation's file holds, `schema.table`; none where it cannot be read."""
    try:
        with closing(connect(path, read_only=True, external_access=False)) as engine:
            return {name for (name,) in engine.rows(_PUBLISHED, {"file": path.stem})}
    except (EngineError, StoreError):
        return set()


def about(path: Path) -> dict[str, Any] | None:
    """What a generation's file says of itself; None where it cannot be read, or an older version wrote it."""
    try:
        with closing(connect(path, read_only=True, external_access=False)) as engine:
            told = json.loads(engine.rows("SELECT about FROM main.generation")[0][0])
    except (EngineError, StoreError, IndexError, TypeError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def checksum_of(path: Path) -> int:
    """The CRC-32 of a file."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found


def _bring(
    store: Engine, file: Path, tables: Mapping[str, str], deltas: Mapping[str, Delta] | None, number: int, about: str
) -> None:
    """Fill a generation file, or bring it up to date where it holds an earlier one."""
    store.execute(f"ATTACH {exp.Literal.string(str(file)).sql('duckdb')} AS {_ALIAS}")
    try:
        there = {name for (name,) in store.rows(_PUBLISHED, {"file": _ALIAS})} if deltas is not None else set()
        changed = set()
        for name, description in tables.items():
            delta = Delta() if deltas is None or name not in there else deltas.get(name)
            if delta is None:
                continue
            changed.add(name)
            if delta.key:
                _apply(store, name, delta)
            else:
                _copy(store, name, description)
        for name in there - set(tables):
            store.execute(f"DROP TABLE {_target(name)}")
        if tables.keys() >= trial_rows.ROWS_NEED and changed & trial_rows.ROWS_NEED:
            store.execute(trial_rows.BUILD_ROWS)
        store.execute(_NUMBERED, {"number": number, "about": about})
        store.execute(f"CHECKPOINT {_ALIAS}")
    finally:
        store.execute(f"DETACH {_ALIAS}")


def chosen(store: Engine, tables: Mapping[str, str]) -> dict[str, str]:
    """Of `tables` and those that are published always, what is published of this store, with descriptions."""
    have = {name for (name,) in store.rows(_TABLES)}
    return {**{name: "" for name in ALWAYS if name in have}, **tables}


def _apply(store: Engine, name: str, delta: Delta) -> None:
    try:
        store.replace_rows(_target(name), delta.key, delta.gone, delta.came)
    except EngineError as error:
        raise _refused(name, error) from error


def _copy(store: Engine, name: str, description: str) -> None:
    schema, _, table = name.partition(".")
    source = exp.table_(table, db=schema, quoted=True).sql("duckdb")
    schema_name = exp.to_identifier(schema, quoted=True).sql("duckdb")
    try:
        store.execute(f"CREATE SCHEMA IF NOT EXISTS {_ALIAS}.{schema_name}")
        store.execute(f"CREATE OR REPLACE TABLE {_target(name)} AS FROM {source}")
        if description:
            store.execute(f"COMMENT ON TABLE {_target(name)} IS {exp.Literal.string(description).sql('duckdb')}")
    except EngineError as error:
        raise _refused(name, error) from error


def _refused(name: str, error: Exception) -> StoreError:
    return StoreError(f"{name} cannot be published: {cause_of(error)}", "The generation published before stays.")


def _target(name: str) -> str:
    schema, _, table = name.partition(".")
    return exp.table_(table, db=schema, catalog=_ALIAS, quoted=True).sql("duckdb")


def _copied(folder: Path, since: Published, target: Path) -> bool:
    """Copy a generation's file; False when it is not there, or not as it was written."""
    found = 0
    try:
        with (folder / f"{since.number:06d}.duckdb").open("rb") as source, target.open("wb") as file:
            while block := source.read(_BLOCK):
                found = zlib.crc32(block, found)
                file.write(block)
    except FileNotFoundError:
        return False
    return found == since.checksum


def _unfinished(path: Path) -> Path:
    """The name a generation is written under; what was left there is removed."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    for leftover in (unfinished, Path(f"{unfinished}.wal")):
        leftover.unlink(missing_ok=True)
    return unfinished


def _finish(unfinished: Path, path: Path) -> None:
    _sync(unfinished)
    unfinished.replace(path)
    _sync(path.parent)


def current_of(folder: Path) -> int:
    """The number of the current generation; 0 where there is none, or nothing that can be read names one."""
    try:
        return current_number(folder) or 0
    except StoreError:  # damaged; it is about to be replaced
        return 0


def _numbers(folder: Path) -> list[int]:
    found = [NUMBER.fullmatch(path.name) for path in folder.iterdir()]
    return sorted(int(match.group(1)) for match in found if match is not None)


def _sweep(folder: Path, keep: int | None, spared: int | None = None) -> None:
    """Remove what a crash left and, with `keep`, generations that are older than the newest `keep`, but for one."""
    for leftover in folder.glob(".*.unfinished*"):
        leftover.unlink(missing_ok=True)
    if keep is None:
        return
    current = current_number(folder)
    old = [number for number in _numbers(folder) if current is not None and number <= current][: -max(keep, 1)]
    for number in old:
        if number == spared:
            continue
        (folder / f"{number:06d}.duckdb").unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    """Write a small file so that readers see the old text or the new, and a crash leaves one of both."""
    fresh = path.with_name(f".{path.name}.unfinished")
    fresh.write_text(text + "\n", encoding="ascii")
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
