"""From a journal to a numbered segment, so that a crash between any two steps loses and doubles nothing.

1. the journal is taken from its writer by a rename, under the lock both respect
2. what a crash left after its last whole record is cut off; the rest is made durable and counted
3. the manifest names the journal and the number it gets: from here on it is sealed
4. it is renamed to that number

A journal found after 1 is sealed by whoever comes next; one the manifest names is only renamed.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from trialwise.landing import durable
from trialwise.landing.frame import read_frame
from trialwise.landing.live import SUFFIX, TAKEN, Channel, channel_of, is_at, is_header, live_folder, stem_of

_log = logging.getLogger(__name__)
LOCK_SECONDS = 5.0
"""How long journals are waited for, all together: a write takes as long as the disk, one that was stopped for ever."""
_LOCK_TRIES = 0.005  # seconds between two
LOST = "unknown"
"""Format of records whose channel nobody can tell any more: the load refuses them, with their bytes."""


@dataclass(frozen=True)
class Taken:
    """A journal on its way to a segment, whole and durable."""

    path: Path
    channel: Channel
    records: int
    refused: int
    bytes: int
    sha256: str

    @property
    def live(self) -> str:
        """The name the manifest remembers it by."""
        return stem_of(self.path)


def waiting(landing: Path) -> bool:
    """Whether there is any journal, or one left on its way."""
    folder = live_folder(landing)
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(entry.name.endswith((SUFFIX, TAKEN)) for entry in entries)


def leftovers(landing: Path) -> list[Path]:
    """Journals that were taken by somebody who did not come to the end."""
    return sorted(live_folder(landing).glob(f"*{TAKEN}"))


def take_all(landing: Path) -> list[Taken]:
    """Take every journal with records from its writer; raises OSError. Only for who has the landing folder's turn.

    One whose writer does not let go of it is left for the next time.
    """
    folder = live_folder(landing)
    until = monotonic() + LOCK_SECONDS
    held = [path for path in sorted(folder.glob(f"*{SUFFIX}")) if not _take(path, until)]
    if held:
        _log.warning(
            "journals that their writers hold in the middle of a write were left for the next time: %s; "
            "a process that was stopped goes on with SIGCONT, one that is killed lets go",
            ", ".join(path.name for path in held),
        )
    found = leftovers(landing)
    if found:
        durable.sync_folder(folder)
    return [taken for taken in map(_prepare, found) if taken is not None]


def by_channel(journals: Iterable[Taken]) -> list[list[Taken]]:
    """Journals that are read alike, together; the oldest first."""
    groups: dict[Channel, list[Taken]] = {}
    for taken in journals:
        groups.setdefault(taken.channel, []).append(taken)
    return list(groups.values())


def _take(path: Path, until: float) -> bool:
    """Rename a journal away from its writer, who begins another one; one without records is removed.

    False when the writer has held it until that instant of the monotonic clock.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        if not _lock(descriptor, until):
            return False
        if not is_at(path, descriptor):
            return True
        if os.fstat(descriptor).st_size == 0:
            path.unlink()
        else:
            path.rename(path.with_name(stem_of(path) + TAKEN))
    finally:
        os.close(descriptor)
    return True


def _lock(descriptor: int, until: float) -> bool:
    """Lock a file; False when somebody else holds it until then. It is tried once even when that is over."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() >= until:
                return False
            sleep(_LOCK_TRIES)
        else:
            return True


def _prepare(path: Path) -> Taken | None:
    """Cut, sync and count a taken journal; one without records is removed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _mend_tail(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    digest = hashlib.sha256()
    records = refused = size = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream):
            digest.update(line)
            size += len(line)
            if number or not is_header(line):
                records += 1
                refused += b',"bad":"' in line
    if records == 0:
        path.unlink()
        return None
    channel = channel_of(path) or Channel("events", LOST, "a channel that was lost")
    return Taken(path, channel, records, refused, size, digest.hexdigest())


def _mend_tail(descriptor: int) -> None:
    """Cut off what was begun and not finished: it was never acknowledged.

    A last record that only lost its line feed was.
    """
    size = os.fstat(descriptor).st_size
    whole = durable.end_of_last_line(descriptor, size)
    tail = os.pread(descriptor, size - whole, whole)
    for kept in (len(tail), len(tail) - 1):
        if kept > 0 and read_frame(tail[:kept]) is not None:
            durable.write_all(descriptor, b"\n", whole + kept)
            return
    if tail:
        os.ftruncate(descriptor, whole)
