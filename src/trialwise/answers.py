"""Results to ask: the published ones, those of another moment, a condition tried out on them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from trialwise import composition, freshness, standstill
from trialwise.delivery.generation import Generation, open_generation
from trialwise.delivery.preview import Preview, preview
from trialwise.errors import NotFoundError, StoreError
from trialwise.landing.folder import Landing
from trialwise.pipeline import Progress, refresh
from trialwise.transform.condition import parse_condition
from trialwise.workspace import Workspace

MOMENTS_KEPT = 20  # results of past moments that stay to be asked again


def open_results(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    progress: Progress | None = None,
) -> Generation:
    """The published results; for another moment, results computed for it once and kept.

    Raises NotFoundError when nothing has been published yet.
    """
    if as_of is None and known_at is None:
        published = open_generation(workspace.published, (workspace.models,))
        return replace(published, note=freshness.look(workspace).note)
    return open_generation(
        results_of(workspace, as_of=as_of, known_at=known_at, progress=progress), (workspace.models,)
    )


def results_of(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """The file with the results of a moment: computed once, kept until `MOMENTS_KEPT` newer ones are there."""
    path = workspace.data / "moments" / f"{_fingerprint(workspace, as_of, known_at)}.duckdb"
    if not _opens(path):
        refresh(workspace, as_of=as_of, known_at=known_at, into=path, progress=progress)
        for old in sorted(path.parent.glob("*.duckdb"), key=lambda kept: kept.stat().st_mtime)[:-MOMENTS_KEPT]:
            old.unlink(missing_ok=True)
    return path


def preview_segment(workspace: Workspace, expression: str, results: Generation, *, everyone: bool = False) -> Preview:
    """Try a condition on the published trial days.

    It is parsed and type-checked against the catalogue before it meets any data. Raises ConfigError naming the place
    and the nearest column.
    """
    columns = composition.catalogue(workspace.config, workspace.models)
    return preview(results.reader, parse_condition(expression, columns), every=everyone)


def _opens(path: Path) -> bool:
    try:
        open_generation(path).close()
    except (NotFoundError, StoreError):
        return False
    return True


def _fingerprint(workspace: Workspace, as_of: str | None, known_at: str | None) -> str:
    """Names the results of a moment: another one when what a refresh goes by or the landed data are others."""
    known = Landing(workspace.landing).manifest()
    asked = repr((as_of, known_at, known.last_segment, known.drops))
    return hashlib.sha256(f"{standstill.defined_by(workspace)} {asked}".encode()).hexdigest()[:24]
