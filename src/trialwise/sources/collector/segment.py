"""Segment's calls: one by its path, or a batch; every record keeps the bytes that were sent."""

from __future__ import annotations

import re

import orjson

from trialwise.sources.collector.answer import Refusal, bad_json
from trialwise.sources.collector.doors import Limits
from trialwise.sources.collector.split import batch_of
from trialwise.sources.json_text import Unbalanced, members, skip_space
from trialwise.sources.piece import Piece

KINDS = ("track", "identify", "group", "page", "screen", "alias")
_BOM = b"\xef\xbb\xbf"
_WRITE_KEY = re.compile(rb'("writeKey"\s*:\s*)"[^"]*"?')


def call_of(body: bytes, kind: str) -> tuple[list[Piece], str | None]:
    """The one call in a body sent to /v1/KIND, and the writeKey it carries.

    The path says what kind it is: `type` is put in where it is absent and put right where it says something else; every
    other byte stays, but for the writeKey: keys are kept nowhere. Raises Refusal.
    """
    body = body.removeprefix(_BOM)
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise bad_json(f"the body is no JSON; a {kind} call is one JSON object") from None
    if type(call) is not dict:
        raise bad_json(f"the body is JSON, but no object; a {kind} call is one JSON object")
    write_key = call.get("writeKey")
    if write_key is not None:
        body = _with(body, "writeKey", "null")
    if "type" not in call:
        body = _with_type(body, kind)
    elif call["type"] != kind:
        body = _with(body, "type", f'"{kind}"')
    return [Piece(1, None, body)], write_key if isinstance(write_key, str) else None


def calls_of(body: bytes, limits: Limits) -> tuple[list[Piece], str | None]:
    """The calls of a batch and the batch's writeKey; a bad call among them is left to the loader's quarantine.

    Raises Refusal: 400 when the body cannot be taken apart, 413 for too many calls.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogateescape")
    try:
        batch = batch_of(text)
    except Unbalanced as error:
        raise bad_json(
            f'the batch breaks off or goes wrong at character {error.position}; it is {{"batch": [...]}}'
        ) from None
    if batch is None:
        raise bad_json('the body is no JSON object with a list "batch"')
    spans, envelope = batch.calls, batch.envelope
    if len(spans) > limits.calls:
        raise Refusal(413, "too_many_calls", f"the batch has {len(spans):,} calls, at most {limits.calls:,} are taken")
    if envelope is not None:
        _check_envelope(envelope, len(spans), limits)
    is_ascii = len(text) == len(body)
    pieces = []
    for number, (start, end) in enumerate(spans, 1):
        data = body[start:end] if is_ascii else text[start:end].encode("utf-8", "surrogateescape")
        if b'"writeKey"' in data:
            data = _without_key(data)
        if len(data) > limits.call:
            detail = f"{len(data)} bytes, at most {limits.call} are taken in one call"
            pieces.append(Piece(number, None, data, envelope, "too_large", detail))
        else:
            pieces.append(Piece(number, None, data, envelope))
    return pieces, batch.write_key


def _without_key(data: bytes) -> bytes:
    """One call of a batch without its writeKey, however broken it is."""
    try:
        return _with(data, "writeKey", "null")
    except Unbalanced:
        return _WRITE_KEY.sub(rb"\1null", data)


def _with(data: bytes, name: str, value: str) -> bytes:
    """The call with another value (JSON text) in its member `name`; the other bytes stay. Raises Unbalanced."""
    text = data.decode("utf-8", "surrogateescape")
    out, at = [], 0
    for key, start, end in members(text, skip_space(text, 0)):
        if key == name:
            out += [text[at:start], value]
            at = end
    return "".join([*out, text[at:]]).encode("utf-8", "surrogateescape")


def _with_type(body: bytes, kind: str) -> bytes:
    start = body.index(b"{") + 1
    comma = b"" if body[start:].lstrip()[:1] == b"}" else b","
    return b'%b"type":"%b"%b%b' % (body[:start], kind.encode(), comma, body[start:])


def _check_envelope(envelope: str, calls: int, limits: Limits) -> None:
    """What stands around the calls is kept with each of them: little, or for few calls. Raises Refusal."""
    size = len(envelope.encode("utf-8", "replace"))
    if size > limits.call or size * calls > limits.batch:
        raise Refusal(
            413,
            "envelope_too_large",
            f"sentAt and context of the batch have {size:,} bytes; put context into the calls",
        )
    if not envelope.isascii():
        try:
            envelope.encode()
        except UnicodeEncodeError:
            raise bad_json("sentAt or context of the batch is not UTF-8") from None
