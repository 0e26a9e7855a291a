"""Records of a landing segment that its disk no longer holds whole: quarantined, so that the rest loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trialwise.engines.duckdb import Engine
from trialwise.landing.folder import Landing
from trialwise.landing.statements import rows


def collect(engine: Engine, landing: Landing) -> None:
    """Fill `damaged` with the frames of this load's segments that could not be read or are missing."""
    import polars as pl

    found: list[tuple[int, int, str, str, bytes | None]] = []
    for segment, records, frames in rows(engine, "read_counts"):
        if frames == records:
            continue
        broken = list(_broken(landing.path(segment)))
        for place, (line, data) in enumerate(broken):
            found.append((segment, -1 - place, "damaged_frame", f"line {line} of the landing segment is broken", data))
        for place in range(records - frames - len(broken)):
            detail = f"the landing segment holds {frames} of {records} records"
            found.append((segment, -1 - len(broken) - place, "missing_frame", detail, None))
    schema: dict[str, Any] = {
        "segment": pl.Int32,
        "item": pl.Int64,
        "reason": pl.String,
        "detail": pl.String,
        "raw": pl.Binary,
    }
    engine.append("damaged", pl.DataFrame(found, schema=schema, orient="row"))


def _broken(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number, bytes) of each line of a segment that is no frame."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not _is_frame(line):
                yield number, line.rstrip(b"\n")


def _is_frame(line: bytes) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and entry.get("crc") is not None
