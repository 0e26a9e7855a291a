"""What a storm did, and what came of it."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from tests.chaos import oracle
from tests.chaos.points import POINTS
from trialwise import __version__


@dataclass
class Report:
    """What a storm did and what came of it; `problems` is empty when the promise held.

    kills: by stage of a fail point, or `random` and what was killed. points: how often each fail point fired.
    restarts: seconds from the start of a process to its listening.
    """

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    restarts: list[float] = field(default_factory=list)
    reads: int = 0
    refreshes: int = 0
    recoveries: int = 0
    starts_repeated: int = 0
    seconds: float = 0.0
    verdict: oracle.Verdict = field(default_factory=oracle.Verdict)
    problems: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return self.kills.total()

    def as_json(self) -> dict[str, Any]:
        """For a file: numbers, and what they were measured with."""
        times = sorted(self.restarts) or [0.0]
        return {
            "kills": self.killed,
            "seed": self.seed,
            "problems": [*self.problems, *self.verdict.problems],
            **{key: value for key, value in asdict(self.verdict).items() if key != "problems"},
            "kills_by_stage": dict(sorted(self.kills.items())),
            "fail_points": {point.name: self.points[point.name] for point in POINTS},
            "restart_seconds": {
                "starts": len(self.restarts),
                "repeated_since_the_port_was_taken": self.starts_repeated,
                "median": round(times[len(times) // 2], 2),
                "longest": round(times[-1], 2),
            },
            "results_read": self.reads,
            "refreshes_finished": self.refreshes,
            "damaged_stores_recovered": self.recoveries,
            "seconds": round(self.seconds),
            "versions": {
                "trialwise": __version__,
                "python": platform.python_version(),
                "duckdb": duckdb.__version__,
                "system": f"{platform.system()} {platform.release()}",
            },
        }
