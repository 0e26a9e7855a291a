"""Postmark: what it calls a bounce may be something else, and one message may go to several people."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sources.webhooks.translating import call_of, ids, told

OPEN = {
    "RecordType": "Open",
    "MessageStream": "outbound",
    "FirstOpen": True,
    "UserAgent": "Mozilla/5.0 (X11)",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "ReceivedAt": "2026-03-01T12:21:41.2493688-04:00",
    "Tag": "drip-2",
    "Recipient": "ann@acme.example",
    "Metadata": {"userid": "12", "trialwise_account_id": "acme"},
}
BOUNCE = {"RecordType": "Bounce", "ID": 901542550, "Type": "HardBounce", "Email": "ann@acme.example", "BouncedAt": "x"}
CHANGE = {
    **{key: OPEN[key] for key in ("MessageID", "Recipient", "Tag")},
    "RecordType": "SubscriptionChange",
    "ChangedAt": "2026-03-01T12:00:00Z",
    "Origin": "Recipient",
    "SuppressSending": True,
    "SuppressionReason": "ManualSuppression",
}


def test_an_opening() -> None:
    call = call_of("postmark", OPEN)
    assert call | {"messageId": None} == {
        "type": "track",
        "event": "Email Opened",
        "messageId": None,
        "timestamp": "2026-03-01T12:21:41.2493688-04:00",
        "context": {"groupId": "acme"},
        "properties": {
            "recipient": "ann@acme.example",
            "campaign_name": "drip-2",
            "message_id": "883953f4-6105-42a2-a16a-77a8eac79483",
            "user_agent": "Mozilla/5.0 (X11)",
            "provider": "postmark",
        },
    }


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("HardBounce", "Email Bounced"),
        ("SoftBounce", "Email Bounced"),
        ("Blocked", "Email Bounced"),
        ("Unsubscribe", "Unsubscribed"),
        ("SpamComplaint", "Email Marked as Spam"),
        ("SpamNotification", "Email Marked as Spam"),
        ("AutoResponder", "Webhook: Postmark Bounce Auto Responder"),
        ("Transient", "Webhook: Postmark Bounce Transient"),
        (["HardBounce"], "Email Bounced"),
    ],
)
def test_a_bounce_is_what_its_type_says(kind: Any, event: str) -> None:
    assert told("postmark", {**BOUNCE, "Type": kind})[0] == event


@pytest.mark.parametrize(
    ("more", "event"),
    [
        ({}, "Unsubscribed"),
        ({"SuppressSending": False, "SuppressionReason": None}, "Webhook: Postmark Subscription Change"),
        ({"SuppressionReason": "HardBounce"}, "Webhook: Postmark Subscription Change"),
        ({"Origin": "Customer"}, "Webhook: Postmark Subscription Change"),
    ],
)
def test_only_the_recipients_own_wish_is_an_unsubscription(more: dict[str, Any], event: str) -> None:
    assert told("postmark", {**CHANGE, **more})[0] == event


def test_leaving_and_coming_back_in_one_second_are_two_events() -> None:
    first, second = ids("postmark", CHANGE, {**CHANGE, "SuppressSending": False, "SuppressionReason": None})
    assert first != second


def test_events_are_told_apart_by_person_moment_link_and_reader() -> None:
    others: list[dict[str, Any]] = [
        {"Recipient": "bob@acme.example"},
        {"ReceivedAt": "2026-03-01T12:21:41.2493689-04:00"},
        {"RecordType": "Click", "OriginalLink": "https://app.example"},
        {"RecordType": "Click", "OriginalLink": "https://app.example/b"},
    ]
    assert len(set(ids("postmark", OPEN, *({**OPEN, **other} for other in others)))) == 5
    assert call_of("postmark", {**OPEN, "FirstOpen": False, "Geo": {"City": "Oslo"}}) == call_of("postmark", OPEN)


def test_a_bounce_has_an_id_of_its_own() -> None:
    assert ids("postmark", BOUNCE, {**BOUNCE, "BouncedAt": "y"}, {**BOUNCE, "ID": 5})[0] == ids("postmark", BOUNCE)[0]
    assert len(set(ids("postmark", BOUNCE, {**BOUNCE, "BouncedAt": "y"}, {**BOUNCE, "ID": 5}))) == 2
