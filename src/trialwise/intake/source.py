"""A source of [sources] by its name: which there are, under what name its place is kept, and one reader at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trialwise.errors import ConfigError, NotFoundError, SourceBusy, nearest
from trialwise.workspace import Claimed, Workspace, claim

Progress = Callable[[str, int, int], None]


def http_names(workspace: Workspace, name: str | None) -> tuple[str, ...]:
    """The APIs meant: all, or the one called so. Raises NotFoundError, ConfigError when there is none at all."""
    return _names("http", list(workspace.config.sources.http), name)


def folder_names(workspace: Workspace, name: str | None) -> tuple[str, ...]:
    """The folders meant: all, or the one called so. Raises NotFoundError, ConfigError when there is none at all."""
    return _names("files", list(workspace.config.sources.files), name)


def _names(kind: str, known: list[str], name: str | None) -> tuple[str, ...]:
    if name is not None and name not in known:
        there = f"There are {', '.join(known)}." if known else f"Add [sources.{kind}.{name}] to trialwise.toml."
        raise NotFoundError(f"trialwise.toml has no [sources.{kind}.{name}]{nearest(name, known)}", there)
    if not known:
        page = {"http": "connect-http-api", "files": "watch-a-folder"}[kind]
        raise ConfigError(f"trialwise.toml has no [sources.{kind}.NAME]", f"Add one; docs/howto/{page}.md shows how.")
    return tuple(known) if name is None else (name,)


def cursor_name(kind: str, name: str) -> str:
    """Under which name the state of a source is kept in landing/cursors; kind 'http' or 'files'."""
    return f"{kind}-{name}"


@contextmanager
def alone(workspace: Workspace, key: str, what: str) -> Iterator[None]:
    """One process at a time for a source; raises SourceBusy when another one is at it."""
    try:
        with claim(workspace.data / "claims" / f"{key}.lock"):
            yield
    except Claimed as error:
        raise SourceBusy(f"{what} is being read by process {error.holder}", "Wait for it to end.") from None
