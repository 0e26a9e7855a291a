"""The official clients, unchanged, with their batching, gzip and retries; the server is killed and comes back."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from hashlib import md5
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from tests.command import run
from tests.conftest import need
from tests.serving import Served, start

EVENTS = 20_000
KILLS = 3
NODE = Path(__file__).with_name("node")
COMMANDS = {
    "segment-python": [sys.executable, "-m", "tests.clients.python_sender", "segment"],
    "rudderstack-python": [sys.executable, "-m", "tests.clients.python_sender", "rudderstack"],
    "segment-node": ["node", str(NODE / "send.mjs")],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_twenty_thousand_events_of_an_official_client_arrive_once(name: str, tmp_path: Path) -> None:
    if name == "segment-node":
        need_node()
    folder = tmp_path / "company"
    run("init", folder)
    key = run("keys", "create", "product", "--scope", "ingest", "-C", folder).out.strip()
    port = _free_port()
    server = start(folder, "--port", str(port))
    arguments = [f"http://127.0.0.1:{port}", key, str(EVENTS), name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    sender = subprocess.Popen(
        [*COMMANDS[name], *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    chance = random.Random(name)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.2, 0.8))
        assert sender.poll() is None, "the client was done before the last kill"
        _kill(server)
        time.sleep(chance.uniform(0.1, 0.5))
        server = start(folder, "--port", str(port))
    said = sender.communicate(timeout=300)[1]
    assert sender.returncode == 0, said
    assert server.end() == 0
    run("refresh", "-C", folder)
    store = duckdb.connect(str(folder / "data" / "store.duckdb"), read_only=True)
    loaded = store.execute("SELECT event_id FROM raw.events").fetchall()
    assert len(loaded) == EVENTS
    sent = {UUID(md5(f"{name}-{number}".encode()).hexdigest()) for number in range(EVENTS)}  # no UUIDs: kept as md5
    assert {event_id for (event_id,) in loaded} == sent
    totals = store.execute(
        "SELECT sum(received), sum(loaded), sum(duplicate), sum(quarantined) FROM raw.loads"
    ).fetchone()
    assert totals is not None
    received, new, duplicate, quarantined = totals
    assert (new, quarantined) == (EVENTS, 0)
    assert received == new + duplicate


def need_node() -> None:
    """Skip, or fail in CI, without Node.js and the client that 'make clients' installs."""
    need(Path(shutil.which("node") or "node"), "install Node.js 18 or newer")
    need(NODE / "node_modules", "run 'make clients'")


def _kill(server: Served) -> None:
    """Everything at once, as when the machine goes."""
    for pid in [*server.children(), server.process.pid]:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
