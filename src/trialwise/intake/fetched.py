"""One run over APIs or folders, and the load after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from trialwise.errors import StoreLocked, TrialwiseError
from trialwise.intake.folders import Watched, watch
from trialwise.intake.pulls import Pulled, pull
from trialwise.intake.source import Progress, folder_names, http_names
from trialwise.landing.report import LoadReport
from trialwise.workspace import Workspace

Source = TypeVar("Source", Pulled, Watched)


@dataclass(frozen=True)
class Fetched(Generic[Source]):
    """What one run over APIs or folders brought, and the load after it, None where another process owns the store."""

    sources: tuple[Source, ...]
    loaded: LoadReport | None

    @property
    def failures(self) -> tuple[TrialwiseError, ...]:
        """What stopped any of the sources."""
        return tuple(source.error for source in self.sources if source.error is not None)

    def checked(self) -> Fetched[Source]:
        """This, when every source went well; else raises the first failure, with the others' messages."""
        if not self.failures:
            return self
        first = self.failures[0]
        raise type(first)("; ".join(failure.message for failure in self.failures), first.hint)


Load = Callable[[Progress | None], LoadReport]
"""Loads what has landed; raises StoreLocked when another process owns the store."""


def pull_all(
    workspace: Workspace, name: str | None, load: Load, progress: Progress | None = None, *, again: bool = False
) -> Fetched[Pulled]:
    """Pull every API, or the one called so, then load. One that fails does not stop the others.

    Raises NotFoundError, ConfigError when there is none to pull, StoreError and DiskFull as `pull`.
    """
    names = http_names(workspace, name)
    return _then_load(
        tuple(pull(workspace, source, again=again, progress=progress) for source in names), load, progress
    )


def watch_all(workspace: Workspace, name: str | None, load: Load, progress: Progress | None = None) -> Fetched[Watched]:
    """Look into every folder, or the one called so, then load. Raises as `pull_all`."""
    names = folder_names(workspace, name)
    return _then_load(tuple(watch(workspace, source, progress=progress) for source in names), load, progress)


def _then_load(sources: tuple[Source, ...], load: Load, progress: Progress | None) -> Fetched[Source]:
    try:
        return Fetched(sources, load(progress))
    except StoreLocked:
        return Fetched(sources, None)
