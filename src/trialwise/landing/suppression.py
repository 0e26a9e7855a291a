"""Who was forgotten: salted hashes of ids and addresses, by which what arrives later is known; and every request.

landing/forgotten.json   all of it; no id in plain, but for that of nobody

A salt keeps the hashes of two workspaces apart. Whoever has the file can still try out ids they know.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
Hashes = Mapping[str, frozenset[str]]
"""Kind of id -> hashes."""
ANONYMOUS = "anon:"
WORDS_TOGETHER = 300  # in one regular expression
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
    """One forget, or one undo of it. Instants are UTC without zone; done_at is None until nothing is left of it.

    key: the beginning of the hash of the id that was named, which tells nobody whose it is. counts: what went,
    as far as it is known.
    names: hashes that it put on the list, or took off, by kind.
    """

    key: str
    kind: str
    asked_at: datetime
    done_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    names: Hashes = field(default_factory=dict)
    is_undo: bool = False

    @property
    def _place(self) -> tuple[datetime, bool, str, str]:
        return self.asked_at, self.is_undo, self.kind, self.key

    def is_same(self, other: Request) -> bool:
        """Whether the other is this request, as it was known at another time."""
        return self._place == other._place

    def later(self, other: Request) -> Request:
        """What is known of a request by two lists."""
        done = self if self.done_at is not None else other
        return replace(done, names=_joined(self.names, other.names))


@dataclass(frozen=True)
class Suppression:
    """The list of one workspace. odd: whether an id on it is no single word, so that whole texts are compared too."""

    salt: str = ""
    requests: tuple[Request, ...] = ()
    odd: bool = False

    def __bool__(self) -> bool:
        return any(self.entries.values())

    @cached_property
    def entries(self) -> Hashes:
        """Who is on the list: what the requests, one after the other, put on it and took off."""
        found: dict[str, frozenset[str]] = dict.fromkeys(KINDS, frozenset())
        for request in self.requests:
            for kind, some in request.names.items():
                found[kind] = found[kind] - some if request.is_undo else found[kind] | some
        return found

    @cached_property
    def digest(self) -> str:
        """Equal for lists of the same people."""
        told = [self.salt, {kind: sorted(some) for kind, some in sorted(self.entries.items())}]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    @property
    def ever(self) -> Suppression:
        """The list with everybody who was ever put on it: whose records were erased."""
        return replace(self, requests=tuple(one for one in self.requests if not one.is_undo))

    @property
    def pending(self) -> tuple[Request, ...]:
        """Requests that were begun and have not come to their end."""
        return tuple(one for one in self.requests if one.done_at is None)

    @property
    def last_done(self) -> datetime | None:
        """When the latest forget that came to its end did."""
        done = [one.done_at for one in self.requests if one.done_at is not None and not one.is_undo]
        return max(done, default=None)

    def hash(self, word: str) -> str:
        """What stands for a word on this list."""
        return hashlib.sha256(f"{self.salt}{word}".encode()).hexdigest()

    def key(self, name: str) -> str:
        """What a request about an id is known by."""
        return self.hash(name)[:SHOWN]

    def hashes(self, names: Names) -> Hashes:
        """What stands for names, by kind."""
        found: dict[str, set[str]] = {}
        for kind, word in names.told():
            found.setdefault(kind, set()).add(self.hash(word))
        return {kind: frozenset(some) for kind, some in found.items()}

    def kinds_of(self, word: str) -> tuple[str, ...]:
        """As what a word is on the list; none for one that is not."""
        found = self.hash(word)
        return tuple(kind for kind, some in self.entries.items() if found in some)

    def has(self, names: Names) -> bool:
        """Whether any of these names is on the list, as what it is."""
        return any(some & self.entries[kind] for kind, some in self.hashes(names).items())

    @property
    def size(self) -> int:
        """How many ids and addresses are on the list."""
        return sum(map(len, self.entries.values()))

    def standing(self, kind: str, name: str) -> tuple[Request, ...]:
        """The forgets that named this id and were not undone since."""
        key = self.key(name)
        return tuple(one for one in self._standing if (one.kind, one.key) == (kind, key))

    @property
    def _standing(self) -> list[Request]:
        undone = {(one.kind, one.key): one.asked_at for one in self.requests if one.is_undo}
        return [
            one
            for one in self.requests
            if not one.is_undo and ((one.kind, one.key) not in undone or one.asked_at > undone[one.kind, one.key])
        ]

    def with_request(self, request: Request, names: Names | None = None) -> Suppression:
        """The list with a request put in its place, or added; names: what it puts on the list, or takes off, too."""
        if names is not None:
            request = replace(request, names=_joined(request.names, self.hashes(names)))
        others = [one for one in self.requests if not one.is_same(request)]
        odd = self.odd or (names is not None and any(not is_word(word) for word in names.words))
        return replace(self, requests=tuple(sorted([*others, request], key=lambda one: one._place)), odd=odd)

    def with_learned(self, learned: Names, through: Names, again_at: datetime | None = None) -> Suppression:
        """The list with ids that were found through others on it: with every forget that put one of those there.

        again_at: when records of theirs were found that are kept already; then these forgets are to be done once more.
        """
        met = self.hashes(through)
        found = self
        for request in self.requests:
            if request.is_undo or not any(some & request.names.get(kind, frozenset()) for kind, some in met.items()):
                continue
            found = found.with_request(request, learned)
            if again_at is not None:
                found = found.with_request(Request(request.key, request.kind, again_at))
        return found

    def undoing(self, kind: str, ids: Sequence[str], names: Names, at: datetime) -> Suppression:
        """The list without these names, and without what the forgets of `ids` put on it, unless others did so, too."""
        taken = [request for one in ids for request in self.standing(kind, one)]
        others = replace(self, requests=tuple(one for one in self._standing if not any(map(one.is_same, taken))))
        named = self.hashes(names)
        off = {
            what: some & ((some - others.entries[what]) | named.get(what, frozenset()))
            for what, some in self.entries.items()
        }
        found = self
        for place, one in enumerate(ids):
            names_off = {what: some for what, some in off.items() if some and not place}
            found = found.with_request(Request(self.key(one), kind, at, at, names=names_off, is_undo=True))
        return found

    def before_undone_since(self, moment: datetime) -> Suppression:
        """The list without the undos after an instant."""
        return replace(self, requests=tuple(one for one in self.requests if not one.is_undo or one.asked_at <= moment))

    def merged(self, other: Suppression) -> Suppression:
        """Every request of both lists. Raises StoreError for lists of two workspaces."""
        if not other.salt or not self.salt:
            return self if self.salt else other
        if self.salt != other.salt:
            raise StoreError(
                "two lists of who was forgotten have nothing in common", f"Keep the right one as landing/{NAME}."
            )
        found = replace(self, odd=self.odd or other.odd)
        for request in other.requests:
            mine = next((one for one in self.requests if one.is_same(request)), request)
            found = found.with_request(mine.later(request))
        return found


def _joined(one: Hashes, other: Hashes) -> Hashes:
    return {kind: one.get(kind, frozenset()) | other.get(kind, frozenset()) for kind in KINDS if kind in {*one, *other}}


_APART = " \t\n\r\f\v\"\\,;:<>()[]{}|/?&=!*#%'`"
"""What stands between words; sql/load/macros.sql, words_of, is the other side of it."""


_SPLIT = re.compile(f"[{re.escape(_APART)}]+")


def words_of(text: str) -> set[str]:
    """The words of a text, as the list knows them."""
    return {word for word in _SPLIT.split(text) if word}


def is_word(text: str) -> bool:
    """Whether a text is a single word."""
    return bool(text) and not any(one in _APART for one in text) and text == text.strip(".")


def patterns(names: Names) -> Iterator[str]:
    """Regular expressions (RE2) that find all texts in which one of the names stands."""
    ids, addresses = (
        sorted({re.escape(json.dumps(word, ensure_ascii=False)[1:-1]) for word in some})
        for some in (names.words - names.addresses, names.addresses)
    )
    for start in range(0, len(ids), WORDS_TOGETHER):
        yield "|".join(ids[start : start + WORDS_TOGETHER])
    for start in range(0, len(addresses), WORDS_TOGETHER):
        yield f"(?i){'|'.join(addresses[start : start + WORDS_TOGETHER])}"


def fresh() -> Suppression:
    """A list of nobody, with a salt of its own."""
    return Suppression(secrets.token_hex(16))


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
        return Suppression(told["salt"], requests, told["odd"])
    except FileNotFoundError:
        return Suppression()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}, the list of who was forgotten, cannot be read: {error}",
            "Restore it from a backup: without it, what arrives of them would be kept.",
        ) from error


def change(folder: Path, changed: Callable[[Suppression], Suppression]) -> Suppression:
    """Change the list of a landing folder, durably, all or nothing; several processes do it one after the other.

    Returns what it is then. Raises DiskFull, StoreError.
    """
    durable.make_folder(folder)
    with (folder / f".{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = read(folder)
        new = changed(kept)
        if new != kept:
            write_file(folder / NAME, new)
        return new


def write_file(path: Path, kept: Suppression) -> None:
    """Keep a list in a file, durably, all or nothing. Raises DiskFull, StoreError."""
    told: dict[str, Any] = {
        "version": VERSION,
        "salt": kept.salt,
        "odd": kept.odd,
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
        "names": {kind: sorted(some) for kind, some in request.names.items()},
    }


def _request(told: dict[str, Any]) -> Request:
    done = told["done_at"]
    return Request(
        told["key"],
        told["kind"],
        datetime.fromisoformat(told["asked_at"]),
        None if done is None else datetime.fromisoformat(done),
        told["counts"],
        {kind: frozenset(some) for kind, some in told["names"].items()},
        told["is_undo"],
    )
