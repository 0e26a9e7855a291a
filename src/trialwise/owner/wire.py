"""What a command and the owner say to each other over the socket: one JSON object a line.

```
command: {"version", "operation", "arguments"}
owner:   {"progress": [step, done, total]} ..., then {"result"} or {"error": {"kind", "message", "hint", ...}}
```
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from trialwise import errors
from trialwise.errors import CheckFailed, StoreError, TrialwiseError

R = TypeVar("R")
MAX_LINE = 64 << 20
_MAX_ADDRESS = 100  # bytes of a path that sun_path takes on every system

_EXACT = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants", frozen=True)


class Asked(BaseModel):
    """One request; `arguments` is the JSON text of the operation's own arguments."""

    model_config = _EXACT

    version: str
    operation: str
    arguments: str


class Failure(BaseModel):
    """An error as it is told; `kind` names its class."""

    model_config = _EXACT

    kind: str
    message: str
    hint: str | None = None
    checks: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: TrialwiseError) -> Failure:
        """What is told of an error."""
        checks = tuple(sorted(error.checks)) if isinstance(error, CheckFailed) else ()
        return cls(kind=type(error).__name__, message=error.message, hint=error.hint, checks=checks)

    def error(self) -> TrialwiseError:
        """The error as it was raised by the owner; of a class unknown here, its base."""
        if self.kind == CheckFailed.__name__:
            return CheckFailed(self.message, self.hint, self.checks)
        kind = getattr(errors, self.kind, TrialwiseError)
        known = kind if isinstance(kind, type) and issubclass(kind, TrialwiseError) else TrialwiseError
        return known(self.message, self.hint)


class Valued(BaseModel, Generic[R]):
    """A value of a declared type (dataclasses, paths, instants, bytes) as JSON and back, unchanged."""

    model_config = _EXACT

    value: R


def valued(kind: Any) -> type[Valued[Any]]:
    """The Valued of a type."""
    return cast("type[Valued[Any]]", Valued.__class_getitem__(kind))


class Told(BaseModel):
    """One line of the owner's answer; `result` is the JSON text of a Valued."""

    model_config = _EXACT

    progress: tuple[str, int, int] | None = None
    result: str | None = None
    error: Failure | None = None


@contextmanager
def address(path: Path) -> Iterator[str]:
    """The path as a socket address for the length of the block; one that is too long goes through its open folder."""
    if len(os.fsencode(path)) <= _MAX_ADDRESS:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        short = f"/proc/self/fd/{descriptor}"
        if not Path(short).exists():
            raise StoreError(f"{path} is too long for a socket", "Move the workspace to a shorter path.")
        yield f"{short}/{path.name}"
    finally:
        os.close(descriptor)


def listen(path: Path) -> socket.socket:
    """A socket at `path` for this user alone; what a dead owner left there is replaced.

    The caller holds the claim that says there is no live one. Raises StoreError when the folder takes no socket.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        with address(path) as where:
            listening.bind(where)
        listening.listen(64)
    except OSError as error:
        listening.close()
        raise StoreError(
            f"{path} cannot be listened on: {error.strerror}", "Keep the data folder on a disk of this machine."
        ) from error
    finally:
        os.umask(old)
    return listening


def connect(path: Path) -> socket.socket | None:
    """A connection to the owner that listens at `path`, or None when there is none alive."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as where:
            connection.connect(where)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise StoreError(
            f"{path} cannot be asked: {error.strerror}", "Run the command as the user that runs the server."
        ) from error
    return connection
