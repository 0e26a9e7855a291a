"""On disk before anybody is told so: the few steps that make bytes and names outlive a power cut."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from trialwise.errors import ROOM_HINT, DiskFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that mean a full disk, a quota or a limit."""
_NO_LOCKS = frozenset({errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL})
_CHUNK = 1 << 20


@contextmanager
def room() -> Iterator[None]:
    """What the disk refuses for want of room is DiskFull; every other error stays what it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFull(f"the disk is full: {error}", ROOM_HINT) from error


def sync_folder(folder: Path) -> None:
    """Make names of files in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing, with durable names, for this user alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        sync_folder(folder.parent)
    except OSError:
        with suppress(OSError):  # somebody may have put something into it
            folder.rmdir()  # else the next one would take its name for durable
        raise


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`; raises OSError when only a part of it went in."""
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        offset += written
        left = left[written:]


def remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed while they replaced a file left beside it."""
    _remove_orphans(path.parent.glob(f"{escape(path.name)}.*.new"))


def remove_leftovers_below(folder: Path) -> None:
    """The same of every file in a folder and those below it."""
    _remove_orphans(folder.rglob("*.*.new"))


def _remove_orphans(found: Iterable[Path]) -> None:
    """Remove files that nobody is writing: whoever does holds a lock on his, in whatever container he is."""
    for fresh in found:
        try:
            descriptor = os.open(fresh, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):  # it has its name by now, or is another user's
            continue
        try:
            if _is_locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB) and _is_at(descriptor, fresh):
                fresh.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _is_locked(descriptor: int, how: int) -> bool:
    """Lock a file, and whether it is ours now: where a file system knows no locks nobody else's can be told."""
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at its path: it may have been removed or renamed before it was locked."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _begin(fresh: Path) -> int:
    """A descriptor of an empty file that is locked, so that nobody takes it for one that was left."""
    while True:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        _is_locked(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, fresh):
            os.ftruncate(descriptor, 0)
            return descriptor
        os.close(descriptor)


def replace(path: Path, data: bytes) -> None:
    """Give a file new content, all or nothing, durably; raises OSError. What a killed process left of it goes."""
    remove_leftovers(path)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = _begin(fresh)
    try:
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
        fresh.rename(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def end_of_last_line(descriptor: int, size: int) -> int:
    """Where the last finished line of a file ends; 0 when there is none."""
    end = size
    while end > 0:
        start = max(0, end - _CHUNK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
