"""A backup: what of a workspace cannot be made again, copied whole and consistent, also while a server runs.

In this order, so that whatever happens meanwhile is in the backup whole or not at all:

1. the store is owned: nobody loads, compacts or drops records until the end; everybody may land
2. what stands for something landed (cursors, the files beside the store) is copied
3. journals are sealed: what was acknowledged before lies in segments, and so does what a cursor stands behind
4. the manifest says which segments there are; it is copied as far as it went then
5. the files these lie in are copied, or shared with an earlier backup: they never change
6. everything is on disk; backup.json says what each file must be; the folder gets its name
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from trialwise import archive, deliveries, forgetting, standstill
from trialwise.answers import open_results
from trialwise.archive import Archive, Entry
from trialwise.clock import utc_now
from trialwise.delivery.publishing import current_of
from trialwise.engines.duckdb import Engine
from trialwise.errors import DiskFull, NotFoundError, StoreError
from trialwise.history import History
from trialwise.landing import durable, suppression
from trialwise.landing.folder import Landing
from trialwise.landing.holdings import holdings
from trialwise.landing.report import LoadReport
from trialwise.pipeline import Progress, load, owning
from trialwise.progress import step
from trialwise.workspace import CONFIG_NAME, Claimed, Workspace, claim

MADE_AGAIN = frozenset({"landing", "published", "moments", "scratch", "run", "claims", standstill.NAME})
"""What of the data folder is not copied as it lies: made from landing or by a refresh, of a live process, landing."""
MADE_AGAIN_IN_LANDING = frozenset({"live", "compacted"})
STORE = "store.duckdb"
_OF_A_PROCESS = (".lock", ".sock", ".new", ".open", "-wal", "-shm", "-journal")
_SEALED = (".ndjson", ".import", ".index")
"""Files of the landing folder itself that `holdings` knows of, and the index of the manifest, which is made again."""


@dataclass(frozen=True)
class BackedUp:
    """What a backup took: files and bytes of all, those of them that were copied now, not shared with an earlier one.

    removed: names of older backups that went for it: more than are kept, or made before somebody was forgotten.
    """

    folder: Path
    segments: int
    files: int
    bytes: int
    copied_files: int
    copied_bytes: int
    removed: tuple[str, ...] = ()


def make(
    workspace: Workspace,
    target: Path | None = None,
    *,
    keep: int | None = None,
    with_store: bool = False,
    full: bool = False,
    progress: Progress | None = None,
) -> BackedUp:
    """Back a workspace up into a new folder of `target`, [backup] folder where it is left out.

    keep: how many backups of this workspace stay there, [backup] keep when left out. with_store: the database too,
    loaded and checkpointed, which makes a restore quick. full: share no file with an earlier backup.
    Loads and refreshes wait meanwhile, what arrives is taken. Raises StoreLocked, DiskFull and StoreError: then there
    is no new backup, and those made before stay.
    """
    where = (workspace.backups if target is None else target).resolve()
    stay = workspace.config.backup.keep if keep is None else keep

    def task(store: Engine, _filled: LoadReport) -> BackedUp:
        load(workspace, store, progress)
        store.execute("CHECKPOINT")
        return _into(where, workspace, stay, True, full, progress)

    if with_store:
        return owning(workspace, task, progress)
    with workspace.lock():
        return _into(where, workspace, stay, False, full, progress)


def _into(
    target: Path, workspace: Workspace, keep: int, with_store: bool, full: bool, progress: Progress | None
) -> BackedUp:
    archive.remember_target(workspace.data, workspace.backups, target)
    with _alone(target):
        archive.sweep(target)
        kept = suppression.read(workspace.landing)
        forgetting.keep_list(target, archive.owner_of(workspace.data), kept)
        earlier = archive.archives(target)
        created_at = utc_now()
        final = _free_path(target, created_at)
        copying = _Copying(final.with_name(f".{final.name}{archive.PARTIAL}"), [] if full else earlier, progress)
        try:
            copying.folder.mkdir(mode=0o700)  # whoever may read it reads all that was sent
            made = _fill(copying, workspace, target, created_at, with_store)
            copying.folder.rename(final)
        except BaseException:
            shutil.rmtree(copying.folder, ignore_errors=True)
            raise
        durable.sync_folder(target)
        old = [one for one in earlier if _may_go(one, made, workspace)]
        stale = [one for one in old if kept.last_done is not None and one.created_at < kept.last_done]
        old = [one for one in old if one not in stale]
        surplus = [*stale, *old[: max(0, len(old) + 1 - keep)]]
        for one in surplus:
            archive.discard(one)
    removed = tuple(one.name for one in surplus)
    return BackedUp(final, made.segments, len(made.entries), made.size, copying.files, copying.bytes, removed)


def _may_go(older: Archive, made: Archive, workspace: Workspace) -> bool:
    """Whether an older backup is the workspace's own to remove: not that of another copy of it that is still there, and
    backs up into the same folder.
    """
    is_alone = older.workspace == made.workspace or not (Path(older.workspace) / CONFIG_NAME).exists()
    return older.owner == made.owner and (is_alone or older.folder.is_relative_to(workspace.data.resolve()))


def _fill(copying: _Copying, workspace: Workspace, target: Path, created_at: datetime, with_store: bool) -> Archive:
    """Copy everything, in the order told above; backup.json comes last."""
    as_of, known_at = _moment(workspace)
    History(workspace.data).settle(current_of(workspace.published))  # what a crash left open is not to be restored
    copying.small(_of_workspace(workspace))
    copying.small(_of_data(workspace, target))
    landing = Landing(workspace.landing)
    landing.seal(utc_now())
    held = holdings(landing)
    files: list[tuple[Path, str, int | None]] = [(path, _named(path, workspace.data), None) for path in held.sealed]
    if held.manifest_bytes:
        files.append((held.manifest, _named(held.manifest, workspace.data), held.manifest_bytes))
    if with_store:
        files.append((workspace.store, f"data/{STORE}", None))
    copying.large(files)
    entries = tuple(copying.entries)
    made = Archive(
        copying.folder, created_at, str(workspace.folder), archive.owner_of(workspace.data), version("trialwise"),
        as_of, known_at, held.segments, entries,
    )  # fmt: skip
    archive.sync_folders(copying.folder)
    archive.write(made)
    return made


@dataclass
class _Copying:
    """Files on their way into a backup that has no name yet.

    entries: all of them; files, bytes: how many were copied, not shared.
    """

    folder: Path
    earlier: list[Archive]
    progress: Progress | None
    entries: list[Entry] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    def small(self, files: Iterable[tuple[Path, str]]) -> None:
        """Copy files (where they lie, what they are called in the backup) that are replaced whole, or by SQLite."""
        for source, path in files:
            copied = archive.copy_database if path.endswith(".sqlite") else archive.copy
            self._add(copied(source, self._place(path), path))

    def large(self, files: Sequence[tuple[Path, str, int | None]]) -> None:
        """Copy files that do not change now, the first bytes of some; share those that an earlier backup has as well.

        One that has the place, size and time of change it had is taken to be the same: what is sealed never changes.
        """
        known = {
            (entry.path, entry.size, entry.modified): (one, entry) for one in self.earlier for entry in one.entries
        }
        found = [source.stat() for source, _, _ in files]
        total = sum(size or stat.st_size for stat, (_, _, size) in zip(found, files, strict=True))
        report = step(self.progress, "copying")
        done = 0

        def watch(read: int) -> None:
            nonlocal done
            done += read
            report(done, total)

        for stat, (source, path, size) in zip(found, files, strict=True):
            shared = known.get((path, stat.st_size, stat.st_mtime_ns)) if size is None else None
            if shared is not None and archive.reuse(*shared, self._place(path)):
                self.entries.append(shared[1])
                watch(stat.st_size)
            else:
                self._add(archive.copy(source, self._place(path), path, size=size, watch=watch))

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.files += 1
        self.bytes += entry.size

    def _place(self, path: str) -> Path:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Be the only one who writes into a target; what its disk refuses is told as its own."""
    try:
        durable.make_folder(target)
        with claim(target / ".lock"):
            yield
    except Claimed as error:
        raise StoreError(
            f"process {error.holder} is backing up into {target}", "Wait for it to end, or name another folder."
        ) from error
    except OSError as error:
        kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
        raise kind(
            f"{target} cannot be written: {error}",
            "Make room there or mend it, or name another folder. Earlier backups and the workspace are as they were.",
        ) from error


def _free_path(target: Path, created_at: datetime) -> Path:
    """A name by the instant that no backup has."""
    name = f"{created_at:%Y%m%dT%H%M%SZ}"
    number = 1
    path = target / name
    while path.exists():
        number += 1
        path = target / f"{name}-{number}"
    return path


def _of_workspace(workspace: Workspace) -> Iterator[tuple[Path, str]]:
    """What people wrote: the configuration, the file of customers it names, models and seeds."""
    yield workspace.folder / CONFIG_NAME, f"workspace/{CONFIG_NAME}"
    named = workspace.config.identity.customer_map
    if named is not None:
        path = (workspace.folder / named).resolve()
        if path.is_relative_to(workspace.folder) and path.is_file():
            yield path, f"workspace/{path.relative_to(workspace.folder).as_posix()}"
    for path in _below(workspace.models):
        yield path, f"workspace/{path.relative_to(workspace.folder).as_posix()}"


def _of_data(workspace: Workspace, target: Path) -> Iterator[tuple[Path, str]]:
    """Everything in the data folder but what is made from landing, and landing's own segments.

    What a later version keeps there is copied before anybody thinks of it.
    """
    data = workspace.data
    taken = {source for source, _ in _of_workspace(workspace)} | deliveries.files(workspace)
    for path in sorted(data.iterdir()) if data.is_dir() else ():
        if (
            path.name in MADE_AGAIN
            or path.name.startswith(STORE)
            or path in (workspace.models, workspace.backups, target)
        ):
            continue
        for found in _below(path):
            if found not in taken:
                yield found, _named(found, data)
    for path in sorted(workspace.landing.iterdir()) if workspace.landing.is_dir() else ():
        if path.name not in MADE_AGAIN_IN_LANDING and path.suffix not in _SEALED:
            for found in _below(path):
                yield found, _named(found, data)


def _below(path: Path) -> Iterator[Path]:
    """A file, or the files of a folder, in order; no backups, and nothing that belongs to a live process."""
    if path.name.startswith(".") or path.name.endswith(_OF_A_PROCESS) or ".damaged" in path.name:
        return
    if path.is_file():
        yield path
    elif path.is_dir() and not archive.is_target(path):
        for inner in sorted(path.iterdir()):
            yield from _below(inner)


def _named(path: Path, data: Path) -> str:
    return f"data/{path.relative_to(data).as_posix()}"


def _moment(workspace: Workspace) -> tuple[datetime | None, datetime | None]:
    """The clock of the published results; None where there are none that can be read."""
    try:
        with closing(open_results(workspace)) as results:
            return results.moment.as_of, results.moment.known_at
    except (NotFoundError, StoreError):
        return None, None
