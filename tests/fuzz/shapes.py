"""What the fuzz tests feed to parsers: bytes, texts close to what is parsed, and good input spoilt."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import polars as pl
import zstandard
from hypothesis import strategies as st

JSON_TOKENS = st.lists(
    st.sampled_from(
        [b"{", b"}", b"[", b"]", b'"', b'"batch":', b'"data":', b'"object":"list"', b":", b",", b"\n", b"\r\n", b" ",
         b"1e999", b"-0", b"NaN", b"null", b"\\", b"\\u0000", b"\\ud800", b"\xff", b"\xc3", b"\x00", b"\xef\xbb\xbf",
         b'"event":"E"', b'{"event":"E","user_id":"u"}', b'{"batch":[{"type":"track"}],"sentAt":"x"}', b"\x85",
         "\u2028".encode(), "é".encode()]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
DOCUMENTS = VALUES.map(lambda value: json.dumps(value).encode())
CSV_TOKENS = st.lists(
    st.sampled_from([b",", b";", b"\t", b"|", b'"', b'""', b"\n", b"\r\n", b"\r", b"event", b"user_id", b"a", b"\xff",
                     b"\x00", b"\xef\xbb\xbf", b" ", b"=1+1", "ü".encode()]),
    max_size=40,
).map(b"".join)  # fmt: skip


def _parquet(rows: int) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame({"event": ["E"] * rows, "user_id": list(range(rows)), "at": [1.5] * rows}).write_parquet(stream)
    return stream.getvalue()


_GOOD = [
    b'{"event":"E","user_id":"u","timestamp":"2026-01-01"}\n' * 3,
    json.dumps([{"event": "E"}, {"event": "F"}], indent=2).encode(),
    b"event,user_id\nE,u\n",
    _parquet(3),
    gzip.compress(b'{"event":"E"}\n' * 5),
    zstandard.ZstdCompressor().compress(b'{"event":"E"}\n' * 5),
    b"\xff\xfe{\x00}\x00",
]


@st.composite
def spoilt(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """Good bytes with some of them changed, cut off, doubled or put in."""
    data = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["set", "cut", "put", "double"]))
        if kind == "set" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place:]
        elif kind == "put":
            data[place:place] = draw(st.binary(max_size=6))
        else:
            data += data[place:]
    return bytes(data)


FILES = st.binary(max_size=200) | JSON_TOKENS | DOCUMENTS | CSV_TOKENS | spoilt(_GOOD)
NAMES = st.sampled_from(
    ["x", "x.ndjson", "x.json", "x.jsonl", "x.csv", "x.tsv", "x.parquet", "x.pq", "x.gz", "x.csv.gz", "x.ndjson.zst",
     "x.json.gz.zst", ".gz", "x.GZ", "x.parquet.gz", "ü .json"]
)  # fmt: skip
MAPPINGS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["event", "account_id", "user_id", "timestamp", "id", "properties", "evnt"]),
    st.sampled_from(["event", "user_id", "a", "", "a.b", '"', "ü"]),
    max_size=3,
)
