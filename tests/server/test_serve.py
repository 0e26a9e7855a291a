"""A server as its users meet it: one process tree, started once for most of these tests."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import run
from tests.serving import Served, event, serving, until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    (folder / "trialwise.toml").write_text("[schedule]\nload_seconds = 1\nrefresh_minutes = 1440\n")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with serving(folder, "--workers", "2") as served:
        yield served


def test_it_says_once_where_it_listens(server: Served) -> None:
    said = [line for line in server.lines if "listening" in line]
    assert said == [f"listening on {server.url}"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)


def test_what_is_acknowledged_is_loaded_by_itself(server: Served) -> None:
    before = server.metrics()
    for number in range(5):
        assert server.track(f"loaded-{number}").status_code == 200
    assert server.track("loaded-0").status_code == 200
    assert server.post("/v1/track", json={**event("nobody"), "userId": "null"}).status_code == 200

    def after() -> dict[str, float] | None:
        now = server.metrics()
        return now if now["trialwise_duplicate_records_total"] > before["trialwise_duplicate_records_total"] else None

    now = until(after)
    counted = 'trialwise_records_total{format="segment",route="/v1/track"}'
    assert now[counted] - before.get(counted, 0) == 7
    assert now["trialwise_loaded_records_total"] - before["trialwise_loaded_records_total"] == 5
    assert now['trialwise_quarantined_records_total{reason="placeholder_id"}'] == 1
    assert now["trialwise_landing_pending_records"] == 0
    assert now["trialwise_landing_lag_seconds"] == 0
    assert now["trialwise_landing_sealed_segments"] >= 1


def test_a_second_server_names_the_first(server: Served, folder: Path) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "trialwise", "serve", "--port", "0", "-C", str(folder)],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert f"process {server.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert server.get("/healthz").status_code == 200


def test_commands_are_carried_out_by_it(server: Served, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("event,user_id,account_id,timestamp\nOpened,u1,a1,2026-03-01T12:00:00Z\nOpened,n/a,a1,2026-03-01\n")
    imported = run("import", "events", file, "-C", folder).err
    assert "loaded 1 + duplicate 0 + quarantined 1 + pending 0" in imported
    rows = run("quarantine", "list", "--reason", "placeholder_id", "-f", "json", "-C", folder).rows()
    [row] = [row for row in rows if row["file"] == "events.csv"]
    shown = run("quarantine", "show", row["quarantine_id"], "-C", folder)
    assert "n/a" in shown.out
    (tmp_path / "mended.json").write_text('{"event": "Opened", "user_id": "u2", "account_id": "a1"}')
    retried = run("quarantine", "retry", row["quarantine_id"], "--mended", tmp_path / "mended.json", "-C", folder).err
    assert "loaded 1" in retried
    assert "was retried" in run("quarantine", "retry", row["quarantine_id"], "-C", folder, code=1).err
    refreshed = run("refresh", "-C", folder).err
    assert re.search(r"published as 00000[12]\.duckdb", refreshed), "one may have been made at the start"
    assert run("trials", "--all", "-f", "json", "-C", folder).rows() == []
    findings = {row["topic"] for row in run("doctor", "-f", "json", "-C", folder).rows()}
    assert {"results", "quarantine", "disk"} <= findings
    commands = [line["operation"] for line in server.log if line["event"] == "command"]
    assert {"load", "quarantine list", "quarantine show", "quarantine retry", "refresh", "doctor"} <= set(commands)
    assert server.metrics()["trialwise_published_age_seconds"] < 600
    assert server.get("/readyz").json()["status"] == "ready"


def test_a_collector_that_dies_is_replaced_and_its_counts_stay(server: Served) -> None:
    requests = 'trialwise_requests_total{route="/healthz",status="200"}'
    for _ in range(10):
        server.get("/healthz")
    before = server.metrics()
    victim = server.children()[0]
    subprocess.run(["kill", "-9", str(victim)], check=True)
    until(lambda: len(server.children()) == 2 and victim not in server.children())
    until(lambda: server.metrics()["trialwise_collector_restarts_total"] == 1)
    assert server.metrics()[requests] >= before[requests]
    assert server.track("after the death").status_code == 200
    [line] = [line for line in server.log if line["event"].startswith("collector died")]
    assert line["code"] == -9


def test_another_host_name_is_not_answered(server: Served) -> None:
    assert server.get("/healthz", headers={"host": "evil.example"}).status_code == 421
    assert server.get("/healthz", headers={"host": "localhost"}).status_code == 200


def test_answers_tell_nothing_of_the_software(server: Served) -> None:
    headers = server.get("/healthz").headers
    assert "server" not in headers
    assert "x-powered-by" not in headers


def test_keys_count_while_it_runs(server: Served, folder: Path) -> None:
    """The last one: from the first key on everybody needs one."""
    assert server.get("/metrics").status_code == 200
    ingest = run("keys", "create", "website", "--scope", "ingest", "-C", folder).out.strip()
    read = run("keys", "create", "grafana", "--scope", "read", "-C", folder).out.strip()
    assert server.track("keyless").status_code == 401
    assert server.track("keyed", auth=(ingest, "")).status_code == 200
    assert server.track("reader", auth=(read, "")).status_code == 403
    assert server.get("/metrics").status_code == 401
    assert server.get("/metrics", auth=(ingest, "")).status_code == 403
    assert server.get("/metrics", headers={"authorization": f"Bearer {read}"}).status_code == 200
    assert server.get("/healthz").status_code == 200
    assert server.get("/readyz").status_code == 200
    newer = run("keys", "create", "website", "--scope", "ingest", "-C", folder).out.strip()
    assert server.track("old", auth=(ingest, "")).status_code == 200
    assert server.track("new", auth=(newer, "")).status_code == 200
    oldest = run("keys", "list", "-f", "json", "-C", folder).rows()[0]["key_id"]
    run("keys", "revoke", oldest, "-C", folder)
    assert server.track("old", auth=(ingest, "")).status_code == 401
    assert server.track("new", auth=(newer, "")).status_code == 200
    refused = 'trialwise_refused_total{code="unauthorized",route="/v1/track"}'
    assert server.metrics(headers={"authorization": f"Bearer {read}"})[refused] == 2
