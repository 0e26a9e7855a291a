"""The workspace a command is about, its results, and what became of its store meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialwise.cli.streams import say

if TYPE_CHECKING:
    from trialwise.delivery.generation import Generation
    from trialwise.workspace import Workspace

_recoveries_before: dict[Path, tuple[Any, ...]] = {}
"""Data folder of each workspace this command opened -> the recoveries of its store until then."""


def open_workspace(folder: Path) -> Workspace:
    """The workspace at a folder, whose recoveries from now on are told in the end."""
    from trialwise.workspace import Workspace

    workspace = Workspace.open(folder)
    _recoveries_before.setdefault(workspace.data, _recoveries(workspace.data))
    return workspace


def read_results(folder: Path, as_of: str | None, known_at: str | None) -> Generation:
    """The published results, or those of another moment, computed once and kept."""
    from trialwise.owner.asking import open_results
    from trialwise.progress import progress

    with progress("refresh") as report:
        return open_results(open_workspace(folder), as_of=as_of, known_at=known_at, progress=report)


def say_recovered() -> None:
    """Say of every store that proved damaged meanwhile what was done about it, whoever owned it."""
    for data, before in _recoveries_before.items():
        for recovery in _recoveries(data)[len(before) :]:
            say(f"{recovery}; nothing was lost")
    _recoveries_before.clear()


def _recoveries(data: Path) -> tuple[Any, ...]:
    if not (data / "recovered.json").exists():  # so that a healthy workspace pays no import
        return ()
    from trialwise.store import recoveries

    return recoveries(data)
