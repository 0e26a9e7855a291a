"""Runs as they go into the ledger: begun, ended with what came of them, and never a secret in what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog

from trialwise import composition
from trialwise.config.secrets import Secrets
from trialwise.errors import StoreError, TrialwiseError
from trialwise.intake import Fetched
from trialwise.landing.folder import Landing
from trialwise.landing.report import LoadReport
from trialwise.logs import Redactor, secrets_of
from trialwise.pipeline import Refreshed
from trialwise.runs import AskedBy, Ledger, Outcome, Skipped
from trialwise.standstill import Standstill
from trialwise.workspace import Workspace

R = TypeVar("R")
log = structlog.get_logger("trialwise.runs")


class Recorder:
    """Writes to the ledger of a workspace. A ledger that cannot be written is logged, and stops no work."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._ledger = Ledger(workspace.data)
        self._redact = Redactor(secrets_of(Secrets()))

    def begin(self, job: str, asked_by: AskedBy, slot: datetime | None = None) -> int | None:
        """A run begins; its id, None where it cannot be noted. Raises SlotTaken as Ledger.begin does."""
        try:
            return self._ledger.begin(job, asked_by=asked_by, slot=slot)
        except StoreError as error:
            log.warning("run not noted", job=job, error=error.message)
            return None

    def ended(self, run_id: int | None, result: Any) -> None:
        """It went well, with what the work returned."""
        self._end(run_id, lambda: outcome_of(self._workspace, result), None)

    def failed(self, run_id: int | None, error: BaseException) -> None:
        """It did not."""
        said = error.message if isinstance(error, TrialwiseError) else str(error) or type(error).__name__
        self._end(run_id, lambda: None, self._redact.text(said))

    def record(self, job: str, asked_by: AskedBy, task: Callable[[], R]) -> R:
        """Carry out a task as a run of its own."""
        run_id = self.begin(job, asked_by)
        try:
            result = task()
        except BaseException as error:
            self.failed(run_id, error)
            raise
        self.ended(run_id, result)
        return result

    def _end(self, run_id: int | None, outcome: Callable[[], Outcome | None], error: str | None) -> None:
        if run_id is None:
            return
        try:
            self._ledger.end(run_id, outcome(), error=error)
        except StoreError as failure:
            log.warning("end of run not noted", run_id=run_id, error=failure.message)


def outcome_of(workspace: Workspace, result: Any) -> Outcome:
    """What a piece of work came to, told by what it returned; None is a run that found nothing to do."""
    if isinstance(result, Skipped):
        return Outcome(skipped=result.why)
    if isinstance(result, Standstill):
        return result.outcome
    loaded = result if isinstance(result, LoadReport) else getattr(result, "loaded", None)
    rows = loaded.loaded if isinstance(loaded, LoadReport) else None
    if result is None or _is_idle(result, loaded):
        return Outcome(rows=rows, is_idle=True)
    manifest = Landing(workspace.landing).manifest()
    watermark = manifest.loads[-1].load_id if manifest.loads else None
    if not isinstance(result, Refreshed):
        return Outcome(rows=rows, watermark=watermark, details={**_details(result), **_counts(loaded)})
    number = result.generation.stem
    details = {
        "as_of": _plain(result.clock.as_of),
        "known_at": _plain(result.clock.known_at),
        "models": dict(sorted(Counter(step.action for step in result.steps).items())),
        "checks": len(result.build.checks),
        "warnings": len(result.build.warnings),
        **_counts(loaded),
    }
    return Outcome(int(number) if number.isdigit() else None, rows, watermark, _fingerprints(workspace), details)


def _fingerprints(workspace: Workspace) -> dict[str, str]:
    models = composition.promised_models(workspace.config, workspace.models)
    return composition.fingerprints(workspace.config, models)


def _is_idle(result: Any, loaded: Any) -> bool:
    """Whether nothing came: a load of nothing, sources that had nothing new."""
    if isinstance(loaded, LoadReport) and (loaded.received or loaded.rebuilt is not None):
        return False
    if isinstance(result, Fetched):
        return not any(source.landed or getattr(source, "failed", ()) for source in result.sources)
    return isinstance(result, LoadReport)


def _counts(loaded: Any) -> dict[str, Any]:
    if not isinstance(loaded, LoadReport) or not loaded.received:
        return {}
    counts = {"received": loaded.received, "duplicate": loaded.duplicate, "quarantined": loaded.quarantined}
    counts |= {"forgotten": loaded.forgotten} if loaded.forgotten else {}
    return counts | ({"rebuilt": loaded.rebuilt} if loaded.rebuilt else {})


def _details(result: Any) -> dict[str, Any]:
    """The plain fields of what a function returned."""
    if isinstance(result, LoadReport) or not is_dataclass(result):
        return {}
    found = {item.name: _plain(getattr(result, item.name)) for item in fields(result)}
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return value if isinstance(value, bool | int | float | str) else None
