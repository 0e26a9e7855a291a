"""What is measured, and how: everything is a ratio to something of the same run, the median of several."""

from __future__ import annotations

import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generate import Inputs
from trialwise import pipeline
from trialwise.engines.duckdb import Engine, connect
from trialwise.workspace import Workspace

RAW_SCAN = """
SELECT count(*), bit_xor(hash(account_key, user_key, event_key, occurred_at, known_date)) FROM raw.events
"""
PARQUET_SCAN = """
SELECT count(*), bit_xor(hash(id, event, account_id, user_id, timestamp, received_at)) FROM read_parquet($path)
"""
USER_DAYS = ("intermediate.event_days", "intermediate.user_days")
"""The usage rollup is built in two models: by announced keys, then by canonical ones."""
LISTED = 100
"""Rows of a listing, a page of it."""


@dataclass
class Refresh:
    """Seconds of one refresh with nothing new to load: of all of it, of loading, of each model, of what follows."""

    seconds: float
    loading: float
    models: dict[str, float]
    checks_and_publish: float

    @property
    def work(self) -> float:
        """Models, checks and publishing, without looking for new input."""
        return self.seconds - self.loading

    @property
    def user_days(self) -> float:
        """The usage rollup."""
        return sum(self.models[name] for name in USER_DAYS)


@dataclass
class Results:
    """Seconds of everything measured; each list holds one value per run."""

    rows: int
    accounts: int
    importing: float = 0.0
    first_refresh: float = 0.0
    raw_scan: list[float] = field(default_factory=list)
    parquet_scan: list[float] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    listing: list[float] = field(default_factory=list)
    hot_list: list[float] = field(default_factory=list)
    peak_gigabytes: float = 0.0

    def profile(self) -> list[tuple[str, float]]:
        """Median seconds per model over the refreshes, the dearest first, with checks and publishing as one line."""
        steps: dict[str, list[float]] = defaultdict(list)
        for refresh in self.refreshes:
            for name, seconds in refresh.models.items():
                steps[name].append(seconds)
            steps["checks, commit, publish"].append(refresh.checks_and_publish)
        medians = [(name, statistics.median(values)) for name, values in steps.items()]
        return sorted(medians, key=lambda step: -step[1])


def measure(inputs: Inputs, runs: int, say: Callable[[str], None]) -> Results:
    """Import the inputs into the workspace beside them, then measure scans, refreshes and listings `runs` times."""
    workspace = Workspace.open(inputs.toml.parent)
    results = Results(inputs.rows, inputs.accounts)
    say("importing")
    started = time.perf_counter()
    pipeline.import_files(workspace, [inputs.parquet], kind="events", file_format="flat")
    pipeline.import_files(workspace, [inputs.stripe], kind="stripe")
    results.importing = time.perf_counter() - started
    say("first refresh, with calibration")
    results.first_refresh = _refresh(workspace).seconds
    for run in range(runs):
        say(f"refresh {run + 1} of {runs}")
        results.raw_scan.append(_scan_raw(workspace))
        results.parquet_scan.append(_scan_parquet(inputs.parquet))
        results.refreshes.append(_refresh(workspace))
    say("listing")
    generation = pipeline.open_results(workspace)
    results.listing = _repeat(lambda: generation.trials(limit=LISTED), 200)
    results.hot_list = _repeat(lambda: generation.leads("hot_trials", limit=LISTED), 50)
    generation.close()
    results.peak_gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return results


def _scan_raw(workspace: Workspace) -> float:
    store = connect(workspace.store, read_only=True)
    try:
        return _best_of_three(lambda: _drain(store, RAW_SCAN))
    finally:
        store.close()


def _scan_parquet(path: Path) -> float:
    engine = connect()
    try:
        return _best_of_three(lambda: _drain(engine, PARQUET_SCAN, {"path": str(path)}))
    finally:
        engine.close()


def _drain(engine: Engine, sql: str, params: dict[str, str] | None = None) -> None:
    engine.rows(sql, params)


def _best_of_three(action: Callable[[], object]) -> float:
    """Median of three after one run that warms the cache of the file system."""
    return statistics.median(_repeat(action, 4)[1:])


def _repeat(action: Callable[[], object], times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return seconds


def _refresh(workspace: Workspace) -> Refresh:
    stamps: list[tuple[str, float]] = []
    started = time.perf_counter()
    refreshed = pipeline.refresh(
        workspace, progress=lambda name, _done, _all: stamps.append((name, time.perf_counter()))
    )
    ended = time.perf_counter()
    names: dict[str, float] = defaultdict(float)
    for built in refreshed.build.models:  # some models run twice, before and after a calibration step
        names[built.name] += built.seconds
    first_model = next(at for name, at in stamps if name in names)
    checks = max(at for name, at in stamps if name == "checks")
    return Refresh(ended - started, first_model - started, dict(names), ended - checks)


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
