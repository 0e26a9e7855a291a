"""One record as a line of a landing segment, with the checksum DuckDB verifies in bulk."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any

import orjson

MAX_DEPTH = 100
MAX_RECORD_BYTES = 2 << 20
"""Of a record together with its envelope."""
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_KEPT_BYTES = 64 << 10  # of a record too large to be kept whole

Piece = tuple[int, int | None, bytes, str | None, str | None, str | None]
"""(line, byte offset, bytes, envelope, reason, detail) of one record, as sources hand them over."""


@dataclass(frozen=True)
class Frame:
    """What a frame's line says, read back.

    `at` is the instant of arrival (ISO 8601, microseconds, Z) of a live record, None for one from a file; `data` the
    record's bytes, of a refused one (`reason`) as many as were kept.
    """

    item: int
    line: int
    offset: int | None
    request: int | None
    at: str | None
    data: bytes
    envelope: str | None
    reason: str | None
    detail: str | None


def stamp(instant: datetime) -> str:
    """A UTC instant without zone as frames write it."""
    return instant.isoformat(timespec="microseconds") + "Z"


def checksum(data: bytes) -> str:
    """The first 16 hex digits of the md5; it finds damage, it does not resist an attacker."""
    return md5(data, usedforsecurity=False).hexdigest()[:16]


def frame(
    item: int,
    line: int,
    offset: int | None,
    data: bytes,
    envelope: str | None = None,
    reason: str | None = None,
    detail: str | None = None,
    *,
    request: int | None = None,
    at: str | None = None,
) -> tuple[bytes, str | None]:
    """(the line with its line feed, the reason of refusal or None) of one record.

    A record that is text becomes {"crc", "i", "n", "o"[, "r"][, "at"], "raw"[, "env"]}; bytes that are no text, too
    deep or too long have {"bad", "detail", "b64"} for "raw" and go to quarantine when they are loaded. `request`
    numbers the requests (pages) of a live journal, `at` is when it came. The checksum covers every value
    (sql/load/macros.sql, frame_sum, is the other side of it). An empty envelope is none.
    """
    refused = None if reason is not None else _refusal(data)
    around = b""
    if envelope is not None:
        around, unkept = _around(data, envelope)
        refused = refused or unkept
    if reason is None and refused is not None:
        reason, detail = refused
    placed = f"{item} {line} {'' if offset is None else offset} "
    start = f'"i":{item},"n":{line},"o":{"null" if offset is None else offset}'
    if request is not None:
        placed += f"{request} {at or ''}"
        start += f',"r":{request}' if at is None else f',"r":{request},"at":"{at}"'
    else:
        placed += " "
    if reason is not None:
        return _refused(placed, start, data, envelope if around else None, reason, detail), reason
    crc = md5(b"%b    %b %b" % (placed.encode(), around, data), usedforsecurity=False).hexdigest()[:16]
    head = f'{{"crc":"{crc}",{start},"raw":'.encode()
    text = orjson.dumps(data.decode())
    if not around:
        return b"%b%b}\n" % (head, text), None
    return b'%b%b,"env":%b}\n' % (head, text, orjson.dumps(envelope)), None


def read_frame(line: bytes) -> Frame | None:
    """A line as a frame; None when it is none, or not the one that was written."""
    try:
        values = json.loads(line)
        crc = values["crc"]
        item, number, offset, request, at = (values.get(key) for key in ("i", "n", "o", "r", "at"))
        bad, detail, kept, envelope, raw = (values.get(key) for key in ("bad", "detail", "b64", "env", "raw"))
        told = " ".join(
            "" if value is None else str(value)
            for value in (item, number, offset, request, at, bad, detail, kept, envelope, raw)
        )
        if crc != checksum(told.encode()):
            return None
        data = raw.encode() if kept is None else base64.b64decode(kept, validate=True)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return Frame(item, number, offset, request, at, data, envelope, bad, detail)


def _refused(placed: str, start: str, data: bytes, envelope: str | None, reason: str, detail: str | None) -> bytes:
    kept = base64.b64encode(data if len(data) <= MAX_RECORD_BYTES else data[:_KEPT_BYTES]).decode("ascii")
    told = None if detail is None else detail.encode("utf-8", "replace").decode()
    crc = checksum(f"{placed} {reason} {told or ''} {kept} {envelope or ''} ".encode())
    values: dict[str, Any] = {"bad": reason, "detail": told, "b64": kept}
    if envelope is not None:
        values["env"] = envelope
    return b'{"crc":"%b",%b,%b\n' % (crc.encode(), start.encode(), orjson.dumps(values)[1:])


def _around(data: bytes, envelope: str) -> tuple[bytes, tuple[str, str] | None]:
    """(the envelope's bytes, none where it cannot be kept; the reason of refusal with its detail, or None)."""
    try:
        around = envelope.encode()
    except UnicodeEncodeError:
        return b"", ("bad_unicode", "the batch around the record holds half of a pair")
    if b"\0" in around:
        return b"", ("nul", "NUL in the batch around the record")
    if (size := len(data) + len(around)) > MAX_RECORD_BYTES:
        return b"", ("too_large", f"{size} bytes with the batch around it, at most {MAX_RECORD_BYTES} are taken")
    return around, None


def _refusal(data: bytes) -> tuple[str, str] | None:
    """(reason, detail) when bytes are no record, as far as that shows without reading them as JSON."""
    if len(data) > MAX_RECORD_BYTES:
        return "too_large", f"{len(data)} bytes, at most {MAX_RECORD_BYTES} are taken"
    if b"\0" in data:
        return "nul", f"NUL at byte {data.index(0)} of the record"
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and (depth := _depth(data)) > MAX_DEPTH:
        return "too_deep", f"nested {depth} deep, at most {MAX_DEPTH} is taken"
    if data.isascii():
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return "bad_utf8", f"byte 0x{data[error.start]:02x} at byte {error.start} of the record"
    return None


def _depth(data: bytes) -> int:
    """How deeply brackets outside of strings are nested, without recursion."""
    depth = deepest = 0
    for token in _TOKEN.finditer(data):
        mark = token.group()[:1]
        if mark in (b"{", b"["):
            depth += 1
            deepest = max(deepest, depth)
        elif mark != b'"':
            depth -= 1
    return deepest
