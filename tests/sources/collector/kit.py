"""A collector whose sink remembers what it was given, and ways to call it: in process, and over a real socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx
import uvicorn

from trialwise.sources.collector import Doors, Health, Limits, build_app, uvicorn_options
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks import Refused, Request

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000)
HOST = "127.0.0.1:8484"
KEYS = {scope: f"tw_{scope[0]}_{scope}-key" for scope in ("ingest", "read", "write", "admin")}


@dataclass(frozen=True)
class Landed:
    """What one request brought to the sink."""

    source: str
    format: str
    name: str
    received_at: datetime
    pieces: tuple[Piece, ...]

    @property
    def data(self) -> list[bytes]:
        return [piece.data for piece in self.pieces]


@dataclass
class Sink:
    """Remembers; `trouble` is raised at once, `later` through the future; with `held` nothing becomes durable."""

    landed: list[Landed] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    later: list[Exception] = field(default_factory=list)
    held: bool = False
    waiting: list[Future[None]] = field(default_factory=list)

    def land(self, source: str, form: str, name: str, received_at: datetime, pieces: Sequence[Piece]) -> Future[None]:
        if self.trouble:
            raise self.trouble.pop(0)
        future: Future[None] = Future()
        if self.later:
            future.set_exception(self.later.pop(0))
            return future
        self.landed.append(Landed(source, form, name, received_at, tuple(pieces)))
        if self.held:
            self.waiting.append(future)
        else:
            threading.Thread(target=future.set_result, args=(None,)).start()
        return future

    @property
    def data(self) -> list[bytes]:
        return [data for landed in self.landed for data in landed.data]


class Hook:
    """A provider that signs with a header; each line of a body is a record."""

    name = "hook"
    source = "events"
    format = "hook"
    methods = frozenset({"POST", "GET", "HEAD"})
    max_bytes = 1000
    signed_by = "A header X-Sign with the secret."

    def __init__(self) -> None:
        self.seen: list[Request] = []

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        if request.headers.get("x-sign") not in secrets:
            raise Refused("bad_signature")

    def pieces(self, request: Request) -> list[Piece]:
        self.seen.append(request)
        return [Piece(number, None, line) for number, line in enumerate(request.body.split(b"\n"), 1) if line]


@dataclass
class Collector:
    """An application with what it was handed, to be called in process."""

    sink: Sink = field(default_factory=Sink)
    hook: Hook = field(default_factory=Hook)
    limits: Limits = field(default_factory=Limits)
    keys: Mapping[str, str] | None = None
    health: Callable[[], Health] = lambda: Health(True)
    allowed_hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    changes: dict[str, Any] = field(default_factory=dict)
    counts: dict[tuple[str, ...], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        doors = Doors(
            land=self.sink.land,
            authorize=self.authorize,
            now=lambda: NOW,
            health=self.health,
            metrics_text=lambda: (b"up 1\n", "text/plain; version=1.0.0; charset=utf-8"),
            count=self.count,
            webhooks={"hook": self.hook, "other": self.hook},
            secrets={"hook": ("old", "new")},
            allowed_hosts=self.allowed_hosts,
        )
        self.app = build_app(replace(doors, **self.changes), self.limits)

    def authorize(self, token: str | None, scope: str) -> bool:
        if self.keys is None:
            return True
        held = [name for name, key in self.keys.items() if key == token]
        return "admin" in held or scope in held

    def count(self, name: str, labels: Mapping[str, str], value: float) -> None:
        key = (name, *labels.values())
        self.counts[key] = self.counts.get(key, 0) + value

    def ask(self, method: str, path: str, content: bytes | None = None, **headers: str) -> httpx.Response:
        """One request; header names with _ for -. JSON unless another content_type is given, none with ''."""
        told = {"host": HOST, "content-type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = [(name, value.encode("utf-8")) for name, value in told.items() if value != ""]

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                request = client.build_request(method, path, content=content, headers=sent)
                for name in ("content-type", "accept-encoding", "connection", "user-agent", "accept"):
                    if name in request.headers and name not in dict(sent):
                        del request.headers[name]
                return await client.send(request)

        return asyncio.run(go())

    def post(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        return self.ask("POST", path, content, **headers)

    @contextlib.contextmanager
    def served(self) -> Iterator[int]:
        """A real server on a thread; yields its port."""
        config = uvicorn.Config(self.app, host="127.0.0.1", port=0, log_level="critical", **uvicorn_options())
        server = uvicorn.Server(config)
        ready = threading.Event()
        run = threading.Thread(target=server.run)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            port = listening.getsockname()[1]
            run = threading.Thread(target=server.run, args=([listening],))
            run.start()
            while not server.started and run.is_alive():
                ready.wait(0.01)
            try:
                yield port
            finally:
                server.should_exit = True
                run.join(timeout=10)
        assert not run.is_alive()


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def exchange(port: int, data: bytes, *, seconds: float = 10, half_close: bool = False) -> bytes:
    """Send bytes over a socket and return all that comes back until the server closes or `seconds` pass."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        got = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                got += chunk
        return got


def message(path: str, body: bytes, *headers: str) -> bytes:
    """A whole POST request that closes its connection."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def serve_alone() -> None:
    """A server in a process of its own: prints its port, ends when its standard input does."""
    with Collector().served() as port:
        print(port, flush=True)  # noqa: T201
        sys.stdin.read()
