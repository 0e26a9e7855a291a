"""A batch into its calls, as sent: found by where each JSON value ends, never rendered again.

The C scanner of Python's json finds the ends; where it gives up (a broken or very deep call), brackets are counted as
`sources.documents` does, ten times slower, so that one bad call does not cost the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecoder
from typing import NamedTuple, TypeVar

from trialwise.sources.json_text import Unbalanced, end_of_value, skip_space

ENVELOPE_KEYS = frozenset({"sentAt", "receivedAt", "context"})

_DECODE = JSONDecoder(strict=False).raw_decode
_SPACE = re.compile(r"[ \t\n\r]*")
_GIVES_UP = (ValueError, RecursionError, IndexError)
_End = Callable[[str, int], int]
_Spans = list[tuple[int, int]]
_T = TypeVar("_T")


class Batch(NamedTuple):
    """Where the calls of a batch stand in its text; the batch's own sentAt, receivedAt and context as JSON text; its
    writeKey."""

    calls: list[tuple[int, int]]
    envelope: str | None
    write_key: str | None


def batch_of(text: str) -> Batch | None:
    """The parts of `{"batch": [...], "sentAt": ..., ...}`; None where the text is no such object.

    Raises Unbalanced where it breaks off, goes on after its end, or has a second list of calls.
    """
    try:
        return _batch(text, _scanned)
    except _GIVES_UP:
        return _or_unbalanced(_batch, text)


def list_of(text: str) -> list[tuple[int, int]]:
    """Where the elements of the list `[...]` stand that is the whole text. Raises Unbalanced."""
    try:
        return _list(text, _scanned)
    except _GIVES_UP:
        return _or_unbalanced(_list, text)


def _or_unbalanced(parts: Callable[[str, _End], _T], text: str) -> _T:
    try:
        return parts(text, end_of_value)
    except Unbalanced:
        raise
    except (ValueError, IndexError):
        raise Unbalanced(len(text)) from None


def _scanned(text: str, at: int) -> int:
    return _DECODE(text, at)[1]


def _batch(text: str, end_of: _End) -> Batch | None:
    at = skip_space(text, 0)
    if text[at : at + 1] != "{":
        return None
    calls: _Spans | None = None
    kept: list[str] = []
    write_key = None
    at = _after_space(text, at + 1)
    more = text[at] != "}"
    while more:
        if text[at] != '"':
            raise Unbalanced(at)
        key, at = _DECODE(text, at)
        at = _after_space(text, at)
        if text[at] != ":":
            raise Unbalanced(at)
        start = _after_space(text, at + 1)
        if key == "batch" and text[start] == "[":
            if calls is not None:
                raise Unbalanced(start)
            calls, end = _elements(text, start, end_of)
        else:
            end = end_of(text, start)
            if key in ENVELOPE_KEYS:
                kept.append(f'"{key}":{text[start:end]}')
            elif key == "writeKey" and text[start] == '"':
                write_key = _DECODE(text, start)[0]
        at = _after_space(text, end)
        more = text[at] == ","
        if more:
            at = _after_space(text, at + 1)
        elif text[at] != "}":
            raise Unbalanced(at)
    _nothing_after(text, at + 1)
    return None if calls is None else Batch(calls, "{" + ",".join(kept) + "}" if kept else None, write_key)


def _list(text: str, end_of: _End) -> _Spans:
    start = skip_space(text, 0)
    if text[start] != "[":
        raise Unbalanced(start)
    found, end = _elements(text, start, end_of)
    _nothing_after(text, end)
    return found


def _elements(text: str, start: int, end_of: _End) -> tuple[_Spans, int]:
    """The elements of the list at `start`, and where it ends."""
    found: _Spans = []
    at = _after_space(text, start + 1)
    if text[at] == "]":
        return found, at + 1
    while True:
        end = end_of(text, at)
        found.append((at, end))
        at = end if text[end] in ",]" else _after_space(text, end)
        if text[at] == "]":
            return found, at + 1
        if text[at] != ",":
            raise Unbalanced(at)
        at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def _nothing_after(text: str, end: int) -> None:
    if skip_space(text, end) != len(text):
        raise Unbalanced(end)
