"""Whether a collector can make events durable now. A disk that was full is tried again whenever somebody asks."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path

import structlog

from trialwise.clock import utc_now
from trialwise.server.state import State
from trialwise.sources.collector import Health

FREE_BYTES = 1 << 20
BUSY = 0.9  # of what may wait for the disk
log = structlog.get_logger("trialwise.server")


class Readiness:
    """One child's view.

    landing: where records go; pending: bytes that wait for the disk; most: how many may; state: what the owner said;
    now: UTC without zone.
    """

    def __init__(
        self,
        landing: Path,
        pending: Callable[[], int],
        most: int,
        state: Callable[[], State],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._landing = landing
        self._pending = pending
        self._most = most
        self._state = state
        self._now = now
        self._failure: str | None = None
        self._is_ending = False
        self._mutex = threading.Lock()

    def watch(self, landed: Future[None]) -> None:
        """See how records fared, once they are durable or not."""
        error = None if landed.cancelled() else landed.exception()
        said = None if error is None else str(error).splitlines()[0]
        if said != self._failure:
            with self._mutex:
                was, self._failure = self._failure, said
            if said is not None and was is None:
                log.error("events cannot be kept", error=said)
            elif said is None:
                log.info("events are kept again")

    def end(self) -> None:
        """The child takes no more."""
        self._is_ending = True

    def health(self) -> Health:
        """As the collector asks."""
        if self._is_ending:
            return Health(False, "the server is stopping")
        if self._failure is not None:
            failed = self._try()
            if failed is not None:
                return Health(False, failed)
            with self._mutex:
                self._failure = None
        free = shutil.disk_usage(self._existing()).free
        if free < FREE_BYTES:
            return Health(False, f"the disk is full: {free:,} bytes are free")
        pending = self._pending()
        if pending >= BUSY * self._most:
            return Health(False, f"overloaded: {pending:,} bytes wait for the disk, at most {self._most:,} may")
        state = self._state()
        now = self._now()
        details = {
            "failing": list(state.failing),
            "overdue": list(state.overdue(now)),
            "stuck": list(state.stuck(now)),
            "store_recoveries": state.recoveries,
            "freshness": state.freshness.details,
        }
        return Health(True, None, details)

    def _existing(self) -> Path:
        return next(folder for folder in (self._landing, *self._landing.parents) if folder.exists())

    def _try(self) -> str | None:
        """Write and sync a little beside the records; what went wrong, or None."""
        path = self._existing() / f".probe-{os.getpid()}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, bytes(4096))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                path.unlink()
        except OSError as error:
            return f"events cannot be kept: {error.strerror or error}"
        return None
