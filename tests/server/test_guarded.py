"""A disk without room, and secrets: what a server says and keeps."""

from __future__ import annotations

import base64
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import run
from tests.serving import Served, event, serving, until

MARK = "C4N4RY"
SECRETS = {
    "TRIALWISE_STRIPE_KEY": f"sk_test_{MARK}0000000000000001",
    "TRIALWISE_WEBHOOK_STRIPE": f"whsec_{MARK}0000000000000002,whsec_{MARK}0000000000000003",
    "TRIALWISE_WEBHOOK_MAILCHIMP": f"mailchimp-{MARK}-4",
    "TRIALWISE_WEBHOOK_POSTMARK": f"mail:{MARK}-5",
    "TRIALWISE_HTTP_CRM": f"crm-{MARK}-6",
}
CONFIG = """
[schedule]
load_seconds = 1
refresh_minutes = 1440

[delivery]
lists = ["hot_trails"]

[stripe]
api_base = "http://127.0.0.1:9"

[sources.http.crm]
url = "http://127.0.0.1:9/deals"
auth = "bearer"
mapping = {timestamp = "at", event = "name", user_id = "user"}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "trialwise.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return run("keys", "create", "website", "--scope", "ingest", "-C", folder).out.strip()


@pytest.fixture(scope="module")
def server(folder: Path, key: str) -> Iterator[Served]:
    with serving(folder, env=SECRETS) as served:
        yield served


def test_it_says_once_which_webhooks_have_a_secret(server: Served) -> None:
    assert [line["open"] for line in server.log if line["event"] == "webhooks"] == ["mailchimp, postmark, stripe"]


def test_a_list_that_is_none_is_warned_of_and_keeps_no_event_out(server: Served) -> None:
    [warned] = [line for line in server.log if line["event"] == "delivery will fail"]
    assert warned["level"] == "warning"
    assert "'hot_trails', which is no list; did you mean 'hot_trials'?" in warned["error"]


def test_without_room_it_takes_nothing_says_so_and_goes_on_by_itself(server: Served, folder: Path, key: str) -> None:
    [collector] = server.children()
    assert server.track("before", auth=(key, "")).status_code == 200
    limits = resource.prlimit(collector, resource.RLIMIT_FSIZE)
    resource.prlimit(collector, resource.RLIMIT_FSIZE, (0, limits[1]))
    refused = server.track("during", auth=(key, ""))
    assert refused.status_code == 507
    assert int(refused.headers["retry-after"]) > 0
    unready = server.get("/readyz")
    assert unready.status_code == 503
    assert "events cannot be kept" in unready.text
    assert server.get("/healthz").status_code == 200
    resource.prlimit(collector, resource.RLIMIT_FSIZE, limits)
    assert server.get("/readyz").status_code == 200
    assert server.track("during", auth=(key, "")).status_code == 200
    assert server.track("after", auth=(key, "")).status_code == 200
    said = [line["event"] for line in server.log]
    assert said.count("events cannot be kept") == 1
    assert server.children() == [collector]


def test_secrets_of_every_kind_are_nowhere(server: Served, folder: Path, key: str) -> None:
    basic = base64.b64encode(f"{key}:".encode()).decode()
    for headers in (
        {"authorization": f"Basic {basic}"},
        {"authorization": f"Bearer {key}"},
        {"x-api-key": key},
        {"authorization": f"Bearer {key[:-1]}x"},
        {"authorization": f"Nonsense {key}"},
    ):
        server.track("with a key", headers=headers)
        server.post("/v1/batch", json={"batch": [event("b")], "writeKey": key}, headers=headers)
        server.get("/metrics", headers=headers)
        server.post("/v1/track", content=b"{", headers=headers)
    server.post("/v1/track", json={**event("c"), "writeKey": key})
    server.post("/v1/batch", json={"batch": [{**event("d"), "writeKey": key}], "writeKey": key})
    server.get(f"/nowhere/{key}?key={key}")
    for secret in ",".join(SECRETS.values()).split(","):
        server.post(f"/webhooks/mailchimp?secret={secret}", data={"type": "subscribe"})
        server.post("/webhooks/stripe", content=b"{}", headers={"stripe-signature": f"t=1,v1={secret}"})
        server.post("/webhooks/postmark", json={}, auth=(secret.partition(":")[0], secret.partition(":")[2]))
    failing = until(lambda: {line["work"] for line in server.log if line["event"] == "work failed"})
    assert failing <= {"pull crm", "stripe poll"}
    until(lambda: [line for line in server.log if line["event"] == "work done" and line["work"] == "load"])
    run("quarantine", "list", "-C", folder)
    told = [server.get("/readyz").text, server.get("/openapi.json").text, *server.lines]
    hidden = [MARK, key, basic, key.removeprefix("tw_i_")]
    assert [text for text in told if any(secret in text for secret in hidden)] == []
    files = [path for path in (folder / "data").rglob("*") if path.is_file()]
    assert {"store.duckdb", "manifest.ndjson", "keys.json", "state.json"} <= {path.name for path in files}
    for path in files:
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # the server goes on: what it is done with goes
            continue
        assert [secret for secret in hidden if secret.encode() in content] == [], path
