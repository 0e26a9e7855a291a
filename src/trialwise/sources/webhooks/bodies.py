"""Bodies into records: JSON stays byte for byte, a form becomes one JSON object."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from trialwise.sources.forms import object_of
from trialwise.sources.json_text import Unbalanced, elements, end_of_value, skip_space
from trialwise.sources.piece import Piece

MAX_FIELDS = 2000


def pieces_of_json(body: bytes) -> list[Piece]:
    """The elements of an array, or the one document, each as sent; what breaks off is one record, for quarantine.

    So is a body without any record: providers send none, and what was answered 2xx must be found again.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return [Piece(1, 0, body)]
    start = skip_space(text, 0)
    if text[start : start + 1] != "[":
        return [Piece(1, 0, body.strip())] if body.strip() else [_nothing(body, "the body is empty")]
    try:
        spans = list(elements(text, start))
        if skip_space(text, end_of_value(text, start)) != len(text):
            return [Piece(1, 0, body)]
    except Unbalanced:
        return [Piece(1, 0, body)]
    found, position, offset = [], 0, 0
    for first, last in spans:
        offset += len(text[position:first].encode())
        position = first
        found.append(Piece(1, offset, text[first:last].encode()))
    return found or [_nothing(body, "an empty list")]


def _nothing(body: bytes, detail: str) -> Piece:
    return Piece(1, 0, body, None, "unknown_shape", detail)


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form in order, blank ones too; bytes that are no UTF-8 are shown as replacement characters.

    Raises ValueError for more than MAX_FIELDS fields.
    """
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)


def pieces_of_form(body: bytes) -> list[Piece]:
    """A form as one record, a JSON object of its fields; too many of them, or none, are one refused record."""
    try:
        fields = object_of(form_fields(body))
    except ValueError as error:
        return [Piece(1, 0, body, None, "too_large", str(error))]
    if not fields:
        return [_nothing(body, "a form without fields")]
    return [Piece(1, 0, json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))]
