"""A folder that files are dropped into: which of them are complete, and where they go afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from trialwise.errors import InputError

UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp", ".lock", "~")
"""Ends of names under which programs write what they rename when it is done."""
ARCHIVE, FAILED = "archive", "failed"

Stamp = tuple[int, int, int]
"""(size in bytes, times of modification and of change in ns): another one is another file, or one written to."""


@dataclass(frozen=True)
class Looked:
    """What two looks at a folder found: `ready` files, oldest first, with their stamps; names that are `waiting`."""

    ready: Mapping[Path, Stamp]
    waiting: tuple[str, ...]


def look(
    folder: Path,
    pattern: str,
    known: Callable[[str, Stamp], bool],
    *,
    settle_seconds: float,
    sleep: Callable[[float], None],
) -> Looked:
    """The files that did not change between two looks, `settle_seconds` apart; empty ones are still waited for.

    `known` says of a name and stamp that there is nothing to do; without other files there is no second look.
    Sub-folders, links, hidden files and names of unfinished ones are passed over. Raises InputError when the folder
    cannot be read.
    """
    first = {path: stamp for path, stamp in _files(folder, pattern).items() if not known(path.name, stamp)}
    if not first:
        return Looked({}, ())
    sleep(settle_seconds)
    second = _files(folder, pattern)
    same = {path: stamp for path, stamp in first.items() if second.get(path) == stamp and stamp[0] > 0}
    ready = dict(sorted(same.items(), key=lambda item: (item[1][1], item[0].name)))
    return Looked(ready, tuple(sorted(path.name for path in second if path in first and path not in same)))


def stamp(path: Path) -> Stamp | None:
    """The stamp of a file as it is now, None when there is no regular file of that name."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns) if S_ISREG(found.st_mode) else None


def put_away(path: Path, after: Literal["leave", "archive", "delete"]) -> None:
    """Do with an imported file what the configuration says; raises OSError."""
    if after == "delete":
        path.unlink()
    elif after == "archive":
        _move(path, path.parent / ARCHIVE)


def set_aside(path: Path, message: str) -> Path:
    """Move a file that cannot be read to failed/, with its message in a file beside it; raises OSError."""
    folder = path.parent / FAILED
    folder.mkdir(exist_ok=True)
    target = _free(folder / path.name)
    target.with_name(target.name + ".txt").write_text(message + "\n", encoding="utf-8")
    path.rename(target)
    return target


def _files(folder: Path, pattern: str) -> dict[Path, Stamp]:
    found = {}
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if fnmatchcase(entry.name, pattern)]
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be read: {error.strerror}", "Make it, or mend its rights."
        ) from None
    for name in names:
        if name.startswith(".") or name.lower().endswith(UNFINISHED):
            continue
        now = stamp(folder / name)
        if now is not None:
            found[folder / name] = now
    return found


def _move(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    path.rename(_free(folder / path.name))


def _free(path: Path) -> Path:
    """The path, or with a number after its name when something is there already."""
    number = 2
    free = path
    while free.exists() or free.is_symlink():
        free = path.with_name(f"{path.name}.{number}")
        number += 1
    return free
