"""Mandrill (Mailchimp Transactional): a form whose one field is an array of events, signed with its URL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trialwise.sources import mail
from trialwise.sources.calls import Call, content_identity, identity, record_of, report, table, text
from trialwise.sources.piece import Piece, Untranslatable
from trialwise.sources.webhooks.bodies import form_fields, pieces_of_json
from trialwise.sources.webhooks.checks import check_hmac, check_taken, decoded, header
from trialwise.sources.webhooks.protocol import MEBIBYTE, Refused, Request

_EVENTS = {
    "send": mail.SENT,
    "delivered": mail.DELIVERED,
    "open": mail.OPENED,
    "click": mail.CLICKED,
    "hard_bounce": mail.BOUNCED,
    "soft_bounce": mail.BOUNCED,
    "spam": mail.COMPLAINED,
    "unsub": mail.UNSUBSCRIBED,
}
_ASKS = re.compile(rb"\s*\[\s*\]\s*")


@dataclass(frozen=True)
class Mandrill:
    """Events of messages, changes of the allow and deny lists, inbound mail. HEAD asks whether the URL is there."""

    name: str = "mandrill"
    source: str = "events"
    format: str = "mandrill"
    methods: frozenset[str] = frozenset({"HEAD", "POST"})
    max_bytes: int = 10 * MEBIBYTE
    signed_by: str = (
        "HMAC-SHA1 of the URL and the form's fields in X-Mandrill-Signature; the secret is the webhook's key"
    )

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless the signature fits one of the keys.

        HEAD is answered without: Mandrill sends it unsigned, before it shows the key.
        """
        if request.method == "HEAD":
            return
        check_taken(request, secrets, self.methods, self.max_bytes)
        signature = decoded(header(request, "x-mandrill-signature"))
        try:
            fields = sorted(form_fields(request.body))
        except ValueError:
            raise Refused("malformed_form") from None
        signed = request.url + "".join(name + value for name, value in fields)
        check_hmac(signature, signed.encode("utf-8", "surrogateescape"), secrets, "sha1")

    def pieces(self, request: Request) -> list[Piece]:
        """One piece per event of the field `mandrill_events`; an empty list asks whether the URL is there."""
        if request.method == "HEAD":
            return []
        found = [value for name, value in form_fields(request.body) if name == "mandrill_events"]
        if not found:
            return [Piece(1, 0, request.body, None, "unknown_shape", "no field mandrill_events")]
        lists = [value.encode("utf-8", "surrogateescape") for value in found]
        return [piece for value in lists if not _ASKS.fullmatch(value) for piece in pieces_of_json(value)]


def translate(raw: str, _envelope: str | None) -> Call:
    """One event of Mandrill's; a message has one id, so what happened to it when is part of the event's."""
    record = record_of(raw)
    message = table(record.get("msg"))
    kind, sync = text(record.get("event")), text(record.get("type"))
    if kind is None and sync is None:
        raise Untranslatable("unknown_shape", "no event and no type")
    if kind is None:
        return _list_change(raw)
    event = _EVENTS.get(kind)
    about = text(record.get("_id")) or text(message.get("_id"))
    moment, link, agent = (text(record.get(key)) for key in ("ts", "url", "user_agent"))
    tags = message.get("tags")
    return mail.mail_call(
        event or report("Mandrill", kind),
        {
            "campaign_name": text(message.get("template")) or mail.first_text(tags),
            "message_id": about,
            "link_url": link,
            "user_agent": agent,
            "is_privacy_proxy": mail.is_prefetch(agent),
            "bounce_type": kind if event == mail.BOUNCED else None,
        },
        provider="mandrill",
        message_id=identity("mandrill", kind, about, moment, link, agent)
        if about
        else content_identity("mandrill", record),
        timestamp=moment,
        recipient=text(message.get("email")),
        **mail.own_ids(message.get("metadata")),
    )


def _list_change(raw: str) -> Call:
    """A change of the allow or deny list ("sync event"): it has no id and no time of its own."""
    record = record_of(raw)
    entry = table(record.get("reject")) or table(record.get("entry"))
    return mail.mail_call(
        report("Mandrill", f"{text(record.get('type'))} {text(record.get('action')) or ''}"),
        {"detail": text(entry.get("reason")) or text(entry.get("detail"))},
        provider="mandrill",
        message_id=content_identity("mandrill", record),
        timestamp=text(record.get("ts")),
        recipient=text(entry.get("email")),
    )


WEBHOOK = Mandrill()
