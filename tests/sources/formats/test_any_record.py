"""Whatever a record holds, its translator makes a call of it or says why not; it never breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialwise.config.events import EMAIL_ROLES, REPORT_PREFIX
from trialwise.errors import Untranslatable
from trialwise.sources import mail
from trialwise.sources.formats import FILE_FORMATS, TRANSLATORS
from trialwise.sources.webhooks import PROVIDERS

KEYS = (
    *("event", "type", "id", "data", "properties", "msg", "metadata", "Metadata", "timestamp", "ts", "time", "email"),
    *("object_type", "metric", "identifiers", "RecordType", "Type", "ID", "MessageID", "subscriptionType", "eventId"),
    *("occurredAt", "propertyName", "subscriber", "fired_at", "reason", "specversion", "source", "data_base64"),
    *("datacontenttype", "subject", "event_type", "groups", "user_properties", "event_properties", "insert_id"),
    *("distinct_id", "$insert_id", "$distinct_ids", "category", "tags", "reject", "entry", "action", "url", "_id"),
)
WORDS = (
    *("open", "click", "bounce", "Bounce", "email", "sent", "unsubscribe", "cleaned", "1.0", "$identify", "$merge"),
    *("$groupidentify", "$create_alias", "subscriber.opened_email", "contact.creation", "user/1", "application/json"),
)
leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(WORDS)
values = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)
records = st.dictionaries(st.sampled_from(KEYS), values, max_size=12)


PROVIDED = sorted(door.format for door in PROVIDERS.values() if door.source == "events")
EVERY = pytest.mark.parametrize("name", [*FILE_FORMATS, *PROVIDED])


def told(name: str, raw: str) -> dict[str, Any] | str:
    try:
        return TRANSLATORS[name](raw, None)
    except Untranslatable as error:
        return error.reason


def test_every_provider_of_events_has_a_translator_and_files_have_three() -> None:
    assert {*FILE_FORMATS, *PROVIDED} <= TRANSLATORS.keys()
    assert FILE_FORMATS == ("amplitude", "cloudevents", "mixpanel")


def test_the_names_of_e_mail_events_are_those_the_configuration_knows() -> None:
    names = {value for key, value in vars(mail).items() if key.isupper() and isinstance(value, str)}
    assert names == EMAIL_ROLES.keys()


@EVERY
@given(record=records)
@settings(max_examples=60, deadline=None)
def test_a_record_becomes_a_call_or_a_reason(name: str, record: dict[str, Any]) -> None:
    raw = json.dumps(record)
    call = told(name, raw)
    if isinstance(call, str):
        assert call in {"unknown_shape", "bad_cloudevent", "bad_json", "not_a_number"}
        return
    json.dumps(call, allow_nan=False)
    assert call["type"] in {"track", "identify", "group", "page", "alias"}
    assert call == told(name, raw)
    if call["type"] == "track":
        assert isinstance(call["event"], str)
        assert call["event"].strip()
    for field in ("userId", "anonymousId", "messageId", "timestamp", "receivedAt"):
        assert isinstance(call.get(field, ""), str)
    assert len(call.get("messageId", "")) < 250
    if name not in FILE_FORMATS:
        assert call["messageId"].startswith(name)
        assert call["properties"]["provider"] == name
        assert call["event"] in EMAIL_ROLES or call["event"].startswith(REPORT_PREFIX)


@EVERY
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("[]", "not_an_object"),
        ("3", "not_an_object"),
        ('"x"', "not_an_object"),
        ("null", "not_an_object"),
        ('{"a":NaN}', "not_a_number"),
        ('{"a":-Infinity}', "not_a_number"),
        ('{"a":1e999}', "not_a_number"),
        ('{"a":' + "9" * 5000 + "}", "bad_json"),
        ("[" * 100_000, "bad_json"),
        ('{"a":', "bad_json"),
        ("", "bad_json"),
        ("{}", "unknown_shape"),
    ],
)
def test_what_is_no_record_has_its_reason(name: str, raw: str, reason: str) -> None:
    expected = "bad_cloudevent" if (name, raw) == ("cloudevents", "{}") else reason
    assert told(name, raw) == expected
