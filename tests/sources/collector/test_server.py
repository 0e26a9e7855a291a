"""The collector behind a real server: heads, slow and leaving clients, bombs, overload; memory stays flat."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.sources.collector import kit
from tests.sources.collector.kit import Collector, exchange, message

from trialwise.sources.collector import Limits, protocol

ROOT = Path(__file__).resolve().parents[3]
TRACK = b'{"type":"track","event":"A","userId":"1"}'


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Collector, int]]:
    collector = Collector(limits=Limits(body_seconds=0.4))
    with collector.served() as port:
        yield collector, port


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer.split(b" ", 2)[1])


def test_a_head_of_usual_size_is_taken(server: tuple[Collector, int]) -> None:
    _, port = server
    assert status(exchange(port, message("/v1/track", TRACK, "X-Long: " + "a" * 20_000))) == 200


@pytest.mark.parametrize(
    "data",
    [
        message("/v1/track", TRACK, "X-Long: " + "a" * 40_000),
        message("/v1/track", TRACK, *[f"X-{n}: " + "a" * 50 for n in range(1000)]),
        message("/v1/track?" + "a" * 40_000, TRACK),
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: " + b"a" * 5_000_000,
        b"GET /" + b"a" * 5_000_000,
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 500_000,
    ],
    ids=["one header", "many headers", "long url", "endless header", "endless url", "endless headers"],
)
def test_giant_heads_are_431(server: tuple[Collector, int], data: bytes) -> None:
    _, port = server
    answer = exchange(port, data)
    assert answer == b"" or status(answer) == 431  # the reset of a connection may overtake the answer
    assert status(exchange(port, message("/v1/track", TRACK))) == 200


@pytest.mark.parametrize(
    "tail",
    [b"0\r\n" + b"X-T: y\r\n" * 50_000, b"0\r\nX-T: " + b"a" * 500_000, b"5;" + b"x" * 500_000],
    ids=["trailers", "one trailer", "chunk extension"],
)
def test_what_follows_the_head_is_bounded_too(server: tuple[Collector, int], tail: bytes) -> None:
    collector, port = server
    before = len(collector.sink.landed)
    head = b"POST /v1/track HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    exchange(port, head + tail)
    assert len(collector.sink.landed) == before


def test_a_chunked_body_is_read(server: tuple[Collector, int]) -> None:
    collector, port = server
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in TRACK) + b"0\r\n\r\n"
    head = b"POST /v1/track HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status(exchange(port, head + chunks)) == 200
    assert collector.sink.landed[-1].data == [TRACK]


def test_a_body_that_never_ends_is_413(server: tuple[Collector, int]) -> None:
    _, port = server
    head = b"POST /v1/track HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = exchange(port, head + b"8000\r\n" + b"a" * 0x8000 + b"\r\n1\r\na\r\n")
    assert status(answer) == 413


def test_a_slow_body_is_408(server: tuple[Collector, int]) -> None:
    collector, port = server
    before = len(collector.sink.landed)
    answer = exchange(port, message("/v1/track", TRACK)[:-5])
    assert (status(answer), b"too_slow" in answer) == (408, True)
    assert len(collector.sink.landed) == before


def test_a_client_that_leaves_is_forgotten(server: tuple[Collector, int]) -> None:
    collector, port = server
    before = len(collector.sink.landed)
    with socket.create_connection(("127.0.0.1", port)) as leaving:
        leaving.sendall(message("/v1/track", TRACK)[:-5])
    assert status(exchange(port, message("/v1/track", TRACK))) == 200
    assert len(collector.sink.landed) == before + 1


@pytest.mark.parametrize("sent", [b"", b"GET /he", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_head_that_does_not_come_is_408(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with Collector().served() as port:
        assert status(exchange(port, sent)) == 408
        first = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        answer = exchange(port, first + b"GET /he")  # the second request on a connection likewise
        assert answer.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 408" in answer


def test_a_refused_body_that_does_not_end_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MESSAGE_SECONDS", 0.2)
    with Collector(keys={"ingest": "k"}).served() as port:
        answer = exchange(port, message("/v1/events", TRACK).replace(b"Connection: close\r\n", b"")[:-5])
        assert status(answer) == 401
        assert answer.count(b"HTTP/1.1 ") == 2  # and a 408 when it did not come


def test_a_connection_serves_on_after_a_refusal(server: tuple[Collector, int]) -> None:
    _, port = server
    large = message("/v1/track", b"x" * 200_000).replace(b"Connection: close\r\n", b"")
    answer = exchange(port, large + message("/v1/track", TRACK))
    assert [line.split(b" ")[1] for line in answer.split(b"HTTP/1.1")[1:]] == [b"413", b"200"]


def test_a_large_body_is_refused_before_it_is_sent(server: tuple[Collector, int]) -> None:
    _, port = server
    head = message("/v1/track", b"", "Expect: 100-continue").replace(b"Content-Length: 0", b"Content-Length: 9999999")
    assert b"100 Continue" not in exchange(port, head)
    assert b"100 Continue" in exchange(port, message("/v1/track", TRACK, "Expect: 100-continue"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"nonsense\r\n\r\n", 400),
        (message("/v1/track", TRACK).replace(b"Content-Length: 41", b"Content-Length: -1"), 400),
        (message("/v1/track", TRACK).replace(b"Content-Length: 41", b"Content-Length: 4x"), 400),
        (message("/v1/track", TRACK, "Content-Length: 3"), 400),
        (message("/v1/track", TRACK, "Transfer-Encoding: chunked"), 400),
        (message("/v1/track", TRACK, "Content-Encoding: br"), 415),
        (message("/v1/track", TRACK, "Content-Encoding: gzip"), 400),
        (message("/v1/track", gzip.compress(TRACK)[:-4], "Content-Encoding: gzip"), 400),
        (message("/v1/track", gzip.compress(TRACK) + b"more", "Content-Encoding: gzip"), 400),
        (message("/v1/track", gzip.compress(b"") * 100, "Content-Encoding: gzip"), 400),
        (message("/v1/track", gzip.compress(TRACK[:9]) + gzip.compress(TRACK[9:]), "Content-Encoding: X-GZIP"), 200),
        (message("/v1/track", TRACK, "Content-Encoding: identity"), 200),
    ],
)  # fmt: skip
def test_framing_and_compression(server: tuple[Collector, int], data: bytes, expected: int) -> None:
    collector, port = server
    before = len(collector.sink.landed)
    assert status(exchange(port, data)) == expected
    assert len(collector.sink.landed) == before + (expected == 200)


def test_overload_tenfold_is_429_and_what_was_acknowledged_is_landed() -> None:
    collector = Collector(limits=Limits(requests=8))
    collector.sink.held = True

    async def go(port: int) -> list[int]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            asked = [asyncio.create_task(client.post("/v1/track", content=TRACK)) for _ in range(80)]
            while sum(task.done() for task in asked) < 72:
                await asyncio.sleep(0.01)
            for future in collector.sink.waiting:
                future.set_result(None)
            answers = await asyncio.gather(*asked)
            assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 429)
            return sorted(answer.status_code for answer in answers)

    with collector.served() as port:
        assert asyncio.run(go(port)) == [200] * 8 + [429] * 72
    assert len(collector.sink.landed) == 8


def test_bodies_held_at_a_time_are_bounded() -> None:
    collector = Collector(limits=Limits(held=100_000))
    collector.sink.held = True
    body = b'{"batch":[{"x":"%b"}]}' % (b"y" * 30_000)

    async def go(port: int) -> list[int]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            asked = []
            for held in (1, 2, 3):
                asked.append(asyncio.create_task(client.post("/v1/batch", content=body)))
                while len(collector.sink.waiting) < held:
                    await asyncio.sleep(0.01)
            refused = await asyncio.gather(*[client.post("/v1/batch", content=body) for _ in range(7)])
            for future in collector.sink.waiting:
                future.set_result(None)
            return sorted(answer.status_code for answer in [*await asyncio.gather(*asked), *refused])

    with collector.served() as port:
        assert asyncio.run(go(port)) == [200] * 3 + [429] * 7


def bomb(size: int) -> bytes:
    """gzip of `size` zero bytes, made from one block that is repeated."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    head = deflate.compress(b"") + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return head + block * (size >> 20)


def test_memory_stays_flat_under_bombs_giants_and_slow_clients() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", f"from {kit.__name__} import serve_alone; serve_alone()"]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    slow = []
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        large = message("/v1/batch", b'{"batch":[{"x":"%b"}]}' % (b"y" * 8_000_000))
        assert status(exchange(port, message("/v1/track", TRACK))) == 200
        assert status(exchange(port, large)) == 200
        before = peak_kb(child.pid)
        gigabyte = bomb(1 << 30)
        assert len(gigabyte) < 1_100_000
        for path in ("/v1/batch", "/v1/track", "/v1/events", "/webhooks/hook") * 3:
            assert status(exchange(port, message(path, gigabyte, "Content-Encoding: gzip", "X-Sign: new"))) == 413
        for _ in range(3):
            exchange(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: " + b"a" * 50_000_000)
            head = (
                b"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            exchange(port, head + b"5f5e100\r\n" + b"a" * 100_000_000)
            exchange(port, message("/v1/batch", b"a" * 100_000_000))
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(message("/v1/batch", b"a" * 1_000_000)[:100_000])
            slow.append(connection)
        assert status(exchange(port, message("/v1/track", TRACK))) == 200
        grown = peak_kb(child.pid) - before
        assert grown < 64 << 10, f"{grown} KB more than before"
    finally:
        for connection in slow:
            connection.close()
        child.communicate("", timeout=30)
    assert child.returncode == 0


def test_lifespan_and_web_sockets() -> None:
    async def ask(kind: str, *messages: str) -> list[str]:
        told = [{"type": message} for message in messages]
        answers: list[str] = []

        async def receive() -> MutableMapping[str, Any]:
            return told.pop(0)

        async def send(message: MutableMapping[str, Any]) -> None:
            answers.append(message["type"])

        await Collector().app({"type": kind}, receive, send)
        return answers

    started = asyncio.run(ask("lifespan", "lifespan.startup", "lifespan.shutdown"))
    assert started == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert asyncio.run(ask("websocket", "websocket.connect")) == ["websocket.close"]


def peak_kb(pid: int) -> int:
    """The most memory the process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def test_a_server_that_stops_answers_what_it_has() -> None:
    collector = Collector()
    with collector.served() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as kept:
        kept.sendall(message("/v1/track", TRACK).replace(b"Connection: close\r\n", b""))
        assert status(kept.recv(65536)) == 200
        started = time.monotonic()
    assert time.monotonic() - started < 30  # a connection that is kept open does not keep the server
