"""JSON stays as sent, byte for byte; a form becomes one JSON object."""

from __future__ import annotations

import json

import pytest

from trialwise.sources.webhooks.bodies import MAX_FIELDS, form_fields, pieces_of_form, pieces_of_json


def test_elements_keep_their_bytes_and_places() -> None:
    body = '\n[ {"a" : 1.50,"b":"ü"} ,\r\n{"a":1e3},"x"]\n'.encode()
    pieces = pieces_of_json(body)
    assert [piece.data for piece in pieces] == ['{"a" : 1.50,"b":"ü"}'.encode(), b'{"a":1e3}', b'"x"']
    assert all(
        piece.offset is not None and body[piece.offset :].startswith(piece.data) and piece.envelope is None
        for piece in pieces
    )


@pytest.mark.parametrize(
    "body", [b"{}", b'{"a":[1,2]}', b"nonsense", b"\xff\xfe", b"[1,", b"[1]]", b'["a" "b"]', b"[{]"]
)
def test_what_is_no_array_is_one_record_for_the_loader_to_judge(body: bytes) -> None:
    assert [piece.data for piece in pieces_of_json(body)] == [body]


@pytest.mark.parametrize("body", [b"", b" \n", b"[]", b" [ ] "])
def test_nothing_is_kept_as_a_refused_record(body: bytes) -> None:
    [piece] = pieces_of_json(body)
    assert (piece.data, piece.reason) == (body, "unknown_shape")


@pytest.mark.parametrize("body", [b"", b"&"])
def test_a_form_without_fields_is_kept_as_a_refused_record(body: bytes) -> None:
    [piece] = pieces_of_form(body)
    assert (piece.data, piece.reason) == (body, "unknown_shape")


def test_a_form_is_unfolded() -> None:
    body = (
        b"type=subscribe&fired_at=2026-03-01%2012:00:00&data%5Bemail%5D=ann%2Btag@acme.example&data[merges][FNAME]="
        b"&data[merges][GROUPINGS][0][name]=%C3%BC&plus=a+b"
    )
    [piece] = pieces_of_form(body)
    assert json.loads(piece.data) == {
        "type": "subscribe",
        "fired_at": "2026-03-01 12:00:00",
        "data": {"email": "ann+tag@acme.example", "merges": {"FNAME": "", "GROUPINGS": {"0": {"name": "ü"}}}},
        "plus": "a b",
    }


def test_a_form_of_too_many_fields_is_refused() -> None:
    [piece] = pieces_of_form(b"&".join([b"a=1"] * (MAX_FIELDS + 1)))
    assert piece.reason == "too_large"
    assert len(form_fields(b"&".join([b"a=1"] * MAX_FIELDS))) == MAX_FIELDS


def test_bytes_that_are_no_utf_8_become_a_record_all_the_same() -> None:
    [piece] = pieces_of_form(b"a=%ff\xfe")
    assert json.loads(piece.data) == {"a": "\ufffd\ufffd"}
