"""A workspace from a backup: into a folder of its own, checked first, whole or recognisably not.

trialwise.toml is written last: until then the folder is no workspace, whatever a crash leaves in it.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from trialwise import archive, forgetting
from trialwise.archive import Archive, Entry
from trialwise.errors import DiskFull, InputError, StoreError, TrialwiseError
from trialwise.landing import durable
from trialwise.landing.report import LoadReport
from trialwise.pipeline import Progress, Refreshed, load_landed, refresh
from trialwise.progress import step
from trialwise.runs import Ledger, Outcome
from trialwise.workspace import CONFIG_NAME, Workspace

_CONFIG = f"workspace/{CONFIG_NAME}"
_SHOWN = 5


@dataclass(frozen=True)
class Restored:
    """What a restore made.

    moved_data: where the data lay by the original's configuration, None where that is in the folder too. loaded: what
    the store was filled with. refreshed: None unless it was asked for.
    """

    archive: Archive
    folder: Path
    moved_data: str | None
    loaded: LoadReport
    refreshed: Refreshed | None = None


def restore(source: Path, folder: Path, *, with_refresh: bool = False, progress: Progress | None = None) -> Restored:
    """Make a workspace of a backup in a new or empty folder, and fill its store.

    source: one backup, or a folder of them, the newest of which is meant.
    with_refresh: compute and publish too, for the clock of what was published when the backup was made.
    Raises InputError where the folder holds something, StoreError for a backup that is not as it was written or a disk
    that fails: then the folder is as it was.
    """
    kept = archive.at(source)
    _check_empty(folder)
    _check_whole(kept, progress)
    with _clean_unless_done(folder):
        moved = _lay_out(kept, folder, progress)
    try:
        workspace = Workspace.open(folder)
        forgetting.clean_notes(workspace)
        _end_backup(workspace, kept)
        loaded = load_landed(workspace, progress=progress)
        forgetting.release(kept.folder.parent, kept.owner, workspace.data)
    except TrialwiseError as error:
        raise StoreError(
            f"everything is restored in {folder}, but its store could not be filled: {error.message}",
            f"{error.hint or 'Mend that.'} Then run 'trialwise refresh -C {folder}'.",
        ) from error
    done = None
    if with_refresh:
        as_of, known_at = (
            None if moment is None else f"{moment.isoformat()}Z" for moment in (kept.as_of, kept.known_at)
        )
        done = refresh(workspace, as_of=as_of, known_at=known_at, progress=progress)
    return Restored(kept, workspace.folder, moved, loaded, done)


def _check_empty(folder: Path) -> None:
    if not folder.exists():
        return
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [folder.name]
    if there:
        listed = ", ".join(there[:_SHOWN]) + (" ..." if len(there) > _SHOWN else "")
        raise InputError(
            f"{folder} is not empty: it holds {listed}",
            "Name a new folder. One without trialwise.toml may be what a restore left that was cut short: remove it.",
        )


def _check_whole(kept: Archive, progress: Progress | None) -> None:
    found = archive.faults(kept, step(progress, "checking"))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise StoreError(f"{found[0]}{more}", "Restore another backup: trialwise backup list.")


def _lay_out(kept: Archive, folder: Path, progress: Progress | None) -> str | None:
    """Copy every file to its place, the configuration last; where the data lay, if that is outside of the folder.

    Who was forgotten since is known to the copy before it is a workspace.
    """
    config = next((entry for entry in kept.entries if entry.path == _CONFIG), None)
    if config is None:
        raise StoreError(f"{kept.folder} holds no {_CONFIG}", "Restore another backup: trialwise backup list.")
    text = kept.path(config).read_bytes()
    told = _data_of(text)
    is_inside = (folder.resolve() / told).resolve().is_relative_to(folder.resolve())
    data = folder / (told if is_inside else "data")
    report = step(progress, "copying")
    done = 0

    def watch(read: int) -> None:
        nonlocal done
        done += read
        report(done, kept.size)

    durable.make_folder(folder)
    for entry in kept.entries:
        if entry is not config:
            top, _, rest = entry.path.partition("/")
            place = (data if top == "data" else folder) / rest
            durable.make_folder(place.parent)
            copied = archive.copy(kept.path(entry), place, entry.path, watch=watch)
            _check_same(copied, entry, place)
    forgetting.take_list(kept.folder.parent, kept.owner, kept.created_at, data)
    archive.sync_folders(folder)
    durable.replace(folder / CONFIG_NAME, text if is_inside else _with_data(text))
    return None if is_inside else told


def _end_backup(workspace: Workspace, kept: Archive) -> None:
    """Note the end of the run that made the backup: the ledger was copied before it could say so itself."""
    ledger = Ledger(workspace.data)
    run = ledger.last("backup") if ledger.path.exists() else None
    if run is not None and run.status == "running":
        ledger.end(run.run_id, Outcome(), now=max(run.started_at, kept.created_at))


def _check_same(copied: Entry, entry: Entry, place: Path) -> None:
    if (copied.size, copied.sha256) != (entry.size, entry.sha256):
        raise StoreError(
            f"{place} was not written as it was read: its SHA-256 differs", "Look after the disk, and restore again."
        )


def _data_of(text: bytes) -> str:
    """Where the configuration says the data lies; a file that is wrong says so when the workspace is opened."""
    try:
        section: Any = tomllib.loads(text.decode()).get("workspace", {})
        return str(section.get("data", "data"))
    except (ValueError, AttributeError):
        return "data"


def _with_data(text: bytes) -> bytes:
    """The configuration with its data in the workspace: the restored one must not touch that of the original."""
    document = tomlkit.parse(text.decode())
    section: Any = document["workspace"]
    section["data"] = "data"
    return tomlkit.dumps(document).encode()


@contextmanager
def _clean_unless_done(folder: Path) -> Iterator[None]:
    """Leave nothing in a folder that was empty when something fails; what its disk refuses is told as its own."""
    was_there = folder.exists()
    try:
        yield
    except BaseException as error:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not was_there:
            with suppress(OSError):  # what could not be removed keeps it
                folder.rmdir()
        if isinstance(error, OSError):
            kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
            raise kind(f"{folder} cannot be written: {error}", "Make room there, or name another folder.") from error
        raise
