"""What a call's context adds to traits and properties: the first touch, and who read an e-mail with what."""

from __future__ import annotations

import json
from typing import Any

from tests.landing.kit import Kit, call

from trialwise.landing.settings import LoadSettings

CAMPAIGN = {"source": "search", "medium": "cpc", "name": "Spring"}


def identify(**changes: Any) -> dict[str, Any]:
    return call("identify", **{"traits": {"email": "ana@northwind.example"}, **changes})


def traits(kit: Kit) -> list[Any]:
    rows = kit.rows("SELECT traits FROM raw.identities ORDER BY known_at")
    return [json.loads(row[0]) if row[0] else None for row in rows]


def test_campaign_and_referrer_of_an_identify_call_become_traits(kit: Kit) -> None:
    kit.take(identify(context={"campaign": CAMPAIGN, "page": {"referrer": "https://search.example/"}}))
    touch = {"utm_source": "search", "utm_medium": "cpc", "referrer": "https://search.example/"}
    assert traits(kit) == [{"email": "ana@northwind.example", **touch}]


def test_traits_as_sent_win_over_the_context(kit: Kit) -> None:
    kit.take(identify(traits={"utm_source": "partner"}, context={"campaign": CAMPAIGN}))
    assert traits(kit) == [{"utm_source": "partner", "utm_medium": "cpc"}]


def test_a_context_without_a_touch_adds_nothing(kit: Kit) -> None:
    kit.take(
        identify(receivedAt="2026-01-05T09:00:01Z", traits=None, userId="bo", context={"campaign": {}}),
        identify(receivedAt="2026-01-05T09:00:02Z", context={"ip": "::1"}),
    )
    assert traits(kit) == [None, {"email": "ana@northwind.example"}]


def test_a_retry_from_another_page_is_the_same_call(kit: Kit) -> None:
    report = kit.take(
        identify(messageId="m", context={"page": {"referrer": "https://one.example/"}}),
        identify(messageId="m", context={"page": {"referrer": "https://two.example/"}}),
    )
    assert (report.loaded, report.duplicate, report.quarantined) == (1, 1, 0)


def test_an_email_event_says_who_read_it_with_what(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Email Opened"}))
    context = {"user_agent": "GoogleImageProxy", "traits": {"email": "ana@northwind.example"}}
    kit.take(call(event="Email Opened", properties={"email_id": "m1"}, context=context))
    found = [json.loads(row[0]) for row in kit.rows("SELECT properties FROM raw.event_properties")]
    assert found == [{"email_id": "m1", "recipient": "ana@northwind.example", "user_agent": "GoogleImageProxy"}]


def test_other_events_keep_their_properties_as_sent(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Pricing Viewed"}))
    kit.take(call(event="Pricing Viewed", properties={"plan": "team"}, context={"userAgent": "Firefox"}))
    assert kit.rows("SELECT properties FROM raw.event_properties") == [('{"plan":"team"}',)]
