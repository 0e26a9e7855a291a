"""A SQLite file beside the store: read and written by any process at any time, a live server or not.

A connection lives for one transaction, so that nobody goes on writing to a file that was set aside. Who may read the
file and not write it reads it as it is: in WAL mode an ordinary reader writes too, into the files beside it.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trialwise.errors import NotWritable, StoreError

_BUSY_SECONDS = 30.0
_LOOKS = 20
_LOOK_SECONDS = 0.05
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_RIGHT = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
READ = "BEGIN"
Done = TypeVar("Done")


@dataclass(frozen=True)
class SqliteFile:
    """One file in WAL mode; it is made by the first transaction.

    what: its name for people, as "run ledger". schema: statements that make its tables and set `user_version` to
    `version`.
    """

    path: Path
    what: str
    schema: str
    version: int

    def work(self, task: Callable[[sqlite3.Connection], Done], begin: str = "BEGIN IMMEDIATE") -> Done:
        """Carry out a task in a transaction of its own, once more where the file proves damaged: it is then set aside.

        begin: READ for a task that only reads, which takes no right to write. Raises StoreError when the file cannot be
        read or written (NotWritable where only the right is missing), or is of another version.
        """
        try:
            try:
                return self._try(task, begin)
            except sqlite3.DatabaseError as error:
                if begin == READ and _code(error) in _NO_RIGHT and self.path.exists():
                    return self._read(task)
                if not _is_damage(error):
                    raise
                self._set_aside(str(error))
                return self._try(task, begin)
        except (sqlite3.Error, OSError) as error:
            kind = NotWritable if _code(error) in _NO_RIGHT else StoreError
            raise kind(
                f"the {self.what} {self.path} cannot be used: {error}", "Mend the folder's rights or its disk."
            ) from error

    def check(self) -> None:
        """Look at the whole file, which a transaction reads a part of; a damaged one is set aside."""
        if self.path.exists():
            self.work(_check, READ)

    def compact(self) -> None:
        """Leave nothing of rows that were deleted in the bytes of the file and its log."""
        try:
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise StoreError(f"the {self.what} {self.path} cannot be compacted: {error}", "Run it again.") from error

    def set_aside(self) -> tuple[Path, ...]:
        """Files that proved damaged, the oldest first."""
        found = self.path.parent.glob(f"{self.path.name}.damaged-*")
        return tuple(sorted(path for path in found if path.suffix.rpartition("-")[2].isdigit()))

    def _try(self, task: Callable[[sqlite3.Connection], Done], begin: str) -> Done:
        with closing(self._connect()) as connection:
            connection.execute(begin)
            try:
                done = task(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
            return done

    def _read(self, task: Callable[[sqlite3.Connection], Done]) -> Done:
        """Carry out a task that only reads, without a right to write.

        Where there is a log somebody is writing, or was: SQLite reads both. Where there is none the file is all there
        is; nobody can be kept from changing it meanwhile, so then it is read again.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        last: sqlite3.Error | None = None
        for _ in range(_LOOKS):
            before, is_alone = self.path.stat(), not log.exists()
            how = "immutable=1" if is_alone else "mode=ro"
            address = f"{self.path.absolute().as_uri()}?{how}"
            try:
                with closing(sqlite3.connect(address, timeout=_BUSY_SECONDS, uri=True)) as connection:
                    connection.row_factory = sqlite3.Row
                    self._look_at_version(connection)
                    connection.execute(READ)
                    done = task(connection)
            except sqlite3.Error as error:  # also of a file that changed, or a log that went, while it was read
                last = error
            else:
                after = self.path.stat()
                if not is_alone or (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
                    return done
            time.sleep(_LOOK_SECONDS)
        raise last or sqlite3.OperationalError("it was changed again and again while it was read")

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                with self._alone():  # two that make it at once would find it locked whatever the timeout
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.executescript(self.schema)
            self._look_at_version(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _look_at_version(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != self.version:
            raise StoreError(
                f"{self.path} is of version {version}, this is a trialwise that knows version {self.version}",
                "Run the newer trialwise, or move the file away.",
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _set_aside(self, why: str) -> None:
        """Move a damaged file away with its log, unless another process did so meanwhile."""
        with self._alone():
            try:
                with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
                    _check(connection)
                return
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
            number = 1
            while (kept := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
                number += 1
            for end in ("-wal", "-shm", ""):  # the file at last: a log without its file would go into the new one
                beside = self.path.with_name(f"{self.path.name}{end}")
                if beside.exists():
                    shutil.move(beside, kept.with_name(f"{kept.name}{end}"))
        import structlog  # here, for it takes long to import, and files are sound

        log = structlog.get_logger("trialwise.sqlite_file")
        log.warning(f"the {self.what} was damaged; it is begun anew", error=why, kept=kept.name)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is at fault."""
    return _code(error) in _DAMAGED


def _code(error: Exception) -> int:
    """SQLite's; an error of Python's own, of a value of no known type, has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _check(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(str(found))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
