"""Accounts and users forgotten for good: out of landing, the store, results and notes, and kept from coming back.

1. their ids and addresses are found by identity; salted hashes of them go on landing's list (`suppression`)
2. records of theirs are taken out of landing in place; what others' records say of them, too (`screen`)
3. the store is removed, with those that were set aside: a database keeps the bytes of deleted rows
4. notes beside them are cleaned: the run ledger, the history, cursors, what is known of Stripe's objects
5. a refresh fills the store from landing, builds everything and publishes it
6. the results that were published before go
7. the list is copied to where backups lie, and the request is noted as done

From 1 on every load knows whom to leave out. What a crash leaves is finished by the next refresh, or the same command.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from trialwise import archive, deliveries, pipeline, subject
from trialwise.clock import utc_now
from trialwise.delivery import publishing
from trialwise.engines.duckdb import Engine
from trialwise.errors import InputError, NotFoundError, StoreError, TrialwiseError
from trialwise.history import History
from trialwise.landing import durable, rescue, screen, suppression
from trialwise.landing.folder import Landing
from trialwise.landing.redact import LEAST, masked_words, words
from trialwise.landing.report import LoadReport
from trialwise.landing.screen import Screened
from trialwise.landing.suppression import Names, Request, Suppression
from trialwise.pipeline import Progress
from trialwise.progress import step
from trialwise.runs import Ledger
from trialwise.sources.formats import TRANSLATORS
from trialwise.sources.stripe import known as stripe_known
from trialwise.store import writing
from trialwise.subject import Kind, Subject
from trialwise.workspace import CONFIG_NAME, Workspace


@dataclass(frozen=True)
class Forgotten:
    """What a forget took, or would take; nothing in it says who it was about.

    key: stands for the first id that was named. people, addresses, customers: found by identity. erased, masked:
    records in landing of which nothing, and all but their names, is left; segments, compacted: its files that were
    written anew. events, identities, stripe_records: rows of the store. generations, moments, set_aside: files of older
    results and stores. notes: entries of the run ledger, cursors and the notes on Stripe. delivered: files of lists.
    backups: those that still hold the records; the next backup into their folder removes them. untold: folders backups
    were made into that could not be told, with the reason. left: folders of delivered lists that are out of reach.
    was_done: it had been done before, at `done_at`. Where that one was killed while it took records out of landing,
    erased, masked, segments and compacted are None: nobody knows.
    """

    kind: str
    key: str
    asked_at: datetime
    done_at: datetime | None = None
    people: int = 0
    addresses: int = 0
    customers: int = 0
    erased: int | None = 0
    masked: int | None = 0
    segments: int | None = 0
    compacted: int | None = 0
    events: int = 0
    identities: int = 0
    stripe_records: int = 0
    generations: int = 0
    moments: int = 0
    set_aside: int = 0
    notes: int = 0
    delivered: int = 0
    backups: int = 0
    untold: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    was_done: bool = False


@dataclass(frozen=True)
class Undone:
    """What an undo took off the list, and when.

    key: stands for the first id that was named. ids: how many ids and addresses; stays: how many went on the list with
    them and are still there, since another forget put them there as well.
    """

    kind: str
    key: str
    at: datetime
    ids: int
    stays: int


STORE = "store.duckdb"
_IN_LANDING = ("erased", "masked", "segments", "compacted")
"""Counts of what cannot be found a second time."""
_COUNTED = (*_IN_LANDING, *(one.name for one in fields(Forgotten) if one.type == "int"))
"""Its counts."""


def plan(workspace: Workspace, kind: Kind, ids: Sequence[str], *, progress: Progress | None = None) -> Forgotten:
    """What `forget` would take; nothing is changed but that what has landed is loaded. Raises as `forget` does."""
    _check(ids)
    return _found(workspace, kind, ids, progress, is_plan=True)


def forget(workspace: Workspace, kind: Kind, ids: Sequence[str], *, progress: Progress | None = None) -> Forgotten:
    """Forget accounts or users, by their ids or, of users, addresses; what of them arrives later is left out.

    Raises NotFoundError when nothing is known of an id, InputError when files that people write name them, and what a
    refresh raises: then it is begun, and the next refresh finishes it.
    """
    _check(ids)
    finish(workspace, progress=progress)
    found = _found(workspace, kind, ids, progress, is_plan=False)
    if found.was_done:
        return found
    return _finished(workspace, progress, found)


def finish(workspace: Workspace, *, progress: Progress | None = None) -> None:
    """Do what is left of requests that were begun; nothing to do is the rule. Raises as `forget` does."""
    if suppression.read(workspace.landing).pending:
        with workspace.lock():
            _check_sound(workspace, "What was begun is finished by the next refresh after that.")
        _finished(workspace, progress, None)


def undo(workspace: Workspace, kind: Kind, ids: Sequence[str], *, progress: Progress | None = None) -> Undone:
    """Take accounts or users off the list, so that what arrives of them is kept again; what was erased stays erased.

    Off go the ids that are named, and whatever went on the list with them and stands there for nobody else. Raises
    NotFoundError when one of them is not on the list, and as `forget` does where another one was begun.
    """
    _check(ids)
    finish(workspace, progress=progress)
    landing = Landing(workspace.landing)
    with workspace.lock():
        kept = suppression.read(landing.folder)
        for one in ids:
            if not kept.has(subject.named(kind, [one])):
                raise NotFoundError(
                    f"{kind} '{one}' is not on the list of who was forgotten",
                    "Name it as it was forgotten; trialwise forget list says when that was, not who it was.",
                )
        at, taken = utc_now(), [request for one in ids for request in kept.standing(kind, one)]
        listed = screen.change(landing.folder, lambda kept: kept.undoing(kind, ids, subject.named(kind, ids), at))
    _tell_backups(workspace, landing)
    stays = {
        (what, one) for request in taken for what, some in request.names.items() for one in some & listed.entries[what]
    }
    return Undone(kind, kept.key(ids[0]), at, kept.size - listed.size, len(stays))


def requests(workspace: Workspace) -> tuple[Request, ...]:
    """Every request there was, the oldest first; needs no store."""
    return suppression.read(workspace.landing).requests


def _check(ids: Sequence[str]) -> None:
    for one in ids:
        if not one.strip():
            raise InputError("an id is empty", "Name the account or user as its records do.")


def _found(
    workspace: Workspace, kind: Kind, ids: Sequence[str], progress: Progress | None, *, is_plan: bool
) -> Forgotten:
    """Find who is meant; unless it is a plan, put them on the list and take their records out of landing."""
    landing = Landing(workspace.landing)
    settings = pipeline.load_settings(workspace)
    limit = workspace.config.workspace.memory_limit
    kept = suppression.read(landing.folder)
    before = [stands[-1] for one in ids if (stands := kept.standing(kind, one))]
    if len(before) == len(ids):
        return replace(_receipt(before[0]), was_done=True)

    def task(store: Engine, _filled: LoadReport) -> Forgotten:
        _check_sound(workspace, "Nothing was forgotten: run it again then.")
        pipeline.load(workspace, store, progress)
        if progress is not None:
            progress("finding who is meant", 0, 0)
        who = subject.find(workspace, store, kind, ids)
        seen = Screened()
        if is_plan or not who.is_known:
            seen = screen.look(
                landing, settings, TRANSLATORS, who.names, now=utc_now(), memory_limit=limit,
                progress=step(progress, "searching"),
            )  # fmt: skip
        _check_known(kind, ids, who, seen)
        _check_own_files(workspace, who.names)
        asked_at, former = utc_now(), suppression.read(landing.folder)
        if is_plan:
            return _counted(workspace, Forgotten(kind, former.key(ids[0]), asked_at), who, seen)

        def listed(kept: Suppression) -> Suppression:
            kept = kept if kept.salt else suppression.fresh()
            for one in ids:
                kept = kept.with_request(Request(kept.key(one), kind, asked_at, counts=_counts_of(who)), who.names)
            return kept

        def note(seen: Screened) -> None:
            counts = {name: getattr(seen, name) for name in _IN_LANDING}
            suppression.change(landing.folder, lambda kept: _with_counts(kept, asked_at, counts))

        kept = suppression.change(landing.folder, listed)
        seen = screen.screen(
            landing, settings, TRANSLATORS, now=utc_now(), names=who.names, former=former,
            until=landing.manifest().last_loaded, memory_limit=limit, progress=step(progress, "taking out of landing"),
            note=note,
        )  # fmt: skip
        return _counted(workspace, Forgotten(kind, kept.key(ids[0]), asked_at), who, seen)

    return pipeline.owning(workspace, task, progress)


def _finished(workspace: Workspace, progress: Progress | None, found: Forgotten | None) -> Forgotten:
    """Everything behind the list, each step of which may be repeated."""
    landing = Landing(workspace.landing)
    with workspace.lock():
        screen.screen(
            landing, pipeline.load_settings(workspace), TRANSLATORS, now=utc_now(),
            until=landing.manifest().last_loaded, memory_limit=workspace.config.workspace.memory_limit,
            progress=step(progress, "taking out of landing"),
        )  # fmt: skip
        with writing(workspace.data):
            set_aside = _remove_stores(workspace)
    notes = clean_notes(workspace)
    try:
        pipeline.refresh(workspace, progress=progress)
    except TrialwiseError as error:
        error.hint = f"{error.hint or ''} What is asked to be forgotten is out of landing and the store; the results "
        error.hint += "published before still hold it, until the next refresh that goes well."
        raise
    notes += clean_notes(workspace)  # the refresh has told the history that trials went
    with workspace.lock(), writing(workspace.data):
        generations = publishing.keep_current(workspace.published)
        moments = _remove(workspace.data / "moments")
        durable.remove_leftovers_below(workspace.data)
    delivered, left = deliveries.take_back(workspace)
    backups, _ = _tell_backups(workspace, landing)
    done_at = utc_now()
    more: dict[str, Any] = {
        "generations": generations,
        "moments": moments,
        "set_aside": set_aside,
        "notes": notes,
        "delivered": delivered,
        "backups": backups,
    }

    def with_done(kept: Suppression) -> Suppression:
        for request in kept.pending:
            kept = kept.with_request(replace(request, done_at=done_at, counts={**request.counts, **more}))
        return kept

    suppression.change(landing.folder, with_done)
    _, untold = _tell_backups(workspace, landing)
    return (
        Forgotten("", "", done_at)
        if found is None
        else replace(found, done_at=done_at, untold=untold, left=left, **more)
    )


def _check_known(kind: Kind, ids: Sequence[str], who: Subject, seen: Screened) -> None:
    if not who.is_known and not seen.erased and not seen.masked:
        named = ", ".join(f"'{one}'" for one in ids)
        raise NotFoundError(
            f"nothing is known of {kind} {named}",
            "Name it as its records do: trialwise account ID shows accounts, an address finds its user.",
        )


def _check_sound(workspace: Workspace, then: str) -> None:
    """What cannot be read cannot be searched: a record of theirs would stay in it, unseen. Raises StoreError."""
    deliveries.files(workspace)  # raises where nobody can say which there are
    for path, lost in rescue.damaged(Landing(workspace.landing)).items():
        copy = _good_copy(workspace, path.name)
        hint = f"Put it back: cp {copy} {path}." if copy else f"Put it back from a copy of yours: {path}."
        raise StoreError(f"{path} may hold records that are to be forgotten, and is damaged: {lost}", f"{hint} {then}")


def _good_copy(workspace: Workspace, name: str) -> Path | None:
    """A compacted file as the newest backup has it that has it whole."""
    backups = [one for there in _older_backups(workspace).values() for one in there]
    for older in sorted(backups, key=lambda one: one.created_at, reverse=True):
        for entry in older.entries:
            path = older.path(entry)
            is_it = entry.path.endswith(f"landing/compacted/{name}") and path.exists()
            if is_it and archive.digest_of(path) == entry.sha256:
                return path
    return None


def _check_own_files(workspace: Workspace, names: Names) -> None:
    """Files that people write are not changed, and would bring ids back."""
    mapping = workspace.config.identity.customer_map
    paths = [workspace.folder / CONFIG_NAME, *([] if mapping is None else [workspace.folder / mapping])]
    meant = {word for word in names.words if len(word) >= LEAST}
    for path in paths:
        lines = path.read_text("utf-8-sig").splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            if meant & {*words(line), *words(line.lower()), *line.split(",")}:
                raise InputError(
                    f"{path} names who is to be forgotten in line {number}",
                    "That file is yours: take the line out, then run it again.",
                )


def _counted(workspace: Workspace, found: Forgotten, who: Subject, seen: Screened) -> Forgotten:
    """With all that can be counted before anything is done."""
    return replace(
        found,
        **_counts_of(who),
        erased=seen.erased,
        masked=seen.masked,
        segments=seen.segments,
        compacted=seen.compacted,
        generations=len(list(workspace.published.glob("*.duckdb"))),
        moments=len(list((workspace.data / "moments").glob("*.duckdb"))),
        set_aside=len(_set_aside(workspace)),
        delivered=len(deliveries.files(workspace)),
        backups=sum(map(len, _older_backups(workspace).values())),
    )


def _counts_of(who: Subject) -> dict[str, Any]:
    return {
        "people": who.people,
        "addresses": len(who.names.addresses),
        "customers": who.customers,
        "events": who.events,
        "identities": who.identities,
        "stripe_records": who.stripe_records,
    }


def _with_counts(kept: Suppression, asked_at: datetime, counts: Mapping[str, int]) -> Suppression:
    """The list with counts added to the requests of an instant."""
    for request in kept.pending:
        if request.asked_at == asked_at:
            kept = kept.with_request(replace(request, counts={**request.counts, **counts}))
    return kept


def _receipt(request: Request) -> Forgotten:
    counts: dict[str, Any] = dict.fromkeys(_IN_LANDING)
    counts |= {name: count for name, count in request.counts.items() if name in _COUNTED}
    return replace(Forgotten(request.kind, request.key, request.asked_at, request.done_at), **counts)


def _set_aside(workspace: Workspace) -> list[Path]:
    """Stores, ledgers and notes that proved damaged, or were made by an older version."""
    cursors = workspace.landing / "cursors"
    found = [*workspace.data.glob("*.damaged-*"), *workspace.data.glob(f"{STORE}.older-*"), *cursors.glob("*.damaged*")]
    return sorted(path for path in found if path.is_file())


def _remove_stores(workspace: Workspace) -> int:
    """Remove the store and those set aside; how many of these there were. The next load fills another one."""
    others = _set_aside(workspace)
    log = workspace.store.with_name(f"{workspace.store.name}.wal")
    for path in (log, workspace.store, *others):  # the log first: it must never meet another database
        path.unlink(missing_ok=True)
    _remove(workspace.data / "scratch")
    if workspace.data.is_dir():
        durable.sync_folder(workspace.data)
    return sum(not path.name.endswith(".wal") for path in others)


def _remove(folder: Path) -> int:
    """Remove a folder of files that are made again; how many results lay in it."""
    count = len(list(folder.glob("*.duckdb")))
    if folder.is_dir():
        shutil.rmtree(folder)
    return count


def clean_notes(workspace: Workspace) -> int:
    """Take everybody on the list out of the run ledger, the history of what was published, the cursors and the notes on
    Stripe's objects; how many entries that changed.
    """
    kept = suppression.read(workspace.landing)
    if not kept:
        return 0

    def is_listed(word: str) -> bool:
        return len(word) >= LEAST and bool(kept.kinds_of(word) or kept.kinds_of(word.lower()))

    def is_theirs(text: str) -> bool:
        """Of ids of accounts, and of trials, in which an id stands: of any length, and made of whatever signs."""
        return any(kind in kept.kinds_of(one) for kind, one in _ids_in(text)) or any(map(is_listed, words(text)))

    cursors = workspace.landing / "cursors"
    count = Ledger(workspace.data).rewrite(lambda text: masked_words(text, is_listed))
    count += History(workspace.data).forget(is_theirs, is_theirs)
    count += stripe_known.forget(cursors / "stripe-known.sqlite", is_listed)
    for path in sorted(cursors.glob("*.json")) if cursors.is_dir() else ():
        told = json.loads(path.read_bytes())
        left = _without(told, is_listed)
        if left != told:
            durable.replace(path, json.dumps(left, indent=1, sort_keys=True).encode() + b"\n")
            count += 1
    return count


def _ids_in(text: str) -> Iterator[tuple[str, str]]:
    """(kind, id) of whom an id of an account, or of a trial the product announced (event:ACCOUNT:EVENT), may be."""
    account = text[len("event:") :].rpartition(":")[0] if text.startswith("event:") else text
    yield from (("account", text), ("account", account))
    if account.startswith("user:"):  # who is in no account is one
        user = account.removeprefix("user:")
        yield from (("user", user), ("address", user.lower()))
        if user.startswith(suppression.ANONYMOUS):
            yield "anonymous", user.removeprefix(suppression.ANONYMOUS)


def _without(value: Any, is_listed: Callable[[str], bool]) -> Any:
    """A JSON value without the entries of lists that are names: places to go on from, of which there are others."""
    if isinstance(value, dict):
        return {key: _without(inner, is_listed) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(one, is_listed) for one in value if not (isinstance(one, str) and is_listed(one))]
    return value


def _older_backups(workspace: Workspace) -> Mapping[Path, list[archive.Archive]]:
    return archive.everywhere(workspace.data, workspace.backups)


def _tell_backups(workspace: Workspace, landing: Landing) -> tuple[int, tuple[str, ...]]:
    """Copy the list to wherever backups lie, for restoring one of before: how many there are, and the folders backups
    were made into that could not be told, with the reason.
    """
    own, owner = workspace.backups.resolve(), archive.owner_of(workspace.data)
    kept, older = suppression.read(landing.folder), _older_backups(workspace)
    untold = []
    for target in archive.targets(workspace.data, own):
        try:
            if older.get(target):
                keep_list(target, owner, kept)
            elif target != own:
                untold.append(f"{target}: no backup is found there")
        except StoreError as error:
            if target == own:
                raise
            untold.append(f"{target}: {error}")
    return sum(map(len, older.values())), tuple(untold)


def keep_list(target: Path, owner: str, kept: Suppression) -> None:
    """Keep a workspace's list beside its backups. Raises DiskFull, StoreError."""
    if not kept.salt:
        return
    there = archive.forgotten_path(target, owner)
    known = suppression.read_file(there)
    if known.salt not in ("", kept.salt):
        raise StoreError(
            f"{there} is a list of another workspace: who is on it was forgotten in a copy of this one",
            "Let each of the two back up into a folder of its own ([backup] folder); that file goes with the other's.",
        )
    suppression.write_file(there, known.merged(kept))


def take_list(target: Path, owner: str, created_at: datetime, data: Path) -> None:
    """Add the list that lies beside backups of a workspace to that of a data folder made of one of them.

    created_at: of that backup. What was undone since counts only once `release` is called: what a backup holds of
    them was erased. A store that holds more than landing will, once the list is applied, goes. Raises StoreError.
    """
    landing = Landing(data / "landing")
    told = suppression.read_file(archive.forgotten_path(target, owner)).before_undone_since(created_at)
    merged = suppression.change(landing.folder, lambda own: own.merged(told))
    if merged and not screen.is_screened(landing, merged):
        for name in (f"{STORE}.wal", STORE):
            (data / name).unlink(missing_ok=True)


def release(target: Path, owner: str, data: Path) -> None:
    """Take off the list who was taken off it since a backup was made; its records are screened. Raises StoreError."""
    told = suppression.read_file(archive.forgotten_path(target, owner))
    screen.change(data / "landing", lambda own: own.merged(told))
