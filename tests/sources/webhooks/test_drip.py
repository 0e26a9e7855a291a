"""Drip: no id and no signature; the subscriber may carry the company's own user id."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sources.webhooks.translating import call_of, ids, told

CLICK: dict[str, Any] = {
    "event": "subscriber.clicked_email",
    "data": {
        "account_id": "9999999",
        "subscriber": {
            "id": "z1togz2hcjrkpp5treip",
            "email": "ann@acme.example",
            "user_id": "u42",
            "lead_score": 65,
            "user_agent": "Mozilla/5.0 (signup)",
        },
        "properties": {
            "delivery_id": "99999",
            "email_id": "88888",
            "email_subject": "Day 2",
            "url": "https://app.example",
            "user_agent": "Mozilla/5.0 (X11)",
            "ip_address": "192.0.2.1",
        },
    },
    "occurred_at": "2026-03-01T12:00:00Z",
}


def changed(kind: str, **properties: Any) -> dict[str, Any]:
    return {**CLICK, "event": f"subscriber.{kind}", "data": {**CLICK["data"], "properties": properties}}


def test_a_click() -> None:
    call = call_of("drip", CLICK)
    assert call | {"messageId": None} == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": None,
        "timestamp": "2026-03-01T12:00:00Z",
        "userId": "u42",
        "properties": {
            "recipient": "ann@acme.example",
            "campaign_id": "88888",
            "campaign_name": "Day 2",
            "message_id": "99999",
            "link_url": "https://app.example",
            "user_agent": "Mozilla/5.0 (X11)",
            "provider": "drip",
        },
    }


def test_drips_account_is_not_the_companys() -> None:
    assert "context" not in call_of("drip", CLICK)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("received_email", "Email Delivered"),
        ("opened_email", "Email Opened"),
        ("bounced", "Email Bounced"),
        ("complained", "Email Marked as Spam"),
        ("unsubscribed_all", "Unsubscribed"),
        ("unsubscribed_from_campaign", "Unsubscribed"),
        ("completed_campaign", "Webhook: Drip Completed Campaign"),
        ("applied_tag", "Webhook: Drip Applied Tag"),
        ("clicked_trigger_link", "Webhook: Drip Clicked Trigger Link"),
        ("performed_custom_event", "Webhook: Drip Performed Custom Event"),
    ],
)
def test_what_happened_has_one_name(kind: str, event: str) -> None:
    assert told("drip", changed(kind))[0] == event


def test_a_report_keeps_what_it_says() -> None:
    assert told("drip", changed("completed_campaign", campaign_id="7", campaign_name="Email course"))[1] == {
        "recipient": "ann@acme.example",
        "campaign_id": "7",
        "campaign_name": "Email course",
    }
    assert told("drip", changed("applied_tag", tag="Customer"))[1]["tag"] == "Customer"


def test_a_retry_with_another_lead_score_is_the_same_event() -> None:
    person = {**CLICK["data"]["subscriber"], "lead_score": 70, "tags": ["x"]}
    assert call_of("drip", {**CLICK, "data": {**CLICK["data"], "subscriber": person}}) == call_of("drip", CLICK)
    other = {**CLICK["data"]["subscriber"], "id": "other"}
    somebody = {**CLICK, "data": {**CLICK["data"], "subscriber": other}}
    assert len(set(ids("drip", CLICK, somebody, {**CLICK, "occurred_at": "2026-03-01T12:00:01Z"}))) == 3
