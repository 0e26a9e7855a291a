"""Files of every layout become records with their places."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import zstandard

from trialwise.errors import InputError
from trialwise.sources import ndjson
from trialwise.sources.files import open_file
from trialwise.sources.mapping import parse_mapping
from trialwise.sources.piece import Piece


def _write(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def _all(path: Path, kind: str = "events", **more: object) -> list[Piece]:
    return list(open_file(path, kind=kind, **more).pieces())  # type: ignore[arg-type]  # keywords of the test's caller


def _places(pieces: list[Piece]) -> list[tuple[int, int | None, bytes]]:
    return [(piece.line, piece.offset, piece.data) for piece in pieces]


# ── lines ────────────────────────────────────────────────────────────────────


def test_lines_have_places(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.ndjson", b'\xef\xbb\xbf{"a":1}\r\n\n  \n{"b":2}\n{"c":3}')
    assert _places(_all(path)) == [(1, 3, b'{"a":1}'), (4, 16, b'{"b":2}'), (5, 24, b'{"c":3}')]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_how_they_are_read(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "CHUNK", chunk)
    monkeypatch.setattr(ndjson, "MAX_RECORD_BYTES", 12)
    data = b'\xef\xbb\xbf{"a":1}\r\n\n' + b"x" * 30 + b'\n{"b":2}\n' + b"y" * 20
    found = list(ndjson.lines(io.BytesIO(data)))
    assert found == [
        (1, 3, b'{"a":1}', 11),
        (3, 13, None, 30),
        (4, 44, b'{"b":2}', 7),
        (5, 52, None, 20),
    ]


def test_a_line_without_end_is_refused_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "MAX_RECORD_BYTES", 1000)
    pieces = list(ndjson.pieces(io.BytesIO(b"x" * 5_000_000 + b"\n{}"), "events"))
    assert [(piece.reason, len(piece.data)) for piece in pieces] == [("too_large", 0), (None, 2)]


def test_many_in_one_line(tmp_path: Path) -> None:
    lines = [
        '[{"a":1}, {"b":"é"},{"c":3}]',
        '{"batch":[{"a":1},{"b":2}],"sentAt":"2026-01-05","writeKey":"k","context":{"groupId":"g"}}',
        '{"batch":"no list"}',
        '{"batch":[{"a":1},',
        '[{"a":1},',
        '{"text":"a \\"batch\\" of"}',
    ]
    pieces = _all(_write(tmp_path, "a.ndjson", "\n".join(lines)))
    data = ("\n".join(lines)).encode()
    assert [piece.data.decode() for piece in pieces] == [
        '{"a":1}', '{"b":"é"}', '{"c":3}', '{"a":1}', '{"b":2}', *lines[2:],
    ]  # fmt: skip
    assert all(data[piece.offset or 0 :].startswith(piece.data) for piece in pieces)
    envelope = '{"sentAt":"2026-01-05","context":{"groupId":"g"}}'
    assert [piece.envelope for piece in pieces] == [None] * 3 + [envelope] * 2 + [None] * 4


def test_list_pages_of_stripe(tmp_path: Path) -> None:
    page = '{"object":"list","data":[{"id":"a"},{"id":"b"}],"has_more":false}'
    nested = '{"id":"sub_1","object":"subscription","items":{"object":"list","data":[{"id":"si_1"}]}}'
    event = '{"object":"event","data":{"object":{"object":"list"}}}'
    pieces = _all(_write(tmp_path, "a.ndjson", f"{page}\n{nested}\n{event}\n[{page},{nested}]\n"), "stripe")
    assert [piece.data.decode() for piece in pieces] == [
        '{"id":"a"}', '{"id":"b"}', nested, event, '{"id":"a"}', '{"id":"b"}', nested,
    ]  # fmt: skip


# ── documents ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("indent", [1, 2, 4, "\t"])
def test_pretty_documents(tmp_path: Path, indent: int | str) -> None:
    first, second = {"id": "é", "object": "customer"}, {"id": "b", "object": "customer", "n": {"x": [1]}}
    one, two = (json.dumps(value, indent=indent, ensure_ascii=False) for value in (first, second))
    pieces = _all(_write(tmp_path, "a.json", f"{one}\n{two}\n"), "stripe")
    assert [piece.data.decode() for piece in pieces] == [one, two]
    assert [(piece.line, piece.offset) for piece in pieces] == [(1, 0), (5, len(one.encode()) + 1)]


def test_pretty_array_and_page(tmp_path: Path) -> None:
    values = [{"id": "a", "object": "customer"}, {"id": "b", "object": "customer"}]
    array = _all(_write(tmp_path, "a.json", json.dumps(values, indent=2)), "stripe")
    page = _all(_write(tmp_path, "p.json", json.dumps({"object": "list", "data": values}, indent=2)), "stripe")
    for pieces in (array, page):
        assert [json.loads(piece.data) for piece in pieces] == values
    assert [piece.line for piece in array] == [2, 6]


def test_one_long_line_is_a_document(tmp_path: Path) -> None:
    values = [{"id": f"cus_{n}", "object": "customer", "note": "x" * 300} for n in range(10_000)]
    pieces = _all(_write(tmp_path, "a.json", json.dumps(values)), "stripe")
    assert len(pieces) == 10_000


def test_a_document_that_breaks_off(tmp_path: Path) -> None:
    whole = json.dumps({"id": "a"}, indent=2)
    pieces = _all(_write(tmp_path, "a.json", f'{whole}\n{{\n  "id": "b",\n  "x": [1,\n'), "stripe")
    assert [piece.data for piece in pieces] == [whole.encode(), b'{\n  "id": "b",\n  "x": [1,']


def test_bytes_that_are_no_text_stay_bytes(tmp_path: Path) -> None:
    pieces = _all(_write(tmp_path, "a.json", b'{\n "id": "\xff"\n}\n{\n "id": "b"\n}'), "stripe")
    assert _places(pieces) == [(1, 0, b'{\n "id": "\xff"\n}'), (4, 15, b'{\n "id": "b"\n}')]


def test_documents_with_commas_between(tmp_path: Path) -> None:
    pieces = _all(_write(tmp_path, "a.json", '{\n "id": 1\n},\n{\n "id": 2\n},\n'), "stripe")
    assert [json.loads(piece.data) for piece in pieces] == [{"id": 1}, {"id": 2}]


def test_a_batch_that_is_no_text_is_one_record(tmp_path: Path) -> None:
    line = b'{"batch":[{"event":"\xff"}]}'
    assert _places(_all(_write(tmp_path, "a.ndjson", b'{"a":1}\n' + line))) == [(1, 0, b'{"a":1}'), (2, 8, line)]


def test_a_document_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialwise.sources.files.MAX_DOCUMENT_BYTES", 10)
    with pytest.raises(InputError, match="one record a line"):
        _all(_write(tmp_path, "a.json", json.dumps({"id": "a", "object": "x"}, indent=2)), "stripe")


# ── compression and detection ────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.zst", "a"])
def test_compression_is_told_by_content(tmp_path: Path, name: str) -> None:
    lines = b"".join(b'{"n":%d}\n' % n for n in range(20_000))
    packed = {
        "a.ndjson.gz": gzip.compress(lines),
        "a.zst": zstandard.compress(lines[:90]) + zstandard.compress(lines[90:]),
    }
    pieces = _all(_write(tmp_path, name, packed.get(name, lines)))
    assert len(pieces) == 20_000
    assert _places(pieces)[-1] == (20_000, len(lines) - 12, b'{"n":19999}')


@pytest.mark.parametrize(
    "packed", [gzip.compress(b'{"a":1}\n' * 99999, mtime=0), zstandard.compress(bytes(range(256)) * 9999)]
)
def test_cut_compression(tmp_path: Path, packed: bytes) -> None:
    path = _write(
        tmp_path, "a.bin", packed[: len(packed) - 12] if packed[:2] == b"\x1f\x8b" else packed[:-1] + b"\x00\xff" * 9
    )
    with pytest.raises(InputError):
        _all(path)


@pytest.mark.parametrize(
    ("name", "data", "layout"),
    [
        ("a.csv", "a,b\n1,2\n", "csv"),
        ("a.tsv", "a\tb\n1\t2\n", "csv"),
        ("a.txt", "a;b\n1;2\n", "csv"),
        ("a.json", '{"a":1}\n{"a":2}\n', "ndjson"),
        ("a.json", '{"a":1}', "ndjson"),
        ("a.json", '[{"a":1}]', "ndjson"),
        ("a.json", '[\n{"a":1}]', "json"),
        ("a.json", "{\n}\n", "json"),
        ("a.jsonl", "no json, at all\nnone\n", "ndjson"),
        ("a.ndjson", '{"cut\n{"a":1}\n', "ndjson"),
        ("empty", "", "ndjson"),
        ("word", "hello", "ndjson"),
    ],
)
def test_layout(tmp_path: Path, name: str, data: str, layout: str) -> None:
    assert open_file(_write(tmp_path, name, data)).layout == layout


@pytest.mark.parametrize(
    ("name", "data", "more", "message"),
    [
        ("a.csv", "a,b\n", {"kind": "stripe"}, "Stripe is read from JSON"),
        ("a.csv", "a,b\n", {"file_format": "segment"}, "Segment calls are JSON"),
        ("a.csv", "a,b\n", {"kind": "sales"}, "no kind of import"),
        ("a.csv", "a,b\n", {"file_format": "xml"}, "is no format of events"),
        ("a.json", "{}", {"kind": "stripe", "file_format": "flat"}, "is no format of stripe"),
        ("a.json", "{}", {"kind": "stripe", "mapping": {"event": "a"}}, "--map is for flat files"),
        ("a.json", "{}", {"mapping": {"evnt": "a"}}, "did you mean 'event'"),
        ("a.json", "\ufeff{}".encode("utf-16"), {}, "UTF-16"),
        ("a.parquet", "nope", {}, "does not begin as one"),
        ("a.parquet.gz", gzip.compress(b"PAR1...", mtime=0), {}, "inside another compression"),
        ("a.gz", b"\x1f\x8bnonsense", {}, "cannot be read"),
    ],
)
def test_what_cannot_be_opened(
    tmp_path: Path, name: str, data: str | bytes, more: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_file(_write(tmp_path, name, data), **more)  # type: ignore[arg-type]  # wrong on purpose


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        open_file(tmp_path / "none.ndjson")
    with pytest.raises(InputError, match="cannot be read"):
        open_file(tmp_path)


# ── CSV ──────────────────────────────────────────────────────────────────────


def test_rows_are_texts_with_places(tmp_path: Path) -> None:
    data = 'event,user_id,note\r\nA,007,"x, ""y"""\r\n\r\nB,1.0,"two\n\nlines"\nC,,\n'
    pieces = _all(_write(tmp_path, "a.csv", data))
    assert [json.loads(piece.data) for piece in pieces] == [
        {"event": "A", "user_id": "007", "note": 'x, "y"'},
        {"event": "B", "user_id": "1.0", "note": "two\n\nlines"},
        {"event": "C"},
    ]
    assert [piece.line for piece in pieces] == [2, 4, 7]
    assert [data.encode()[piece.offset or 0 :][:1] for piece in pieces] == [b"A", b"B", b"C"]


def test_ragged_rows_and_bad_bytes(tmp_path: Path) -> None:
    pieces = _all(_write(tmp_path, "a.csv", b"event;user_id\nA;1;2\nB\nC;caf\xe9\nD;4\n"))
    assert [(piece.line, piece.reason) for piece in pieces] == [
        (2, "ragged_row"),
        (3, "ragged_row"),
        (4, None),
        (5, None),
    ]
    assert pieces[0].data == b"A;1;2"
    assert b"\xe9" in pieces[2].data


@pytest.fixture
def limit_of_cells() -> Iterator[None]:
    """The limit is the csv module's, one for the whole process: it is put back."""
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("limit_of_cells")
def test_a_cell_beyond_the_limit_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialwise.sources.delimited.MAX_RECORD_BYTES", 50)
    monkeypatch.setattr(ndjson, "MAX_RECORD_BYTES", 50)
    rows = ['"' + "x" * 30, "y" * 30 + '"', "B,2", "z" * 60 + ",1", "C,3"]
    pieces = _all(_write(tmp_path, "a.csv", "event,user_id\n" + "\n".join(rows) + "\n"))
    assert [piece.reason for piece in pieces if piece.reason] == ["bad_csv", "too_large"]
    assert [json.loads(piece.data)["event"] for piece in pieces if not piece.reason] == ["B", "C"]


@pytest.mark.parametrize(
    ("data", "mapping", "message"),
    [
        ("a,b,a\n1,2,3\n", {}, "names the column 'a' twice"),
        ("a,b\n1,2\n", {"event": "c"}, "has no column 'c'"),
        ("", {}, "is empty"),
    ],
)
def test_headers_that_cannot_be(tmp_path: Path, data: str, mapping: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _all(_write(tmp_path, "a.csv", data), mapping=mapping)


# ── Parquet ──────────────────────────────────────────────────────────────────


def test_parquet_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trialwise.sources.columnar.BATCH_ROWS", 2)
    frame = pl.DataFrame(
        {
            "event": ["A", "B", None],
            "who": [7.0, 1.5, None],
            "account_id": [1, 2, 2**62],
            "at": [datetime(2026, 1, 5, 9, 0, 0, 5)] * 3,
            "zoned": pl.Series([datetime(2026, 1, 5, 9, tzinfo=UTC)] * 3).dt.convert_time_zone("Europe/Berlin"),
            "day": [date(2026, 1, 5)] * 3,
            "seats": [1.5, float("nan"), 3.0],
            "price": [Decimal("1.10")] * 3,
            "nested": [{"x": 1}, {"x": 2}, {"x": 3}],
        }
    )
    path = tmp_path / "a.parquet"
    frame.write_parquet(path)
    seen: list[tuple[int, int]] = []
    source = open_file(path, mapping={"user_id": "who"})
    pieces = list(source.pieces(lambda done, total: seen.append((done, total))))
    rows = [json.loads(piece.data) for piece in pieces]
    assert [piece.line for piece in pieces] == [1, 2, 3]
    assert {piece.offset for piece in pieces} == {None}
    assert [row["who"] for row in rows] == ["7", "1.5", None]
    assert [row["account_id"] for row in rows] == [1, 2, 2**62]
    assert {row["at"] for row in rows} == {"2026-01-05T09:00:00.000005Z"}
    assert {row["zoned"] for row in rows} == {"2026-01-05T09:00:00.000000Z"}
    assert {row["day"] for row in rows} == {"2026-01-05"}
    assert [row["seats"] for row in rows] == [1.5, None, 3.0]
    assert {row["price"] for row in rows} == {"1.10"}
    assert rows[0]["nested"] == {"x": 1}
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        _all(_write(tmp_path, "a.parquet", b"PAR1" + b"x" * 100))
    path = tmp_path / "b.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(InputError, match="has no column 'c'"):
        _all(path, mapping={"event": "c"})


def test_parquet_with_broken_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"event": [f"event {n}" for n in range(1000)]}).write_parquet(path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[30:200] = b"\xff" * 170
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read"):
        _all(path)


# ── the mapping ──────────────────────────────────────────────────────────────


def test_mapping() -> None:
    assert parse_mapping(["event=what", " account_id = my company "]) == {"event": "what", "account_id": "my company"}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["event"], "is no pair"),
        (["=a"], "is no pair"),
        (["event="], "is no pair"),
        (["event=a", "event=b"], "twice"),
        (["user=a"], "no field 'user'"),
    ],
)
def test_mappings_that_cannot_be(pairs: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_mapping(pairs)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_name_that_promises_compression_is_checked(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events.ndjson{suffix}"
    path.write_text('{"event": "Opened"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=rf"events\.ndjson\{suffix} is called \{suffix} but is not compressed"):
        open_file(path)
