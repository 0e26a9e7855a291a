"""What a webhook is to trialwise: a request, a check of who sent it, and the records in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trialwise.sources.piece import Piece

POST = frozenset({"POST"})
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Request:
    """A request as it arrived.

    url          the public URL the provider called, query and all
    headers      names in lower case
    body         the bytes as received, decompressed but never parsed
    received_at  our clock, UTC without zone
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


class Refused(Exception):
    """A request that is not taken: `reason` is a slug, all that may be said or counted of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return {"too_large": 413, "not_configured": 404, "bad_method": 405}.get(self.reason, 400)


class Webhook(Protocol):
    """One provider."""

    @property
    def name(self) -> str:
        """As in /webhooks/NAME and TRIALWISE_WEBHOOK_NAME."""
        ...

    @property
    def source(self) -> str:
        """'events' or 'stripe'."""
        ...

    @property
    def format(self) -> str:
        """How the loader reads the records: 'stripe', 'auto', or a key of sources.formats.TRANSLATORS."""
        ...

    @property
    def methods(self) -> frozenset[str]:
        """HTTP methods that are answered; those without a body are the provider asking whether anyone is there."""
        ...

    @property
    def max_bytes(self) -> int:
        """The largest body taken."""
        ...

    @property
    def signed_by(self) -> str:
        """One sentence for people: how a request is known to be the provider's."""
        ...

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless one of the secrets proves that the provider sent this request."""
        ...

    def pieces(self, request: Request) -> list[Piece]:
        """The records of a verified request, as sent; none where the provider only asks."""
        ...
