"""`trialwise serve` as a process of its own, for tests that talk to it over the network or kill it."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

LISTENING = re.compile(r"""^listening on (http://\S+:\d+)$|"listening": "(http://\S+:\d+)\"""")
"""As it says at the end of its start, or when it takes events and waits for the store."""
PATIENCE = 150.0
"""Seconds to wait for what takes a moment, on a machine that does other things."""


@dataclass
class Served:
    """A running server: where it listens, its process, and the lines it wrote to stderr so far."""

    url: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def children(self) -> list[int]:
        """The process ids of its collectors."""
        listed = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for path in listed for pid in path.read_text().split()]

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=PATIENCE, **options)

    def track(self, number: int | str, **options: Any) -> httpx.Response:
        """One product event; the number is in its id."""
        return self.post("/v1/track", json=event(number), **options)

    def metrics(self, **options: Any) -> dict[str, float]:
        """Every sample of /metrics, as `name{label="value"}`."""
        return samples(self.get("/metrics", **options).raise_for_status().text)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def event(number: int | str) -> dict[str, Any]:
    """A Segment track call."""
    return {
        "userId": f"user-{number}",
        "event": "Report Created",
        "messageId": f"message-{number}",
        "context": {"groupId": "acme"},
    }


def samples(text: str) -> dict[str, float]:
    """Prometheus' text as `name{label="value"}` -> value, names and labels in order."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def start(folder: Path, *options: str, env: Mapping[str, str] | None = None) -> Served:
    """Start a server on a free port and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trialwise", "serve", "--port", "0", "-C", str(folder), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    served = Served("", process)
    atexit.register(process.kill)  # whatever becomes of the test, nothing of it stays
    listens = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                served.lines.append(line.rstrip("\n"))
                if found := LISTENING.search(served.lines[-1]):
                    served.url = found.group(1) or found.group(2)
                    listens.set()
        listens.set()

    threading.Thread(target=read, daemon=True).start()
    assert listens.wait(PATIENCE), served.lines
    if not served.url:
        raise AssertionError(f"the server ended with {process.wait(10)}: {served.lines}")
    return served


@contextmanager
def serving(folder: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A server for the length of the block; it has to end well."""
    served = start(folder, *options, env=env)
    try:
        yield served
    except BaseException:
        served.process.kill()
        served.process.wait()
        raise
    if served.process.poll() is None:
        assert served.end() == 0, served.lines


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until a condition holds; what it returned."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.02)
    return found
