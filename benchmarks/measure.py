"""What is measured, and how: everything is a ratio to something of the same run, the median of several."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.generate import AS_OF, VALUE_EVENTS, Inputs
from trialwise import answers, arrivals, jobs, pipeline
from trialwise.delivery import publishing
from trialwise.engines.duckdb import connect
from trialwise.transform.graph import downstream, upstream
from trialwise.workspace import Workspace

RAW_SCAN = """
SELECT count(*), bit_xor(hash(account_key, user_key, event_key, occurred_at, known_date)) FROM raw.events
"""
PARQUET_SCAN = """
SELECT count(*), bit_xor(hash(id, event, account_id, user_id, timestamp, received_at)) FROM read_parquet($path)
"""
USER_DAYS = ("intermediate.event_days", "intermediate.placed_days", "intermediate.user_days")
"""The usage rollup is built in steps: by announced keys, then with what they stand for, then by canonical ones."""
EVENTS, TRIALS, TRIAL_DAYS = "raw.events", "intermediate.trials", "intermediate.trial_days"
USAGE = "intermediate.trial_usage_days"
"""Use of every trial on every day: what the other tools are asked for too."""
BEFORE_MODELS, AFTER_MODELS, PUBLISH = "compose, open, load, config", "checks, commit, record", "publish"
LISTED = 100
"""Rows of a listing, a page of it."""
SHARE = 100
"""One part in so many arrives in each later batch."""
OPEN_TRIALS, NOON_EVENTS = 1_000, 3
"""Trials used on the morning of a new day, and the events of each."""


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
    """One line of a report: what, by the clock and by CPU time, and the target if there is one.

    The target is kept by CPU time, which hardly depends on what else the machine does. is_least: it is a floor, not a
    ceiling. by_clock: it is one of the clock: a latency.
    """

    goal: str
    what: str
    value: Cost
    target: float | None = None
    is_least: bool = False
    by_clock: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the target is kept."""
        if self.target is None:
            return True
        value = self.value.wall if self.by_clock else self.value.cpu
        return value >= self.target if self.is_least else value <= self.target

    def __str__(self) -> str:
        verdict = ""
        if self.target is not None:
            sign = ">=" if self.is_least else "<="
            verdict = f"  {sign} {self.target:g} {'met' if self.is_met else 'MISSED'}"
            verdict += " by the clock" if self.by_clock else ""
        return f"{self.goal:4} {self.what:66} {self.value.wall:10.3f} {self.value.cpu:10.3f}{verdict}"


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
    """Cost of one refresh by step: what comes before the models, each of them, then what follows them."""

    steps: dict[str, Cost]

    @property
    def work(self) -> Cost:
        """All of it, from the call to its end."""
        return sum(self.steps.values(), Cost(0.0, 0.0))

    @property
    def user_days(self) -> Cost:
        """The usage rollup."""
        return self.of(USER_DAYS)

    def of(self, names: Any) -> Cost:
        """What some of the steps cost together."""
        return sum((cost for name, cost in self.steps.items() if name in names), Cost(0.0, 0.0))


@dataclass
class Results:
    """Everything measured; each list holds one value per run.

    differing: tables that are not the same after incremental refreshes and after a full one. usage: the models that
    answer what the other tools are asked for. days: those with a row per trial and day. looking: refreshes that find
    nothing new by going to every model. nothing_new: refreshes as a living process makes them on its schedule.
    """

    rows: int
    accounts: int
    usage: frozenset[str]
    days: frozenset[str]
    importing: Cost
    importing_events: Cost
    first_refresh: Cost
    raw_scan: list[Cost] = field(default_factory=list)
    parquet_scan: list[Cost] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    conversion: list[Cost] = field(default_factory=list)
    importing_later: list[Cost] = field(default_factory=list)
    later: list[Refresh] = field(default_factory=list)
    looking: list[Refresh] = field(default_factory=list)
    nothing_new: list[Cost] = field(default_factory=list)
    command: list[Cost] = field(default_factory=list)
    differing: dict[str, int] = field(default_factory=dict)
    compared: Any = None
    new_day: Refresh = field(default_factory=lambda: Refresh({}))
    noon: Refresh = field(default_factory=lambda: Refresh({}))
    noon_trials: int = 0
    publishing_days: list[Cost] = field(default_factory=list)
    listing: list[Cost] = field(default_factory=list)
    hot_list: list[Cost] = field(default_factory=list)
    peak_gigabytes: float = 0.0
    trial_days: int = 0

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


def measure(inputs: Inputs, runs: int, say: Callable[[str], None], peers: Callable[..., Any] | None) -> Results:
    """Import the inputs into the workspace beside them, then measure all that is measured of it.

    peers: makes `benchmarks.compare.Peers` of a folder and a workspace; None to go without.
    """
    workspace = Workspace.open(inputs.toml.parent)
    earlier, *later = split(inputs.parquet, runs)
    say("importing")
    watch = Stopwatch()
    arrivals.import_files(workspace, [earlier], kind="events", file_format="flat")
    importing_events = watch.read()
    arrivals.import_files(workspace, [inputs.stripe], kind="stripe")
    importing = importing_events + watch.read()
    say("first refresh, with calibration")
    pipeline.refresh(workspace)
    results = Results(
        inputs.rows, inputs.accounts, *chosen(workspace), importing, importing_events, first_refresh=watch.read()
    )
    others = None if peers is None else peers(inputs.toml.parent / "peers", workspace)
    if others is not None:
        others.add(earlier)
        results.compared = others.compared
    for run in range(runs):
        say(f"refresh {run + 1} of {runs}")
        results.raw_scan.append(scan(RAW_SCAN, store=workspace.store))
        results.parquet_scan.append(scan(PARQUET_SCAN, parquet=inputs.parquet))
        results.refreshes.append(refresh_once(workspace, full=True))
        results.conversion.append(conversion(workspace))
        if others is not None:
            say("the other tools")
            others.answer_all()
    for run, batch in enumerate(later):
        say(f"one part in {SHARE} more, {run + 1} of {runs}")
        watch.read()
        arrivals.import_files(workspace, [batch], kind="events", file_format="flat")
        results.importing_later.append(watch.read())
        results.later.append(refresh_once(workspace))
        results.looking.append(refresh_once(workspace))
        results.nothing_new += repeat(lambda: jobs.refresh(workspace), 1)
        results.command.append(command_once(workspace))
        if others is not None:
            say("the other tools")
            others.add(batch)
            others.answer_more()
            others.answer_nothing()
    say("comparing with a full refresh")
    before = contents(workspace)
    pipeline.refresh(workspace, full=True)
    after = contents(workspace)
    results.differing = {table: before[table][0] for table in before if before[table] != after[table]}
    measure_days(workspace, results, runs, say)
    results.peak_gigabytes = peak_gigabytes()
    return results


def measure_days(workspace: Workspace, results: Results, runs: int, say: Callable[[str], None]) -> None:
    """A new day, the noon of it, publishing, and what people ask for.

    The new day is the first refresh after a midnight, ten minutes past it; the last before it was ten minutes to.
    """
    say("a new day, and its noon")
    midnight, minutes = AS_OF + timedelta(days=1), timedelta(minutes=10)
    pipeline.refresh(workspace, as_of=(midnight - minutes).isoformat())
    results.new_day = refresh_once(workspace, as_of=(midnight + minutes).isoformat())
    file, results.noon_trials = morning(workspace)
    arrivals.import_files(workspace, [file], kind="events", file_format="flat")
    results.noon = refresh_once(workspace, as_of=(midnight + timedelta(hours=12)).isoformat())
    say("publishing and listing")
    results.publishing_days = [publish_days(workspace) for _ in range(runs)]
    generation = answers.open_results(workspace)
    results.listing = repeat(lambda: generation.trials(limit=LISTED), 200)
    results.hot_list = repeat(lambda: generation.leads("hot_trials", limit=LISTED), 50)
    results.trial_days = int(generation.sql(f"SELECT count(*) AS n FROM {TRIAL_DAYS}")["n"][0])
    generation.close()


def chosen(workspace: Workspace) -> tuple[frozenset[str], frozenset[str]]:
    """The models between the events and the use of trials by day; those with a row per trial and day.

    Identity and trials are no part of the first: the other tools are not asked for them.
    """
    models = pipeline.workspace_models(workspace)
    target = USAGE if USAGE in models else TRIAL_DAYS
    usage = (upstream(models, target) | {target}) & downstream(models, EVENTS)
    usage = usage - upstream(models, TRIALS) - {TRIALS} | set(USER_DAYS)
    above = upstream(models, TRIAL_DAYS) | {TRIAL_DAYS}
    days = {name for name in above if {"trial_id", "trial_day"} <= set(models[name].header.key)}
    return frozenset(usage), frozenset(days)


def conversion(workspace: Workspace) -> Cost:
    """Conversion by week of start, from the published results."""
    generation = answers.open_results(workspace)
    try:
        return repeat(lambda: generation.metrics("trial_conversion", definition="start_cohort", by="week").height, 1)[0]
    finally:
        generation.close()


def command_once(workspace: Workspace) -> Cost:
    """`trialwise refresh` as a process of its own, from its start to its end; the second of two."""
    command, kept = [sys.executable, "-m", "trialwise", "refresh"], with_bytecode(workspace.folder)
    subprocess.run(command, cwd=workspace.folder, check=True, capture_output=True, env=kept)
    used = [os.times()]
    watch = Stopwatch()
    subprocess.run(command, cwd=workspace.folder, check=True, capture_output=True, env=kept)
    used.append(os.times())
    before, after = (one.children_user + one.children_system for one in used)
    return Cost(watch.read().wall, after - before)


def with_bytecode(folder: Path) -> dict[str, str]:
    """The environment of a process that keeps compiled modules in a folder, as installed programs have theirs."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**found, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def contents(workspace: Workspace) -> dict[str, tuple[int, int]]:
    """Of every table of results: its rows, and the sum of their hashes, which no order changes.

    marts.clock is left out: it holds the instant of the refresh.
    """
    engine = connect(workspace.store, read_only=True, memory_limit=workspace.config.workspace.memory_limit)
    try:
        tables = engine.rows(
            "SELECT concat(schema_name, '.', table_name) FROM duckdb_tables() "
            "WHERE schema_name IN ('staging', 'intermediate', 'marts', 'lists') AND table_name <> 'clock'"
        )
        return {
            table: engine.rows(f"SELECT count(*), coalesce(sum(CAST(hash(t) AS HUGEINT)), 0) FROM {table} AS t")[0]
            for (table,) in tables
        }
    finally:
        engine.close()


def morning(workspace: Workspace) -> tuple[Path, int]:
    """A file with the events of a new day's morning, and how many trials they are of; only running ones are used."""
    path = workspace.folder / "morning.parquet"
    engine = connect(workspace.store, read_only=True)
    try:
        day = AS_OF.replace(tzinfo=None) + timedelta(days=1)
        running = (
            "SELECT account_id, row_number() OVER (ORDER BY trial_id) AS n FROM intermediate.trials "
            f"WHERE is_active AND effective_end_at > TIMESTAMP '{day + timedelta(hours=12)}' "
            f"QUALIFY n <= {OPEN_TRIALS}"
        )
        engine.execute(
            f"COPY (SELECT concat('noon-', n, '-', step) AS id, '{VALUE_EVENTS[0]}' AS event, account_id, "
            f"replace(account_id, 'acct', 'user') || '-0' AS user_id, "
            f"TIMESTAMP '{day}' + to_seconds(3600 * (1 + step) + n) AS timestamp, "
            f"TIMESTAMP '{day}' + to_seconds(3600 * (1 + step) + n + 2) AS received_at "
            f"FROM ({running}) CROSS JOIN (SELECT range AS step FROM range({NOON_EVENTS}))) "
            f"TO '{path}' (FORMAT parquet)"
        )
        return path, int(engine.rows(f"SELECT count(*) // {NOON_EVENTS} FROM read_parquet('{path}')")[0][0])
    finally:
        engine.close()


def publish_days(workspace: Workspace) -> Cost:
    """Writing the whole trial-day table to a generation file."""
    path = workspace.folder / "published.duckdb"

    def task(store: Any, _filled: Any) -> Cost:
        return repeat(lambda: publishing.write_generation(store, path, {TRIAL_DAYS: ""}), 1)[0]

    try:
        return pipeline.owning(workspace, task)
    finally:
        path.unlink(missing_ok=True)


def peak_gigabytes() -> float:
    """The most memory this process has had at once."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


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


def split(parquet: Path, batches: int) -> list[Path]:
    """The events in files: those that arrived first, then batches of one part in a hundred."""
    engine = connect()
    try:
        count = engine.rows(f"SELECT count(*) FROM read_parquet('{parquet}')")[0][0]
        bounds = [0, *(count - count // SHARE * (batches - number) for number in range(batches)), count]
        paths = [parquet.with_name(f"part-{number}.parquet") for number in range(batches + 1)]
        for path, first, last in zip(paths, bounds, bounds[1:], strict=False):
            engine.execute(
                f"COPY (SELECT * EXCLUDE (file_row_number) FROM read_parquet('{parquet}', file_row_number = true) "
                f"WHERE file_row_number >= {first} AND file_row_number < {last}) TO '{path}' (FORMAT parquet)"
            )
        return paths
    finally:
        engine.close()


def refresh_once(
    workspace: Workspace,
    *,
    full: bool = False,
    as_of: str | None = None,
    tell: Callable[[str, Cost], None] | None = None,
) -> Refresh:
    """One refresh, its cost told apart by the steps it announces. tell: called with each of them when it has ended."""
    steps: dict[str, Cost] = defaultdict(lambda: Cost(0.0, 0.0))
    watch = Stopwatch()
    current = BEFORE_MODELS

    def step(name: str, _done: int, _all: int) -> None:
        nonlocal current
        spent = watch.read()
        steps[current] += spent
        if tell is not None and current != BEFORE_MODELS:
            tell(current, spent)
        current = {"checks": AFTER_MODELS, "loading": BEFORE_MODELS}.get(name, name)

    with publishing_timed() as published:
        pipeline.refresh(workspace, full=full, as_of=as_of, progress=step)
    spent = watch.read()
    if published:
        steps[PUBLISH] = published[0]
        spent = Cost(spent.wall - published[0].wall, spent.cpu - published[0].cpu)
    steps[AFTER_MODELS] += spent
    if tell is not None:
        for name in [name for name in (BEFORE_MODELS, PUBLISH, AFTER_MODELS) if name in steps]:
            tell(name, steps[name])
    return Refresh(dict(steps))


@contextmanager
def publishing_timed() -> Iterator[list[Cost]]:
    """What publishing costs meanwhile; an empty list where nothing is published."""
    costs: list[Cost] = []
    publish = publishing.publish

    def timed(*arguments: Any, **named: Any) -> Any:
        watch = Stopwatch()
        try:
            return publish(*arguments, **named)
        finally:
            costs.append(watch.read())

    with patch.object(publishing, "publish", timed):
        yield costs


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
