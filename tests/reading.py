"""A reader of published results, again and again until it is told to stop; run as `python -m tests.reading`."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from pathlib import Path

from trialwise.answers import open_results
from trialwise.workspace import Workspace

Answers = tuple[int, str]
PAUSE = 2.0
"""Seconds between two answers of one reader: sixteen without a pause would leave the refresh no processor."""


def answers(workspace: Workspace) -> Answers:
    """The current generation's number, and a digest of what it says in answers that are asked for one by one."""
    results = open_results(workspace)
    try:
        said = [results.trials(every=True), results.metrics("trial_conversion"), results.segments(), results.leads()]
        parts = [repr(frame.rows()) for frame in said] + [str(results.explain(said[0]["trial_id"][0]))]
        return results.number, hashlib.sha256("\n".join(parts).encode()).hexdigest()
    finally:
        results.close()


def read_until(workspace: Workspace, stop: Path, found: list[Answers]) -> None:
    """Ask over and over."""
    while not stop.exists():
        found.append(answers(workspace))
        time.sleep(PAUSE)


def main(folder: Path, stop: Path, readers: int) -> None:
    """Several readers at once in this process; each writes a line with what it read."""
    read: list[list[Answers]] = [[] for _ in range(readers)]
    workspace = Workspace.open(folder)
    threads = [threading.Thread(target=read_until, args=(workspace, stop, found)) for found in read]
    for thread in threads:
        thread.start()
    for thread, found in zip(threads, read, strict=True):
        thread.join()
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
