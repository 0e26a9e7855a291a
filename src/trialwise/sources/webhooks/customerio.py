"""Customer.io's reporting webhooks: one event a request, signed; later events wait until this one is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from trialwise.sources import mail
from trialwise.sources.calls import Call, content_identity, given, identity, record_of, report, required, table, text
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.bodies import pieces_of_json
from trialwise.sources.webhooks.checks import check_age, check_hmac, check_taken, header, unhexed
from trialwise.sources.webhooks.protocol import MEBIBYTE, POST, Request

_EVENTS = {
    "sent": mail.SENT,
    "delivered": mail.DELIVERED,
    "opened": mail.OPENED,
    "clicked": mail.CLICKED,
    "bounced": mail.BOUNCED,
    "spammed": mail.COMPLAINED,
    "unsubscribed": mail.UNSUBSCRIBED,
}
_PLACES = ("campaign_id", "newsletter_id", "broadcast_id", "transactional_message_id")


@dataclass(frozen=True)
class CustomerIo:
    """Events of messages and people.

    tolerance: Customer.io retries for 7 days and does not say whether a retry is signed anew.
    """

    tolerance: timedelta = timedelta(days=8)
    name: str = "customerio"
    source: str = "events"
    format: str = "customerio"
    methods: frozenset[str] = POST
    max_bytes: int = 5 * MEBIBYTE  # with "Body Content" switched on, sent events carry the message
    signed_by: str = "HMAC-SHA256 of v0:TIMESTAMP:BODY in X-CIO-Signature; the secret is the webhook's signing key"

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless the signature fits one of the signing keys."""
        check_taken(request, secrets, self.methods, self.max_bytes)
        signature = unhexed(header(request, "x-cio-signature"))
        sent = header(request, "x-cio-timestamp")
        check_hmac(signature, b"v0:" + sent.encode() + b":" + request.body, secrets, "sha256")
        check_age(request, sent, self.tolerance)

    def pieces(self, request: Request) -> list[Piece]:
        """The event."""
        return pieces_of_json(request.body)


def translate(raw: str, _envelope: str | None) -> Call:
    """One event of Customer.io's; it names the person by the company's own id."""
    record = record_of(raw)
    kind, metric, data = required(record, "object_type"), required(record, "metric"), table(record.get("data"))
    people = table(data.get("identifiers"))
    event_id = text(record.get("event_id"))
    event = _EVENTS.get(metric) if kind == "email" else None
    fetched = data.get("prefetched") is True
    return mail.mail_call(
        event or report("Customer.io", f"{kind} {metric}"),
        {
            "campaign_id": next(filter(None, (text(data.get(place)) for place in _PLACES)), None),
            "message_id": text(data.get("delivery_id")),
            "link_url": text(data.get("href")),
            "user_agent": text(data.get("user_agent")),
            "is_bot": True if event == mail.CLICKED and fetched else None,
            "is_privacy_proxy": True if fetched or data.get("proxied") is True else None,
            **({} if event else _told(data)),
        },
        provider="customerio",
        message_id=identity("customerio", event_id) if event_id else content_identity("customerio", record),
        timestamp=text(record.get("timestamp")),
        recipient=text(data.get("recipient")) or text(people.get("email")) or text(data.get("email_address")),
        # identifiers came later than customer_id, which is the company's id only where there are none
        user_id=text(people.get("id")) if people else text(data.get("customer_id")),
    )


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an event besides e-mail says, without the message itself."""
    left_out = {"identifiers", "customer_id", "recipient", "body", "headers", *_PLACES}
    return given({key: value for key, value in data.items() if key not in left_out})


WEBHOOK = CustomerIo()
