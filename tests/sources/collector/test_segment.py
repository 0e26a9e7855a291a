"""Segment's routes: what is landed is what was sent, and one bad call costs the others nothing."""

from __future__ import annotations

import gzip
import json

import pytest
from tests.sources.collector.kit import NOW, Collector

from trialwise.sources.collector import Limits

CALL = b'{ "userId":"u1",\t"event":"Report  Exported", "amount":1.50, "n":12345678901234567890, "k":1,"k":2 }'


@pytest.mark.parametrize("kind", ["track", "identify", "group", "page", "screen", "alias"])
def test_the_path_says_the_type_and_every_other_byte_stays(kind: str) -> None:
    collector = Collector()
    for path in (f"/v1/{kind}", f"/v1/{kind[0]}"):
        answer = collector.post(path, CALL)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        landed = collector.sink.landed.pop()
        assert (landed.source, landed.format, landed.name, landed.received_at) == (
            "events", "segment", "collector", NOW,
        )  # fmt: skip
        assert landed.data == [b'{"type":"' + kind.encode() + b'",' + CALL[1:]]


def test_a_call_that_says_its_type_is_landed_as_it_is() -> None:
    collector = Collector()
    call = b'{"type" : "track","event":"A","userId":"1"}\r\n'
    collector.post("/v1/track", call)
    assert collector.sink.data == [call]


@pytest.mark.parametrize(
    ("sent", "landed"),
    [
        (b"{}", b'{"type":"track"}'),
        (b" { } ", b' {"type":"track" } '),
        (b'{"a":{"type":"x"}}', b'{"type":"track","a":{"type":"x"}}'),
        (b'{"a":1,"type" : "page","b":{"type":"page"}}', b'{"a":1,"type" : "track","b":{"type":"page"}}'),
        (b'{"type":null}', b'{"type":"track"}'),
        (b"\xef\xbb\xbf" + b'{"type":"track"}', b'{"type":"track"}'),
        ('{"type":"Track","e":"é"}'.encode(), '{"type":"track","e":"é"}'.encode()),
    ],
)
def test_type_of_a_single_call(sent: bytes, landed: bytes) -> None:
    collector = Collector()
    assert collector.post("/v1/track", sent).status_code == 200
    assert collector.sink.data == [landed]


@pytest.mark.parametrize(
    "body", [b"", b"nothing", b"[]", b'"x"', b"{", b'{"a":NaN}', b"\xff", b'{"a":1}{"a":2}', b"[" * 5000]
)
def test_what_is_no_call_is_400(body: bytes) -> None:
    collector = Collector()
    answer = collector.post("/v1/track", body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_json"
    assert answer.json()["success"] is False
    assert collector.sink.landed == []


def batch(*calls: bytes, rest: bytes = b"") -> bytes:
    return b'{"batch": [' + b" ,\n".join(calls) + b"]" + rest + b"}"


def test_calls_of_a_batch_stay_as_sent_with_what_stands_around_them() -> None:
    collector = Collector()
    calls = [CALL, b'{"type":"identify"}', '{"type":"track","event":"né"}'.encode()]
    rest = b', "sentAt":"2026-03-01T12:00:00Z", "context" : {"groupId":"a 1"}, "writeKey":"secret", "integrations":{}'
    assert collector.post("/v1/batch", batch(*calls, rest=rest)).json() == {"success": True}
    (landed,) = collector.sink.landed
    assert landed.data == calls
    assert [piece.line for piece in landed.pieces] == [1, 2, 3]
    envelopes = {piece.envelope for piece in landed.pieces}
    assert envelopes == {'{"sentAt":"2026-03-01T12:00:00Z","context":{"groupId":"a 1"}}'}


def test_an_empty_batch_is_taken_and_lands_nothing() -> None:
    collector = Collector()
    assert collector.post("/v1/batch", b'{"batch":[]}').status_code == 200
    assert collector.sink.landed == []


def test_one_bad_call_does_not_cost_the_others() -> None:
    collector = Collector()
    good = b'{"type":"track","event":"A","userId":"1"}'
    bad = [
        b'{"a":NaN}', b"17", b"null", b'{"a":tru}', b'{"a" 1}', b'{"a":"\xff\xfe"}', b'{"a":"' + b"\x01" + b'"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"a":' + b"9" * 5000 + b"}", b'{"a":"\\ud800"}', b"[]",
    ]  # fmt: skip
    calls = [call for broken in bad for call in (good, broken)]
    assert collector.post("/v1/batch", batch(*calls)).status_code == 200
    assert collector.sink.data == calls
    assert [p.reason for p in collector.sink.landed[0].pieces if p.reason] == ["too_large"]  # the deep one, of 200 KB


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"batch":{}}', b'{"batch":null}', b'{"batch":[', b'{"batch":[{"a":1}',
        b'{"batch":[{"a":1}]', b'{"batch":[{"a":"b]}', b'{"batch":[{}],}', b'{"batch":[{}]}}',
        b'{"batch":[{}]} {"batch":[]}', b'{"batch":[{},]}', b'{"batch":[{}{}]}', b'{"batch":[{}],"batch":[{}]}',
        b'{batch:[{}]}', b'{"batch" [{}]}', b'{"batch":[{}] "a":1}', b'{"batch":[{}],"a"',
        b'{"batch":[{}],"context":"\xff"}', b'{"batch":[{}],"context":}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_taken_apart_is_400(body: bytes) -> None:
    collector = Collector()
    answer = collector.post("/v1/batch", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")
    assert collector.sink.landed == []


def test_a_call_of_32_kb_is_the_largest() -> None:
    collector = Collector()

    def call(size: int) -> bytes:
        frame = b'{"type":"track","event":"A","x":"%b"}'
        return frame % (b"y" * (size - len(frame) + 2))

    assert collector.post("/v1/track", call(32 << 10)).status_code == 200
    answer = collector.post("/v1/track", call((32 << 10) + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    # in a batch it costs the others nothing: Segment's answer would make the client drop all of them
    assert collector.post("/v1/batch", batch(call(32 << 10), call((32 << 10) + 1))).status_code == 200
    whole, long = collector.sink.landed[-1].pieces
    assert (whole.reason, long.reason) == (None, "too_large")
    assert long.detail == "32769 bytes, at most 32768 are taken in one call"
    assert len(long.data) == 32769


def test_2500_calls_are_the_most() -> None:
    collector = Collector()
    assert collector.post("/v1/batch", batch(*[b"{}"] * 2500)).status_code == 200
    answer = collector.post("/v1/batch", batch(*[b"{}"] * 2501))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_calls")
    assert [len(landed.pieces) for landed in collector.sink.landed] == [2500]


def test_the_fullest_batches_of_official_clients_are_taken() -> None:
    collector = Collector()
    # Segment's Python client closes a batch once it has 475,000 bytes, RudderStack's at 4 MB: with a last whole call
    call = b'{"type":"track","event":"A","x":"%b"}' % (b"y" * 32_000)
    assert collector.post("/v1/batch", batch(*[call] * 15)).status_code == 200
    assert collector.post("/v1/batch", gzip.compress(batch(*[call] * 132)), content_encoding="gzip").status_code == 200
    large = b'{"x":"%b"}' % (b"y" * (2 << 20))
    assert collector.post("/v1/batch", batch(*[large] * 3)).status_code == 200
    assert collector.post("/v1/batch", batch(*[large] * 5)).status_code == 413
    assert [len(landed.pieces) for landed in collector.sink.landed] == [15, 132, 3]


def test_a_large_envelope_is_not_multiplied() -> None:
    collector = Collector()
    context = b',"context":{"a":"%b"}' % (b"x" * 30_000)
    assert collector.post("/v1/batch", batch(*[b"{}"] * 200, rest=context)).status_code == 200
    answer = collector.post("/v1/batch", batch(*[b"{}"] * 400, rest=context))
    assert (answer.status_code, answer.json()["code"]) == (413, "envelope_too_large")


def test_write_keys_are_kept_nowhere() -> None:
    collector = Collector()
    call = b'{"writeKey":"canary","type":"track","event":"A","properties":{"writeKey":"mine"}}'
    kept = b'{"writeKey":null,"type":"track","event":"A","properties":{"writeKey":"mine"}}'
    collector.post("/v1/track", call)
    broken = [b'{"writeKey" : "canary" "a":1}', b'["writeKey"]', b'"writeKey"', b'{"writeKey":["canary"]}']
    assert collector.post("/v1/batch", batch(call, *broken, rest=b',"writeKey":"canary"')).status_code == 200
    mended = [b'{"writeKey" : null "a":1}', b'["writeKey"]', b'"writeKey"', b'{"writeKey":null}']
    assert collector.sink.data == [kept, kept, *mended]
    told = json.dumps([piece.envelope for landed in collector.sink.landed for piece in landed.pieces])
    assert "canary" not in told


@pytest.mark.parametrize(
    "media",
    [
        "application/json; charset=utf-8",
        "text/plain",
        "",
        "application/vnd.api+json",
        "APPLICATION/JSON",
        "application/x-www-form-urlencoded",
    ],
)
def test_content_types_that_clients_send(media: str) -> None:
    """Browsers send text, RudderStack's Node client calls gzipped JSON a form."""
    assert Collector().post("/v1/track", b"{}", content_type=media).status_code == 200


@pytest.mark.parametrize("media", ["text/html", "multipart/form-data", "application/xml", "json"])
def test_another_content_type_is_415(media: str) -> None:
    answer = Collector().post("/v1/track", b"{}", content_type=media)
    assert (answer.status_code, answer.json()["code"]) == (415, "unknown_content_type")


def test_a_trailing_slash_is_the_same_path() -> None:
    assert Collector().post("/v1/batch/", b'{"batch":[]}').status_code == 200


def test_limits_can_be_set() -> None:
    collector = Collector(limits=Limits(call=10, calls=1))
    assert collector.post("/v1/track", b'{"a":"12345"}').status_code == 413
    assert collector.post("/v1/batch", b'{"batch":[{},{}]}').status_code == 413
