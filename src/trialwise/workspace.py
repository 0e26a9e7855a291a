"""A workspace: the folder with trialwise.toml and everything trialwise keeps for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trialwise.config import Config, read_config
from trialwise.errors import ConfigError, StoreLocked

CONFIG_NAME = "trialwise.toml"


@dataclass(frozen=True)
class Workspace:
    """Paths and configuration of one company; nothing here opens a database."""

    folder: Path
    config: Config

    @classmethod
    def open(cls, folder: Path | str = ".") -> Workspace:
        """Read the workspace at `folder`; raises ConfigError when there is none or it is wrong."""
        path = Path(folder).resolve()
        if not path.is_dir():
            raise ConfigError(f"no folder {path}", "Run 'trialwise init DIR' to make a workspace.")
        return cls(path, read_config(path / CONFIG_NAME))

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
    def published(self) -> Path:
        """Read-only generations and CURRENT."""
        return self.data / "published"

    @property
    def keys(self) -> Path:
        """Who may send and read: a file of its own, which needs no store."""
        return self.data / "keys.json"

    @property
    def models(self) -> Path:
        """The user's own models, which add to or override the shipped ones."""
        return self.folder / "sql"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Own the store for the length of the block; the lock dies with the process.

        Raises StoreLocked, naming the process id that holds it.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        path = self.data / "owner.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise StoreLocked(
                    f"the store of {self.folder} is owned by process {holder}",
                    "Wait for it to end, or stop it, and run the command again.",
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
            yield
        finally:
            os.close(descriptor)
