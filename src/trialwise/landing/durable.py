"""On disk before anybody is told so: the few steps that make bytes and names outlive a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from trialwise.errors import ROOM_HINT, DiskFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that mean a full disk, a quota or a limit."""
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


def leftovers(path: Path) -> list[Path]:
    """What processes that were killed while they replaced a file left beside it."""
    return [fresh for fresh in path.parent.glob(f"{escape(path.name)}.*.new") if _is_orphaned(fresh)]


def leftovers_below(folder: Path) -> list[Path]:
    """The same of every file in a folder and those below it."""
    return [fresh for fresh in folder.rglob("*.*.new") if _is_orphaned(fresh)]


def _is_orphaned(fresh: Path) -> bool:
    number = fresh.name.split(".")[-2]
    if not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it runs as another user
        return False
    return False


def replace(path: Path, data: bytes) -> None:
    """Give a file new content, all or nothing, durably; raises OSError. What a killed process left of it goes."""
    for orphan in leftovers(path):
        orphan.unlink(missing_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        try:
            write_all(descriptor, data, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.rename(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
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
