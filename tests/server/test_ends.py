"""How a server ends: asked to, killed, or its parent killed. What was acknowledged is in the results, once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest
from tests.serving import Served, event, serving, start, until

from trialwise.engines.duckdb import connect
from trialwise.pipeline import load_landed
from trialwise.runs import Ledger
from trialwise.workspace import Workspace

COUNTS = "SELECT u.user_id, count(*) FROM raw.events AS e JOIN raw.dim_user AS u USING (user_key) GROUP BY ALL"


class Clients:
    """Threads that send events until they are told to stop; they keep the log of what was acknowledged."""

    def __init__(self, url: str, count: int = 4) -> None:
        self.acknowledged: list[str] = []
        self.unsure: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self, client: int) -> None:
        number = 0
        with httpx.Client(base_url=self._url, timeout=30) as http:
            while not self._stop.is_set():
                number += 1
                name = f"{client}-{number}"
                batch = [event(f"{name}-{part}") for part in range(3)]
                names = [call["userId"] for call in batch]
                try:
                    status = http.post("/v1/batch", json={"batch": batch}).status_code
                except httpx.TransportError:
                    self.unsure += names
                    self._stop.wait(0.05)
                    continue
                (self.acknowledged if status == 200 else self.unsure).extend(names)


def loaded(workspace: Workspace) -> Counter[str]:
    """How often each user's event is in the store, after a load."""
    load_landed(workspace)
    store = connect(workspace.store)
    try:
        return Counter(dict(store.rows(COUNTS)))
    finally:
        store.close()


def check(workspace: Workspace, clients: Clients) -> None:
    """Nothing acknowledged is lost, nothing is there twice, and nothing nobody sent."""
    found = loaded(workspace)
    assert len(clients.acknowledged) > 20
    assert set(clients.acknowledged) - found.keys() == set()
    assert {user: count for user, count in found.items() if count != 1} == {}
    assert found.keys() <= {*clients.acknowledged, *clients.unsure}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "trialwise.toml").write_text("[schedule]\nload_seconds = 1\nrefresh_minutes = 1440\n")
    return Workspace.open(tmp_path)


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists() and _state(pid) != "Z"]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_under_load_it_answers_what_it_has(workspace: Workspace, number: signal.Signals) -> None:
    server = start(workspace.folder, "--workers", "2")
    children = server.children()
    clients = Clients(server.url)
    until(lambda: len(clients.acknowledged) > 100)
    assert server.end(number) == 0, server.lines
    clients.stop()
    assert alive(children) == []
    assert [line for line in server.log if line["level"] in ("error", "critical", "warning")] == []
    assert server.log[-1]["event"] == "ended"
    check(workspace, clients)
    assert not workspace.socket.exists()


def test_killed_collectors_and_a_killed_parent_lose_nothing(workspace: Workspace) -> None:
    server = start(workspace.folder, "--workers", "2")
    clients = Clients(server.url)
    until(lambda: len(clients.acknowledged) > 50)
    os.kill(server.children()[0], signal.SIGKILL)
    enough = len(clients.acknowledged) + 50
    until(lambda: len(server.children()) == 2 and len(clients.acknowledged) > enough)
    children = server.children()
    server.process.kill()
    server.process.wait()
    again = start(workspace.folder, "--port", server.url.rpartition(":")[2])  # the same address, at once
    until(lambda: alive(children) == [])
    enough = len(clients.acknowledged) + 50
    until(lambda: len(clients.acknowledged) > enough)
    clients.stop()
    assert again.end() == 0, again.lines
    check(workspace, clients)


def test_its_doors_are_open_while_a_command_has_the_store(workspace: Workspace) -> None:
    ledger = Ledger(workspace.data)
    ledger.end(ledger.begin("refresh", asked_by="schedule"), None, error="the disk was full")
    with workspace.lock():
        server = start(workspace.folder)
        assert server.track("meanwhile").status_code == 200
        ready = server.get("/readyz")
        assert (ready.status_code, ready.json()["failing"]) == (200, ["refresh"])
        [said] = [line for line in server.log if line["event"] == "waiting for the store"]
        assert (said["process"], said["listening"]) == (str(os.getpid()), server.url)
        assert not workspace.socket.exists()
        os.kill(server.children()[0], signal.SIGKILL)
        until(lambda: any(line["event"] == "collector died, starting another" for line in server.log))
        until(lambda: _taken(server, "after a collector's death"))
    until(lambda: f"listening on {server.url}" in server.lines)
    assert server.end() == 0, server.lines
    assert loaded(workspace) == {"user-meanwhile": 1, "user-after a collector's death": 1}


def test_asked_to_end_while_it_waits_for_the_store_it_keeps_what_it_took(workspace: Workspace) -> None:
    with workspace.lock():
        server = start(workspace.folder, "--workers", "2")
        children = server.children()
        assert server.track("meanwhile").status_code == 200
        assert server.end() == 0, server.lines
        assert alive(children) == []
    assert server.log[-1]["event"] == "ended"
    assert loaded(workspace) == {"user-meanwhile": 1}


def _taken(server: Served, name: str) -> bool:
    try:
        return server.track(name).status_code == 200
    except httpx.TransportError:
        return False


def test_a_collector_that_cannot_start_ends_the_server_with_a_reason(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys\nif 'trialwise.server.child' in sys.orig_argv:\n    os._exit(7)\n"
    )
    with pytest.raises(AssertionError, match="the server ended with 1") as told:
        start(workspace.folder, env={"PYTHONPATH": str(tmp_path / "site")})
    assert "collector1 ended with 7 before it served, 3 times" in str(told.value)
    assert "Traceback" not in str(told.value)


def test_a_collector_comes_back_while_the_configuration_is_broken(workspace: Workspace) -> None:
    with serving(workspace.folder, "--workers", "2") as server:
        (workspace.folder / "trialwise.toml").write_text("[server")  # an editor that saved half of it
        before = server.children()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(server.children()) - set(before)) == 2)
        assert server.track("after").status_code == 200, server.lines
        assert [line["event"] for line in server.log].count("collector died, starting another") == 2


def test_what_stops_a_collector_for_a_while_does_not_stop_the_server(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    lasts = tmp_path / "lasts"
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if 'trialwise.server.child' in sys.orig_argv and os.path.exists({str(lasts)!r}):\n    os._exit(7)\n"
    )
    with serving(workspace.folder, env={"PYTHONPATH": str(tmp_path / "site")}) as server:
        lasts.touch()
        os.kill(server.children()[0], signal.SIGKILL)

        def deaths() -> list[str]:
            return [line["event"] for line in server.log if line["event"] == "collector died, starting another"]

        until(lambda: len(deaths()) > 3)  # more often than a server that starts would try it
        lasts.unlink()
        assert server.track("after").status_code == 200


def test_the_second_signal_ends_it_at_once(workspace: Workspace) -> None:
    server = start(workspace.folder)
    children = server.children()
    slow = _request_that_never_ends(server)
    server.process.send_signal(signal.SIGTERM)
    until(lambda: any(line["event"] == "ending" for line in server.log))
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(5) == 1
    until(lambda: alive(children) == [])
    slow.close()


def _request_that_never_ends(server: Served) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = b"POST /v1/track HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n"
    connection.sendall(head)
    assert connection.recv(100).startswith(b"HTTP/1.1 100 "), "the server has begun with the request"
    connection.sendall(b"{")
    return connection
