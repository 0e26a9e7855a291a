"""Webhooks: signed, at least once, retried for three days, in any order, or lost."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

from tests.fakes.stripe.clock import DAY, HOUR
from tests.fakes.stripe.events import Entry
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode

RETRY_AFTER = (60, 300, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, 22 * HOUR, 34 * HOUR, 46 * HOUR, 58 * HOUR, 3 * DAY)
"""Seconds after the first try of the next ones; then Stripe gives up."""

Receiver = Callable[[bytes, dict[str, str]], int]


def sign(body: bytes, secrets: list[str], timestamp: int) -> str:
    """The Stripe-Signature header: one `v1` per secret (two while rotating)."""
    payload = f"{timestamp}.".encode() + body
    parts = [hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={part}" for part in parts), "v0=" + "0" * 64])


def thin(event: Object) -> Object:
    """The thin (v2) form of an event: no object, ISO time."""
    named = event["data"]["object"]
    return {
        "id": event["id"],
        "object": "v2.core.event",
        "context": None,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(event["created"])),
        "livemode": event["livemode"],
        "reason": None,
        "related_object": {
            "id": named.get("id"),
            "type": named["object"],
            "url": f"/v1/{named['object']}s/{named.get('id')}",
        },
        "type": f"v1.{event['type']}",
    }


@dataclass
class Endpoint:
    """Where events go, signed with which secrets, in which version (None: that of the event)."""

    target: str | Receiver
    secrets: list[str] = field(default_factory=lambda: ["whsec_fake"])
    api_version: str | None = None
    types: tuple[str, ...] = ("*",)
    shuffle: Random | None = None
    """Deliver what is due in an order of its making."""
    twice: float = 0.0
    """Share of deliveries that come again (needs `shuffle`)."""
    thin: bool = False
    lost_until: int = 0
    """Events until then are lost: never delivered, never retried."""
    down_until: int = 0
    """Deliveries until then fail and are retried."""


@dataclass
class Delivery:
    """One event on its way to one endpoint."""

    entry: Entry
    endpoint: Endpoint
    due: int
    first: int
    tries: int = 0


class Deliveries:
    """All webhook endpoints of a mode; `flush` sends what is due."""

    def __init__(self, mode: Mode, timestamp: Callable[[], int] | None = None) -> None:
        self._mode = mode
        self._timestamp = timestamp or (lambda: int(time.time()))
        self.endpoints: list[Endpoint] = []
        self.waiting: list[Delivery] = []
        self.sent: list[tuple[str, int]] = []
        """Event id and answered status of every delivery made."""
        mode.log.listeners.append(self._hear)
        mode.world.clock.after_step.append(self.flush)

    def add(self, target: str | Receiver, **fields: object) -> Endpoint:
        """Register an endpoint: a URL, or a function of body and headers that returns a status."""
        endpoint = Endpoint(target, **fields)  # type: ignore[arg-type]
        self.endpoints.append(endpoint)
        return endpoint

    def lose(self, *, hours: float = 0, days: float = 0) -> None:
        """Lose every event of that long from now on."""
        for endpoint in self.endpoints:
            endpoint.lost_until = self._mode.now + round(hours * HOUR + days * DAY)

    def down(self, *, hours: float = 0, days: float = 0) -> None:
        """Let every delivery of that long from now on fail; Stripe retries it for three days."""
        for endpoint in self.endpoints:
            endpoint.down_until = self._mode.now + round(hours * HOUR + days * DAY)

    def _hear(self, entry: Entry) -> None:
        type = entry.envelope["type"]
        for endpoint in self.endpoints:
            if self._mode.now < endpoint.lost_until:
                continue
            if "*" in endpoint.types or type in endpoint.types:
                self.waiting.append(Delivery(entry, endpoint, self._mode.now, self._mode.now))
                entry.envelope["pending_webhooks"] += 1

    def flush(self) -> None:
        """Send what is due, in order or shuffled; what fails waits for its next try."""
        due = [delivery for delivery in self.waiting if delivery.due <= self._mode.now]
        self.waiting = [delivery for delivery in self.waiting if delivery.due > self._mode.now]
        for endpoint in self.endpoints:
            batch = [delivery for delivery in due if delivery.endpoint is endpoint]
            if endpoint.shuffle:
                batch += [delivery for delivery in batch if endpoint.shuffle.random() < endpoint.twice]
                endpoint.shuffle.shuffle(batch)
            for delivery in batch:
                self._send(delivery)

    def _send(self, delivery: Delivery) -> None:
        endpoint, now = delivery.endpoint, self._mode.now
        body = self.body(delivery.entry, endpoint)
        status = 0
        if now >= endpoint.down_until:
            status = post(endpoint.target, body, self.headers(body, endpoint))
        self.sent.append((delivery.entry.envelope["id"], status))
        if 200 <= status < 300:
            delivery.entry.envelope["pending_webhooks"] = max(0, delivery.entry.envelope["pending_webhooks"] - 1)
            return
        if delivery.tries < len(RETRY_AFTER):
            delivery.due = delivery.first + RETRY_AFTER[delivery.tries]
            delivery.tries += 1
            self.waiting.append(delivery)
            self._mode.world.clock.at(delivery.due, lambda: None)

    def body(self, entry: Entry, endpoint: Endpoint) -> bytes:
        """What is posted: indented JSON as Stripe sends it."""
        version = endpoint.api_version or entry.envelope["api_version"]
        event = entry.render(version, self._mode.store.find)
        return json.dumps(thin(event) if endpoint.thin else event, indent=2, ensure_ascii=False).encode()

    def headers(self, body: bytes, endpoint: Endpoint) -> dict[str, str]:
        """Headers of a delivery of `body`, signed for this moment."""
        return {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "stripe-signature": sign(body, endpoint.secrets, self._timestamp()),
        }


def post(target: str | Receiver, body: bytes, headers: dict[str, str]) -> int:
    """The status of one POST; 0 when nobody answers within ten seconds."""
    if not isinstance(target, str):
        return target(body, headers)
    url = urlsplit(target)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    try:
        connection.request("POST", url.path + (f"?{url.query}" if url.query else ""), body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
