"""What the collector is handed: where records go, who may send them, and how much of it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from trialwise.errors import DiskFull as Full
from trialwise.errors import Overloaded
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.protocol import Webhook

Land = Callable[[str, str, str, datetime, Sequence[Piece]], "Future[None]"]
"""(source, format, name, received_at, pieces of one request) -> resolved once they are durable.

Raises Overloaded at once; the future raises Full or any StoreError.
"""
Authorize = Callable[[str | None, str], bool]
"""(key or None, scope) -> whether a request with this key may do what needs the scope.

While no key exists and the server listens on loopback alone, everything is allowed, also with a key nobody knows:
clients insist on sending one.
"""
Count = Callable[[str, Mapping[str, str], float], None]
"""(name, labels, value): adds to a counter. Names and labels:

requests          route, status                 every request answered
records           route, format                 records answered 2xx, thus durable
received_bytes    route                         bytes of bodies that were taken, decompressed
refused           route, code                   requests answered 4xx or 5xx, by reason
webhooks_refused  provider, reason              webhook calls whose signature was not good
"""

__all__ = ["ANY_HOST", "Authorize", "Count", "Doors", "Full", "Health", "Land", "Limits", "Overloaded", "hosts_for"]

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
ANY_HOST = "*"


class Health(NamedTuple):
    """Whether events can be taken and made durable now; `reason` says why not, `details` what else is worth knowing."""

    is_ready: bool
    reason: str | None = None
    details: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Limits:
    """How much one request, and all of them together, may hold. Sizes in bytes, after decompression.

    call              one call to a single-call route, or in a batch (Segment's documented 32 KB)
    batch             the body of a batch: RudderStack's clients fill 4 MB and add one call more
    keyless           a body that has to be read for its writeKey, before it is known whether the sender may send
    calls             records in one request (Segment's documented 2,500)
    event             one record of /v1/events (CloudEvents asks consumers to take 64 KB)
    events            the body of /v1/events
    held              all bodies being received or made durable
    requests          requests being served
    body_seconds      from the head of a request to the end of its body
    landing_seconds   until records are durable
    """

    call: int = 32 << 10
    batch: int = (8 << 20) + (64 << 10)
    keyless: int = 500 << 10
    calls: int = 2_500
    event: int = 64 << 10
    events: int = 4 << 20
    held: int = 32 << 20
    requests: int = 512
    body_seconds: float = 30.0
    landing_seconds: float = 20.0


@dataclass(frozen=True)
class Doors:
    """Everything the collector needs.

    webhooks       providers by name; secrets: those that are configured, several while one is rotated
    public_url     how the world reaches the server, for providers that sign the URL
    allowed_hosts  values of the Host header (without port) that are answered, '*' for any; see hosts_for
    now            UTC without zone
    metrics_text   (body, content type) in Prometheus' text format
    """

    land: Land
    authorize: Authorize
    now: Callable[[], datetime]
    health: Callable[[], Health]
    metrics_text: Callable[[], tuple[bytes, str]]
    count: Count
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    secrets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    public_url: str | None = None
    allowed_hosts: frozenset[str] = frozenset(LOOPBACK_NAMES)


def hosts_for(bound_to: str, allowed: Iterable[str], public_url: str | None) -> frozenset[str]:
    """The Host names to answer when listening on the address `bound_to`.

    On loopback: loopback's names and what is allowed by configuration, so that no page in a browser reaches the server
    under a name of its own (DNS rebinding). Elsewhere keys are needed; any name is answered unless some are configured.
    """
    names = {name.lower() for name in allowed}
    public = urlsplit(public_url).hostname if public_url else None
    is_loopback = bound_to in ("localhost", "::1") or bound_to.startswith("127.")
    if not names and not is_loopback:
        return frozenset({ANY_HOST})
    return frozenset({*names, *LOOPBACK_NAMES, *([_bracketed(bound_to)]), *([_bracketed(public)] if public else [])})


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()
