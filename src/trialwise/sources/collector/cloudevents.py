"""CloudEvents 1.0 over HTTP: structured, batched and binary; each becomes one event in the JSON format.

https://github.com/cloudevents/spec, HTTP protocol binding (content modes, header values) and JSON event format.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from trialwise.sources.collector.answer import Refusal, bad_json
from trialwise.sources.collector.doors import Limits
from trialwise.sources.collector.flat import listed, single
from trialwise.sources.piece import Piece

STRUCTURED = b"application/cloudevents+json"
BATCH = b"application/cloudevents-batch+json"
ANY = b"application/cloudevents"
"""What the media type of an event in structured or batched mode begins with."""

REQUIRED = ("specversion", "id", "source", "type")
_PREFIX = b"ce-"
_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SENDER = re.compile(rb"[A-Za-z0-9_*](?:[A-Za-z0-9_.*-]{0,252})")  # a DNS expression
_CHARSET = re.compile(rb"charset\s*=\s*\"?([a-z0-9_-]+)")
_CHARSETS = {b"": "utf-8", b"utf-8": "utf-8", b"us-ascii": "ascii", b"iso-8859-1": "latin-1", b"utf-16": "utf-16"}


def consent(headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The headers by which a webhook's sender learns that it may deliver here, at any rate; none unless it asks.

    The handshake of "HTTP 1.1 Web Hooks for Event Delivery" protects the sender from being pointed at those who expect
    nothing. It is no authorization: each delivery needs a key all the same, and too many of them are told so by 429.
    """
    origin = headers.get(b"webhook-request-origin", b"").strip()
    if not _SENDER.fullmatch(origin):
        return []
    return [(b"webhook-allowed-origin", origin), (b"webhook-allowed-rate", b"*"), (b"allow", b"POST, OPTIONS")]


def is_binary(headers: dict[bytes, bytes]) -> bool:
    """Whether the event's attributes stand in headers."""
    return b"ce-specversion" in headers


def structured(body: bytes, limits: Limits) -> list[Piece]:
    """The event that is the whole body, as sent. Raises Refusal."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise bad_json("the body is no JSON; a structured CloudEvent is one JSON object") from None
    if type(event) is not dict:
        raise bad_json("the body is JSON, but no object; a structured CloudEvent is one JSON object")
    _check(event)
    return [single(body, limits)]


def batched(body: bytes, limits: Limits) -> list[Piece]:
    """The events of a batch, as sent; a bad one is left to the loader's quarantine. Raises Refusal."""
    if body.lstrip()[:1] != b"[":
        raise bad_json("a batch of CloudEvents is a JSON list")
    return listed(body, limits)


def binary(headers: Iterable[tuple[bytes, bytes]], body: bytes, limits: Limits) -> list[Piece]:
    """The event whose attributes stand in `ce-` headers and whose data is the body, as a structured event.

    Data of a JSON type stays as sent; other text becomes a JSON string, anything else data_base64. Raises Refusal.
    """
    event: dict[str, Any] = {}
    content_type = b""
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name.startswith(_PREFIX):
            attribute = name[len(_PREFIX) :].decode("latin-1")
            if not _ATTRIBUTE.fullmatch(attribute) or attribute in ("data", "datacontenttype"):
                raise _bad(
                    f"the header ce-{attribute[:40]} names no attribute: those are lower-case letters and digits"
                )
            if attribute in event:
                raise _bad(f"the header ce-{attribute[:40]} is there twice")
            event[attribute] = header_value(value)
    _check(event)
    if content_type:
        event["datacontenttype"] = content_type.decode("latin-1")
    head = orjson.dumps(event)[:-1]
    return [single(b"%b%b}" % (head, _data(content_type.lower(), body)), limits)]


def header_value(value: bytes) -> str:
    """The attribute in a header: a quoted string is unquoted, then one round of percent-decoding. Raises Refusal."""
    text = value.decode("latin-1").strip(" \t")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = _ESCAPE.sub(r"\1", text[1:-1])
    try:
        # latin-1 gives back what was sent, for senders that put raw UTF-8 into headers
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise _bad("a ce- header is not UTF-8 after percent-decoding") from None


def _data(content_type: bytes, body: bytes) -> bytes:
    """The data member with the comma before it; nothing without a body."""
    if not body:
        return b""
    media = content_type.partition(b";")[0].strip()
    if not media or media == b"application/json" or media.endswith(b"+json"):
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError:
            raise bad_json("the body is no JSON, though Content-Type says so") from None
        return b',"data":' + body
    text = _text(media, content_type, body)
    if text is not None:
        return b',"data":' + orjson.dumps(text)
    return b',"data_base64":"' + base64.b64encode(body) + b'"'


def _text(media: bytes, content_type: bytes, body: bytes) -> str | None:
    """The body of a type that is text, None for everything else and for what is not in its charset."""
    charset = _CHARSET.search(content_type)
    encoding = _CHARSETS.get(charset[1] if charset else b"")
    if encoding is None or not (charset or media.startswith(b"text/") or media.endswith(b"+xml")):
        return None
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return None


def _check(event: dict[str, Any]) -> None:
    """Raises Refusal unless the event has what every CloudEvent 1.x must have."""
    for name in REQUIRED:
        value = event.get(name)
        if type(value) is not str or not value:
            raise _bad(f"the event has no '{name}'; CloudEvents need {', '.join(REQUIRED)}")
    if not event["specversion"].startswith("1."):
        raise _bad("the event's specversion is not 1.x; 1.0 is read")


def _bad(message: str) -> Refusal:
    return Refusal(400, "bad_cloudevent", message)
