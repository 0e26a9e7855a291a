"""manifest.ndjson: what was landed and what each load took, in order. The store can be rebuilt from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from trialwise.errors import StoreError
from trialwise.landing.frame import checksum

NAME = "manifest.ndjson"


@dataclass(frozen=True)
class Segment:
    """One sealed file of records. Its number gives its name and its place in the order of arrival."""

    number: int
    records: int
    refused: int
    bytes: int

    @property
    def name(self) -> str:
        """The file's name in the landing folder."""
        return f"{self.number:06d}.ndjson"


@dataclass(frozen=True)
class Import:
    """One file landed (or records landed again from quarantine), with its segments."""

    number: int
    source: str
    format: str
    file: str
    sha256: str
    landed_at: datetime
    segments: tuple[Segment, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)
    retries: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """Records of all segments."""
        return sum(segment.records for segment in self.segments)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes a second import of a file a repetition: content and the way it is read."""
        return self.sha256, self.source, self.format, json.dumps(dict(self.mapping), sort_keys=True)


@dataclass(frozen=True)
class LoadRange:
    """The segments one load took, both ends inclusive."""

    load_id: int
    first_segment: int
    last_segment: int
    landed_at: datetime


@dataclass(frozen=True)
class Manifest:
    """Everything the file says."""

    imports: tuple[Import, ...] = ()
    loads: tuple[LoadRange, ...] = ()

    @property
    def last_segment(self) -> int:
        """Number of the newest segment, 0 before the first."""
        return max((segment.number for entry in self.imports for segment in entry.segments), default=0)

    def after(self, segment: int) -> tuple[Import, ...]:
        """The imports that lie behind a segment number."""
        return tuple(entry for entry in self.imports if entry.segments and entry.segments[0].number > segment)

    def between(self, first: int, last: int) -> tuple[Import, ...]:
        """The imports whose segments lie in [first, last]."""
        return tuple(entry for entry in self.after(first - 1) if entry.segments[-1].number <= last)


def read(folder: Path) -> Manifest:
    """Read the manifest of a landing folder; an absent one is an empty one.

    A last line that was never finished is no line. Raises StoreError when a finished line is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return Manifest()
    imports: list[Import] = []
    loads: list[LoadRange] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        entry = _parse(path, number, line)
        if "load" in entry:
            loads.append(_load_range(entry["load"]))
        else:
            imports.append(_import(entry["import"]))
    return Manifest(tuple(imports), tuple(loads))


def append(folder: Path, entry: Import | LoadRange) -> None:
    """Add one line and wait until it is on disk; an unfinished last line is cut off first."""
    text = json.dumps(_entry(entry), ensure_ascii=False, separators=(",", ":"))
    line = f'{{"crc":"{checksum(text.encode())}","entry":{text}}}\n'.encode()
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        whole = _end_of_last_line(descriptor, size)
        if whole < size:
            os.ftruncate(descriptor, whole)
        written = 0
        while written < len(line):
            written += os.pwrite(descriptor, line[written:], whole + written)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make names of files in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _end_of_last_line(descriptor: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - 4096)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    prefix = b'{"crc":"'
    body = line[len(prefix) + len('0123456789abcdef","entry":') : -1]
    if not line.startswith(prefix) or checksum(body) != line[len(prefix) : len(prefix) + 16].decode("ascii", "replace"):
        raise StoreError(
            f"{path} is damaged in line {number}: its checksum does not fit",
            "Restore the landing folder from a backup; the segments beside it are untouched.",
        )
    entry: dict[str, Any] = json.loads(body)
    return entry


def _entry(entry: Import | LoadRange) -> dict[str, Any]:
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
                for s in entry.segments
            ],
        }
    }


def _import(data: dict[str, Any]) -> Import:
    return Import(
        number=data["number"],
        source=data["source"],
        format=data["format"],
        file=data["file"],
        sha256=data["sha256"],
        landed_at=datetime.fromisoformat(data["landed_at"]),
        segments=tuple(Segment(**segment) for segment in data["segments"]),
        mapping=data["mapping"],
        retries=tuple(data["retries"]),
    )


def _load_range(data: dict[str, Any]) -> LoadRange:
    return LoadRange(
        data["load_id"], data["first_segment"], data["last_segment"], datetime.fromisoformat(data["landed_at"])
    )
