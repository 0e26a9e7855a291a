"""The same questions asked of other tools, on the same data in the same run, the answers compared row by row.

Three questions, the heart of a usage-based qualification: use per account, user, day and day known; the windows over
it on every complete day of every trial, as known at that day's end; conversion by week of start. What a trial is
(Stripe's histories) is not asked of the others: they get the trials as a table. Ours answers more on the way (streaks,
the index, bands, distinct users); the others do not have to.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.generate import AS_OF, VALUE_EVENTS
from benchmarks.measure import Cost, with_bytecode
from trialwise import answers
from trialwise.engines.duckdb import connect
from trialwise.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
DBT = ROOT / "benchmarks" / "dbt"
PYTHON = Path(os.environ.get("BENCH_PYTHON", ROOT / ".venv-bench" / "bin" / "python"))
COMPILED = Path("dbt_target/compiled/trial_usage/models")
"""Where dbt leaves the text of its models; of a full build it is what plain SQL runs."""
FULL_ONLY = ("sql", "polars", "pandas")
"""They answer everything anew when something arrives; dbt has its incremental materialization for it."""
QUESTIONS = {
    "user_days": (
        "account_id, user_id, CAST(activity_date AS DATE) AS activity_date, CAST(known_date AS DATE) AS known_date, "
        "CAST(events AS INTEGER) AS events, CAST(value_events AS INTEGER) AS value_events, "
        "CAST(capped_events AS INTEGER) AS capped_events, CAST(feature_mask AS BIGINT) AS feature_mask"
    ),
    "trial_usage": (
        "trial_id, CAST(trial_day AS INTEGER) AS trial_day, CAST(activity_date AS DATE) AS activity_date, "
        "CAST(active_today AS INTEGER) AS active_today, active_days_3d, active_days_7d, active_days_14d, "
        "active_days_28d, value_events_7d, capped_events_7d, value_events_total, features_used, last_active_day"
    ),
    "conversion": "CAST(week AS DATE) AS week, trials, converted, pending",
}
OURS = {
    "user_days": (
        "SELECT u.user_id, d.* FROM intermediate.user_days AS d JOIN raw.dim_user AS u ON u.user_key = d.user_key"
    ),
    "trial_usage": (
        "SELECT *, coalesce(last_active_date - activity_date + trial_day, 0) AS last_active_day "
        "FROM intermediate.trial_days WHERE is_complete"
    ),
}
TRIALS = """
COPY (
  SELECT t.trial_id, t.account_id, t.started_at, t.start_date, t.complete_days, t.converted_at, t.deadline_at, t.outcome
  FROM intermediate.trials AS t ORDER BY t.started_at, t.trial_id
) TO '{path}'
"""


@dataclass(frozen=True)
class Answered:
    """What one process of a peer cost: the load (files to deduplicated events), the models after it, and its peak."""

    load: Cost
    models: Cost
    peak_gigabytes: float

    @property
    def work(self) -> Cost:
        """Both."""
        return self.load + self.models


@dataclass
class Compared:
    """Cost of every answer, per peer; each list holds one value per run. ours: what the same questions cost here.

    full: from files; models: from deduplicated events; more: when one more batch has come; fixed: of a run of dbt that
    has nothing to do.
    """

    full: dict[str, list[Cost]] = field(default_factory=dict)
    models: dict[str, list[Cost]] = field(default_factory=dict)
    more: dict[str, list[Cost]] = field(default_factory=dict)
    peak_gigabytes: dict[str, float] = field(default_factory=dict)
    fixed: list[Cost] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


class Peers:
    """The peers, with the files they read and the answers they leave in a folder of their own."""

    def __init__(self, folder: Path, workspace: Workspace) -> None:
        """Write what all of them read: trials, event names, settings; the events come by `add`."""
        self.inputs, self.answers = folder / "inputs", folder / "answers"
        (self.inputs / "events").mkdir(parents=True)
        self.answers.mkdir()
        self.workspace = workspace
        self.compared = Compared()
        engine = connect(workspace.store, read_only=True)
        engine.execute(TRIALS.format(path=self.inputs / "trials.parquet"))
        engine.execute(
            "COPY (SELECT event_name AS event, is_value, feature_bit FROM config.event_catalogue "
            f"ORDER BY event_key) TO '{self.inputs / 'event_names.parquet'}'"
        )
        cap = engine.rows("SELECT events_per_day_cap FROM config.parameters")[0][0]
        engine.close()
        settings = {
            "as_of": f"{AS_OF:%Y-%m-%d %H:%M:%S}",
            "events_per_day_cap": cap,
            "feature_bits": [1 << bit for bit in range(len(VALUE_EVENTS))],
            "threads": os.cpu_count(),
            "sql": str(self.answers / "sql"),
        }
        self.variables = json.dumps({name: settings[name] for name in ("as_of", "events_per_day_cap")})
        (self.inputs / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def add(self, parquet: Path) -> None:
        """One more file of events, in the order of arrival."""
        count = len(list((self.inputs / "events").iterdir()))
        os.link(parquet, self.inputs / "events" / f"{count:04d}.parquet")

    def answer_all(self) -> None:
        """Every peer answers from files, then the answers are compared with ours."""
        compared = self.compared
        whole, peak = self._dbt("run", "--full-refresh")
        self._note("dbt", peak)
        shutil.copytree(self.answers / COMPILED, self.answers / "sql", dirs_exist_ok=True)
        compared.full.setdefault("dbt", []).append(whole)
        compared.models.setdefault("dbt", []).append(self._dbt("run", "--full-refresh", "--exclude", "stg_events")[0])
        self.check("dbt")
        for peer in FULL_ONLY:
            answered = self._python(peer)
            compared.full.setdefault(peer, []).append(answered.work)
            compared.models.setdefault(peer, []).append(answered.models)
            self.check(peer)

    def answer_more(self) -> None:
        """Every peer brings its answers up to the files there are now; the answers are compared with ours."""
        compared = self.compared
        cost, peak = self._dbt("run")
        self._note("dbt", peak)
        compared.more.setdefault("dbt", []).append(cost)
        self.check("dbt")
        for peer in FULL_ONLY:
            compared.more.setdefault(peer, []).append(self._python(peer).work)
            self.check(peer)

    def answer_nothing(self) -> None:
        """A run of dbt with every model limited to no rows, in a store of its own: what any run costs."""
        self.compared.fixed.append(self._dbt("run", "--empty", store="empty")[0])

    def check(self, peer: str) -> None:
        """Compare every answer with ours, both ways, row by row. Raises RuntimeError where one differs."""
        engine = connect()
        try:
            engine.execute(f"ATTACH '{self.workspace.store}' AS ours (READ_ONLY)")
            engine.execute("USE ours")
            if peer in ("dbt", "sql"):
                engine.execute(f"ATTACH '{self.answers / peer}.duckdb' AS theirs (READ_ONLY)")
            results = answers.open_results(self.workspace)
            weeks = self.answers / "weeks.parquet"
            results.metrics("trial_conversion", definition="start_cohort", by="week").write_parquet(weeks)
            results.close()
            ours = {
                **OURS,
                "conversion": "SELECT period_start AS week, denominator AS trials, numerator AS converted, pending "
                f"FROM read_parquet('{weeks}') WHERE denominator > 0",
            }
            for question, columns in QUESTIONS.items():
                mine = f"SELECT {columns} FROM ({ours[question]})"
                file = self.answers / f"{peer}_{question}.parquet"
                there = f"theirs.main.{question}" if peer in ("dbt", "sql") else f"read_parquet('{file}')"
                theirs = f"SELECT {columns} FROM {there}"
                rows, missing, surplus = engine.rows(
                    f"SELECT (SELECT count(*) FROM ({mine})), (SELECT count(*) FROM ({mine} EXCEPT ALL {theirs})), "
                    f"(SELECT count(*) FROM ({theirs} EXCEPT ALL {mine}))"
                )[0]
                if missing or surplus:
                    raise RuntimeError(
                        f"{question}: of {rows} rows {missing} are not among those of {peer}, which has {surplus} more"
                    )
                self.compared.rows[question] = rows
        finally:
            engine.close()

    def _note(self, peer: str, peak: float) -> None:
        self.compared.peak_gigabytes[peer] = max(peak, self.compared.peak_gigabytes.get(peer, 0.0))

    def _python(self, peer: str) -> Answered:
        command = [str(PYTHON), "-m", f"benchmarks.peers.in_{peer}", str(self.inputs), str(self.answers)]
        environment = {**os.environ, "POLARS_MAX_THREADS": str(os.cpu_count())}
        (self.answers / f"{peer}.duckdb").unlink(missing_ok=True)
        told = _told(command, environment)
        self._note(peer, told["peak_gigabytes"])
        return Answered(Cost(**told["stages"]["load"]), Cost(**told["stages"]["models"]), told["peak_gigabytes"])

    def _dbt(self, *arguments: str, store: str = "dbt") -> tuple[Cost, float]:
        """Cost and peak memory of one dbt process."""
        target = self.answers / f"{store}_target"
        command = [
            str(PYTHON), "-m", "benchmarks.peers.in_dbt", "--quiet", *arguments, "--project-dir", str(DBT),
            "--profiles-dir", str(DBT), "--target-path", str(target), "--log-path", str(target),
            "--vars", self.variables,
        ]  # fmt: skip
        environment = {
            **with_bytecode(self.answers),
            "BENCH_STORE": str(self.answers / f"{store}.duckdb"),
            "BENCH_INPUTS": str(self.inputs),
            "BENCH_THREADS": str(os.cpu_count()),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        started = time.perf_counter()
        told = _told(command, environment)
        return Cost(time.perf_counter() - started, told["cpu"]), told["peak_gigabytes"]


def _told(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """The last line a peer prints. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command[1:4])} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def versions() -> dict[str, str]:
    """Versions of the peers, as their own environment has them."""
    names = ("dbt-core", "dbt-duckdb", "duckdb", "polars", "pandas")
    code = f"from importlib.metadata import version\nfor name in {names!r}: print(name, version(name))"
    done = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def is_there() -> bool:
    """Whether the environment of the peers has been made."""
    if PYTHON.exists():
        return True
    print(f"no {PYTHON}: run 'make bench', which makes it; going on without peers", file=sys.stderr)
    return False
