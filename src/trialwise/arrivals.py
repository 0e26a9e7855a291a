"""What comes in: files, Stripe, HTTP APIs, folders; each landed first, then loaded; and what was refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trialwise import intake, stripe_intake
from trialwise.clock import utc_now
from trialwise.engines.duckdb import Engine
from trialwise.errors import StoreLocked
from trialwise.intake import Fetched, Pulled
from trialwise.landing import quarantine
from trialwise.landing.folder import Landing
from trialwise.landing.report import ImportReceipt, LoadReport
from trialwise.pipeline import Progress, load_landed, next_segment, owning
from trialwise.progress import step
from trialwise.sources import guess
from trialwise.sources.files import FileSource, open_file
from trialwise.stripe_intake import Door, StripeImported
from trialwise.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Imported:
    """One receipt per file, and the load that followed; None while another process owns the store."""

    receipts: tuple[ImportReceipt, ...]
    loaded: LoadReport | None


def import_files(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    kind: str,
    file_format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    load: Callable[[Progress | None], LoadReport] | None = None,
) -> Imported:
    """Land files durably, then load them when nobody else owns the store; else the owner's next load does.

    kind: 'events' or 'stripe'; load: who loads, this process where nobody is named. Raises InputError for a file that
    cannot be read at all, or of Stripe objects where events are asked for, before anything is landed.
    """
    return import_opened(workspace, open_files(paths, kind, file_format, mapping), progress=progress, load=load)


def import_opened(
    workspace: Workspace,
    sources: Sequence[FileSource],
    *,
    progress: Progress | None = None,
    load: Callable[[Progress | None], LoadReport] | None = None,
) -> Imported:
    """As `import_files`, of files that `open_files` opened."""
    landing = Landing(workspace.landing)
    receipts = tuple(
        landing.land(source, landed_at=utc_now(), progress=step(progress, source.name)) for source in sources
    )
    try:
        return Imported(receipts, load_landed(workspace, progress=progress) if load is None else load(progress))
    except StoreLocked:
        return Imported(receipts, None)


def import_stripe_api(
    workspace: Workspace,
    *,
    since: str | None = None,
    reconcile: bool = False,
    progress: Progress | None = None,
    door: Door | None = None,
) -> StripeImported:
    """Read Stripe by its API and load what came: everything at first, then the events since; all objects to reconcile.

    since: a day (2025-01-01) before which created objects are left out; door: who has the store, this process where
    nobody is named. Raises as stripe_intake.import_api does.
    """
    door = door or Door(
        load=lambda report: load_landed(workspace, progress=report),
        quarantined=lambda reason: quarantined(workspace, reason=reason),
        record=lambda quarantine_id: quarantined_record(workspace, quarantine_id),
        retry=lambda quarantine_id, mended: retry_record(workspace, quarantine_id, mended),
    )
    return stripe_intake.import_api(workspace, door, since=since, reconcile=reconcile, progress=progress)


def reconcile_stripe(workspace: Workspace, *, progress: Progress | None = None) -> StripeImported:
    """Read all object lists again, for what got lost on the way. Raises as import_stripe_api does."""
    return import_stripe_api(workspace, reconcile=True, progress=progress)


def pull_http(
    workspace: Workspace, name: str | None = None, *, again: bool = False, progress: Progress | None = None
) -> Fetched[Pulled]:
    """Pull [sources.http.NAME], or all of them, and load what came. Raises as intake.pull_all does."""

    def load(report: Progress | None) -> LoadReport:
        return load_landed(workspace, progress=report)

    return intake.pull_all(workspace, name, load, progress, again=again)


def quarantined(
    workspace: Workspace, *, reason: str | None = None, waiting: bool = True, most: int = 1000
) -> pl.DataFrame:
    """Refused records, newest first, as `quarantine.listing` has them. Raises StoreLocked."""
    return owning(workspace, lambda store, _: quarantine.listing(store, reason=reason, waiting=waiting, most=most))


def quarantined_record(workspace: Workspace, quarantine_id: str) -> quarantine.Quarantined:
    """One refused record; raises NotFoundError as `quarantine.show` does, StoreLocked."""
    return owning(workspace, lambda store, _: quarantine.show(store, quarantine_id))


def retry_record(workspace: Workspace, quarantine_id: str, mended: bytes | None) -> Imported:
    """Land one refused record again and load it. Raises NotFoundError, InputError as quarantine.retry does."""
    landing, since = Landing(workspace.landing), next_segment(workspace)

    def land(store: Engine, _filled: LoadReport) -> ImportReceipt:
        return quarantine.retry(store, landing, quarantine_id, landed_at=utc_now(), mended=mended)

    receipt = owning(workspace, land)
    try:
        return Imported((receipt,), load_landed(workspace, since=since))
    except StoreLocked:
        return Imported((receipt,), None)


def has_landed(workspace: Workspace) -> bool:
    """Whether anything waits to be loaded; needs no store."""
    landing = Landing(workspace.landing)
    manifest = landing.manifest()
    loaded = manifest.loads[-1].last_segment if manifest.loads else 0
    return manifest.last_segment > loaded or landing.has_waiting()


def open_files(
    paths: Sequence[Path], kind: str, file_format: str | None, mapping: Mapping[str, str] | None
) -> list[FileSource]:
    """The files as they will be read. Raises InputError where one cannot be, or holds Stripe objects for events."""
    sources = [open_file(path, kind=kind, file_format=file_format, mapping=mapping) for path in paths]
    if kind == "events" and not mapping:
        for source in sources:
            seen = guess.glimpse(source)
            guess.refuse_stripe(source, seen)
            guess.refuse_format(source, seen)
    return sources
