"""Mandrill: several openings of one message are several events; list changes and inbound mail come by the same door."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sources.webhooks.signing import BASE, NOW, compact, hmac_of, mandrill, post
from tests.sources.webhooks.translating import call_of, ids, told

from trialwise.sources.webhooks import PROVIDERS, Refused

DOOR = PROVIDERS["mandrill"]
CLICK = {
    "event": "click",
    "_id": "exampleaaa",
    "ts": 1772366400,
    "url": "https://app.example",
    "ip": "192.0.2.1",
    "user_agent": "Mozilla/5.0 (X11)",
    "msg": {
        "_id": "exampleaaa",
        "ts": 1772366000,
        "email": "ann@acme.example",
        "subject": "Day 2",
        "tags": ["drip-2"],
        "metadata": {"user_id": 111},
        "opens": [{"ts": 1772366100}],
        "clicks": [{"ts": 1772366400, "url": "https://app.example"}],
        "state": "sent",
        "template": None,
    },
}


def test_the_signature_covers_every_field_in_order_of_its_name() -> None:
    import base64

    fields = {"mandrill_events": "[]", "b": "2 ü", "a": "1+1"}
    url = f"{BASE}/mandrill?from=mandrill"
    told_by = hmac_of("k", (url + "a1+1b2 ümandrill_events[]").encode(), "sha1")
    request = post("mandrill", urlencode(fields).encode(), {"x-mandrill-signature": base64.b64encode(told_by).decode()})
    DOOR.verify(replace(request, url=url), ["k"])
    with pytest.raises(Refused, match="wrong_signature"):
        DOOR.verify(replace(request, url=f"{url}&"), ["k"])
    assert DOOR.pieces(request) == []


def test_head_is_answered_before_there_is_a_key() -> None:
    request = replace(mandrill("k", b"[]", NOW), method="HEAD", body=b"", headers={})
    DOOR.verify(request, [])
    assert DOOR.pieces(request) == []


@pytest.mark.parametrize("events", [b"", b"{}", b"null"])
def test_only_an_empty_list_is_a_question(events: bytes) -> None:
    assert len(DOOR.pieces(mandrill("k", events, NOW))) == 1
    assert DOOR.pieces(mandrill("k", b" [ ] ", NOW)) == []


def test_a_form_without_events_is_refused_by_record() -> None:
    [piece] = DOOR.pieces(post("mandrill", b"other=1", {}))
    assert (piece.reason, piece.data) == ("unknown_shape", b"other=1")


def test_events_keep_the_bytes_of_the_field() -> None:
    body = compact([CLICK, {"type": "blacklist", "action": "add"}])
    pieces = DOOR.pieces(mandrill("k", body, NOW))
    assert [piece.data for piece in pieces] == [compact(CLICK), b'{"type":"blacklist","action":"add"}']


def test_a_click() -> None:
    call = call_of("mandrill", CLICK)
    assert call | {"messageId": None} == {
        "type": "track",
        "event": "Email Link Clicked",
        "messageId": None,
        "timestamp": "1772366400",
        "properties": {
            "recipient": "ann@acme.example",
            "campaign_name": "drip-2",
            "message_id": "exampleaaa",
            "link_url": "https://app.example",
            "user_agent": "Mozilla/5.0 (X11)",
            "provider": "mandrill",
        },
    }


def test_a_retry_with_later_openings_in_it_is_the_same_event_another_click_is_not() -> None:
    message: dict[str, Any] = {**CLICK["msg"], "opens": [{"ts": 1}, {"ts": 2}], "state": "bounced"}
    assert call_of("mandrill", {**CLICK, "msg": message}) == call_of("mandrill", CLICK)
    others = [{"ts": 1772366401}, {"url": "https://app.example/b"}, {"event": "open"}, {"user_agent": "curl"}]
    assert len(set(ids("mandrill", CLICK, *({**CLICK, **other} for other in others)))) == 5


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("send", "Email Sent"),
        ("delivered", "Email Delivered"),
        ("open", "Email Opened"),
        ("hard_bounce", "Email Bounced"),
        ("soft_bounce", "Email Bounced"),
        ("spam", "Email Marked as Spam"),
        ("unsub", "Unsubscribed"),
        ("reject", "Webhook: Mandrill Reject"),
        ("deferral", "Webhook: Mandrill Deferral"),
        ("inbound", "Webhook: Mandrill Inbound"),
    ],
)
def test_what_happened_has_one_name(kind: str, event: str) -> None:
    assert told("mandrill", {**CLICK, "event": kind})[0] == event


def test_a_change_of_the_deny_list() -> None:
    change = {"type": "blacklist", "action": "add", "reject": {"email": "ann@acme.example", "reason": "hard-bounce"}}
    assert told("mandrill", change) == (
        "Webhook: Mandrill Blacklist Add",
        {"recipient": "ann@acme.example", "detail": "hard-bounce"},
    )


def test_an_apple_prefetch_and_the_companys_own_ids() -> None:
    metadata = {"trialwise_user_id": "u1", "user_id": 5}
    opened = {**CLICK, "event": "open", "user_agent": "Mozilla/5.0", "msg": {**CLICK["msg"], "metadata": metadata}}
    call = call_of("mandrill", opened)
    assert (call["userId"], call["properties"]["is_privacy_proxy"]) == ("u1", True)
    assert "userId" not in call_of("mandrill", CLICK)
