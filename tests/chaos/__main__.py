"""python -m tests.chaos --kills 1000 --seed 1 --out docs/reliability.json: the storm, with its report as a file."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.chaos.report import Report
from tests.chaos.storm import storm


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("--kills", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--out", type=Path, help="the report as JSON, written anew after every kill")
    asked.add_argument("--folder", type=Path, help="an empty folder to work in, kept; else one that is removed")
    options = asked.parse_args()
    asked_to_end = threading.Event()

    def end(*_: object) -> None:
        """The first signal asks for the verdict on what has been, the second one ends at once."""
        if asked_to_end.is_set():
            sys.exit("stopped")
        asked_to_end.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)

    def note(report: Report) -> None:
        if options.out is not None:
            options.out.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")

    def say(line: str) -> None:
        sys.stderr.write(line + "\n")

    with tempfile.TemporaryDirectory(prefix="storm-") as temporary:
        folder = options.folder or Path(temporary)
        report = storm(folder, options.kills, options.seed, say, note=note, is_over=asked_to_end.is_set)
    note(report)
    told = report.as_json()
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 1 if told["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
