"""Every error trialwise raises on purpose.

TrialwiseError            exit 1  the user can mend it; one line, then what to do next
├── ConfigError                   trialwise.toml or the environment
├── InputError                    a file or record that cannot be read at all
├── SourceError                   a system outside that stays out of reach, or answers what cannot be understood
│   └── SourceBusy                another process, or another run, is reading it
├── NotFoundError                 an account, trial, list or result that is not there
├── StoreError                    the workspace's own files
│   ├── StoreDamaged              a database file that is not as it was written
│   ├── StoreLocked               another process owns the store
│   ├── NotWritable               a file that may be read and not written
│   ├── DiskFull                  no room; nothing of what failed was kept
│   └── Overloaded                more waits to be written than may; nothing of it was taken
└── ModelError                    a SQL model that cannot be used as it is
    └── CheckFailed       exit 3  a check found bad rows; the published results stay

Untranslatable                    one record, never the run: it goes to quarantine
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path

ROOM_HINT = "Make room on the disk, then run it again. Nothing that was received is lost."


class TrialwiseError(Exception):
    """Base of all errors shown to people: `message` says what is wrong, `hint` what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}\n{hint}")
        self.message = message
        self.hint = hint


class ConfigError(TrialwiseError):
    """trialwise.toml or an environment variable is wrong."""


class InputError(TrialwiseError):
    """A file or record given by the user cannot be read."""


class SourceError(TrialwiseError):
    """A system outside, such as an API that is read, stays out of reach or answers what cannot be understood."""


class SourceBusy(SourceError):
    """Somebody else is reading that source now."""


class NotFoundError(TrialwiseError):
    """Something asked for by name does not exist."""


class StoreError(TrialwiseError):
    """The workspace's own files are missing, damaged or of another version."""


class NotWritable(StoreError):
    """A file of the workspace that this user may read and not write."""


class StoreDamaged(StoreError):
    """A database file is cut, changed, or of another version: what it held has to be made again.

    path: the file.
    """

    def __init__(self, message: str, hint: str | None = None, path: Path | None = None) -> None:
        super().__init__(message, hint)
        self.path = path


class StoreLocked(StoreError):
    """Another process holds the store."""


class DiskFull(StoreError):
    """The disk, a quota or a limit leaves no room to write: nothing of what was to be kept is kept."""


class Overloaded(StoreError):
    """More records wait to be written than may wait: nothing was taken, it can be sent again later."""


class ModelError(TrialwiseError):
    """A SQL model cannot be parsed, ordered, composed or run."""


class CheckFailed(ModelError):
    """A check of level `fail` returned bad rows; nothing was published.

    checks: (model, check) of each that failed.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str | None = None, checks: Collection[tuple[str, str]] = ()) -> None:
        super().__init__(message, hint)
        self.checks = frozenset(checks)


class Untranslatable(Exception):
    """A record of another system's format that says nothing trialwise could keep as a call.

    `reason` is a slug, as in quarantine; `detail` what was found, or None.
    """

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason if detail is None else f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the closest of `known`, or an empty string when none is close."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{matches[0]}'?" if matches else ""
