"""What a refresh costs as history grows (G5, G6, G10): `python -m benchmarks.history --sizes 1000000 10000000`.

The same batches of new events, each onto histories of several sizes; the company grows with its history, the batch
does not: so many events of so many of its accounts, of the last two days, one in a hundred late by up to 29 days. A
history is written straight into the raw tables of the store, as the loader would have left it: landing keeps every
record as text, and 100 million of these are 40 GB. Batches go the way every file goes. Each size has a process of its
own, so that the peak of memory is its own, under a memory_limit of 2 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.generate import (
    AS_OF,
    EVENTS,
    LATE,
    MACRO,
    MILESTONES,
    OTHER_EVENTS,
    SITTING,
    VALUE_EVENTS,
    pieces,
    write_company,
)
from benchmarks.measure import (
    PUBLISH,
    RAW_SCAN,
    TRIAL_DAYS,
    Cost,
    Goal,
    Refresh,
    Results,
    Stopwatch,
    chosen,
    measure_days,
    median,
    peak_gigabytes,
    percentile,
    refresh_once,
    scan,
)
from trialwise import arrivals, pipeline
from trialwise.engines.duckdb import Engine, connect
from trialwise.workspace import Workspace

VERSIONS = ("trialwise", "duckdb", "polars", "sqlglot")
MEMORY_LIMIT = "2GB"
READY = "ready.json"
NOTHING = Cost(0.0, 0.0)


@dataclass(frozen=True)
class Batch:
    """New events: how many, of how many accounts."""

    events: int
    accounts: int

    def __str__(self) -> str:
        return f"{self.events:,} events of {self.accounts:,} accounts"


SMALL, LARGE = Batch(10_000, 200), Batch(100_000, 1_000)
"""A few minutes of a busy product, and the batch of the budgets."""
FILL = f"""
INSERT INTO raw.events
SELECT
    CAST(md5('event' || e.n || $seed) AS UUID), a.account_key, u.user_key, d.event_key, e.occurred_at, e.received_at,
    CAST(e.occurred_at AS DATE), greatest(CAST(e.received_at AS DATE), CAST(e.occurred_at AS DATE)), 1, hash(e.n)
FROM ({EVENTS}) AS e
JOIN raw.dim_event AS d ON d.event_name = e.event
JOIN raw.dim_account AS a ON a.account_id = 'acct-' || e.account
JOIN raw.dim_user AS u ON u.user_id = 'user-' || e.account || '-' || e.member
"""
USERS = """
INSERT INTO raw.dim_user
SELECT
    (SELECT max(user_key) FROM raw.dim_user) + row_number() OVER (ORDER BY account, member),
    'user-' || account || '-' || member
FROM (SELECT range AS account, unnest(range(members(range))) AS member FROM range($accounts));
"""
ACCOUNTS_OF_USERS = """
INSERT INTO raw.dim_account
SELECT (SELECT max(account_key) FROM raw.dim_account) + row_number() OVER (ORDER BY user_key), 'user:' || user_id
FROM raw.dim_user WHERE user_key > 0
"""
NAMES = """
INSERT INTO raw.dim_event
SELECT row_number() OVER (ORDER BY name), name FROM (SELECT unnest($names) AS name)
"""
COUNTED = """
UPDATE raw.loads SET received = received + e.n, loaded = loaded + e.n FROM (SELECT count(*) AS n FROM raw.events) AS e
"""
LATER = """
COPY (
    SELECT
        CAST(CAST(md5('batch' || n || '-' || step) AS UUID) AS VARCHAR) AS id,
        $names[1 + CAST(floor(pow(uniform(n * 6 + step, 22), 2) * len($names)) AS INTEGER)] AS event,
        'acct-' || account AS account_id,
        'user-' || account || '-' || CAST(floor(members(account) * pow(uniform(n, 23), 2)) AS INTEGER) AS user_id,
        greatest(
            TIMESTAMP '$opened' + to_microseconds(CAST(share_of_start(account) * $span AS BIGINT)),
            received_at - to_seconds(CAST(
                CASE WHEN uniform(n, 24) < $late THEN 86400 * (1 + 28 * uniform(n, 25)) ELSE 2 END AS BIGINT))
        ) AS timestamp,
        received_at
    FROM (
        SELECT
            n,
            step,
            CAST(floor($company * 0.95 * uniform($number * 1000000
                + CAST(floor(pow(uniform(n, 20), 2) * $accounts) AS BIGINT), 21)) AS BIGINT) AS account,
            TIMESTAMP '$as_of' - to_seconds(CAST(700 + 172000 * uniform(n, 26) AS BIGINT)) + to_seconds(step * 100)
            AS received_at
        FROM (SELECT range + $number * 100000000 AS n FROM range($sittings))
        CROSS JOIN (SELECT range AS step FROM range($sitting))
    )
    ORDER BY received_at, id
) TO '$path' (FORMAT parquet)
"""


@dataclass
class Measured:
    """One history; a batch's lists hold one value per run."""

    events: int
    accounts: int
    trial_days: int = 0
    store_gigabytes: float = 0.0
    raw_scan: Cost = NOTHING
    full: list[Refresh] = field(default_factory=list)
    importing: dict[str, list[Cost]] = field(default_factory=dict)
    refreshing: dict[str, list[Refresh]] = field(default_factory=dict)
    peak_gigabytes: dict[str, float] = field(default_factory=dict)
    days: Any = None


def main() -> int:
    """Prepare, measure, print; 0 also where a target is missed: the figures are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--events", type=int, help="short for --sizes N/10 N")
    parser.add_argument("--sizes", type=int, nargs="+", help="events of history (default 100000 1000000)")
    parser.add_argument("--runs", type=int, default=3, help="refreshes and batches to take the median of (default 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="prepared histories stay there and are used again")
    parser.add_argument("--json", type=Path, help="write the figures there too, adding to those of other sizes")
    options = parser.parse_args()
    sizes = options.sizes or [(options.events or 1_000_000) // 10, options.events or 1_000_000]
    kept = options.folder
    with tempfile.TemporaryDirectory(prefix="trialwise-bench-") if kept is None else nullcontext(kept) as folder:
        figures: list[dict[str, Any]] = []
        for size in sizes:  # kept before the next one begins, which may fail
            one = measure_size(Path(folder), size, options)
            figures = [*figures, one] if options.json is None else keep(options.json, [one])
    report(figures)
    return 0


def measure_size(folder: Path, size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Prepare a history where it is not there yet, then measure on a copy of it, each in a process of its own."""
    prepared, work = folder / f"history-{size}-{options.seed}", folder / "work"
    context = get_context("spawn")
    if not (prepared / READY).exists():
        shutil.rmtree(prepared, ignore_errors=True)
        _in_process(context, prepare, prepared, size, options.seed)
    if options.folder is None:
        work = prepared
    else:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(prepared, work)
    out = folder / "measured.json"
    try:
        _in_process(context, measure_to, work, size, options.runs, options.seed, out)
        return dict(json.loads(out.read_text(encoding="utf-8")))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _in_process(context: Any, target: Callable[..., None], *arguments: Any) -> None:
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{target.__name__} ended with {process.exitcode}")


def prepare(folder: Path, events: int, seed: int) -> None:
    """A workspace whose store holds a company's Stripe records as imported, and its events as the loader would."""
    say(f"preparing {events:,} events")
    watch = Stopwatch()
    folder.mkdir(parents=True)
    stripe, toml, accounts = write_company(folder, events, seed=seed, settings=f'memory_limit = "{MEMORY_LIMIT}"')
    workspace = Workspace.open(toml.parent)
    arrivals.import_files(workspace, [stripe], kind="stripe")

    def fill(store: Engine, _filled: Any) -> None:
        for statement in MACRO.replace("$seed", str(seed)).split(";\n"):
            store.execute(statement.replace("OR REPLACE MACRO", "OR REPLACE TEMP MACRO"))
        with store.transaction():
            store.execute(USERS, {"accounts": accounts})
            store.execute(ACCOUNTS_OF_USERS)
            store.execute(NAMES, {"names": [*VALUE_EVENTS, *OTHER_EVENTS, *MILESTONES]})
        for piece in pieces(events, accounts, seed):
            with store.transaction():
                store.execute(FILL, {**piece, "duplicates": 0.0})
        with store.transaction():
            store.execute(COUNTED)
        store.execute("CHECKPOINT")

    pipeline.owning(workspace, fill)
    cost = watch.read()
    say(f"prepared in {cost.wall:.0f} s, {cost.cpu:.0f} CPU s")
    ready = {"events": events, "accounts": accounts, "rows": rows_of(workspace)}
    (folder / READY).write_text(json.dumps(ready), encoding="utf-8")


def measure_to(folder: Path, events: int, runs: int, seed: int, out: Path) -> None:
    """Measure a prepared history and write the figures.

    Raises RuntimeError where the first refresh found a store of another version: it fills that again from landing,
    which does not hold the history.
    """
    workspace = Workspace.open(folder)
    ready = json.loads((folder / READY).read_text(encoding="utf-8"))
    accounts = ready["accounts"]
    measured = Measured(events, accounts)
    say(f"{events:,} events: first refresh, with calibration")
    first = refresh_once(workspace, tell=tell)
    say_cost("first refresh", first.work)
    if rows_of(workspace) != ready["rows"]:
        raise RuntimeError(f"the history at {folder} was prepared by another version: remove it, and it is made anew")
    measured.raw_scan = scan(RAW_SCAN, store=workspace.store)
    for run in range(runs):
        say(f"full refresh {run + 1} of {runs}")
        measured.full.append(refresh_once(workspace, full=True, tell=tell))
        say_cost("full refresh", measured.full[-1].work)
    measured.peak_gigabytes["full refresh"] = peak_gigabytes()
    number = 0
    for batch in (SMALL, LARGE):
        name = str(batch)
        measured.importing[name], measured.refreshing[name] = [], []
        if batch.events > events // 2:
            continue
        for run in range(runs):
            say(f"{name}, {run + 1} of {runs}")
            number += 1
            file = write_batch(folder, batch, accounts, number, seed)
            watch = Stopwatch()
            arrivals.import_files(workspace, [file], kind="events", file_format="flat")
            pipeline.load_landed(workspace)
            measured.importing[name].append(watch.read())
            say_cost("import", measured.importing[name][-1])
            measured.refreshing[name].append(refresh_once(workspace, tell=tell))
            say_cost("refresh", measured.refreshing[name][-1].work)
        measured.peak_gigabytes[name] = peak_gigabytes()
    measured.store_gigabytes = workspace.store.stat().st_size / 2**30
    results = Results(0, accounts, *chosen(workspace), NOTHING, NOTHING, NOTHING)
    measure_days(workspace, results, runs, say)
    measured.trial_days = results.trial_days
    measured.peak_gigabytes["everything"] = peak_gigabytes()
    out.write_text(json.dumps(figures_of(measured, results)), encoding="utf-8")


def rows_of(workspace: Workspace) -> int:
    """Events in the store."""
    engine = connect(workspace.store, read_only=True)
    try:
        return int(engine.rows("SELECT count(*) FROM raw.events")[0][0])
    finally:
        engine.close()


def write_batch(folder: Path, batch: Batch, company: int, number: int, seed: int) -> Path:
    """A Parquet file of new events."""
    path = folder / f"batch-{number}.parquet"
    engine = connect()
    try:
        for statement in MACRO.replace("$seed", str(seed)).split(";\n"):
            engine.execute(statement)
        names = ", ".join(f"'{name}'" for name in (*VALUE_EVENTS, *OTHER_EVENTS))
        values = {
            "number": number, "names": f"[{names}]", "opened": AS_OF.replace(tzinfo=None) - timedelta(days=365),
            "span": 365 * 86400e6 - 3600e6, "late": LATE, "company": company, "accounts": batch.accounts,
            "as_of": AS_OF.replace(tzinfo=None), "sittings": batch.events // SITTING, "sitting": SITTING, "path": path,
        }  # fmt: skip
        text = LATER
        for name in sorted(values, key=len, reverse=True):
            text = text.replace(f"${name}", str(values[name]))
        engine.execute(text)
    finally:
        engine.close()
    return path


def figures_of(measured: Measured, results: Results) -> dict[str, Any]:
    """One history as plain figures: costs in seconds, medians of the runs."""
    full = median([one.work for one in measured.full])
    return {
        "events": measured.events,
        "accounts": measured.accounts,
        "trial_days": measured.trial_days,
        "store_gigabytes": measured.store_gigabytes,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "command": f"python -m benchmarks.history {' '.join(sys.argv[1:])}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        "memory_limit": MEMORY_LIMIT,
        "raw_scan": asdict(measured.raw_scan),
        "full_refresh": asdict(full),
        "user_days": asdict(median([one.user_days for one in measured.full])),
        "batches": {
            name: {
                "import": asdict(median(measured.importing[name])),
                "refresh": asdict(median([one.work for one in measured.refreshing[name]])),
                "publish": asdict(median([one.of({PUBLISH}) for one in measured.refreshing[name]])),
                "steps": {step: cost.cpu for step, cost in dearest(measured.refreshing[name])},
            }
            for name in measured.refreshing
            if measured.refreshing[name]
        },
        "steps": {step: cost.cpu for step, cost in dearest(measured.full)},
        "peak_gigabytes": measured.peak_gigabytes,
        "new_day": asdict(results.new_day.work),
        "noon": asdict(results.noon.work),
        "noon_trials": results.noon_trials,
        "noon_publish": asdict(results.noon.of({PUBLISH})),
        "publish_trial_days": asdict(median(results.publishing_days)),
        "build_trial_days": asdict(median([one.of(results.days) for one in measured.full])),
        "listing_ms": {share: milliseconds(results.listing, float(share)) for share in ("0.5", "0.99")},
    }


def dearest(refreshes: list[Refresh]) -> list[tuple[str, Cost]]:
    """The steps that cost most, medians of the runs."""
    names = {name for one in refreshes for name in one.steps}
    steps = [(name, median([one.steps.get(name, NOTHING) for one in refreshes])) for name in names]
    return sorted(steps, key=lambda step: -step[1].cpu)[:15]


def milliseconds(costs: list[Cost], share: float) -> dict[str, float]:
    """A percentile of both."""
    return {
        "wall": percentile([1_000 * cost.wall for cost in costs], share),
        "cpu": percentile([1_000 * cost.cpu for cost in costs], share),
    }


def keep(path: Path, figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write figures beside those of other sizes that are there; returns all, the smallest history first."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    sizes = {one["events"] for one in figures}
    merged = sorted([one for one in known if one["events"] not in sizes] + figures, key=lambda one: int(one["events"]))
    path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
    return merged


def goals_of(figures: list[dict[str, Any]]) -> list[Goal]:
    """Of the largest history, and of it against the one a tenth as large."""
    last = figures[-1]
    tenth = next((one for one in figures if one["events"] * 10 == last["events"]), None)
    size = f"{last['events']:,}"
    full = Cost(**last["full_refresh"])
    peak, noon = last["peak_gigabytes"], Cost(**last["noon"])
    days = Cost(**last["publish_trial_days"]).over(Cost(**last["build_trial_days"]))
    goals = [
        Goal("", f"{size}: full refresh / S", full.over(Cost(**last["raw_scan"]))),
        Goal("G10", f"{size}: peak memory, full refresh, GB", both(peak["full refresh"]), 2.5),
        Goal("G10", f"{size}: peak memory, batches and a new day too, GB", both(peak["everything"]), 2.5),
        Goal("G11", f"{size}: list of trials, p50, ms", Cost(**last["listing_ms"]["0.5"]), 5, by_clock=True),
        Goal("G11", f"{size}: list of trials, p99, ms", Cost(**last["listing_ms"]["0.99"]), 15, by_clock=True),
        Goal("G14", f"{size}: a new day / full refresh", Cost(**last["new_day"]).over(full), 0.06),
        Goal("G14", f"{size}: noon, {last['noon_trials']:,} trials used / full refresh", noon.over(full), 0.03),
        Goal("G15", f"{size}: publish: all of trial_days / building it", days, 0.25),
        Goal("G15", f"{size}: publish: what changed by noon, s", Cost(**last["noon_publish"]), 0.1),
    ]
    for name, costs in last["batches"].items():
        refresh, work = Cost(**costs["refresh"]), Cost(**costs["refresh"]) + Cost(**costs["import"])
        target = 0.08 if name == str(LARGE) else None
        goals.append(Goal("G5" if target else "", f"{size}: {name}: refresh / full", refresh.over(full), target))
        if tenth is not None and name in tenth["batches"]:
            before = tenth["batches"][name]
            less, less_work = Cost(**before["refresh"]), Cost(**before["refresh"]) + Cost(**before["import"])
            target = 1.25 if name == str(LARGE) else None
            against = f"onto {size} / onto {tenth['events']:,}"
            goals.append(Goal("G6" if target else "", f"{name}, {against}", work.over(less_work), target))
            goals.append(Goal("", "  of it the refresh alone", refresh.over(less)))
    return goals


def both(value: float) -> Cost:
    """A figure that is no time."""
    return Cost(value, value)


def report(figures: list[dict[str, Any]]) -> None:
    """Print the goals, and CPU seconds by history."""
    print(f"{'':71} {'clock':>10} {'cpu':>10}")
    for goal in goals_of(figures):
        print(goal)
    print("\nCPU seconds by history:")
    columns = [str(batch) for batch in (SMALL, LARGE)]
    print(
        f"{'events':>12} {'trials':>9} {'full':>9} " + " ".join(f"{name:>34}" for name in columns) + f" {'peak GB':>9}"
    )
    for one in figures:
        cells = []
        for name in columns:
            batch = one["batches"].get(name)
            cells.append(f"{batch['import']['cpu']:16.2f} + {batch['refresh']['cpu']:15.2f}" if batch else f"{'':>34}")
        print(
            f"{one['events']:12,} {one['accounts']:9,} {one['full_refresh']['cpu']:9.2f} {' '.join(cells)} "
            f"{one['peak_gigabytes']['everything']:9.2f}"
        )
    print(f"(import + refresh; {TRIAL_DAYS} has {figures[-1]['trial_days']:,} rows in the largest)")


def tell(step: str, cost: Cost) -> None:
    """Progress: a step that took a second or more."""
    if cost.wall >= 1:
        say_cost(f"  {step}", cost)


def say_cost(what: str, cost: Cost) -> None:
    """Progress: what something took, and the most memory this process has had up to here."""
    say(f"{what}: {cost.cpu:.1f} CPU s in {cost.wall:.1f} s, peak {peak_gigabytes():.2f} GB")


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
