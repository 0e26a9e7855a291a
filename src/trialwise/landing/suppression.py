"""Who was forgotten: salted hashes of ids and addresses, by which what arrives later is known; and every request.

landing/forgotten.json   all of it; no id in plain, but for that of nobody

A salt keeps the hashes of two workspaces apart. Whoever has the file can still try out ids they know.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from trialwise.errors import DiskFull, StoreError
from trialwise.landing import durable

NAME = "forgotten.json"
VERSION = 1
KINDS = ("account", "user", "anonymous", "address", "stripe")
ANONYMOUS = "anon:"
SHOWN = 12  # hex digits of a hash that tell requests apart


@dataclass(frozen=True)
class Names:
    """Ids and addresses that belong to whom is forgotten, in plain.

    accounts: as announced. users: as the loader writes them, 'anon:<id>' for anonymous ones. addresses: lower case.
    stripe: ids of customers and of what is theirs alone (subscriptions, invoices, cards).
    """

    accounts: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    stripe: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.accounts or self.users or self.addresses or self.stripe)

    def __or__(self, other: Names) -> Names:
        return Names(
            self.accounts | other.accounts,
            self.users | other.users,
            self.addresses | other.addresses,
            self.stripe | other.stripe,
        )

    @cached_property
    def words(self) -> frozenset[str]:
        """How they stand in texts."""
        return frozenset(word for _, word in self.told())

    def told(self) -> Iterator[tuple[str, str]]:
        """(kind, word) of each."""
        yield from (("account", one) for one in self.accounts)
        for user in self.users:
            known = user.startswith(ANONYMOUS)
            yield ("anonymous" if known else "user", user.removeprefix(ANONYMOUS) if known else user)
        yield from (("address", one) for one in self.addresses)
        yield from (("stripe", one) for one in self.stripe)


def named(told: Iterable[tuple[str, str]]) -> Names:
    """The names of (kind, word) pairs."""
    some: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for kind, word in told:
        some[kind].add(word)
    users = some["user"] | {ANONYMOUS + word for word in some["anonymous"]}
    return Names(frozenset(some["account"]), frozenset(users), frozenset(some["address"]), frozenset(some["stripe"]))


@dataclass(frozen=True)
class Request:
    """One forget. Instants are UTC without zone; done_at is None until nothing is left of it.

    key: the beginning of the hash of the id that was named, which tells nobody whose it is. counts: what went.
    """

    key: str
    kind: str
    asked_at: datetime
    done_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Suppression:
    """The list of one workspace. odd: whether an id on it is no single word, so that whole texts are compared too."""

    salt: str = ""
    entries: Mapping[str, frozenset[str]] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    odd: bool = False

    def __bool__(self) -> bool:
        return any(self.entries.values())

    @cached_property
    def digest(self) -> str:
        """Equal for lists of the same people."""
        told = [self.salt, {kind: sorted(some) for kind, some in sorted(self.entries.items())}]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    @property
    def pending(self) -> tuple[Request, ...]:
        """Requests that were begun and have not come to their end."""
        return tuple(one for one in self.requests if one.done_at is None)

    @property
    def last_done(self) -> datetime | None:
        """When the latest request that came to its end did."""
        return max((one.done_at for one in self.requests if one.done_at is not None), default=None)

    def hash(self, word: str) -> str:
        """What stands for a word on this list."""
        return hashlib.sha256(f"{self.salt}{word}".encode()).hexdigest()

    def kinds_of(self, word: str) -> tuple[str, ...]:
        """As what a word is on the list; none for one that is not."""
        found = self.hash(word)
        return tuple(kind for kind, some in self.entries.items() if found in some)

    def is_stripe(self, data: bytes, metadata_key: str) -> bool:
        """Whether a record of Stripe's is of somebody on the list: it names their account, or what is theirs alone."""
        if not self:
            return False
        text = data.decode("utf-8", "replace")
        if any("stripe" in self.kinds_of(word) for word in set(_SPLIT.split(text)) if word):
            return True
        return any("account" in self.kinds_of(one) for one in _accounts(text, metadata_key))

    def request_of(self, kind: str, name: str) -> Request | None:
        """The latest request that named this id."""
        key = self.hash(name)[:SHOWN]
        return next((one for one in reversed(self.requests) if (one.kind, one.key) == (kind, key)), None)

    def with_names(self, names: Names) -> Suppression:
        """The list with these on it as well."""
        entries = {kind: set(some) for kind, some in self.entries.items()}
        for kind, word in names.told():
            entries.setdefault(kind, set()).add(self.hash(word))
        odd = self.odd or any(not is_word(word) for word in names.words)
        return replace(self, entries={kind: frozenset(some) for kind, some in entries.items()}, odd=odd)

    def with_request(self, request: Request) -> Suppression:
        """The list with a request put in the place of the one of its instant and key, or added."""
        others = [one for one in self.requests if (one.key, one.asked_at) != (request.key, request.asked_at)]
        return replace(self, requests=tuple(sorted([*others, request], key=lambda one: (one.asked_at, one.key))))

    def merged(self, other: Suppression) -> Suppression:
        """Everybody of both lists. Raises StoreError for lists of two workspaces."""
        if not other or not self:
            return self or other
        if self.salt != other.salt:
            raise StoreError(
                "two lists of who was forgotten have nothing in common", f"Keep the right one as landing/{NAME}."
            )
        entries = {kind: self.entries.get(kind, frozenset()) | other.entries.get(kind, frozenset()) for kind in KINDS}
        found = replace(self, entries=entries, odd=self.odd or other.odd)
        for request in other.requests:
            mine = next(
                (one for one in self.requests if (one.key, one.asked_at) == (request.key, request.asked_at)), None
            )
            found = found.with_request(request if mine is None or mine.done_at is None else mine)
        return found


_APART = " \t\n\r\f\v\"\\,;:<>()[]{}|/?&=!*#%'`"
"""What stands between words; sql/load/macros.sql, words_of, is the other side of it."""


_SPLIT = re.compile(f"[{re.escape(_APART)}]+")


def _accounts(text: str, metadata_key: str) -> Iterator[str]:
    """Accounts that a Stripe record, or the object in it, names."""
    try:
        record = json.loads(text)
        data = record.get("data")
        for held in (record, data.get("object") if isinstance(data, dict) else None):
            if isinstance(held, dict):
                metadata = held.get("metadata")
                named = metadata.get(metadata_key) if isinstance(metadata, dict) else None
                yield from (one for one in (named, held.get("client_reference_id")) if isinstance(one, str))
    except (ValueError, AttributeError, RecursionError):
        return


def is_word(text: str) -> bool:
    """Whether a text is a single word."""
    return bool(text) and not any(one in _APART for one in text) and text == text.strip(".")


def fresh() -> Suppression:
    """A list of nobody, with a salt of its own."""
    return Suppression(secrets.token_hex(16), {kind: frozenset() for kind in KINDS})


def read(folder: Path) -> Suppression:
    """The list of a landing folder; one of nobody, without salt, where there is none. Raises StoreError."""
    return read_file(folder / NAME)


def read_file(path: Path) -> Suppression:
    """As `read`, of a file. Raises StoreError for one that is damaged: going on without it would bring people back."""
    try:
        told = json.loads(path.read_bytes())
        if told["version"] > VERSION:
            raise ValueError(f"it is of version {told['version']}, this trialwise knows version {VERSION}")
        requests = tuple(_request(one) for one in told["requests"])
        entries = {kind: frozenset(told["entries"].get(kind, ())) for kind in KINDS}
        return Suppression(told["salt"], entries, requests, told["odd"])
    except FileNotFoundError:
        return Suppression()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}, the list of who was forgotten, cannot be read: {error}",
            "Restore it from a backup: without it, what arrives of them would be kept.",
        ) from error


def write(folder: Path, kept: Suppression) -> None:
    """Keep the list of a landing folder, durably, all or nothing. Raises DiskFull, StoreError."""
    durable.make_folder(folder)
    write_file(folder / NAME, kept)


def write_file(path: Path, kept: Suppression) -> None:
    """As `write`, to a file."""
    told: dict[str, Any] = {
        "version": VERSION,
        "salt": kept.salt,
        "odd": kept.odd,
        "entries": {kind: sorted(some) for kind, some in kept.entries.items()},
        "requests": [_plain(one) for one in kept.requests],
    }
    try:
        durable.replace(path, json.dumps(told, indent=1).encode() + b"\n")
    except OSError as error:
        kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
        raise kind(f"{path} cannot be written: {error}", "Make room or mend the disk, and run it again.") from error


def _plain(request: Request) -> dict[str, Any]:
    return {
        **asdict(request),
        "counts": dict(request.counts),
        "asked_at": request.asked_at.isoformat(),
        "done_at": None if request.done_at is None else request.done_at.isoformat(),
    }


def _request(told: dict[str, Any]) -> Request:
    done = told["done_at"]
    return Request(
        told["key"],
        told["kind"],
        datetime.fromisoformat(told["asked_at"]),
        None if done is None else datetime.fromisoformat(done),
        told["counts"],
    )
