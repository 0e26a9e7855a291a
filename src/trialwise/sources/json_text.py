"""Finding the parts of a JSON text without parsing it: the parts are kept byte for byte, and no depth is too deep."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\[\]{}\"]+")
_SPACE = re.compile(r"[\s\ufeff]*")


class Unbalanced(ValueError):
    """The text ends, or goes on with something else, before the value is complete; `position` tells where."""

    def __init__(self, position: int) -> None:
        super().__init__(f"incomplete JSON value at character {position}")
        self.position = position


def skip_space(text: str, position: int) -> int:
    """The first position at or after `position` that is no white space (or byte order mark)."""
    match = _SPACE.match(text, position)
    return match.end() if match else position


def end_of_value(text: str, position: int) -> int:
    """Where the JSON value that starts at `position` ends.

    Brackets are counted outside of strings, not matched by kind: whether the value is valid is the reader's question.
    Raises Unbalanced.
    """
    first = text[position : position + 1]
    if first == '"':
        match = _STRING.match(text, position)
    elif first in ("{", "["):
        return _end_of_brackets(text, position)
    else:
        match = _SCALAR.match(text, position)
    if match is None:
        raise Unbalanced(position)
    return match.end()


def _end_of_brackets(text: str, position: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, position):
        mark = text[token.start()]
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return token.end()
    raise Unbalanced(position)


def elements(text: str, position: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each element of the list that starts at `position`; raises Unbalanced where it breaks off."""
    at = skip_space(text, position + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        end = end_of_value(text, at)
        yield at, end
        at = skip_space(text, end)
        if text[at : at + 1] == "]":
            return
        if text[at : at + 1] != ",":
            raise Unbalanced(at)
        at = skip_space(text, at + 1)


def members(text: str, position: int) -> Iterator[tuple[str, int, int]]:
    """(key as written between its quotes, start, end of the value) of each member of the object at `position`.

    Raises Unbalanced where the object breaks off.
    """
    at = skip_space(text, position + 1)
    if text[at : at + 1] == "}":
        return
    while True:
        key = _STRING.match(text, at)
        if key is None:
            raise Unbalanced(at)
        at = skip_space(text, key.end())
        if text[at : at + 1] != ":":
            raise Unbalanced(at)
        start = skip_space(text, at + 1)
        end = end_of_value(text, start)
        yield key.group()[1:-1], start, end
        at = skip_space(text, end)
        if text[at : at + 1] == "}":
            return
        if text[at : at + 1] != ",":
            raise Unbalanced(at)
        at = skip_space(text, at + 1)
