"""What trialwise fetches by itself, into landing: pages of HTTP APIs, files of watched folders."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from trialwise.clock import utc_now
from trialwise.config import Secrets
from trialwise.connections import FolderSection, HttpSection
from trialwise.errors import ConfigError, InputError, NotFoundError, SourceError, StoreLocked, TrialwiseError, nearest
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.landing.report import ImportReceipt, LoadReport
from trialwise.sources import guess
from trialwise.sources.backoff import Backoff
from trialwise.sources.files import open_file
from trialwise.sources.folder import FAILED, Stamp, look, put_away, set_aside, stamp
from trialwise.sources.formats import TRANSLATORS
from trialwise.sources.http import record
from trialwise.sources.http.client import Client
from trialwise.sources.http.pull import Page, State, failed, pages
from trialwise.sources.piece import Piece
from trialwise.workspace import Claimed, Workspace, claim

Progress = Callable[[str, int, int], None]
SLOW_UPLOAD = timedelta(minutes=1)
"""A file that cannot be read is set aside when it has not changed for so long."""
STALE_AFTER = timedelta(days=2)
FORMATS = ("flat", "segment", "auto", "stripe")


@dataclass(frozen=True)
class Pulled:
    """What one pull of a source brought.

    pages, records: read in this run; landed: of the records, those that were kept (the others have not happened yet);
    is_backfill: whether it is history, read for the first time; is_complete: False when max_pages or an error stopped
    it, and the next pull goes on; error: what stopped it.
    """

    name: str
    pages: int = 0
    records: int = 0
    landed: int = 0
    is_backfill: bool = False
    is_complete: bool = False
    error: TrialwiseError | None = None


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


def pull_all(workspace: Workspace, name: str | None, load: Load, progress: Progress | None = None) -> Fetched[Pulled]:
    """Pull every API, or the one called so, then load. One that fails does not stop the others.

    Raises NotFoundError, ConfigError when there is none to pull, StoreError and DiskFull as `pull`.
    """
    names = http_names(workspace, name)
    return _then_load(tuple(pull(workspace, source, progress=progress) for source in names), load, progress)


def watch_all(workspace: Workspace, name: str | None, load: Load, progress: Progress | None = None) -> Fetched[Watched]:
    """Look into every folder, or the one called so, then load. Raises as `pull_all`."""
    names = folder_names(workspace, name)
    return _then_load(tuple(watch(workspace, source, progress=progress) for source in names), load, progress)


def _then_load(sources: tuple[Source, ...], load: Load, progress: Progress | None) -> Fetched[Source]:
    try:
        return Fetched(sources, load(progress))
    except StoreLocked:
        return Fetched(sources, None)


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


def pull(
    workspace: Workspace,
    name: str,
    *,
    backoff: Backoff | None = None,
    now: Callable[[], datetime] = utc_now,
    progress: Progress | None = None,
) -> Pulled:
    """Read an API from where the last pull stood; each page is on disk before its cursor is.

    What stops it (SourceError, ConfigError) is written down for doctor and returned, not raised. Raises StoreError and
    DiskFull when landing cannot be written: then the page is asked for again next time.
    """
    section = workspace.config.sources.http[name]
    landing = Landing(workspace.landing)
    cursors = Cursors(landing.folder)
    key = cursor_name("http", name)
    count = Pulled(name)
    try:
        with _alone(workspace, key, f"[sources.http.{name}]"):
            state = State.from_json(cursors.get(key))
            try:
                channel = channel_of(name, section)
                with (
                    Client(name, section, Secrets().http.get(name), backoff=backoff, now=now) as client,
                    Journal(landing, channel, key) as journal,
                ):
                    for page in pages(client, section, state, envelope=record.envelope(name, section), now=now):
                        if page.pieces:
                            journal.append([Arrival(None if page.is_backfill else now(), page.pieces)])
                        cursors.put(key, page.state.to_json())
                        state = page.state
                        count = _counted(count, page)
                        if progress is not None:
                            progress(f"{name}: {count.records:,} records of {count.pages:,} pages", 0, 0)
            except (SourceError, ConfigError) as error:
                cursors.put(key, failed(state, error.message, now()).to_json())
                raise
    except (SourceError, ConfigError) as error:
        return Pulled(name, count.pages, count.records, count.landed, count.is_backfill, False, error)
    return count


@dataclass(frozen=True)
class FirstPage:
    """The first page a new pull would read, in the shape of a file to be landed."""

    name: str
    source: str
    format: str
    mapping: Mapping[str, str]
    records: tuple[Piece, ...]

    def sha256(self) -> str:
        """Digest of the records."""
        return hashlib.sha256(b"\n".join(piece.data for piece in self.records)).hexdigest()

    def pieces(self, _progress: Callable[[int, int], None], /) -> Iterator[Piece]:
        """The records in order."""
        return iter(self.records)


def first_page(
    workspace: Workspace, name: str, *, backoff: Backoff | None = None, now: Callable[[], datetime] = utc_now
) -> FirstPage:
    """Ask for the first page of all there is; nothing is kept. Raises SourceError, ConfigError and NotFoundError."""
    http_names(workspace, name)
    section = workspace.config.sources.http[name]
    channel = channel_of(name, section)
    with Client(name, section, Secrets().http.get(name), backoff=backoff, now=now) as client:
        said = record.envelope(name, section)
        page = next(pages(client, section, State(), envelope=said, now=now))
    return FirstPage(channel.name, channel.source, channel.format, channel.mapping, page.pieces)


def channel_of(name: str, section: HttpSection) -> Channel:
    """How the records of an API are read; raises ConfigError for a format nobody knows."""
    known = (*FORMATS, *sorted(set(TRANSLATORS) - {record.FORMAT}))
    if section.format not in known:
        raise ConfigError(
            f'[sources.http.{name}] format = "{section.format}" is none{nearest(section.format, known)}',
            f"Formats are {', '.join(known)}.",
        )
    if section.format == "stripe":
        return Channel("stripe", "stripe", f"http {name}")
    if section.format == "flat":
        return Channel("events", record.FORMAT, f"http {name}")
    return Channel("events", section.format, f"http {name}", dict(section.mapping))


def _counted(count: Pulled, page: Page) -> Pulled:
    return Pulled(
        count.name,
        count.pages + 1,
        count.records + page.read,
        count.landed + len(page.pieces),
        page.is_backfill,
        page.state.running is None,
    )


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
        with _alone(workspace, key, f"[sources.files.{name}]"):
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
                guess.refuse_stripe(source, guess.glimpse(source))
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


def _is_fresh(found: Stamp, now: datetime) -> bool:
    """Whether a file that breaks off changed so recently that it may be a slow upload."""
    return now - datetime.fromtimestamp(found[1] / 1e9, UTC).replace(tzinfo=None) < SLOW_UPLOAD


def _stamp_of(entry: list[Any]) -> Stamp:
    size, modified, changed = entry[0]
    return size, modified, changed


def _step(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)


@contextmanager
def _alone(workspace: Workspace, key: str, what: str) -> Iterator[None]:
    """One process at a time for a source; raises SourceError when another one is at it."""
    try:
        with claim(workspace.data / "claims" / f"{key}.lock"):
            yield
    except Claimed as error:
        raise SourceError(f"{what} is being read by process {error.holder}", "Wait for it to end.") from None


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
