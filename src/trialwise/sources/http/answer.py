"""What an API said to one request."""

from __future__ import annotations

from dataclasses import dataclass

from trialwise.errors import SourceError


class PageRefused(SourceError):
    """The API knows no such page: an address or cursor kept from an earlier pull has run out."""


@dataclass(frozen=True)
class Answer:
    """One page as it came.

    url: where it came from, without secret; body: decompressed; link: the address of Link rel="next", absolute.
    """

    url: str
    body: bytes
    content_type: str
    link: str | None
