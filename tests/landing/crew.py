"""Processes of the crash tests: writers with a log of their own, sealers, imports. Light to start.

python -m tests.landing.crew write FOLDER NAME | seal FOLDER    until it is killed, or FOLDER/stop is there
"""

from __future__ import annotations

import json
import os
import random
import sys
from datetime import datetime
from pathlib import Path

from trialwise.landing.folder import Landing
from trialwise.landing.frame import Piece
from trialwise.landing.journal import Arrival, Channel, Journal

NOW = datetime(2026, 3, 1, 12)
COLLECTOR = Channel("events", "segment", "collector")


def arrival(*names: str) -> Arrival:
    """One request whose calls have these messageIds."""
    pieces: list[Piece] = []
    for line, name in enumerate(names, 1):
        body = {"type": "track", "event": "E", "userId": "ana", "messageId": name}
        pieces.append((line, None, json.dumps(body).encode(), None, None, None))
    return Arrival(NOW, pieces)


def seal(folder: Path) -> None:
    """Seal once."""
    Landing(folder / "landing").seal(NOW)


def land(folder: Path) -> None:
    """Import FOLDER/many.ndjson in several segments."""
    from trialwise.sources.files import open_file

    Landing(folder / "landing", segment_bytes=1).land(open_file(folder / "many.ndjson"), landed_at=NOW)


def write(folder: Path) -> None:
    """Append six requests to journals that are soon full."""
    landing = Landing(folder / "landing", segment_bytes=700)
    with Journal(landing, COLLECTOR, "w") as journal, Log(folder / "w.log") as log:
        for number in range(6):
            journal.append([arrival(f"m{number}")])
            log.note([f"m{number}"])


class Log:
    """What one writer was told is durable. Not through the calls at which the crash tests kill."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("ab", buffering=0)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def note(self, names: list[str]) -> None:
        self._stream.write("".join(f"{name}\n" for name in names).encode())


def write_on(folder: Path, name: str) -> None:
    """Append requests of 1 to 5 records until told to stop."""
    landing = Landing(folder / "landing", segment_bytes=20_000)
    chance = random.Random(name)
    number = 0
    with Journal(landing, COLLECTOR, name) as journal, Log(folder / f"{name}.log") as log:
        while not (folder / "stop").exists():
            names = [f"{name}-{number + k}" for k in range(chance.randint(1, 5))]
            number += len(names)
            journal.append([arrival(*names)])
            log.note(names)


def seal_on(folder: Path, name: str) -> None:
    """Seal until told to stop; the log counts how often there was something."""
    with Log(folder / f"{name}.seals") as log:
        while not (folder / "stop").exists():
            if Landing(folder / "landing").seal(NOW):
                log.note([str(os.getpid())])


if __name__ == "__main__":
    {"write": write_on, "seal": seal_on}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
