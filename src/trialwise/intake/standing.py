"""How the sources of [sources] stand: when each was read last, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from trialwise.connections import FolderSection, HttpSection
from trialwise.intake.source import cursor_name
from trialwise.landing.cursors import Cursors
from trialwise.sources.folder import FAILED
from trialwise.sources.http.pull import State
from trialwise.workspace import Workspace

STALE_AFTER = timedelta(days=2)


@dataclass(frozen=True)
class Standing:
    """How a source stands: `level` 'ok', 'note' or 'warning', what was found, and what to do about it."""

    name: str
    level: Literal["ok", "note", "warning"]
    found: str
    advice: str = ""


def standings(workspace: Workspace, now: datetime) -> list[Standing]:
    """How every API and folder of the configuration stands; raises StoreError when a cursor is damaged."""
    cursors = Cursors(workspace.landing)
    sources = workspace.config.sources
    found = [
        _of_pull(name, section, State.from_json(cursors.get(cursor_name("http", name))), now)
        for name, section in sources.http.items()
    ]
    for name, folder in sources.files.items():
        found += _of_folder(workspace, name, folder, cursors.get(cursor_name("files", name)))
    return found


def _of_pull(name: str, section: HttpSection, state: State, now: datetime) -> Standing:
    what, again = f"http {name}", f"trialwise import http {name}"
    if state.failure is not None:
        times = f", {state.failures} times in a row" if state.failures > 1 else ""
        return Standing(what, "warning", f"the last pull failed at {state.failed_at}{times}: {state.failure}", again)
    if state.running is not None:
        got = f"{state.running.records:,} records of {state.running.pages:,} pages since {state.running.started_at}"
        return Standing(what, "note", f"a pull is not finished: {got}", again)
    if state.completed_at is None:
        return Standing(what, "note", "nothing was pulled yet", again)
    age = now - datetime.fromisoformat(state.completed_at).replace(tzinfo=None)
    if age > max(STALE_AFTER, 3 * timedelta(minutes=section.every_minutes)):
        return Standing(
            what, "warning", f"last pulled at {state.completed_at}", f"{again}, or leave 'trialwise serve' on"
        )
    return Standing(what, "ok", f"last pulled at {state.completed_at}")


def _of_folder(workspace: Workspace, name: str, section: FolderSection, kept: Mapping[str, Any]) -> Iterator[Standing]:
    what, folder = f"folder {name}", workspace.folder / section.folder
    aside = sorted(path.name for path in (folder / FAILED).glob("*") if path.suffix != ".txt")
    unread = sorted(file for file, entry in kept.get("done", {}).items() if entry[1])
    if not folder.is_dir():
        yield Standing(what, "warning", f"there is no folder {folder}", "Make it, or change [sources.files] folder.")
    elif aside:
        yield Standing(
            what,
            "warning",
            f"{len(aside)} files could not be read: {', '.join(aside[:5])}{' ...' if len(aside) > 5 else ''}",
            f"Look at the messages in {folder / FAILED}; mend the files and move them back, or delete them.",
        )
    elif unread:
        yield Standing(what, "warning", f"{unread[0]}: {kept['done'][unread[0]][1]}", "Mend the file, or take it away.")
    else:
        yield Standing(what, "ok", f"watched at {folder}")
