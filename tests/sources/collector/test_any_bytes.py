"""Whatever bytes come, the answer is 2xx or 4xx, and what is answered 2xx is landed."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import MutableMapping
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.sources.collector.kit import HOST, Collector

COLLECTOR = Collector()
PATHS = ["/v1/track", "/v1/alias", "/v1/batch", "/v1/events", "/webhooks/hook"]
MEDIA = [
    b"application/json", b"", b"text/plain", b"application/x-ndjson", b"application/x-www-form-urlencoded",
    b"application/cloudevents+json", b"application/cloudevents-batch+json", b"application/xml",
]  # fmt: skip
JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["batch", "type", "writeKey", "sentAt"]), inner)
    ),
    max_leaves=8,
)
TOKENS = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b'"batch":', b'"type"', b'"', b",", b":", b"1e999", b"NaN", b"\\",
                     b"\\ud800", b"\xff", b"\x00", b"\n", b" ", b"&", b"=", b"[]", b"%ff", b"\xef\xbb\xbf"]),
    max_size=30,
).map(b"".join)  # fmt: skip
BODIES = st.binary(max_size=200) | TOKENS | JSONISH.map(lambda value: json.dumps(value).encode())
NAMES = st.sampled_from(
    [b"ce-id", b"ce-specversion", b"ce-type", b"ce-source", b"ce-x", b"authorization", b"x-api-key", b"content-length",
     b"origin", b"x-sign", b"transfer-encoding"]
)  # fmt: skip
VALUES = st.binary(max_size=20) | st.sampled_from([b"1.0", b"Basic eDo=", b"Bearer x", b"new", b"12"])


def status_of(path: str, headers: list[tuple[bytes, bytes]], chunks: list[bytes]) -> int:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    statuses: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        else:
            json.loads(message["body"])

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    asyncio.run(COLLECTOR.app(scope, receive, send))
    (status,) = statuses
    return status


@settings(max_examples=1000, deadline=None)
@given(
    path=st.sampled_from(PATHS),
    media=st.sampled_from(MEDIA),
    body=BODIES,
    more=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    zipped=st.booleans(),
    cut=st.integers(0, 200),
)
@example("/v1/batch", b"", b'{"batch":[{"a":' + b"[" * 5000 + b'},"\xff"]}', [], False, 3)
@example(
    "/v1/events",
    b"",
    b"",
    [(b"ce-specversion", b"1.0"), (b"ce-id", b'"'), (b"ce-type", b"%"), (b"ce-source", b"\xff")],
    False,
    0,
)
def test_any_bytes(
    path: str, media: bytes, body: bytes, more: list[tuple[bytes, bytes]], zipped: bool, cut: int
) -> None:
    headers = [(b"host", HOST.encode()), (b"content-type", media), *more]
    if zipped:
        headers.append((b"content-encoding", b"gzip"))
        body = gzip.compress(body, mtime=0)
    landed = len(COLLECTOR.sink.landed)
    status = status_of(path, headers, [body[:cut], body[cut:]])
    assert 200 <= status < 300 or 400 <= status < 500, status
    if status >= 400:
        assert len(COLLECTOR.sink.landed) == landed
    for piece in [piece for taken in COLLECTOR.sink.landed[landed:] for piece in taken.pieces]:
        assert isinstance(piece.data, bytes)
        (piece.envelope or "").encode()
    COLLECTOR.sink.landed.clear()


@settings(max_examples=200, deadline=None)
@given(path=st.text(max_size=30), headers=st.lists(st.tuples(NAMES | st.binary(max_size=9), VALUES), max_size=5))
def test_any_path_and_headers(path: str, headers: list[tuple[bytes, bytes]]) -> None:
    assert 200 <= status_of("/" + path, [(b"host", HOST.encode()), *headers], [b"{}"]) < 500
