"""Files of a watched folder into landing: complete ones, once, and then put away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trialwise.clock import utc_now
from trialwise.connections import FolderSection
from trialwise.errors import InputError, SourceError, TrialwiseError
from trialwise.intake.source import Progress, alone, cursor_name
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.landing.report import ImportReceipt
from trialwise.sources import guess
from trialwise.sources.files import open_file
from trialwise.sources.folder import Stamp, look, put_away, set_aside, stamp
from trialwise.workspace import Workspace

SLOW_UPLOAD = timedelta(minutes=1)
"""A file that cannot be read is set aside when it has not changed for so long."""


@dataclass(frozen=True)
class Watched:
    """What looking into one folder brought.

    receipts: of the files that were landed; failed: (file, message) of those that cannot be read; waiting: names of
    files that are still being written; error: why the folder could not be looked into.
    """

    name: str
    receipts: tuple[ImportReceipt, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    waiting: tuple[str, ...] = ()
    error: TrialwiseError | None = None

    @property
    def landed(self) -> int:
        """Records that were landed now."""
        return sum(receipt.pending for receipt in self.receipts)


def watch(
    workspace: Workspace,
    name: str,
    *,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    progress: Progress | None = None,
) -> Watched:
    """Land every complete file of a folder, then put it away; unreadable ones are set aside and the rest goes on.

    A folder that cannot be looked into is returned as error. Raises StoreError and DiskFull when landing cannot be
    written: then the file stays where it is.
    """
    section = workspace.config.sources.files[name]
    key = cursor_name("files", name)
    try:
        with alone(workspace, key, f"[sources.files.{name}]"):
            return _watch(workspace, name, section, now, sleep, progress)
    except (InputError, SourceError) as error:
        return Watched(name, error=error)


def _watch(
    workspace: Workspace,
    name: str,
    section: FolderSection,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    progress: Progress | None,
) -> Watched:
    landing = Landing(workspace.landing)
    cursors = Cursors(landing.folder)
    kept = cursors.get(cursor_name("files", name))
    done: dict[str, list[Any]] = dict(kept.get("done", {}))
    folder = workspace.folder / section.folder
    _check_theirs(workspace, folder, name)
    seen = look(
        folder,
        section.pattern,
        lambda file, found: done.get(file, [None])[0] == list(found),
        settle_seconds=section.settle_seconds,
        sleep=sleep,
    )
    receipts: list[ImportReceipt] = []
    unreadable: list[tuple[str, str]] = []
    waiting = list(seen.waiting)
    for path, before in seen.ready.items():
        try:
            source = open_file(path, kind=section.kind, file_format=section.format, mapping=section.mapping)
            if section.kind == "events" and not section.mapping and section.format is None:
                seen_there = guess.glimpse(source)
                guess.refuse_stripe(source, seen_there)
                guess.refuse_format(source, seen_there, f"[sources.files.{name}] format")
            step = None if progress is None else _step(progress, path.name)
            receipt: ImportReceipt | None = landing.land(source, landed_at=now(), progress=step)
            message = ""
        except InputError as error:
            receipt, message = None, str(error)
        except FileNotFoundError:
            continue  # somebody took it away
        if receipt is not None:
            receipts.append(receipt)
        if stamp(path) != before or (receipt is None and _is_fresh(before, now())):
            waiting.append(
                path.name
            )  # written to meanwhile, or maybe still: looked at again, what was read counts once
            continue
        if receipt is None:
            unreadable.append((path.name, message))
        try:
            if section.after == "leave":
                done[path.name] = [list(before), message]
            elif receipt is None:
                set_aside(path, message)
            else:
                put_away(path, section.after)
        except OSError as error:
            done[path.name] = [list(before), f"cannot be moved or deleted: {error.strerror}"]
            unreadable.append((path.name, done[path.name][1]))
    left = {file: entry for file, entry in done.items() if stamp(folder / file) == _stamp_of(entry)}
    if left != kept.get("done", {}):
        cursors.put(cursor_name("files", name), {"done": left})
    return Watched(name, tuple(receipts), tuple(unreadable), tuple(waiting))


def _check_theirs(workspace: Workspace, folder: Path, name: str) -> None:
    """Raises SourceError for a folder whose files are trialwise's own: they would be put away."""
    here = folder.resolve()
    if here.is_relative_to(workspace.data.resolve()) or here in (
        workspace.folder.resolve(),
        workspace.models.resolve(),
    ):
        raise SourceError(
            f"[sources.files.{name}] folder is {folder}, where trialwise keeps what is its own",
            "Name a folder that nothing else uses, such as one beside trialwise.toml.",
        )


def _is_fresh(found: Stamp, now: datetime) -> bool:
    """Whether a file that breaks off changed so recently that it may be a slow upload."""
    return now - datetime.fromtimestamp(found[1] / 1e9, UTC).replace(tzinfo=None) < SLOW_UPLOAD


def _stamp_of(entry: list[Any]) -> Stamp:
    size, modified, changed = entry[0]
    return size, modified, changed


def _step(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)
