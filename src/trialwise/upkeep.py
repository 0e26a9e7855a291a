"""What keeps a workspace well: old segments compacted, and doctor's look at all of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from trialwise import deliveries, intake
from trialwise.answers import open_results
from trialwise.archive import everywhere
from trialwise.clock import utc_now
from trialwise.delivery.generation import Generation
from trialwise.diagnosis import Finding, diagnose, diagnose_without_store
from trialwise.engines.duckdb import Engine
from trialwise.errors import ConfigError, NotFoundError, StoreError, StoreLocked
from trialwise.landing import compact as compaction
from trialwise.landing import retention
from trialwise.landing.compact import CompactReport
from trialwise.landing.folder import Landing
from trialwise.landing.report import LoadReport
from trialwise.pipeline import Progress, load, owning, refresh
from trialwise.progress import step
from trialwise.store import Recovery, recoveries
from trialwise.workspace import Workspace

IS_BUILT = """
SELECT count(*) > 0 FROM information_schema.tables
WHERE table_schema = 'intermediate' AND table_name = 'customer_accounts'
"""


def compact(workspace: Workspace, *, progress: Progress | None = None) -> CompactReport:
    """Drop product events beyond [landing] keep_event_days, and put loaded segments older than compact_after_days
    into Parquet files.

    Where records are dropped the raw tables are filled anew without them; results follow at the next refresh. Raises
    StoreLocked, StoreError when the disk fails: what was landed is still there then.
    """
    config = workspace.config
    landing = Landing(workspace.landing)

    def task(store: Engine, _filled: LoadReport) -> CompactReport:
        load(workspace, store, progress)
        now = utc_now()
        dropped = 0
        if config.landing.keep_event_days is not None:
            kept_since = now - timedelta(days=config.landing.keep_event_days)
            dropped = retention.drop(landing, landed_before=kept_since, now=now)
        if dropped:
            load(workspace, store, progress)
        report = compaction.compact(
            landing,
            landed_before=now - timedelta(days=config.landing.compact_after_days),
            now=now,
            memory_limit=config.workspace.memory_limit,
            progress=step(progress, "compacting"),
        )
        return replace(report, dropped=dropped)

    return owning(workspace, task, progress)


def diagnosis(workspace: Workspace) -> list[Finding]:
    """What doctor finds in a workspace, made ready where it has to be; what is left to tell where the disk is full or
    the store cannot be filled. Raises StoreLocked.
    """
    try:
        return _diagnosis(workspace)
    except StoreLocked:
        raise
    except StoreError as error:
        try:
            results = open_results(workspace)
        except (NotFoundError, StoreError):
            results = None
        return diagnose_without_store(error, results, workspace.data, intake.standings(workspace, utc_now()))


def recovered(workspace: Workspace) -> tuple[Recovery, ...]:
    """Every time the store proved damaged and was filled again, the oldest first; needs no store."""
    return recoveries(workspace.data)


def _diagnosis(workspace: Workspace) -> list[Finding]:
    results = _readable_results(workspace)

    def look(store: Engine, _filled: LoadReport) -> list[Finding] | None:
        if not store.rows(IS_BUILT)[0][0]:
            return None
        fetched = intake.standings(workspace, utc_now())
        there = everywhere(workspace.data, workspace.backups)
        backed_up = sorted(one.created_at for some in there.values() for one in some)
        others = _deliveries(workspace)
        return diagnose(
            workspace.config, store, results, workspace.data, recovered(workspace), fetched, backed_up, others
        )

    found = owning(workspace, look)
    if found is None:  # a store that was recovered, and not refreshed since
        refresh(workspace)
        results = open_results(workspace)
        found = owning(workspace, look)
    return found or []


def _deliveries(workspace: Workspace) -> list[Finding]:
    try:
        deliveries.check(workspace)
    except ConfigError as error:
        return [Finding("warning", "delivery", error.message, error.hint or "")]
    return []


def _readable_results(workspace: Workspace) -> Generation:
    """The published results, published anew where there are none or they are damaged."""
    try:
        results = open_results(workspace)
        if results.moment:
            return results
    except (NotFoundError, StoreError):
        refresh(workspace)
    return open_results(workspace)
