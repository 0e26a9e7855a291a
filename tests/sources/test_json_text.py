"""Parts of a JSON text are found where a parser would find them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwise.sources.json_text import Unbalanced, elements, end_of_value, members

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, st.sampled_from([None, 2]), st.sampled_from(["", " ", "\n", ',{"x":1}', "]"]))
def test_the_end_is_where_the_value_ends(value: Any, indent: int | None, after: str) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert end_of_value(text + after, 0) == len(text)


@given(st.lists(_JSON, max_size=5), st.sampled_from([None, 2]))
def test_elements(values: list[Any], indent: int | None) -> None:
    text = json.dumps(values, indent=indent)
    assert [json.loads(text[a:b]) for a, b in elements(text, 0)] == values


@given(st.dictionaries(st.text(max_size=6), _JSON, max_size=5), st.sampled_from([None, 2]))
def test_members(values: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(values, indent=indent)
    found = {json.loads(f'"{key}"'): json.loads(text[a:b]) for key, a, b in members(text, 0)}
    assert found == values


@pytest.mark.parametrize("text", ["", "{", "[1,2", '"abc', '{"a":[1}', "]", ","])
def test_a_value_that_breaks_off(text: str) -> None:
    with pytest.raises(Unbalanced):
        end_of_value(text, 0)


@pytest.mark.parametrize("text", ["[1 2]", "[1,", "[1,]x", "["])
def test_a_list_that_breaks_off(text: str) -> None:
    with pytest.raises(Unbalanced):
        list(elements(text, 0))


@pytest.mark.parametrize("text", ['{"a" 1}', '{"a":1 "b":2}', "{a:1}", '{"a":', '{"a":1,'])
def test_an_object_that_breaks_off(text: str) -> None:
    with pytest.raises(Unbalanced):
        list(members(text, 0))


def test_no_depth_is_too_deep() -> None:
    text = "[" * 200_000 + "]" * 200_000
    assert end_of_value(text, 0) == len(text)
