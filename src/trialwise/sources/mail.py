"""The one shape of e-mail events, whatever provider tells of them: Segment's names, and the person by address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trialwise.sources.calls import Call, given

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
) -> Call:
    """A track call of an e-mail event, or of what else a provider reports.

    message_id: unique to the event (not the message); timestamp: ISO 8601 or epoch text; recipient: the address it is
    about, by which the user is found; user_id: the company's own id, where the provider has a place for it;
    properties: campaign_id, campaign_name, message_id, link_url, user_agent, is_bot, is_privacy_proxy and others.
    """
    return given(
        {
            "type": "track",
            "event": event,
            "messageId": message_id,
            "timestamp": timestamp,
            "userId": user_id,
            "properties": given({"recipient": recipient, **properties, "provider": provider}),
        }
    )
