"""HubSpot: changes in the CRM, whose ids repeat and whose URL is decoded before it is signed."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.sources.webhooks.signing import BASE, NOW, epoch, hmac_of, post
from tests.sources.webhooks.translating import call_of, ids, told

from trialwise.sources.webhooks import PROVIDERS
from trialwise.sources.webhooks.hubspot import as_signed

DOOR = PROVIDERS["hubspot"]
CHANGE = {
    "eventId": 100,
    "subscriptionId": 1160452,
    "portalId": 33,
    "appId": 9,
    "occurredAt": 1772366400123,
    "subscriptionType": "contact.propertyChange",
    "attemptNumber": 0,
    "objectId": 123,
    "propertyName": "lifecyclestage",
    "propertyValue": "opportunity",
    "changeSource": "CRM",
    "sourceId": "userId:7",
}


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://x.example/a?b=%3A%2F%3f%40%21%24%27%28%29%2A%2C%3B", "https://x.example/a?b=:/?@!$'()*,;"),
        ("https://x.example/a%20b?c=%26%3D%25%C3%BC", "https://x.example/a%20b?c=%26%3D%25%C3%BC"),
        ("https://x.example/a?b=c#d", "https://x.example/a?b=c"),
        ("https://x.example/a?b=%253A", "https://x.example/a?b=%253A"),
    ],
)
def test_the_url_is_decoded_as_documented(url: str, signed: str) -> None:
    assert as_signed(url) == signed


def test_a_signature_over_a_decoded_url() -> None:
    sent = str(epoch(NOW) * 1000)
    text = f"POST{BASE}/hubspot?redirect=https://x.example/{'[]'}{sent}"
    told_by = base64.b64encode(hmac_of("s", text.encode(), "sha256")).decode()
    request = post("hubspot", b"[]", {"x-hubspot-signature-v3": told_by, "x-hubspot-request-timestamp": sent})
    DOOR.verify(replace(request, url=f"{BASE}/hubspot?redirect=https%3A%2F%2Fx.example%2F"), ["s"])


def test_a_change_is_a_report_never_an_e_mail_event() -> None:
    call = call_of("hubspot", CHANGE)
    assert call | {"messageId": None} == {
        "type": "track",
        "event": "Webhook: HubSpot Contact Property Change",
        "messageId": None,
        "timestamp": "1772366400123",
        "properties": {
            "portalId": 33,
            "objectId": 123,
            "propertyName": "lifecyclestage",
            "propertyValue": "opportunity",
            "changeSource": "CRM",
            "sourceId": "userId:7",
            "provider": "hubspot",
        },
    }


def test_a_retry_counts_its_attempts_and_is_the_same_event() -> None:
    assert call_of("hubspot", {**CHANGE, "attemptNumber": 3}) == call_of("hubspot", CHANGE)


def test_one_event_id_serves_several_changes() -> None:
    others: list[dict[str, Any]] = [
        {"objectId": 124},
        {"propertyName": "email"},
        {"propertyValue": "customer"},
        {"occurredAt": 1772366400124},
        {"subscriptionType": "company.propertyChange"},
    ]
    assert len(set(ids("hubspot", CHANGE, *({**CHANGE, **other} for other in others)))) == 6


def test_a_new_address_is_who_it_is_about() -> None:
    named = {**CHANGE, "propertyName": "email", "propertyValue": "ann@acme.example"}
    assert told("hubspot", named)[1]["recipient"] == "ann@acme.example"
    assert told("hubspot", {**CHANGE, "subscriptionType": "deal.creation"})[0] == "Webhook: HubSpot Deal Creation"
