"""The landing folder: records go in as sealed segments, durably, in one order for ever."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Protocol

from trialwise.errors import InputError, StoreError
from trialwise.landing import manifest
from trialwise.landing.frame import Piece, frame
from trialwise.landing.manifest import Import, LoadRange, Manifest, Segment
from trialwise.landing.report import ImportReceipt

SEGMENT_BYTES = 128 << 20
_BUFFER_LINES = 4096


class Source(Protocol):
    """Something that can be landed; `trialwise.sources.files.FileSource` is one."""

    @property
    def name(self) -> str:
        """Shown in receipts and quarantine."""
        ...

    @property
    def source(self) -> str:
        """'events' or 'stripe'."""
        ...

    @property
    def format(self) -> str:
        """How the loader reads the records: auto, segment, flat, stripe."""
        ...

    @property
    def mapping(self) -> Mapping[str, str]:
        """Columns of flat records, ours -> theirs."""
        ...

    def sha256(self) -> str:
        """Hex digest of the content, by which a repetition is known."""
        ...

    def pieces(self, progress: Callable[[int, int], None], /) -> Iterator[Piece]:
        """The records in order."""
        ...


@dataclass(frozen=True)
class Landing:
    """The durable records of one workspace.

    Many processes may land at a time; a lock file makes them take turns. Nothing here opens a database.
    """

    folder: Path
    segment_bytes: int = field(default=SEGMENT_BYTES)

    def manifest(self) -> Manifest:
        """What has been landed and loaded so far."""
        return manifest.read(self.folder)

    def path(self, segment: int) -> Path:
        """Where a segment lies."""
        return self.folder / f"{segment:06d}.ndjson"

    def land(
        self, source: Source, *, landed_at: datetime, progress: Callable[[int, int], None] | None = None
    ) -> ImportReceipt:
        """Keep every record of a source; when this returns they are on disk.

        `landed_at` is a UTC instant without zone. Content that was landed before (read the same way) is not landed
        again. Raises InputError when the source cannot be read to its end: then nothing of it is kept.
        """
        digest = source.sha256()
        watch = progress if progress is not None else _silent
        with self._turn():
            known = self.manifest()
            entry = Import(0, source.source, source.format, source.name, digest, landed_at, (), dict(source.mapping))
            for earlier in known.imports:
                if earlier.identity == entry.identity and not earlier.retries:
                    return _repeat(entry, earlier)
            segments = self._write(source.pieces(watch), known.last_segment + 1)
            entry = _with(entry, len(known.imports) + 1, segments)
            manifest.append(self.folder, entry)
        return ImportReceipt(
            file=entry.file,
            source=entry.source,
            format=entry.format,
            sha256=digest,
            received=entry.records,
            pending=entry.records,
            refused=sum(segment.refused for segment in segments),
        )

    def land_again(self, quarantine_id: str, origin: Import, piece: Piece, *, landed_at: datetime) -> ImportReceipt:
        """Land one quarantined record, as it is or mended, a single time.

        `origin` is the import it came with. Raises InputError when it was landed again before.
        """
        with self._turn():
            known = self.manifest()
            for earlier in known.imports:
                if quarantine_id in earlier.retries:
                    raise InputError(
                        f"{quarantine_id} was retried at {earlier.landed_at.isoformat()}Z",
                        "A record is retried once; if it failed again it stands in quarantine under a new id.",
                    )
            segments = self._write([piece], known.last_segment + 1)
            entry = Import(
                len(known.imports) + 1,
                origin.source,
                origin.format,
                origin.file,
                hashlib.sha256(piece[2]).hexdigest(),
                landed_at,
                segments,
                origin.mapping,
                (quarantine_id,),
            )
            manifest.append(self.folder, entry)
        return ImportReceipt(
            entry.file, entry.source, entry.format, entry.sha256, 1, 1, refused=sum(s.refused for s in segments)
        )

    def note_load(self, taken: LoadRange) -> None:
        """Write down what a committed load took; noting it twice changes nothing."""
        with self._turn():
            if all(known.load_id != taken.load_id for known in self.manifest().loads):
                manifest.append(self.folder, taken)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, pieces: Iterable[Piece], first: int) -> tuple[Segment, ...]:
        """Write pieces into sealed segments; on any failure none of them stays."""
        for left in self.folder.glob("*.ndjson.open"):
            left.unlink()
        sealed: list[Segment] = []
        number = first
        items = iter(enumerate(pieces))
        try:
            while (segment := self._segment(items, number)) is not None:
                sealed.append(segment)
                number += 1
            manifest.sync_folder(self.folder)
        except OSError as error:
            self._discard(range(first, number + 1))
            raise StoreError(
                f"{self.folder} cannot be written: {error}", "Make room or mend the disk and import again."
            ) from error
        except BaseException:
            self._discard(range(first, number + 1))
            raise
        return tuple(sealed)

    def _segment(self, items: Iterator[tuple[int, Piece]], number: int) -> Segment | None:
        """One segment filled from `items` and sealed; None when nothing is left."""
        first = next(items, None)
        if first is None:
            return None
        path = self.path(number)
        unsealed = path.with_name(path.name + ".open")
        records = refused = size = 0
        with unsealed.open("wb") as stream:
            buffer: list[bytes] = []
            for item, piece in chain([first], items):
                line, reason = frame(item, *piece)
                buffer.append(line)
                records += 1
                refused += reason is not None
                if len(buffer) >= _BUFFER_LINES:
                    size += stream.write(b"".join(buffer))
                    buffer.clear()
                    if size >= self.segment_bytes:
                        break
            size += stream.write(b"".join(buffer))
            stream.flush()
            os.fsync(stream.fileno())
        unsealed.rename(path)
        return Segment(number, records, refused, size)

    def _discard(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            path = self.path(number)
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".open").unlink(missing_ok=True)


def _silent(done: int, total: int) -> None:
    """Progress nobody watches."""


def _with(entry: Import, number: int, segments: tuple[Segment, ...]) -> Import:
    return Import(
        number, entry.source, entry.format, entry.file, entry.sha256, entry.landed_at, segments, entry.mapping
    )


def _repeat(entry: Import, earlier: Import) -> ImportReceipt:
    return ImportReceipt(
        file=entry.file,
        source=entry.source,
        format=entry.format,
        sha256=entry.sha256,
        received=earlier.records,
        pending=0,
        duplicate=earlier.records,
        repeats=earlier.landed_at,
    )
