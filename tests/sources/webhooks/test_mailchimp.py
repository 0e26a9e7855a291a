"""Mailchimp: forms about an audience; a GET asks whether the URL is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sources.webhooks.signing import NOW, in_url
from tests.sources.webhooks.translating import call_of, ids, told

from trialwise.sources.webhooks import PROVIDERS

DOOR = PROVIDERS["mailchimp"]
FORM = {
    "type": "unsubscribe",
    "fired_at": "2026-03-01 12:10:40",
    "data[action]": "unsub",
    "data[reason]": "manual",
    "data[id]": "8a25ff1d98",
    "data[list_id]": "a6b5da1054",
    "data[email]": "ann@acme.example",
    "data[email_type]": "html",
    "data[merges][EMAIL]": "ann@acme.example",
    "data[merges][FNAME]": "Ann",
    "data[ip_opt]": "192.0.2.10",
    "data[campaign_id]": "cb398d21d2",
}
DATA = {"email": "ann@acme.example", "list_id": "a6b5da1054", "id": "8a25ff1d98"}


def test_a_form_becomes_a_record_and_an_event() -> None:
    request = in_url("mailchimp")("s1", urlencode(FORM).encode(), NOW)
    DOOR.verify(request, ["s1"])
    [piece] = DOOR.pieces(request)
    record = json.loads(piece.data)
    assert record["data"]["merges"] == {"EMAIL": "ann@acme.example", "FNAME": "Ann"}
    call = call_of("mailchimp", record)
    assert call["messageId"].startswith("mailchimp:")
    assert call | {"messageId": None} == {
        "type": "track",
        "event": "Unsubscribed",
        "messageId": None,
        "timestamp": "2026-03-01 12:10:40",
        "properties": {
            "recipient": "ann@acme.example",
            "campaign_id": "cb398d21d2",
            "list_id": "a6b5da1054",
            "provider": "mailchimp",
        },
    }


def test_the_question_whether_the_url_is_there_has_no_record_in_it() -> None:
    request = replace(in_url("mailchimp")("s1", b"", NOW), method="GET")
    DOOR.verify(request, ["s1"])
    assert DOOR.pieces(request) == []


@pytest.mark.parametrize(
    ("kind", "more", "event"),
    [
        ("unsubscribe", {"reason": "abuse"}, "Email Marked as Spam"),
        ("cleaned", {"reason": "hard"}, "Email Bounced"),
        ("cleaned", {"reason": "abuse"}, "Email Marked as Spam"),
        ("subscribe", {}, "Webhook: Mailchimp Subscribe"),
        ("profile", {}, "Webhook: Mailchimp Profile Update"),
        ("upemail", {"new_email": "b@x.example"}, "Webhook: Mailchimp Address Change"),
        ("campaign", {"status": "sent"}, "Webhook: Mailchimp Campaign Status"),
    ],
)
def test_what_happened_has_one_name(kind: str, more: dict[str, Any], event: str) -> None:
    assert told("mailchimp", {"type": kind, "data": {**DATA, **more}})[0] == event


def test_a_new_address_is_who_it_is_about() -> None:
    change = {"type": "upemail", "data": {"old_email": "a@x.example", "new_email": "b@x.example", "new_id": "n"}}
    assert told("mailchimp", change)[1] == {
        "recipient": "b@x.example", "old_email": "a@x.example", "new_email": "b@x.example", "new_id": "n",
    }  # fmt: skip


def test_the_content_is_the_id() -> None:
    same = {"data": DATA, "type": "subscribe", "fired_at": "2026-03-01 12:00:00"}
    again = {"fired_at": "2026-03-01 12:00:00", "type": "subscribe", "data": dict(reversed(DATA.items()))}
    later = {**same, "fired_at": "2026-03-01 12:00:01"}
    first, second, third = ids("mailchimp", same, again, later)
    assert first == second != third
