"""One answer's body into its records, each with the bytes it came in."""

from __future__ import annotations

import io
from collections.abc import Sequence

from trialwise.connections import Step
from trialwise.errors import SourceError
from trialwise.sources import ndjson
from trialwise.sources.backoff import Transient
from trialwise.sources.http.path import find
from trialwise.sources.json_text import Unbalanced, elements, end_of_value, members, skip_space
from trialwise.sources.piece import Piece

_LINES = ("ndjson", "jsonl", "json-lines", "jsonlines", "x-json-stream")


def is_lines(content_type: str) -> bool:
    """Whether an answer says of itself that it is one JSON document a line."""
    return any(name in content_type.lower() for name in _LINES)


def text_of(body: bytes, content_type: str, where: str) -> str:
    """The body as text that is one whole JSON document; "" for an empty one.

    Bytes that are no UTF-8 stay what they are (surrogateescape). Raises Transient when it is not whole or something
    else than JSON: gateways answer so for a while. `where` names the answer.
    """
    text = body.decode("utf-8", "surrogateescape")
    start = skip_space(text, 0)
    if start == len(text):
        return ""
    if text[start] not in "[{":
        kind = content_type.partition(";")[0].strip() or "of no type"
        raise Transient(f"{where} answers with something that is no JSON object or list ({kind})")
    try:
        end = end_of_value(text, start)
    except Unbalanced:
        raise Transient(f"the answer of {where} breaks off after {len(body)} bytes") from None
    if skip_space(text, end) != len(text):
        raise Transient(f"{where} answers with more than one JSON document")
    return text


def of_lines(body: bytes) -> list[Piece]:
    """The records of an answer of one JSON document a line."""
    return list(ndjson.pieces(io.BytesIO(body), "events"))


def of_document(text: str, path: Sequence[Step], envelope: str | None, where: str) -> list[Piece]:
    """The elements of the list at `path`, numbered from 1, with their byte offset in the body.

    Raises SourceError when the answer is of another shape; null is an empty list.
    """
    written = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    try:
        place = find(text, path) if text else (0, 0)
        if place is None:
            raise SourceError(
                f"the answer of {where} has nothing at {written}, where its records should be",
                f"It has {_outline(text)}. Set records in trialwise.toml.",
            )
        start, end = place
        if text[start:end].strip() in ("", "null"):
            return []
        if text[start] != "[":
            raise SourceError(
                f"what {where} has at {written} is no list of records",
                f"It has {_outline(text, start)}. Set records in trialwise.toml.",
            )
        places = list(elements(text, start))
    except Unbalanced as error:
        raise SourceError(
            f"the answer of {where} is no JSON from character {error.position} on", "Ask its owner to look at it."
        ) from None
    pieces: list[Piece] = []
    offset = before = 0
    for number, (first, last) in enumerate(places, 1):
        offset += len(text[before:first].encode("utf-8", "surrogateescape"))
        before = first
        data = text[first:last].encode("utf-8", "surrogateescape")
        pieces.append(Piece(number, offset, data, envelope))
    return pieces


def _outline(text: str, start: int = 0) -> str:
    """The keys of the object at `start`, or what else is there."""
    at = skip_space(text, start)
    if text[at : at + 1] != "{":
        return {"[": "a list", '"': "a text", "": "nothing"}.get(text[at : at + 1], "no object there")
    keys = [key for key, _, _ in members(text, at)]
    shown = ", ".join(keys[:10]) + (" ..." if len(keys) > 10 else "")
    return f"the keys {shown}" if keys else "an empty object"
