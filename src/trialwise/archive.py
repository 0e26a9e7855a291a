"""A backup on disk: copies of files, and backup.json, which says what each of them must be.

TARGET/20260301T120000Z/backup.json     whose, of when, and of every file its size, SHA-256, rights and time of change
TARGET/20260301T120000Z/workspace/...   trialwise.toml and what it names, the workspace's own sql/
TARGET/20260301T120000Z/data/...        the data folder
TARGET/.20260301T120000Z.partial        one that is being written, or was when its process was killed

TARGET/forgotten-....json               who was forgotten in a workspace since, for restoring a backup of before
DATA/backup-targets.json                folders other than [backup] folder that backups were made into
DATA/workspace-id                       whose backups are its own, wherever it is moved to

A folder has a name without a dot once everything in it is on disk, and loses it before anything in it is removed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from trialwise.errors import NotFoundError, StoreError
from trialwise.landing import durable

if TYPE_CHECKING:
    import polars as pl

NAME = "backup.json"
VERSION = 1
PARTIAL, REMOVED = ".partial", ".removed"
TARGETS = "backup-targets.json"
ID = "workspace-id"
_BLOCK = 1 << 20
_ID = re.compile("[0-9a-f]{32}")
Watch = Callable[[int], None]
"""Called with the number of bytes just read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its path below the backup's folder, size in bytes, SHA-256, rights, and time of change in ns."""

    path: str
    size: int
    sha256: str
    mode: int
    modified: int


@dataclass(frozen=True)
class Archive:
    """A whole backup.

    created_at: UTC instant without zone. workspace: the folder it is of. owner: the id of that workspace, which stays
    when it is moved, and is another one for a workspace made anew in that folder. made_by: the version of trialwise.
    as_of, known_at: the clock of the results that were published then, None where there were none.
    """

    folder: Path
    created_at: datetime
    workspace: str
    owner: str
    made_by: str
    as_of: datetime | None
    known_at: datetime | None
    segments: int
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """What it is called in its target."""
        return self.folder.name

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    @property
    def has_store(self) -> bool:
        """Whether the database is in it too."""
        return any(entry.path == "data/store.duckdb" for entry in self.entries)

    def path(self, entry: Entry) -> Path:
        """Where the copy of a file lies."""
        return self.folder / entry.path


def read(folder: Path) -> Archive:
    """What backup.json says. Raises NotFoundError without one, StoreError where it is damaged or of a newer version."""
    path = folder / NAME
    try:
        told = json.loads(path.read_bytes())
        if told["version"] > VERSION:
            raise StoreError(
                f"{path} is of version {told['version']}, this is a trialwise that knows version {VERSION}",
                f"It was made by trialwise {told['made_by']}: use that version, or a newer one.",
            )
        if told["sha256"] != _digest(told):
            raise ValueError("its checksum does not fit")
        return Archive(
            folder,
            datetime.fromisoformat(told["created_at"]),
            told["workspace"],
            told.get("owner", ""),
            told["made_by"],
            _moment(told["as_of"]),
            _moment(told["known_at"]),
            told["segments"],
            tuple(_entry(entry) for entry in told["files"]),
        )
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{folder} is no backup: it holds no {NAME}", "Run 'trialwise backup list' to see which there are."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read: {error or type(error).__name__}", "Use another backup.") from error


def write(archive: Archive) -> None:
    """Write backup.json, durably; raises OSError."""
    told = {
        "version": VERSION,
        "made_by": archive.made_by,
        "created_at": archive.created_at.isoformat(),
        "workspace": archive.workspace,
        "owner": archive.owner,
        "as_of": None if archive.as_of is None else archive.as_of.isoformat(),
        "known_at": None if archive.known_at is None else archive.known_at.isoformat(),
        "segments": archive.segments,
        "files": [asdict(entry) for entry in archive.entries],
    }
    text = json.dumps({**told, "sha256": _digest(told)}, indent=1) + "\n"
    durable.replace(archive.folder / NAME, text.encode())


def forgotten_path(target: Path, owner: str) -> Path:
    """Where the list of who was forgotten lies beside the backups of a workspace, for restoring one of before."""
    return target / f"forgotten-{owner}.json"


def owner_of(data: Path) -> str:
    """The id of the workspace a data folder belongs to, given when it is first asked for. Raises StoreError."""
    path = data / ID
    try:
        if not path.exists():
            durable.make_folder(data)
            durable.replace(path, f"{uuid4().hex}\n".encode())
        found = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be kept: {error}", "Make room there, or put it back from a backup.") from error
    if not _ID.fullmatch(found):
        raise StoreError(f"{path} holds no id but '{found[:40]}'", "Put it back from a backup: its backups go by it.")
    return found


def targets(data: Path, own: Path) -> tuple[Path, ...]:
    """The folders backups of a data folder's workspace were made into: `own`, then others that were named.

    Raises StoreError for a list that cannot be read.
    """
    path = data / TARGETS
    try:
        named = [Path(name) for name in json.loads(path.read_bytes())] if path.exists() else []
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(
            f"{path} cannot be read: {error or type(error).__name__}",
            "It lists the folders backups were made into: write it anew, as a JSON list of their paths.",
        ) from error
    return tuple(dict.fromkeys((own.resolve(), *named)))


def remember_target(data: Path, own: Path, target: Path) -> None:
    """Keep a folder that backups are made into. Raises StoreError."""
    known = targets(data, own)
    if target in known:
        return
    try:
        durable.replace(data / TARGETS, json.dumps([*map(str, known[1:]), str(target)], indent=1).encode() + b"\n")
    except OSError as error:
        raise StoreError(
            f"{data / TARGETS} cannot be written: {error}", "Make room there, then run 'trialwise backup' again."
        ) from error


def names(target: Path) -> list[str]:
    """The names of the whole backups in a target, the oldest first."""
    if not target.is_dir():
        return []
    return sorted(path.name for path in target.iterdir() if path.name[0] != "." and (path / NAME).is_file())


def is_target(folder: Path) -> bool:
    """Whether a folder is a backup, or holds some."""
    return (folder / NAME).is_file() or bool(names(folder))


def archives(target: Path) -> list[Archive]:
    """The backups of a target whose backup.json can be read, the oldest first."""
    found = []
    for name in names(target):
        try:
            found.append(read(target / name))
        except StoreError:
            continue  # `verify` tells of it; what it holds is nobody's to judge here
    return sorted(found, key=lambda archive: (archive.created_at, archive.name))


def everywhere(data: Path, own: Path) -> dict[Path, list[Archive]]:
    """The backups of the workspace of a data folder, the oldest first, by the folder they were made into; those within
    reach. Raises as `owner_of` and `targets`, of which `own` is.
    """
    owner, found = owner_of(data), {}
    for target in targets(data, own):
        with suppress(OSError):
            found[target] = [one for one in archives(target) if one.owner == owner]
    return found


def archives_frame(found: Sequence[Archive]) -> pl.DataFrame:
    """Backups as rows: name, created_at, as_of, segments, files, bytes, has_store, made_by, workspace, folder."""
    import polars as pl

    instant = pl.Datetime("us")
    schema: dict[str, Any] = {
        "name": pl.String, "created_at": instant, "as_of": instant, "segments": pl.Int64, "files": pl.Int64,
        "bytes": pl.Int64, "has_store": pl.Boolean, "made_by": pl.String, "workspace": pl.String, "folder": pl.String,
    }  # fmt: skip
    rows = [
        (one.name, one.created_at, one.as_of, one.segments, len(one.entries), one.size, one.has_store, one.made_by,
         one.workspace, str(one.folder))
        for one in found
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def find(target: Path, name: str | None) -> Archive:
    """A backup of a target by its name, else the newest. Raises NotFoundError, and StoreError as `read`."""
    known = names(target)
    if not known:
        raise NotFoundError(f"no backup in {target}", "Run 'trialwise backup' to make one.")
    if name is not None and name not in known:
        raise NotFoundError(f"no backup '{name}' in {target}", f"There are {', '.join(known)}.")
    return read(target / (name or known[-1]))


def at(folder: Path) -> Archive:
    """The backup a folder is, or the newest of those it holds. Raises as `find`."""
    return read(folder) if (folder / NAME).exists() else find(folder, None)


def faults(archive: Archive, watch: Callable[[int, int], None]) -> list[str]:
    """Every file that is not as it was written, with what is wrong; all of them are read again.

    watch: called with (bytes read, bytes of all).
    """
    found = []
    done = 0
    for entry in archive.entries:
        path = archive.path(entry)
        try:
            size = path.stat().st_size
            if size != entry.size:
                found.append(f"{path} has {size} bytes, it was written with {entry.size}")
            elif digest_of(path) != entry.sha256:
                found.append(f"{path} is not what was written: its SHA-256 differs")
        except OSError as error:
            found.append(f"{path} cannot be read: {error.strerror}")
        done += entry.size
        watch(done, archive.size)
    return found


def digest_of(path: Path) -> str:
    """SHA-256 of a file; raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy(source: Path, target: Path, path: str, *, size: int | None = None, watch: Watch = lambda _: None) -> Entry:
    """Copy a file, or its first `size` bytes, with rights and time of change, durably but for its name.

    path: what the entry calls it. Raises StoreError when the source cannot be read, OSError for the target.
    """
    with _reading(source) as reader:
        found = os.fstat(reader)
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            left = found.st_size if size is None else size
            digest, done = hashlib.sha256(), 0
            while block := _block(reader, min(left - done, _BLOCK), source):
                durable.write_all(writer, block, done)
                digest.update(block)
                done += len(block)
                watch(len(block))
            mode = stat.S_IMODE(found.st_mode)
            os.fchmod(writer, mode)
            os.utime(writer, ns=(found.st_mtime_ns, found.st_mtime_ns))
            os.fsync(writer)
        finally:
            os.close(writer)
    return Entry(path, done, digest.hexdigest(), mode, found.st_mtime_ns)


def copy_database(source: Path, target: Path, path: str) -> Entry:
    """Copy an SQLite database that others may be writing to, as of one moment. Raises as `copy`."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as reader,
            closing(sqlite3.connect(target)) as writer,
        ):
            reader.backup(writer)
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, "database or disk is full", str(target)) from error
        raise StoreError(f"{source} cannot be copied: {error}", "Mend it or move it away, and run it again.") from error
    found = source.stat()
    mode = stat.S_IMODE(found.st_mode)
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Entry(path, target.stat().st_size, digest_of(target), mode, found.st_mtime_ns)


def reuse(known: Archive, entry: Entry, target: Path) -> bool:
    """Give a file of an earlier backup a second name in another one; False where that cannot be.

    Nothing in a backup is ever written to again, so that both may share it.
    """
    earlier = known.path(entry)
    try:
        if earlier.stat().st_size != entry.size:
            return False
        os.link(earlier, target)
    except OSError:  # a file system without hard links, or too many of them: it is copied
        return False
    return True


def sync_folders(folder: Path) -> None:
    """Make every name below a folder durable, and those in it; raises OSError."""
    for path, _, _ in os.walk(folder, topdown=False):
        durable.sync_folder(Path(path))


def discard(archive: Archive) -> None:
    """Remove a backup; from the first step on it is none any more. Raises OSError."""
    gone = archive.folder.with_name(f".{archive.name}{REMOVED}")
    archive.folder.rename(gone)
    durable.sync_folder(gone.parent)
    shutil.rmtree(gone)


def sweep(target: Path) -> None:
    """Remove what was begun and not finished; only for who has the target. Raises OSError."""
    for path in target.glob(".*"):
        if path.name.endswith((PARTIAL, REMOVED)):
            shutil.rmtree(path)


@contextmanager
def _reading(source: Path) -> Iterator[int]:
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(source, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _block(descriptor: int, size: int, source: Path) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: OSError) -> StoreError:
    return StoreError(f"{source} cannot be read: {error.strerror}", "Mend its rights or its disk, and run it again.")


def _digest(told: dict[str, Any]) -> str:
    """Stands for everything else backup.json says."""
    said = {key: value for key, value in told.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _entry(told: dict[str, Any]) -> Entry:
    entry = Entry(**told)
    path = PurePosixPath(entry.path)
    if path.is_absolute() or ".." in path.parts or path.parts[0] not in ("data", "workspace"):
        raise ValueError(f"'{entry.path}' is no path in a backup")
    return entry
