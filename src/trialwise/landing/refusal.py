"""Stripe's records of who was forgotten, told from others before they are landed: its API gives them ever again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from trialwise.landing import screen, suppression
from trialwise.landing.folder import Landing
from trialwise.landing.suppression import Names, words_of

LOOK_BACK = timedelta(days=3)
"""What came before an object that turns out to be theirs may speak of it: as long as Stripe repeats a webhook."""
SHARED = frozenset({"product", "price", "plan", "coupon"})
"""Objects that are nobody's alone."""


class Refusal:
    """Tells records of one reading of Stripe's API, and learns the ids of objects that turn out to be theirs.

    A payment of an invoice names neither customer nor account: it is known by the invoice, which does.
    """

    def __init__(self, landing: Landing, metadata_key: str) -> None:
        self._landing = landing
        self._metadata_key = metadata_key
        self._list = suppression.read(landing.folder)
        self._learned: list[tuple[Names, Names]] = []
        self._known: set[str] = set()

    def __call__(self, data: bytes) -> bool:
        """Whether a record is of somebody on the list: it names their account, or what is theirs alone."""
        if not self._list:
            return False
        text = data.decode("utf-8", "replace")
        objects = list(_objects(text))
        theirs = frozenset(word for word in words_of(text) if self._is_theirs(word))
        accounts = frozenset(
            one
            for held in objects
            for one in _accounts(held, self._metadata_key)
            if "account" in self._list.kinds_of(one)
        )
        if not theirs and not accounts:
            return False
        if learned := frozenset(one for held in objects for one in _ids(held) if not self._is_theirs(one)):
            self._known |= learned
            self._learned.append((Names(stripe=learned), Names(accounts=accounts, stripe=theirs)))
        return True

    def keep(self, now: datetime) -> None:
        """Put on the list what was learned; the next load holds what came lately against it. Raises as `change`."""
        if self._learned:
            screen.learn(self._landing, self._learned, since=now - LOOK_BACK)
            self._learned.clear()

    def _is_theirs(self, word: str) -> bool:
        return word in self._known or "stripe" in self._list.kinds_of(word)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """A record of Stripe's, and the object in it."""
    try:
        record = json.loads(text)
        data = record.get("data")
        held = (data.get("object") if isinstance(data, dict) else None, record.get("object"), record)
        yield from (one for one in held if isinstance(one, dict))
    except (ValueError, AttributeError, RecursionError):
        return


def _accounts(held: dict[str, Any], metadata_key: str) -> Iterator[str]:
    metadata = held.get("metadata")
    named = metadata.get(metadata_key) if isinstance(metadata, dict) else None
    yield from (one for one in (named, held.get("client_reference_id")) if isinstance(one, str))


def _ids(held: dict[str, Any]) -> Iterator[str]:
    """Its own id and its customer's; sql/load/stripe_ids_of_theirs.sql is the other side of it."""
    kind, customer = held.get("object"), held.get("customer")
    if isinstance(kind, str) and kind not in SHARED and kind != "event" and isinstance(held.get("id"), str):
        yield held["id"]
    named = customer.get("id") if isinstance(customer, dict) else customer
    if isinstance(named, str):
        yield named
