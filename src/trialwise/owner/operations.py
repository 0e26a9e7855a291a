"""The operations that need the store: what each takes, what it gives, and the function that does it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from trialwise import answers, arrivals, backup, deliveries, forgetting, pipeline, upkeep
from trialwise.arrivals import Imported
from trialwise.backup import BackedUp
from trialwise.deliveries import Delivered
from trialwise.diagnosis import Finding
from trialwise.forgetting import Forgotten, Undone
from trialwise.landing.compact import CompactReport
from trialwise.landing.quarantine import Quarantined
from trialwise.landing.report import LoadReport
from trialwise.pipeline import Progress, Refreshed
from trialwise.subject import Kind
from trialwise.transform.incremental import Step
from trialwise.workspace import Workspace

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True)
class Moment:
    """Which moment's results are meant."""

    as_of: str | None = None
    known_at: str | None = None


@dataclass(frozen=True)
class Wanted:
    """Which refresh is meant: of which moment, into which file (an absolute path), and whether all is built whole."""

    as_of: str | None = None
    known_at: str | None = None
    into: Path | None = None
    full: bool = False


@dataclass(frozen=True)
class Waiting:
    """Which refused records are listed."""

    reason: str | None = None
    waiting: bool = True
    most: int = 1000


@dataclass(frozen=True)
class Record:
    """One refused record by its id, or the beginning of it; `mended` is what is landed in its place."""

    quarantine_id: str
    mended: bytes | None = None


@dataclass(frozen=True)
class Copy:
    """Which backup is meant, as in `backup.make`; target: an absolute path."""

    target: Path | None = None
    keep: int | None = None
    with_store: bool = False
    full: bool = False


@dataclass(frozen=True)
class Landed:
    """Of which segments a load tells what they became: all from this one on, None for those it loads itself."""

    since: int | None = None


@dataclass(frozen=True)
class Nothing:
    """An operation without arguments."""


@dataclass(frozen=True)
class Operation(Generic[A, R]):
    """name: as it is asked for; takes, gives: the types that travel; run: what it does; after: what to say about the
    state when nobody can tell how it ended; job: under what name the run ledger keeps it, None where it keeps nothing
    (a question, or a part of a run that its asker notes).
    """

    name: str
    takes: type[A]
    gives: Any
    run: Callable[[Workspace, A, Progress | None], R]
    after: str
    job: Callable[[A], str | None] = lambda _: None


@dataclass(frozen=True)
class Named:
    """Who is to be forgotten, or no longer: ids of accounts, or ids and addresses of users."""

    kind: Kind
    ids: tuple[str, ...]


def _refresh(workspace: Workspace, asked: Wanted, progress: Progress | None) -> Refreshed:
    forgetting.finish(workspace, progress=progress)
    return pipeline.refresh(
        workspace, as_of=asked.as_of, known_at=asked.known_at, into=asked.into, full=asked.full, progress=progress
    )


def _plan(workspace: Workspace, asked: Wanted, progress: Progress | None) -> tuple[Step, ...]:
    return pipeline.plan(workspace, full=asked.full, progress=progress)


def _job_of_refresh(asked: Wanted) -> str:
    return "refresh" if asked.into is None else "refresh into"


def _results(workspace: Workspace, asked: Moment, progress: Progress | None) -> Path:
    return answers.results_of(workspace, as_of=asked.as_of, known_at=asked.known_at, progress=progress)


def _load(workspace: Workspace, asked: Landed, progress: Progress | None) -> LoadReport:
    return pipeline.load_landed(workspace, since=asked.since, progress=progress)


def _list(workspace: Workspace, asked: Waiting, _progress: Progress | None) -> bytes:
    found = arrivals.quarantined(workspace, reason=asked.reason, waiting=asked.waiting, most=asked.most)
    target = io.BytesIO()
    found.write_ipc(target)
    return target.getvalue()


def _show(workspace: Workspace, asked: Record, _progress: Progress | None) -> Quarantined:
    return arrivals.quarantined_record(workspace, asked.quarantine_id)


def _retry(workspace: Workspace, asked: Record, _progress: Progress | None) -> Imported:
    return arrivals.retry_record(workspace, asked.quarantine_id, asked.mended)


def _compact(workspace: Workspace, _asked: Nothing, progress: Progress | None) -> CompactReport:
    return upkeep.compact(workspace, progress=progress)


def _backup(workspace: Workspace, asked: Copy, progress: Progress | None) -> BackedUp:
    return backup.make(
        workspace, asked.target, keep=asked.keep, with_store=asked.with_store, full=asked.full, progress=progress
    )


def _deliver(workspace: Workspace, _asked: Nothing, _progress: Progress | None) -> Delivered:
    return deliveries.deliver(workspace)


def _forget(workspace: Workspace, asked: Named, progress: Progress | None) -> Forgotten:
    return forgetting.forget(workspace, asked.kind, asked.ids, progress=progress)


def _forget_plan(workspace: Workspace, asked: Named, progress: Progress | None) -> Forgotten:
    return forgetting.plan(workspace, asked.kind, asked.ids, progress=progress)


def _forget_undo(workspace: Workspace, asked: Named, progress: Progress | None) -> Undone:
    return forgetting.undo(workspace, asked.kind, asked.ids, progress=progress)


def _doctor(workspace: Workspace, _asked: Nothing, _progress: Progress | None) -> list[Finding]:
    return upkeep.diagnosis(workspace)


_AGAIN = "What was published before stays, and nothing that was received is lost. Run the command again."
_LANDED = "What has landed is kept; the next load takes it."

REFRESH = Operation("refresh", Wanted, Refreshed, _refresh, _AGAIN, _job_of_refresh)
PLAN = Operation("plan", Wanted, tuple[Step, ...], _plan, _AGAIN)
RESULTS = Operation("results", Moment, Path, _results, _AGAIN)
LOAD = Operation("load", Landed, LoadReport, _load, _LANDED)
QUARANTINE_LIST = Operation("quarantine list", Waiting, bytes, _list, _AGAIN)
QUARANTINE_SHOW = Operation("quarantine show", Record, Quarantined, _show, _AGAIN)
QUARANTINE_RETRY = Operation(
    "quarantine retry",
    Record,
    Imported,
    _retry,
    "See 'trialwise quarantine list --all': a record is landed once.",
    lambda _: "quarantine retry",
)
COMPACT = Operation(
    "compact", Nothing, CompactReport, _compact, "Nothing is lost. Run the command again.", lambda _: "compact"
)
BACKUP = Operation(
    "backup", Copy, BackedUp, _backup, "Earlier backups stay. Run the command again.", lambda _: "backup"
)
DELIVER = Operation("deliver", Nothing, Delivered, _deliver, "Run the command again.", lambda _: "deliver")
FORGET = Operation(
    "forget",
    Named,
    Forgotten,
    _forget,
    "Run it again: what was begun is finished.",
    lambda asked: f"forget {asked.kind}",
)
FORGET_PLAN = Operation("forget plan", Named, Forgotten, _forget_plan, _AGAIN)
FORGET_UNDO = Operation(
    "forget undo",
    Named,
    Undone,
    _forget_undo,
    "See 'trialwise forget list'; run it again.",
    lambda asked: f"forget undo {asked.kind}",
)
DOCTOR = Operation("doctor", Nothing, list[Finding], _doctor, _AGAIN)

OPERATIONS: Mapping[str, Operation[Any, Any]] = {
    operation.name: operation
    for operation in (
        REFRESH,
        PLAN,
        RESULTS,
        LOAD,
        QUARANTINE_LIST,
        QUARANTINE_SHOW,
        QUARANTINE_RETRY,
        COMPACT,
        BACKUP,
        DELIVER,
        FORGET,
        FORGET_PLAN,
        FORGET_UNDO,
        DOCTOR,
    )
}
