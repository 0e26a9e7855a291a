"""One JSON document into its records: list pages, batches and arrays hold many, everything else is one."""

from __future__ import annotations

from collections.abc import Iterator

from trialwise.sources.json_text import Unbalanced, elements, end_of_value, members, skip_space
from trialwise.sources.piece import Piece

_ENVELOPE_KEYS = frozenset({"sentAt", "receivedAt", "context"})
_MANY = {"events": "batch", "stripe": "data", "amplitude": "events"}
_MARKS = {"events": b'"batch"', "stripe": b'"list"', "amplitude": b'"events"'}
"""What the bytes of a document of several records cannot be without."""


def holds_many(data: bytes, kind: str) -> bool:
    """Whether the bytes of one document may hold several records; a quick test that errs on the side of True."""
    mark = _MARKS.get(kind)
    return (mark is not None and mark in data) or data.startswith(b"[")


def unpack(text: str, kind: str) -> Iterator[tuple[int, int, str | None]]:
    """(start, end, envelope) of each record of the document `text`, in characters.

    `kind` 'events': a top-level array, or the calls of a Segment batch, each with the JSON text of the batch's own
    sentAt, receivedAt and context as envelope. `kind` 'stripe': a top-level array, or the objects of a list page
    {"object": "list", "data": [...]}. `kind` 'amplitude': a top-level array, or the `events` of a request. Another
    kind: a top-level array. Anything else, and anything that breaks off, is one record.
    """
    start = skip_space(text, 0)
    try:
        if text[start : start + 1] == "[":
            yield from [
                inner for first, last in list(elements(text, start)) for inner in _inside(text[first:last], first, kind)
            ]
            return
        yield from list(_inside(text[start:], start, kind))
    except Unbalanced:
        yield start, len(text.rstrip()), None


def _inside(text: str, base: int, kind: str) -> Iterator[tuple[int, int, str | None]]:
    whole = (base, base + len(text.rstrip()), None)
    wanted = _MANY.get(kind)
    if wanted is None or text[:1] != "{":
        yield whole
        return
    parts: dict[str, tuple[int, int]] = {}
    for key, first, last in members(text, 0):
        parts[key] = (first, last)
        if kind == "stripe" and key == "object" and text[first:last] != '"list"':
            yield whole  # told by one of its first members: most documents are no page, and long
            return
    first, last = parts.get(wanted, (0, 0))
    if text[first:last][:1] != "[" or (kind == "stripe" and "object" not in parts):
        yield whole
        return
    envelope = None
    if kind == "events":
        kept = [f'"{key}":{text[a:b]}' for key, (a, b) in parts.items() if key in _ENVELOPE_KEYS]
        envelope = "{" + ",".join(kept) + "}" if kept else None
    for a, b in list(elements(text, first)):
        yield base + a, base + b, envelope


def pieces_of_line(line: int, offset: int, data: bytes, kind: str) -> Iterator[Piece]:
    """The records of one line of NDJSON that may hold many; the line itself where it does not."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        yield Piece(line, offset, data)
        return
    for start, end, envelope in unpack(text, kind):
        before = len(text[:start].encode("utf-8"))
        yield Piece(line, offset + before, text[start:end].encode("utf-8"), envelope)


def pieces_of_text(data: bytes, kind: str) -> Iterator[Piece]:
    """The records of a file of whole JSON documents (pretty-printed, concatenated, arrays, list pages).

    A document that breaks off is one refused piece reaching to the end of the file.
    """
    text = data.decode("utf-8", "surrogateescape")
    at = skip_space(text, 0)
    place = _Place(text)
    while at < len(text):
        try:
            end = end_of_value(text, at)
        except Unbalanced:
            end = len(text)
        document = text[at:end]
        for start, stop, envelope in unpack(document, kind):
            line, offset = place.of(at + start)
            yield Piece(line, offset, document[start:stop].encode("utf-8", "surrogateescape"), envelope)
        at = skip_space(text, end)
        if text[at : at + 1] == ",":
            at = skip_space(text, at + 1)


class _Place:
    """Line and byte offset of growing character positions, without counting from the start each time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1
        self._offset = 0

    def of(self, position: int) -> tuple[int, int]:
        between = self._text[self._position : position]
        self._line += between.count("\n")
        self._offset += len(between.encode("utf-8", "surrogateescape"))
        self._position = position
        return self._line, self._offset
