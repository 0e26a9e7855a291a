"""200 only once durable; what is answered when that cannot be, and what official clients make of it."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
import rudderstack.analytics.request as rudder
import segment.analytics.request as segment
from rudderstack.analytics.consumer import Consumer as RudderConsumer
from segment.analytics.consumer import Consumer as SegmentConsumer
from tests.sources.collector.kit import HOST, Collector

from trialwise.errors import InputError, StoreError
from trialwise.sources.collector import Full, Health, Limits, Overloaded

CALL = {"type": "track", "event": "A", "userId": "1", "messageId": "m"}
BODY = json.dumps({"batch": [CALL]}).encode()


def test_the_answer_waits_for_the_sink() -> None:
    collector = Collector()
    collector.sink.held = True
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(collector.post("/v1/batch", BODY).status_code))
    asking.start()
    deadline = time.monotonic() + 10
    while not collector.sink.waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert answers == []
    collector.sink.waiting[0].set_result(None)
    asking.join(10)
    assert answers == [200]


def test_many_requests_wait_for_one_group() -> None:
    collector = Collector()
    collector.sink.held = True

    async def go() -> list[int]:
        statuses: list[int] = []
        tasks = [asyncio.create_task(_ask(collector, statuses)) for _ in range(50)]
        while len(collector.sink.waiting) < 50:
            await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)

        def resolve() -> None:
            for future in collector.sink.waiting:
                future.set_result(None)

        threading.Thread(target=resolve).start()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        return statuses

    assert asyncio.run(go()) == [200] * 50


async def _ask(collector: Collector, statuses: list[int]) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/v1/batch", "headers": [(b"host", HOST.encode())]}
    await collector.app(scope, receive, send)


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (Overloaded("much waits"), 429, "overloaded", "1"),
        (Full("full"), 507, "disk_full", "30"),
        (StoreError("the landing folder is gone"), 503, "not_durable", "5"),
        (OSError(5, "Input/output error"), 503, "not_durable", "5"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_cannot_be_made_durable_is_not_acknowledged(
    error: Exception, status: int, code: str, retry_after: str, at_once: bool
) -> None:
    collector = Collector()
    (collector.sink.trouble if at_once else collector.sink.later).append(error)
    answer = collector.post("/v1/batch", BODY)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, retry_after)
    assert (answer.json()["success"], answer.json()["code"]) == (False, code)
    assert collector.counts[("refused", "/v1/batch", code)] == 1
    assert ("records", "/v1/batch", "segment") not in collector.counts
    assert collector.post("/v1/batch", BODY).status_code == 200


def test_a_sink_that_never_answers_is_503_and_its_future_is_left_alone() -> None:
    collector = Collector(limits=Limits(landing_seconds=0.05))
    collector.sink.held = True
    assert collector.post("/v1/batch", BODY).json()["code"] == "not_durable"
    (future,) = collector.sink.waiting
    assert not future.cancelled()
    future.set_result(None)


def test_a_cancelled_future_is_no_acknowledgement() -> None:
    collector = Collector()
    collector.sink.held = True
    threading.Thread(target=_cancel_first, args=(collector,)).start()
    assert collector.post("/v1/batch", BODY).status_code == 503


def _cancel_first(collector: Collector) -> None:
    while not collector.sink.waiting:
        time.sleep(0.001)
    collector.sink.waiting[0].cancel()


def test_the_sink_works_on_after_a_closed_loop() -> None:
    collector = Collector(limits=Limits(landing_seconds=1))
    collector.sink.held = True

    async def abandoned() -> None:
        asking = asyncio.create_task(_ask(collector, []))
        while not collector.sink.waiting:
            await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(abandoned())
    collector.sink.waiting.pop().set_result(None)  # its event loop is gone by now
    collector.sink.held = False
    assert [collector.post("/v1/batch", BODY).status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("error", [Overloaded("much waits"), Full("full"), StoreError("no")])
@pytest.mark.parametrize("client", ["segment", "rudder"])
def test_official_python_clients_send_again(error: Exception, client: str) -> None:
    """The statuses of overload and of a full disk are repeated, and nothing is dropped or counted twice."""
    collector = Collector()
    collector.sink.later.append(error)
    failures: list[object] = []
    pending: queue.Queue[dict[str, str]] = queue.Queue()
    pending.put(CALL)
    with collector.served() as port:
        host = f"http://127.0.0.1:{port}"
        told = {"host": host, "on_error": lambda *a: failures.append(a), "upload_interval": 0.05}
        if client == "segment":
            consumer = SegmentConsumer(pending, "key", **told)
            assert consumer.upload() is False
            assert pending.qsize() == 1  # put back, to be sent after Retry-After
            assert consumer.rate_limited_until is not None
            consumer.rate_limited_until = time.monotonic()
            assert consumer.upload() is True
        else:
            consumer = RudderConsumer(pending, "key", **told)
            assert consumer.upload() is True
        segment._session.close()
        rudder._session.close()
    assert failures == []
    assert len(collector.sink.landed) == 1
    (data,) = collector.sink.data
    assert json.loads(data)["messageId"] == "m"


@pytest.mark.parametrize("post", [segment.post, rudder.post])
@pytest.mark.parametrize("zipped", [True, False])
def test_official_python_clients_are_understood(post: Callable[..., object], zipped: bool) -> None:
    collector = Collector(keys={"ingest": "k3y"})
    with collector.served() as port:
        post("k3y", f"http://127.0.0.1:{port}", gzip=zipped, batch=[CALL])
        for error, key, call in ((401, "other", CALL), (413, "k3y", {"x": "y" * 9_000_000})):
            with pytest.raises((segment.APIError, rudder.APIError)) as refused:
                post(key, f"http://127.0.0.1:{port}", gzip=zipped, batch=[call])
            assert refused.value.status == error
            assert refused.value.code in ("unauthorized", "too_large")  # read from the body, not guessed
        segment._session.close()
        rudder._session.close()
    (landed,) = collector.sink.landed
    assert json.loads(landed.data[0]) == CALL
    assert json.loads(landed.pieces[0].envelope or "")["sentAt"]


def test_health() -> None:
    health = [Health(True)]
    collector = Collector(health=lambda: health[0])
    assert collector.ask("GET", "/healthz").json() == {"status": "alive"}
    assert collector.ask("HEAD", "/readyz").status_code == 200
    health[0] = Health(False, "the disk is full")
    answer = collector.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["error"]) == (503, {"code": "not_ready", "message": "the disk is full"})
    assert collector.ask("GET", "/healthz").status_code == 200


def test_metrics_are_those_of_the_doors() -> None:
    answer = Collector().ask("GET", "/metrics")
    assert (answer.text, answer.headers["content-type"]) == ("up 1\n", "text/plain; version=1.0.0; charset=utf-8")


def test_counters() -> None:
    collector = Collector()
    collector.post("/v1/t", b'{"type":"track"}')
    collector.post("/v1/batch", gzip.compress(BODY), content_encoding="gzip")
    collector.post("/v1/track", b"?")
    collector.ask("GET", "/nowhere")
    assert collector.counts == {
        ("records", "/v1/track", "segment"): 1, ("received_bytes", "/v1/track"): 16,
        ("records", "/v1/batch", "segment"): 1, ("received_bytes", "/v1/batch"): len(BODY),
        ("refused", "/v1/track", "bad_json"): 1, ("refused", "*", "not_found"): 1,
        ("requests", "/v1/track", "200"): 1, ("requests", "/v1/batch", "200"): 1,
        ("requests", "/v1/track", "400"): 1, ("requests", "*", "404"): 1,
    }  # fmt: skip


def test_unexpected_failures_are_logged_without_what_was_read(caplog: pytest.LogCaptureFixture) -> None:
    def failing(*_: object) -> None:
        raise KeyError("canary-value")

    collector = Collector(changes={"now": failing})
    with caplog.at_level(logging.DEBUG, logger="trialwise"):
        answer = collector.post("/v1/track?canary=query", b'{"event":"canary-event"}')
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("trialwise")]
    assert "unexpected KeyError" in told
    assert "app.py:" in told
    assert "canary" not in told


@pytest.mark.parametrize(("error", "status"), [(StoreError("keys.json cannot be read"), 503), (InputError("x"), 500)])
def test_trouble_of_ones_own_is_no_fault_of_the_sender(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def authorize(token: str | None, scope: str) -> bool:
        raise error

    collector = Collector(changes={"authorize": authorize})
    answer = collector.post("/v1/batch", BODY)
    assert answer.status_code == status
    assert collector.sink.landed == []
    assert len([record for record in caplog.records if record.name == "trialwise.collector"]) == 1
