"""/v1/events with flat records: JSON, a list, a line each, forms."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from tests.sources.collector.kit import NOW, Collector

A = b'{"event":"Signed Up","account_id":"a1","n":1.50}'
B = b'{"event":"Exported",\t"user_id":"u2"}'
FORM = "application/x-www-form-urlencoded"
LINES = "application/x-ndjson"


def test_one_object() -> None:
    collector = Collector()
    answer = collector.post("/v1/events", A)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1})
    (landed,) = collector.sink.landed
    assert (landed.source, landed.format, landed.name, landed.received_at) == ("events", "flat", "collector", NOW)
    assert landed.data == [A]


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"[" + A + b" , " + B + b"]", "application/json"),
        (b"\xef\xbb\xbf[" + A + b"," + B + b"]\n", ""),
        (A + b"\r\n\n" + B + b"\n", LINES),
        (A + b"\n" + B, "application/json"),
        (A + b"\n" + B, "application/jsonl; charset=utf-8"),
    ],
)
def test_several_records(body: bytes, media: str) -> None:
    collector = Collector()
    assert collector.post("/v1/events", body, content_type=media).json() == {"success": True, "accepted": 2}
    assert collector.sink.data == [A, B]
    assert [piece.line for piece in collector.sink.landed[0].pieces] == [1, 2]


def test_a_pretty_printed_object_is_one_record() -> None:
    collector = Collector()
    body = json.dumps({"event": "A", "user_id": "1"}, indent=2).encode()
    assert collector.post("/v1/events", body).json()["accepted"] == 1
    assert collector.sink.data == [body]


@pytest.mark.parametrize(
    ("body", "media", "landed"),
    [
        (b"[" + A + b",{'a':1},7]", "application/json", [A, b"{'a':1}", b"7"]),
        (A + b"\nnot json\n" + b'{"a":"\xff"}', LINES, [A, b"not json", b'{"a":"\xff"}']),
    ],
)
def test_bad_records_among_good_ones_are_left_to_quarantine(body: bytes, media: str, landed: list[bytes]) -> None:
    collector = Collector()
    assert collector.post("/v1/events", body, content_type=media).json()["accepted"] == len(landed)
    assert collector.sink.data == landed


@pytest.mark.parametrize("body", [b"", b"7", b'"x"', b"{", b"[{}", b"[{}]]", b'{"a":NaN}', b"\xff", b"a=b"])
@pytest.mark.parametrize("media", ["application/json", "text/plain"])
def test_what_is_no_record_is_400(body: bytes, media: str) -> None:
    collector = Collector()
    assert collector.post("/v1/events", body, content_type=media).status_code == 400
    assert collector.sink.landed == []


def test_no_line_is_an_object() -> None:
    assert Collector().post("/v1/events", b"1\n[]\nx", content_type=LINES).status_code == 400


@pytest.mark.parametrize(
    ("fields", "record"),
    [
        ([("event", "Signed Up"), ("user_id", "7"), ("n", "")], {"event": "Signed Up", "user_id": "7", "n": ""}),
        ([("properties[plan]", "pro"), ("properties[a][b]", "é")], {"properties": {"plan": "pro", "a": {"b": "é"}}}),
        ([("tags[]", "a"), ("tags[]", "b"), ("x", "1"), ("x", "2")], {"tags": ["a", "b"], "x": ["1", "2"]}),
        ([("a[b][]", "1"), ("a[b][]", "2")], {"a": {"b": ["1", "2"]}}),
        ([("a", "1"), ("a[b]", "2")], {"a": "1", "a[b]": "2"}),
        ([("a[b]", "1"), ("a", "2")], {"a": {"b": "1", "": "2"}}),
        ([("a[", "1"), ("a]", "2"), ("[b]", "3"), ("a[]b]", "4"), ("a[[b]]", "5")],
         {"a[": "1", "a]": "2", "[b]": "3", "a[]b]": "4", "a[[b]]": "5"}),
        ([("a" + "[x]" * 20, "1")], {"a" + "[x]" * 20: "1"}),
    ],
)  # fmt: skip
def test_forms(fields: list[tuple[str, str]], record: dict[str, object]) -> None:
    collector = Collector()
    answer = collector.post("/v1/events", urlencode(fields).encode(), content_type=FORM)
    assert answer.json() == {"success": True, "accepted": 1}
    (data,) = collector.sink.data
    assert json.loads(data) == record


@pytest.mark.parametrize("body", [b"", b"&", b"a", b"a=%ff", b"a=\xff", b"&".join([b"a=1"] * 501)])
def test_what_is_no_form_is_400(body: bytes) -> None:
    answer = Collector().post("/v1/events", body, content_type=FORM)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_form")


def test_limits() -> None:
    collector = Collector()
    large = b'{"x":"%b"}' % (b"y" * (64 << 10))
    assert collector.post("/v1/events", large).status_code == 413
    assert collector.post("/v1/events", b"[" + A + b"," + large + b"]").json()["accepted"] == 2
    assert [piece.reason for piece in collector.sink.landed[0].pieces] == [None, "too_large"]
    for body, media in (
        (b"[" + b",".join([b"{}"] * 2501) + b"]", ""),
        (b"{}\n" * 2501, LINES),
        (b"{}\n" * 90_000, LINES),
    ):
        answer = collector.post("/v1/events", body, content_type=media)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_many_records")
    assert collector.post("/v1/events", b" " * (4 << 20) + b"{}").status_code == 413


def test_other_content_types_are_415() -> None:
    for media in ("multipart/form-data", "application/xml", "application/cloudevents+avro"):
        assert Collector().post("/v1/events", A, content_type=media).status_code == 415
