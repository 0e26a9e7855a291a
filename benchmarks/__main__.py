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

from benchmarks import compare
from benchmarks.generate import generate
from benchmarks.measure import PUBLISH, Cost, Goal, Refresh, Results, measure, median, percentile

PROFILE_LINES = 25
MOST = 10_000_000
"""More events than these are a matter of `benchmarks.history`: landing keeps every record as text."""
PEER_COLUMNS = ("full", "models", "more", "peak")
PEERS = {
    "dbt": "dbt-duckdb (1 % more: incremental)",
    "sql": "DuckDB SQL on text keys (in full)",
    "polars": "polars (in full)",
    "pandas": "pandas (in full)",
}
VERSIONS = ("trialwise", "duckdb", "polars", "sqlglot")


def main() -> int:
    """Generate, measure, print; 0 also where a target is missed: the figures are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="distinct events (default 1000000)")
    parser.add_argument("--accounts", type=int, help="accounts, each with a trial (default: one to 833 events)")
    parser.add_argument("--runs", type=int, default=3, help="refreshes and scans to take the median of (default 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-peers", action="store_true", help="leave the other tools out")
    parser.add_argument("--folder", type=Path, help="keep inputs and workspace there (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    if options.events > MOST:
        say(f"{options.events:,} events are measured by benchmarks.history; here at most {MOST:,}")
        return 0
    if options.folder is not None:
        return run(options.folder, options)
    with tempfile.TemporaryDirectory(prefix="trialwise-bench-") as folder:
        return run(Path(folder), options)


def run(folder: Path, options: argparse.Namespace) -> int:
    """Measure in `folder` and print goals, then the profile."""
    say(f"generating {options.events:,} events")
    inputs = generate(folder, options.events, accounts=options.accounts, seed=options.seed)
    peers = None
    if not options.no_peers and compare.is_there():
        peers = compare.Peers
    results = measure(inputs, options.runs, say, peers)
    goals = goals_of(results)
    work = median([refresh.work for refresh in results.refreshes])
    print(
        f"{results.rows:,} rows (2 % twice, 1 % late), {results.accounts:,} accounts, "
        f"{results.trial_days:,} trial days, {os.cpu_count()} cores, "
        f"median of {options.runs}; peak memory {results.peak_gigabytes:.2f} GB"
    )
    print(busy(work))
    print(f"\n{'':71} {'clock':>10} {'cpu':>10}")
    for goal in goals:
        print(goal)
    others = peers_of(results)
    if others:
        print(f"\n{'The same questions, CPU seconds':42} {'full':>9} {'models':>9} {'1 % more':>9} {'peak GB':>9}")
        for name, row in others.items():
            cells = [f"{row[key]:9.2f}" if row.get(key) is not None else f"{'':9}" for key in PEER_COLUMNS]
            print(f"{name:42} {' '.join(cells)}")
        print(f"every answer compared, row by row: {results.compared.rows}")
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
            "versions_of_peers": compare.versions() if peers else {},
            "peers": others,
            "rows_compared": results.compared.rows if peers else {},
            "differing": results.differing,
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
    from_files = [(results.importing + refresh.work).over(scan) for refresh, _, scan in triples]
    full = median([refresh.work for refresh in results.refreshes])
    later = list(zip(results.importing_later, results.later, strict=True))
    days = median([refresh.of(results.days) for refresh in results.refreshes])
    looking = median([refresh.work for refresh in results.looking])

    def over_full(refreshes: list[Refresh]) -> Cost:
        return median([refresh.work.over(full) for refresh in refreshes])

    return [
        Goal("S", "raw scan of the typed events, s", median(results.raw_scan)),
        Goal("", "full refresh (models, checks, publish), s", full),
        Goal("", "first refresh, which also calibrates, s", results.first_refresh),
        Goal("", "import from Parquet and Stripe NDJSON (land, load), s", results.importing),
        Goal("", "bare Parquet scan, s", median(results.parquet_scan)),
        Goal("G1", "refresh / S", median([refresh.work.over(scan) for refresh, scan, _ in triples]), 40),
        Goal(
            "G1", "refresh / user_days", median([refresh.work.over(refresh.user_days) for refresh, _, _ in triples]), 6
        ),
        Goal("", "user_days / S", median([refresh.user_days.over(scan) for refresh, scan, _ in triples])),
        Goal("G2", "(import + refresh) / bare Parquet scan", median(from_files), 10),
        *against_dbt(results),
        Goal("", "1 % more events: import (land, load), s", median(results.importing_later)),
        Goal(
            "G4",
            "1 % more events: import and refresh / the same in full",
            median([(importing + refresh.work).over(results.importing + full) for importing, refresh in later]),
            0.08,
        ),
        Goal("G4", "1 % more events: refresh / full refresh", over_full(results.later), 0.16),
        Goal("G7", "tables that differ, incremental against full", Cost(*[float(len(results.differing))] * 2), 0),
        Goal("G12", "refresh with nothing new, s", median(results.nothing_new), 0.3),
        *against_idle_dbt(results),
        Goal("", "refresh that goes to every model and finds nothing new, s", looking),
        Goal("", "the same / full refresh", looking.over(full)),
        Goal("G14", "a new day: refresh / full refresh", over_full([results.new_day]), 0.06),
        Goal(
            "G14", f"noon, {results.noon_trials:,} trials used: refresh / full refresh", over_full([results.noon]), 0.03
        ),
        Goal(
            "G15",
            "publish: all of trial_days / building it",
            median(results.publishing_days).over(days),
            0.25,
        ),
        Goal("G15", "publish: what changed by noon, s", results.noon.of({PUBLISH}), 0.1),
        Goal("G11", "list of trials, p50, ms", listing(results.listing, 0.5), 5, by_clock=True),
        Goal("G11", "list of trials, p99, ms", listing(results.listing, 0.99), 15, by_clock=True),
        Goal("", "hot_trials, p50, ms", listing(results.hot_list, 0.5)),
    ]


def against_dbt(results: Results) -> list[Goal]:
    """Ours against dbt-duckdb on the same questions; nothing where it did not run."""
    if results.compared is None:
        return []
    ours = ours_of(results)
    theirs = {key: median(getattr(results.compared, key)["dbt"]) for key in ("full", "models", "more")}
    fixed = median(results.compared.fixed)
    return [
        Goal("G3", "same questions from Parquet / dbt-duckdb", ours["full"].over(theirs["full"]), 0.33),
        Goal("", "same questions from loaded events / dbt-duckdb, models", ours["models"].over(theirs["models"])),
        Goal("", "same questions, 1 % more / dbt-duckdb, incremental", ours["more"].over(theirs["more"])),
        Goal("", "all that a refresh does, import too / dbt-duckdb", whole_of(results).over(theirs["full"])),
        Goal("", "dbt run without rows, s", fixed),
    ]


def against_idle_dbt(results: Results) -> list[Goal]:
    """Both as commands, from the start of the process to its end."""
    command = median(results.command)
    if results.compared is None:
        return [Goal("", "trialwise refresh with nothing new, the command, s", command)]
    ratio = command.over(median(results.compared.fixed))
    return [
        Goal("G12", "trialwise refresh with nothing new / dbt run without rows", ratio, 0.1),
        Goal("", "trialwise refresh with nothing new, the command, s", command),
    ]


def whole_of(results: Results) -> Cost:
    """Import and full refresh."""
    return results.importing + median([refresh.work for refresh in results.refreshes])


def ours_of(results: Results) -> dict[str, Cost]:
    """What the questions cost here that the other tools are asked: import of events, the models of use, conversion."""
    asked = median(results.conversion)
    models = median([refresh.of(results.usage) for refresh in results.refreshes]) + asked
    more = [
        importing + refresh.of(results.usage)
        for importing, refresh in zip(results.importing_later, results.later, strict=True)
    ]
    return {"full": results.importing_events + models, "models": models, "more": median(more) + asked}


def peers_of(results: Results) -> dict[str, dict[str, float | None]]:
    """CPU seconds per tool: from files, the models alone, one part in a hundred more; and the peak of memory."""
    compared = results.compared
    if compared is None:
        return {}
    rows: dict[str, dict[str, float | None]] = {
        "trialwise, the same questions": {key: cost.cpu for key, cost in ours_of(results).items()},
        "trialwise, all models, checks, publishing": {
            "full": whole_of(results).cpu,
            "models": median([refresh.work for refresh in results.refreshes]).cpu,
            "more": median(
                [cost + one.work for cost, one in zip(results.importing_later, results.later, strict=True)]
            ).cpu,
            "peak": results.peak_gigabytes,
        },
    }
    for peer, name in PEERS.items():
        rows[name] = {
            "full": median(compared.full[peer]).cpu,
            "models": median(compared.models[peer]).cpu,
            "more": median(compared.more[peer]).cpu,
            "peak": compared.peak_gigabytes[peer],
        }
    rows["dbt-duckdb, a run without rows"] = {"full": median(compared.fixed).cpu}
    return rows


def listing(costs: list[Cost], share: float) -> Cost:
    """A percentile in milliseconds."""
    return Cost(
        percentile([1_000 * cost.wall for cost in costs], share),
        percentile([1_000 * cost.cpu for cost in costs], share),
    )


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
