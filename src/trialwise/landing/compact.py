"""Loaded segments become Parquet: the same records, byte for byte, in a fraction of the room.

compacted/000001-000042.parquet   the frames of these segments, each with its checksum
compacted/.000001-000042.parquet.open   one that is being written

A file is written, read back and counted, synced and named before the manifest says that it holds its segments, and
only then their NDJSON goes. Whatever a crash leaves is removed by the next run: the manifest decides what counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trialwise.engines.duckdb import Engine, EngineError, cause_of, connect
from trialwise.errors import DiskFull, StoreError
from trialwise.landing import adopt, durable
from trialwise.landing.folder import Landing
from trialwise.landing.frames import reading
from trialwise.landing.manifest import Compacted, Manifest, Segment
from trialwise.landing.rescue import FOOTER, keep_footer
from trialwise.landing.statements import rows, run

FILE_BYTES = 512 << 20  # of NDJSON that go into one Parquet file
GROUP_BYTES = 32 << 20  # of records in one row group: what is held in memory at a time
Progress = Callable[[int, int], None]
"""Called with (bytes of NDJSON done, bytes of all)."""


@dataclass(frozen=True)
class CompactReport:
    """What a run did: segments compacted into files, and the room they took before and take now.

    damaged: segments left as they are because not all of their records are whole. dropped: records dropped for good.
    """

    segments: int = 0
    records: int = 0
    files: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    damaged: int = 0
    dropped: int = 0


def compact(
    landing: Landing,
    *,
    landed_before: datetime,
    now: datetime,
    memory_limit: str | None = None,
    progress: Progress | None = None,
) -> CompactReport:
    """Compact what was landed before an instant and has been loaded, and remove what nothing needs any more.

    Both instants are UTC without zone. For the process that owns the store: nobody may load meanwhile, everybody may
    land. Raises DiskFull when there is no room, StoreError when the disk fails: everything is still there then.
    """
    folder = landing.compacted
    engine = connect(memory_limit=memory_limit)
    try:
        run(engine, "macros")
        durable.make_folder(folder)
        with reading(landing):
            tidy(landing, engine, now)
        segments = _due(landing, landed_before)
        total = sum(segment.bytes for segment in segments)
        report = CompactReport()
        done = 0
        for batch in _batches(segments):
            report = _add(report, batch, _write(landing, engine, batch, now))
            done += sum(segment.bytes for segment in batch)
            if progress is not None:
                progress(done, total)
        return report
    except OSError as error:
        kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
        raise kind(f"{folder} cannot be written: {error}", "Make room or mend the disk; nothing is lost.") from error
    except EngineError as error:
        raise StoreError(
            f"{folder} cannot be written: {cause_of(error)}", "Make room or mend the disk; nothing is lost."
        ) from error
    finally:
        engine.close()


def tidy(landing: Landing, engine: Engine, now: datetime) -> None:
    """Remove what a run before left half done, and the records of dropped segments wherever they lie."""
    known = landing.manifest()
    held: dict[str, list[int]] = {}
    for number, name in known.holders.items():
        held.setdefault(name, []).append(number)
    for name, numbers in held.items():
        left = [number for number in numbers if number not in known.dropped]
        path = landing.compacted / name
        if left and len(left) < len(numbers) and path.exists():
            run(engine, "set_paths", {"paths": [str(path)]})
            run(engine, "set_segments", {"segments": left})
            run(engine, "compact_again")
            records = _records(known, left)
            _keep(landing, engine, records, path.stat().st_size, now)
    remove_unneeded(landing)


def scrub(landing: Landing, engine: Engine, name: str, now: datetime) -> None:
    """Write a compacted file anew with what the table `scrubbed` puts in the place of frames; the old one goes.

    Raises StoreError for a file that is damaged: what it holds nobody can tell.
    """
    known = landing.manifest()
    held = [number for number, holder in known.holders.items() if holder == name and number not in known.dropped]
    path = landing.compacted / name
    run(engine, "set_paths", {"paths": [str(path)]})
    run(engine, "set_segments", {"segments": held})
    run(engine, "compact_scrubbed")
    kept = _keep(landing, engine, _records(known, held), path.stat().st_size, now)
    if not isinstance(kept, Compacted):
        raise StoreError(
            f"{path}, which holds records to forget, is damaged",
            "Restore it from a backup of the landing folder, then run 'trialwise refresh': it finishes this.",
        )


def remove_unneeded(landing: Landing) -> None:
    """What the manifest says is elsewhere or dropped; a file it cannot account for may be the only copy and stays."""
    known = landing.manifest()
    needed = {name for number, name in known.holders.items() if number not in known.dropped}
    there = {path.name for path in landing.compacted.iterdir()}
    stays = set(unaccounted(landing, known))
    for name in there - needed:
        if name.endswith(".open") or (name.endswith(".parquet") and name not in stays):
            (landing.compacted / name).unlink()
            there.discard(name)
    for name in there:
        held, footer, rest = name.partition(FOOTER)
        if footer and (rest or held not in there):
            (landing.compacted / name).unlink()
    for path in landing.folder.glob("*.ndjson"):
        number = int(path.stem) if path.stem.isdigit() else 0
        if number in known.dropped or known.holders.get(number) in there & needed:
            path.unlink()
            adopt.beside(landing.folder, number).unlink(missing_ok=True)
    durable.sync_folder(landing.compacted)
    durable.sync_folder(landing.folder)


def unaccounted(landing: Landing, known: Manifest) -> list[str]:
    """Compacted files the manifest does not name whose segments lie nowhere else: each may be the only copy."""
    if not landing.compacted.is_dir():
        return []
    needed = {name for number, name in known.holders.items() if number not in known.dropped}
    there = {path.name for path in landing.compacted.glob("*.parquet")}
    return [
        name
        for name in sorted(there - needed)
        if not all(
            number in known.dropped or known.holders.get(number) in there & needed or landing.path(number).exists()
            for number in _numbers(name)
        )
    ]


def _numbers(name: str) -> range:
    """The segments a compacted file may hold, by its name."""
    found = re.match(r"(\d+)-(\d+)\.", name)
    return range(1) if found is None else range(int(found[1]), int(found[2]) + 1)


def _due(landing: Landing, landed_before: datetime) -> list[Segment]:
    """Segments to compact, the oldest first."""
    known = landing.manifest()
    loaded = [number for number, _ in known.segments() if number <= known.last_loaded]
    due = []
    for number in loaded:
        if number in known.holders or number in known.dropped or not landing.path(number).exists():
            continue
        entry = known.import_of(number)
        if entry is not None and entry.landed_at < landed_before:
            due += [segment for segment in entry.segments if segment.number == number]
    return due


def _batches(segments: Iterable[Segment]) -> Iterable[list[Segment]]:
    """Segments that go into one file each."""
    batch: list[Segment] = []
    size = 0
    for segment in segments:
        if batch and size + segment.bytes > FILE_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(segment)
        size += segment.bytes
    if batch:
        yield batch


def _write(landing: Landing, engine: Engine, batch: Sequence[Segment], now: datetime) -> Compacted | None:
    """One file of these segments, without those that are damaged; None when none is whole."""
    run(engine, "set_paths", {"paths": [str(landing.path(segment.number)) for segment in batch]})
    run(engine, "compact")
    kept = _keep(landing, engine, {one.number: one.records for one in batch}, sum(one.bytes for one in batch), now)
    if isinstance(kept, Compacted):
        return kept
    whole = [segment for segment in batch if segment.number in kept]
    return _write(landing, engine, whole, now) if whole else None


def _keep(
    landing: Landing, engine: Engine, records: dict[int, int], size: int, now: datetime
) -> Compacted | frozenset[int]:
    """Write the view `compacting` to a file that holds the segments of `records` (number -> records) from then on.

    Where the file, read back, has not every record of every segment, nothing is kept, and the segments that are whole
    come back. size: about how many bytes of records there are.
    """
    path = _free_path(landing.compacted, min(records), max(records))
    unfinished = path.with_name(f".{path.name}.open")
    count = max(sum(records.values()), 1)
    group = max(2_048, min(100_000, GROUP_BYTES * count // max(size, 1)))
    engine.write_parquet("compacting", unfinished, rows_per_group=group)
    run(engine, "set_segments", {"segments": sorted(records)})
    found = dict(rows(engine, "compacted_counts", {"path": str(unfinished)}))
    whole = frozenset(number for number, records_of in records.items() if found.get(number, 0) == records_of)
    if len(whole) < len(records):
        unfinished.unlink()
        return whole
    _sync(unfinished)
    unfinished.rename(path)
    keep_footer(path)  # syncs the folder, too
    entry = Compacted(path.name, tuple(sorted(records)), path.stat().st_size, now)
    landing.note(entry)
    for number in entry.segments:
        landing.path(number).unlink(missing_ok=True)
        adopt.beside(landing.folder, number).unlink(missing_ok=True)
    durable.sync_folder(landing.folder)
    return entry


def _records(known: Manifest, numbers: Iterable[int]) -> dict[int, int]:
    return {
        segment.number: segment.records
        for number in numbers
        if (entry := known.import_of(number)) is not None
        for segment in entry.segments
        if segment.number == number
    }


def _free_path(folder: Path, first: int, last: int) -> Path:
    """A name that no file has: one that is rewritten keeps its own until the manifest names the other."""
    path = folder / f"{first:06d}-{last:06d}.parquet"
    turn = 1
    while path.exists():
        turn += 1
        path = folder / f"{first:06d}-{last:06d}.{turn}.parquet"
    return path


def _add(report: CompactReport, batch: Sequence[Segment], kept: Compacted | None) -> CompactReport:
    numbers = frozenset(() if kept is None else kept.segments)
    held = [segment for segment in batch if segment.number in numbers]
    return CompactReport(
        report.segments + len(held),
        report.records + sum(segment.records for segment in held),
        report.files + (kept is not None),
        report.bytes_before + sum(segment.bytes for segment in held),
        report.bytes_after + (0 if kept is None else kept.bytes),
        report.damaged + len(batch) - len(held),
        report.dropped,
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
