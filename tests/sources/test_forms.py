"""Forms of Zapier and of webhooks become objects by the same rules."""

from __future__ import annotations

import pytest

from trialwise.sources.forms import object_of


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([("a[b][c]", "1"), ("a[d]", "2")], {"a": {"b": {"c": "1"}, "d": "2"}}),
        ([("t[]", "5"), ("t[]", "6"), ("u", "1"), ("u", "2"), ("one[]", "7")],
         {"t": ["5", "6"], "u": ["1", "2"], "one": ["7"]}),
        ([("a", "1"), ("a[b]", "2")], {"a": "1", "a[b]": "2"}),
        ([("a[b]", "2"), ("a", "1"), ("a", "3")], {"a": {"b": "2", "": ["1", "3"]}}),
        ([("x[", "3"), ("[y]", "4"), ("z]", "5")], {"x[": "3", "[y]": "4", "z]": "5"}),
    ],
)  # fmt: skip
def test_names_are_places_and_nothing_is_lost(fields: list[tuple[str, str]], found: dict[str, object]) -> None:
    assert object_of(fields) == found


def test_a_name_of_very_many_brackets_stays_as_it_is() -> None:
    name = "a" + "[b]" * 1_000
    assert object_of([(name, "1")]) == {name: "1"}
