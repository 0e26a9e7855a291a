"""The secret key of a Stripe account: what it may be, and which mode it opens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from trialwise.errors import ConfigError

VARIABLE = "TRIALWISE_STRIPE_KEY"
_SHAPE = re.compile(r"(sk|rk)_(live|test)_[A-Za-z0-9_]+")
_HINT = (
    f"Make a restricted key in Stripe's dashboard (docs/howto/connect-stripe.md) and put it into {VARIABLE}; "
    "a secret key works too."
)


@dataclass(frozen=True)
class Key:
    """A usable key. `secret` never shows in a representation; `livemode` says which mode it opens."""

    secret: str = field(repr=False)
    livemode: bool
    is_restricted: bool

    @property
    def mode(self) -> str:
        """'live' or 'test', for people."""
        return "live" if self.livemode else "test"


def read_key(text: str | None, livemode: bool | Literal["any"]) -> Key:
    """The key in `text`, checked against the mode `[stripe] livemode` asks for.

    Raises ConfigError, which never repeats the key, when there is none, when it is no key of an account, or when it
    opens the other mode.
    """
    if text is None or not text.strip():
        raise ConfigError(f"no Stripe key: the environment variable {VARIABLE} is not set", _HINT)
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        told = (
            "a publishable key, which reads nothing" if text.strip().startswith("pk_") else "no key of a Stripe account"
        )
        raise ConfigError(f"{VARIABLE} holds {told}; a key begins with rk_live_, sk_live_, rk_test_ or sk_test_", _HINT)
    key = Key(text.strip(), livemode=found[2] == "live", is_restricted=found[1] == "rk")
    if livemode != "any" and key.livemode != livemode:
        raise ConfigError(
            f"{VARIABLE} holds a {key.mode} mode key, and [stripe] livemode is {str(livemode).lower()}",
            "Use the key of that mode, or import the other mode into a workspace of its own: test and live never mix.",
        )
    return key


def scrubbed(text: str) -> str:
    """The text without anything that looks like a key, whole or shortened by Stripe."""
    return re.sub(r"\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_*.]+", "[key]", text)
