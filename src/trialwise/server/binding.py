"""Where the server listens, and what has to be there before it listens to the world."""

from __future__ import annotations

import errno
import socket
import time
from urllib.parse import urlsplit

from trialwise.connections import is_loopback
from trialwise.errors import ConfigError
from trialwise.keys import Keys

BACKLOG = 2048
PATIENCE_SECONDS = 8.0
"""How long a predecessor's children may take to let go of the address."""


def is_exposed(host: str, public_url: str | None) -> bool:
    """Whether others reach the server: directly, or through the proxy that `public_url` speaks of."""
    through = urlsplit(public_url).hostname if public_url else None
    return not is_loopback(host) or (through is not None and not is_loopback(through))


def check_exposed(host: str, public_url: str | None, keys: Keys) -> None:
    """Raises ConfigError when others would reach a server that has no key."""
    if not is_exposed(host, public_url) or any(key.is_live for key in keys.list()):
        return
    where = f"{host} is reached by others" if not is_loopback(host) else f"[server] public_url is {public_url}"
    raise ConfigError(
        f"{where}, and there is no key: anybody could send events",
        "Make one first: trialwise keys create NAME --scope ingest. Or listen on 127.0.0.1 alone.",
    )


def bind(host: str, port: int, patience: float = PATIENCE_SECONDS) -> socket.socket:
    """A listening socket; one that a dying predecessor still holds is waited for.

    Raises ConfigError when the address is not this machine's, not allowed, or stays taken.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
                raise ConfigError(
                    f"cannot listen on {_named(host)}:{port}: {error.strerror or error}",
                    "Stop what listens there, or give another --host or --port (0 takes a free one).",
                ) from error
        time.sleep(0.1)


def url_of(listening: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://{_named(host)}:{port}"


def _bound(host: str, port: int) -> socket.socket:
    name = "127.0.0.1" if host.lower() == "localhost" else host.strip("[]")
    family, kind, protocol, _, address = socket.getaddrinfo(
        name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
