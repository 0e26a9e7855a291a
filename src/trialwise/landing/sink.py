"""Group commit: many requests at a time, one write and one wait for the disk."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from trialwise.errors import DiskFull, Overloaded, StoreError
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal

__all__ = ["Arrival", "Channel", "DiskFull", "Overloaded", "Sink"]

MAX_PENDING_BYTES = 64 << 20
_GROUP_BYTES = 4 << 20  # written at a time: more would make those who wait for the disk wait longer
_RECORD_COST = 200  # bytes a waiting record takes besides its own


@dataclass(slots=True)
class _Waiting:
    channel: Channel
    arrival: Arrival
    size: int
    future: Future[None]


class Sink:
    """Takes arrivals from any thread; one thread of its own writes them to journals, a group at a time.

    A group is what came while the disk was busy with the one before, and within `max_wait` seconds (0.010 at most)
    when several are sending at once. `is_durable=False` does not wait for the disk: for measuring alone.
    """

    def __init__(
        self,
        landing: Landing,
        *,
        writer: str,
        durable: bool = True,
        max_wait: float = 0.004,
        max_pending_bytes: int = MAX_PENDING_BYTES,
    ) -> None:
        self._landing = landing
        self._writer = writer
        self._is_durable = durable
        self._max_wait = min(max_wait, 0.010)
        self._max_pending_bytes = max_pending_bytes
        self._journals: dict[Channel, Journal] = {}
        self._waiting: deque[_Waiting] = deque()
        self._pending_bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"sink {writer}", daemon=True)
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the disk."""
        return self._pending_bytes

    def submit(self, channel: Channel, arrival: Arrival) -> Future[None]:
        """Hand over one request's records; the future is done when they are on disk.

        Raises Overloaded at once when too many bytes wait, StoreError after `close`. The future raises DiskFull or
        StoreError when nothing of the arrival was kept.
        """
        size = sum(len(piece[2]) + len(piece[3] or "") + _RECORD_COST for piece in arrival.pieces)
        waiting = _Waiting(channel, arrival, size, Future())
        with self._changed:
            if self._is_closed:
                raise StoreError("the sink is closed", "Send again when the server is back.")
            if self._pending_bytes + size > self._max_pending_bytes and self._pending_bytes:
                raise Overloaded(
                    f"{self._pending_bytes:,} bytes wait for the disk, at most {self._max_pending_bytes:,} may",
                    "Send again in a second.",
                )
            self._pending_bytes += size
            self._waiting.append(waiting)
            if len(self._waiting) == 1:
                self._changed.notify_all()
        return waiting.future

    def close(self) -> None:
        """Write what waits, then end; afterwards nothing is taken. Safe to call twice."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        company = False
        while True:
            group = self._group(linger=company)
            if not group:
                break
            company = len(group) > 1
            try:
                self._commit(group)
            finally:
                with self._changed:
                    self._pending_bytes -= sum(waiting.size for waiting in group)
        for journal in self._journals.values():
            journal.close()

    def _group(self, linger: bool) -> list[_Waiting]:
        """The next arrivals to write together; none at the end. Waits for company where there was some before."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
        if linger and not self._is_closed:
            until = monotonic() + self._max_wait
            with self._changed:
                while (left := until - monotonic()) > 0 and not self._is_closed:
                    self._changed.wait(left)
        group: list[_Waiting] = []
        size = 0
        with self._changed:
            while self._waiting and (not group or size + self._waiting[0].size <= _GROUP_BYTES):
                group.append(self._waiting.popleft())
                size += group[-1].size
        return group

    def _commit(self, group: list[_Waiting]) -> None:
        channels: dict[Channel, list[_Waiting]] = {}
        for waiting in group:
            if waiting.future.set_running_or_notify_cancel():
                channels.setdefault(waiting.channel, []).append(waiting)
        for channel, together in channels.items():
            error: Exception | None = None
            try:
                self._journal(channel).append([waiting.arrival for waiting in together])
            except Exception as raised:  # whatever it is, those who wait must hear of it and the others go on
                error = raised
            for waiting in together:
                if error is None:
                    waiting.future.set_result(None)
                else:
                    waiting.future.set_exception(error)

    def _journal(self, channel: Channel) -> Journal:
        journal = self._journals.get(channel)
        if journal is None:
            journal = Journal(self._landing, channel, self._writer, is_durable=self._is_durable)
            self._journals[channel] = journal
        return journal
