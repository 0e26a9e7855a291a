"""CloudEvents: the type is the event; who did it is told by data, extensions or a subject of a known form."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from trialwise.errors import Untranslatable
from trialwise.sources.formats.cloudevents import translate

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/billing",
    "type": "com.example.report.created",
    "time": "2026-03-01T12:00:00Z",
    "data": {"user_id": "u1", "account_id": "acme", "pages": 3},
}


def call_of(**changes: Any) -> dict[str, Any]:
    return translate(json.dumps({**EVENT, **changes}), None)


def test_an_event() -> None:
    call = call_of()
    assert call | {"messageId": None} == {
        "source": "/billing",
        "specversion": "1.0",
        "data.user_id": "u1",
        "data.account_id": "acme",
        "data.pages": 3,
        "type": "track",
        "event": "com.example.report.created",
        "messageId": None,
        "timestamp": "2026-03-01T12:00:00Z",
        "userId": "u1",
        "context": {"groupId": "acme"},
        "properties": {"pages": 3},
    }


def test_an_event_is_unique_by_source_and_id_together() -> None:
    made = {call_of(source=source, id=id_)["messageId"] for source in ("/a", "/ab") for id_ in ("b1", "1")}
    assert len(made) == 4
    assert call_of(data={})["messageId"] == call_of()["messageId"]


def test_extensions_name_people_too_and_other_ones_are_properties() -> None:
    call = call_of(data=None, userid="u2", accountid="globex", traceparent="00-ab")
    assert (call["userId"], call["context"], call["properties"]) == (
        "u2",
        {"groupId": "globex"},
        {"traceparent": "00-ab"},
    )


@pytest.mark.parametrize(
    ("subject", "user", "account"),
    [
        ("user/u9", "u9", None),
        ("users/u9", "u9", None),
        ("account/a/b", None, "a/b"),
        ("123", None, None),
        ("username/x", None, None),
        (None, None, None),
    ],
)
def test_a_subject_is_somebody_only_in_a_known_form(subject: str | None, user: str | None, account: str | None) -> None:
    call = call_of(subject=subject, data={"x": 1})
    assert (call.get("userId"), call.get("context", {}).get("groupId")) == (user, account)
    assert call_of(subject="user/u9")["userId"] == "u1"


def test_data_of_every_kind() -> None:
    def packed(content: bytes) -> str:
        return base64.b64encode(content).decode()

    assert call_of(data="text", datacontenttype="text/plain")["properties"] == {"data": "text"}
    assert call_of(data=[1], datacontenttype="application/vnd.x+json; charset=utf-8")["properties"] == {"data": [1]}
    assert call_of(data=None, data_base64=packed(b'{"user_id":"u5","n":1}'))["properties"] == {"n": 1}
    assert call_of(data=None, data_base64=packed(b'{"user_id":"u5"}'))["userId"] == "u5"
    assert "properties" not in call_of(data=None, data_base64=packed(b"\x00\x01"), datacontenttype="image/png")
    with pytest.raises(Untranslatable, match="bad_json"):
        call_of(data=None, data_base64=packed(b"{"))


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"id": None}, "no id"),
        ({"id": 5}, "no id"),
        ({"source": " "}, "no source"),
        ({"type": ""}, "no type"),
        ({"specversion": None}, "no specversion"),
        ({"specversion": "0.3"}, "specversion 0.3, 1.0 is read"),
        ({"data_base64": "%%%"}, "data_base64 is no base64"),
        ({"data_base64": 5}, "data_base64 is no base64"),
    ],
)
def test_what_is_no_cloudevent_says_why(changes: dict[str, Any], detail: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        call_of(**changes)
    assert (refused.value.reason, refused.value.detail) == ("bad_cloudevent", detail)
