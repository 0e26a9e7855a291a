"""What it costs to take files in (G8, G9): `python -m benchmarks.load [--rows N] [--runs 3] [--json FILE]`.

The same events as NDJSON, as Parquet and over the wire (journals, as the collector writes them) are landed and loaded
by the shipped code: every record kept with a checksum and synced, typed, given keys, deduplicated. The measure is a
bare `read_json` of the NDJSON file, its schema given, into a table of a database file: it keeps nothing, checks nothing
and knows no duplicates. A ratio is our rows per second over its rows per second, for Parquet too: same rows in both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.generate import Inputs, generate
from benchmarks.measure import Cost, Goal, Stopwatch, median
from trialwise import arrivals, pipeline
from trialwise.clock import utc_now
from trialwise.engines.duckdb import Engine, connect
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.landing.report import LoadReport
from trialwise.landing.statements import run as run_statement
from trialwise.landing.statements import sql_folder
from trialwise.sources.files import open_file
from trialwise.workspace import Workspace

VERSIONS = ("trialwise", "duckdb", "polars", "orjson")
DOORS = ("ndjson", "parquet", "live")
TARGETS = {"ndjson": ("G8", 0.85), "parquet": ("G9", 2.0)}
NOTHING = Cost(0.0, 0.0)
REQUEST, GROUP = 100, 10
"""Calls of a request over the wire, and requests that share one fsync."""
PROFILE_LINES = 12
SCHEMA = (
    "{id: 'UUID', event: 'VARCHAR', account_id: 'VARCHAR', user_id: 'VARCHAR', "
    "timestamp: 'TIMESTAMP', received_at: 'TIMESTAMP'}"
)
BARE = f"CREATE TABLE bare AS SELECT * FROM read_json($path, format = 'newline_delimited', columns = {SCHEMA})"
BARE_PARQUET = "CREATE TABLE bare AS SELECT CAST(id AS UUID) AS id, * EXCLUDE (id) FROM read_parquet($path)"
LINES = """
SELECT bit_xor(hash(raw)) FROM read_json(getvariable('paths'), format = 'newline_delimited', ignore_errors = true,
  columns = {crc: 'VARCHAR', i: 'BIGINT', n: 'BIGINT', o: 'BIGINT', r: 'BIGINT', "at": 'VARCHAR', raw: 'VARCHAR',
    env: 'VARCHAR', bad: 'VARCHAR', detail: 'VARCHAR', b64: 'VARCHAR'})
"""
FRAMES = "SELECT bit_xor(hash(raw)) FROM frames"
READ_LINES, SUMS = "  of read_calls: lines of landing read back", "  of read_calls: their checksums"


@dataclass(frozen=True)
class Taken:
    """One import: landing, loading, and what of these the single steps cost."""

    door: str
    landing: Cost
    loading: Cost
    steps: dict[str, Cost]

    @property
    def work(self) -> Cost:
        """Both."""
        return self.landing + self.loading


@dataclass(frozen=True)
class Run:
    """One turn: the bare reads, and the import through each door."""

    bare: Cost
    bare_parquet: Cost
    taken: dict[str, Taken]


def main() -> int:
    """Generate, measure, print; 0 also where a target is missed: the figures are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="distinct events (default 1000000)")
    parser.add_argument("--runs", type=int, default=3, help="imports to take the median of (default 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trialwise-bench-") as name:
        folder = Path(name)
        say(f"generating {options.rows:,} events")
        inputs = generate(folder / "inputs", options.rows, seed=options.seed, ndjson=True)
        runs = []
        for number in range(options.runs):
            say(f"run {number + 1} of {options.runs}")
            with tempfile.TemporaryDirectory(dir=folder) as turn:
                runs.append(measure(inputs, Path(turn)))
    report(inputs, runs)
    if options.json is not None:
        options.json.write_text(json.dumps(figures_of(inputs, runs), indent=1) + "\n", encoding="utf-8")
    return 0


def measure(inputs: Inputs, folder: Path) -> Run:
    """The bare reads, then the import through each door into a workspace of its own."""
    assert inputs.ndjson is not None
    bare = bare_read(BARE, inputs.ndjson, folder / "bare.duckdb")
    parquet = bare_read(BARE_PARQUET, inputs.parquet, folder / "bare_parquet.duckdb")
    return Run(bare, parquet, {door: take(door, inputs, folder / door) for door in DOORS})


def bare_read(sql: str, path: Path, store: Path) -> Cost:
    """Cost of reading a file into a table of a new database file, until that is closed."""
    watch = Stopwatch()
    engine = connect(store)
    engine.execute(sql, {"path": str(path)})
    engine.close()
    return watch.read()


def take(door: str, inputs: Inputs, folder: Path) -> Taken:
    """Land and load the events in a new workspace. Raises RuntimeError when not every row came through."""
    folder.mkdir()
    (folder / "trialwise.toml").write_bytes(inputs.toml.read_bytes())
    workspace = Workspace.open(folder)
    watch = Stopwatch()
    if door == "live":
        write_journal(Landing(workspace.landing), inputs)
    else:
        path = inputs.parquet if door == "parquet" else inputs.ndjson
        assert path is not None
        arrivals.import_files(workspace, [path], kind="events", file_format="flat", load=lambda _: LoadReport())
    landing = watch.read()
    steps: dict[str, Cost] = defaultdict(lambda: NOTHING)
    with profiled(steps):
        watch.read()
        loaded = pipeline.load_landed(workspace)
        loading = watch.read()
    if loaded.received != inputs.rows or loaded.quarantined or loaded.loaded + loaded.duplicate != inputs.rows:
        raise RuntimeError(f"{door}: of {inputs.rows:,} rows {loaded} came out")
    steps["all else of loading (opening, closing, manifest)"] = less(loading, sum(steps.values(), NOTHING))
    return Taken(door, landing, loading, {**landing_steps(door, inputs, landing), **steps, **reading(workspace)})


def write_journal(landing: Landing, inputs: Inputs) -> None:
    """The lines of the NDJSON file as requests of a hundred calls, ten requests to a group commit."""
    assert inputs.ndjson is not None
    pieces = open_file(inputs.ndjson, file_format="flat").pieces()
    with Journal(landing, Channel("events", "flat", "collector"), "bench") as journal:
        while group := [request for _ in range(GROUP) if (request := list(islice(pieces, REQUEST)))]:
            journal.append([Arrival(utc_now(), request) for request in group])


def landing_steps(door: str, inputs: Inputs, landing: Cost) -> dict[str, Cost]:
    """Landing told apart: what reading the file costs by itself, the rest is framing and writing."""
    path = inputs.parquet if door == "parquet" else inputs.ndjson
    assert path is not None
    source = open_file(path, file_format="flat")
    watch = Stopwatch()
    for _ in source.pieces():
        pass
    read = watch.read()
    digest = NOTHING
    if door != "live":
        source.sha256()
        digest = watch.read()
    rest = less(landing, read + digest)
    return {"landing: file to records": read, "landing: sha256": digest, "landing: checks, frames, fsync": rest}


@contextmanager
def profiled(steps: dict[str, Cost]) -> Iterator[None]:
    """Add the cost of every statement of sql/load to `steps` under its file's name; of all others under their verb."""
    names = {path.read_text(encoding="utf-8"): path.stem for path in (sql_folder() / "load").glob("*.sql")}

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(engine: Engine, sql: str, *rest: Any) -> Any:
            watch = Stopwatch()
            try:
                return method(engine, sql, *rest)
            finally:
                steps[names.get(sql, sql.split(maxsplit=1)[0].lower())] += watch.read()

        return call

    with patch.object(Engine, "execute", timed(Engine.execute)), patch.object(Engine, "rows", timed(Engine.rows)):
        yield


def reading(workspace: Workspace) -> dict[str, Cost]:
    """What the loader spends on landing's lines before it looks at a record: reading them, and the checksums."""
    landing = Landing(workspace.landing)
    paths = [str(landing.path(segment.number)) for entry in landing.manifest().imports for segment in entry.segments]
    engine = connect()
    try:
        run_statement(engine, "macros")
        run_statement(engine, "set_paths", {"paths": paths})
        run_statement(engine, "frames_sealed")
        watch = Stopwatch()
        engine.rows(LINES)
        lines = watch.read()
        engine.rows(FRAMES)
        return {READ_LINES: lines, SUMS: less(watch.read(), lines)}
    finally:
        engine.close()


def less(whole: Cost, part: Cost) -> Cost:
    """The difference, never below nothing."""
    return Cost(max(whole.wall - part.wall, 0.0), max(whole.cpu - part.cpu, 0.0))


def goals_of(runs: list[Run]) -> list[Goal]:
    """Our speed over that of the bare read of the same run, the median of the runs."""
    goals = []
    for door in DOORS:
        goal, target = TARGETS.get(door, ("", None))
        for part in ("work", "landing", "loading"):
            ratio = median([run.bare.over(getattr(run.taken[door], part)) for run in runs])
            what = f"{door}: {'landing + loading' if part == 'work' else part} / bare read_json, rows per s"
            goals.append(
                Goal(goal if part == "work" else "", what, ratio, target if part == "work" else None, is_least=True)
            )
    against = [run.bare_parquet.over(run.taken["parquet"].work) for run in runs]
    goals.append(Goal("", "parquet: landing + loading / bare read_parquet", median(against)))
    return goals


def profile_of(runs: list[Run], door: str) -> list[tuple[str, Cost]]:
    """The median cost of each step of a door, the dearest first."""
    names = {name for run in runs for name in run.taken[door].steps}
    steps = [(name, median([run.taken[door].steps.get(name, NOTHING) for run in runs])) for name in names]
    return sorted(steps, key=lambda step: -step[1].cpu)


def report(inputs: Inputs, runs: list[Run]) -> None:
    """Print seconds and rows per second, ratios, and where the time goes."""
    print(
        f"{inputs.rows:,} rows (2 % twice), {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"median of {len(runs)}; where the load is above {os.cpu_count()} trust the CPU column"
    )
    print(f"\n{'':30} {'clock s':>9} {'CPU s':>9} {'rows/s':>11} {'rows/CPU s':>11}")
    for name, cost in seconds_of(runs):
        rates = f"{inputs.rows / cost.wall:11,.0f} {inputs.rows / cost.cpu:11,.0f}"
        print(f"{name:30} {cost.wall:9.2f} {cost.cpu:9.2f} {rates}")
    print(f"\n{'':63} {'clock':>10} {'cpu':>10}")
    for goal in goals_of(runs):
        print(goal)
    for door in DOORS:
        work = statistics.median(run.taken[door].work.cpu for run in runs)
        print(f"\nWhat {door} costs (seconds by the clock, CPU seconds, share of CPU):")
        for step, cost in profile_of(runs, door)[:PROFILE_LINES]:
            print(f"{cost.wall:9.3f} {cost.cpu:9.3f} {100 * cost.cpu / work:6.1f} %  {step}")


def seconds_of(runs: list[Run]) -> Iterable[tuple[str, Cost]]:
    """Absolute medians."""
    yield "bare read_json into a table", median([run.bare for run in runs])
    yield "bare read_parquet into a table", median([run.bare_parquet for run in runs])
    for door in DOORS:
        for part in ("landing", "loading", "work"):
            name = f"{door}, {'both' if part == 'work' else part}"
            yield name, median([getattr(run.taken[door], part) for run in runs])


def figures_of(inputs: Inputs, runs: list[Run]) -> dict[str, Any]:
    """All of it for --json."""
    return {
        "command": f"python -m benchmarks.load {' '.join(sys.argv[1:])}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "rows": inputs.rows,
        "goals": [asdict(goal) for goal in goals_of(runs)],
        "seconds": {name: asdict(cost) for name, cost in seconds_of(runs)},
        "profile": {door: [{"step": step, **asdict(cost)} for step, cost in profile_of(runs, door)] for door in DOORS},
    }


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
