"""CSV and its kin: each row becomes a flat JSON object of texts, so that ids stay ids."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping

from trialwise.errors import InputError
from trialwise.sources.ndjson import MAX_RECORD_BYTES, lines
from trialwise.sources.piece import Piece, Reader

DELIMITERS = (",", ";", "\t", "|")


def delimiter_of(header: str) -> str:
    """The delimiter that splits the header line most often; a comma when none does."""
    counts = {mark: header.count(mark) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: counts[mark])
    return best if counts[best] else ","


class _Lines:
    """Feeds the CSV reader and remembers where the record in progress began."""

    def __init__(self, stream: Reader) -> None:
        self._lines = lines(stream, keep_blank=True)
        self.number = 0
        self.offset = 0
        self.taken: list[str] = []
        self.too_large = False

    def __iter__(self) -> Iterator[str]:
        for number, offset, content, _length in self._lines:
            if not self.taken:
                self.number, self.offset = number, offset
            self.too_large = self.too_large or content is None
            text = (content or b"").decode("utf-8", "surrogateescape")
            self.taken.append(text)
            yield text + "\n"

    def start(self) -> None:
        """The record in progress is done; the next line begins another one."""
        self.taken = []
        self.too_large = False

    @property
    def data(self) -> bytes:
        return "\n".join(self.taken).encode("utf-8", "surrogateescape")


def pieces(stream: Reader, name: str, mapping: Mapping[str, str]) -> Iterator[Piece]:
    """The rows of a delimited file as JSON objects {column: text}; empty cells are left out.

    Rows with more or fewer cells than the header are refused pieces (`ragged_row`).
    Raises InputError for a file without a header, a header with a name twice, or a mapped column that is not there.
    """
    source = _Lines(stream)
    feed = iter(source)
    first = next(feed, None)
    if first is None:
        raise InputError(f"{name} is empty", "A CSV file begins with a line of column names.")
    mark = delimiter_of(first)
    try:
        header = [cell.strip() for cell in next(csv.reader([first], delimiter=mark))]
    except csv.Error as error:
        raise InputError(
            f"{name}: the line of column names cannot be read: {error}", "Save it as CSV and import again."
        ) from error
    _check_header(name, header, mapping)
    source.start()
    reader = csv.reader(feed, delimiter=mark)
    csv.field_size_limit(MAX_RECORD_BYTES)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Piece(source.number, source.offset, source.data, None, "bad_csv", str(error))
            source.start()
            reader = csv.reader(feed, delimiter=mark)
            continue
        if row or source.too_large:
            yield _piece(source, header, row)
        source.start()


def _piece(source: _Lines, header: list[str], row: list[str]) -> Piece:
    if source.too_large:
        return Piece(source.number, source.offset, b"", None, "too_large", f"over {MAX_RECORD_BYTES} bytes")
    if len(row) != len(header):
        detail = f"{len(row)} cells, the header has {len(header)}"
        return Piece(source.number, source.offset, source.data, None, "ragged_row", detail)
    cells = {name: cell for name, cell in zip(header, row, strict=True) if cell != ""}
    data = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
    return Piece(source.number, source.offset, data.encode("utf-8", "surrogateescape"))


def _check_header(name: str, header: list[str], mapping: Mapping[str, str]) -> None:
    doubled = sorted(cell for cell, times in Counter(header).items() if times > 1)
    if doubled:
        raise InputError(f"{name} names the column '{doubled[0]}' twice", "Rename one of the two and import again.")
    check_columns(name, header, mapping)


def check_columns(name: str, columns: list[str], mapping: Mapping[str, str]) -> None:
    """Raises InputError when the mapping names a column the file does not have."""
    missing = sorted(theirs for theirs in mapping.values() if theirs not in columns)
    if missing:
        raise InputError(
            f"{name} has no column '{missing[0]}', which --map names",
            f"It has {', '.join(columns)}.",
        )
