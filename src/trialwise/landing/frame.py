"""One record as a line of a landing segment, with the checksum DuckDB verifies in bulk."""

from __future__ import annotations

import base64
import json
import re
from hashlib import md5
from json.encoder import encode_basestring as quoted
from typing import Any

MAX_DEPTH = 100
MAX_RECORD_BYTES = 2 << 20
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_KEPT_BYTES = 64 << 10  # of a record too large to be kept whole


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
) -> tuple[str, str | None]:
    """(the line with its line feed, the reason of refusal or None) of one record.

    A record that is text becomes {"crc", "i", "n", "o", "raw"[, "env"]}; bytes that are no text, too deep or too long
    become {"crc", "i", "n", "o", "bad", "detail", "b64"} and go to quarantine when they are loaded.
    """
    if reason is None:
        reason, detail = _refusal(data)
    if reason is None:
        text = quoted(data.decode())
        crc = md5(data, usedforsecurity=False).hexdigest()[:16]
        place = "null" if offset is None else offset
        tail = "" if envelope is None else f',"env":{quoted(envelope)}'
        return f'{{"crc":"{crc}","i":{item},"n":{line},"o":{place},"raw":{text}{tail}}}\n', None
    kept = data if len(data) <= MAX_RECORD_BYTES else data[:_KEPT_BYTES]
    encoded = base64.b64encode(kept).decode("ascii")
    body: dict[str, Any] = {"crc": checksum(kept), "i": item, "n": line, "o": offset, "bad": reason, "detail": detail}
    return json.dumps({**body, "b64": encoded}, ensure_ascii=True, separators=(",", ":")) + "\n", reason


def _refusal(data: bytes) -> tuple[str | None, str | None]:
    if len(data) > MAX_RECORD_BYTES:
        return "too_large", f"{len(data)} bytes, at most {MAX_RECORD_BYTES} are taken"
    if b"\0" in data:
        return "nul", f"NUL at byte {data.index(0)} of the record"
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and (depth := _depth(data)) > MAX_DEPTH:
        return "too_deep", f"nested {depth} deep, at most {MAX_DEPTH} is taken"
    if data.isascii():
        return None, None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return "bad_utf8", f"byte 0x{data[error.start]:02x} at byte {error.start} of the record"
    return None, None


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
