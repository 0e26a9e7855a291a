"""The owner's side: takes commands over the socket and carries them out, one at a time, in the order they came."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from trialwise import __version__
from trialwise.engines.duckdb import cause_of
from trialwise.errors import ConfigError, InputError, StoreError, TrialwiseError
from trialwise.owner import wire
from trialwise.owner.operations import OPERATIONS, Operation
from trialwise.owner.recording import Recorder
from trialwise.owner.wire import Asked, Failure, Told, valued
from trialwise.workspace import Workspace

log = structlog.get_logger("trialwise.owner")
Report = Callable[[str, float, "TrialwiseError | None", Any], None]
"""Called after every piece of the owner's work: what it was, seconds, its error or None, its result."""

_PROGRESS_SECONDS = 0.05
_QUESTION_SECONDS = 10.0
_LAST_WORDS_SECONDS = 5.0


class Owner:
    """Who holds the store: gives threads the workspace as it is configured now, and answers commands.

    workspace: as `Workspace.owned` yields it. Every operation reads trialwise.toml again, so that an edit counts for
    the next one; only its data folder cannot change while the owner lives.
    """

    def __init__(self, workspace: Workspace, report: Report | None = None) -> None:
        self._held = workspace
        self._report = report
        self.recorder = Recorder(workspace)
        self._stopping = threading.Event()
        self._running: dict[int, str] = {}
        self._for_store: set[threading.Thread] = set()
        self._threads: set[threading.Thread] = set()
        self._mutex = threading.Lock()

    def workspace(self) -> Workspace:
        """The workspace as its files say now; raises ConfigError as Workspace.open does."""
        fresh = replace(Workspace.open(self._held.folder), turns=self._held.turns)
        if fresh.data != self._held.data:
            raise ConfigError(
                f"the server keeps its data in {self._held.data}, trialwise.toml now says {fresh.data}",
                "Restart the server.",
            )
        return fresh

    @property
    def running(self) -> tuple[str, ...]:
        """What is being done now, or waits for its turn."""
        with self._mutex:
            return tuple(self._running.values())

    @property
    def is_at_store(self) -> bool:
        """Whether something is done to the store now."""
        return self._held.turns is not None and self._held.turns.is_taken

    @property
    def is_busy(self) -> bool:
        """Whether something is done to the store now, or is on its way there: a refresh that still reads its models."""
        with self._mutex:
            if self._for_store:
                return True
        return self.is_at_store

    def begin(self, name: str, task: Callable[..., None], *args: Any, is_for_store: bool = False) -> None:
        """Do `task` in a thread of its own, for which `join` waits.

        is_for_store: it works on the store as soon as it can, so that an end waits for it until it has noted what came
        of it.
        """

        def run() -> None:
            try:
                task(*args)
            finally:
                with self._mutex:
                    self._threads.discard(threading.current_thread())
                    self._for_store.discard(threading.current_thread())

        with self._mutex:
            thread = threading.Thread(target=run, name=name, daemon=True)
            self._threads.add(thread)
            if is_for_store:
                self._for_store.add(thread)
            thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the threads of `begin` have ended, `seconds` in all at most."""
        until = time.monotonic() + seconds
        with self._mutex:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))

    def work(self, name: str, task: Callable[[Workspace], Any]) -> Any:
        """Do a piece of work and tell of it; raises what it raises. `task` gets the workspace of now."""
        started = time.monotonic()
        with self._mutex:
            self._running[threading.get_ident()] = name
        result, failure = None, None
        try:
            result = task(self.workspace())
        except TrialwiseError as error:
            failure = error
            raise
        except Exception as error:
            failure = TrialwiseError(
                f"{name} failed: {type(error).__name__}: {cause_of(error)}", "The server's log has more."
            )
            log.exception("work failed", work=name)
            raise failure from error
        finally:
            with self._mutex:
                del self._running[threading.get_ident()]
            if self._report is not None:
                self._report(name, time.monotonic() - started, failure, result)
        return result

    def serve(self, path: Path) -> threading.Thread:
        """Take commands at `path` until `stop`, in threads of its own."""
        listening = wire.listen(path)
        thread = threading.Thread(target=self._accept, args=(listening, path), name="owner", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Take no more commands; what runs goes on."""
        self._stopping.set()

    def _accept(self, listening: socket.socket, path: Path) -> None:
        listening.settimeout(0.2)
        with listening:
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    connection, _ = listening.accept()
                    self.begin("command", self._answer, connection)
        path.unlink(missing_ok=True)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_QUESTION_SECONDS)
            teller = _Teller(connection)
            try:
                teller.end(self._carry_out(connection, teller))
            except TrialwiseError as error:
                teller.end(Told(error=Failure.of(error)))
            except OSError as error:
                log.warning("command broke off", error=str(error))

    def _carry_out(self, connection: socket.socket, teller: _Teller) -> Told:
        operation, arguments = _asked(connection)
        with self._mutex:
            self._for_store.add(threading.current_thread())
        connection.settimeout(None)  # with a time limit, even a send that must not wait would wait
        if self.is_at_store:
            teller.progress(f"waiting for {' and '.join(self.running) or 'the store'}", 0, 0)
        log.info("command", operation=operation.name)
        job = operation.job(arguments)

        def work() -> Any:
            return self.work(operation.name, lambda workspace: operation.run(workspace, arguments, teller.progress))

        result = work() if job is None else self.recorder.record(job, "command", work)
        return Told(result=valued(operation.gives)(value=result).model_dump_json())


class _Teller:
    """Tells a command how far its work is; one that does not listen, or is gone, holds nothing up."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unsent = b""
        self._last: tuple[str, float] = ("", 0.0)
        self._is_gone = False

    def progress(self, step: str, done: int, total: int) -> None:
        """Send one line when it can go at once; a line cut short is finished before the next."""
        now = time.monotonic()
        if self._is_gone or (step == self._last[0] and now - self._last[1] < _PROGRESS_SECONDS):
            return
        self._last = (step, now)
        data = self._unsent or _line(Told(progress=(step, done, total)))
        try:
            sent = self._connection.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._is_gone = True
            return
        self._unsent = data[sent:] if sent or self._unsent else b""

    def end(self, told: Told) -> None:
        """Send the last line."""
        self._connection.settimeout(_LAST_WORDS_SECONDS)
        with suppress(OSError):
            self._connection.sendall(self._unsent + _line(told))


def _asked(connection: socket.socket) -> tuple[Operation[Any, Any], Any]:
    """What a command asks for; raises StoreError for another version, InputError for what is no question."""
    with connection.makefile("rb") as lines:
        line = lines.readline(wire.MAX_LINE)
    try:
        asked = Asked.model_validate_json(line)
        if asked.version != __version__:
            raise StoreError(
                f"the server is trialwise {__version__}, this command {asked.version}", "Restart the server."
            )
        operation = OPERATIONS[asked.operation]
        return operation, valued(operation.takes).model_validate_json(asked.arguments).value
    except (ValidationError, KeyError) as error:
        raise InputError("the owner was asked for something it does not know", "Restart the server.") from error


def _line(told: Told) -> bytes:
    return told.model_dump_json(exclude_none=True).encode() + b"\n"
