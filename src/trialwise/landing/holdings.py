"""The files a landing folder's records lie in at one moment, for who copies them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trialwise.errors import StoreError
from trialwise.landing import adopt, manifest
from trialwise.landing.compact import unaccounted
from trialwise.landing.folder import Landing
from trialwise.landing.manifest import Manifest
from trialwise.landing.rescue import FOOTER


@dataclass(frozen=True)
class Holdings:
    """What there is to copy.

    manifest, manifest_bytes: its file, and how much of it belongs to this moment: later lines only follow.
    sealed: files that never change, each with the records of segments. segments: how many they are.
    """

    manifest: Path
    manifest_bytes: int
    sealed: tuple[Path, ...]
    segments: int


def holdings(landing: Landing) -> Holdings:
    """Where the records lie that have been sealed by now. Records in journals are not among them: seal first.

    For who owns the store: nobody compacts or drops meanwhile, everybody may land. What no manifest names and nobody
    can read is among the files too, since it may be the only copy. Raises StoreError naming a segment that is missing.
    """
    there = adopt.numbered(landing.folder)  # first: whatever has its number by now is in the manifest, or left out
    size, known = landing.frozen()
    numbers = [number for number, _ in known.segments() if number not in known.dropped]
    named = {number for number, _ in known.segments()}
    names = sorted({known.holders[number] for number in numbers if number in known.holders})
    sealed = [landing.path(number) for number in numbers if number not in known.holders]
    sealed += [landing.compacted / name for name in names]
    _check_there(sealed, known, landing)
    sealed += [landing.path(number) for number in there if number not in named]
    sealed += [landing.compacted / name for name in unaccounted(landing, known)]
    beside = [adopt.beside(landing.folder, int(path.stem)) for path in sealed if path.suffix == ".ndjson"]
    beside += [path.with_name(path.name + FOOTER) for path in sealed if path.suffix == ".parquet"]
    sealed += [path for path in beside if path.exists()]
    return Holdings(landing.folder / manifest.NAME, size, tuple(sealed), len(numbers))


def _check_there(sealed: list[Path], known: Manifest, landing: Landing) -> None:
    missing = next((path for path in sealed if not path.exists()), None)
    if missing is not None:
        held = sum(landing.compacted / name == missing for name in known.holders.values())
        what = f"which holds {held} compacted segments," if held else "a landing segment,"
        raise StoreError(
            f"{missing}, {what} is missing",
            "Restore it from an earlier backup of the landing folder, then run this again.",
        )
