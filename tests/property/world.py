"""Records through the real way in (files, landing, load), and the shipped models over them for any moment."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.oracle.ndjson import write_ndjson
from trialwise import composition
from trialwise.clock import Clock
from trialwise.config import Config, parse_config
from trialwise.config.milestones import declared_events
from trialwise.delivery.metrics import metrics, options
from trialwise.delivery.reader import Reader
from trialwise.engines.duckdb import Engine, connect
from trialwise.landing.folder import Landing
from trialwise.landing.load import load
from trialwise.landing.settings import LoadSettings
from trialwise.scoring.calibrate import set_prior
from trialwise.sources.files import FileSource, open_file
from trialwise.transform.build import build_in_transaction, create_schemas
from trialwise.transform.graph import order, upstream
from trialwise.transform.model import Model

Json = Mapping[str, Any]
PUBLISHED = ("marts.trials", "marts.periods", "marts.clock", "marts.trial_splits", "marts.memberships")
"""What the rates read."""

STORY_CONFIG = parse_config({"trials": {"length_days": 14}, "events": {"value": ["Query Run", "Report Created"]}})


@functools.cache
def _all_models(key: str) -> dict[str, Model]:
    return composition.models(Config.model_validate_json(key))


@functools.cache
def _chosen(key: str, goals: tuple[str, ...]) -> dict[str, Model]:
    models = _all_models(key)
    wanted = set(goals).union(*(upstream(models, goal) for goal in goals))
    return {name: model for name, model in models.items() if name in wanted or model.kind == "external"}


def models_for(config: Config, goals: Sequence[str] = ()) -> dict[str, Model]:
    """The shipped models that lead to `goals` (all of them without any), parsed once per configuration."""
    key = config.model_dump_json()
    return _chosen(key, tuple(goals)) if goals else _all_models(key)


@dataclass(frozen=True)
class World:
    """Raw tables filled by the loader, in memory."""

    engine: Engine
    config: Config
    counts: Mapping[str, int]

    def build(self, as_of: datetime, known_at: datetime, goals: Sequence[str] = PUBLISHED) -> None:
        """Build and check every model that leads to `goals` (all without any) for one moment (instants UTC)."""
        models = models_for(self.config, goals)
        with self.engine.transaction():
            create_schemas(self.engine, models)
            self._configure(Clock(as_of, known_at, self.config.workspace.timezone))
            build_in_transaction(self.engine, models, ordered=order(models))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        return self.engine.frame(f"SELECT * FROM {table}").to_dicts()

    def rates(self, **asked: Any) -> list[dict[str, Any]]:
        """Rows of trial_conversion, as `trialwise metrics` prints them."""
        return metrics(Reader(self.engine, 1, ()), "trial_conversion", options(**asked)).to_dicts()

    def metric(self, name: str, **asked: Any) -> list[dict[str, Any]]:
        """Rows of any metric."""
        return metrics(Reader(self.engine, 1, ()), name, options(**asked)).to_dicts()

    def _configure(self, clock: Clock) -> None:
        config, engine = self.config, self.engine
        names = engine.rows("SELECT event_key, event_name FROM raw.dim_event")
        for table, frame in composition.settings_tables(config, clock, names, Path()).items():
            engine.clear(table)
            engine.append(table, frame)
        set_prior(engine, config.usage.benchmark_events_per_day)


@contextmanager
def loaded(
    batches: Iterable[tuple[str, Sequence[Json], datetime] | FileSource], config: Config = STORY_CONFIG
) -> Iterator[World]:
    """Land batches in order, load them once, and hand over the raw tables.

    A batch is a file, or (kind 'stripe' or 'events', records, landed_at), which is written as one.
    """
    settings = LoadSettings(
        timezone=config.workspace.timezone,
        declared_events=declared_events(config),
        account_metadata_key=config.identity.account_metadata_key,
        livemode=config.stripe.livemode,
    )
    with tempfile.TemporaryDirectory(prefix="trialwise-test-") as folder:
        landing = Landing(Path(folder) / "landing")
        last = datetime(2000, 1, 1)
        for number, batch in enumerate(batches):
            if isinstance(batch, FileSource):
                landing.land(batch, landed_at=last)
                continue
            kind, records, landed_at = batch
            if records:
                path = write_ndjson(Path(folder) / f"{number}-{kind}.ndjson", records)
                landing.land(open_file(path, kind=kind), landed_at=landed_at)
            last = max(last, landed_at)
        engine = connect(threads=1)
        try:
            report = load(engine, landing, settings, landed_at=last)
            counts = {
                "received": report.received,
                "loaded": report.loaded,
                "duplicate": report.duplicate,
                "quarantined": report.quarantined,
            }
            yield World(engine, config, counts)
        finally:
            engine.close()
