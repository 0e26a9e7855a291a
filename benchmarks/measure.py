"""What is measured, and how: everything is a ratio to something of the same run, the median of several."""

from __future__ import annotations

import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from benchmarks.generate import AS_OF, Inputs
from trialwise import answers, arrivals, pipeline
from trialwise.engines.duckdb import connect
from trialwise.workspace import Workspace

RAW_SCAN = """
SELECT count(*), bit_xor(hash(account_key, user_key, event_key, occurred_at, known_date)) FROM raw.events
"""
PARQUET_SCAN = """
SELECT count(*), bit_xor(hash(id, event, account_id, user_id, timestamp, received_at)) FROM read_parquet($path)
"""
USER_DAYS = ("intermediate.event_days", "intermediate.user_days")
"""The usage rollup is built in two models: by announced keys, then by canonical ones."""
AFTER_MODELS = "checks, commit, publish"
LISTED = 100
"""Rows of a listing, a page of it."""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of all cores of this process: the second hardly moves when others use the machine."""

    wall: float
    cpu: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def over(self, other: Cost) -> Cost:
        """Both ratios."""
        return Cost(self.wall / other.wall, self.cpu / other.cpu)


@dataclass(frozen=True)
class Goal:
    """One line of a report: what, by the clock and by CPU time, and the target for the clock if there is one.

    is_least: the target is a floor, not a ceiling.
    """

    goal: str
    what: str
    value: Cost
    target: float | None = None
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the clock's value keeps the target."""
        if self.target is None:
            return True
        return self.value.wall >= self.target if self.is_least else self.value.wall <= self.target

    def __str__(self) -> str:
        verdict = ""
        if self.target is not None:
            sign = ">=" if self.is_least else "<="
            verdict = f"  {sign} {self.target:g} {'met' if self.is_met else 'MISSED'}"
        return f"{self.goal:4} {self.what:58} {self.value.wall:10.3f} {self.value.cpu:10.3f}{verdict}"


class Stopwatch:
    """Cost since it was made or last read."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Cost:
        """What was spent since the last reading."""
        wall, cpu = time.perf_counter(), time.process_time()
        spent = Cost(wall - self._wall, cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        return spent


@dataclass(frozen=True)
class Refresh:
    """Cost of one refresh, what it loads left out, by step: models, then what follows them."""

    steps: dict[str, Cost]

    @property
    def work(self) -> Cost:
        """Models, checks and publishing, without looking for new input."""
        return sum(self.steps.values(), Cost(0.0, 0.0))

    @property
    def user_days(self) -> Cost:
        """The usage rollup."""
        return sum((self.steps[name] for name in USER_DAYS), Cost(0.0, 0.0))


@dataclass
class Results:
    """Everything measured; each list holds one value per run."""

    rows: int
    accounts: int
    importing: Cost
    first_refresh: Cost
    raw_scan: list[Cost] = field(default_factory=list)
    parquet_scan: list[Cost] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    listing: list[Cost] = field(default_factory=list)
    hot_list: list[Cost] = field(default_factory=list)
    peak_gigabytes: float = 0.0
    trial_days: int = 0
    importing_later: Cost = field(default_factory=lambda: Cost(0.0, 0.0))
    later: Refresh = field(default_factory=lambda: Refresh({}))
    nothing_new: Refresh = field(default_factory=lambda: Refresh({}))
    new_day: Refresh = field(default_factory=lambda: Refresh({}))

    def profile(self) -> list[tuple[str, Cost]]:
        """Median cost per step over the refreshes, the dearest first."""
        steps: dict[str, list[Cost]] = defaultdict(list)
        for refresh in self.refreshes:
            for name, cost in refresh.steps.items():
                steps[name].append(cost)
        medians = [(name, median(costs)) for name, costs in steps.items()]
        return sorted(medians, key=lambda step: -step[1].cpu)


def median(costs: list[Cost]) -> Cost:
    """Medians of both, each by itself."""
    return Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))


def measure(inputs: Inputs, runs: int, say: Callable[[str], None]) -> Results:
    """Import the inputs into the workspace beside them, then measure scans, refreshes and listings `runs` times."""
    workspace = Workspace.open(inputs.toml.parent)
    earlier, later = split(inputs.parquet)
    say("importing")
    watch = Stopwatch()
    arrivals.import_files(workspace, [earlier], kind="events", file_format="flat")
    arrivals.import_files(workspace, [inputs.stripe], kind="stripe")
    importing = watch.read()
    say("first refresh, with calibration")
    pipeline.refresh(workspace)
    results = Results(inputs.rows, inputs.accounts, importing, first_refresh=watch.read())
    for run in range(runs):
        say(f"refresh {run + 1} of {runs}")
        results.raw_scan.append(scan(RAW_SCAN, store=workspace.store))
        results.parquet_scan.append(scan(PARQUET_SCAN, parquet=inputs.parquet))
        results.refreshes.append(refresh_once(workspace, full=True))
    say("the last hundredth")
    watch.read()
    arrivals.import_files(workspace, [later], kind="events", file_format="flat")
    results.importing_later = watch.read()
    results.later = refresh_once(workspace)
    results.nothing_new = refresh_once(workspace)
    results.new_day = refresh_once(workspace, as_of=(AS_OF + timedelta(days=1)).isoformat())
    say("listing")
    generation = answers.open_results(workspace)
    results.listing = repeat(lambda: generation.trials(limit=LISTED), 200)
    results.hot_list = repeat(lambda: generation.leads("hot_trials", limit=LISTED), 50)
    results.trial_days = int(generation.sql("SELECT count(*) AS n FROM intermediate.trial_days")["n"][0])
    generation.close()
    results.peak_gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return results


def scan(sql: str, *, store: Path | None = None, parquet: Path | None = None) -> Cost:
    """Median of five runs of a scan, after one that warms the file system's cache."""
    engine = connect(store, read_only=store is not None)
    params = None if parquet is None else {"path": str(parquet)}
    try:
        return median(repeat(lambda: engine.rows(sql, params), 6)[1:])
    finally:
        engine.close()


def repeat(action: Callable[[], object], times: int) -> list[Cost]:
    """Cost of each of several runs."""
    costs = []
    for _ in range(times):
        watch = Stopwatch()
        action()
        costs.append(watch.read())
    return costs


def split(parquet: Path) -> tuple[Path, Path]:
    """The events without those that arrived last, and these: a hundredth."""
    import polars as pl

    events = pl.read_parquet(parquet)
    earlier, later = parquet.with_name("earlier.parquet"), parquet.with_name("later.parquet")
    count = events.height // 100
    events.head(events.height - count).write_parquet(earlier)
    events.tail(count).write_parquet(later)
    return earlier, later


def refresh_once(workspace: Workspace, *, full: bool = False, as_of: str | None = None) -> Refresh:
    """One refresh, its cost told apart by the steps it announces."""
    steps: dict[str, Cost] = defaultdict(lambda: Cost(0.0, 0.0))
    watch = Stopwatch()
    current: str | None = None

    def step(name: str, _done: int, _all: int) -> None:
        nonlocal current
        spent = watch.read()
        if current is not None:
            steps[current] += spent
        current = AFTER_MODELS if name == "checks" else None if name == "loading" else name

    pipeline.refresh(workspace, full=full, as_of=as_of, progress=step)
    steps[AFTER_MODELS] += watch.read()
    return Refresh(dict(steps))


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
