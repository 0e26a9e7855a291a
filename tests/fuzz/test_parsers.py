"""Every parser, whatever it is fed: pieces, or a refusal of the kind its documentation names; never another exception.

Each target runs with a few examples in every test run, and with many in the long one. An alarm ends what hangs.
"""

from __future__ import annotations

import csv
import io
import json
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.shapes import CSV_TOKENS, DOCUMENTS, FILES, JSON_TOKENS, MAPPINGS, NAMES, VALUES, spoilt
from trialwise.clock import parse_moment
from trialwise.config import parse_config, read_config
from trialwise.errors import ConfigError, InputError, StoreError, Untranslatable
from trialwise.landing import manifest
from trialwise.landing.frame import MAX_RECORD_BYTES, checksum, frame, read_frame
from trialwise.landing.live import is_header
from trialwise.landing.manifest import Compacted, Dropped, Import, LoadRange, Segment
from trialwise.scoring.versions import _read as read_versions
from trialwise.sources import guess
from trialwise.sources.delimited import pieces as csv_pieces
from trialwise.sources.documents import pieces_of_line, pieces_of_text
from trialwise.sources.files import FORMATS, open_file
from trialwise.sources.formats import TRANSLATORS
from trialwise.sources.json_text import Unbalanced, elements, end_of_value, members
from trialwise.sources.mapping import parse_mapping
from trialwise.sources.ndjson import lines
from trialwise.sources.ndjson import pieces as line_pieces
from trialwise.sources.piece import Piece
from trialwise.store import recoveries

SECONDS = 20
KINDS = st.sampled_from(["events", "stripe"])


def whole(pieces: Iterator[Piece] | list[Piece], data: bytes | None = None) -> list[Piece]:
    """The pieces, each as promised: a place, bytes, and JSON text around it or none; in `data` where it says."""
    found = list(pieces)
    for piece in found:
        assert piece.line >= 1
        assert isinstance(piece.data, bytes)
        assert piece.envelope is None or isinstance(piece.envelope, str)
        assert (piece.reason is None) <= (piece.detail is None)
        if data is not None and piece.offset is not None:
            assert data[piece.offset : piece.offset + len(piece.data)] == piece.data
        line, _ = frame(0, *piece)
        kept = read_frame(line)
        assert kept is not None
        assert kept.reason is not None or kept.data == piece.data
    return found


def any_file(case: tuple[bytes, str, str, str | None, dict[str, str] | None]) -> None:
    data, name, kind, file_format, mapping = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            source = open_file(path, kind=kind, file_format=file_format, mapping=mapping)
            whole(source.pieces())
            seen = guess.glimpse(source)
            guess.advice(seen, mapping or {})
            guess.refuse_stripe(source, seen)
        except InputError as refused:
            assert refused.hint
            return
        assert len(source.sha256()) == 64


def any_lines(case: tuple[bytes, str]) -> None:
    data, kind = case
    whole(line_pieces(io.BytesIO(data), kind), data)
    places = list(lines(io.BytesIO(data)))
    assert [number for number, *_ in places] == sorted({number for number, *_ in places})


def any_document(case: tuple[bytes, str]) -> None:
    data, kind = case
    whole(pieces_of_text(data, kind), data)
    whole(pieces_of_line(1, 0, data.replace(b"\n", b" "), kind))


def any_json_text(text: str) -> None:
    for parts in (elements, members, lambda text, at: iter([end_of_value(text, at)])):
        try:
            for part in parts(text, 0):
                assert part
        except Unbalanced as broken:
            assert 0 <= broken.position <= len(text)


def any_csv(data: bytes) -> None:
    try:
        found = whole(csv_pieces(io.BytesIO(data), "x.csv", {}))
    except InputError:
        return
    for piece in found:
        _, refused = frame(0, *piece)  # bytes that are no text are refused there
        assert refused is not None or isinstance(json.loads(piece.data), dict)


def any_mapping(pairs: list[str]) -> None:
    try:
        parsed = parse_mapping(pairs)
    except InputError as refused:
        assert refused.hint
        return
    assert len(parsed) == len(pairs)


def any_frame(case: tuple[int, int | None, bytes, str | None, str | None, str | None]) -> None:
    line, offset, data, envelope, reason, detail = case
    written, refused = frame(
        7, line, offset, data, envelope, reason, detail, request=3, at="2026-01-01T00:00:00.000000Z"
    )
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    found = read_frame(written)
    assert found is not None
    assert (found.item, found.line, found.offset, found.request, found.reason) == (7, line, offset, 3, refused)
    assert found.data == data or len(data) > MAX_RECORD_BYTES
    assert refused is not None or found.envelope == (envelope or None)


def any_line_of_a_segment(data: bytes) -> None:
    found = read_frame(data)
    if found is not None:
        assert isinstance(found.data, bytes)
    is_header(data)


def any_manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / manifest.NAME).write_bytes(data)
        try:
            known = manifest.read(Path(folder))
        except StoreError as damaged:
            assert damaged.hint
            return
        assert known.last_segment >= 0


def any_toml(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trialwise.toml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            read_config(path, {})
        except ConfigError as wrong:
            assert str(wrong)


def any_config(data: dict[str, Any]) -> None:
    try:
        parse_config(data)
    except ConfigError as wrong:
        assert wrong.hint


def any_moment(text: str) -> None:
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        try:
            found = parse_moment(text, zone)
        except InputError as wrong:
            assert wrong.hint
            continue
        assert found.tzinfo is None


def any_record(case: tuple[str, str, str | None]) -> None:
    name, raw, envelope = case
    try:
        call = TRANSLATORS[name](raw, envelope)
    except Untranslatable as refused:
        assert refused.reason
        return
    assert isinstance(call, dict)


def any_record_of_recoveries(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "recovered.json").write_bytes(data)
        assert isinstance(recoveries(Path(folder)), tuple)
    list(read_versions(data))


SECTIONS = [
    "workspace",
    "clock",
    "trials",
    "conversion",
    "usage",
    "events",
    "features",
    "milestones",
    "attributes",
    "identity",
    "exclude",
    "stripe",
    "server",
    "landing",
    "schedule",
    "segments",
    "score",
    "sources",
]
KEYS = [
    "name",
    "timezone",
    "as_of",
    "length_days",
    "value",
    "roles",
    "aliases",
    "enter",
    "key",
    "rules",
    "caps",
    "port",
    "host",
    "workers",
    "http",
    "files",
    "url",
    "every_minutes",
    "livemode",
    "keep_event_days",
    "trait",
]
TOML = st.lists(
    st.sampled_from(["[", "]", "[[", "]]", "=", "\n", '"', "'''", ".", ",", "{", "}", "true", "1", "1e9", "nan",
                     "2026-01-01", "\\", "\x00", "é", *SECTIONS[:6], *KEYS[:8], " "]),
    max_size=40,
).map("".join)  # fmt: skip
MANIFEST_LINES = [
    manifest._entry(entry)
    for entry in (
        Import(1, "events", "auto", "f", "00", datetime(2026, 1, 1), (Segment(1, 2, 0, 10), Segment(2, 1, 0, 5, "j"))),
        LoadRange(1, 1, 2, datetime(2026, 1, 1)),
        Compacted("000001-000002.parquet", (1, 2), 10, datetime(2026, 1, 1)),
        Dropped((1,), datetime(2026, 1, 1)),
    )
]


def _manifest_line(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry, separators=(",", ":"))
    return f'{{"crc":"{checksum(text.encode())}","entry":{text}}}\n'.encode()


FRAME_LINES = [frame(1, 2, 3, b'{"event":"E"}', '{"sentAt":"x"}')[0], frame(1, 2, None, b"\xff")[0]]
TEXTS = st.text(max_size=60) | JSON_TOKENS.map(lambda data: data.decode("utf-8", "replace"))
MOMENTS = (
    st.datetimes(timezones=st.timezones() | st.none()).map(lambda moment: moment.isoformat())
    | st.dates().map(str)
    | st.sampled_from(["9999-12-31", "0001-01-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "24:00"])
    | st.text(max_size=24)
)


@dataclass(frozen=True)
class Target:
    """A parser with what it is fed."""

    check: Callable[[Any], None]
    fed: st.SearchStrategy[Any]

    def __str__(self) -> str:
        return self.check.__name__


TARGETS = (
    Target(
        any_file, st.tuples(FILES, NAMES, KINDS, st.none() | st.sampled_from([*FORMATS, "xml"]), st.none() | MAPPINGS)
    ),
    Target(any_lines, st.tuples(st.binary(max_size=120) | JSON_TOKENS | DOCUMENTS, KINDS)),
    Target(any_document, st.tuples(st.binary(max_size=120) | JSON_TOKENS | DOCUMENTS, KINDS)),
    Target(any_json_text, TEXTS),
    Target(any_csv, st.binary(max_size=120) | CSV_TOKENS),
    Target(
        any_mapping, st.lists(st.text(max_size=12) | st.sampled_from(["event=a", "event=", "=a", "evnt=x", "id=b"]))
    ),
    Target(
        any_frame,
        st.tuples(
            st.integers(0, 1 << 40),
            st.none() | st.integers(0, 1 << 60),
            st.binary(max_size=80) | JSON_TOKENS,
            st.none() | st.text(max_size=20),
            st.none() | st.sampled_from(["bad_csv"]),
            st.none() | st.text(),
        ),
    ),
    Target(any_line_of_a_segment, st.binary(max_size=80) | DOCUMENTS | spoilt(FRAME_LINES)),
    Target(any_manifest, st.binary(max_size=80) | spoilt([_manifest_line(entry) for entry in MANIFEST_LINES])),
    Target(any_toml, TOML | st.text(max_size=60)),
    Target(
        any_config, st.dictionaries(st.sampled_from(SECTIONS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES))
    ),
    Target(any_moment, MOMENTS),
    Target(
        any_record,
        st.tuples(st.sampled_from(sorted(TRANSLATORS)), TEXTS | DOCUMENTS.map(bytes.decode), st.none() | TEXTS),
    ),
    Target(any_record_of_recoveries, st.binary(max_size=60) | DOCUMENTS),
)


@contextmanager
def ended() -> Iterator[None]:
    """An alarm for what hangs, by the CPU time of this process: what else the machine does is not its fault."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {SECONDS} CPU seconds")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def feed(target: Target, examples: int) -> None:
    def check(case: Any) -> None:
        with ended():
            target.check(case)

    profile = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    profile(given(target.fed)(check))()


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_parser(target: Target) -> None:
    feed(target, 60)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_parser_at_length(target: Target) -> None:
    feed(target, 5_000)


NASTY = (
    b"[" * 300_000,
    b'{"a":' * 100_000,
    b'"' + b"\\" * 500_001,
    b'{"batch":[' + b'{"a":1},' * 60_000,
    b'{"object":"list","data":[' + b"{}," * 100_000 + b"{}]}",
    b"\n" * 500_000,
    b'"a,\n' * 20_000,
    b"{}" * 40_000,
    b" " * 1_000_000,
    b"a," * 200_000 + b"\n",
    b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"1," * 99_999 + b"1\n",
)


@pytest.mark.parametrize("data", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("name", ["x.ndjson", "x.json", "x.csv"])
def test_long_nonsense_comes_to_an_end(data: bytes, name: str) -> None:
    with ended():
        any_file((data, name, "events", None, None))


def test_deep_toml_is_refused() -> None:
    any_toml("a = " + "[" * 50_000)


def test_the_limit_of_a_cell_is_the_limit_of_a_record() -> None:
    any_csv(b"a,b\n1,2\n")
    assert csv.field_size_limit() == MAX_RECORD_BYTES
