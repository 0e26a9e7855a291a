"""The owner's database: opened, found damaged, set aside, and filled again from landing.

store.duckdb             the owner's working database; its write-ahead log lies beside it as store.duckdb.wal
store.duckdb.damaged-1   one that proved damaged, its log beside it; kept for people, read by nobody
store.duckdb.older-2     one that an older version made, whose raw tables have another shape; the same
recovered.json           what was found when, why, and where the file lies that was set aside

A file that is not as it was written shows in three ways, and all of them end here: it does not open; it opens and
holds fewer loads than landing has noted (a log that breaks off is replayed up to there without a word); or a block of
it fails its checksum when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from trialwise.clock import utc_now
from trialwise.engines.duckdb import Engine, connect
from trialwise.errors import DiskFull, StoreDamaged, StoreError
from trialwise.landing import durable, schema
from trialwise.landing.folder import Landing
from trialwise.landing.report import LoadReport

RECORD = "recovered.json"
_LOADS = "SELECT count(*) FROM raw.loads"
_HAS_LOADS = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'raw' AND table_name = 'loads'"
Done = TypeVar("Done")


@dataclass(frozen=True)
class Recovery:
    """One store that was set aside: damaged, or made by an older version.

    found_at, rebuilt_at: UTC instants without zone; rebuilt_at is None until the new one has been filled.
    reason: what was found. kept: the file's name in the data folder since. is_moved: whether it lies there yet.
    """

    number: int
    found_at: datetime
    reason: str
    kept: str
    is_moved: bool = False
    rebuilt_at: datetime | None = None
    is_older: bool = False

    def __str__(self) -> str:
        filled = "filled again from landing" if self.rebuilt_at else "not yet filled again"
        what = "made by an older version" if self.is_older else "damaged"
        return f"the store was {what} ({self.reason}); it was set aside as {self.kept} and {filled}"


def recoveries(data: Path) -> tuple[Recovery, ...]:
    """Every recovery of the store in a data folder, the oldest first; an unreadable record is an empty one."""
    try:
        return tuple(_recovery(entry) for entry in json.loads((data / RECORD).read_bytes())["recoveries"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return ()


@dataclass(frozen=True)
class Store:
    """The database file of one workspace, for the process that owns it.

    path, landing: the file, and the landing folder it is filled from. fill: brings the raw tables up to landing, and
    tells what it loaded.
    """

    path: Path
    landing: Path
    fill: Callable[[Engine], LoadReport]
    memory_limit: str | None = None

    def work(self, task: Callable[[Engine, LoadReport], Done]) -> Done:
        """Carry out a task on the open store; where the file proves damaged meanwhile, once more on its successor.

        The task gets the store and the report of what it was filled with on the way, an empty one for a sound store.
        It is repeated as a whole, so what it keeps outside of the store must bear being kept twice. Raises
        StoreDamaged when the successor is damaged too.
        """
        try:
            with self.opened() as (engine, filled):
                return task(engine, filled)
        except StoreDamaged as error:
            if error.path != self.path:
                raise
        try:
            with self.opened() as (engine, filled):
                return task(engine, filled)
        except StoreDamaged as error:
            if error.path != self.path:
                raise
            raise StoreDamaged(
                f"{error.message}; it had just been made anew",
                "The disk or the memory of this machine changes what is written: look after it, then run this again.",
                self.path,
            ) from error

    @contextmanager
    def opened(self) -> Iterator[tuple[Engine, LoadReport]]:
        """The store, whole and up to every load that landing has noted; and what it was filled with on the way.

        Damage found while opening is mended on the way; damage that shows later sets the file aside and raises
        StoreDamaged: the next opening begins with a new one.
        """
        self._finish_moving()
        if self._is_being_filled():
            self._begin_again()
        else:
            damage, other_shape = self._looked_at()
            if damage is not None or other_shape is not None:
                self._set_aside(damage or other_shape or "", is_older=damage is None)
        engine = connect(self.path, memory_limit=self.memory_limit)
        try:
            yield engine, self._fill_successor(engine)
        except StoreDamaged as error:
            engine.close()
            if error.path == self.path:
                self._set_aside(_cause(error))
            raise
        finally:
            engine.close()

    @property
    def _log(self) -> Path:
        return self.path.with_name(self.path.name + ".wal")

    def _looked_at(self) -> tuple[str | None, str | None]:
        """(what is damaged, what an older version made otherwise); looked at read-only: file and log stay as they are.

        Raises StoreError for a store of a newer version.
        """
        if not self.path.exists():
            return "a write-ahead log lies there without its database" if self._log.exists() else None, None
        noted = len(Landing(self.landing).manifest().loads)
        try:
            engine = connect(self.path, read_only=True, memory_limit=self.memory_limit)
        except StoreDamaged as error:
            return _cause(error), None
        try:
            has = engine.rows(_LOADS)[0][0] if engine.rows(_HAS_LOADS)[0][0] else 0
            other_shape = schema.outdated(engine)
        except StoreDamaged as error:
            return _cause(error), None
        finally:
            engine.close()
        return None if has >= noted else f"it holds {has} of {noted} loads", other_shape

    def _is_being_filled(self) -> bool:
        known = recoveries(self.path.parent)
        return bool(known) and known[-1].rebuilt_at is None

    def _set_aside(self, reason: str, *, is_older: bool = False) -> None:
        """Note the reason, then give the file and its log other names; each step can be repeated after a crash."""
        known = recoveries(self.path.parent)
        taken = [entry.number for entry in known]
        taken += [int(path.suffix.rpartition("-")[2]) for path in self._kept() if path.suffix[-1:].isdigit()]
        number = max(taken, default=0) + 1
        kept = f"{self.path.name}.{'older' if is_older else 'damaged'}-{number}"
        entry = Recovery(number, utc_now(), reason, kept, is_older=is_older)
        self._note((*known, entry))
        self._finish_moving()

    def _finish_moving(self) -> None:
        known = recoveries(self.path.parent)
        if not known or known[-1].is_moved:
            return
        kept = self.path.with_name(known[-1].kept)
        with writing(self.path.parent):
            # The log goes first: a log without its database must never meet a new one.
            for source, target in ((self._log, kept.with_name(kept.name + ".wal")), (self.path, kept)):
                if source.exists() and not target.exists():
                    source.rename(target)
            durable.sync_folder(self.path.parent)
        self._note((*known[:-1], replace(known[-1], is_moved=True)))

    def _begin_again(self) -> None:
        """Remove a successor whose filling was interrupted: it holds nothing that landing does not, and what of it was
        written nobody knows.
        """
        with writing(self.path.parent):
            # The log goes first: a log without its database must never meet a new one.
            for path in (self._log, self.path):
                path.unlink(missing_ok=True)
            durable.sync_folder(self.path.parent)

    def _fill_successor(self, engine: Engine) -> LoadReport:
        if not self._is_being_filled():
            return LoadReport()
        report = self.fill(engine)
        known = recoveries(self.path.parent)
        self._note((*known[:-1], replace(known[-1], rebuilt_at=utc_now())))
        return report

    def _kept(self) -> list[Path]:
        return [path for kind in ("damaged", "older") for path in self.path.parent.glob(f"{self.path.name}.{kind}-*")]

    def _note(self, entries: tuple[Recovery, ...]) -> None:
        text = json.dumps({"recoveries": [_plain(entry) for entry in entries]}, indent=2, ensure_ascii=False)
        with writing(self.path.parent):
            durable.replace(self.path.parent / RECORD, text.encode() + b"\n")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the disk refuses to write into a data folder is a StoreError (DiskFull where there is no room)."""
    try:
        yield
    except OSError as error:
        kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
        raise kind(f"{folder} cannot be written: {error}", "Make room or mend the disk, and run it again.") from error


def _cause(error: StoreDamaged) -> str:
    """The reason without the path, which is told apart."""
    return (error.message.partition(": ")[2] or error.message).splitlines()[0]


def _plain(entry: Recovery) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(entry).items()}


def _recovery(entry: dict[str, Any]) -> Recovery:
    rebuilt = entry["rebuilt_at"]
    return Recovery(
        int(entry["number"]),
        datetime.fromisoformat(entry["found_at"]),
        str(entry["reason"]),
        str(entry["kept"]),
        bool(entry["is_moved"]),
        None if rebuilt is None else datetime.fromisoformat(rebuilt),
        bool(entry.get("is_older")),
    )
