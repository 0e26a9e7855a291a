"""Paths, marks and translations, each by itself."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwise.config import parse_config
from trialwise.connections import HttpSection, steps
from trialwise.errors import Untranslatable
from trialwise.sources.http.path import find, is_true, scalar
from trialwise.sources.http.record import envelope, translate
from trialwise.sources.http.since import Value, greatest, stepped_back
from trialwise.sources.piece import Piece

NOW = datetime(2026, 3, 1, 12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def section(**settings: Any) -> HttpSection:
    config = parse_config({"sources": {"http": {"crm": {"url": "https://crm.example/api", **settings}}}})
    return config.sources.http["crm"]


def call(record: Any, **settings: Any) -> dict[str, Any]:
    return translate(json.dumps(record), envelope("crm", section(**settings)))


# Paths


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", ()),
        ("data", ("data",)),
        ("$.data.items", ("data", "items")),
        ("data[0].x", ("data", 0, "x")),
        ('$["a.b"].c', ("a.b", "c")),
        ("[2]", (2,)),
        ("a['b c']", ("a", "b c")),
        ("@next", ("@next",)),
        ("data.$ref", ("data", "$ref")),
    ],
)
def test_a_path_is_read_into_its_steps(path: str, found: tuple[str | int, ...]) -> None:
    assert steps(path) == found


@pytest.mark.parametrize("path", ["", "a..b", "a.", ".a", "a[", "a[x]", "$..a", "a[*]", "a b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="a path is written"):
        steps(path)


@given(JSON, st.data())
def test_a_value_is_found_where_a_parser_finds_it(document: Any, data: st.DataObject) -> None:
    text = json.dumps(document, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
    value, path = document, []
    while isinstance(value, dict | list) and value and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        path.append(step)
        value = value[step]
    place = find(text, path)
    assert place is not None
    assert json.loads(text[place[0] : place[1]]) == value
    assert find(text, [*path, "no such key", 7]) is None


def test_of_a_key_that_stands_twice_the_last_one_counts() -> None:
    assert scalar('{"a": 1, "a": 2}', ["a"]) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "x\\u00e9"}', "xé"),
        ('{"a": 12}', 12),
        ('{"a": -1.50}', "-1.50"),
        ('{"a": 123456789012345678901}', "123456789012345678901"),
        ('{"a": null}', None),
        ('{"a": true}', None),
        ('{"a": [1]}', None),
        ("{}", None),
        ('{"a": "\\ud800"}', "\ud800"),
    ],
)
def test_texts_and_numbers_come_as_they_are_written(text: str, value: Value | None) -> None:
    assert scalar(text, ["a"]) == value


@pytest.mark.parametrize("written", ["true", "1", '"yes"', '"false"', "false", "null", "0", '""', "[]", "{}"])
def test_what_says_that_there_is_more(written: str) -> None:
    answer = written in ("true", "1", '"yes"')
    assert is_true('{"more": ' + written + "}", ["more"]) is answer
    assert is_true("{}", ["more"]) is False


# Marks


def mark(*values: Any, so_far: Value | None = None) -> Value | None:
    pieces = [Piece(1, 0, json.dumps({"at": value}).encode()) for value in values]
    return greatest(
        [*pieces, Piece(1, 0, b"no object"), Piece(1, 0, b'{"at": '), Piece(1, 0, b"{}")], ["at"], so_far, NOW
    )


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([3, 20, 4], 20),
        (["3", "20", "4"], "20"),
        (["2026-02-01T10:00:00Z", "2026-02-01T11:30:00+02:00"], "2026-02-01T10:00:00Z"),
        (["2026-02-01T10:00:00+02:00", "2026-02-01T09:00:00Z"], "2026-02-01T09:00:00Z"),
        (["2026-02-01", "2026-02-03"], "2026-02-03"),
        (["b", "a"], "b"),
        (["2026-02-01T10:00:00Z", "9999-01-01T00:00:00Z", "2026-03-09T00:00:00Z"], "2026-02-01T10:00:00Z"),
        (["2026-02-01T10:00:00Z", "soon", 12], "2026-02-01T10:00:00Z"),
        ([None, "", True], None),
        ([1.5, "1.25"], "1.5"),
    ],
)
def test_the_greatest_value_is_kept_as_it_is_written(values: list[Any], best: Value | None) -> None:
    assert mark(*values) == best


def test_what_was_reached_is_never_given_up() -> None:
    assert mark("2026-01-01T00:00:00Z", so_far="2026-02-01T00:00:00Z") == "2026-02-01T00:00:00Z"
    assert mark(so_far=7) == 7


@pytest.mark.parametrize(
    ("value", "earlier"),
    [
        ("2026-02-01T00:05:00Z", "2026-01-31T23:55:00Z"),
        ("2026-02-01T00:05:00.123Z", "2026-01-31T23:55:00.123Z"),
        ("2026-02-01T00:05:00.123456+02:00", "2026-01-31T23:55:00.123456+02:00"),
        ("2026-02-01 00:05:00", "2026-01-31 23:55:00"),
        ("2026-02-01", "2026-01-31"),
        (1_770_000_000, 1_769_999_400),
        ("1770000000000", "1769999400000"),
        (1_770_000_000_000_000, 1_769_999_400_000_000),
        (42, 42),
        ("evt_1", "evt_1"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_mark_steps_back_in_its_own_spelling(value: Value, earlier: Value) -> None:
    assert stepped_back(value, 10) == earlier
    assert stepped_back(value, 0) == value


# Translation


def test_nested_fields_are_named_by_path_and_what_has_no_meaning_is_a_property() -> None:
    record = {
        "id": "e1",
        "action": "Report Built",
        "company": {"id": 17, "plan": "pro"},
        "who": "ana",
        "at": 1772000000,
        "rows": 3,
        "empty": None,
    }
    mapping = {"event": "action", "account_id": "company.id", "user_id": "who", "timestamp": "at"}
    assert call(record, mapping=mapping, properties={"plan": "company.plan"}) == {
        "type": "track",
        "event": "Report Built",
        "userId": "ana",
        "messageId": "e1",
        "timestamp": "1772000000",
        "context": {"groupId": "17"},
        "properties": {"rows": 3, "company": {"id": 17, "plan": "pro"}, "plan": "pro"},
    }


def test_columns_with_our_names_need_no_mapping() -> None:
    record = {"event": "Login", "account_id": "a", "userId": "u", "time": "2026-02-01", "properties": {"x": 1}, "y": 2}
    found = call(record)
    assert (found["event"], found["context"], found["userId"], found["timestamp"]) == (
        "Login",
        {"groupId": "a"},
        "u",
        "2026-02-01",
    )
    assert found["properties"] == {"y": 2, "x": 1}


def test_blank_fields_are_absent_but_a_blank_event_is_a_wrong_one() -> None:
    blanks = {"user_id": " ", "userId": "u", "account_id": "", "id": "", "timestamp": "", "at": "\t", "note": ""}
    assert call({"event": "E", **blanks}, mapping={"timestamp": "at"}) == {
        "type": "track",
        "event": "E",
        "userId": "u",
        "properties": {"timestamp": "", "note": ""},
    }
    assert call({"event": " ", "user_id": "u"})["event"] == " "


def test_a_thing_is_an_event_of_which_only_what_is_mapped_is_news() -> None:
    settings: dict[str, Any] = {
        "event": "Trial Started",
        "mapping": {"timestamp": "trial.from", "account_id": "id", "id": "trial.id"},
        "properties": {"trial_ends_at": "trial.to", "plan": "plan"},
    }
    thing = {"id": "acme", "trial": {"id": 9, "from": "2026-02-01", "to": "2026-02-15"}, "seats": 4, "event": "no"}
    found = call(thing, **settings)
    assert found["event"] == "Trial Started"
    assert found["properties"] == {"trial_ends_at": "2026-02-15"}
    assert found["messageId"] == "crm:9"
    assert call({**thing, "seats": 5, "status": "active"}, **settings) == found


def test_a_thing_without_its_instant_is_refused_with_the_place() -> None:
    with pytest.raises(Untranslatable, match=r"bad_timestamp: nothing at trial\.from"):
        call({"id": 1}, event="Trial Started", mapping={"timestamp": "trial.from"})


@pytest.mark.parametrize(("found", "kept"), [(17, "crm:17"), ("17", "crm:17"), ("e-17", "e-17"), ("0b5e", "0b5e")])
def test_an_id_of_digits_is_unique_in_its_source_alone(found: Any, kept: str) -> None:
    assert call({"event": "x", "id": found})["messageId"] == kept


def test_formats_that_explain_themselves_need_no_word_of_ours() -> None:
    assert envelope("crm", section(format="segment")) is None


@given(JSON)
def test_any_document_is_a_call_or_is_refused(document: Any) -> None:
    text = json.dumps(document)
    said = envelope("crm", section(mapping={"account_id": "a.b[0]", "timestamp": "t"}, properties={"p": "q.r"}))
    if isinstance(document, dict):
        assert translate(text, said)["type"] == "track"
    else:
        with pytest.raises(Untranslatable, match="not_an_object"):
            translate(text, said)
