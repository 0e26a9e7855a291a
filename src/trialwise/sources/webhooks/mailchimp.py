"""Mailchimp's audience webhooks: forms without a signature, so the secret stands in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trialwise.sources import mail
from trialwise.sources.calls import Call, content_identity, record_of, report, required, table, text
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.bodies import pieces_of_form
from trialwise.sources.webhooks.checks import check_taken, check_url_secret
from trialwise.sources.webhooks.protocol import MEBIBYTE, Request

_REASONS = {
    ("unsubscribe", "abuse"): mail.COMPLAINED,
    ("cleaned", "abuse"): mail.COMPLAINED,
    ("cleaned", "hard"): mail.BOUNCED,
}


@dataclass(frozen=True)
class Mailchimp:
    """Changes of an audience. Mailchimp asks by GET whether the URL is there, before it takes it."""

    name: str = "mailchimp"
    source: str = "events"
    format: str = "mailchimp"
    methods: frozenset[str] = frozenset({"GET", "HEAD", "POST"})
    max_bytes: int = MEBIBYTE
    signed_by: str = "nothing: the secret stands in the URL (?secret=...)"

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless the URL carries one of the secrets."""
        check_taken(request, secrets, self.methods, self.max_bytes)
        check_url_secret(request, secrets)

    def pieces(self, request: Request) -> list[Piece]:
        """The form as one JSON object; nothing where Mailchimp only asks."""
        return pieces_of_form(request.body) if request.method == "POST" else []


def translate(raw: str, _envelope: str | None) -> Call:
    """One change of an audience; `fired_at` is UTC without saying so."""
    record = record_of(raw)
    kind, data = required(record, "type"), table(record.get("data"))
    reason = text(data.get("reason"))
    event = _REASONS.get((kind, reason or ""))
    if event is None:
        event = {"unsubscribe": mail.UNSUBSCRIBED, "cleaned": mail.BOUNCED}.get(kind)
    told = {key: value for key, value in data.items() if key not in ("email", "merges")}
    return mail.mail_call(
        event or report("Mailchimp", _NAMES.get(kind, kind)),
        {
            "campaign_id": text(data.get("campaign_id")) or (text(data.get("id")) if kind == "campaign" else None),
            "bounce_type": reason if event == mail.BOUNCED else None,
            "list_id": text(data.get("list_id")),
            **({} if event else told),
        },
        provider="mailchimp",
        message_id=content_identity("mailchimp", record),
        timestamp=text(record.get("fired_at")),
        recipient=text(data.get("email")) or text(data.get("new_email")),
    )


_NAMES = {"profile": "profile update", "upemail": "address change", "campaign": "campaign status"}

WEBHOOK = Mailchimp()
