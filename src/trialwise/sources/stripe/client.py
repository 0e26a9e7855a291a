"""The official SDK's HTTP client with limits of time and size for a whole answer.

The SDK limits single reads alone: a server that sends a byte now and then would hold an import for ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import stripe
from urllib3.exceptions import HTTPError


@dataclass(frozen=True)
class Limits:
    """Seconds to connect, seconds without a byte, seconds for a whole answer, and its largest size in bytes."""

    connect: float = 10.0
    silence: float = 30.0
    answer: float = 120.0
    bytes: int = 128 << 20


class Incomplete(Exception):
    """No whole answer came; the message says why."""


class Client(stripe.RequestsClient):
    """Reads an answer piece by piece, and gives it up when it takes too long, grows too large or breaks off.

    `answered` are the headers of the last answer, whose names are found in any case.
    """

    answered: Mapping[str, str]

    def __init__(self, limits: Limits) -> None:
        super().__init__(timeout=(limits.connect, limits.silence))
        self._limits = limits
        self.answered = {}

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_usage: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Body (text), status and headers; raises Incomplete, or the SDK's own error when there was no connection."""
        self.answered = {}
        stream, status, self.answered = self.request_stream(method, url, headers, post_data)
        until = time.monotonic() + self._limits.answer
        body = bytearray()
        try:
            while chunk := stream.read1(1 << 16, decode_content=True):
                body += chunk
                if len(body) > self._limits.bytes:
                    raise Incomplete(f"an answer of more than {self._limits.bytes} bytes")
                if time.monotonic() > until:
                    raise Incomplete(f"an answer that took longer than {self._limits.answer:g} s")
        except (HTTPError, OSError) as error:
            raise Incomplete(f"an answer that broke off ({type(error).__name__})") from error
        finally:
            stream.close()
        try:
            return body.decode(), status, self.answered
        except UnicodeDecodeError as error:  # the SDK's log would stumble over it
            raise Incomplete("an answer that is no text") from error


def quiet_sdk() -> None:
    """Keep the SDK to itself: no line per request in the log, and no usage reports."""
    logging.getLogger("stripe").setLevel(logging.WARNING)
    stripe.enable_telemetry = False
