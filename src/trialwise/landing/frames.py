"""The frames of sealed segments as a view for the loader's SQL, however the segments are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from trialwise.engines.duckdb import Engine, EngineError, cause_of, connect, is_of_input
from trialwise.errors import StoreError
from trialwise.landing.folder import Landing
from trialwise.landing.manifest import Segment
from trialwise.landing.rescue import Rescue
from trialwise.landing.statements import rows, run


def shown(engine: Engine, landing: Landing, segments: Iterable[Segment], rescue: Rescue) -> Iterator[None]:
    """Make the temporary view `frames` what these segments hold: their frames that are whole, and no others.

    It does so in one step for those kept as lines, and in one for compacted ones: what is done with the view is done
    once for each, inside a block of `reading`. Of damaged compacted files it shows what `rescue` could read.
    """
    holders = landing.manifest().holders
    numbers = [segment.number for segment in segments]
    lines = [number for number in numbers if number not in holders]
    held = [number for number in numbers if number in holders]
    if lines:
        run(engine, "set_paths", {"paths": [str(landing.path(number)) for number in lines]})
        run(engine, "frames_sealed")
        yield
    if held:
        names = sorted({holders[number] for number in held})
        files = [str(path) for name in names for path in rescue.held(name).paths]
        if files:
            run(engine, "set_paths", {"paths": files})
            run(engine, "set_segments", {"segments": held})
            run(engine, "frames_compacted")
            yield


@contextmanager
def reading(landing: Landing) -> Iterator[None]:
    """A compacted file that turns out not to be readable is a StoreError that names it and says what to do."""
    try:
        yield
    except EngineError as error:
        name = _unreadable(landing, error)
        if name is None:
            raise
        path = landing.compacted / name
        raise StoreError(
            f"{path}, which holds compacted records, is damaged: {cause_of(error)}",
            "Run it again; if this comes back, restore the file from a backup of the landing folder. What comes in is "
            "kept, and what is published stays.",
        ) from error


def _unreadable(landing: Landing, error: EngineError) -> str | None:
    """The compacted file behind an error: the one it names, else the first that cannot be read; None without one."""
    names = sorted(set(landing.manifest().holders.values()))
    for name in names:
        if str(landing.compacted / name) in str(error):
            return name
    if not is_of_input(error):
        return None
    engine = connect()
    try:
        for name in names:
            try:
                rows(engine, "read_compacted", {"path": str(landing.compacted / name)})
            except EngineError:
                return name
    finally:
        engine.close()
    return None


def came_with(
    engine: Engine, landing: Landing, segment: Segment, quarantine_id: str
) -> tuple[str | None, datetime | None]:
    """(the batch's words around a refused record, the instant it arrived at) of its frame; None for what it has not."""
    run(engine, "macros")
    with reading(landing), Rescue(landing) as rescue:
        found = [
            row
            for _ in shown(engine, landing, [segment], rescue)
            for row in rows(engine, "frame_of", {"quarantine_id": quarantine_id})
        ]
    return (found[0][0], found[0][1]) if found else (None, None)
