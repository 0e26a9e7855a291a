"""SendGrid: arrays of events, each with an id of its own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sources.webhooks.signing import NOW, compact, key_pair, sendgrid
from tests.sources.webhooks.translating import call_of, ids, told

from trialwise.sources.webhooks import PROVIDERS, Refused

DOOR = PROVIDERS["sendgrid"]
CLICK = {
    "email": "Ann@Acme.example",
    "timestamp": 1772366400,
    "event": "click",
    "url": "https://app.example/start?a=1",
    "useragent": "Mozilla/5.0 (X11)",
    "ip": "192.0.2.1",
    "sg_event_id": "ZXZlbnQ",
    "sg_message_id": "14c5.filter1.2.0",
    "category": ["drip-2", "onboarding"],
    "marketing_campaign_id": 12345,
    "marketing_campaign_name": "Day 2",
}


def test_an_array_is_taken_apart() -> None:
    request = sendgrid(key_pair("new")[1], compact([CLICK, {"event": "open"}]), NOW)
    DOOR.verify(request, [key_pair("new")[1]])
    assert [piece.data for piece in DOOR.pieces(request)] == [compact(CLICK), b'{"event":"open"}']


@pytest.mark.parametrize("secret", ["", "no base64!", "AAAA", key_pair("new")[1][:-8]])
def test_a_secret_that_is_no_key_takes_nothing(secret: str) -> None:
    with pytest.raises(Refused, match="wrong_signature"):
        DOOR.verify(sendgrid(key_pair("new")[1], b"[]", NOW), [secret])


def test_a_click() -> None:
    assert call_of("sendgrid", CLICK) == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": "sendgrid:ZXZlbnQ",
        "timestamp": "1772366400",
        "properties": {
            "recipient": "Ann@Acme.example",
            "campaign_id": "12345",
            "campaign_name": "Day 2",
            "message_id": "14c5.filter1.2.0",
            "link_url": "https://app.example/start?a=1",
            "user_agent": "Mozilla/5.0 (X11)",
            "provider": "sendgrid",
        },
    }


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("delivered", "Email Delivered"),
        ("open", "Email Opened"),
        ("bounce", "Email Bounced"),
        ("spamreport", "Email Marked as Spam"),
        ("unsubscribe", "Unsubscribed"),
        ("group_unsubscribe", "Unsubscribed"),
        ("group_resubscribe", "Webhook: SendGrid Group Resubscribe"),
        ("processed", "Webhook: SendGrid Processed"),
        ("deferred", "Webhook: SendGrid Deferred"),
        ("dropped", "Webhook: SendGrid Dropped"),
        ("account_status_change", "Webhook: SendGrid Account Status Change"),
    ],
)
def test_what_happened_has_one_name(kind: str, event: str) -> None:
    assert told("sendgrid", {"event": kind, "email": "a@acme.example"})[0] == event


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"sg_machine_open": True}, True),
        ({"sg_machine_open": "true"}, True),
        ({"sg_machine_open": False}, None),
        ({"useragent": "Mozilla/5.0"}, True),
        ({"useragent": "Mozilla/5.0 (Macintosh)"}, None),
    ],
)
def test_openings_by_machines_are_flagged(more: dict[str, Any], expected: bool | None) -> None:
    assert told("sendgrid", {"event": "open", "email": "a@acme.example", **more})[1].get("is_privacy_proxy") is expected


def test_only_custom_arguments_made_for_trialwise_are_ids() -> None:
    assert "userId" not in call_of("sendgrid", {**CLICK, "user_id": "7", "account_id": "9"})
    named = call_of("sendgrid", {**CLICK, "trialwise_user_id": 7, "trialwise_account_id": "acme"})
    assert (named["userId"], named["context"]) == ("7", {"groupId": "acme"})


def test_a_retry_is_the_same_event_whatever_the_transport_says() -> None:
    retry = {**CLICK, "smtp-id": "<other@x>", "ip": "192.0.2.9", "attempt": "2"}
    assert call_of("sendgrid", retry) == call_of("sendgrid", CLICK)
    first, second = ids("sendgrid", {"event": "open", "timestamp": 1}, {"event": "open", "timestamp": 2})
    assert first != second
