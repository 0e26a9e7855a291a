"""Mixpanel: who is a device and who a user, and what is no event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trialwise.errors import Untranslatable
from trialwise.sources.formats.mixpanel import translate

SAID: dict[str, Any] = {
    "time": 1772366400,
    "distinct_id": "u1",
    "$insert_id": "i1",
    "$device_id": "d1",
    "mp_processing_time_ms": 1772366405123,
    "token": "project-token",
    "company_id": "acme",
    "pages": 3,
}


def call_of(event: str = "Report Created", **changes: Any) -> dict[str, Any]:
    call = translate(json.dumps({"event": event, "properties": {**SAID, **changes}}), None)
    return {key: value for key, value in call.items() if not key.startswith("properties.")}


def test_an_event() -> None:
    call = call_of()
    assert call | {"messageId": None} == {
        "type": "track",
        "event": "Report Created",
        "messageId": None,
        "timestamp": "1772366400",
        "receivedAt": "1772366405123",
        "userId": "u1",
        "anonymousId": "d1",
        "context": {"groupId": "acme"},
        "properties": {"company_id": "acme", "pages": 3},
    }


@pytest.mark.parametrize(
    ("said", "user", "device"),
    [
        ({"distinct_id": "u1", "$device_id": None}, "u1", None),
        ({"distinct_id": "$device:d1", "$device_id": None}, None, "d1"),
        ({"distinct_id": "$device:d1", "$device_id": "d1", "$user_id": "u1"}, "u1", "d1"),
        ({"distinct_id": "d1", "$device_id": "d1"}, None, "d1"),
        ({"distinct_id": "d1", "$device_id": "d1", "$user_id": "u1"}, "u1", "d1"),
        ({"distinct_id": 42, "$device_id": None}, "42", None),
        ({"distinct_id": "", "$device_id": None}, None, None),
    ],
)
def test_devices_are_no_users(said: dict[str, Any], user: str | None, device: str | None) -> None:
    call = call_of(**said)
    assert (call.get("userId"), call.get("anonymousId")) == (user, device)


def test_any_property_can_be_named_in_a_mapping() -> None:
    call = translate(json.dumps({"event": "x", "properties": {**SAID, "org": "o1", "list": [1]}}), None)
    assert (call["properties.org"], call["properties.company_id"], "properties.list" in call) == ("o1", "acme", False)


def test_mixpanel_tells_events_apart_by_name_time_person_and_insert_id() -> None:
    others: list[dict[str, Any]] = [{}, {"time": 1772366401}, {"distinct_id": "u2"}, {"$insert_id": "i2"}]
    ids = {call_of(**other)["messageId"] for other in others} | {call_of("Other")["messageId"]}
    assert len(ids) == 5
    assert call_of(mp_processing_time_ms=1)["messageId"] == call_of()["messageId"]
    assert "messageId" not in call_of(**{"$insert_id": None})


def test_calls_about_people() -> None:
    known = call_of("$identify", **{"$identified_id": "u1", "$anon_id": "$device:d7", "distinct_id": "u1"})
    assert (known["type"], known["userId"], known["anonymousId"]) == ("identify", "u1", "d7")
    alias = call_of("$create_alias", distinct_id="$device:d7", alias="u1")
    assert (alias["type"], alias["previousId"], alias["userId"]) == ("alias", "d7", "u1")
    for pair in (["$device:d7", "u1"], ["u1", "$device:d7"]):
        merged = call_of("$merge", **{"$distinct_ids": pair})
        assert (merged["type"], merged["previousId"], merged["userId"]) == ("alias", "d7", "u1")
        assert "anonymousId" not in merged
    with pytest.raises(Untranslatable, match="two"):
        call_of("$merge", **{"$distinct_ids": ["u1"]})


def test_a_page_view_is_a_page() -> None:
    page = call_of("$mp_web_page_view", current_page_title="Pricing")
    assert (page["type"], page["name"]) == ("page", "Pricing")


def test_a_record_without_properties_says_so() -> None:
    with pytest.raises(Untranslatable, match="no properties"):
        translate('{"event":"x"}', None)
