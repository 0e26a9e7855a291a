"""The commands' side: ask a live owner and wait, else do it here. Both look the same to who asked."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from trialwise import __version__, answers, arrivals, intake
from trialwise.arrivals import Imported
from trialwise.backup import BackedUp
from trialwise.deliveries import Delivered
from trialwise.delivery.generation import Generation, open_generation
from trialwise.diagnosis import Finding
from trialwise.errors import StoreError, StoreLocked
from trialwise.forgetting import Forgotten, Undone
from trialwise.intake import Fetched, Pulled, Watched
from trialwise.landing.compact import CompactReport
from trialwise.landing.quarantine import Quarantined
from trialwise.landing.report import LoadReport
from trialwise.owner import wire
from trialwise.owner.operations import (
    BACKUP,
    COMPACT,
    DELIVER,
    DOCTOR,
    FORGET,
    FORGET_PLAN,
    FORGET_UNDO,
    LOAD,
    PLAN,
    QUARANTINE_LIST,
    QUARANTINE_RETRY,
    QUARANTINE_SHOW,
    REFRESH,
    RESULTS,
    Copy,
    Landed,
    Moment,
    Named,
    Nothing,
    Operation,
    Record,
    Waiting,
    Wanted,
)
from trialwise.owner.recording import Recorder
from trialwise.owner.wire import Asked, Told, valued
from trialwise.pipeline import Progress, Refreshed, next_segment
from trialwise.stripe_intake import Door, StripeImported
from trialwise.subject import Kind
from trialwise.transform.incremental import Step
from trialwise.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

A = TypeVar("A")
R = TypeVar("R")


def refresh(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    into: Path | None = None,
    full: bool = False,
    progress: Progress | None = None,
) -> Refreshed:
    """As pipeline.refresh."""
    asked = Wanted(as_of, known_at, None if into is None else into.resolve(), full)
    return carry_out(REFRESH, workspace, asked, progress)


def plan(workspace: Workspace, *, full: bool = False, progress: Progress | None = None) -> tuple[Step, ...]:
    """As pipeline.plan."""
    return carry_out(PLAN, workspace, Wanted(full=full), progress)


def open_results(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    progress: Progress | None = None,
) -> Generation:
    """As answers.open_results: only the results of another moment need the store."""
    if as_of is None and known_at is None:
        return answers.open_results(workspace)
    path = carry_out(RESULTS, workspace, Moment(as_of, known_at), progress)
    return open_generation(path, (workspace.models,))


def import_files(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    kind: str,
    file_format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Imported:
    """As arrivals.import_files: files are landed here, and loaded by the owner."""
    sources = arrivals.open_files(paths, kind, file_format, mapping)
    load = _loading(workspace)

    def land() -> Imported:
        return arrivals.import_opened(workspace, sources, progress=progress, load=load)

    return Recorder(workspace).record(f"import {kind}", "command", land)


def import_stripe_api(
    workspace: Workspace,
    *,
    since: str | None = None,
    reconcile: bool = False,
    progress: Progress | None = None,
) -> StripeImported:
    """As arrivals.import_stripe_api: Stripe is read here, and loaded by the owner."""
    door = Door(
        load=_loading(workspace),
        quarantined=lambda reason: quarantined(workspace, reason=reason, progress=progress),
        record=lambda quarantine_id: quarantined_record(workspace, quarantine_id, progress=progress),
        retry=lambda quarantine_id, mended: retry_record(workspace, quarantine_id, mended, progress=progress),
    )
    return Recorder(workspace).record(
        "stripe reconcile" if reconcile else "stripe poll",
        "command",
        lambda: arrivals.import_stripe_api(workspace, since=since, reconcile=reconcile, progress=progress, door=door),
    )


def pull_http(
    workspace: Workspace, name: str | None = None, *, again: bool = False, progress: Progress | None = None
) -> Fetched[Pulled]:
    """As arrivals.pull_http: APIs are read here, and loaded by the owner."""
    intake.http_names(workspace, name)
    load = _loading(workspace)
    return Recorder(workspace).record(
        "pull" if name is None else f"pull {name}",
        "command",
        lambda: intake.pull_all(workspace, name, load, progress, again=again),
    )


def pull_advice(
    workspace: Workspace, pulled: Pulled, since: datetime, *, progress: Progress | None = None
) -> str | None:
    """What to try when every record a pull kept went to quarantine for want of an event; None when not.

    since: the instant (UTC without zone) before the pull began.
    """
    import polars as pl

    from trialwise.sources import guess

    if not pulled.landed:
        return None
    refused = quarantined(workspace, reason="no_event", most=pulled.landed + 1000, progress=progress)
    refused = refused.filter((pl.col("file") == f"http {pulled.name}") & (pl.col("landed_at") >= since))
    if refused.height < pulled.landed:
        return None
    record = quarantined_record(workspace, refused["quarantine_id"][0], progress=progress)
    return guess.pull_advice(pulled.name, record.raw or b"", workspace.config.sources.http[pulled.name].mapping)


def watch_folders(
    workspace: Workspace, name: str | None = None, *, progress: Progress | None = None
) -> Fetched[Watched]:
    """Import the files of [sources.files.NAME], or of all; the owner loads them. Raises as intake.watch_all does."""
    intake.folder_names(workspace, name)
    load = _loading(workspace)
    return Recorder(workspace).record(
        "watch" if name is None else f"watch {name}",
        "command",
        lambda: intake.watch_all(workspace, name, load, progress),
    )


def quarantined(
    workspace: Workspace,
    *,
    reason: str | None = None,
    waiting: bool = True,
    most: int = 1000,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """As arrivals.quarantined."""
    import polars as pl

    return pl.read_ipc(io.BytesIO(carry_out(QUARANTINE_LIST, workspace, Waiting(reason, waiting, most), progress)))


def quarantined_record(workspace: Workspace, quarantine_id: str, *, progress: Progress | None = None) -> Quarantined:
    """As arrivals.quarantined_record."""
    return carry_out(QUARANTINE_SHOW, workspace, Record(quarantine_id), progress)


def retry_record(
    workspace: Workspace, quarantine_id: str, mended: bytes | None, *, progress: Progress | None = None
) -> Imported:
    """As arrivals.retry_record."""
    return carry_out(QUARANTINE_RETRY, workspace, Record(quarantine_id, mended), progress)


def compact(workspace: Workspace, *, progress: Progress | None = None) -> CompactReport:
    """As upkeep.compact."""
    return carry_out(COMPACT, workspace, Nothing(), progress)


def backup(
    workspace: Workspace,
    target: Path | None = None,
    *,
    keep: int | None = None,
    with_store: bool = False,
    full: bool = False,
    progress: Progress | None = None,
) -> BackedUp:
    """As backup.make."""
    asked = Copy(None if target is None else target.resolve(), keep, with_store, full)
    return carry_out(BACKUP, workspace, asked, progress)


def deliver(workspace: Workspace, *, progress: Progress | None = None) -> Delivered:
    """As deliveries.deliver."""
    return carry_out(DELIVER, workspace, Nothing(), progress)


def forget(workspace: Workspace, kind: Kind, ids: Sequence[str], *, progress: Progress | None = None) -> Forgotten:
    """As forgetting.forget."""
    return carry_out(FORGET, workspace, Named(kind, tuple(ids)), progress)


def forget_plan(workspace: Workspace, kind: Kind, ids: Sequence[str], *, progress: Progress | None = None) -> Forgotten:
    """As forgetting.plan."""
    return carry_out(FORGET_PLAN, workspace, Named(kind, tuple(ids)), progress)


def forget_undo(workspace: Workspace, kind: Kind, ids: Sequence[str], *, progress: Progress | None = None) -> Undone:
    """As forgetting.undo."""
    return carry_out(FORGET_UNDO, workspace, Named(kind, tuple(ids)), progress)


def diagnosis(workspace: Workspace, *, progress: Progress | None = None) -> list[Finding]:
    """As upkeep.diagnosis."""
    return carry_out(DOCTOR, workspace, Nothing(), progress)


def _loading(workspace: Workspace) -> Callable[[Progress | None], LoadReport]:
    """Has the owner load, and tells of all that landed since this call, whichever of its loads took it."""
    since = next_segment(workspace)
    return lambda progress: carry_out(LOAD, workspace, Landed(since), progress)


def carry_out(operation: Operation[A, R], workspace: Workspace, arguments: A, progress: Progress | None) -> R:
    """Have a live owner do it, or do it here, after other commands that own the store.

    Raises what the operation raises, wherever it runs; StoreError when the owner ends before it has answered.
    """
    connection = wire.connect(workspace.socket)
    if connection is None:
        waiting = _Waiting(workspace.socket, progress)
        # what has landed is loaded by whoever comes next: an import need not wait for it
        patient = workspace if operation is LOAD else replace(workspace, patience=waiting.goes_on)
        try:
            return _do(operation, patient, arguments, progress)
        except StoreLocked:
            connection = waiting.connection or wire.connect(workspace.socket)  # a server may have started just now
            if connection is None:
                raise
    with closing(connection):
        try:
            return _ask(connection, operation, arguments, progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped waiting; the server goes on with the {operation.name}") from None


class _Waiting:
    """Waits for another command to end, or until it turns out to be a server: that is asked instead."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        self._path = path
        self._progress = progress
        self.connection: socket.socket | None = None

    def goes_on(self, holder: str) -> bool:
        """Whether to wait a little more for the process of that id."""
        self.connection = wire.connect(self._path)
        if self.connection is None and self._progress is not None:
            self._progress(f"waiting for process {holder}, which owns the store", 0, 0)
        return self.connection is None


def _do(operation: Operation[A, R], workspace: Workspace, arguments: A, progress: Progress | None) -> R:
    job = operation.job(arguments)
    if job is None:
        return operation.run(workspace, arguments, progress)
    with workspace.owned() as held:  # a run begins when the store is there, and not where a server is asked instead
        return Recorder(held).record(job, "command", lambda: operation.run(held, arguments, progress))


def _ask(connection: socket.socket, operation: Operation[A, R], arguments: A, progress: Progress | None) -> R:
    asked = Asked(
        version=__version__,
        operation=operation.name,
        arguments=valued(operation.takes)(value=arguments).model_dump_json(),
    )
    try:
        connection.sendall(asked.model_dump_json().encode() + b"\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                told = Told.model_validate_json(line)
                if told.progress is not None and progress is not None:
                    progress(*told.progress)
                if told.error is not None:
                    raise told.error.error()
                if told.result is not None:
                    answer: R = valued(operation.gives).model_validate_json(told.result).value
                    return answer
    except (OSError, ValidationError) as error:
        raise StoreError(f"the server ended during the {operation.name} ({error})", operation.after) from error
    raise StoreError(f"the server ended before the {operation.name} was done", operation.after)
