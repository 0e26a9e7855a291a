"""Who may do what: every route with every scope, hosts, pages of other sites, and how a key may be sent."""

from __future__ import annotations

import base64

import httpx
import pytest
from tests.sources.collector.kit import KEYS, Collector, basic

from trialwise.sources.collector import hosts_for

INGEST = [
    f"/v1/{path}" for path in ("track", "identify", "group", "page", "screen", "alias", "t", "i", "g", "p", "s", "a")
]
BODIES = {**dict.fromkeys(INGEST, b"{}"), "/v1/batch": b'{"batch":[]}', "/v1/b": b'{"batch":[]}', "/v1/events": b"{}"}
OPEN = ["/healthz", "/readyz", "/openapi.json"]


def ask(collector: Collector, path: str, **headers: str) -> httpx.Response:
    if path in BODIES:
        return collector.post(path, BODIES[path], **headers)
    return collector.ask("GET", path, **headers)


@pytest.mark.parametrize("path", [*BODIES, "/metrics", *OPEN])
def test_every_route_with_every_scope(path: str) -> None:
    collector = Collector(keys=KEYS)
    allowed = {"/metrics": {"read", "admin"}}.get(
        path, {"ingest", "admin"} if path in BODIES else {*KEYS, None, "other"}
    )
    for scope in (*KEYS, None, "other"):
        token = KEYS.get(scope or "", "tw_i_nobody-knows")
        headers = {} if scope is None else {"authorization": basic(token)}
        landed = len(collector.sink.landed)
        status = ask(collector, path, **headers).status_code
        expected = 200 if scope in allowed else 403 if scope in KEYS else 401
        assert (scope, status) == (scope, expected)
        if expected != 200:
            assert len(collector.sink.landed) == landed


@pytest.mark.parametrize("path", [*BODIES, "/metrics", *OPEN])
def test_without_any_key_everything_is_open(path: str) -> None:
    collector = Collector(keys=None)
    assert ask(collector, path).status_code == 200
    assert ask(collector, path, authorization=basic("whatever")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": basic(KEYS["ingest"])},
        {"authorization": "basic " + base64.b64encode(KEYS["ingest"].encode()).decode()},
        {"authorization": "Basic " + base64.b64encode(b":" + KEYS["ingest"].encode()).decode()},
        {"authorization": "Bearer " + KEYS["ingest"]},
        {"authorization": "BEARER  " + KEYS["ingest"] + " "},
        {"x_api_key": KEYS["ingest"]},
    ],
)
def test_ways_to_send_a_key(headers: dict[str, str]) -> None:
    collector = Collector(keys=KEYS)
    assert collector.post("/v1/track", b"{}", **headers).status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic Og==",
        "Bearer",
        "Bearer ",
        "Digest a=b",
        KEYS["ingest"],
        "Bearer a b",
        "Bearer é",
    ],
)
def test_credentials_that_cannot_be_read_are_401(credentials: str) -> None:
    collector = Collector(keys=KEYS)
    headers = {"authorization": credentials} if credentials else {}
    answer = collector.post("/v1/track", b"{}", **headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.json()["code"] == "unauthorized"
    assert collector.sink.landed == []


def test_the_authorization_header_counts_before_another_key() -> None:
    collector = Collector(keys=KEYS)
    for one, other, status in (("ingest", "read", 200), ("read", "ingest", 403)):
        headers = {"authorization": basic(KEYS[one]), "x_api_key": KEYS[other]}
        assert collector.post("/v1/track", b'{"writeKey":"x"}', **headers).status_code == status


def test_a_write_key_in_the_body_is_enough() -> None:
    """Segment's Node client before 3.0 and its browser client's beacons send the key there alone."""
    collector = Collector(keys=KEYS)
    key = KEYS["ingest"].encode()
    assert collector.post("/v1/t", b'{"writeKey":"%b"}' % key).status_code == 200
    assert collector.post("/v1/batch", b'{"batch":[{}],"writeKey":"%b"}' % key).status_code == 200
    for body in (
        b'{"batch":[{}],"writeKey":"no"}',
        b'{"batch":[{"writeKey":"%b"}]}' % key,
        b'{"batch":[],"writeKey":7}',
    ):
        assert collector.post("/v1/batch", body).status_code == 401
    read = KEYS["read"].encode()
    assert collector.post("/v1/t", b'{"writeKey":"%b"}' % read).status_code == 403
    assert len(collector.sink.landed) == 2
    assert all(key not in data for data in collector.sink.data)


def test_a_sender_without_key_cannot_make_the_server_read_much() -> None:
    collector = Collector(keys=KEYS)
    body = b'{"batch":[{"x":"%b"}]}' % (b"y" * 600_000)
    assert collector.post("/v1/batch", body).status_code == 413
    assert collector.post("/v1/batch", body, authorization=basic(KEYS["ingest"])).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8484", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:8484", 200),
        ("app.example:8484", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("evil.example:127.0.0.1", 421), ("[::2]", 421),
    ],
)  # fmt: skip
def test_hosts(host: str, status: int) -> None:
    collector = Collector(allowed_hosts=hosts_for("127.0.0.1", ["App.example"], None))
    for path in ("/healthz", "/nowhere", "/v1/track"):
        answer = collector.ask("POST" if path == "/v1/track" else "GET", path, b"{}", host=host)
        assert answer.status_code == (status if path != "/nowhere" or status != 200 else 404)


def test_a_request_without_host_is_400() -> None:
    answer = Collector().ask("GET", "/healthz", host=" ")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "no_host")


def test_hosts_for_what_is_bound() -> None:
    loopback = {"localhost", "127.0.0.1", "[::1]"}
    assert hosts_for("127.0.0.1", [], None) == loopback
    assert hosts_for("127.0.0.9", [], "https://T.example/x") == loopback | {"127.0.0.9", "t.example"}
    assert hosts_for("::1", [], None) == loopback
    assert hosts_for("0.0.0.0", [], "https://t.example") == {"*"}
    assert hosts_for("10.0.0.5", ["t.example"], None) == loopback | {"10.0.0.5", "t.example"}
    assert Collector(allowed_hosts=frozenset({"*"})).ask("GET", "/healthz", host="any.example").status_code == 200


@pytest.mark.parametrize("path", [*INGEST, "/v1/batch", "/v1/b", "/v1/events"])
def test_pages_may_ask_before_they_send(path: str) -> None:
    asked = {"origin": "https://app.example", "access_control_request_method": "POST"}
    answer = Collector(keys=KEYS).ask(
        "OPTIONS", path, **asked, access_control_request_headers="authorization,anonymousid"
    )
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "authorization,anonymousid"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers
    plain = Collector().ask("OPTIONS", path, access_control_request_headers="a\tb<script>")
    assert plain.headers["access-control-allow-headers"] == "authorization, content-type"


def test_pages_with_a_key_may_send_and_read_the_answer() -> None:
    collector = Collector(keys=KEYS)
    sent = {"origin": "https://app.example", "content_type": "text/plain"}
    taken = collector.post("/v1/t", b"{}", authorization=basic(KEYS["ingest"]), **sent)
    refused = collector.post("/v1/t", b"{}", **sent)
    assert (taken.status_code, refused.status_code) == (200, 401)
    assert {answer.headers["access-control-allow-origin"] for answer in (taken, refused)} == {"*"}
    assert refused.headers["access-control-expose-headers"] == "retry-after"


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/webhooks/hook"])
def test_nothing_else_is_for_pages(path: str) -> None:
    collector = Collector()
    assert collector.ask("OPTIONS", path).status_code == 405
    assert "access-control-allow-origin" not in collector.ask("GET", path, origin="https://app.example").headers


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200), ("http://127.0.0.1:8484", 200), ("https://evil.example", 401), ("null", 401),
        ("http://localhost.evil.example", 401), ("http://[", 401), ("", 200),
    ],
)  # fmt: skip
def test_without_any_key_pages_of_other_sites_are_refused(origin: str, status: int) -> None:
    collector = Collector(keys=None)
    headers = {"authorization": basic("anything"), "content_type": "text/plain", "origin": origin}
    assert collector.post("/v1/t", b'{"writeKey":"x"}', **headers).status_code == status
    assert len(collector.sink.landed) == (status == 200)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/track", "POST, OPTIONS"), ("PUT", "/v1/batch", "POST, OPTIONS"), ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/webhooks/hook", "POST, GET, HEAD"), ("TRACE", "/v1/events", "POST, OPTIONS"),
    ],
)  # fmt: skip
def test_other_methods_are_405(method: str, path: str, allow: str) -> None:
    answer = Collector().ask(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/x", "/v1/track/x", "/docs", "/redoc", "//v1/track", "/v1/m"])
def test_other_paths_are_404(path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = Collector().ask(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
