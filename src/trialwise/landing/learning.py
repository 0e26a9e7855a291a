"""Ids that turn out to be theirs who were forgotten, when records of theirs arrive later: put on the list as well.

A colleague who was not known when an account was forgotten, another device of a forgotten user, a new Stripe customer:
the record that names them with somebody on the list goes, and so does what they do without naming anybody else.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from trialwise.engines.duckdb import Engine
from trialwise.landing import load, suppression
from trialwise.landing.statements import rows, run
from trialwise.landing.suppression import ANONYMOUS, Names, Suppression, patterns

Called = set[frozenset[str]]
"""Users that calls name, those of one call together."""


class Learning:
    """What one search through landing learns. `kept` is the list with it.

    store: the owned one, None where users are not learned: without it nobody knows whether they are somebody else's.
    """

    def __init__(self, folder: Path, store: Engine | None, kept: Suppression, now: datetime) -> None:
        self.kept = kept
        self._folder = folder
        self._store = store
        self._now = now
        self._taken = 0 if store is None else load.last_taken(store)

    def users(self, called: Called, names: Names, others: Collection[str]) -> set[str]:
        """Users that are new among those of calls of theirs; none of a call that names one of the others, too."""
        if self._store is None:
            return set()
        alone = [ids for ids in called if not ids & set(others)]
        return {one for ids in alone for one in ids} - names.users

    def elsewhere(self, users: Collection[str]) -> set[str]:
        """Users whom the store knows, under one of their ids, in an account that is not on the list."""
        if self._store is None:
            return set()
        found = rows(self._store, "accounts_of_users", {"users": sorted(users)})
        return {user for user, account in found if "account" not in self.kept.kinds_of(account)}

    def is_in_store(self, names: Names) -> bool:
        """Whether the store holds records that name them."""
        if self._store is None or not names:
            return False
        if rows(self._store, "holds_users", {"users": sorted(names.users)})[0][0]:
            return True
        run(self._store, "macros")
        return any(rows(self._store, "holds_text", {"pattern": one})[0][0] for one in patterns(names))

    def note(self, learned: Names, through: Names, segments: Collection[int]) -> None:
        """Put on the list what was learned, before segments change: a crash in between leaves nobody unknown.

        Where the store took one of these segments, what it holds has to go, too: the forget is begun once more.
        """
        is_again = any(one <= self._taken for one in segments) and not self.kept.pending
        if not learned and not is_again:
            return
        at = self._now if is_again else None

        def with_learned(kept: Suppression) -> Suppression:
            return kept.with_learned(learned, through | learned, at)

        suppression.change(self._folder, with_learned)
        self.kept = with_learned(self.kept)


def users_of(ids: Collection[str]) -> Names:
    """Names of these users, as the loader writes them; those that are addresses as such, too."""
    return Names(
        users=frozenset(ids),
        addresses=frozenset(one.lower() for one in ids if "@" in one and not one.startswith(ANONYMOUS)),
    )
