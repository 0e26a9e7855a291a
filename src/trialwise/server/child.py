"""One collector: `python -m trialwise.server.child`, started by the parent with everything it needs to know.

It inherits the listening socket and one end of a line to the parent. It tells the parent when it serves, and when the
line breaks the parent is gone, killed even: then it takes no more, answers what it has, and ends.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

import structlog
import uvicorn

from trialwise import logs
from trialwise.clock import utc_now
from trialwise.config import Config
from trialwise.config.secrets import Secrets
from trialwise.keys import Keys
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel
from trialwise.landing.sink import Sink
from trialwise.server import metrics, state
from trialwise.server.binding import is_exposed
from trialwise.server.health import Readiness
from trialwise.server.measures import Measures
from trialwise.sources.collector import Doors, build_app, hosts_for, uvicorn_options
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks import PROVIDERS
from trialwise.workspace import Workspace

READY = b"r"
DRAIN_SECONDS = 10
"""For requests that are being received or answered when the end comes."""
log = structlog.get_logger("trialwise.server")


@dataclass(frozen=True)
class Orders:
    """What the parent tells a child: the workspace, its slot, where the server listens, and two descriptors.

    config: what a collector needs of the configuration the server was started with, as JSON. The file is not read
    again: a collector that dies while somebody edits it comes back as its siblings are.
    """

    folder: str
    config: str
    run: str
    slot: str
    host: str
    listening: int
    line: int

    def text(self) -> str:
        """As one argument."""
        return json.dumps(asdict(self))

    def workspace(self) -> Workspace:
        """The workspace as the parent has it, of the configuration only what a collector needs."""
        return Workspace(Path(self.folder), Config.model_validate_json(self.config))


def told(config: Config) -> str:
    """The part of a configuration that a child is told."""
    return config.model_dump_json(include={"workspace", "server"})


class Collector:
    """The collector of one slot, composed: the landing sink behind the doors."""

    def __init__(self, workspace: Workspace, orders: Orders, secrets: Secrets) -> None:
        config = workspace.config.server
        most = config.pending_mb << 20
        run = Path(orders.run)
        self._sink = Sink(Landing(workspace.landing), writer=orders.slot, max_pending_bytes=most)
        self._counts = metrics.Counts(run, orders.slot)
        self._keys = Keys(workspace.keys)
        self._is_open = not is_exposed(orders.host, config.public_url)
        self._channels: dict[tuple[str, str, str], Channel] = {}
        self._state = state.Watched(run)
        self.readiness = Readiness(workspace.landing, lambda: self._sink.pending_bytes, most, self._state)
        measures = Measures(workspace.landing, self._state)
        self.app = build_app(
            Doors(
                land=self.land,
                authorize=self.authorize,
                now=utc_now,
                health=self.readiness.health,
                metrics_text=lambda: metrics.text_of(run, self._state, measures),
                count=self._counts.count,
                webhooks=PROVIDERS,
                secrets=secrets.webhooks,
                public_url=config.public_url,
                allowed_hosts=hosts_for(orders.host, config.allowed_hosts, config.public_url),
            )
        )

    def land(self, source: str, form: str, name: str, received_at: datetime, pieces: Sequence[Piece]) -> Future[None]:
        """Hand one request's records to the sink; see Doors."""
        key = (source, form, name)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel("stripe" if source == "stripe" else "events", form, name)
        started = monotonic()
        landed = self._sink.submit(channel, Arrival(received_at, pieces))

        def done(finished: Future[None]) -> None:
            self._counts.acknowledged(monotonic() - started)
            self.readiness.watch(finished)

        landed.add_done_callback(done)
        return landed

    def authorize(self, token: str | None, scope: str) -> bool:
        """Whether a key may do it; without any key ever made, everybody on this machine may."""
        if self._is_open and not self._keys.any():
            return True
        return token is not None and self._keys.allows(token, scope)

    def close(self) -> None:
        """Write what waits."""
        self._sink.close()


class _Server(uvicorn.Server):
    """uvicorn, telling when it serves; signals are the process's own, which has to drain after it."""

    def __init__(self, config: uvicorn.Config, line: socket.socket) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, then say so."""
        await super().startup(sockets)
        with suppress(OSError):  # the parent is gone already: that ends this server, not the requests it has
            self._line.sendall(READY)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured here."""
        yield


def main(argument: str) -> int:
    """Serve until the parent says so or is gone; returns the exit code."""
    orders = Orders(**json.loads(argument))
    secrets = Secrets()
    logs.configure(logs.secrets_of(secrets), process=orders.slot)
    workspace = orders.workspace()
    collector = Collector(workspace, orders, secrets)
    line = socket.socket(fileno=orders.line)
    listening = socket.socket(fileno=orders.listening)
    config = uvicorn.Config(
        collector.app, log_config=None, timeout_graceful_shutdown=DRAIN_SECONDS, **uvicorn_options()
    )
    server = _Server(config, line)

    def end(*_: object) -> None:
        collector.readiness.end()
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's
    threading.Thread(target=_until_broken, args=(line, end), name="line", daemon=True).start()
    try:
        server.run([listening])
    finally:
        collector.close()
    return 0


def _until_broken(line: socket.socket, end: Callable[[], None]) -> None:
    """Wait for the end of the parent, however it ends."""
    with suppress(OSError):
        while line.recv(1):
            continue
    end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
