"""Fields of a form as one object: names with brackets are places in it, values stay text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_MAX_NESTING = 11  # Mailchimp's deepest have five


def object_of(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`data[merges][FNAME]=x` as {"data": {"merges": {"FNAME": "x"}}}; a repeated name and `tags[]` are lists.

    Nothing is lost: a name that fits nowhere stays literal, a value beside inner keys goes under "".
    """
    whole: dict[str, Any] = {}
    for name, value in fields:
        _put(whole, name, value)
    return whole


def _put(record: dict[str, Any], name: str, value: str) -> None:
    parts, is_list = _path(name)
    inside = record
    for part in parts[:-1]:
        step = inside.setdefault(part, {})
        if type(step) is not dict:
            inside, parts, is_list = record, [name], False
            break
        inside = step
    last = parts[-1]
    if last not in inside:
        inside[last] = [value] if is_list else value
    elif type(inside[last]) is list:
        inside[last].append(value)
    elif type(inside[last]) is dict:
        _put(inside[last], "", value)
    else:
        inside[last] = [inside[last], value]


def _path(name: str) -> tuple[list[str], bool]:
    """(the keys on the way, whether the last of them is a list) of a field's name."""
    head, bracket, rest = name.partition("[")
    parts = [head, *rest.removesuffix("]").split("][")] if head and bracket and name.endswith("]") else [name]
    is_list = len(parts) > 1 and parts[-1] == ""
    if is_list:
        parts.pop()
    if len(parts) > _MAX_NESTING or any("[" in part or "]" in part or not part for part in parts):
        return [name], False
    return parts, is_list
