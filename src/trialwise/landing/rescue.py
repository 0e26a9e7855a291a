"""Compacted files as far as they can be read: a sound one as it lies, of a damaged one what is whole, group by group.

compacted/000001-000042.parquet.footer     the end of the file once more: without it nothing of the file could be read
compacted/.000001-000042.parquet.3.open    what could be read of a damaged file's third group, while a load lasts
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self

from trialwise.engines.duckdb import EngineError, connect
from trialwise.landing import durable
from trialwise.landing.folder import Landing
from trialwise.landing.frame import checksum
from trialwise.landing.statements import rows, run

FOOTER = ".footer"
_MAGIC = b"PAR1"
_TAIL = 8  # bytes: the footer's length and the magic


@dataclass(frozen=True)
class Held:
    """What can be read of a compacted file: the files to read for it, and what is lost, empty for a sound one."""

    paths: tuple[Path, ...]
    lost: str = ""


class Rescue:
    """The compacted files of a landing folder, each looked at once; what was copied is removed when the block ends."""

    def __init__(self, landing: Landing) -> None:
        self._landing = landing
        self._held: dict[str, Held] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, held in self._held.items():
            for path in held.paths:
                if path.name != name:
                    path.unlink(missing_ok=True)
        self._held.clear()

    def held(self, name: str) -> Held:
        """What can be read of a compacted file that is there. Raises DiskFull where there is no room for a copy."""
        if name not in self._held:
            records = _records(self._landing, name)
            path = self._landing.compacted / name
            self._held[name] = Held((path,)) if _is_sound(path, records) else self._rescued(path, records)
        return self._held[name]

    def _rescued(self, path: Path, records: Mapping[int, int]) -> Held:
        """What can be read with the footer that was kept, or with the file's own where that gives more."""
        mended = path.with_name(f".{path.name}.mended.open")
        try:
            found = [_read(mended, f".{path.name}.kept", records)] if _mend_footer(path, mended) else []
            if not found or found[0].rows < sum(records.values()):
                found.append(_read(path, f".{path.name}", records))
        finally:
            mended.unlink(missing_ok=True)
        best = max(found, key=lambda read: read.rows)
        for copy in (copy for read in found if read is not best for copy in read.copies):
            copy.unlink()
        if not best.copies:
            return Held((), f"{path.name} cannot be read")
        lost = ", ".join(f"{first + 1} to {end}" for first, end in best.lost)
        return Held(best.copies, f"rows {lost} of {path.name} cannot be read" if lost else f"{path.name} is damaged")


def damaged(landing: Landing) -> dict[Path, str]:
    """Compacted files that are not there, or not whole, with what is lost; nothing is the rule. Each is read once."""
    found: dict[Path, str] = {}
    known = landing.manifest()
    with Rescue(landing) as rescue:
        for name in sorted({name for number, name in known.holders.items() if number not in known.dropped}):
            path = landing.compacted / name
            lost = rescue.held(name).lost if path.exists() else f"{name} is missing"
            if lost:
                found[path] = lost
    return found


@dataclass(frozen=True)
class _Read:
    """Copies of the row groups that could be read, how many rows these are, and (first, end) of the others."""

    copies: tuple[Path, ...] = ()
    rows: int = 0
    lost: tuple[tuple[int, int], ...] = ()


def _read(source: Path, name: str, records: Mapping[int, int]) -> _Read:
    """Copy what can be read of a file to files beside it that are called `name` and so on."""
    groups = _groups(source)
    if sum(groups) != sum(records.values()):  # places would mean nothing
        return _Read()
    copies: list[Path] = []
    lost: list[tuple[int, int]] = []
    first = count = 0
    for number, size in enumerate(groups):
        copy = source.with_name(f"{name}.{number}.open")
        if _copy_group(source, copy, records, first, first + size - 1):
            copies.append(copy)
            count += size
        else:
            copy.unlink(missing_ok=True)
            lost.append((first, first + size))
        first += size
    return _Read(tuple(copies), count, tuple(lost))


def keep_footer(path: Path) -> None:
    """Keep the end of a compacted file beside it, durably; raises OSError."""
    with path.open("rb") as stream:
        size = stream.seek(-_TAIL, os.SEEK_END) + _TAIL
        length = int.from_bytes(stream.read(4), "little") + _TAIL
        stream.seek(-length, os.SEEK_END)
        kept = size.to_bytes(8, "little") + stream.read()
    durable.replace(path.with_name(path.name + FOOTER), checksum(kept).encode() + kept)


def _mend_footer(path: Path, mended: Path) -> bool:
    """Write a copy of a file with the length and footer it had; False when its own are those, or are not known."""
    try:
        told = path.with_name(path.name + FOOTER).read_bytes()
    except FileNotFoundError:
        return False
    crc, kept = told[:16], told[16:]
    if crc != checksum(kept).encode():
        return False
    size, footer = int.from_bytes(kept[:8], "little"), kept[8:]
    with path.open("rb") as stream, durable.room():
        here = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, here - len(footer)))
        if here == size and stream.read() == footer:
            return False
        stream.seek(0)
        with mended.open("wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
            copy.truncate(min(here, size - len(footer)))
            copy.truncate(size - len(footer))
            copy.seek(size - len(footer))
            copy.write(footer)
    return True


def _records(landing: Landing, name: str) -> dict[int, int]:
    """Segment -> records of a compacted file, in the order in which they stand in it."""
    known = landing.manifest()
    numbers = sorted(number for number, holder in known.holders.items() if holder == name)
    entries = {number: known.import_of(number) for number in numbers}
    return {
        number: segment.records
        for number, entry in entries.items()
        if entry is not None
        for segment in entry.segments
        if segment.number == number
    }


def _is_sound(path: Path, records: Mapping[int, int]) -> bool:
    """Whether every record is there and whole."""
    engine = connect()
    try:
        run(engine, "macros")
        run(engine, "set_segments", {"segments": list(records)})
        found = dict(rows(engine, "compacted_counts", {"path": str(path)}))
        return all(found.get(number, 0) == count for number, count in records.items())
    except EngineError:
        return False
    finally:
        engine.close()


def _groups(path: Path) -> list[int]:
    """Rows of each row group, none where the footer cannot be read."""
    engine = connect()
    try:
        return [size for (size,) in rows(engine, "row_groups", {"path": str(path)})]
    except EngineError:
        return []
    finally:
        engine.close()


def _copy_group(source: Path, copy: Path, records: Mapping[int, int], first: int, last: int) -> bool:
    """Copy the rows from `first` to `last`; False when they cannot be read.

    A connection for each: what the engine meets in a damaged file may end the whole database it was met in.
    """
    ends = list(accumulate(records.values()))
    engine = connect()
    try:
        run(engine, "macros")
        run(engine, "set_paths", {"paths": [str(source)]})
        run(engine, "set_rows", {"rows": [first, last]})
        run(engine, "set_places", {"segments": list(records), "first": [0, *ends[:-1]], "end": ends})
        run(engine, "rescued")
        engine.write_parquet("rescued", copy, rows_per_group=100_000)
    except EngineError:
        return False
    finally:
        engine.close()
    return True
