"""The frames of sealed segments as a view for the loader's SQL, however the segments are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from trialwise.engines.duckdb import Engine
from trialwise.landing.folder import Landing
from trialwise.landing.manifest import Segment
from trialwise.landing.statements import rows, run


def show(engine: Engine, landing: Landing, segments: Iterable[Segment]) -> None:
    """Make the temporary view `frames` what these segments hold: their frames that are whole, and no others."""
    run(engine, "set_paths", {"paths": [str(landing.path(segment.number)) for segment in segments]})
    run(engine, "frames_sealed")


def came_with(
    engine: Engine, landing: Landing, segment: Segment, quarantine_id: str
) -> tuple[str | None, datetime | None]:
    """(the batch's words around a refused record, the instant it arrived at) of its frame; None for what it has not."""
    run(engine, "macros")
    show(engine, landing, [segment])
    found = rows(engine, "frame_of", {"quarantine_id": quarantine_id})
    return (found[0][0], found[0][1]) if found else (None, None)
