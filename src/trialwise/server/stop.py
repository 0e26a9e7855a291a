"""The wish to end, as signals bring it: the first one asks for it, the second one means at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable


class Stop:
    """Whether a signal asked the server to end.

    Nothing is done where a signal interrupts: the interpreter only writes its number to a socket, and a thread of its
    own reads there. A handler runs in the middle of whatever the main thread does, a wait for the same lock included,
    and would then wait for itself.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._at_once: Callable[[], None] | None = None
        self._is_at_once = False

    @classmethod
    def by_signals(cls) -> Stop:
        """Asked for by SIGTERM and SIGINT, and by SIGHUP unless it is ignored, as under nohup. For the main thread."""
        stop = cls()
        numbers = {signal.SIGTERM, signal.SIGINT}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.add(signal.SIGHUP)
        theirs, ours = socket.socketpair()
        ours.setblocking(False)  # a full socket has more than two signals in it
        signal.set_wakeup_fd(ours.detach(), warn_on_full_buffer=False)
        threading.Thread(target=stop._read, args=(theirs, numbers), name="signals", daemon=True).start()
        for number in numbers:
            signal.signal(number, _heard)
        return stop

    @property
    def is_asked(self) -> bool:
        """Whether a signal came."""
        return self._asked.is_set()

    def wait(self, at_once: Callable[[], None]) -> None:
        """Until a signal comes; after a second one, whenever it comes, the process ends with 1 after `at_once`."""
        self._at_once = at_once
        self._asked.wait()

    def obey(self) -> None:
        """End with 1 where a second signal came: its own thread may be a moment behind what it ended."""
        if self._is_at_once:
            os._exit(1)

    def _read(self, theirs: socket.socket, numbers: set[signal.Signals]) -> None:
        with theirs:
            while received := theirs.recv(64):
                for number in received:
                    if number in numbers:
                        self._signalled()

    def _signalled(self) -> None:
        if not self._asked.is_set():
            self._asked.set()
            return
        self._is_at_once = True
        try:
            if self._at_once is not None:
                self._at_once()
        finally:
            os._exit(1)


def _heard(*_: object) -> None:
    """In place of a handler: a signal without one never reaches the socket."""
