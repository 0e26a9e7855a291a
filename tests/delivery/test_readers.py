"""Many read while refreshes publish: each answer is wholly of one generation, and nobody is refused or goes back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from tests.command import write_lines
from tests.reading import Answers, answers

from trialwise.answers import open_results
from trialwise.arrivals import import_files
from trialwise.pipeline import refresh
from trialwise.workspace import Workspace

PROCESSES, READERS = 4, 4
"""Sixteen readers together."""
REFRESHES = 4


def _use(workspace: Workspace, folder: Path, number: int) -> None:
    """A new user of some running trials, the day before the clock."""
    results = open_results(workspace)
    accounts = results.trials()["account_id"][number : number + 5].to_list()
    moment = (results.moment.as_of - timedelta(days=1)).isoformat() + "Z"
    results.close()
    calls = [
        {"event": "Query Run", "user_id": f"new-{number}", "account_id": account, "timestamp": moment}
        for account in accounts
    ]
    import_files(workspace, [write_lines(folder / f"use-{number}.ndjson", calls)], kind="events")


def test_sixteen_read_while_refreshes_publish(company: Path, tmp_path: Path) -> None:
    folder, stop = tmp_path / "company", tmp_path / "stop"
    shutil.copytree(company, folder)
    workspace = Workspace.open(folder)
    published: list[Answers] = [answers(workspace)]
    command = [sys.executable, "-m", "tests.reading", str(folder), str(stop), str(READERS)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    try:
        for number in range(REFRESHES):
            _use(workspace, tmp_path, number)
            refresh(workspace, full=number == 2)
            published.append(answers(workspace))
    finally:
        stop.touch()
    told = [reader.communicate(timeout=120)[0] for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * PROCESSES
    read = [[(number, digest) for number, digest in json.loads(line)] for text in told for line in text.splitlines()]
    assert len(read) == PROCESSES * READERS
    assert len(dict(published)) == len({digest for _, digest in published}) == REFRESHES + 1, "each says something else"
    for one in read:
        assert set(one) <= set(published), "half of one generation and half of another"
        assert all(before[0] <= after[0] for before, after in pairwise(one)), "back to an older generation"
    assert len({number for one in read for number, _ in one}) > REFRESHES // 2, "they read while it was refreshed"
