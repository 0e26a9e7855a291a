"""Taking a batch apart: the quick way, the patient way and `sources.documents` find the same calls."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwise.sources.collector.split import Batch, batch_of, list_of
from trialwise.sources.documents import unpack
from trialwise.sources.json_text import Unbalanced

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
SPACES = st.text(" \t\r\n", max_size=3)
NAMES = st.sampled_from(["sentAt", "context", "receivedAt", "writeKey", "integrations", "x"])


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, list[str]]:
    """(a batch as text, its calls as text), with white space wherever it may be."""
    calls = [json.dumps(value, ensure_ascii=draw(st.booleans())) for value in draw(st.lists(VALUES, max_size=5))]
    listed = "[" + draw(SPACES) + ",".join(draw(SPACES) + call + draw(SPACES) for call in calls) + "]"
    parts = [
        f'"{name}":{json.dumps(value)}' for name, value in draw(st.dictionaries(NAMES, VALUES, max_size=3)).items()
    ]
    parts.insert(draw(st.integers(0, len(parts))), '"batch"' + draw(SPACES) + ":" + draw(SPACES) + listed)
    inside = ",".join(draw(SPACES) + part + draw(SPACES) for part in parts)
    return draw(SPACES) + "{" + inside + "}" + draw(SPACES), calls


@given(batches())
def test_calls_and_envelope_are_those_of_documents(drawn: tuple[str, list[str]]) -> None:
    text, calls = drawn
    batch = batch_of(text)
    assert batch is not None
    assert [text[a:b] for a, b in batch.calls] == calls
    assert [(a, b, batch.envelope) for a, b in batch.calls] == list(unpack(text, "events"))


@given(st.lists(VALUES, max_size=5), st.sampled_from(['{"a":tru}', "1.2.3", '{"a":1,}', '{"a" 1}', "{1:2}"]))
def test_a_broken_call_hides_none_of_the_others(values: list[object], broken: str) -> None:
    calls = [json.dumps(value) for value in values] + [broken]
    text = '{"batch":[' + ",".join(calls) + '],"sentAt":"now"}'
    batch = batch_of(text)
    assert batch is not None
    assert [text[a:b] for a, b in batch.calls] == calls
    assert batch.envelope == '{"sentAt":"now"}'


@given(st.text(st.sampled_from('{}[]",: \n\\abtch1e-.')) | st.text())
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    for parts in (batch_of, list_of):
        try:
            found = parts(text)
        except Unbalanced:
            continue
        spans = found.calls if isinstance(found, Batch) else found or []
        assert all(0 <= start < end <= len(text) for start, end in spans)


@given(batches(), st.data())
def test_a_batch_that_breaks_off_is_refused(drawn: tuple[str, list[str]], data: st.DataObject) -> None:
    text = drawn[0].strip()
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(Unbalanced):
        batch_of(text[:cut])


def test_depth_is_no_limit() -> None:
    deep = "[" * 50_000 + "]" * 50_000
    assert batch_of('{"batch":[' + deep + ",1]}") == Batch([(10, 100_010), (100_011, 100_012)], None, None)
    assert list_of(f"[{deep},1]") == [(1, 100_001), (100_002, 100_003)]
