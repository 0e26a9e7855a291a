"""Amplitude: requests and exports become the same calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trialwise.sources.formats.amplitude import translate

SENT: dict[str, Any] = {
    "user_id": "u1",
    "device_id": "d1",
    "event_type": "Report Created",
    "time": 1772366400123,
    "event_properties": {"pages": 3},
    "user_properties": {"$set": {"role": "admin"}},
    "groups": {"company": "acme"},
    "revenue": 9.5,
    "insert_id": "i1",
}
EXPORTED: dict[str, Any] = {
    "user_id": "u1",
    "device_id": "d1",
    "event_type": "Report Created",
    "event_time": "2026-03-01 12:00:00.123000",
    "server_received_time": "2026-03-01 12:00:05.000000",
    "server_upload_time": "2026-03-01 12:00:06.000000",
    "event_properties": {"pages": 3},
    "user_properties": {"role": "admin"},
    "groups": {"company": ["acme"]},
    "$insert_id": "i1",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "amplitude_id": 7,
}


def call_of(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The call without what is only there for --map."""
    call = translate(json.dumps({**record, **changes}), None)
    meant = ("type", "event", "name", "userId", "anonymousId", "messageId", "timestamp", "receivedAt", "context")
    return {key: call[key] for key in (*meant, "properties", "traits") if key in call}


def test_a_request() -> None:
    call = call_of(SENT)
    assert call | {"messageId": None} == {
        "type": "track",
        "event": "Report Created",
        "userId": "u1",
        "anonymousId": "d1",
        "messageId": None,
        "timestamp": "1772366400123",
        "context": {"groupId": "acme"},
        "properties": {"revenue": 9.5, "pages": 3},
    }


def test_an_export_says_when_it_was_received_and_is_the_event_of_the_request() -> None:
    exported, sent = call_of(EXPORTED), call_of(SENT)
    assert (exported["timestamp"], exported["receivedAt"]) == (
        "2026-03-01 12:00:00.123000",
        "2026-03-01 12:00:05.000000",
    )
    assert exported["messageId"] == sent["messageId"]
    assert exported["context"] == sent["context"]


def test_amplitude_tells_events_apart_by_insert_id_on_a_device() -> None:
    ids = [call_of(SENT, **more)["messageId"] for more in ({}, {"device_id": "d2"}, {"insert_id": "i2"})]
    assert len(set(ids)) == 3
    assert call_of(EXPORTED, **{"$insert_id": None})["messageId"] == "amplitude:00000000-0000-4000-8000-000000000001"
    assert "messageId" not in call_of(SENT, insert_id=None)


@pytest.mark.parametrize(
    ("groups", "account"),
    [
        ({"company": "acme"}, "acme"),
        ({"company": 7}, "7"),
        ({"company": ["acme"]}, "acme"),
        ({"company": ["acme", "globex"]}, None),
        ({"company": "acme", "team": "t1"}, None),
        ({"company": ["a", "b"], "team": "t1"}, None),
        ({}, None),
        ("acme", None),
    ],
)
def test_the_account_is_the_only_group_there_is(groups: Any, account: str | None) -> None:
    assert call_of(SENT, groups=groups).get("context", {}).get("groupId") == account


def test_every_group_type_can_be_named_in_a_mapping() -> None:
    call = translate(json.dumps({**SENT, "groups": {"company": ["acme"], "team": ["t1", "t2"], "org": "o"}}), None)
    assert (call["groups.company"], call["groups.org"], "groups.team" in call) == ("acme", "o", False)
    assert call["event_properties.pages"] == 3


def test_identify_and_group_calls() -> None:
    changes = {"$set": {"plan": "pro"}, "$setOnce": {"first": 1, "plan": "old"}, "$add": {"n": 1}, "plain": True}
    identify = call_of(SENT, event_type="$identify", user_properties=changes)
    assert (identify["type"], identify["traits"]) == ("identify", {"plain": True, "first": 1, "plan": "pro"})
    assert "event" not in identify
    group = call_of(SENT, event_type="$groupidentify", group_properties={"$set": {"name": "Acme"}})
    assert (group["type"], group["traits"], group["context"]) == ("group", {"name": "Acme"}, {"groupId": "acme"})


def test_a_page_view_is_a_page() -> None:
    page = call_of(SENT, event_type="[Amplitude] Page Viewed", event_properties={"[Amplitude] Page Title": "Pricing"})
    assert (page["type"], page["name"]) == ("page", "Pricing")
