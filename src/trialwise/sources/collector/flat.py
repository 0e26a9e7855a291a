"""/v1/events: flat records as JSON, NDJSON or a form."""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson

from trialwise.sources.collector.answer import Refusal, bad_json
from trialwise.sources.collector.doors import Limits
from trialwise.sources.collector.split import list_of
from trialwise.sources.forms import object_of
from trialwise.sources.json_text import Unbalanced
from trialwise.sources.piece import Piece

_BOM = b"\xef\xbb\xbf"
_MAX_FIELDS = 500


def records_of(body: bytes, limits: Limits, *, is_lines: bool) -> list[Piece]:
    """The records of a JSON body: an object, a list of them, or a line each (`is_lines`: never anything else).

    A bad record among several is left to the loader's quarantine. Raises Refusal: 400 when there is none, 413 for too
    many, or a single one that is too large.
    """
    body = body.removeprefix(_BOM)
    start = body.lstrip()[:1]
    if start == b"[" and not is_lines:
        return listed(body, limits)
    if not is_lines:
        try:
            record = orjson.loads(body)
        except orjson.JSONDecodeError:
            if start != b"{" or b"\n" not in body.strip():
                raise bad_json("the body is no JSON; send an object, a list of objects, or one object a line") from None
        else:
            if type(record) is not dict:
                raise bad_json("the body is JSON, but neither an object nor a list of objects")
            return [single(body, limits)]
    return _lines(body, limits)


def listed(body: bytes, limits: Limits) -> list[Piece]:
    """The elements of a JSON list, as sent. Raises Refusal."""
    text = body.decode("utf-8", "surrogateescape")
    try:
        spans = list_of(text)
    except Unbalanced as error:
        raise bad_json(f"the list breaks off or goes wrong at character {error.position}") from None
    _check_count(len(spans), limits)
    return [
        one_of_many(number, text[start:end].encode("utf-8", "surrogateescape"), limits)
        for number, (start, end) in enumerate(spans, 1)
    ]


def form_of(body: bytes, limits: Limits) -> list[Piece]:
    """The one record of a form: fields become keys, `properties[plan]` a key inside, a repeated field or `tags[]` a
    list; values stay text. Raises Refusal."""
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        fields = []
    if not fields:
        raise Refusal(
            400,
            "bad_form",
            f"the body is no form in UTF-8 of 1 to {_MAX_FIELDS} fields, such as event=Signed+Up&user_id=7",
        )
    return [single(orjson.dumps(object_of(fields)), limits)]


def single(data: bytes, limits: Limits) -> Piece:
    """A request's only record. Raises Refusal when it is too large."""
    if len(data) > limits.event:
        raise Refusal(413, "too_large", f"the record has {len(data):,} bytes, at most {limits.event:,} are taken")
    return Piece(1, None, data)


def one_of_many(number: int, data: bytes, limits: Limits) -> Piece:
    """One record of several; too large a one goes to quarantine and costs the others nothing."""
    if len(data) > limits.event:
        return Piece(number, None, data, None, "too_large", f"{len(data)} bytes, at most {limits.event} are taken")
    return Piece(number, None, data)


def _lines(body: bytes, limits: Limits) -> list[Piece]:
    lines = [line for line in body.split(b"\n", limits.calls * 2) if line.strip()]
    _check_count(len(lines), limits)
    if not any(_is_object(line) for line in lines):
        raise bad_json("no line of the body is a JSON object")
    return [one_of_many(number, line.strip(), limits) for number, line in enumerate(lines, 1)]


def _is_object(line: bytes) -> bool:
    try:
        return type(orjson.loads(line)) is dict
    except orjson.JSONDecodeError:
        return False


def _check_count(found: int, limits: Limits) -> None:
    if found > limits.calls:
        raise Refusal(413, "too_many_records", f"the body has more than {limits.calls:,} records")
