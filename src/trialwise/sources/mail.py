"""The one shape of e-mail events, whatever provider tells of them: Segment's names, and the person by address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trialwise.sources.calls import Call, given, table, text

SENT = "Email Sent"
DELIVERED = "Email Delivered"
OPENED = "Email Opened"
CLICKED = "Email Link Clicked"
REPLIED = "Email Replied"
BOUNCED = "Email Bounced"
UNSUBSCRIBED = "Unsubscribed"
COMPLAINED = "Email Marked as Spam"


def mail_call(
    event: str,
    properties: Mapping[str, Any],
    *,
    provider: str,
    message_id: str,
    timestamp: str | None,
    recipient: str | None,
    user_id: str | None = None,
    account_id: str | None = None,
) -> Call:
    """A track call of an e-mail event, or of what else a provider reports.

    message_id: unique to the event (not the message); timestamp: ISO 8601 or epoch text; recipient: the address it is
    about, by which the user is found; user_id, account_id: the company's own, where the provider has a place for them;
    properties: campaign_id, campaign_name, message_id, link_url, user_agent, is_bot, is_privacy_proxy and others.
    """
    return given(
        {
            "type": "track",
            "event": event,
            "messageId": message_id,
            "timestamp": timestamp,
            "userId": user_id,
            "context": given({"groupId": account_id}),
            "properties": given({"recipient": recipient, **properties, "provider": provider}),
        }
    )


def own_ids(metadata: object) -> dict[str, str | None]:
    """user_id and account_id a message was sent with, as its custom fields trialwise_user_id and trialwise_account_id.

    Fields under other names are never taken for ids: whose ids they are, nobody knows.
    """
    fields = table(metadata)
    return {"user_id": text(fields.get("trialwise_user_id")), "account_id": text(fields.get("trialwise_account_id"))}


def is_prefetch(user_agent: str | None) -> bool | None:
    """True for the bare user agent of Apple's Mail Privacy Protection, which fetches every message; else None."""
    return True if user_agent == "Mozilla/5.0" else None


def first_text(value: object) -> str | None:
    """The text, or the first of a list of texts."""
    return text(value[0]) if isinstance(value, list) and value else text(value)
