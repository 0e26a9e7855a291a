"""Pages of an API into landing: each durable before its cursor is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from trialwise.clock import utc_now
from trialwise.config.secrets import Secrets
from trialwise.connections import HttpSection
from trialwise.errors import ConfigError, SourceError, TrialwiseError, nearest
from trialwise.intake.source import Progress, alone, cursor_name, http_names
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.sources.backoff import Backoff
from trialwise.sources.formats import TRANSLATORS
from trialwise.sources.http import record
from trialwise.sources.http.pull import Page, State, failed, pages
from trialwise.sources.piece import Piece
from trialwise.workspace import Workspace

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


def pull(
    workspace: Workspace,
    name: str,
    *,
    again: bool = False,
    backoff: Backoff | None = None,
    now: Callable[[], datetime] = utc_now,
    progress: Progress | None = None,
) -> Pulled:
    """Read an API from where the last pull stood, or all of it `again`; each page is on disk before its cursor is.

    What stops it (SourceError, ConfigError) is written down for doctor and returned, not raised. Raises StoreError and
    DiskFull when landing cannot be written: then the page is asked for again next time.
    """
    from trialwise.sources.http.client import Client

    section = workspace.config.sources.http[name]
    landing = Landing(workspace.landing)
    cursors = Cursors(landing.folder)
    key = cursor_name("http", name)
    count = Pulled(name)
    try:
        with alone(workspace, key, f"[sources.http.{name}]"):
            state = State.from_json(cursors.get(key))
            if again:
                state = State(history_until=state.history_until)
            try:
                channel = channel_of(name, section)
                with (
                    Client(name, section, Secrets().http.get(name), backoff=backoff, now=now) as client,
                    Journal(landing, channel, key) as journal,
                ):
                    for page in pages(client, section, state, envelope=record.envelope(name, section), now=now):
                        if page.pieces:
                            journal.append([Arrival(None, page.history), Arrival(now(), page.news)])
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
    from trialwise.sources.http.client import Client

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
