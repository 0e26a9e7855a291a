"""What a workspace holds after a load, without the whole refresh: raw rows, and the trials' models on top."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from trialwise import composition
from trialwise.clock import Clock
from trialwise.engines.duckdb import connect
from trialwise.pipeline import load_landed, workspace_models
from trialwise.transform.build import build_models, create_schemas
from trialwise.transform.graph import order, upstream
from trialwise.transform.model import Model
from trialwise.workspace import Workspace

TRIALS = "intermediate.trials"


def raw(folder: Path) -> list[tuple[str, str, str]]:
    """Kind, id and content, however it was spaced, of every Stripe record; what waited in landing is loaded first."""
    workspace = Workspace.open(folder)
    load_landed(workspace)
    with closing(connect(workspace.store, read_only=True)) as store:
        rows = store.rows("SELECT kind, coalesce(event_id, object_id, ''), object, previous FROM raw.stripe")
    return sorted((kind, id_, _plain(thing) + _plain(previous or "null")) for kind, id_, thing, previous in rows)


def _plain(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


_SHIPPED: dict[str, Model] = {}


def shipped(workspace: Workspace) -> dict[str, Model]:
    """The models of a workspace that has none of its own; parsed once, they cost more than all they are run on here."""
    if not _SHIPPED:
        _SHIPPED.update(workspace_models(workspace))
    return _SHIPPED


def trials(folder: Path, as_of: datetime, known_at: datetime | None = None) -> list[dict[str, Any]]:
    """Rows of intermediate.trials for a clock, ordered by trial; what waited in landing is loaded first."""
    workspace = Workspace.open(folder)
    load_landed(workspace)
    models = shipped(workspace)
    wanted = upstream(models, TRIALS) | {TRIALS}
    built = [model for model in order(models) if model.name in wanted]
    with closing(connect(workspace.store)) as store:
        kinds = create_schemas(store, models)
        names = store.rows("SELECT event_key, event_name FROM raw.dim_event")
        clock = Clock(as_of, known_at or datetime(9000, 1, 1), "UTC")
        for table, frame in composition.settings_tables(workspace.config, clock, names, folder).items():
            store.clear(table)
            store.append(table, frame)
        with store.transaction():
            build_models(store, built, kinds)
        return store.frame(f"SELECT * FROM {TRIALS} ORDER BY trial_id").to_dicts()
