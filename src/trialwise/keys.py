"""keys.json: who may send, read, write and administer. A key is shown once; what is kept is its SHA-256.

The file is its own: creating and revoking need no store and work while a server runs, which reads it again whenever it
has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialwise.errors import InputError, NotFoundError, StoreError, nearest

if TYPE_CHECKING:
    import polars as pl

SCOPES = ("ingest", "read", "write", "admin")
"""What a key may do, weakest first: send events; read results; send sales actions; everything."""
RANDOM_BYTES = 32
LAST_DIGITS = 4
MAX_NAME = 100


@dataclass(frozen=True)
class Key:
    """One key as it is kept.

    sha256: hex digest of the secret; last: its last characters, to tell keys apart; created_at, revoked_at: UTC
    instants without zone, revoked_at None while the key works.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    last: str
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether the key works."""
        return self.revoked_at is None

    def allows(self, scope: str) -> bool:
        """Whether the key may do what needs `scope`; admin may do everything."""
        return scope in self.scopes or "admin" in self.scopes


class Keys:
    """The keys of one workspace, read again whenever the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def create(self, name: str, scopes: Collection[str], now: datetime) -> str:
        """Make a key and return its secret, which is kept nowhere; two live keys may share a name while one replaces
        the other.

        Raises InputError for a name or scope that cannot be, StoreError when the file cannot be written.
        """
        if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
            raise InputError(
                f"'{name}' is no name for a key", f"Give it 1 to {MAX_NAME} printable characters, such as 'website'."
            )
        if not scopes:
            raise InputError(f"key '{name}' has no scope", f"Give at least one of {', '.join(SCOPES)}.")
        for scope in scopes:
            if scope not in SCOPES:
                raise InputError(f"unknown scope '{scope}'{nearest(scope, SCOPES)}", f"Scopes are {', '.join(SCOPES)}.")
        held = tuple(scope for scope in SCOPES if scope in scopes)
        secret = f"tw_{held[-1][0]}_{secrets.token_urlsafe(RANDOM_BYTES)}"
        key = Key(secrets.token_hex(4), name, held, _digest(secret), secret[-LAST_DIGITS:], now)
        with self._turn():
            self._write((*self.list(), key))
        return secret

    def revoke(self, which: str, now: datetime) -> Key:
        """Stop a live key, named by its name or the beginning of its id; it stays in the list.

        Raises NotFoundError when no live key is meant, or several are.
        """
        with self._turn():
            known = self.list()
            live = [key for key in known if key.is_live]
            meant = [key for key in live if key.name == which] or [
                key for key in live if which and key.id.startswith(which)
            ]
            if not meant:
                raise NotFoundError(
                    f"no live key is called '{which}'{nearest(which, [key.name for key in live])}",
                    "Run 'trialwise keys list' to see names and ids.",
                )
            if len(meant) > 1:
                ids = ", ".join(f"{key.id} (of {key.created_at:%Y-%m-%d %H:%M}Z)" for key in meant)
                raise NotFoundError(f"'{which}' stands for several live keys: {ids}", "Give the id of one of them.")
            revoked = replace(meant[0], revoked_at=now)
            self._write([revoked if key.id == revoked.id else key for key in known])
        return revoked

    def list(self) -> tuple[Key, ...]:
        """Every key ever made, oldest first. Raises StoreError when the file is damaged."""
        self._follow()
        return self._keys

    def any(self) -> bool:
        """Whether a key was ever made: revoking the last one does not open the doors again."""
        return bool(self.list())

    def allows(self, token: str, scope: str) -> bool:
        """Whether `token` is a live key for `scope`. The time it takes does not tell how much of a key was right."""
        digest = _digest(token)
        allowed = False
        for key in self.list():
            allowed |= hmac.compare_digest(key.sha256, digest) and key.is_live and key.allows(scope)
        return allowed

    def _follow(self) -> None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, ()
            return
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if seen != self._seen:
            try:
                self._keys = tuple(_key(entry) for entry in json.loads(self._path.read_bytes())["keys"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"{self._path} cannot be read: {error or type(error).__name__}",
                    "Restore it from a backup, or move it away and make new keys.",
                ) from error
            self._seen = seen

    def _write(self, keys: Sequence[Key]) -> None:
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        text = json.dumps({"keys": [_entry(key) for key in keys]}, indent=1) + "\n"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                os.fchmod(descriptor, 0o600)
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            fresh.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise StoreError(
                f"{self._path} cannot be written: {error}", "Make room or mend the disk; the keys are as they were."
            ) from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Two commands at a time take turns."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def keys_frame(keys: Sequence[Key]) -> pl.DataFrame:
    """Keys as rows: key_id, name, scopes, created_at, last, revoked_at."""
    import polars as pl

    instant = pl.Datetime("us")
    schema: dict[str, Any] = {
        "key_id": pl.String, "name": pl.String, "scopes": pl.List(pl.String),
        "created_at": instant, "last": pl.String, "revoked_at": instant,
    }  # fmt: skip
    rows = [(key.id, key.name, list(key.scopes), key.created_at, key.last, key.revoked_at) for key in keys]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _entry(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "sha256": key.sha256,
        "last": key.last,
        "created_at": key.created_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }


def _key(entry: dict[str, Any]) -> Key:
    revoked = entry["revoked_at"]
    return Key(
        str(entry["id"]),
        str(entry["name"]),
        tuple(str(scope) for scope in entry["scopes"]),
        str(entry["sha256"]),
        str(entry["last"]),
        datetime.fromisoformat(entry["created_at"]),
        None if revoked is None else datetime.fromisoformat(revoked),
    )
