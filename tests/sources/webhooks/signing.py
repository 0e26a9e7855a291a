"""Requests as each provider signs them, written from the providers' documentation alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trialwise.sources.webhooks import Request

NOW = datetime(2026, 3, 1, 12)
BASE = "https://events.example.com/webhooks"


def epoch(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp())


def hmac_of(secret: str, message: bytes, digest: str) -> bytes:
    return hmac.new(secret.encode(), message, getattr(hashlib, digest)).digest()


@dataclass(frozen=True)
class Sender:
    """A provider as seen from its side.

    body: what it sends; sign: (secret, body, moment) -> the request; secrets: two of its secrets, as configured;
    header: the header without which nothing is proven, None where the secret stands in the URL;
    tolerance: seconds after which a signature is too old, None where no time is signed;
    proven_by: where the proof stands in the body, (request, text) -> the request with that proof, None: without one.
    """

    body: bytes
    sign: Callable[[str, bytes, datetime], Request]
    secrets: tuple[str, str]
    header: str | None
    tolerance: int | None = None
    altered: bool = True  # whether the signature covers the body
    proven_by: Callable[[Request, str | None], Request] | None = None


def sender_of(name: str) -> Sender:
    """The provider's own side: from below, or SENDER of its test, tests/sources/webhooks/test_NAME.py."""
    if name in SENDERS:
        return SENDERS[name]
    sender = importlib.import_module(f"{__package__}.test_{name}").SENDER
    assert isinstance(sender, Sender)
    return sender


def post(name: str, body: bytes, headers: Mapping[str, str], query: str = "") -> Request:
    return Request("POST", f"{BASE}/{name}{query}", dict(headers), body, NOW)


def stripe(secret: str, body: bytes, moment: datetime) -> Request:
    sent = epoch(moment)
    told = hmac_of(secret, f"{sent}.".encode() + body, "sha256").hex()
    return post("stripe", body, {"stripe-signature": f"t={sent},v1={told},v0={'0' * 64}"})


@cache
def key_pair(name: str) -> tuple[ec.EllipticCurvePrivateKey, str]:
    """A key pair for SendGrid, and its public half as the settings page shows it."""
    key = ec.derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest()), ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key, base64.b64encode(public).decode()


def sendgrid(secret: str, body: bytes, moment: datetime) -> Request:
    key = next(key for key, public in (key_pair("new"), key_pair("old"), key_pair("other")) if public == secret)
    sent = str(epoch(moment))
    signature = base64.b64encode(key.sign(sent.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    return post(
        "sendgrid",
        body,
        {
            "x-twilio-email-event-webhook-signature": signature,
            "x-twilio-email-event-webhook-timestamp": sent,
        },
    )


def customerio(secret: str, body: bytes, moment: datetime) -> Request:
    sent = str(epoch(moment))
    told = hmac_of(secret, f"v0:{sent}:".encode() + body, "sha256").hex()
    return post("customerio", body, {"x-cio-signature": told, "x-cio-timestamp": sent})


def mandrill(secret: str, body: bytes, moment: datetime) -> Request:
    events = body.decode()
    url = f"{BASE}/mandrill"
    told = base64.b64encode(hmac_of(secret, f"{url}mandrill_events{events}".encode(), "sha1")).decode()
    form = urlencode({"mandrill_events": events}).encode()
    return post("mandrill", form, {"x-mandrill-signature": told})


def hubspot(secret: str, body: bytes, moment: datetime) -> Request:
    sent = str(epoch(moment) * 1000)
    url = f"{BASE}/hubspot"
    told = base64.b64encode(hmac_of(secret, f"POST{url}".encode() + body + sent.encode(), "sha256")).decode()
    return post("hubspot", body, {"x-hubspot-signature-v3": told, "x-hubspot-request-timestamp": sent})


def postmark(secret: str, body: bytes, moment: datetime) -> Request:
    return post("postmark", body, {"authorization": "Basic " + base64.b64encode(secret.encode()).decode()})


def in_url(name: str) -> Callable[[str, bytes, datetime], Request]:
    def sign(secret: str, body: bytes, moment: datetime) -> Request:
        return post(name, body, {}, f"?secret={quote(secret, safe='')}")

    return sign


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_WORDS = ("a-new-secret", "an-old-secret")

SENDERS: Mapping[str, Sender] = {
    "stripe": Sender(
        compact({"id": "evt_1", "object": "event", "type": "invoice.paid"}),
        stripe, ("whsec_new", "whsec_old"), "stripe-signature", 300,
    ),
    "sendgrid": Sender(
        compact([{"event": "open", "email": "ann@acme.example", "timestamp": 1772366400, "sg_event_id": "e1"}]),
        sendgrid, (key_pair("new")[1], key_pair("old")[1]), "x-twilio-email-event-webhook-signature", 25 * 3600,
    ),
    "customerio": Sender(
        compact({"event_id": "01J", "object_type": "email", "metric": "sent", "timestamp": 1772366400, "data": {}}),
        customerio, _WORDS, "x-cio-signature", 8 * 86400,
    ),
    "mailchimp": Sender(
        b"type=unsubscribe&fired_at=2026-03-01+12%3A00%3A00&data%5Bemail%5D=ann%40acme.example",
        in_url("mailchimp"), _WORDS, None, None, altered=False,
    ),
    "mandrill": Sender(
        compact([{"event": "open", "_id": "m1", "ts": 1772366400, "msg": {"email": "ann+x@acme.example"}}]),
        mandrill, _WORDS, "x-mandrill-signature",
    ),
    "postmark": Sender(
        compact({"RecordType": "Open", "MessageID": "m1", "Recipient": "ann@acme.example"}),
        postmark, ("trialwise:new", "trialwise:old"), "authorization", None, altered=False,
    ),
    "hubspot": Sender(
        compact([{"eventId": 1, "subscriptionType": "contact.creation", "objectId": 5, "occurredAt": 1772366400000}]),
        hubspot, _WORDS, "x-hubspot-signature-v3", 300,
    ),
    "drip": Sender(
        compact({"event": "subscriber.opened_email", "data": {}, "occurred_at": "2026-03-01T12:00:00Z"}),
        in_url("drip"), _WORDS, None, None, altered=False,
    ),
}  # fmt: skip
