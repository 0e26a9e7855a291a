"""Waiting until records are durable, without a thread per request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime

from trialwise.errors import TrialwiseError
from trialwise.sources.collector.answer import Refusal
from trialwise.sources.collector.body import busy
from trialwise.sources.collector.doors import Full, Land, Overloaded
from trialwise.sources.piece import Piece

RETRY_WHEN_FULL = 30
RETRY_WHEN_BROKEN = 5


class Durable:
    """Hands records over and waits; the futures of one group wake the event loop once, not one by one."""

    def __init__(self, land: Land, seconds: float) -> None:
        self._land = land
        self._seconds = seconds
        self._done: deque[tuple[asyncio.Future[None], Future[None]]] = deque()
        self._is_woken = False

    async def put(self, source: str, form: str, name: str, received_at: datetime, pieces: Sequence[Piece]) -> None:
        """Return once the records are durable.

        Raises Refusal: 429 when too many wait, 507 when the disk is full, 503 when they cannot be made durable; every
        official client repeats these. Records of a refused request may still become durable: the repetition is then
        dropped as a duplicate by its id.
        """
        try:
            future = self._land(source, form, name, received_at, pieces)
            await self._wait(future)
        except Overloaded:
            raise busy() from None
        except Full:
            raise Refusal(
                507, "disk_full", "the disk is full; nothing was stored, send this again", retry_after=RETRY_WHEN_FULL
            ) from None
        except (TrialwiseError, OSError, TimeoutError):
            raise Refusal(
                503, "not_durable", "events cannot be stored now; send this again", retry_after=RETRY_WHEN_BROKEN
            ) from None

    async def _wait(self, future: Future[None]) -> None:
        if future.done():
            return future.result()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def done(finished: Future[None]) -> None:
            self._done.append((waiter, finished))
            if not self._is_woken:
                self._is_woken = True
                try:
                    loop.call_soon_threadsafe(self._wake)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    self._is_woken = False

        future.add_done_callback(done)
        # `future` itself is never cancelled: whoever resolves it shall not find it so
        late = loop.call_later(self._seconds, _expire, waiter)
        try:
            await waiter
        finally:
            late.cancel()
        return None

    def _wake(self) -> None:
        self._is_woken = False
        while self._done:
            waiter, finished = self._done.popleft()
            if waiter.done():
                continue
            error = TimeoutError() if finished.cancelled() else finished.exception()
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
