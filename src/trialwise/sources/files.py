"""A file on disk as a stream of records: decompressed, its format told from its content, its place remembered."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import zstandard

from trialwise.errors import InputError
from trialwise.sources import columnar, delimited, documents, ndjson
from trialwise.sources.formats import FILE_FORMATS
from trialwise.sources.json_text import Unbalanced, end_of_value
from trialwise.sources.mapping import check_mapping
from trialwise.sources.piece import Piece, Progress, Reader

GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
COMPRESSED = (".gz", ".zst", ".zstd")
FORMATS = ("segment", "flat", *FILE_FORMATS)
MAX_DOCUMENT_BYTES = 512 << 20
_HEAD = 64 << 10


def _silent(done: int, total: int) -> None:
    """Progress nobody watches."""


@dataclass(frozen=True)
class FileSource:
    """A file to be landed: `pieces()` reads it, the rest says what it is.

    source   'events' or 'stripe'
    format   'auto', 'segment', 'flat' or a key of TRANSLATORS for events (how calls are read), 'stripe' for Stripe
    layout   'ndjson', 'json', 'csv' or 'parquet'
    mapping  ours -> theirs: columns of flat files, places in records of other formats ('groups.company')
    """

    path: Path
    source: str
    format: str
    layout: str
    mapping: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name as shown in receipts and quarantine."""
        return self.path.name

    @property
    def _kind(self) -> str:
        """What tells documents of several records apart."""
        return self.format if self.format in FILE_FORMATS else self.source

    def sha256(self) -> str:
        """The hex digest of the file as it lies on disk."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def pieces(self, progress: Progress = _silent) -> Iterator[Piece]:
        """Every record of the file in order; blank lines are none.

        Raises InputError when the file breaks off inside its compression or cannot be read at all.
        """
        if self.layout == "parquet":
            yield from columnar.pieces(self.path, self.mapping, progress)
            return
        size = self.path.stat().st_size
        with self.path.open("rb") as stored:
            stream = _Watched(decompressed(stored), stored, size, progress)
            try:
                if self.layout == "csv":
                    yield from delimited.pieces(stream, self.name, self.mapping)
                elif self.layout == "json":
                    yield from documents.pieces_of_text(_whole(stream, self.name), self._kind)
                else:
                    yield from ndjson.pieces(stream, self._kind)
            except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
                raise InputError(
                    f"{self.name} is damaged: its compression breaks off at byte {stored.tell()} ({error})",
                    "Nothing of it was imported. Fetch the file again.",
                ) from error


def open_file(
    path: Path | str, *, kind: str = "events", file_format: str | None = None, mapping: Mapping[str, str] | None = None
) -> FileSource:
    """Look at a file and say how it will be read.

    kind 'events' (Segment calls or flat records; NDJSON, JSON, CSV, Parquet) or 'stripe' (NDJSON or JSON); gzip and
    zstd are recognised by content. Raises InputError for a missing, empty-headed, UTF-16 or binary file, an unknown
    format, or a mapping that cannot be.
    """
    path = Path(path)
    if kind not in ("events", "stripe"):
        raise InputError(f"no kind of import is called '{kind}'", "Use events or stripe.")
    if file_format is not None and (kind == "stripe" or file_format not in FORMATS):
        raise InputError(f"'{file_format}' is no format of {kind}", f"Formats of events are {', '.join(FORMATS)}.")
    if mapping:
        check_mapping(mapping)
        if kind == "stripe" or file_format == "segment":
            raise InputError("--map is for flat files", "Leave it out, or import with --format flat.")
    head = _head(path)
    layout = _layout(path, head)
    if kind == "stripe" and layout in ("csv", "parquet"):
        raise InputError(f"{path.name} is {layout}, Stripe is read from JSON", "Export the objects or events as JSON.")
    if layout in ("csv", "parquet") and file_format in ("segment", *FILE_FORMATS):
        what = "Segment calls are" if file_format == "segment" else f"{file_format} is"
        raise InputError(f"{path.name} is {layout}, {what} JSON", "Import it with --format flat.")
    flat = bool(mapping) or layout in ("csv", "parquet")
    chosen = "stripe" if kind == "stripe" else file_format or ("flat" if flat else "auto")
    return FileSource(path, kind, chosen, layout, dict(mapping or {}))


def decompressed(stored: BinaryIO) -> Reader:
    """The content of a stored file: gzip and zstd are told by their first bytes, everything else is itself."""
    magic = stored.read(4)
    stored.seek(0)
    if magic.startswith(GZIP):
        return gzip.GzipFile(fileobj=stored, mode="rb")
    if magic.startswith(ZSTD):
        return zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True, closefd=False)
    return stored


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stored:
            magic = stored.read(4)
            if magic and path.suffix.lower() in COMPRESSED and not magic.startswith((GZIP, ZSTD)):
                raise InputError(
                    f"{path.name} is called {path.suffix} but is not compressed",
                    f"Check that it is what was meant to be sent; if so, rename it to {path.stem}.",
                )
            stored.seek(0)
            return decompressed(stored).read(_HEAD)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", "Check the path.") from error
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"{path} cannot be read: {error}", "Check that it is a readable, complete file.") from error


def _layout(path: Path, head: bytes) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if head.startswith(PARQUET):
        with path.open("rb") as stored:
            is_bare = stored.read(4) == PARQUET
        if not is_bare:
            raise InputError(f"{path.name} is Parquet inside another compression", "Decompress it first.")
        return "parquet"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path.name} is UTF-16, UTF-8 is read", "Save it as UTF-8 and import again.")
    if suffix in (".csv", ".tsv", ".psv"):
        return "csv"
    if suffix in (".parquet", ".pq"):
        raise InputError(f"{path.name} is called Parquet but does not begin as one", "Check that the file is complete.")
    content = head.removeprefix(ndjson.BOM).lstrip()
    if not content or content[:1] in (b"{", b"["):
        return "json" if _is_pretty(content.decode("utf-8", "replace")) else "ndjson"
    if suffix in (".json", ".jsonl", ".ndjson"):
        return "ndjson"
    return "csv" if b"\n" in content and any(mark.encode() in content for mark in delimited.DELIMITERS) else "ndjson"


def _is_pretty(head: str) -> bool:
    """Whether documents stretch over lines, or one line is longer than the head: then lines are no records."""
    rows = [row for row in head.split("\n")[:50] if row.strip()]
    if not rows or any(_is_complete(row.strip()) for row in rows if row[0] in "{["):
        return False
    return len(rows) == 1 or rows[0].strip() in ("{", "[") or rows[1][0] in ' \t"{}[]'


def _is_complete(row: str) -> bool:
    try:
        return end_of_value(row, 0) == len(row)
    except Unbalanced:
        return False


def _whole(stream: Reader, name: str) -> bytes:
    data = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise InputError(
            f"{name} is one JSON document of more than {MAX_DOCUMENT_BYTES >> 20} MiB",
            "Write it as one record a line (jq -c '.[]' FILE > FILE.ndjson) and import that.",
        )
    return data


class _Watched:
    """A stream that tells how far its file has been read."""

    def __init__(self, inner: Reader, stored: BinaryIO, size: int, progress: Progress) -> None:
        self._inner = inner
        self._stored = stored
        self._size = size
        self._progress = progress

    def read(self, size: int = -1, /) -> bytes:
        """Read on, and report the progress."""
        data = self._inner.read(size)
        self._progress(min(self._stored.tell(), self._size), self._size)
        return data
