"""CloudEvents over HTTP: structured, batched, binary with the binding's header rules."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.sources.collector.kit import Collector

from trialwise.sources.collector import Limits
from trialwise.sources.collector.answer import Refusal
from trialwise.sources.collector.cloudevents import binary, header_value

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EVENT = b'{ "specversion" : "1.0", "id":"1","source":"/app","type":"signed.up","data":{"n":1.50}}'
ATTRIBUTES = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/app", "ce_type": "signed.up"}


def test_structured_events_stay_as_sent() -> None:
    collector = Collector()
    answer = collector.post("/v1/events", EVENT, content_type=STRUCTURED + "; charset=UTF-8")
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1})
    (landed,) = collector.sink.landed
    assert (landed.source, landed.format, landed.name) == ("events", "cloudevents", "collector")
    assert landed.data == [EVENT]


def test_a_batch_lands_every_event_also_a_bad_one() -> None:
    collector = Collector()
    answer = collector.post("/v1/events", b"[" + EVENT + b', {"id":1}]', content_type=BATCH)
    assert answer.json() == {"success": True, "accepted": 2}
    assert collector.sink.data == [EVENT, b'{"id":1}']
    assert collector.post("/v1/events", b"[]", content_type=BATCH).json()["accepted"] == 0


@pytest.mark.parametrize(
    ("media", "body", "members"),
    [
        ("application/json", b'{"n": 1.50}', b'"datacontenttype":"application/json","data":{"n": 1.50}'),
        ("application/vnd.x+json; v=1", b"7", b'"datacontenttype":"application/vnd.x+json; v=1","data":7'),
        ("", b'{"n":1}', b'"data":{"n":1}'),
        ("text/plain", "é\n".encode(), '"datacontenttype":"text/plain","data":"é\\n"'.encode()),
        (
            "text/plain; charset=ISO-8859-1",
            b"\xe9",
            '"datacontenttype":"text/plain; charset=ISO-8859-1","data":"é"'.encode(),
        ),
        ("text/plain", b"\xff", b'"datacontenttype":"text/plain","data_base64":"/w=="'),
        ("text/plain; charset=klingon", b"a", b'"datacontenttype":"text/plain; charset=klingon","data_base64":"YQ=="'),
        (
            "image/png",
            b"\x89PNG",
            b'"datacontenttype":"image/png","data_base64":"' + base64.b64encode(b"\x89PNG") + b'"',
        ),
        ("application/json", b"", b'"datacontenttype":"application/json"'),
    ],
)
def test_binary_events_become_structured_ones(media: str, body: bytes, members: bytes) -> None:
    collector = Collector()
    answer = collector.post("/v1/events", body, content_type=media, **ATTRIBUTES, ce_accountid="a%201%22%E2%82%AC")
    assert answer.status_code == 200, answer.text
    (data,) = collector.sink.data
    event = json.loads(data)
    assert data.endswith(members + b"}")
    assert {name: event[name] for name in ("specversion", "id", "source", "type", "accountid")} == {
        "specversion": "1.0", "id": "1", "source": "/app", "type": "signed.up", "accountid": 'a 1"€',
    }  # fmt: skip
    assert collector.sink.landed[0].format == "cloudevents"


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (b'"a \\"quoted\\" b"', 'a "quoted" b'),
        (b'"%41"', "A"),
        (b" a%2520b ", "a%20b"),
        (b"100%", "100%"),
        (b"%zz%4", "%zz%4"),
        ("né".encode(), "né"),
        (b"", ""),
    ],
)
def test_header_values_are_unquoted_then_percent_decoded_once(value: bytes, attribute: str) -> None:
    assert header_value(value) == attribute


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"{}", STRUCTURED), (b"[]", STRUCTURED), (b"{", STRUCTURED), (b"", STRUCTURED),
        (EVENT.replace(b'"1.0"', b'"0.3"'), STRUCTURED), (EVENT.replace(b'"1",', b'"",'), STRUCTURED),
        (EVENT.replace(b'"/app"', b"1"), STRUCTURED),
        (EVENT, BATCH), (b"", BATCH), (b"[" + EVENT, BATCH), (b"[1,]", BATCH),
    ],
)  # fmt: skip
def test_what_is_no_event_is_400(body: bytes, media: str) -> None:
    collector = Collector()
    answer = collector.post("/v1/events", body, content_type=media)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("bad_json", "bad_cloudevent")
    assert collector.sink.landed == []


@pytest.mark.parametrize(
    "change",
    [
        {"ce_id": ""},
        {"ce_type": "%ff"},
        {"ce_My-Name": "1"},
        {"ce_data": "1"},
        {"ce_datacontenttype": "a/b"},
        {"ce_specversion": "0.1"},
    ],
)
def test_binary_events_with_bad_attributes_are_400(change: dict[str, str]) -> None:
    answer = Collector().post("/v1/events", b"{}", **{**ATTRIBUTES, **change})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cloudevent")


def test_binary_data_that_is_not_what_it_says_is_400() -> None:
    assert Collector().post("/v1/events", b"{", **ATTRIBUTES).json()["code"] == "bad_json"


def test_structured_wins_over_stray_headers() -> None:
    collector = Collector()
    assert collector.post("/v1/events", EVENT, content_type=STRUCTURED, **ATTRIBUTES).status_code == 200
    assert collector.sink.data == [EVENT]


def test_an_attribute_twice_is_400() -> None:
    with pytest.raises(Refusal) as refused:
        binary([(b"ce-id", b"1"), (b"ce-id", b"2")], b"", Limits())
    assert (refused.value.status, refused.value.message) == (400, "the header ce-id is there twice")


def test_published_samples_are_taken(shared_data: Path) -> None:
    collector = Collector()
    lines = (shared_data / "cloudevents_samples" / "payloads.jsonl").read_text().splitlines()
    for line in lines:
        payload = json.loads(line)["payload"]
        media, count = (BATCH, len(payload)) if isinstance(payload, list) else (STRUCTURED, 1)
        answer = collector.post("/v1/events", json.dumps(payload).encode(), content_type=media)
        assert (answer.status_code, answer.json()["accepted"]) == (200, count)
    assert len(lines) == 8


def test_a_webhooks_sender_is_told_that_it_may_deliver() -> None:
    collector = Collector(keys={"ingest": "tw_i_key"})
    asked = {"webhook_request_origin": "eventemitter.example.com", "webhook_request_rate": "120"}
    answer = collector.ask("OPTIONS", "/v1/events", **asked)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert "POST" in answer.headers["allow"]
    assert answer.headers["access-control-allow-origin"] == "*"
    sent = collector.post("/v1/events", EVENT, content_type=STRUCTURED, **asked)
    assert sent.status_code == 401, "the handshake is no key"


@pytest.mark.parametrize("origin", [None, "", "a b", "x.example,y.example", "<script>", "-x.example", "x" * 300])
def test_nobody_is_told_so_who_does_not_ask_by_a_name(origin: str | None) -> None:
    asked = {} if origin is None else {"webhook_request_origin": origin}
    answer = Collector().ask("OPTIONS", "/v1/events", **asked)
    assert answer.status_code == 204
    assert not [name for name in answer.headers if name.startswith("webhook")]


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
def test_only_the_door_of_cloudevents_agrees(path: str) -> None:
    answer = Collector().ask("OPTIONS", path, webhook_request_origin="eventemitter.example.com")
    assert answer.status_code == 204
    assert "webhook-allowed-origin" not in answer.headers
