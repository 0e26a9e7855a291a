"""How far each pull has come: small JSON values, durable, one file each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from trialwise.errors import DiskFull, StoreError
from trialwise.landing import durable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Cursors:
    """The cursors of a landing folder. A cursor is saved after what it stands behind was appended to a journal."""

    def __init__(self, landing: Path) -> None:
        self._folder = landing / "cursors"

    def get(self, name: str) -> dict[str, Any]:
        """The value kept under a name, {} when there is none; raises StoreError when its file is damaged."""
        path = self._path(name)
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}", _REMEDY) from error
        if not isinstance(value, dict):
            raise StoreError(f"{path} holds {type(value).__name__}, a JSON object was expected", _REMEDY)
        return value

    def put(self, name: str, value: dict[str, Any]) -> None:
        """Keep a value under a name; when this returns it is on disk. Raises DiskFull, StoreError."""
        path = self._path(name)
        try:
            durable.make_folder(self._folder)
            durable.replace(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")
        except OSError as error:
            kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
            raise kind(f"{path} cannot be written: {error}", "Make room or mend the disk; then try again.") from error

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"a cursor is named by letters, digits, '_', '.' and '-': {name!r}")
        return self._folder / f"{name}.json"


_REMEDY = "Remove the file: the pull starts from the beginning, and what came before counts as duplicate."
