"""SendGrid's Event Webhook: arrays of events, signed with the key pair of the account."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from trialwise.sources import mail
from trialwise.sources.calls import Call, content_identity, identity, record_of, report, required, text
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.bodies import pieces_of_json
from trialwise.sources.webhooks.checks import check_age, check_taken, decoded, header
from trialwise.sources.webhooks.protocol import MEBIBYTE, POST, Refused, Request

_EVENTS = {
    "delivered": mail.DELIVERED,
    "open": mail.OPENED,
    "click": mail.CLICKED,
    "bounce": mail.BOUNCED,
    "unsubscribe": mail.UNSUBSCRIBED,
    "group_unsubscribe": mail.UNSUBSCRIBED,
    "spamreport": mail.COMPLAINED,
}


@dataclass(frozen=True)
class SendGrid:
    """Events of mail.

    tolerance: SendGrid retries for 24 hours and does not say whether a retry is signed anew.
    """

    tolerance: timedelta = timedelta(hours=25)
    name: str = "sendgrid"
    source: str = "events"
    format: str = "sendgrid"
    methods: frozenset[str] = POST
    max_bytes: int = 5 * MEBIBYTE
    signed_by: str = "ECDSA (P-256) in X-Twilio-Email-Event-Webhook-Signature; the secret is SendGrid's public key"

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless the signature fits one of the public keys."""
        check_taken(request, secrets, self.methods, self.max_bytes)
        signature = decoded(header(request, "x-twilio-email-event-webhook-signature"))
        sent = header(request, "x-twilio-email-event-webhook-timestamp")
        message = sent.encode("utf-8", "surrogateescape") + request.body
        fits = False
        for secret in secrets:
            fits |= _fits(secret, signature, message)
        if not fits:
            raise Refused("wrong_signature")
        check_age(request, sent, self.tolerance)

    def pieces(self, request: Request) -> list[Piece]:
        """One piece per event of the array."""
        return pieces_of_json(request.body)


def _fits(secret: str, signature: bytes, message: bytes) -> bool:
    """Whether a public key (base64 of its DER form, as SendGrid shows it) signed the message; False for no key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(base64.b64decode(secret, validate=True))
    except (binascii.Error, ValueError):
        return False
    if not isinstance(key, EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def translate(raw: str, _envelope: str | None) -> Call:
    """One event of SendGrid's."""
    record = record_of(raw)
    kind = required(record, "event")
    sg_event_id = text(record.get("sg_event_id"))
    return mail.mail_call(
        _EVENTS.get(kind) or report("SendGrid", kind),
        {
            "campaign_id": text(record.get("marketing_campaign_id")) or text(record.get("singlesend_id")),
            "campaign_name": text(record.get("marketing_campaign_name"))
            or text(record.get("singlesend_name"))
            or mail.first_text(record.get("category")),
            "message_id": text(record.get("sg_message_id")) or text(record.get("smtp-id")),
            "link_url": text(record.get("url")),
            "user_agent": text(record.get("useragent")),
            "is_privacy_proxy": _flag(record, "sg_machine_open") or mail.is_prefetch(text(record.get("useragent"))),
            "bounce_type": text(record.get("type")) if kind == "bounce" else None,
        },
        provider="sendgrid",
        message_id=identity("sendgrid", sg_event_id) if sg_event_id else content_identity("sendgrid", record),
        timestamp=text(record.get("timestamp")),
        recipient=text(record.get("email")),
        **mail.own_ids(record),  # custom arguments stand beside SendGrid's own fields
    )


def _flag(record: Mapping[str, Any], key: str) -> bool | None:
    return True if record.get(key) in (True, "true", "True", 1, "1") else None


WEBHOOK = SendGrid()
