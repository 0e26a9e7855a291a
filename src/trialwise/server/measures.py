"""What can be seen of a workspace from outside its store: what waits in landing, the age of the results, the disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trialwise.landing.folder import Landing
from trialwise.landing.live import SUFFIX, TAKEN, live_folder
from trialwise.server.state import State

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Gauge:
    """One value; `name` without its prefix."""

    name: str
    text: str
    value: float


@dataclass(frozen=True)
class _Counted:
    """A journal as far as its lines were counted."""

    inode: int
    size: int
    lines: int


class Measures:
    """The gauges of a server. state: what the owner said last; now: seconds since 1970."""

    def __init__(self, landing: Path, state: Callable[[], State], now: Callable[[], float] = time.time) -> None:
        self._landing = landing
        self._state = state
        self._now = now
        self._counted: dict[Path, _Counted] = {}

    @property
    def now(self) -> datetime:
        """Now, UTC without zone."""
        return datetime.fromtimestamp(self._now(), UTC).replace(tzinfo=None)

    def gauges(self) -> Iterator[Gauge]:
        """Everything, measured now."""
        yield from self._waiting()
        yield from self._owner()
        existing = next(folder for folder in (self._landing, *self._landing.parents) if folder.exists())
        yield Gauge("disk_free_bytes", "Room on the disk of the landing folder.", shutil.disk_usage(existing).free)

    def _waiting(self) -> Iterator[Gauge]:
        live, oldest = self._live(), []
        lines = sum(counted.lines for counted in live.values())
        oldest += [_opened_at(path) for path in live]
        manifest = Landing(self._landing).manifest()
        waiting = manifest.after(manifest.last_loaded)
        oldest += [timestamp(entry.landed_at) for entry in waiting]
        sealed, sealed_bytes = manifest.lines_left  # not counted on the disk: there may be thousands
        lag = max(0.0, self._now() - min(oldest)) if oldest else 0.0
        pending = lines + sum(entry.records for entry in waiting)
        yield Gauge("landing_lag_seconds", "Age of the oldest record that waits to be loaded, at most.", lag)
        yield Gauge("landing_pending_records", "Records on disk that wait to be loaded.", pending)
        yield Gauge(
            "landing_pending_bytes",
            "Bytes on disk that wait to be loaded.",
            sum(counted.size for counted in live.values())
            + sum(segment.bytes for entry in waiting for segment in entry.segments),
        )
        yield Gauge("landing_live_segments", "Journals being written.", len(live))
        yield Gauge("landing_live_bytes", "Their size.", sum(counted.size for counted in live.values()))
        yield Gauge("landing_sealed_segments", "Segments that are sealed and not compacted.", sealed)
        yield Gauge("landing_sealed_bytes", "Their size.", sealed_bytes)

    def _owner(self) -> Iterator[Gauge]:
        state, now = self._state(), self._now()
        started = 0.0 if state.started_at is None else timestamp(state.started_at)
        yield Gauge("start_timestamp_seconds", "When the server started.", started)
        yield Gauge("store_recovered", "Damaged stores set aside and filled again from landing.", state.recoveries)
        for name, text, moment in (
            ("published_age_seconds", "Since results were published.", state.published_at),
            ("refreshed_age_seconds", "Since a refresh last ended well.", state.freshness.refreshed_at),
            ("loaded_age_seconds", "Since landing was last brought into the store.", state.loaded_at),
            ("stripe_polled_age_seconds", "Since Stripe's events were last read to the end.", state.stripe_polled_at),
            (
                "stripe_reconciled_age_seconds",
                "Since all objects of Stripe were last read to the end.",
                state.stripe_reconciled_at,
            ),
        ):
            if moment is not None:
                yield Gauge(name, text, max(0.0, now - timestamp(moment)))
        fresh = state.freshness
        yield Gauge("stale_sources", "Sources that failed or fell silent.", len(fresh.stale))
        if fresh.generation is not None and fresh.as_of is not None and fresh.known_at is not None:
            yield Gauge("generation", "Number of the published results.", fresh.generation)
            yield Gauge("as_of_timestamp_seconds", "The moment they are of.", timestamp(fresh.as_of))
            yield Gauge("known_at_timestamp_seconds", "The moment by which it was known.", timestamp(fresh.known_at))
        if state.stripe_polled_at is not None:
            yield Gauge("stripe_open_gaps", "Times in which events may be missing.", state.stripe_gaps)
            yield Gauge("stripe_gap_seconds", "Their length altogether, where it is known.", state.stripe_gap)

    def _live(self) -> dict[Path, _Counted]:
        """The journals that hold records, with size and number of records; only what is new is read."""
        known, self._counted = self._counted, {}
        folder = live_folder(self._landing)
        for path in [*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*{TAKEN}")]:
            try:
                counted = _count(path, known.get(path))
            except FileNotFoundError:  # sealed meanwhile
                continue
            if counted.lines:
                self._counted[path] = counted
        return self._counted


def _count(path: Path, before: _Counted | None) -> _Counted:
    with path.open("rb") as stream:
        inode = path.stat().st_ino
        if before is None or before.inode != inode:
            before = _Counted(inode, 0, -1)  # the first line is no record
        stream.seek(before.size)
        size, lines = before.size, before.lines
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            lines += chunk.count(b"\n")
        return _Counted(inode, size, max(lines, 0) if size else 0)


def _opened_at(journal: Path) -> float:
    """When a journal was begun, in seconds since 1970: its first record is no older."""
    nanoseconds = journal.name.partition("-")[0]
    return int(nanoseconds) / 1e9 if nanoseconds.isdigit() else journal.stat().st_ctime


def timestamp(moment: datetime) -> float:
    """A UTC instant without zone in seconds since 1970."""
    return moment.replace(tzinfo=UTC).timestamp()
