"""The parent's collectors: started, watched, started again when one dies, and ended together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from trialwise.errors import TrialwiseError
from trialwise.server.child import DRAIN_SECONDS, READY, Orders, told
from trialwise.workspace import Workspace

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
STEADY_SECONDS = 30.0  # a child that lived this long starts again at once
START_SECONDS = 60.0
MAX_FAILED_STARTS = 3
log = structlog.get_logger("trialwise.server")


class StartFailed(TrialwiseError):
    """A collector cannot be started."""


@dataclass
class _Child:
    slot: str
    process: subprocess.Popen[bytes] | None = None
    line: socket.socket | None = None
    failed_starts: int = 0


class Children:
    """N collectors on one listening socket. on_restart is told of every death.

    One that cannot start ends the server while it starts, when somebody is looking. Later it is tried for ever, for
    what stops it (no memory, no descriptors) passes, and clients wait.
    """

    def __init__(
        self, workspace: Workspace, listening: socket.socket, host: str, count: int, on_restart: Callable[[], None]
    ) -> None:
        self._workspace = workspace
        self._listening = listening
        self._host = host
        self._on_restart = on_restart
        self._ending = threading.Event()
        self._failed: StartFailed | None = None
        self._have_served = False
        self._ready = threading.Semaphore(0)
        self._children = [_Child(f"collector{number}") for number in range(1, count + 1)]
        self._threads = [
            threading.Thread(target=self._keep, args=(child,), name=child.slot, daemon=True) for child in self._children
        ]

    @property
    def processes(self) -> tuple[int, ...]:
        """The process ids of those that live."""
        return tuple(child.process.pid for child in self._children if child.process is not None)

    def start(self, is_over: Callable[[], bool]) -> bool:
        """Start all; whether every one serves, False when `is_over` came true meanwhile.

        Raises StartFailed when one cannot.
        """
        for thread in self._threads:
            thread.start()
        until = time.monotonic() + START_SECONDS
        missing = len(self._children)
        while missing and not is_over():
            missing -= self._ready.acquire(timeout=0.2)
            if self._failed is not None:
                raise self._failed
            if time.monotonic() >= until:
                raise StartFailed(f"a collector did not start within {START_SECONDS:.0f} s", "See what it said above.")
        self._have_served = not missing
        return not missing

    def end(self) -> None:
        """Let all drain and end; returns when they have, at the latest when they were given time and were killed."""
        self._ending.set()
        for child in self._children:
            if child.process is not None:
                with suppress(ProcessLookupError):
                    child.process.terminate()
        until = time.monotonic() + DRAIN_SECONDS + 5
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
        self.kill()

    def kill(self) -> None:
        """End whatever still lives, at once."""
        self._ending.set()
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                log.warning("collector killed", slot=child.slot)
                child.process.kill()

    def _keep(self, child: _Child) -> None:
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            started = time.monotonic()
            code: int | str
            try:
                code = self._live_once(child)
            except OSError as error:  # no memory, no descriptors, no processes: that passes
                code = str(error)
                child.failed_starts += 1
            if self._ending.is_set():
                return
            if child.failed_starts >= MAX_FAILED_STARTS and not self._have_served:
                self._failed = StartFailed(
                    f"{child.slot} ended with {code} before it served, {child.failed_starts} times",
                    "See what it said above.",
                )
                self._ready.release()
                return
            log.error("collector died, starting another", slot=child.slot, code=code)
            self._on_restart()
            pause = FIRST_PAUSE if time.monotonic() - started >= STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            self._ending.wait(pause)

    def _live_once(self, child: _Child) -> int:
        """Start a process for the slot and wait for its end; returns its exit code."""
        mine, its = socket.socketpair()
        with mine:
            with its:
                orders = Orders(
                    folder=str(self._workspace.folder),
                    config=told(self._workspace.config),
                    run=str(self._workspace.run),
                    slot=child.slot,
                    host=self._host,
                    listening=self._listening.fileno(),
                    line=its.fileno(),
                )
                process = subprocess.Popen(  # noqa: S603  this interpreter and words of our own, no shell
                    [sys.executable, "-m", "trialwise.server.child", orders.text()],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(self._listening.fileno(), its.fileno()),
                    process_group=0,
                    env=os.environ,
                )
            child.process = process
            if self._ending.is_set():  # the end came while it was being started
                process.terminate()
            with suppress(OSError):
                is_ready = mine.recv(1) == READY
                child.failed_starts = 0 if is_ready else child.failed_starts + 1
                if is_ready:
                    self._ready.release()
            code = process.wait()
        child.process = None
        return code
