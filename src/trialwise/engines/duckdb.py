"""The embedded engine. The only module that imports duckdb."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import duckdb

from trialwise.errors import ROOM_HINT, DiskFull, StoreDamaged, StoreError, StoreLocked

if TYPE_CHECKING:
    import polars as pl

Params = Sequence[Any] | Mapping[str, Any] | None
EngineError = duckdb.Error
_DAMAGE = re.compile(
    r"Corrupt (?:database|WAL) file|is not a valid DuckDB database file|Could not read enough bytes from file"
    r"|Failure while replaying WAL file|database file with storage version"
)
"""What the engine says of a file that is not as it wrote it, when it opens the file or reads a block of it."""
_UNREADABLE = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
"""Other errors of opening a file that its contents alone can bring about."""
_NAMED = re.compile(r'file "([^"]+)"')

_NO_ROOM = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|Could not write all bytes|failed to offload data block"
)
"""What the engine says of a disk, a quota or a limit that leaves no room."""
_OF_STATEMENT = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.PermissionException,
)
"""Errors that name what stands in the statement. All others may quote what stands in the tables and files it reads."""
_PATH = r"""\b(?i:file|database|directory|pattern|statement of type) (?:"[^"\n]*"|'[^'\n]*')"""
_BEFORE_VALUES = re.compile(rf"""(?:{_PATH}|(?<=n)'(?=t\b)|[^"'\n])*""")
_PLACE = re.compile(r"\n\nLINE \d+: (?:\.\.\.)?(.*?)(?:\.\.\.)?\n *\^+\s*$")
_PACKED = re.compile(r'\{"exception_type":"IO","exception_message":("(?:[^"\\]|\\.)*")')
"""An error of a file inside of another one, as JSON: so are those of writes in the background told."""
_LONGEST = 300
_SETTING_UP = Lock()
"""Connections of one process to one file share their settings: else one would find locked what it is about to set."""


def cause_of(error: Exception) -> str:
    """What the engine complains of, in at most 300 characters: without the statement, and without the contents of
    records, which it quotes.
    """
    text = str(error)
    if isinstance(error, _OF_STATEMENT) or not isinstance(error, duckdb.Error):
        text = text.split("\n\nLINE ")[0].strip().replace("\n\n", "\n")
    else:
        text = _without_values(error)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + " …"


def _without_values(error: Exception) -> str:
    """The first line up to the first value it quotes; paths stay.

    Nothing behind it can be trusted: values are quoted without escaping, and may be told once more without quotes.
    """
    text = str(error)
    packed = _PACKED.search(text) if isinstance(error, duckdb.IOException) else None
    if packed is not None:
        text = f"IO Error: {json.loads(packed.group(1), strict=False)}"
    first = _BEFORE_VALUES.match(text[:4000])
    kept = (first.group() if first is not None else "").partition(" with value ")[0].strip()
    return kept if kept == text.strip().partition("\n")[0].strip() else f"{kept} …"


def is_of_input(error: Exception) -> bool:
    """Whether a file that was read can have brought an error about, not the statement, the machine or a table."""
    others = (
        duckdb.ConstraintException,
        duckdb.InterruptException,
        duckdb.OutOfMemoryException,
        duckdb.TransactionException,
    )
    return isinstance(error, duckdb.Error) and not isinstance(error, (*_OF_STATEMENT, *others))


def _retold(error: duckdb.Error, sql: str) -> duckdb.Error:
    """The same error without contents of records; the place in the statement stays."""
    if isinstance(error, _OF_STATEMENT):
        return error
    place = _PLACE.search(str(error))
    shown = place.group() if place is not None and place.group(1) in sql else ""
    return type(error)(cause_of(error) + shown)


class _ArrowStream:
    """A frame seen only as an Arrow C stream: DuckDB would ask for pyarrow if it recognised polars."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


class Engine:
    """One DuckDB connection. Not for sharing between threads: give each thread its own `cursor()`.

    path, remedy: the file it works on, None in memory, and what to do when that file proves damaged. Every method
    raises EngineError as DuckDB does, but StoreDamaged when what it reads of the file is not what was written, and
    DiskFull when there is no room for what it writes. No error carries contents of records.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path | None = None, remedy: str = "") -> None:
        self._connection = connection
        self._path = path
        self._remedy = remedy

    def execute(self, sql: str, params: Params = None) -> Engine:
        """Run one or more statements."""
        with self._told(sql):
            self._connection.execute(sql, params)
        return self

    def rows(self, sql: str, params: Params = None) -> list[tuple[Any, ...]]:
        """All rows of a query as tuples."""
        with self._told(sql):
            return self._connection.execute(sql, params).fetchall()

    def columns(self, sql: str, params: Params = None) -> list[tuple[str, str]]:
        """(name, DuckDB type) of each column of a query."""
        return [(row[0], row[1]) for row in self.rows(f"DESCRIBE {sql}", params)]

    def frame(self, sql: str, params: Params = None) -> pl.DataFrame:
        """All rows of a query as a polars frame (Arrow C stream, no copy through Python objects)."""
        import polars as pl

        with self._told(sql):
            try:
                return pl.DataFrame(self._connection.sql(sql, params=params))
            except pl.exceptions.PolarsError as error:  # what the engine met while polars took its rows
                raise EngineError(str(error)) from error

    @contextmanager
    def _told(self, sql: str) -> Iterator[None]:
        """Tell a full disk and damage of the file from every other error.

        The engine's own error is left out of the chain: a traceback in the log would show the records it quotes.
        """
        try:
            yield
        except duckdb.Error as error:
            if _has_no_room(error):
                raise DiskFull(f"the disk is full: {cause_of(error)}", ROOM_HINT) from None
            if self._path is not None and _is_damage(error, self._path):
                raise StoreDamaged(f"{self._path} is damaged: {cause_of(error)}", self._remedy, self._path) from None
            raise _retold(error, sql) from None

    def append(self, table: str, frame: pl.DataFrame) -> None:
        """Insert a polars frame into `table` by column name.

        A column of type Null, which Arrow hands over without a type the engine knows, is left to the table's default;
        a frame of nothing else, or without rows, inserts nothing.
        """
        import polars as pl

        typed = frame.select(name for name, kind in frame.schema.items() if kind != pl.Null)
        if typed.height == 0 or typed.width == 0:
            return
        columns = ", ".join(f'"{name}"' for name in typed.columns)
        self._connection.register("_append", _ArrowStream(typed))
        try:
            self.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM _append")
        finally:
            self._connection.unregister("_append")

    def write_parquet(self, relation: str, path: Path, *, rows_per_group: int) -> None:
        """Copy a table or view to a Parquet file (zstd); a file that is there is replaced. Nothing is synced."""
        self.execute(
            f"COPY (FROM {relation}) TO '{_quoted(path)}' "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {int(rows_per_group)})"
        )

    def clear(self, table: str) -> None:
        """Delete every row of `table`."""
        self.execute(f"DELETE FROM {table}")

    def replace_rows(self, table: str, key: Sequence[str], gone: str, came: str) -> None:
        """Delete the rows of `table` whose key is one of the relation `gone`, and insert those of `came`."""
        same = " AND ".join(f'm."{name}" IS NOT DISTINCT FROM g."{name}"' for name in key)
        self.execute(f"DELETE FROM {table} AS m USING {gone} AS g WHERE {same}")
        self.execute(f"INSERT INTO {table} FROM {came}")

    @contextmanager
    def transaction(self) -> Iterator[Engine]:
        """BEGIN … COMMIT; any exception rolls everything back and is raised again."""
        self.execute("BEGIN TRANSACTION")
        try:
            yield self
        except BaseException:
            with suppress(duckdb.Error):  # refused by a database shut down after a fatal error; the first error counts
                self._connection.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def interrupt(self) -> None:
        """Stop the query running in another thread on this connection."""
        self._connection.interrupt()

    def cursor(self) -> Engine:
        """A second connection to the same database, for another thread."""
        return Engine(self._connection.cursor(), self._path, self._remedy)

    @contextmanager
    def beside(self, path: Path, schema: str) -> Iterator[Engine]:
        """A connection that works in a new database file at `path` and sees this one's `schema` as views.

        The file is gone when the block ends: what is to stay is copied out before.
        """
        here = self.rows("SELECT current_database()")[0][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        other = self.cursor()
        try:
            other.execute(f"ATTACH '{_quoted(path)}' AS beside")
            other.execute(f"USE beside; CREATE SCHEMA {schema}")
            tables = "SELECT table_name FROM information_schema.tables WHERE table_catalog = ? AND table_schema = ?"
            for (table,) in self.rows(tables, [here, schema]):
                other.execute(f'CREATE VIEW {schema}."{table}" AS SELECT * FROM "{here}".{schema}."{table}"')
            yield other
        finally:
            other.execute(f'USE "{here}"; DETACH DATABASE IF EXISTS beside')
            other.close()
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".wal").unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection; the database file is released with the last one."""
        self._connection.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _remedy_for(read_only: bool) -> str:
    """What to do about a file that cannot be used: what is only read was published, what is written is the store."""
    if read_only:
        return "Run 'trialwise refresh': it publishes a new one."
    return "Run 'trialwise refresh': it sets the file aside and fills another one from landing."


def _said(error: duckdb.Error) -> str:
    """What may tell one error from another: not the records, unless a fatal error quotes the one that came before."""
    return str(error) if isinstance(error, duckdb.FatalException) else _without_values(error)


def _has_no_room(error: duckdb.Error) -> bool:
    return not isinstance(error, _OF_STATEMENT) and _NO_ROOM.search(_said(error)) is not None


def _is_damage(error: duckdb.Error, path: Path) -> bool:
    """Whether the engine complains of the contents of the file at `path`, not of a statement or of another file."""
    text = _said(error)
    if _DAMAGE.search(text) is None:
        return False
    named = _NAMED.search(text)
    return named is None or named.group(1).startswith(str(path))


def connect(
    path: Path | str | None = None,
    *,
    read_only: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
    external_access: bool = True,
    remedy: str | None = None,
) -> Engine:
    """Open a database file, or an in-memory database for None.

    Extensions are never installed or loaded by themselves. Without `external_access` the connection can read no
    file but its own and its configuration is locked: the setting for conditions and queries typed by people.
    remedy: what to do when the file proves damaged, in place of the usual sentence.
    Raises StoreLocked when another process holds the file, StoreDamaged when it is no database that can be read,
    DiskFull when there is no room to open it, StoreError when it cannot be opened for another reason.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = threads
    target = ":memory:" if path is None else str(path)
    what_next = _remedy_for(read_only) if remedy is None else remedy
    try:
        connection = duckdb.connect(target, read_only=read_only, config=config)
    except duckdb.Error as error:
        if _has_no_room(error):  # before anything else: a log that cannot be replayed for want of room is not damaged
            raise DiskFull(f"the disk is full: {target} cannot be opened: {cause_of(error)}", ROOM_HINT) from None
        if _is_damage(error, Path(target)) or isinstance(error, _UNREADABLE):
            raise StoreDamaged(f"{target} is no usable database: {cause_of(error)}", what_next, Path(target)) from None
        if "set lock on file" in str(error):
            raise StoreLocked(
                f"{target} is in use by another trialwise process",
                "Wait for it to end, or stop it, and run the command again.",
            ) from None
        raise StoreError(
            f"{target} cannot be opened: {cause_of(error)}",
            "Check that this user may read and write it, that the disk has room, and [workspace] memory_limit.",
        ) from None
    with _SETTING_UP:
        locked = connection.execute("SELECT current_setting('lock_configuration')").fetchone() == (True,)
        if not locked:  # a file that this process has open already comes back as it was opened first
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")  # it would write to stdout, which carries data alone
            if not external_access:
                connection.execute("SET enable_external_access = false")
                connection.execute("SET lock_configuration = true")
    return Engine(connection, None if path is None else Path(path), what_next)
