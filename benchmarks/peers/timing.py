"""What every peer tells of itself: seconds of clock and CPU per stage, and its peak memory, as one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


class Stages:
    """Cost of one stage after the other."""

    def __init__(self) -> None:
        self._stages: dict[str, dict[str, float]] = {}
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def done(self, stage: str) -> None:
        """A stage has ended; the next one begins."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._stages[stage] = {"wall": wall - self._wall, "cpu": cpu - self._cpu}
        self._wall, self._cpu = wall, cpu

    def tell(self) -> None:
        """Print all of it."""
        print(json.dumps({"stages": self._stages, "peak_gigabytes": peak_gigabytes()}))


def peak_gigabytes() -> float:
    """Of this process since its program began; getrusage also tells what the process that started it had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def arguments() -> tuple[Path, Path, dict[str, Any]]:
    """Folder of the inputs, folder for the answers, and the settings all share."""
    inputs, answers = Path(sys.argv[1]), Path(sys.argv[2])
    return inputs, answers, json.loads((inputs / "settings.json").read_text(encoding="utf-8"))
