"""The command line run inside the test process, as a user's shell would see it."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from trialwise import cli


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, and what it wrote."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """stdout as JSON rows."""
        found = json.loads(self.out)
        assert isinstance(found, list)
        return found


def run(*arguments: str | Path, code: int = 0) -> Ran:
    """Run `trialwise ARGUMENTS` and expect its exit code."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    found = 0
    words = ["trialwise", *map(str, arguments)]
    with patch.object(sys, "argv", words), patch.object(sys, "stdout", out), patch.object(sys, "stderr", err):
        try:
            cli.main()
        except SystemExit as stopped:
            found = stopped.code if isinstance(stopped.code, int) else 1
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    ran = Ran(found, *texts)
    assert ran.code == code, f"exit code {ran.code}, expected {code}\n{ran.out}\n{ran.err}"
    return ran


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    """Records as NDJSON."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path
