"""Records that arrive while the product runs: each writer appends to a file of its own and waits for the disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from trialwise.errors import DiskFull, StoreError
from trialwise.landing import durable
from trialwise.landing.folder import Landing
from trialwise.landing.frame import Piece, frame, stamp
from trialwise.landing.live import Channel, is_at, live_folder, new_path, note_channel

__all__ = ["Arrival", "Channel", "DiskFull", "Journal"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """The records of one request, or of one page of a pull.

    `received_at` is a UTC instant without zone: then they are live, known from that instant on. None = back-filled:
    each is known from the instant it names itself, as records of files are.
    """

    received_at: datetime | None
    pieces: Sequence[Piece]


@dataclass
class _File:
    """An open journal file; `size` is how much of it is durable, `items` and `requests` are counted in it."""

    path: Path
    descriptor: int
    size: int = 0
    items: int = 0
    requests: int = 0


class Journal:
    """One writer's way into the landing folder for the records of one channel. For one thread.

    The file changes hands while it is written: whoever seals it takes the lock and renames it, and the writer, seeing
    that its path names another file or none, begins a new one.
    """

    def __init__(self, landing: Landing, channel: Channel, writer: str, *, is_durable: bool = True) -> None:
        self._landing = landing
        self._channel = channel
        self._writer = writer
        self._is_durable = is_durable
        self._file: _File | None = None
        self._is_folder_durable = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, arrivals: Sequence[Arrival]) -> None:
        """Keep the records of these arrivals, all or none; when this returns they are on disk.

        Raises DiskFull when there is no room, StoreError when the disk fails: then none of them is kept, and the next
        call may succeed.
        """
        try:
            file = self._locked()
            try:
                self._write(file, arrivals)
            finally:
                if self._file is file:
                    fcntl.flock(file.descriptor, fcntl.LOCK_UN)
        except OSError as error:
            folder = live_folder(self._landing.folder)
            if error.errno in durable.NO_ROOM:
                raise DiskFull(f"{folder} has no room: {error.strerror}", "Make room; it goes on by itself.") from error
            raise StoreError(
                f"{folder} cannot be written: {error}", "Mend the disk or its rights; it goes on by itself."
            ) from error

    def close(self) -> None:
        """Let go of the file; what it holds waits to be sealed."""
        if self._file is not None:
            os.close(self._file.descriptor)
            self._file = None

    def _locked(self) -> _File:
        """The file to write to, locked against whoever seals."""
        while True:
            file = self._file or self._open()
            fcntl.flock(file.descriptor, fcntl.LOCK_EX)
            if is_at(file.path, file.descriptor):
                return file
            self.close()

    def _open(self) -> _File:
        self._make_folder()
        note_channel(self._landing.folder, self._channel)
        path = new_path(self._landing.folder, self._channel, self._writer)
        self._file = _File(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        return self._file

    def _make_folder(self) -> None:
        """The folder of journals, under a durable name: whoever made it may have died before it was one."""
        folder = live_folder(self._landing.folder)
        durable.make_folder(folder)
        if self._is_durable and not self._is_folder_durable:
            durable.sync_folder(folder.parent)
            self._is_folder_durable = True

    def _write(self, file: _File, arrivals: Sequence[Arrival]) -> None:
        data, items = self._framed(file, arrivals)
        if items == file.items:
            return
        is_new = file.size == 0
        try:
            durable.write_all(file.descriptor, data, file.size)
        except OSError:
            self._cut_back(file)
            raise
        try:
            if self._is_durable:
                os.fsync(file.descriptor)
                if is_new:
                    durable.sync_folder(file.path.parent)
        except OSError:
            # What the kernel could not write it may call written the next time it is asked: this file is never asked
            # again. What was durable in it stays.
            self._cut_back(file)
            self.close()
            if is_new:
                file.path.unlink(missing_ok=True)
            raise
        file.size += len(data)
        file.items = items
        file.requests += len(arrivals)
        if file.size >= self._landing.segment_bytes:
            self.close()

    def _framed(self, file: _File, arrivals: Sequence[Arrival]) -> tuple[bytes, int]:
        """(the bytes to append, how many records the file then holds)."""
        lines = [self._channel.line] if file.size == 0 else []
        item = file.items
        for request, arrival in enumerate(arrivals, file.requests):
            at = None if arrival.received_at is None else stamp(arrival.received_at)
            for line, offset, data, envelope, reason, detail in arrival.pieces:
                lines.append(frame(item, line, offset, data, envelope, reason, detail, request=request, at=at)[0])
                item += 1
        return b"".join(lines), item

    def _cut_back(self, file: _File) -> None:
        """Take away what was not acknowledged; where even that fails, or the file was full, go on in a new one."""
        try:
            os.ftruncate(file.descriptor, file.size)
        except OSError:
            self.close()
            return
        if file.size:
            self.close()
