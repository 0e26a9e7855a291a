"""What is wrong with the file, in words: the key, what was found, what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trialwise.errors import nearest
from trialwise.section import Section

_EXPECTED = {
    "string_pattern_mismatch": "expected lower-case letters, digits and underscores, beginning with a letter",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "string_type": "expected text",
    "string_too_short": "expected text that is not empty",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "missing": "has to be given",
}


def explain(name: str, item: Any, whole: type[Section]) -> str:
    """One finding of pydantic about the file called `name`, which is made of the tables of `whole`."""
    place = [part for part in item["loc"] if not _is_union_branch(part)]
    where = ".".join(str(part) for part in place) or "the file"
    if item["type"] == "extra_forbidden":
        siblings = _keys_at(place[:-1], whole)
        return f"{name}: unknown key '{where}'{nearest(str(place[-1]), siblings)}"
    is_told = item["type"] not in ("missing", "holds_secret") and not isinstance(item["input"], dict)
    found = f" (found {item['input']!r})" if is_told and place else ""
    said = _EXPECTED.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"{name}: {where}: {said}{found}"


def _is_union_branch(part: int | str) -> bool:
    return isinstance(part, str) and ("[" in part or part in {"bool", "literal['any']", "literal['*']"})


def _keys_at(place: Iterable[int | str], whole: type[Section]) -> list[str]:
    """The valid keys of the table at `place` of `whole`, following lists and named tables into their sections."""
    section: Any = whole
    for part in place:
        if isinstance(part, int):
            continue
        field = section.model_fields.get(part) if isinstance(section, type) and issubclass(section, Section) else None
        if field is None:
            continue
        section = _section_in(field.annotation) or section
    return list(section.model_fields)


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _section_in(part)
        if found is not None:
            return found
    return None
