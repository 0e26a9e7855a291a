"""Print the budgets as ratios measured on the shipped models: `python -m benchmarks --events 1000000`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.generate import generate
from benchmarks.measure import Cost, Goal, Refresh, Results, measure, median, percentile

PROFILE_LINES = 25
VERSIONS = ("trialwise", "duckdb", "polars", "sqlglot")


def main() -> int:
    """Generate, measure, print; 0 also where a target is missed: the figures are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="distinct events (default 1000000)")
    parser.add_argument("--accounts", type=int, help="accounts, each with a trial (default: one to a hundred events)")
    parser.add_argument("--runs", type=int, default=3, help="refreshes and scans to take the median of (default 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep inputs and workspace there (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    if options.folder is not None:
        return run(options.folder, options)
    with tempfile.TemporaryDirectory(prefix="trialwise-bench-") as folder:
        return run(Path(folder), options)


def run(folder: Path, options: argparse.Namespace) -> int:
    """Measure in `folder` and print goals, then the profile."""
    say(f"generating {options.events:,} events")
    inputs = generate(folder, options.events, accounts=options.accounts, seed=options.seed)
    results = measure(inputs, options.runs, say)
    goals = goals_of(results)
    work = median([refresh.work for refresh in results.refreshes])
    print(
        f"{results.rows:,} rows (2 % twice, 1 % late), {results.accounts:,} accounts, "
        f"{results.trial_days:,} trial days, {os.cpu_count()} cores, "
        f"median of {options.runs}; peak memory {results.peak_gigabytes:.2f} GB"
    )
    print(busy(work))
    print(f"\n{'':63} {'clock':>10} {'cpu':>10}")
    for goal in goals:
        print(goal)
    print("\nWhat a refresh costs (seconds by the clock, CPU seconds, share of CPU):")
    profile = results.profile()
    for step, cost in profile[:PROFILE_LINES]:
        print(f"{cost.wall:9.3f} {cost.cpu:9.3f} {100 * cost.cpu / work.cpu:6.1f} %  {step}")
    rest = [cost.cpu for _, cost in profile[PROFILE_LINES:]]
    print(f"{'':9} {sum(rest):9.3f} {100 * sum(rest) / work.cpu:6.1f} %  {len(rest)} more")
    if options.json is not None:
        figures = {
            "command": f"python -m benchmarks {' '.join(sys.argv[1:])}",
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "peak_gigabytes": results.peak_gigabytes,
            "trial_days": results.trial_days,
            "events": options.events,
            "rows": results.rows,
            "accounts": results.accounts,
            "goals": [asdict(goal) for goal in goals],
            "profile": [{"step": step, **asdict(cost)} for step, cost in profile],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def busy(work: Cost) -> str:
    """Whether the clock can be trusted: a refresh keeps more than one core busy unless others take them away."""
    load = os.getloadavg()[0]
    if work.cpu >= work.wall:
        return f"Load {load:.1f}: the machine was free."
    return f"Load {load:.1f}: others took cores away ({work.cpu / work.wall:.1f} used); trust the CPU column."


def goals_of(results: Results) -> list[Goal]:
    """Everything measured; ratios are taken within a run and are the median over the runs."""
    triples = list(zip(results.refreshes, results.raw_scan, results.parquet_scan, strict=True))
    listing = [1_000 * cost.wall for cost in results.listing]
    listing_cpu = [1_000 * cost.cpu for cost in results.listing]
    hot = [1_000 * cost.wall for cost in results.hot_list]
    hot_cpu = [1_000 * cost.cpu for cost in results.hot_list]
    from_files = [(results.importing + refresh.work).over(scan) for refresh, _, scan in triples]

    def over_full(refresh: Refresh) -> Cost:
        return refresh.work.over(median([full.work for full in results.refreshes]))

    return [
        Goal("S", "raw scan of the typed events, s", median(results.raw_scan)),
        Goal("", "full refresh (models, checks, publish), s", median([refresh.work for refresh, _, _ in triples])),
        Goal("", "first refresh, which also calibrates, s", results.first_refresh),
        Goal("", "import from Parquet and Stripe NDJSON (land, load), s", results.importing),
        Goal("", "bare Parquet scan, s", median(results.parquet_scan)),
        Goal("G1", "refresh / S", median([refresh.work.over(scan) for refresh, scan, _ in triples]), 40),
        Goal(
            "G1", "refresh / user_days", median([refresh.work.over(refresh.user_days) for refresh, _, _ in triples]), 6
        ),
        Goal("", "user_days / S", median([refresh.user_days.over(scan) for refresh, scan, _ in triples])),
        Goal("G2", "(import + refresh) / bare Parquet scan", median(from_files), 10),
        Goal("", "1 % more events: import (land, load), s", results.importing_later),
        Goal("G4", "1 % more events: refresh / full refresh", over_full(results.later), 0.16),
        Goal("G12", "refresh with nothing new, s", results.nothing_new.work, 0.3),
        Goal("", "refresh with nothing new / full refresh", over_full(results.nothing_new)),
        Goal("G14", "a new day: refresh / full refresh", over_full(results.new_day), 0.06),
        Goal("G11", "list of trials, p50, ms", Cost(percentile(listing, 0.5), percentile(listing_cpu, 0.5)), 5),
        Goal("G11", "list of trials, p99, ms", Cost(percentile(listing, 0.99), percentile(listing_cpu, 0.99)), 15),
        Goal("", "hot_trials, p50, ms", Cost(percentile(hot, 0.5), percentile(hot_cpu, 0.5))),
    ]


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
