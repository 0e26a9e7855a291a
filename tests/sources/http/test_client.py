"""What an API may do to a pull, and what a pull must never do: wait for ever, follow anybody, tell its secret."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest
from tests.sources.http.api import Api, serving
from tests.sources.http.conftest import Puller, record

from trialwise.config import parse_config
from trialwise.errors import ConfigError, SourceError
from trialwise.sources.http.client import Client
from trialwise.sources.http.paging import Request

SECRET = "canary/S3cret+value="


@pytest.mark.parametrize(
    "fault", ["429", "500", "502", "503", "408", "425", "cut", "half", "reset", "invalid", "html", "bad_gzip"]
)
def test_what_passes_is_tried_again(fault: str, puller: Puller) -> None:
    puller.api.records, puller.api.faults = [record(1), record(2)], [fault, fault]
    done = puller.pull()
    assert (done.error, done.records) == (None, 2)
    assert len(puller.api.asked) == 3
    assert puller.waits == [0.5, 1.0]
    assert puller.ids() == [1, 2]


@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_an_answer_that_takes_too_long_is_given_up_and_asked_for_again(fault: str, puller: Puller) -> None:
    puller.api.records, puller.api.faults = [record(1)], [fault]
    done = puller.pull(timeout_seconds=0.3)
    assert (done.error, done.records) == (None, 1)
    assert len(puller.waits) == 1


def test_a_failure_that_lasts_ends_the_pull_after_bounded_tries_and_keeps_what_was_read(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], "cursor"
    puller.api.faults = ["", "500", "500", "500", "500", "500"]
    done = puller.pull(paging={"kind": "cursor", "path": "meta.next"})
    assert done.error is not None
    assert "answers 500, 4 times in a row" in done.error.message
    assert (done.pages, done.records, len(puller.api.asked)) == (1, 2, 5)
    puller.api.faults = []
    assert puller.pull().records == 3
    assert puller.ids() == [1, 2, 3, 4, 5]


def test_retry_after_is_obeyed(puller: Puller) -> None:
    puller.api.faults = ["429 17", "503 5", "403 2"]
    assert puller.pull().error is None
    assert puller.waits == [17.0, 5.0, 2.0]


def test_a_server_that_asks_for_more_patience_than_there_is_ends_the_pull_at_once(puller: Puller) -> None:
    puller.api.faults = ["429 86400"]
    error = puller.pull().error
    assert error is not None
    assert "it asks to wait 86,400 s" in error.message
    assert puller.waits == []


def test_a_pull_that_lost_its_time_over_all_its_pages_ends_and_the_next_goes_on(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 8)], "cursor"
    puller.api.faults = ["429 280", "", "429 280", "", "429 280", "", "429 280"]
    done = puller.pull(paging={"kind": "cursor", "path": "meta.next"})
    assert done.error is not None
    assert "answers 429; failures and waits of this run would take more than 900 s" in done.error.message
    assert puller.waits == [280.0] * 3
    assert (done.pages, done.records) == (3, 6)
    assert puller.pull().error is None
    assert puller.ids() == list(range(1, 8))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 422, 501])
def test_what_does_not_pass_is_not_tried_again(status: int, puller: Puller) -> None:
    puller.api.faults = [str(status)]
    error = puller.pull().error
    assert error is not None
    assert str(status) in error.message
    assert len(puller.api.asked) == 1


def test_an_answer_without_content_is_an_empty_page(puller: Puller) -> None:
    puller.api.faults = ["empty"]
    done = puller.pull()
    assert (done.error, done.records, done.is_complete) == (None, 0, True)


def test_compressed_answers_are_read(puller: Puller) -> None:
    puller.api.records, puller.api.faults = [record(1)], ["gzip"]
    assert puller.pull().records == 1


def test_an_answer_larger_than_a_page_may_be_is_refused_while_it_inflates(api: Api) -> None:
    api.faults = ["bomb"]
    section = parse_config({"sources": {"http": {"usage": {"url": api.url}}}}).sources.http["usage"]
    with (
        Client("usage", section, None, max_bytes=1 << 20) as client,
        pytest.raises(SourceError, match="has more than 1 MiB"),
    ):
        client.ask(Request(api.url))
    assert len(api.asked) == 1


def test_a_host_that_is_not_there(puller: Puller) -> None:
    error = puller.pull(url="http://127.0.0.1:9/api").error
    assert error is not None
    assert "cannot be reached, 4 times in a row" in error.message


@pytest.mark.parametrize("host", ["xn--", "a..b", "-.-.\u2024"])
def test_a_host_that_cannot_be_named(host: str, puller: Puller) -> None:
    error = puller.pull(url=f"https://{host}/api", timeout_seconds=1).error
    assert error is not None
    assert "url" in error.message or "cannot be reached" in error.message


# Shapes


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"items": [], "total": 0}, "nothing at $.data"),
        ({"data": {"items": []}}, "is no list of records"),
        ({"data": "none"}, "is no list of records"),
        ([1, 2], "nothing at $.data"),
        ({}, "an empty object"),
    ],
)
def test_an_answer_of_another_shape_says_what_there_is(shape: Any, said: str, puller: Puller) -> None:
    puller.api.shape = lambda _: json.dumps(shape).encode()
    error = puller.pull().error
    assert error is not None
    assert said in str(error)
    assert "Set records" in str(error)
    assert puller.landed() == []


@pytest.mark.parametrize("body", [b'{"data": null}', b"", b"  \n"])
def test_null_and_nothing_are_no_records(body: bytes, puller: Puller) -> None:
    puller.api.shape = lambda _: body
    assert puller.pull().records == 0


def test_bytes_that_are_no_text_are_landed_as_they_came(puller: Puller) -> None:
    puller.api.shape = lambda _: b'{"data": [{"id": "\xff"}, {"id": 2}]}'
    assert puller.pull().landed == 2
    bad, good = puller.landed()
    assert bad["bad"] == "bad_utf8"
    assert base64.b64decode(bad["b64"]) == b'{"id": "\xff"}'
    assert good["raw"] == '{"id": 2}'


# Secrets, and where they go


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("bearer", ("authorization", f"Bearer {SECRET}")),
        ("basic", ("authorization", "Basic " + base64.b64encode(b"me:canary").decode())),
        ("header X-Api-Key", ("x-api-key", SECRET)),
    ],
)
def test_the_secret_goes_into_its_header(
    auth: str, header: tuple[str, str], puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIALWISE_HTTP_USAGE", "me:canary" if auth == "basic" else SECRET)
    assert puller.pull(auth=auth).error is None
    assert puller.api.asked[0].headers[header[0]] == header[1]


@pytest.mark.parametrize("style", ["cursor", "next_url", "link_header"])
def test_a_secret_in_the_query_is_sent_with_every_page_and_kept_nowhere(
    style: str, puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIALWISE_HTTP_USAGE", SECRET)
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], style
    paging = {
        "cursor": {"kind": "cursor", "path": "meta.next"},
        "next_url": {"kind": "next_url", "path": "links.next"},
        "link_header": "link_header",
    }[style]
    assert puller.pull(auth="query key", paging=paging, max_pages=2).error is None
    assert puller.pull().is_complete
    assert [asked.query["key"] for asked in puller.api.asked] == [SECRET] * 3
    for path in puller.folder.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


def test_no_message_and_no_log_holds_the_secret(
    puller: Puller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRIALWISE_HTTP_USAGE", SECRET)
    said = []
    with caplog.at_level(logging.DEBUG):
        for auth in ("query key", "bearer"):
            for fault in (
                "500",
                "cut",
                "reset",
                "html",
                "404",
                "401",
                "302 http://elsewhere.example/?key=canary",
                "no_records",
            ):
                puller.api.faults = [fault] * 4
                error = puller.pull(auth=auth).error
                assert error is not None
                said.append(str(error))
    assert len(said) == 16
    assert "canary" not in "\n".join([*said, caplog.text, json.dumps(puller.state())])


def test_the_next_page_of_another_host_is_not_asked_for(puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_HTTP_USAGE", SECRET)
    with serving(Api()) as other:
        puller.api.shape = lambda _: {"data": [{"id": 1}], "next": other.url}
        error = puller.pull(auth="bearer", paging={"kind": "next_url", "path": "next"}).error
        assert error is not None
        assert f"leads on to another host, {other.base}" in error.message
        assert other.asked == []


@pytest.mark.parametrize("address", ["https://xn--/", "//[", "https://a..b/x", "http://127.0.0.1:99999/", "\u0000"])
def test_a_next_page_that_is_no_address_of_the_host_ends_the_pull(address: str, puller: Puller) -> None:
    puller.api.shape = lambda _: {"data": [{"id": 1}], "next": address}
    error = puller.pull(paging={"kind": "next_url", "path": "next"}).error
    assert isinstance(error, SourceError)
    assert len(puller.api.asked) == 1


def test_redirects_are_followed_on_the_same_host_alone(puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_HTTP_USAGE", SECRET)
    puller.api.records = [record(1)]
    puller.api.faults = ["302 /moved?n=1", "307 /moved?n=2"]
    assert puller.pull(auth="bearer").records == 1
    assert [asked.path for asked in puller.api.asked] == ["/api/usage", "/moved", "/moved"]
    with serving(Api([record(2)])) as other:
        puller.api.faults = [f"302 {other.url}"]
        error = puller.pull().error
        assert error is not None
        assert "leads on to another host" in error.message
        assert other.asked == []


def test_redirects_in_a_circle_end(puller: Puller) -> None:
    puller.api.faults = ["302 /api/usage"] * 10
    error = puller.pull().error
    assert error is not None
    assert "redirects more than 5 times" in error.message


def test_a_post_is_not_turned_into_something_else_by_a_redirect(puller: Puller) -> None:
    puller.api.faults = ["302 /moved"]
    error = puller.pull(method="POST").error
    assert error is not None
    assert "redirects a POST" in error.message


@pytest.mark.parametrize(
    ("auth", "secret", "said"),
    [
        ("bearer", None, "TRIALWISE_HTTP_USAGE is not set"),
        ("none", "x", 'has auth = "none"'),
        ("basic", "nocolon", "not user:password"),
        ("bearer", "two\nlines", "characters a header cannot carry"),
        ("header X-Key", "schlüssel", "characters a header cannot carry"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_said_before_anything_is_asked(
    auth: str, secret: str | None, said: str, puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    if secret is not None:
        monkeypatch.setenv("TRIALWISE_HTTP_USAGE", secret)
    error = puller.pull(auth=auth).error
    assert isinstance(error, ConfigError)
    assert said in error.message
    assert puller.api.asked == []
    assert secret is None or len(secret) < 3 or secret not in str(error)


def test_requests_keep_their_distance(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 7)], "page"
    puller.pull(paging="page", requests_per_minute=6)
    assert len(puller.api.asked) == 4
    assert len(puller.waits) == 3
    assert all(9 < wait <= 10 for wait in puller.waits)
