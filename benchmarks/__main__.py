"""Print the budgets as ratios measured on the shipped models: `python -m benchmarks --events 1000000`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.generate import generate
from benchmarks.measure import Results, measure, percentile

PROFILE_LINES = 20


def main() -> int:
    """Generate, measure, print; 0 also where a target is missed: the figures are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="distinct events (default 1000000)")
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
    inputs = generate(folder, options.events, seed=options.seed)
    results = measure(inputs, options.runs, say)
    goals = goal_rows(results)
    print(
        f"{results.rows:,} rows (2 % twice, 1 % late), {results.accounts:,} accounts, {os.cpu_count()} cores, "
        f"median of {options.runs}; peak memory {results.peak_gigabytes:.2f} GB"
    )
    print()
    for name, text, value, target in goals:
        verdict = "" if target is None else f"  target <= {target:g}: {'met' if value <= target else 'MISSED'}"
        print(f"{name:4} {text:64} {value:10.2f}{verdict}")
    print()
    total = statistics.median(refresh.work for refresh in results.refreshes)
    print(f"what a refresh of {total:.2f} s costs:")
    for step, seconds in results.profile()[:PROFILE_LINES]:
        print(f"{seconds:9.3f} s {100 * seconds / total:5.1f} %  {step}")
    if options.json is not None:
        figures = {
            "events": options.events,
            "rows": results.rows,
            "goals": [
                {"goal": name, "what": text, "value": value, "target": target} for name, text, value, target in goals
            ],
            "profile": [{"step": step, "seconds": seconds} for step, seconds in results.profile()],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def goal_rows(results: Results) -> list[tuple[str, str, float, float | None]]:
    """(goal, what, value, target or None) of everything measured; ratios are medians over the runs."""
    pairs = list(zip(results.refreshes, results.raw_scan, results.parquet_scan, strict=True))

    def median(values: list[float]) -> float:
        return statistics.median(values)

    milliseconds = [1_000 * seconds for seconds in results.listing]
    hot = [1_000 * seconds for seconds in results.hot_list]
    return [
        ("S", "raw scan of the typed events, seconds", median(results.raw_scan), None),
        ("", "refresh (models, checks, publish), seconds", median([refresh.work for refresh, _, _ in pairs]), None),
        ("", "import from Parquet and Stripe NDJSON (land, load), seconds", results.importing, None),
        ("", "first refresh, which also calibrates, seconds", results.first_refresh, None),
        ("", "bare Parquet scan, seconds", median(results.parquet_scan), None),
        ("G1", "refresh over S", median([refresh.work / scan for refresh, scan, _ in pairs]), 40),
        ("G1", "refresh over user_days", median([refresh.work / refresh.user_days for refresh, _, _ in pairs]), 6),
        ("", "user_days over S", median([refresh.user_days / scan for refresh, scan, _ in pairs]), None),
        (
            "G2",
            "import + refresh over bare Parquet scan",
            median([(results.importing + refresh.work) / scan for refresh, _, scan in pairs]),
            10,
        ),
        ("G11", "list of trials, p50, ms", percentile(milliseconds, 0.5), 5),
        ("G11", "list of trials, p99, ms", percentile(milliseconds, 0.99), 15),
        ("", "hot_trials, p50, ms", percentile(hot, 0.5), None),
    ]


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
