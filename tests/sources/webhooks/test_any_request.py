"""Whatever bytes, headers and URLs arrive: a request is refused or taken apart, and nothing else is raised."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.webhooks.signing import NOW, sender_of

from trialwise.sources.piece import Piece
from trialwise.sources.webhooks import PROVIDERS, Refused

latin = st.text(st.characters(max_codepoint=255), max_size=40)
pairs = st.lists(st.tuples(st.sampled_from(["t", "v1", "v0", " v1"]), latin | st.integers().map(str)), max_size=4)
values = (
    latin
    | st.sampled_from(["Basic ", "bearer x", "Basic Og=="])
    | st.integers().map(str)
    | pairs.map(lambda found: ",".join(f"{key}={value}" for key, value in found))
)
bodies = st.binary(max_size=60) | st.text(st.sampled_from('[]{}",:a1\\ \n&=%'), max_size=60).map(str.encode)
queries = latin | st.sampled_from(["?secret=%ff", "?secret", "#?secret=x", "?secret=a&secret=b", "://[?secret=x"])
EVERY = pytest.mark.parametrize("name", sorted(PROVIDERS))


@EVERY
@given(header=values, other=values, body=bodies, query=queries)
@settings(max_examples=60, deadline=None)
def test_nobody_gets_in_by_nonsense(name: str, header: str, other: str, body: bytes, query: str) -> None:
    door, sender = PROVIDERS[name], sender_of(name)
    signed = sender.sign(sender.secrets[0], sender.body, NOW)
    headers = dict(zip(signed.headers, (header, other), strict=False))
    request = replace(signed, headers=headers, body=body, url=signed.url.partition("?")[0] + query)
    with pytest.raises(Refused):
        door.verify(request, sender.secrets)


@EVERY
@given(body=bodies)
@settings(max_examples=60, deadline=None)
def test_every_body_is_taken_apart_without_losing_anything(name: str, body: bytes) -> None:
    sender = sender_of(name)
    signed = sender.sign(sender.secrets[0], sender.body, NOW)
    found = PROVIDERS[name].pieces(replace(signed, body=body))
    assert all(type(piece) is Piece for piece in found)
    if name != "mandrill":  # whose events stand in a field of the form
        assert found or re.fullmatch(r"[\s\ufeff]*(\[\s*\][\s\ufeff]*)?", body.decode())
