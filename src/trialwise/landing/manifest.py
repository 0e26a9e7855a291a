"""manifest.ndjson: what was landed and what each load took, in order. The store can be rebuilt from it."""

from __future__ import annotations

import json
import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import md5
from pathlib import Path
from sys import intern
from types import MappingProxyType
from typing import Any, BinaryIO, TypeVar

import orjson

from trialwise.errors import StoreError
from trialwise.landing import durable, index
from trialwise.landing.frame import checksum
from trialwise.landing.index import Columns, Joined, Lines, Made, numbers, ranges

NAME = "manifest.ndjson"
_BODY = len('{"crc":"0123456789abcdef","entry":')
_BUFFER_BYTES = 256 << 10
_FOLD_LINES = 4096  # read one by one before they become columns
_EPOCH = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)
Said = TypeVar("Said")
_UNMAPPED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Segment:
    """One sealed file of records. Its number gives its name and its place in the order of arrival.

    `live` is the name of the journal it was while it was written, without endings; None for the records of a file.
    """

    number: int
    records: int
    refused: int
    bytes: int
    live: str | None = None

    @property
    def name(self) -> str:
        """The file's name in the landing folder."""
        return f"{self.number:06d}.ndjson"


@dataclass(frozen=True, slots=True)
class Import:
    """One file landed, one channel's journals sealed, or records landed again from quarantine, with the segments.

    is_adopted: the manifest had forgotten it, and took its segments in anew.
    """

    number: int
    source: str
    format: str
    file: str
    sha256: str
    landed_at: datetime
    segments: tuple[Segment, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)
    retries: tuple[str, ...] = ()
    is_adopted: bool = False

    @property
    def records(self) -> int:
        """Records of all segments."""
        return sum(segment.records for segment in self.segments)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes a second import of a file a repetition: content and the way it is read."""
        return self.sha256, self.source, self.format, json.dumps(dict(self.mapping), sort_keys=True)


@dataclass(frozen=True, slots=True)
class LoadRange:
    """The segments one load took, both ends inclusive."""

    load_id: int
    first_segment: int
    last_segment: int
    landed_at: datetime


@dataclass(frozen=True)
class Compacted:
    """Loaded segments whose records now lie in one Parquet file of landing/compacted; a later entry counts."""

    file: str
    segments: tuple[int, ...]
    bytes: int
    compacted_at: datetime


@dataclass(frozen=True)
class Dropped:
    """Loaded segments whose records are gone for good, as [landing] keep_event_days asks."""

    segments: tuple[int, ...]
    dropped_at: datetime


Entry = Import | LoadRange | Compacted | Dropped
"""What a line of the file may say."""


@dataclass(frozen=True)
class Manifest:
    """Everything the file says; `ends` is the newest segment's number as of each import.

    holders: segment -> the Parquet file that holds it; dropped: segments that are gone for good; columns: what is kept
    compactly of the first of them. Going through all imports of a long time reads every line: ask for some.
    """

    imports: Sequence[Import] = ()
    loads: Sequence[LoadRange] = ()
    ends: Sequence[int] = ()
    holders: Mapping[int, str] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()
    columns: Columns = field(default_factory=Columns, compare=False, repr=False)

    @property
    def last_segment(self) -> int:
        """Number of the newest segment, 0 before the first."""
        return self.ends[-1] if self.ends else 0

    @cached_property
    def last_loaded(self) -> int:
        """Number of the newest segment that a load took, 0 before the first."""
        return max([*self.columns.lasts[-1:], *(load.last_segment for load in _new(self.loads))], default=0)

    @cached_property
    def drops(self) -> str:
        """Stands for everything dropped: another text when more is; empty when nothing is."""
        if not self.dropped:
            return ""
        return checksum(json.dumps(sorted(self.dropped)).encode())

    def kept(self, entry: Import) -> tuple[Segment, ...]:
        """The segments of an import that have not been dropped."""
        if self.dropped.isdisjoint(segment.number for segment in entry.segments):
            return entry.segments
        return tuple(segment for segment in entry.segments if segment.number not in self.dropped)

    def after(self, segment: int) -> tuple[Import, ...]:
        """The imports that lie behind a segment number."""
        later = self.imports[bisect_right(self.ends, segment) :]
        return tuple(entry for entry in later if entry.segments and entry.segments[0].number > segment)

    def between(self, first: int, last: int) -> tuple[Import, ...]:
        """The imports whose segments lie in [first, last]."""
        some = self.imports[bisect_right(self.ends, first - 1) : bisect_right(self.ends, last)]
        return tuple(entry for entry in some if entry.segments and entry.segments[0].number >= first)

    def import_of(self, segment: int) -> Import | None:
        """The import a segment belongs to."""
        place = bisect_left(self.ends, segment)
        for entry in self.imports[place : place + 1]:
            return entry if any(one.number == segment for one in entry.segments) else None
        return None

    def sealed(self, live: str) -> Segment | None:
        """The segment a journal became, by its name without endings."""
        for entry in reversed(_new(self.imports)):
            for segment in entry.segments:
                if segment.live == live:
                    return segment
        key = index.journal_key(live)
        if key not in self.columns.journals:
            return None
        old = self.import_of(self.columns.numbers[self.columns.journals.index(key)])
        return next((one for one in old.segments if one.live == live), None) if old is not None else None

    def files(self) -> Iterator[Import]:
        """The imports that are not of live journals: files, and records landed again."""
        yield from (self.imports[place] for place in self.columns.files)
        yield from (entry for entry in _new(self.imports) if _is_file(entry))

    def segments(self) -> Iterator[tuple[int, int]]:
        """(number, bytes) of every segment, in order."""
        yield from zip(self.columns.numbers, self.columns.sizes, strict=True)
        yield from ((segment.number, segment.bytes) for entry in _new(self.imports) for segment in entry.segments)

    @cached_property
    def lines_left(self) -> tuple[int, int]:
        """(segments, bytes) that lie there as NDJSON: neither compacted nor dropped."""
        sizes = [size for one, size in self.segments() if one not in self.holders and one not in self.dropped]
        return len(sizes), sum(sizes)

    def ranges(self) -> Iterator[tuple[int, int, int]]:
        """(load, first segment, last segment) of every load, in order."""
        yield from zip(self.columns.load_ids, self.columns.firsts, self.columns.lasts, strict=True)
        yield from ((load.load_id, load.first_segment, load.last_segment) for load in _new(self.loads))

    def has_noted(self, load_id: int) -> bool:
        """Whether a load has been noted."""
        return load_id in self.columns.load_ids or any(load.load_id == load_id for load in _new(self.loads))


def _new(entries: Sequence[Said]) -> tuple[Said, ...]:
    """Those that are not kept as columns."""
    return entries.new if isinstance(entries, Joined) else tuple(entries)


def _is_file(entry: Import) -> bool:
    return not entry.segments or entry.segments[0].live is None


@dataclass(frozen=True)
class _Reading:
    """A manifest as far as its file was read: which file, how far, its last line there, and what it said.

    offsets: where the lines of those imports begin that are not kept as columns.
    """

    inode: int
    changed: int
    end: int
    lines: int
    last: bytes
    said: Manifest
    offsets: tuple[int, ...] = ()


_NOTHING = _Reading(0, 0, 0, 0, b"", Manifest())
_readings: dict[Path, _Reading] = {}
_indexed: dict[Path, int] = {}
"""How many bytes of a manifest the index file beside it covers, as far as this process knows."""


def read(folder: Path) -> Manifest:
    """Read the manifest of a landing folder; an absent one is an empty one.

    A last line that was never finished is no line. A process reads every line once: afterwards only what was added,
    as long as the file is the same one and has what it had. What an index covers is not read before it is asked for.
    Raises StoreError when a finished line is damaged.
    """
    path = folder / NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Manifest()
    try:
        found = os.fstat(descriptor)
        before = _readings.get(path, _NOTHING)
        grown = found.st_size > before.end or found.st_mtime_ns == before.changed
        kept = os.pread(descriptor, len(before.last), before.end - len(before.last))
        if before.inode != found.st_ino or not grown or kept != before.last:
            before = _from_index(folder, descriptor, found)
        if before.end == found.st_size and before.lines:
            return before.said
        with os.fdopen(os.dup(descriptor), "rb", _BUFFER_BYTES) as stream:
            stream.seek(before.end)
            reading = _further(before, found, path, stream)
        if len(_new(reading.said.imports)) + len(_new(reading.said.loads)) > _FOLD_LINES:
            reading = _folded(reading, path, descriptor)
    finally:
        os.close(descriptor)
    _readings[path] = reading
    return reading.said


def _further(before: _Reading, found: os.stat_result, path: Path, stream: BinaryIO) -> _Reading:
    """What was read before, with the lines that follow up to the size `found`, one at a time."""
    said = before.said
    imports: list[Import] = []
    loads: list[LoadRange] = []
    ends: list[int] = []
    offsets: list[int] = []
    holders: dict[int, str] = {}
    dropped: list[int] = []
    last_segment, end, number, last = said.last_segment, before.end, before.lines, before.last
    for line in stream:
        if not line.endswith(b"\n") or end + len(line) > found.st_size:
            break
        number += 1
        entry = _parse(path, f"line {number}", line)
        if "load" in entry:
            loads.append(_load_range(entry["load"]))
        elif "compacted" in entry:
            holders.update(dict.fromkeys(numbers(entry["compacted"]["segments"]), entry["compacted"]["file"]))
        elif "dropped" in entry:
            dropped += numbers(entry["dropped"]["segments"])
        else:
            offsets.append(end)
            imports.append(_import(entry["import"]))
            for segment in imports[-1].segments:
                last_segment = max(last_segment, segment.number)
            ends.append(last_segment)
        end += len(line)
        last = line
    if number > before.lines:
        said = Manifest(
            _and(said.imports, imports),
            _and(said.loads, loads),
            _and(said.ends, ends),
            {**said.holders, **holders} if holders else said.holders,
            said.dropped | frozenset(dropped) if dropped else said.dropped,
            said.columns,
        )
    return _Reading(found.st_ino, found.st_mtime_ns, end, number, last, said, (*before.offsets, *offsets))


def _and(entries: Sequence[Said], more: list[Said]) -> Sequence[Said]:
    return entries + tuple(more) if isinstance(entries, Joined) else (*entries, *more)


def _from_index(folder: Path, descriptor: int, found: os.stat_result) -> _Reading:
    """As far as an index covers the file; from its beginning where there is none, or one of another file."""
    columns = index.read(folder)
    if columns is None:
        return _NOTHING
    start = columns.end - len(columns.last)
    if columns.end > found.st_size or os.pread(descriptor, len(columns.last), start) != columns.last:
        return _NOTHING
    _indexed[folder / NAME] = columns.end
    said = _compact(columns, folder / NAME, descriptor)
    return _Reading(found.st_ino, found.st_mtime_ns, columns.end, columns.lines, columns.last, said)


def _compact(columns: Columns, path: Path, descriptor: int) -> Manifest:
    """What columns say; `descriptor` is the manifest's file, from which imports are read."""
    lines = Lines(descriptor)

    def make_import(place: int) -> Import:
        offset = columns.offsets[place]
        return _import(_parse(path, f"the line at byte {offset}", lines.at(offset))["import"])

    def make_load(place: int) -> LoadRange:
        return LoadRange(
            columns.load_ids[place],
            columns.firsts[place],
            columns.lasts[place],
            _EPOCH + columns.instants[place] * _MICROSECOND,
        )

    return Manifest(
        Joined(Made(len(columns.offsets), make_import)),
        Joined(Made(len(columns.load_ids), make_load)),
        Joined(columns.ends),
        columns.holders,
        columns.dropped,
        columns,
    )


def _folded(reading: _Reading, path: Path, descriptor: int) -> _Reading:
    """The same reading, all of it as columns."""
    said = reading.said
    columns = said.columns.further(reading.end, reading.lines, reading.last, said.holders, said.dropped)
    for place, (entry, offset) in enumerate(
        zip(_new(said.imports), reading.offsets, strict=True), len(said.columns.offsets)
    ):
        columns.offsets.append(offset)
        columns.ends.append(said.ends[place])
        if _is_file(entry):
            columns.files.append(place)
        for segment in entry.segments:
            columns.numbers.append(segment.number)
            columns.sizes.append(segment.bytes)
            columns.journals.append(0 if segment.live is None else index.journal_key(segment.live))
    for load in _new(said.loads):
        columns.load_ids.append(load.load_id)
        columns.firsts.append(load.first_segment)
        columns.lasts.append(load.last_segment)
        columns.instants.append((load.landed_at - _EPOCH) // _MICROSECOND)
    said = _compact(columns, path, descriptor)
    return _Reading(reading.inode, reading.changed, reading.end, reading.lines, reading.last, said)


def _keep_index(folder: Path) -> None:
    """Keep the columns of this process where they cover more than the file does; only for who has the turn."""
    reading = _readings.get(folder / NAME, _NOTHING)
    columns = reading.said.columns
    if columns.end <= _indexed.get(folder / NAME, 0):
        return
    with suppress(OSError):  # it saves time, no more: what there is to write down is written down without it
        index.write(folder, columns)
        _indexed[folder / NAME] = columns.end


def line_of(entry: Entry) -> bytes:
    """An entry as a line with its checksum and line feed."""
    text = json.dumps(_entry(entry), ensure_ascii=False, separators=(",", ":"))
    return f'{{"crc":"{checksum(text.encode())}","entry":{text}}}\n'.encode()


def import_in(path: Path) -> Import:
    """The import that a file with one such line describes; raises StoreError, FileNotFoundError, KeyError."""
    return _import(_parse(path, "line 1", path.read_bytes())["import"])


def append(folder: Path, entry: Entry) -> None:
    """Add one line and wait until it is on disk; an unfinished last line is cut off first.

    When this raises (OSError) the line is taken back.
    """
    _keep_index(folder)
    line = line_of(entry)
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        whole = durable.end_of_last_line(descriptor, size)
        if whole < size:
            os.ftruncate(descriptor, whole)
        try:
            durable.write_all(descriptor, line, whole)
            os.fsync(descriptor)
            durable.sync_folder(folder)
        except BaseException:
            os.ftruncate(descriptor, whole)
            raise
    finally:
        os.close(descriptor)


def rewrite(folder: Path, change: Callable[[Import], Import]) -> int:
    """Put other imports in the place of those in the file; how many were changed. Raises OSError, StoreError.

    Only for who has the landing folder's turn. The index goes first: it tells of lines as they were.
    """
    path = folder / NAME
    lines, count = [], 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if line.endswith(b"\n"):
            entry = _parse(path, f"line {number}", line)
            if "import" in entry and (new := change(old := _import(entry["import"]))) != old:
                line, count = line_of(new), count + 1
            lines.append(line)
    if count:
        (folder / index.NAME).unlink(missing_ok=True)
        durable.replace(path, b"".join(lines))
        _readings.pop(path, None)
        _indexed.pop(path, None)
    return count


def _parse(path: Path, place: str, line: bytes) -> dict[str, Any]:
    """What a line with its line feed says; raises StoreError, which names its place."""
    body = line[_BODY:-2]
    crc = md5(body, usedforsecurity=False).hexdigest()[:16].encode()
    if line[:_BODY] != b'{"crc":"%b","entry":' % crc or line[-2:] != b"}\n":
        raise StoreError(
            f"{path} is damaged in {place}: its checksum does not fit",
            "Restore the landing folder from a backup; the segments beside it are untouched.",
        )
    entry: dict[str, Any] = orjson.loads(body)
    return entry


def _entry(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Compacted):
        return {
            "compacted": {
                "file": entry.file,
                "segments": ranges(entry.segments),
                "bytes": entry.bytes,
                "compacted_at": entry.compacted_at.isoformat(),
            }
        }
    if isinstance(entry, Dropped):
        return {"dropped": {"segments": ranges(entry.segments), "dropped_at": entry.dropped_at.isoformat()}}
    if isinstance(entry, LoadRange):
        return {
            "load": {
                "load_id": entry.load_id,
                "first_segment": entry.first_segment,
                "last_segment": entry.last_segment,
                "landed_at": entry.landed_at.isoformat(),
            }
        }
    return {
        "import": {
            "number": entry.number,
            "source": entry.source,
            "format": entry.format,
            "file": entry.file,
            "sha256": entry.sha256,
            "landed_at": entry.landed_at.isoformat(),
            "mapping": dict(entry.mapping),
            "retries": list(entry.retries),
            "segments": [
                {"number": s.number, "records": s.records, "refused": s.refused, "bytes": s.bytes}
                | ({} if s.live is None else {"live": s.live})
                for s in entry.segments
            ],
        }
        | ({"adopted": True} if entry.is_adopted else {})
    }


@lru_cache(maxsize=1)
def _instant(text: str) -> datetime:
    """The instant a text says; the last one is given out again, an import's and its load's are mostly the same."""
    return datetime.fromisoformat(text)


def _import(data: dict[str, Any]) -> Import:
    # what many imports have in common is kept once
    return Import(
        data["number"],
        intern(data["source"]),
        intern(data["format"]),
        intern(data["file"]),
        data["sha256"],
        _instant(data["landed_at"]),
        tuple(
            [Segment(one["number"], one["records"], one["refused"], one["bytes"], one.get("live"))
             for one in data["segments"]]
        ),
        data["mapping"] or _UNMAPPED,
        tuple(data["retries"]),
        data.get("adopted", False),
    )  # fmt: skip


def _load_range(data: dict[str, Any]) -> LoadRange:
    return LoadRange(data["load_id"], data["first_segment"], data["last_segment"], _instant(data["landed_at"]))
