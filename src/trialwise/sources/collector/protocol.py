"""uvicorn's HTTP protocol with the bounds it lacks: the size of a request's head, and the time a request may take to
arrive.

Measured on uvicorn 0.54 with httptools 0.9: a header of 200 MB is collected without end, and a connection that never
completes its first request is kept for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32 << 10
"""Request line and headers, chunk extensions and trailers included."""
HEAD_SECONDS = 10.0
"""From the connection, or the first byte of another request on it, to the end of the head."""
MESSAGE_SECONDS = 45.0
"""From the end of the head to the end of the body; the collector itself answers 408 earlier."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the clients' own: a connection closed while a client writes to it costs it a retry."""


class _HeadTooLarge(Exception):
    pass


class GuardedProtocol(HttpToolsProtocol):
    """Refuses heads beyond MAX_HEAD_BYTES with 431, and requests that do not arrive in time with 408."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fed = 0  # bytes fed at a time
        self._untold = 0  # bytes fed since the parser last told of an end of a head, or of a part of a body
        self._is_complete = False
        self._in_head = True
        self._is_too_large = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._arm(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then see what has become of the request."""
        self._fed = len(data)
        self._untold += self._fed
        super().data_received(data)
        if self._is_complete:
            if self._deadline is not None:
                self._disarm()
        elif self.transport.is_closing():
            return
        elif self._untold > MAX_HEAD_BYTES:
            self._refuse(431, "the request's head is too large")
        elif self._deadline is None:
            self._arm(HEAD_SECONDS if self._in_head else MESSAGE_SECONDS)

    def on_message_begin(self) -> None:
        """A request's first byte; what else came with it is counted when the head is complete."""
        self._untold = 0
        self._is_complete, self._in_head = False, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there: the body has time of its own."""
        if self._untold + self._fed > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            self._is_too_large = True
            raise _HeadTooLarge
        self._untold, self._in_head = 0, False
        if self._deadline is not None:
            self._disarm()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._untold = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request's last byte."""
        self._untold, self._is_complete = 0, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser refuses, a head that is too large among it."""
        if self._is_too_large:
            self._refuse(431, "the request's head is too large")
        else:
            super().send_400_response(msg)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _arm(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._is_late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(408, "the request did not arrive in time")
        else:
            self.transport.close()  # the application is told that the client is gone

    def _refuse(self, status: int, message: str) -> None:
        phrase = {408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
        text = f'{{"error":{{"code":"{phrase.lower().replace(" ", "_")}","message":"{message}"}}}}'
        self.transport.write(
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n"
            f"connection: close\r\n\r\n{text}".encode()
        )
        self.transport.close()


def uvicorn_options() -> dict[str, Any]:
    """Arguments of uvicorn.Config under which the collector's bounds hold; access logs would show query strings."""
    return {
        "http": GuardedProtocol,
        "ws": "none",
        "loop": "uvloop",
        "lifespan": "off",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "limit_concurrency": 2_000,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    }
