"""What has been landed from Stripe before, so that a nightly reading of everything lands only what changed.

A side file of the landing folder. Without it nothing is lost: objects are landed once more, and the loader drops them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from trialwise.errors import StoreError

LISTED, MENTIONED, UNLISTED, GONE = "listed", "mentioned", "unlisted", "gone"
_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
  kind TEXT NOT NULL, id TEXT NOT NULL, created INTEGER, digest BLOB, round INTEGER NOT NULL, standing TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_by_age ON events (created);
CREATE TABLE IF NOT EXISTS thin (id TEXT PRIMARY KEY, why TEXT NOT NULL) WITHOUT ROWID;
"""


def digest(data: bytes) -> bytes:
    """What tells a changed object from an unchanged one."""
    return blake2b(data, digest_size=12).digest()


class Known:
    """Objects with the digest of what was landed last, ids of recent events, and thin events that lead nowhere.

    A damaged file is set aside. Raises StoreError when the disk allows none.

    standing of an object: listed (by a list), mentioned (by an event alone), unlisted (there, in no list), gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._file = _open(path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                path.replace(path.with_name(path.name + ".damaged"))
                self._file = _open(path)
        except (OSError, sqlite3.OperationalError) as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """What is noted in the block is durable when it ends, or not noted at all. Raises StoreError."""
        try:
            with self._file:
                self._file.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def changed(self, kind: str, digests: Iterable[tuple[str, bytes]]) -> set[str]:
        """The ids whose digest is another one than what was landed last."""
        found = set()
        for name, value in digests:
            row = self._row("SELECT digest FROM objects WHERE kind = ? AND id = ?", (kind, name))
            if row is None or row[0] != value:
                found.add(name)
        return found

    def saw(self, kind: str, rows: Iterable[tuple[str, int | None, bytes]], round_number: int) -> None:
        """Objects (id, created, digest) as a list showed them."""
        self._file.executemany(
            "INSERT INTO objects VALUES (?, ?, ?, ?, ?, 'listed') ON CONFLICT DO UPDATE SET"
            " created = excluded.created, digest = excluded.digest, round = excluded.round, standing = 'listed'",
            [(kind, name, created, value, round_number) for name, created, value in rows],
        )

    def mentioned(self, kind: str, name: str, created: int | None, *, is_deletion: bool) -> None:
        """An object an event is about: looked for at the next reading unless the event says that it is gone."""
        self._file.execute(
            "INSERT INTO objects VALUES (?, ?, ?, NULL, 0, ?) ON CONFLICT DO UPDATE SET"
            " standing = CASE WHEN excluded.standing = 'gone' OR standing = 'unlisted'"
            " THEN excluded.standing ELSE standing END",
            (kind, name, created, GONE if is_deletion else MENTIONED),
        )

    def missing(self, kind: str, round_number: int, since: int | None) -> list[str]:
        """Ids that this reading of the list should have shown and did not, in order."""
        rows = self._file.execute(
            "SELECT id FROM objects WHERE kind = ? AND round < ? AND standing IN ('listed', 'mentioned')"
            " AND (? IS NULL OR created IS NULL OR created >= ?) ORDER BY id",
            (kind, round_number, since, since),
        )
        return [name for (name,) in rows]

    def settle(self, kind: str, name: str, standing: str, value: bytes | None, round_number: int) -> None:
        """What became of a missing object; `value` is the digest of what was landed of it."""
        self._file.execute(
            "UPDATE objects SET standing = ?, round = ?, digest = coalesce(?, digest) WHERE kind = ? AND id = ?",
            (standing, round_number, value, kind, name),
        )

    def new_events(self, names: Iterable[str]) -> set[str]:
        """Those of the ids that were not noted before."""
        return {name for name in names if self._row("SELECT 1 FROM events WHERE id = ?", (name,)) is None}

    def note_events(self, rows: Iterable[tuple[str, int]]) -> None:
        """Note (id, created) of events."""
        self._file.executemany("INSERT OR IGNORE INTO events VALUES (?, ?)", list(rows))

    def forget_events(self, before: datetime) -> None:
        """Forget the ids of events created before then (UTC, no zone)."""
        self._file.execute("DELETE FROM events WHERE created < ?", (int(before.replace(tzinfo=UTC).timestamp()),))

    def leads_nowhere(self, name: str) -> bool:
        """Whether a thin event was followed before without finding anything."""
        return self._row("SELECT 1 FROM thin WHERE id = ?", (name,)) is not None

    def note_nowhere(self, name: str, why: str) -> None:
        """A thin event has nothing to follow, for good."""
        self._file.execute("INSERT OR REPLACE INTO thin VALUES (?, ?)", (name, why))

    def forget(self, is_listed: Callable[[str], bool]) -> int:
        """Remove the notes on objects and events whose ids are listed; how many there were."""
        count = 0
        for read, remove in (
            ("SELECT DISTINCT id FROM objects", "DELETE FROM objects WHERE id = ?"),
            ("SELECT id FROM events", "DELETE FROM events WHERE id = ?"),
        ):
            names = [name for (name,) in self._file.execute(read) if is_listed(name)]
            self._file.executemany(remove, [(name,) for name in names])
            count += len(names)
        return count

    def tidy(self) -> None:
        """Leave no bytes of rows that were removed. Raises StoreError."""
        try:
            self._file.execute("VACUUM")
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self._path} cannot be used: {error}", "Make room or mend the disk; the next import goes on from there."
        )

    def _row(self, statement: str, values: tuple[object, ...]) -> tuple[object, ...] | None:
        row: tuple[object, ...] | None = self._file.execute(statement, values).fetchone()
        return row


def forget(path: Path, is_listed: Callable[[str], bool]) -> int:
    """Remove the notes on objects and events whose ids are listed, their bytes too; how many there were.

    Raises StoreError.
    """
    if not path.exists():
        return 0
    known = Known(path)
    try:
        with known.change():
            count = known.forget(is_listed)
        if count:
            known.tidy()
        return count
    finally:
        known.close()


def _open(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, isolation_level=None)
    try:
        file.execute("PRAGMA synchronous = FULL")
        with closing(file.cursor()) as cursor:
            [found] = cursor.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
            cursor.executescript(_TABLES)
    except sqlite3.DatabaseError:
        file.close()
        raise
    return file
