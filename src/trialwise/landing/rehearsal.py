"""--dry-run: the whole way into the raw tables, in a place that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from trialwise.engines.duckdb import Engine, connect
from trialwise.landing.folder import Landing, Source
from trialwise.landing.load import load
from trialwise.landing.report import LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.landing.translate import Translators


def rehearse(
    sources: list[Source],
    settings: LoadSettings,
    *,
    landed_at: datetime,
    translators: Translators | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoadReport:
    """What importing these sources into an empty workspace would come to; nothing is kept.

    Records the real workspace already has count as loaded here. Raises InputError as Landing.land does.
    """
    with rehearsal(sources, settings, landed_at=landed_at, translators=translators, progress=progress) as (_, report):
        return report


@contextmanager
def rehearsal(
    sources: list[Source],
    settings: LoadSettings,
    *,
    landed_at: datetime,
    translators: Translators | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Engine, LoadReport]]:
    """As `rehearse`, with the raw tables to look at while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="trialwise-") as folder:
        landing = Landing(Path(folder))
        for source in sources:
            landing.land(source, landed_at=landed_at, progress=progress)
        engine = connect()
        try:
            yield engine, load(engine, landing, settings, landed_at=landed_at, translators=translators)
        finally:
            engine.close()
