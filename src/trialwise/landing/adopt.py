"""Sealed segments that the manifest has forgotten, as one from an older backup has: taken into it anew, in order.

A segment that arrived live says its channel in its first line. What the manifest says of an imported file lies beside
the first of its segments:

000031.import   that line of the manifest, once more
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from trialwise.errors import StoreError
from trialwise.landing import manifest
from trialwise.landing.live import channel_in
from trialwise.landing.manifest import Import, Manifest, Segment

_SUFFIX = ".ndjson"
_log = logging.getLogger(__name__)


def keep(folder: Path, entry: Import) -> None:
    """Keep what the manifest is about to say of an import beside its first segment; the folder is synced by who does.

    Raises OSError.
    """
    if entry.segments:
        with beside(folder, entry.segments[0].number).open("wb") as stream:
            stream.write(manifest.line_of(entry))
            stream.flush()
            os.fsync(stream.fileno())


def beside(folder: Path, segment: int) -> Path:
    """Where an import is described once more, by its first segment."""
    return folder / f"{segment:06d}.import"


def numbered(folder: Path) -> list[int]:
    """Numbers of the NDJSON segments in a landing folder, in order. There may be thousands."""
    try:
        with os.scandir(folder) as entries:
            stems = [entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return []
    return sorted(int(stem) for stem in stems if len(stem) >= 6 and stem.isascii() and stem.isdigit())


def forgotten(folder: Path) -> list[int]:
    """Segments behind the last one of the manifest. Whether they can be adopted is not looked at."""
    there = numbered(folder)  # first: whatever has its number by now is in the manifest
    last = manifest.read(folder).last_segment
    return [number for number in there if number > last]


def adopt(folder: Path) -> list[Import]:
    """Name forgotten segments in the manifest under the numbers they have. Raises OSError, StoreError.

    Only for who has the landing folder's turn. One that says nothing of where it came from stays as it is.
    """
    adopted = []
    for entry in _entries(folder, forgotten(folder)):
        known = manifest.read(folder)
        if entry.segments[0].number > known.last_segment:
            entry = replace(entry, number=len(known.imports) + 1, is_adopted=True)
            manifest.append(folder, entry)
            adopted.append(entry)
    if adopted:
        names = [segment.name for entry in adopted for segment in entry.segments]
        _log.warning(
            "segments that the manifest did not name were taken into it again: %s%s (%d)",
            ", ".join(names[:5]), " ..." if len(names) > 5 else "", len(names),
        )  # fmt: skip
    return adopted


def left_out(known: Manifest, folder: Path) -> list[Path]:
    """Segments that the manifest does not name and nothing takes into it: nobody knows how to read them."""
    named = {number for number, _ in known.segments()}
    return [folder / f"{number:06d}{_SUFFIX}" for number in numbered(folder) if number not in named]


def _entries(folder: Path, numbers: list[int]) -> Iterator[Import]:
    for number in numbers:
        found = _live(folder, number) or _imported(folder, number)
        if found is not None:
            yield found


def _live(folder: Path, number: int) -> Import | None:
    """The import of one live segment, by its first line; None when that says no channel."""
    path = folder / f"{number:06d}{_SUFFIX}"
    digest = hashlib.sha256()
    records = refused = size = -1
    channel = None
    with path.open("rb") as stream:
        for line in stream:
            if channel is None:
                channel = channel_in(line)
                if channel is None:
                    return None
                records = refused = size = 0
            else:
                records += 1
                refused += b',"bad":"' in line
            digest.update(line)
            size += len(line)
        # it was sealed soon after the last record, which a rename does not change
        landed_at = datetime.fromtimestamp(os.fstat(stream.fileno()).st_mtime, UTC).replace(tzinfo=None)
    if channel is None or records == 0:
        return None
    segment = Segment(number, records, refused, size, f"adopted-{number:06d}")
    return Import(
        0, channel.source, channel.format, channel.name, digest.hexdigest(), landed_at, (segment,), channel.mapping
    )


def _imported(folder: Path, number: int) -> Import | None:
    """The import whose first segment this is, as it is described beside; None when not all of it is there."""
    try:
        entry = manifest.import_in(beside(folder, number))
        sizes = [(folder / segment.name).stat().st_size for segment in entry.segments]
    except (FileNotFoundError, StoreError, json.JSONDecodeError, KeyError, TypeError):
        return None
    is_whole = sizes == [segment.bytes for segment in entry.segments] and entry.segments[0].number == number
    return entry if is_whole else None
