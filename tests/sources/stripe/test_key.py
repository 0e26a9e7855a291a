"""The key: what it may be, which mode it opens, and that it never shows."""

from __future__ import annotations

import pytest

from trialwise.errors import ConfigError
from trialwise.sources.stripe.key import read_key, scrubbed


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_a_missing_key_names_the_variable(text: str | None) -> None:
    with pytest.raises(ConfigError, match="TRIALWISE_STRIPE_KEY is not set"):
        read_key(text, "any")


@pytest.mark.parametrize(
    "text",
    [
        "pk_live_Canary01",
        "whsec_Canary01",
        "Canary01",
        "sk_live_Canary 01",
        "sk_live_Canary01\x00",
        "sk_canary_Canary01",
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="a key begins with rk_live_") as caught:
        read_key(text, "any")
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "live", "restricted"),
    [
        ("sk_live_Canary01", True, False),
        ("rk_live_Canary01", True, True),
        ("sk_test_Canary01", False, False),
        (" rk_test_51Canary_01\n", False, True),
    ],
)
def test_the_mode_stands_in_the_key(text: str, live: bool, restricted: bool) -> None:
    key = read_key(text, live)
    assert (key.livemode, key.is_restricted, key.secret) == (live, restricted, text.strip())
    assert "Canary" not in repr(key)
    with pytest.raises(ConfigError, match="test and live never mix") as caught:
        read_key(text, not live)
    assert "Canary" not in str(caught.value)


def test_keys_are_taken_out_of_what_others_say() -> None:
    assert scrubbed("Invalid API Key provided: sk_live_****abcd, use rk_test_1_Ab.") == (
        "Invalid API Key provided: [key], use [key]"
    )
