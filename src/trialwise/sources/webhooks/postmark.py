"""Postmark: one event a request, without a signature; user name and password stand in the URL (basic auth)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trialwise.sources import mail
from trialwise.sources.calls import Call, content_identity, identity, record_of, report, required, table, text
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.bodies import pieces_of_json
from trialwise.sources.webhooks.checks import check_secret, check_taken, decoded, header
from trialwise.sources.webhooks.protocol import MEBIBYTE, POST, Refused, Request

_EVENTS = {
    "Delivery": mail.DELIVERED,
    "Open": mail.OPENED,
    "Click": mail.CLICKED,
    "Bounce": mail.BOUNCED,
    "SpamComplaint": mail.COMPLAINED,
}
# What Postmark calls bounces without anything having bounced.
_NO_BOUNCE = {
    "Unsubscribe": mail.UNSUBSCRIBED,
    "SpamComplaint": mail.COMPLAINED,
    "SpamNotification": mail.COMPLAINED,
    **dict.fromkeys(("Subscribe", "Transient", "AutoResponder", "AddressChange", "OpenRelayTest"), None),
}
_TIMES = ("DeliveredAt", "ReceivedAt", "BouncedAt", "ChangedAt")
_KEPT = ("MessageStream", "Origin", "SuppressSending", "SuppressionReason", "Type", "Name", "Description")


@dataclass(frozen=True)
class Postmark:
    """Events of mail."""

    name: str = "postmark"
    source: str = "events"
    format: str = "postmark"
    methods: frozenset[str] = POST
    max_bytes: int = 5 * MEBIBYTE  # bounces can carry the message
    signed_by: str = "nothing: basic auth; the secret is USER:PASSWORD as in the URL"

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless user name and password are one of the secrets."""
        check_taken(request, secrets, self.methods, self.max_bytes)
        scheme, _, credentials = header(request, "authorization").partition(" ")
        if scheme.lower() != "basic":
            raise Refused("missing_signature")
        check_secret(decoded(credentials.strip()).decode("utf-8", "surrogateescape"), secrets)

    def pieces(self, request: Request) -> list[Piece]:
        """The event."""
        return pieces_of_json(request.body)


def translate(raw: str, _envelope: str | None) -> Call:
    """One event of Postmark's. One message to several people has one id."""
    record = record_of(raw)
    kind = required(record, "RecordType")
    event = _event(kind, record)
    recipient = text(record.get("Recipient")) or text(record.get("Email"))
    moment = next(filter(None, (text(record.get(name)) for name in _TIMES)), None)
    link, agent, number = (text(record.get(name)) for name in ("OriginalLink", "UserAgent", "ID"))
    message = text(record.get("MessageID"))
    if number is not None:
        told = identity("postmark", kind, number)
    elif message is not None and moment is not None:
        change = [text(record.get("SuppressionReason")), str(record.get("SuppressSending"))]
        told = identity("postmark", kind, message, recipient, moment, link, agent, *change)
    else:
        told = content_identity("postmark", record)
    return mail.mail_call(
        event or report("Postmark", kind if kind != "Bounce" else f"Bounce {text(record.get('Type')) or ''}"),
        {
            "campaign_name": text(record.get("Tag")),
            "message_id": message,
            "link_url": link,
            "user_agent": agent,
            "is_privacy_proxy": mail.is_prefetch(agent),
            "bounce_type": text(record.get("Type")) if event == mail.BOUNCED else None,
            **({} if event else {key: record.get(key) for key in _KEPT}),
        },
        provider="postmark",
        message_id=told,
        timestamp=moment,
        recipient=recipient,
        **mail.own_ids(table(record.get("Metadata"))),
    )


def _event(kind: str, record: Mapping[str, Any]) -> str | None:
    """The e-mail event, or None for another one.

    A change of subscription is one only when the recipient asked for it: bounces and complaints are told by their own.
    """
    if kind == "SubscriptionChange":
        wanted = record.get("SuppressSending") is True and record.get("Origin") == "Recipient"
        return mail.UNSUBSCRIBED if wanted and record.get("SuppressionReason") == "ManualSuppression" else None
    if kind == "Bounce" and (called := text(record.get("Type"))) in _NO_BOUNCE:
        return _NO_BOUNCE[called]
    return _EVENTS.get(kind)


WEBHOOK = Postmark()
