"""A file with a known share of bad lines, and an import killed at any moment: nothing is lost, nothing doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.landing.kit import NOW, Kit, event

from trialwise.sources.files import open_file

BAD = (
    b'{"event":"E","user_id":"ana","timest',
    b'{"event":"\xe9"}',
    b'{"event":"E","user_id":"null"}',
    b'{"a":1}{"b":2}',
    b"[",
)


def test_one_percent_of_bad_lines(kit: Kit) -> None:
    chance = random.Random(7)
    bad = {n: chance.choice(BAD) for n in chance.sample(range(1, 30_001), 300)}
    lines = [bad.get(n) or json.dumps(event(id=f"e{n}")).encode() for n in range(1, 30_001)]
    path = kit.folder / "big.ndjson"
    ends = chance.choices([b"\n", b"\r\n", b"\n\n"], k=len(lines))
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(line + end for line, end in zip(lines, ends, strict=True)).rstrip())
    kit.landing.land(open_file(path), landed_at=NOW)
    report = kit.load()
    assert (report.received, report.loaded, report.quarantined) == (30_000, 29_700, 300)
    data = path.read_bytes()
    for offset, raw in kit.rows("SELECT byte_offset, raw FROM raw.quarantine"):
        assert raw in BAD
        assert data[offset : offset + len(raw)] == raw
    mended = [json.dumps(event(id=f"e{n}")).encode() for n in range(1, 30_001)]
    path.write_bytes(b"\n".join(mended))
    kit.landing.land(open_file(path), landed_at=NOW)
    report = kit.load()
    assert (report.loaded, report.duplicate, report.quarantined) == (300, 29_700, 0)


LANDER = """
import sys
from datetime import datetime
from pathlib import Path
from trialwise.landing.folder import Landing
from trialwise.sources.files import open_file
landing = Landing(Path(sys.argv[1]), segment_bytes=50_000)
for path in sorted(Path(sys.argv[2]).glob("*.ndjson")):
    landing.land(open_file(path), landed_at=datetime(2026, 3, 1))
    print(path.name, flush=True)
"""


def test_a_killed_import_loses_and_doubles_nothing(kit: Kit) -> None:
    files = kit.folder / "files"
    files.mkdir()
    for n in range(30):
        lines = (json.dumps(event(id=f"{n}-{i}")) + "\n" for i in range(9000))
        (files / f"{n:03d}.ndjson").write_text("".join(lines))
    chance = random.Random(11)
    acknowledged: set[str] = set()
    for _attempt in range(6):
        command = [sys.executable, "-c", LANDER, str(kit.landing.folder), str(files)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            acknowledged.add(process.stdout.readline().strip())
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            acknowledged.update(line.strip() for line in process.stdout if line.endswith("\n"))
    landed = {entry.file for entry in kit.landing.manifest().imports}
    assert acknowledged <= landed
    for path in sorted(files.glob("*.ndjson")):
        kit.landing.land(open_file(Path(path)), landed_at=NOW)
    report = kit.load()
    assert (report.received, report.loaded, report.quarantined) == (270_000, 270_000, 0)
