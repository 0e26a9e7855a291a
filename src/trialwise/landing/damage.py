"""Records of a landing segment that its disk no longer holds whole: quarantined, so that the rest loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trialwise.engines.duckdb import Engine
from trialwise.landing.folder import Landing
from trialwise.landing.frame import read_frame
from trialwise.landing.live import is_header
from trialwise.landing.rescue import Rescue
from trialwise.landing.statements import rows, run

_Damage = tuple[str, str, bytes | None, int | None, int | None]
"""(reason, detail, bytes, line, byte offset)"""


def collect(engine: Engine, landing: Landing, rescue: Rescue) -> None:
    """Fill `damaged` with the records of this load's segments whose frames changed on disk, are broken or gone."""
    import polars as pl

    found: list[tuple[Any, ...]] = []
    for segment, records, frames, is_live in rows(engine, "read_counts"):
        lost = records - frames
        if lost <= 0:
            continue
        broken = _found(engine, landing, segment, is_live, lost, rescue)[:lost]
        found += [(segment, -1 - place, *what) for place, what in enumerate(broken)]
        values = {"segment": segment, "first": len(broken), "lost": lost}
        if holder := landing.manifest().holders.get(segment):
            run(engine, "lost_frames", {**values, "reason": "damaged", "detail": rescue.held(holder).lost})
        else:
            detail = f"the landing segment holds {frames} of {records} records"
            run(engine, "lost_frames", {**values, "reason": "missing_frame", "detail": detail})
    schema: dict[str, Any] = {
        "segment": pl.Int32,
        "item": pl.Int64,
        "reason": pl.String,
        "detail": pl.String,
        "raw": pl.Binary,
        "line": pl.Int64,
        "byte_offset": pl.Int64,
    }
    engine.append("damaged", pl.DataFrame(found, schema=schema, orient="row"))


def _found(engine: Engine, landing: Landing, segment: int, is_live: bool, lost: int, rescue: Rescue) -> list[_Damage]:
    """What is left of the records that a segment lost."""
    holder = landing.manifest().holders.get(segment)
    if holder is None:
        return _as_many(lost, _broken(landing.path(segment), is_live))
    paths = rescue.held(holder).paths
    if not paths:
        return []
    run(engine, "set_paths", {"paths": [str(path) for path in paths]})
    return [
        ("checksum", f"record {item} of {holder} is not what was written", None if raw is None else raw.encode(), n, o)
        for item, n, o, raw in rows(engine, "changed_frames", {"segment": segment})
    ]


def _as_many(lost: int, broken: list[tuple[int, bytes]]) -> list[_Damage]:
    """At most `lost` of the broken lines: a byte that became a line feed made two of one, and they are joined again."""
    if len(broken) > lost:
        number, _ = broken[lost - 1]
        broken = [*broken[: lost - 1], (number, b"\n".join(line for _, line in broken[lost - 1 :]))]
    return [_damage(number, line) for number, line in broken]


def _broken(path: Path, is_live: bool) -> list[tuple[int, bytes]]:
    """(line number, bytes) of each line of a segment that is not the frame it was."""
    found = []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if read_frame(line) is None and not (is_live and number == 1 and is_header(line)):
                found.append((number, line.rstrip(b"\n")))
    return found


def _damage(number: int, line: bytes) -> _Damage:
    """What quarantine says of a broken line; where it still reads as a frame, the record in it with its place."""
    try:
        values = json.loads(line)
        return (
            "checksum",
            f"line {number} of the landing segment is not what was written",
            values["raw"].encode(),
            _whole(values.get("n")),
            _whole(values.get("o")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "damaged_frame", f"line {number} of the landing segment is broken", line, None, None


def _whole(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 63 else None
