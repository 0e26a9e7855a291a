"""What it costs to be durable before answering (G13): `python -m benchmarks.ingest [--json FILE]`.

Three servers take turns under the load of a second process (wrk): the shipped collector, the same without waiting for
the disk, and a bare endpoint that reads the body and answers. Events per CPU second of the server hardly depend on what
else the machine does; the latency of the acknowledgement does. Afterwards what was acknowledged is counted in the
landing folder.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from trialwise.clock import utc_now
from trialwise.landing.folder import Landing

MODES = ("durable", "undurable", "bare")
BATCHES = (1, 100)
TARGET = 0.6
VERSIONS = ("trialwise", "uvicorn", "uvloop", "httptools", "orjson")


@dataclass(frozen=True)
class Run:
    """One server under load once; latencies in milliseconds."""

    mode: str
    batch: int
    events: int
    seconds: float
    cpu: float
    p50: float
    p99: float
    failed: int

    @property
    def per_cpu_second(self) -> float:
        """Events per CPU second of the server."""
        return self.events / self.cpu


def main() -> int:
    """Measure, print, and check that everything acknowledged is on disk."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="length of a run (default 8)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each to take the median of (default 3)")
    parser.add_argument("--connections", type=int, default=64, help="connections of the load (default 64)")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk makes the load: apt-get install wrk")
    runs, others = [], os.getloadavg()[0]
    for turn in range(options.runs):
        for batch in BATCHES:
            for mode in MODES:
                runs.append(measure(mode, batch, turn, options.seconds, options.connections))
                print(line_of(mode, batch, [runs[-1]]), file=sys.stderr)
    print(f"load {others:.1f} before, {os.cpu_count()} cores, median of {options.runs}")
    print(f"{'':22} {'events/s':>10} {'events/CPU s':>13} {'p50 ms':>8} {'p99 ms':>8}")
    for batch in BATCHES:
        for mode in MODES:
            print(line_of(mode, batch, runs))
    print()
    for batch in BATCHES:
        ratio = rate(runs, "durable", batch) / rate(runs, "undurable", batch)
        ceiling = rate(runs, "durable", batch) / rate(runs, "bare", batch)
        verdict = f">= {TARGET} {'met' if ratio >= TARGET else 'MISSED'}"
        print(f"G13 batch of {batch:3}: durable / undurable {ratio:.2f}  {verdict}; durable / bare {ceiling:.3f}")
    if options.json is not None:
        figures = {
            "command": f"python -m benchmarks.ingest {' '.join(sys.argv[1:])}",
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
            "cores": os.cpu_count(),
            "load_before": others,
            "runs": [asdict(run) for run in runs],
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(mode: str, batch: int, turn: int, seconds: int, connections: int) -> Run:
    """One run in a workspace of its own."""
    with tempfile.TemporaryDirectory(prefix="trialwise-bench-") as name:
        folder = Path(name)
        (folder / "trialwise.toml").write_text("", encoding="utf-8")
        with serving(mode, folder) as (port, pid):
            wait_for(port)
            load(port, batch, "warm", 1, connections)
            before = cpu_of(pid)
            said = load(port, batch, f"run{turn}", seconds, connections)
            cpu = cpu_of(pid) - before
        if mode != "bare":
            check_landed(folder, said["requests"] * batch)
        return Run(
            mode, batch, said["requests"] * batch, said["seconds"], cpu, said["p50"], said["p99"], said["failed"]
        )


@contextmanager
def serving(mode: str, folder: Path) -> Iterator[tuple[int, int]]:
    """(port, process id) of a collector that lives as long as the block."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        listening.set_inheritable(True)
        command = [sys.executable, "-m", "benchmarks.ingest_server", mode, str(folder), str(listening.fileno())]
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
        try:
            yield listening.getsockname()[1], process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def wait_for(port: int) -> None:
    """Wait until the server answers: its socket takes connections before it does. Raises OSError after a minute."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    asked.request("GET", "/")
    asked.getresponse().read()
    asked.close()


def load(port: int, batch: int, run: str, seconds: int, connections: int) -> dict[str, float]:
    """What wrk saw."""
    script = Path(__file__).with_name("ingest.lua")
    address = f"http://127.0.0.1:{port}"
    timing = [f"-d{seconds}s", "--timeout", "60s"]  # a slow answer is a latency, not a failure
    command = ["wrk", "-t1", f"-c{connections}", *timing, "-s", str(script), address, "--", str(batch), run]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    if figures["failed"] or not figures["requests"]:
        raise RuntimeError(f"the load failed: {said}")
    return figures


def cpu_of(pid: int) -> float:
    """CPU seconds a process has used, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_landed(folder: Path, acknowledged: int) -> None:
    """Everything answered 200 is in the landing folder; raises RuntimeError when something is missing."""
    landed = sum(entry.records for entry in Landing(folder / "data" / "landing").seal(utc_now()))
    if landed < acknowledged:
        raise RuntimeError(f"{acknowledged:,} events were acknowledged, {landed:,} are in the landing folder")


def rate(runs: list[Run], mode: str, batch: int) -> float:
    """The median of events per CPU second."""
    return statistics.median(run.per_cpu_second for run in runs if (run.mode, run.batch) == (mode, batch))


def line_of(mode: str, batch: int, runs: list[Run]) -> str:
    """One line of the table, medians."""
    chosen = [run for run in runs if (run.mode, run.batch) == (mode, batch)]
    wall = statistics.median(run.events / run.seconds for run in chosen)
    p50, p99 = (statistics.median(getattr(run, name) for run in chosen) for name in ("p50", "p99"))
    return f"{mode:10} batch of {batch:3} {wall:10,.0f} {rate(chosen, mode, batch):13,.0f} {p50:8.2f} {p99:8.2f}"


if __name__ == "__main__":
    sys.exit(main())
