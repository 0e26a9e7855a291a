"""/webhooks/PROVIDER: verified before anything is kept."""

from __future__ import annotations

import gzip
import logging

import pytest
from tests.sources.collector.kit import NOW, Collector

from trialwise.errors import DiskFull, Overloaded


def test_a_verified_call_is_landed_with_its_providers_format() -> None:
    collector = Collector()
    answer = collector.post("/webhooks/hook", b"one\ntwo", x_sign="new", content_type="application/x-anything")
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 2})
    (landed,) = collector.sink.landed
    assert (landed.source, landed.format, landed.name, landed.received_at) == ("events", "hook", "webhook hook", NOW)
    assert landed.data == [b"one", b"two"]
    assert collector.counts[("records", "/webhooks/hook", "hook")] == 2


def test_what_the_provider_sees_of_a_request() -> None:
    collector = Collector(changes={"public_url": "https://t.example/base"})
    body = gzip.compress(b"one")
    collector.post("/webhooks/hook?secret=%2Fa%20b&x", body, X_Sign="old", content_encoding="gzip")
    plain = Collector()
    plain.post("/webhooks/hook", b"one", x_sign="old")
    (seen,), (other,) = collector.hook.seen, plain.hook.seen
    assert (seen.method, seen.url, seen.body) == (
        "POST",
        "https://t.example/base/webhooks/hook?secret=%2Fa%20b&x",
        b"one",
    )
    assert (seen.headers["x-sign"], seen.received_at) == ("old", NOW)
    assert other.url == "http://127.0.0.1:8484/webhooks/hook"


def test_a_refused_call_leaves_a_counter_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    collector = Collector()
    with caplog.at_level(logging.DEBUG, logger="trialwise"):
        answer = collector.post("/webhooks/hook?canary", b"canary", x_sign="wrong")
    assert (answer.status_code, answer.json()) == (
        400, {"error": {"code": "refused", "message": "not taken: bad_signature"}},
    )  # fmt: skip
    assert collector.sink.landed == []
    assert collector.counts == {
        ("webhooks_refused", "hook", "bad_signature"): 1,
        ("refused", "/webhooks/hook", "refused"): 1,
        ("requests", "/webhooks/hook", "400"): 1,
    }
    assert [record for record in caplog.records if record.name.startswith("trialwise")] == []


def test_a_call_that_only_asks_is_counted() -> None:
    collector = Collector()
    answer = collector.post("/webhooks/hook", b"", x_sign="new")
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 0})
    assert collector.sink.landed == []
    assert collector.counts[("webhooks_asked", "hook")] == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_providers_may_ask_whether_anyone_is_there(method: str) -> None:
    collector = Collector()
    assert collector.ask(method, "/webhooks/hook").status_code == 200
    assert collector.hook.seen == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_without_a_secret_the_answer_names_the_variable(method: str) -> None:
    answer = Collector().ask(method, "/webhooks/other", b"x")
    assert answer.status_code == 404
    assert "TRIALWISE_WEBHOOK_OTHER" in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_unknown_provider_is_404(method: str) -> None:
    answer = Collector().ask(method, "/webhooks/nobody")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_webhook")
    assert "hook, other" in answer.json()["error"]["message"]


def test_a_large_body_is_413_before_it_is_verified() -> None:
    collector = Collector()
    assert collector.post("/webhooks/hook", b"x" * 1001, x_sign="new").status_code == 413
    zipped = gzip.compress(b"x" * 1_000_000)
    assert collector.post("/webhooks/hook", zipped[:], x_sign="new", content_encoding="gzip").status_code == 413
    assert collector.hook.seen == []


def test_a_call_without_records_is_taken() -> None:
    collector = Collector()
    assert collector.post("/webhooks/hook", b"\n", x_sign="new").json()["accepted"] == 0
    assert collector.sink.landed == []


@pytest.mark.parametrize(("error", "status"), [(Overloaded("much waits"), 429), (DiskFull("full"), 507)])
def test_what_is_not_durable_is_not_acknowledged(error: Exception, status: int) -> None:
    collector = Collector()
    collector.sink.later.append(error)
    answer = collector.post("/webhooks/hook", b"one", x_sign="new")
    assert answer.status_code == status
    assert int(answer.headers["retry-after"]) > 0
    assert collector.post("/webhooks/hook", b"one", x_sign="new").status_code == 200


def test_no_key_is_needed() -> None:
    collector = Collector(keys={"ingest": "k"})
    assert collector.post("/webhooks/hook", b"one", x_sign="new").status_code == 200
