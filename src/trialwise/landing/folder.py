"""The landing folder: records become numbered segments, in one order for ever. What its manifest names is landed."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Protocol

from trialwise.errors import DiskFull, InputError, StoreError
from trialwise.landing import adopt, durable, manifest, seal
from trialwise.landing.frame import Piece, frame, stamp
from trialwise.landing.live import stem_of
from trialwise.landing.manifest import Compacted, Dropped, Import, LoadRange, Manifest, Segment
from trialwise.landing.report import ImportReceipt

SEGMENT_BYTES = 128 << 20
_BUFFER_LINES = 4096
_MEND = "Make room or mend the disk and try again; what was landed before is kept."


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
        """Where a segment lies, or lay before it was compacted."""
        return self.folder / f"{segment:06d}.ndjson"

    @property
    def compacted(self) -> Path:
        """Where the Parquet files of compacted segments lie."""
        return self.folder / "compacted"

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
            for earlier in known.files():
                if earlier.sha256 == digest and earlier.identity == entry.identity and not earlier.retries:
                    return _repeat(entry, earlier)
            segments = self._write(source.pieces(watch), self._free_number(known))
            entry = replace(entry, number=len(known.imports) + 1, segments=segments)
            self._commit(entry)
        return ImportReceipt(
            file=entry.file,
            source=entry.source,
            format=entry.format,
            sha256=digest,
            received=entry.records,
            pending=entry.records,
            refused=sum(segment.refused for segment in segments),
        )

    def land_again(
        self,
        quarantine_id: str,
        origin: Import,
        piece: Piece,
        *,
        landed_at: datetime,
        received_at: datetime | None = None,
    ) -> ImportReceipt:
        """Land one quarantined record, as it is or mended, a single time.

        `origin` is the import it came with; `received_at` when a live record arrived.
        Raises InputError when it was landed again before.
        """
        with self._turn():
            known = self.manifest()
            for earlier in known.files():
                if quarantine_id in earlier.retries:
                    raise InputError(
                        f"{quarantine_id} was retried at {earlier.landed_at.isoformat()}Z",
                        "A record is retried once; if it failed again it stands in quarantine under a new id.",
                    )
            segments = self._write(
                [piece], self._free_number(known), None if received_at is None else stamp(received_at)
            )
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
            self._commit(entry)
        return ImportReceipt(
            entry.file, entry.source, entry.format, entry.sha256, 1, 1, refused=sum(s.refused for s in segments)
        )

    def seal(self, landed_at: datetime) -> tuple[Import, ...]:
        """Turn every live journal with records into a segment of its own, also those of processes that are gone.

        What was acknowledged before the call is in a segment after it, but for journals whose writers hold them for
        some seconds, as one that was stopped does: these are logged, and left for the next call. `landed_at` (UTC, no
        zone) stamps the imports, one for each channel. Raises StoreError when the disk fails: then nothing is lost, and
        the next call goes on.
        """
        if not self.has_waiting():
            return ()
        with self._turn(), self._saying_what_failed():
            sealed = []
            for journals in seal.by_channel(seal.take_all(self.folder)):
                known = self.manifest()
                channel, first = journals[0].channel, self._free_number(known)
                entry = Import(
                    len(known.imports) + 1,
                    channel.source,
                    channel.format,
                    channel.name,
                    hashlib.sha256("".join(taken.sha256 for taken in journals).encode()).hexdigest(),
                    landed_at,
                    tuple(
                        Segment(number, taken.records, taken.refused, taken.bytes, taken.live)
                        for number, taken in enumerate(journals, first)
                    ),
                    channel.mapping,
                )
                manifest.append(self.folder, entry)
                for taken, segment in zip(journals, entry.segments, strict=True):
                    taken.path.rename(self.path(segment.number))
                sealed.append(entry)
            durable.sync_folder(self.folder)
        return tuple(sealed)

    def has_waiting(self) -> bool:
        """Whether the next `seal` has anything to do: journals, or segments the manifest has forgotten."""
        return seal.waiting(self.folder) or bool(adopt.forgotten(self.folder))

    def note(self, entry: Compacted | Dropped) -> None:
        """Write down that segments were compacted, or dropped: from then on they are. Raises StoreError."""
        with self._turn(), self._saying_what_failed():
            manifest.append(self.folder, entry)

    def rename_files(self, change: Callable[[str], str], first: int) -> int:
        """Tell other names of the files that imports came from, from segment `first` on; how many are others."""

        def renamed(entry: Import) -> Import:
            is_meant = bool(entry.segments) and entry.segments[0].number >= first and entry.segments[0].live is None
            return replace(entry, file=change(entry.file)) if is_meant else entry

        known = self.manifest()
        if all(renamed(entry) == entry for entry in known.between(first, known.last_segment)):
            return 0
        with self._turn(), self._saying_what_failed():
            for entry in self.manifest().between(first, known.last_segment):
                if renamed(entry) != entry and adopt.beside(self.folder, entry.segments[0].number).exists():
                    adopt.keep(self.folder, renamed(entry))
            durable.sync_folder(self.folder)
            return manifest.rewrite(self.folder, renamed)

    def frozen(self) -> tuple[int, Manifest]:
        """(how many bytes of the manifest's file are whole lines, what they say), while nobody adds to it.

        Every segment named there has its name. Later lines only follow: a copy of that many bytes says the same.
        """
        with self._turn():
            known = self.manifest()
            path = self.folder / manifest.NAME
            if not path.exists():
                return 0, known
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return durable.end_of_last_line(descriptor, os.fstat(descriptor).st_size), known
            finally:
                os.close(descriptor)

    def mend(self) -> None:
        """Finish what a process that was killed had begun; nothing to do is the rule."""
        with self._turn():
            pass

    def note_load(self, taken: LoadRange) -> None:
        """Write down what a committed load took; noting it twice changes nothing."""
        with self._turn():
            if not self.manifest().has_noted(taken.load_id):
                manifest.append(self.folder, taken)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only one who numbers segments; what the one before left half done is finished first.

        Segments that the manifest has forgotten are named in it again before anything gets a number behind them.
        """
        with self._saying_what_failed():
            durable.make_folder(self.folder)
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with self._saying_what_failed():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self._recover()
                adopt.adopt(self.folder)
            yield
        finally:
            os.close(descriptor)

    def _recover(self) -> None:
        """The manifest decides: a segment it names gets its name, what was written for an import it lacks goes."""
        with os.scandir(self.folder) as entries:  # there may be thousands of segments
            left = sorted(self.folder / entry.name for entry in entries if entry.name.endswith(".ndjson.open"))
        journals = seal.leftovers(self.folder)
        if not left and not journals:
            return
        known = self.manifest()
        for path in left:
            final = path.with_name(path.name.removesuffix(".open"))
            if known.import_of(int(path.name.partition(".")[0])) is not None and not final.exists():
                path.rename(final)
            else:
                adopt.beside(self.folder, int(final.stem)).unlink(missing_ok=True)
                path.unlink()
        for path in journals:
            if (segment := known.sealed(stem_of(path))) is not None:
                path.rename(self.path(segment.number))
        durable.sync_folder(self.folder)

    def _free_number(self, known: Manifest) -> int:
        """The next segment's number. A file that has it already is left alone: what it holds nobody knows."""
        number = known.last_segment + 1
        while self.path(number).exists():
            number += 1
        return number

    def _commit(self, entry: Import) -> None:
        """Name the segments in the manifest, which makes them landed, then give them their names."""
        with self._saying_what_failed():
            adopt.keep(self.folder, entry)
            manifest.append(self.folder, entry)
            for segment in entry.segments:
                path = self.path(segment.number)
                path.with_name(path.name + ".open").rename(path)
            durable.sync_folder(self.folder)

    @contextmanager
    def _saying_what_failed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
            raise kind(f"{self.folder} cannot be written: {error}", _MEND) from error

    def _write(self, pieces: Iterable[Piece], first: int, at: str | None = None) -> tuple[Segment, ...]:
        """Write pieces into segments that have no name yet; on any failure none of them stays."""
        written: list[Segment] = []
        items = iter(enumerate(pieces))
        try:
            with self._saying_what_failed():
                while (segment := self._segment(items, first + len(written), at)) is not None:
                    written.append(segment)
                durable.sync_folder(self.folder)
        except BaseException:
            for number in range(first, first + len(written) + 1):
                path = self.path(number)
                path.with_name(path.name + ".open").unlink(missing_ok=True)
            raise
        return tuple(written)

    def _segment(self, items: Iterator[tuple[int, Piece]], number: int, at: str | None) -> Segment | None:
        """One segment filled from `items`; None when nothing is left."""
        first = next(items, None)
        if first is None:
            return None
        path = self.path(number)
        request = None if at is None else 0
        records = refused = size = 0
        with path.with_name(path.name + ".open").open("wb") as stream:
            buffer: list[bytes] = []
            for item, piece in chain([first], items):
                line, reason = frame(item, *piece, request=request, at=at)
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
        return Segment(number, records, refused, size)


def _silent(done: int, total: int) -> None:
    """Progress nobody watches."""


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
