"""RELIABILITY row 21: a large file of which one line in a hundred is bad, in every way a line can be.

The generator knows the truth: line, byte offset, bytes and reason of every bad line. The import runs in a process of
its own, whose memory is measured.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trialwise.engines.duckdb import connect

MEMORY_LIMIT = "512MB"  # of the engine, as [workspace] memory_limit sets it
LANDING_MB = 250  # peak of a process that lands a file, whatever its size
LOADING_MB = 1_200  # peak of one that loads it: the engine's limit, its buffers outside of it, and the libraries

RUNNER = """
import json, resource, sys
from datetime import datetime
from pathlib import Path
from trialwise.engines.duckdb import connect
from trialwise.landing.folder import Landing
from trialwise.landing.load import load
from trialwise.landing.settings import LoadSettings
from trialwise.sources.files import open_file

def peak():
    # not ru_maxrss, which begins with that of the process this one was forked from
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024

folder, path, limit = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
landing = Landing(folder / "landing")
receipt = landing.land(open_file(path), landed_at=datetime(2026, 3, 1))
landed_mb = peak()
engine = connect(folder / "store.duckdb", memory_limit=limit)
report = load(engine, landing, LoadSettings(), landed_at=datetime(2026, 3, 1))
engine.close()
print(json.dumps({
    "received": receipt.received, "loaded": report.loaded, "duplicate": report.duplicate,
    "quarantined": report.quarantined, "landed_mb": landed_mb, "loaded_mb": peak(),
}))
"""


@dataclass(frozen=True)
class Bad:
    """A bad line: where its record begins, its bytes without line end, and why it is refused."""

    line: int
    offset: int
    data: bytes
    reason: str


def good(number: int) -> bytes:
    record = {
        "event": f"Report {number % 17} Created", "id": f"id-{number}", "user_id": f"user {number % 9973} Ü",
        "account_id": f"account-{number % 1999}",
        "timestamp": f"2026-01-{number % 28 + 1:02d}T10:{number % 60:02d}:00Z",
        "properties": {"rows": number % 1000, "title": "quarterly {figures}"},
    }  # fmt: skip
    return json.dumps(record, ensure_ascii=False).encode()


def spoilt(line: bytes, number: int, chance: random.Random) -> tuple[bytes, str]:
    """A bad line in the place of a good one, and the reason it is refused for."""
    kind = number % 7
    if kind == 0:
        return line[: chance.randrange(20, len(line) - 2)].decode("utf-8", "ignore").encode(), "bad_json"
    if kind == 1:
        place = line.index(b"Report")
        return line[:place] + b"\xe9\xff" + line[place:], "bad_utf8"
    if kind == 2:
        return line + chance.choice((b"", b" ")) + line, "two_records"
    if kind == 3:
        return b"\xef\xbb\xbf" + line, "bad_json"  # a byte order mark is no content at the beginning of the file alone
    if kind == 4:
        return line.replace(b'"rows": ', b'"rows": NaN, "more": '), "not_a_number"
    if kind == 5:
        return line.replace(b"quarterly", b"\x00"), "nul"
    return line.replace(b"2026-01", b"2026-13"), "bad_timestamp"


def lines(count: int, seed: int) -> Iterator[tuple[bytes, bytes | None, str]]:
    """(line end, bad bytes or None, reason) of each record; blank lines hide in the line ends."""
    chance = random.Random(seed)
    bad = set(chance.sample(range(1, count + 1), count // 100))
    ends = (b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\n \n")
    for number in range(1, count + 1):
        found = spoilt(good(number), number, chance) if number in bad else (None, "")
        yield chance.choice(ends), *found


def write(path: Path, count: int, seed: int, *, mended: bool = False) -> list[Bad]:
    """Write the file: a byte order mark first, no line feed last. The bad lines come back, or are written mended."""
    truth = []
    with path.open("wb") as stream:
        offset = stream.write(b"\xef\xbb\xbf")
        line = 1
        for number, (end, bad, reason) in enumerate(lines(count, seed), 1):
            data = good(number) if bad is None or mended else bad
            if bad is not None and not mended:
                truth.append(Bad(line, offset, bad, reason))
            offset += stream.write(data)
            if number < count:
                offset += stream.write(end)
                line += end.count(b"\n")
    return truth


def run(folder: Path, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", RUNNER, str(folder), str(path), MEMORY_LIMIT]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_one_line_in_a_hundred_is_bad(tmp_path: Path, count: int) -> None:
    path = tmp_path / "events.ndjson"
    truth = write(path, count, seed=21)
    assert {bad.reason for bad in truth} == {
        "bad_json", "bad_utf8", "two_records", "not_a_number", "nul", "bad_timestamp",
    }  # fmt: skip
    first = run(tmp_path, path)
    assert (first["received"], first["loaded"], first["quarantined"]) == (count, count - count // 100, count // 100)
    assert first["landed_mb"] < LANDING_MB
    assert first["loaded_mb"] < LOADING_MB
    store = connect(tmp_path / "store.duckdb", read_only=True)
    found = store.rows("SELECT file, line, byte_offset, raw, reason FROM raw.quarantine ORDER BY line")
    assert found == [("events.ndjson", bad.line, bad.offset, bad.data, bad.reason) for bad in truth]
    store.close()
    write(path, count, seed=21, mended=True)
    second = run(tmp_path, path)
    assert (second["loaded"], second["duplicate"], second["quarantined"]) == (count // 100, count - count // 100, 0)
    print(json.dumps({"first": first, "second": second}))  # noqa: T201
