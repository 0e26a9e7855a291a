"""What goes back: ready-made ASGI messages, and the refusals with their statuses.

Official clients decide by the status whether to send again. They retry 408, 429 and every 5xx but 501 and 505, and drop
on 400, 401, 403, 413 and 415; a redirect counts as success with some. RudderStack's Python client takes an error
whose JSON lacks `code` and `message` at the top for a broken connection and retries it: refusals of events carry both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

import orjson

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON = b"application/json"
ANY_ORIGIN = (b"access-control-allow-origin", b"*")
"""Events may come from pages of any site: the key is what admits them, and no cookie is looked at."""
_READABLE = (b"access-control-expose-headers", b"retry-after")  # Segment's browser client obeys it


class Answer(NamedTuple):
    """The two messages of a response, and its status for the counter; never changed, so one serves many requests."""

    status: int
    start: Message
    body: Message

    @classmethod
    def of(cls, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()) -> Answer:
        """A response with this body."""
        told = [(b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff"), *headers]
        if body:
            told.append((b"content-type", content_type))
        return cls(
            status,
            {"type": "http.response.start", "status": status, "headers": told},
            {"type": "http.response.body", "body": body},
        )

    @classmethod
    def json(cls, status: int, value: object, headers: Headers = ()) -> Answer:
        """A response with this value as JSON."""
        return cls.of(status, orjson.dumps(value), JSON, headers)


class Refusal(Exception):
    """A request that is not taken.

    code: a slug, for machines and counters; message: what was found, what was expected; retry_after: seconds.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = [*headers, *([(b"retry-after", str(retry_after).encode())] if retry_after is not None else [])]

    def answer(self, *, is_ingest: bool) -> Answer:
        """The response; `is_ingest`: one that Segment's clients read."""
        if is_ingest:
            told: dict[str, object] = {"success": False, "code": self.code, "message": self.message}
            return Answer.json(self.status, told, [*self.headers, ANY_ORIGIN, _READABLE])
        return Answer.json(self.status, {"error": {"code": self.code, "message": self.message}}, self.headers)


class Gone(Exception):
    """The client went away before its request was complete; nobody is left to answer."""


def too_large(found: str, allowed: int, what: str = "the body") -> Refusal:
    """413: larger than may be."""
    return Refusal(413, "too_large", f"{what} has {found}, at most {allowed:,} bytes are taken")


def bad_json(what: str) -> Refusal:
    """400: not the JSON that was expected."""
    return Refusal(400, "bad_json", what)
