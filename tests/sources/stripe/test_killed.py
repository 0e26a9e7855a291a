"""The importing process dies by kill -9 in the middle of an answer; the next one goes on at the cursor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.sources.stripe.conftest import KEY
from tests.sources.stripe.double import Double

from trialwise import pipeline
from trialwise.clock import utc_now
from trialwise.sources.stripe.session import epoch
from trialwise.workspace import Workspace

COMMAND = [sys.executable, "-m", "trialwise", "import", "stripe", "-C"]


def test_killed_with_kill_9_again_and_again_nothing_is_lost_and_nothing_counts_twice(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = epoch(utc_now() - timedelta(days=9))
    for number in range(450):
        double.event(f"evt_{number:03}", start + number)
        double.add("customer", f"cus_{number:03}", start + number)
        double.add("invoice", f"in_{number:03}", start + number)
    (tmp_path / "trialwise.toml").write_text(f'[stripe]\napi_base = "{double.base}"\n')
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", KEY)
    running: list[subprocess.Popen[bytes]] = []

    def die(seen: Any) -> None:
        if len(double.seen) >= until:
            os.kill(running[-1].pid, signal.SIGKILL)

    double.before_answer = die
    until = 0
    for pages in (3, 5, 7):
        until = len(double.seen) + pages
        running.append(subprocess.Popen([*COMMAND, str(tmp_path)], stderr=subprocess.DEVNULL))
        assert running[-1].wait(60) == -signal.SIGKILL
    double.before_answer = lambda seen: None
    subprocess.run([*COMMAND, str(tmp_path)], check=True, capture_output=True, timeout=60)
    workspace = Workspace.open(tmp_path)
    statement = (
        "SELECT kind, object_type, count(*), count(DISTINCT coalesce(event_id, object_id)) FROM raw.stripe GROUP BY ALL"
    )
    rows = pipeline.owning(workspace, lambda store, _: store.rows(statement))
    assert sorted(rows) == [
        ("event", "customer", 450, 450),
        ("object", "customer", 450, 450),
        ("object", "invoice", 450, 450),
    ]
    loads = "SELECT sum(received), sum(duplicate), sum(quarantined) FROM raw.loads"
    [(received, duplicate, quarantined)] = pipeline.owning(workspace, lambda store, _: store.rows(loads))
    assert (received - duplicate, quarantined) == (1350, 0)
    assert duplicate <= 100 * len(running)
