"""What the last refresh read and left: while all of it is as it was, and no instant passed that matters, the next one
has nothing to do, and need open neither store nor models to know.

data/standstill.json   digests, instants, and what that refresh said; made again by every refresh, read by nothing else

It is told by sizes and times of change of files, as of a backup's; what cannot be read here is as good as none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter

from trialwise.clock import Clock
from trialwise.errors import StoreError, StoreLocked
from trialwise.history import NAME as HISTORY
from trialwise.landing import durable, suppression
from trialwise.landing.cursors import Cursors
from trialwise.landing.live import live_folder
from trialwise.runs import Ledger, Outcome
from trialwise.shipped import digest, roots
from trialwise.workspace import Workspace

NAME = "standstill.json"
JOB = "refresh"


@dataclass(frozen=True)
class Warned:
    """A check of level `warn` that found rows; they themselves are told by a refresh that looks at them."""

    model: str
    check: str
    bad_rows: int


@dataclass(frozen=True)
class Standstill:
    """What a refresh found and left.

    defined, landed: digests of what it read. left: one of what it left. as_of, known_at: its clock. as_of_until,
    known_until: the first instants at which a clock that moves changes a row. generation: the number of the results.
    models: how many there are. watermark: the last load. fingerprints: as the run ledger has them. shown: the as_of the
    results show, None where an older version noted it.
    """

    defined: str
    landed: str
    left: str
    as_of: datetime
    known_at: datetime
    as_of_until: datetime
    known_until: datetime
    generation: int
    models: int
    watermark: int | None
    fingerprints: Mapping[str, str]
    warnings: tuple[Warned, ...] = ()
    shown: datetime | None = None

    @property
    def outcome(self) -> Outcome:
        """What a refresh that finds all of it as it was comes to."""
        details = {
            "as_of": f"{self.as_of.isoformat()}Z",
            "known_at": f"{self.known_at.isoformat()}Z",
            "models": {"unchanged": self.models},
            "checks": 0,
            "warnings": len(self.warnings),
        }
        return Outcome(self.generation, 0, self.watermark, self.fingerprints, details)

    def holds(self, clock: Clock) -> bool:
        """Whether a clock shows the same results."""
        return _is_quiet(self.as_of, clock.as_of, self.as_of_until) and _is_quiet(
            self.known_at, clock.known_at, self.known_until
        )


def defined_by(workspace: Workspace) -> str:
    """A digest of what a refresh goes by: program, engine, models, configuration and the file it names."""
    mapped = workspace.config.identity.customer_map
    files = [] if mapped is None else [workspace.folder / mapped]
    return _digest([digest(roots(workspace.models)), workspace.config.model_dump_json(), *_PROGRAM, *_stamps(files)])


def landed_in(workspace: Workspace) -> str:
    """A digest of all that has landed, and of what of the sources shapes the raw tables."""
    landing = workspace.landing
    account = str(Cursors(landing).get("stripe").get("account"))
    # Of the folder itself: whoever lands gives a name in it to a file.
    return _digest([account, *_stamps([landing, *_files(landing), *_files(live_folder(landing))])])


def left_by(workspace: Workspace) -> str:
    """A digest of what a refresh leaves: the store without a log, calibration, history and the published results."""
    current = workspace.published / "CURRENT"
    name = current.read_text(encoding="ascii").strip() if current.exists() else ""
    kept = [workspace.store, workspace.store.with_name(workspace.store.name + ".wal"), workspace.calibration]
    return _digest([name, *_stamps([*kept, workspace.data / HISTORY, workspace.published / (name or "none")])])


def note(workspace: Workspace, found: Standstill) -> None:
    """Write down what a refresh found and left, for who owns the store, when it is closed.

    A disk that refuses costs the next refresh its short cut, and not this one its results.
    """
    with suppress(OSError):
        durable.replace(workspace.data / NAME, TypeAdapter(Standstill).dump_json(found) + b"\n")


def confirm(workspace: Workspace) -> Standstill | None:
    """The last refresh, where another one has nothing to do now, which is noted as a run like any other.

    None where that cannot be told, or somebody else owns the store.
    """
    if not (workspace.data / NAME).exists():
        return None
    try:
        with workspace.lock():
            found = find(workspace, workspace.clock())
            if found is not None:
                ledger = Ledger(workspace.data)
                ledger.end(ledger.begin(JOB, asked_by="command"), found.outcome)
            return found
    except (StoreLocked, StoreError):
        return None


def find(workspace: Workspace, clock: Clock) -> Standstill | None:
    """The last refresh, brought to this clock, where another one would find and change nothing; for who owns the store.

    None where somebody is being forgotten: what a crash left of that is for a refresh to finish.
    """
    try:
        found = TypeAdapter(Standstill).validate_json((workspace.data / NAME).read_bytes())
        is_same = (
            found.holds(clock)
            and not suppression.read(workspace.landing).pending
            and found.left == left_by(workspace)
            and found.landed == landed_in(workspace)
            and found.defined == defined_by(workspace)
        )
    except (OSError, ValueError, StoreError):
        return None
    if not is_same:
        return None
    return replace(found, as_of=clock.as_of, known_at=clock.known_at, shown=found.shown or found.as_of)


def _is_quiet(before: datetime, now: datetime, until: datetime) -> bool:
    return before == now or before <= now < until


def _digest(told: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _stamps(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        try:
            found = path.stat()
        except FileNotFoundError:
            yield f"{path} is not there"
        else:
            yield f"{path} {found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _program() -> tuple[str, ...]:
    engine = find_spec("duckdb")
    files = sorted(Path(__file__).parent.rglob("*.py"), key=str)
    return tuple(_stamps(files if engine is None or engine.origin is None else [*files, Path(engine.origin)]))


_PROGRAM = _program()
"""The program this process runs, as it was when it began: a server may outlive an upgrade of its files."""
