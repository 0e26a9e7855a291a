"""Lists as files, one of each a day, for whoever reads a folder: a salesperson, a sheet, the import of a CRM.

FOLDER/hot_trials-2026-03-31.csv   the list as `trialwise leads hot_trials` shows it; on the same day it is replaced
FOLDER/delivered.json              which results the newest files are of, and how many rows each has
DATA/deliveries.json               every file there is, so that none stays for good, and none of a forgotten person
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from trialwise.answers import open_results
from trialwise.delivery.output import instant, render
from trialwise.errors import ConfigError, DiskFull, StoreError, nearest
from trialwise.landing import durable
from trialwise.shipped import find_files, roots
from trialwise.workspace import Workspace

KNOWN = "deliveries.json"
ABOUT = "delivered.json"


@dataclass(frozen=True)
class Delivered:
    """What was written where, of which results: files, rows of all of them, and older files that were removed."""

    folder: Path
    results: str
    files: int
    rows: int
    removed: int


def deliver(workspace: Workspace) -> Delivered:
    """Write the lists of the published results into [delivery] folder, and remove files beyond keep_days.

    Raises ConfigError for a list that is none, NotFoundError where nothing is published, DiskFull and StoreError where
    the folder cannot be written; each file is then the old one or the new one.
    """
    settings, folder = workspace.config.delivery, workspace.deliveries
    with closing(open_results(workspace)) as results:
        names = _chosen(settings.lists, results.leads()["list"])
        frames = {name: results.leads(name) for name in names}
        moment, number, said = results.moment, results.number, results.caption
    told = {
        "results": said,
        "as_of": instant(moment.as_of),
        "known_at": instant(moment.known_at),
        "generation": number,
        "rows": {name: frame.height for name, frame in frames.items()},
    }
    day = moment.as_of_date
    paths = {name: folder / f"{name}-{day}.{settings.format}" for name in names}
    known = _known(workspace)
    oldest = day - timedelta(days=settings.keep_days - 1)
    try:
        _note(workspace, known | dict.fromkeys([*paths.values(), folder / ABOUT], day))  # before there is any
        durable.make_folder(folder)
        for name, path in paths.items():
            durable.replace(path, render(frames[name], settings.format))
        durable.replace(folder / ABOUT, json.dumps(told, indent=1).encode() + b"\n")
    except OSError as error:
        kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
        raise kind(
            f"{folder} cannot be written: {error}", "Make room there or mend it, then run 'trialwise deliver'."
        ) from error
    removed = _remove(workspace, [path for path, written in _known(workspace).items() if written < oldest])
    return Delivered(folder, said, len(paths), sum(frame.height for frame in frames.values()), removed)


def check(workspace: Workspace) -> None:
    """Raises ConfigError where [delivery] lists names what is no list, whether or not it has been published yet."""
    there = [name.removeprefix("lists.") for name in find_files(roots(workspace.models)) if name.startswith("lists.")]
    _chosen(workspace.config.delivery.lists, there)


def files(workspace: Workspace) -> frozenset[Path]:
    """The files that were delivered and not removed. Raises StoreError where that cannot be told."""
    return frozenset(_known(workspace))


def take_back(workspace: Workspace) -> tuple[int, tuple[str, ...]]:
    """Remove every file that was delivered: how many went, and the folders out of reach, whose files stay listed.

    Raises StoreError for a file that cannot be removed.
    """
    known = _known(workspace)
    removed = _remove(workspace, known)
    return removed, tuple(sorted({str(path.parent) for path in _known(workspace)}))


def _chosen(wanted: Sequence[str] | None, there: Iterable[str]) -> list[str]:
    known = list(there)
    for name in wanted or ():
        if name not in known:
            raise ConfigError(
                f"[delivery] lists names '{name}', which is no list{nearest(name, known)}",
                f"There are: {', '.join(sorted(known))}.",
            )
    return list(wanted or known)


def _known(workspace: Workspace) -> dict[Path, date]:
    """Every file that was delivered and not removed, with its day."""
    path = workspace.data / KNOWN
    try:
        told = json.loads(path.read_bytes())
        return {workspace.folder / name: date.fromisoformat(day) for name, day in told.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} cannot be read: {error}",
            "It lists the files that were delivered: remove it, and those files, then run 'trialwise deliver'.",
        ) from error


def _note(workspace: Workspace, known: dict[Path, date]) -> None:
    told: dict[str, Any] = {_named(workspace, path): str(day) for path, day in sorted(known.items())}
    durable.replace(workspace.data / KNOWN, json.dumps(told, indent=1).encode() + b"\n")


def _named(workspace: Workspace, path: Path) -> str:
    """Below the workspace's folder the place there, so that a workspace may be moved; elsewhere the whole path."""
    is_inside = path.is_relative_to(workspace.folder)
    return os.fspath(path.relative_to(workspace.folder) if is_inside else path)


def _remove(workspace: Workspace, paths: Iterable[Path]) -> int:
    """Remove files that were delivered; how many were still there. Those of a folder that is not there stay listed."""
    known, removed = _known(workspace), 0
    try:
        for path in [one for one in paths if one.parent.is_dir()]:
            removed += path.exists()
            path.unlink(missing_ok=True)
            durable.remove_leftovers(path)
            known.pop(path)
        if (workspace.data / KNOWN).exists():
            _note(workspace, known)
    except OSError as error:
        raise StoreError(
            f"a delivered file cannot be removed: {error}", "Make its folder writable, then run the command again."
        ) from error
    return removed
