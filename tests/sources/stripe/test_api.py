"""Requests through the official SDK: what is tried again and how long is waited, what is not, and what is said."""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta

import pytest
from tests.sources.stripe.conftest import KEY, NOW, Bench
from tests.sources.stripe.double import Fault

from trialwise.errors import ConfigError, SourceError
from trialwise.sources.backoff import Backoff
from trialwise.sources.stripe.api import Api, Missing, NotReadable
from trialwise.sources.stripe.client import Limits
from trialwise.sources.stripe.key import read_key

QUICK = Limits(connect=5.0, silence=0.2, answer=0.3, bytes=1 << 20)


def api(bench: Bench, limits: Limits | None = None, tries: int = 4) -> Api:
    backoff = Backoff(tries=tries, first_seconds=1.0, sleep=bench.waits.append, chance=lambda: bench.chance)
    return Api(read_key(KEY, "any"), bench.double.base, backoff=backoff, limits=limits, now=lambda: NOW)


TROUBLE = {
    "429": Fault(429, b'{"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "slow down"}}'),
    "400 rate_limit": Fault(400, b'{"error": {"type": "invalid_request_error", "code": "rate_limit"}}'),
    "409 lock_timeout": Fault(409, b'{"error": {"code": "lock_timeout"}}'),
    "500": Fault(500),
    "502 of a gateway": Fault(502, b"<html>Bad Gateway</html>"),
    "503 without a body": Fault(503, b""),
    "reset": Fault(breaks="reset"),
    "cut body": Fault(breaks="cut"),
    "200 that is no JSON": Fault(200, b'{"object": "list", "data": [{"id"'),
    "200 of something else": Fault(200, b'{"hello": "captive portal"}'),
    "200 that is no text": Fault(200, b"\xff\xfe"),
    "a page that has more and shows nothing": Fault(200, b'{"object": "list", "data": [], "has_more": true}'),
    "silence": Fault(breaks="silent"),
    "a byte now and then": Fault(breaks="slow"),
}


@pytest.mark.parametrize("fault", TROUBLE.values(), ids=TROUBLE.keys())
def test_trouble_that_may_pass_is_tried_again(bench: Bench, fault: Fault) -> None:
    bench.double.add("customer", "cus_1")
    bench.double.faults = [fault, fault]
    page = api(bench, QUICK).page("/v1/customers", {})
    assert [record.id for record in page.records] == ["cus_1"]
    assert bench.waits == [0.75, 1.5]


def test_a_run_that_lost_its_time_over_all_its_answers_asks_no_more(bench: Bench) -> None:
    bench.chance = 0.0
    asking = api(bench)
    for _ in range(3):
        bench.double.faults = [Fault(429, headers={"Retry-After": "280"})]
        asking.page("/v1/customers", {})
    bench.double.faults = [Fault(429, headers={"Retry-After": "280"})]
    with pytest.raises(SourceError, match="429 to GET /v1/customers; failures and waits of this run would take more"):
        asking.page("/v1/customers", {})
    assert bench.waits == [280.0] * 3


def test_waits_are_scattered_between_half_and_the_whole(bench: Bench) -> None:
    for bench.chance in (0.0, 0.999):
        bench.double.faults = [Fault(429)] * 3
        api(bench).page("/v1/customers", {})
    assert bench.waits[:3] == [0.5, 1.0, 2.0]
    assert bench.waits[3:] == pytest.approx([1.0, 2.0, 4.0], rel=0.01)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0)],
)
@pytest.mark.parametrize("body", [b'{"error": {"code": "rate_limit"}}', b"<html>"])
def test_retry_after_is_obeyed(bench: Bench, header: str, seconds: float, body: bytes) -> None:
    bench.chance = 0.0
    bench.double.faults = [Fault(429 if body[:1] == b"{" else 503, body, {"Retry-After": header})]
    api(bench).page("/v1/customers", {})
    assert bench.waits == [seconds]


def test_a_retry_after_of_hours_ends_the_run_at_once(bench: Bench) -> None:
    bench.double.faults = [Fault(503, headers={"Retry-After": "7200"})]
    with pytest.raises(SourceError, match="it asks to come back in 7,200 s"):
        api(bench).page("/v1/customers", {})
    assert bench.waits == []


def test_tries_come_to_an_end(bench: Bench) -> None:
    bench.double.faults = [Fault(500)] * 99
    with pytest.raises(SourceError, match="Stripe answered 500 to GET /v1/customers, 4 times in a row"):
        api(bench).page("/v1/customers", {})
    assert len(bench.double.seen) == 4


def test_the_tries_are_counted_for_each_request(bench: Bench) -> None:
    reader = api(bench)
    for _ in range(5):
        bench.double.faults = [Fault(429)] * 3
        assert reader.page("/v1/customers", {}).records == ()


def test_nobody_listens(bench: Bench) -> None:
    reader = Api(read_key(KEY, "any"), "http://127.0.0.1:9", backoff=Backoff(tries=2, sleep=bench.waits.append))
    with pytest.raises(SourceError, match="2 times in a row") as caught:
        reader.page("/v1/customers", {})
    assert "http://127.0.0.1:9" in str(caught.value)


def test_an_answer_larger_than_allowed_is_given_up(bench: Bench) -> None:
    bench.double.add("customer", "cus_1", note="x" * 2000)
    with pytest.raises(SourceError, match="an answer of more than 1000 bytes"):
        api(bench, Limits(bytes=1000), tries=2).page("/v1/customers", {})


def test_a_key_that_is_not_accepted_is_not_tried_again(bench: Bench) -> None:
    message = f"Invalid API Key provided: {KEY[:8]}****{KEY[-4:]}"
    bench.double.faults = [Fault(401, b'{"error": {"message": "%b"}}' % message.encode())]
    with pytest.raises(ConfigError, match="TRIALWISE_STRIPE_KEY") as caught:
        api(bench).one("/v1/account")
    assert KEY[-4:] not in str(caught.value)
    assert bench.waits == []


def test_what_stripe_refuses_is_said_without_the_key(bench: Bench) -> None:
    body = b'{"error": {"type": "invalid_request_error", "message": "No good: %b"}}' % KEY.encode()
    bench.double.faults = [Fault(400, body)]
    with pytest.raises(SourceError, match=r"refused GET /v1/customers \(400\): No good: \[key\]"):
        api(bench).page("/v1/customers", {})


def test_a_missing_permission_is_named(bench: Bench) -> None:
    bench.double.forbidden = {"customer": "rak_customer_read"}
    with pytest.raises(NotReadable) as caught:
        api(bench).page("/v1/customers", {})
    assert caught.value.permission == "rak_customer_read"


def test_a_missing_object_is_told_from_a_missing_cursor(bench: Bench) -> None:
    with pytest.raises(Missing) as caught:
        api(bench).one("/v1/customers/cus_none")
    assert not caught.value.is_cursor
    with pytest.raises(Missing) as caught:
        api(bench).page("/v1/customers", {"starting_after": "cus_none"})
    assert caught.value.is_cursor


def test_the_key_goes_out_as_a_header_and_nowhere_else(
    bench: Bench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.double.faults = [Fault(500), Fault(breaks="reset"), Fault(401, b'{"error": {"message": "no"}}')]
    reader = api(bench)
    with pytest.raises(ConfigError) as caught:
        reader.page("/v1/customers", {})
    assert {seen.headers["authorization"] for seen in bench.double.seen} == {f"Bearer {KEY}"}
    assert all(KEY not in str((seen.path, seen.query)) for seen in bench.double.seen)
    out, err = capfd.readouterr()
    shown = caplog.text + out + err + "".join(traceback.format_exception(caught.value)) + repr(vars(reader))
    assert KEY not in shown
    assert not [record for record in caplog.records if record.name == "stripe"]


def test_the_sdk_tells_stripe_nothing_of_this_machine(bench: Bench) -> None:
    reader = api(bench)
    reader.page("/v1/customers", {})
    reader.page("/v1/customers", {})
    for seen in bench.double.seen:
        assert "x-stripe-client-telemetry" not in seen.headers
        assert "telemetry_id" not in seen.headers["x-stripe-client-user-agent"]
    assert bench.double.seen[0].headers["stripe-version"]
