"""A value inside a JSON text, found by its path; its own text is kept byte for byte."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trialwise.connections import Step
from trialwise.sources.json_text import elements, members, skip_space


def find(text: str, path: Sequence[Step], start: int = 0) -> tuple[int, int] | None:
    """(start, end) of the value at `path` inside the value that begins at `start`; None where there is none.

    Of a key that stands twice the last one counts, as JSON readers do. Raises Unbalanced where the text breaks off.
    """
    at = skip_space(text, start)
    end = len(text)
    for step in path:
        found = None
        if isinstance(step, int):
            if text[at : at + 1] == "[":
                found = next((place for index, place in enumerate(elements(text, at)) if index == step), None)
        elif text[at : at + 1] == "{":
            for key, first, last in members(text, at):
                if key == step or ("\\" in key and _unescaped(key) == step):
                    found = first, last
        if found is None:
            return None
        at, end = found
    return at, end


def scalar(text: str, path: Sequence[Step], start: int = 0) -> str | int | None:
    """The text, whole number or other number (as its text) at `path`; None for null, true, false, nothing, a list."""
    place = find(text, path, start)
    if place is None:
        return None
    written = text[place[0] : place[1]].rstrip()
    if written.startswith('"'):
        return _unescaped(written[1:-1])
    if written[:1] not in "-0123456789" or not written:
        return None
    digits = written.removeprefix("-")
    return int(written) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else written


def is_true(text: str, path: Sequence[Step]) -> bool:
    """Whether the value at `path` says yes: true, a number above zero, a text that is not "false", "no", "0", ""."""
    place = find(text, path)
    if place is None:
        return False
    written = text[place[0] : place[1]].strip().strip('"').lower()
    return written not in ("", "false", "null", "no", "0", "[]", "{}")


def _unescaped(key: str) -> str:
    try:
        found: str = json.loads(f'"{key}"', strict=False)
    except ValueError:
        return key
    return found
