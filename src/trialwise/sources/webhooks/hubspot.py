"""HubSpot's app webhooks: arrays of CRM changes, signed with the URL they were sent to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from trialwise.sources import mail
from trialwise.sources.calls import Call, identity, record_of, report, required, text
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.bodies import pieces_of_json
from trialwise.sources.webhooks.checks import check_age, check_hmac, check_taken, decoded, header
from trialwise.sources.webhooks.protocol import MEBIBYTE, POST, Request

# The characters HubSpot decodes in the URL before it signs; every other escape stays.
_DECODED = {f"{ord(mark):02X}": mark for mark in ":/?@!$'()*,;"}
# What makes a change: eventId alone is not unique.
_TOLD = (
    *("eventId", "subscriptionType", "objectId", "occurredAt", "propertyName", "propertyValue"),
    *("changeFlag", "fromObjectId", "toObjectId", "portalId"),
)
_UNTOLD = frozenset({"attemptNumber", "eventId", "occurredAt", "subscriptionId", "subscriptionType", "appId"})


@dataclass(frozen=True)
class HubSpot:
    """Changes of contacts, companies, deals and other objects."""

    tolerance: timedelta = timedelta(minutes=5)
    name: str = "hubspot"
    source: str = "events"
    format: str = "hubspot"
    methods: frozenset[str] = POST
    max_bytes: int = 2 * MEBIBYTE  # at most 100 changes a request
    signed_by: str = (
        "HMAC-SHA256 of method, URL, body and time in X-HubSpot-Signature-v3; the secret is the app's client secret"
    )

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless the signature (version 3) fits a client secret and is at most 5 minutes old."""
        check_taken(request, secrets, self.methods, self.max_bytes)
        signature = decoded(header(request, "x-hubspot-signature-v3"))
        sent = header(request, "x-hubspot-request-timestamp")
        signed = (request.method + as_signed(request.url)).encode() + request.body + sent.encode()
        check_hmac(signature, signed, secrets, "sha256")
        check_age(request, sent, self.tolerance, per_second=1000)

    def pieces(self, request: Request) -> list[Piece]:
        """One piece per change."""
        return pieces_of_json(request.body)


def as_signed(url: str) -> str:
    """The URL as HubSpot signs it: without fragment, some characters of it decoded."""
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda found: _DECODED.get(found[1].upper(), found[0]), url.partition("#")[0])


def translate(raw: str, _envelope: str | None) -> Call:
    """One change in the CRM: none is an e-mail event. `eventId` is not unique, and a retry only counts attempts up."""
    record = record_of(raw)
    kind = text(record.get("subscriptionType")) or required(record, "eventType")
    return mail.mail_call(
        report("HubSpot", kind),
        {key: value for key, value in record.items() if key not in _UNTOLD},
        provider="hubspot",
        message_id=identity("hubspot", *(text(record.get(key)) for key in _TOLD)),
        timestamp=text(record.get("occurredAt")),
        recipient=text(record.get("propertyValue")) if record.get("propertyName") == "email" else None,
    )


WEBHOOK = HubSpot()
