"""What a file of events seems to hold, and what to try when its columns have other names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trialwise.errors import InputError
from trialwise.sources.files import open_file
from trialwise.sources.guess import Glimpse, advice, glimpse, map_options, propose_mapping, refuse_format, refuse_stripe


def _lines(path: Path, *records: Any) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            ["company", "who", "what", "when"],
            {"event": "what", "account_id": "company", "user_id": "who", "timestamp": "when"},
        ),
        (
            ["EventName", "name", "companyId", "company", "uid"],
            {"event": "EventName", "account_id": "companyId", "user_id": "uid"},
        ),
        (["action", "activity", "name"], {}),
        (["event", "account_id", "userId", "time", "action", "org", "person", "date"], {}),
        (["name", "Created At"], {"event": "name", "timestamp": "Created At"}),
        (["rows", "plan"], {}),
    ],
)
def test_a_column_is_proposed_where_one_alone_can_be_meant(columns: list[str], expected: dict[str, str]) -> None:
    assert propose_mapping(columns, {}) == expected


def test_what_is_given_stays() -> None:
    assert propose_mapping(["what", "action", "group", "event"], {"event": "action", "account_id": "event"}) == {}
    assert propose_mapping(["who", "when"], {"user_id": "when"}) == {}


def test_pairs_are_quoted_for_a_shell() -> None:
    assert map_options({"event": "what", "timestamp": "Created At"}) == "--map event=what --map 'timestamp=Created At'"
    assert map_options({"event": "it's"}) == "--map 'event=it'\\''s'"


def test_advice_names_the_columns_and_what_to_try() -> None:
    flat = Glimpse(("company", "what"), is_flat=True, is_stripe=False)
    assert advice(flat, {}) == (
        "no column 'event'; columns: company, what; try --map event=what --map account_id=company"
    )
    unknown = Glimpse(("a", "b"), is_flat=True, is_stripe=False)
    assert (
        advice(unknown, {"user_id": "a"}) == "no column 'event'; columns: a, b; try --map event=COLUMN --map user_id=a"
    )
    assert advice(flat, {"event": "what"}) is None
    assert advice(Glimpse(("event",), is_flat=True, is_stripe=False), {}) is None
    assert advice(Glimpse(("userId",), is_flat=False, is_stripe=False), {}) is None


def test_flat_records_segment_calls_and_stripe_are_told_apart(tmp_path: Path) -> None:
    flat = glimpse(open_file(_lines(tmp_path / "flat.ndjson", "no json", "[1]", {"what": "a"}, {"who": "b"})))
    assert flat == Glimpse(("what", "who"), is_flat=True, is_stripe=False)
    calls = glimpse(open_file(_lines(tmp_path / "calls.ndjson", {"type": "track", "event": "a", "user_id": "b"})))
    assert (calls.is_flat, calls.is_stripe) == (False, False)
    shaped = open_file(_lines(tmp_path / "shaped.ndjson", {"what": "a"}), file_format="segment")
    assert not glimpse(shaped).is_flat
    nothing = glimpse(open_file(_lines(tmp_path / "none.ndjson")))
    assert nothing == Glimpse((), is_flat=False, is_stripe=False)


@pytest.mark.parametrize(
    "record",
    [
        {"id": "evt_1", "object": "event", "type": "invoice.paid", "livemode": True},
        {"object": "list", "data": [{"id": "sub_1", "object": "subscription"}], "has_more": False},
    ],
)
def test_stripe_objects_are_no_events(tmp_path: Path, record: dict[str, Any]) -> None:
    source = open_file(_lines(tmp_path / "stripe.ndjson", record))
    with pytest.raises(InputError, match=r"trialwise import stripe --from .*stripe\.ndjson"):
        refuse_stripe(source, glimpse(source))


def test_an_event_about_an_object_is_an_event(tmp_path: Path) -> None:
    source = open_file(_lines(tmp_path / "own.ndjson", {"event": "Opened", "object": "report", "livemode": True}))
    seen = glimpse(source)
    refuse_stripe(source, seen)
    assert not seen.is_stripe


CLOUDEVENT = {"specversion": "1.0", "id": "1", "source": "/a", "type": "x", "data": {"user_id": "u"}}
AMPLITUDE = {"event_type": "x", "user_id": "u", "event_properties": {}, "$insert_id": "i", "event_time": "2026-03-01"}
MIXPANEL = {"event": "x", "properties": {"time": 1772366400, "distinct_id": "u", "$insert_id": "i"}}


@pytest.mark.parametrize(
    ("expected", "records"),
    [
        ("cloudevents", [CLOUDEVENT, CLOUDEVENT]),
        ("cloudevents", [[CLOUDEVENT, CLOUDEVENT]]),
        ("amplitude", [AMPLITUDE]),
        ("amplitude", [{"api_key": "k", "events": [AMPLITUDE]}]),
        ("mixpanel", [MIXPANEL]),
        (None, [MIXPANEL, {"event": "x", "user_id": "u"}]),
        (None, [{"event": "x", "properties": {"time": 1, "distinct_id": "u"}, "userId": "u"}]),
        (None, [{"event_type": "x", "user_id": "u", "time": 1}]),
        (None, [{"specversion": "1.0", "event": "x"}]),
        (None, []),
    ],
)
def test_other_products_formats_are_told_and_the_option_is_said(
    tmp_path: Path, expected: str | None, records: list[Any]
) -> None:
    path = _lines(tmp_path / "events.ndjson", *records)
    source = open_file(path)
    seen = glimpse(source)
    assert seen.format == expected
    if expected is None:
        refuse_format(source, seen)
        return
    with pytest.raises(InputError, match=f"trialwise import events {path} --format {expected}"):
        refuse_format(source, seen)
    asked = open_file(path, file_format=expected)
    refuse_format(asked, glimpse(asked))
