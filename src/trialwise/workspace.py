"""A workspace: the folder with trialwise.toml and everything trialwise keeps for it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from trialwise.clock import Clock, clock_for, utc_now
from trialwise.config import Config, read_config
from trialwise.errors import ConfigError, StoreError, StoreLocked

CONFIG_NAME = "trialwise.toml"
_NAME_LOOKS, _NAME_SECONDS = 25, 0.02  # for the name of who has just taken a claim


_PATIENCE_SECONDS = 0.1  # between two looks at whether the store is free


class Turns:
    """Threads of one process, one at a time, in the order they came."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._holder: int | None = None

    @property
    def is_taken(self) -> bool:
        """Whether a thread has its turn."""
        return self._holder is not None

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait until it is this thread's turn, and keep it for the length of the block.

        Raises RuntimeError when the thread has it already: it would wait for itself.
        """
        mine = threading.Event()
        with self._mutex:
            if self._holder == threading.get_ident():
                raise RuntimeError("the store is asked for twice by one thread")
            if self._holder is None and not self._waiting:
                self._holder = threading.get_ident()
                mine.set()
            else:
                self._waiting.append(mine)
        mine.wait()
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            with self._mutex:
                self._holder = None
                if self._waiting:
                    self._holder = 0  # taken by the one that wakes up now
                    self._waiting.popleft().set()


@dataclass(frozen=True)
class Workspace:
    """Paths and configuration of one company; nothing here opens a database.

    turns: set where this process owns the store for long (a server): then its threads take turns with it.
    patience: asked with the name of who owns the store instead, whether to wait for it a little more; None never waits.
    """

    folder: Path
    config: Config
    turns: Turns | None = field(default=None, compare=False, repr=False)
    patience: Callable[[str], bool] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def open(cls, folder: Path | str = ".") -> Workspace:
        """Read the workspace at `folder`; raises ConfigError when there is none or it is wrong."""
        path = Path(folder).resolve()
        if not path.is_dir():
            raise ConfigError(f"no folder {path}", "Run 'trialwise init DIR' to make a workspace.")
        return cls(path, read_config(path / CONFIG_NAME))

    def clock(self, as_of: str | None = None, known_at: str | None = None) -> Clock:
        """The clock of an answer: what was asked for, else the file's fixed clock, else now.

        A fixed as_of without a known_at knows everything, as every as_of does.
        """
        fixed = self.config.clock
        return clock_for(self.config.workspace.timezone, as_of or fixed.as_of, known_at or fixed.known_at)

    @property
    def data(self) -> Path:
        """Where landing, store and published generations live."""
        return self.folder / self.config.workspace.data

    @property
    def landing(self) -> Path:
        """Durable NDJSON segments, the only thing that cannot be made again."""
        return self.data / "landing"

    @property
    def store(self) -> Path:
        """The owner's working database."""
        return self.data / "store.duckdb"

    @property
    def calibration(self) -> Path:
        """A copy of the calibration versions, which cannot be made again from other data."""
        return self.data / "calibration.ndjson"

    @property
    def published(self) -> Path:
        """Read-only generations and CURRENT."""
        return self.data / "published"

    @property
    def keys(self) -> Path:
        """Who may send and read: a file of its own, which needs no store."""
        return self.data / "keys.json"

    @property
    def socket(self) -> Path:
        """Where a server takes commands that need the store."""
        return self.data / "owner.sock"

    @property
    def run(self) -> Path:
        """What a server keeps while it lives; nothing in it is needed afterwards."""
        return self.data / "run"

    @property
    def backups(self) -> Path:
        """Where backups go that name no folder of their own."""
        named = self.config.backup.folder
        return self.data / "backups" if named is None else self.folder / named

    @property
    def deliveries(self) -> Path:
        """Where lists are written as files."""
        return (self.folder / (self.config.delivery.folder or "delivered")).resolve()

    @property
    def models(self) -> Path:
        """The user's own models, which add to or override the shipped ones."""
        return self.folder / "sql"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Own the store for the length of the block; the lock dies with the process.

        Raises StoreLocked, naming the process id that holds it, where there is no patience to wait for it.
        """
        if self.turns is not None:
            with self.turns.take():
                yield
            return
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(claim(self.data / "owner.lock"))
                    break
                except Claimed as error:
                    if self.patience is None or not self.patience(error.holder):
                        raise StoreLocked(
                            f"the store of {self.folder} is owned by process {error.holder}",
                            "Wait for it to end, or stop it, and run the command again.",
                        ) from error
                time.sleep(_PATIENCE_SECONDS)
            yield

    @contextmanager
    def owned(self) -> Iterator[Workspace]:
        """Own the store for long; yields the workspace as the owner's threads see it. Raises StoreLocked as `lock`."""
        with self.lock():
            yield replace(self, turns=Turns())


class Claimed(Exception):
    """Another process holds a claim; `holder` is its process id as text, `since` when it took it, if known."""

    def __init__(self, holder: str, since: str | None = None) -> None:
        super().__init__(f"claimed by process {holder}")
        self.holder = holder
        self.since = since


@contextmanager
def claim(path: Path) -> Iterator[None]:
    """Hold a lock file for the length of the block; it names this process and dies with it.

    Raises Claimed when another process holds it, StoreError when the folder cannot be written.
    """
    try:
        _make_private(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be opened: {error.strerror}", "Mend the folder's rights or its disk."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _claimed(descriptor) from error
        with suppress(OSError):  # the name is for people; a full disk must not cost the lock
            said = f"{os.getpid()} {utc_now():%Y-%m-%d %H:%M:%S}Z".encode("ascii")
            os.pwrite(descriptor, said, 0)
            os.ftruncate(descriptor, len(said))
        yield
    finally:
        os.close(descriptor)


def _claimed(descriptor: int) -> Claimed:
    """Who holds a claim. It has the lock before it has written its name: what a dead holder left there is not it."""
    holder, since = "", ""
    for _ in range(_NAME_LOOKS):
        holder, _, since = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip().partition(" ")
        if holder.isdigit() and _lives(int(holder)):
            break
        time.sleep(_NAME_SECONDS)
    return Claimed(holder or "unknown", since or None)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _make_private(folder: Path) -> None:
    """Make a folder and those above it, where they are missing, for this user alone: records are about people."""
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
