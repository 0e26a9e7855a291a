"""Drip: one event a request, without a signature, so the secret stands in the URL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from trialwise.sources import mail
from trialwise.sources.calls import Call, identity, record_of, report, required, table, text
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.bodies import pieces_of_json
from trialwise.sources.webhooks.checks import check_taken, check_url_secret
from trialwise.sources.webhooks.protocol import MEBIBYTE, POST, Request

_EVENTS = {
    "subscriber.received_email": mail.DELIVERED,
    "subscriber.opened_email": mail.OPENED,
    "subscriber.clicked_email": mail.CLICKED,
    "subscriber.bounced": mail.BOUNCED,
    "subscriber.complained": mail.COMPLAINED,
    "subscriber.unsubscribed_from_campaign": mail.UNSUBSCRIBED,
    "subscriber.unsubscribed_all": mail.UNSUBSCRIBED,
}


@dataclass(frozen=True)
class Drip:
    """Events of subscribers."""

    name: str = "drip"
    source: str = "events"
    format: str = "drip"
    methods: frozenset[str] = POST
    max_bytes: int = MEBIBYTE
    signed_by: str = "nothing: the secret stands in the URL (?secret=...)"

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless the URL carries one of the secrets."""
        check_taken(request, secrets, self.methods, self.max_bytes)
        check_url_secret(request, secrets)

    def pieces(self, request: Request) -> list[Piece]:
        """The event."""
        return pieces_of_json(request.body)


def translate(raw: str, _envelope: str | None) -> Call:
    """One event of Drip's. It has no id; the subscriber's other fields may change before a retry and do not count."""
    record = record_of(raw)
    kind, data = required(record, "event"), table(record.get("data"))
    person, properties = table(data.get("subscriber")), table(data.get("properties"))
    event = _EVENTS.get(kind)
    moment, agent = text(record.get("occurred_at")), text(properties.get("user_agent"))
    told = json.dumps(properties, sort_keys=True)
    who = text(person.get("id")) or text(person.get("email"))
    return mail.mail_call(
        event or report("Drip", kind.removeprefix("subscriber.")),
        {
            **({} if event else properties),
            "campaign_id": text(properties.get("campaign_id")) or text(properties.get("email_id")),
            "campaign_name": text(properties.get("campaign_name")) or text(properties.get("email_subject")),
            "message_id": text(properties.get("delivery_id")),
            "link_url": text(properties.get("url")),
            "user_agent": agent,
            "is_privacy_proxy": mail.is_prefetch(agent),
        },
        provider="drip",
        message_id=identity("drip", kind, moment, who, told),
        timestamp=moment,
        recipient=text(person.get("email")),
        user_id=text(person.get("user_id")),
    )


WEBHOOK = Drip()
