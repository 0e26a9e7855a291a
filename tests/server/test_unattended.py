"""`trialwise schedule` as its users meet it: one process that does what is due, alone, and gives way to nobody."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.command import run
from tests.serving import PATIENCE, until

from trialwise.runs import Ledger
from trialwise.workspace import Workspace

QUIET = "[schedule]\nload_seconds = 3600\nrefresh_minutes = 1440\n"


@contextmanager
def scheduler(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A scheduler for the length of the block, in a folder of its own for what it says."""
    with (folder / "said.txt").open("a") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "trialwise", "schedule", "-C", str(folder), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, text=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def said(folder: Path) -> str:
    return (folder / "said.txt").read_text()


def ledger(folder: Path) -> Ledger:
    return Ledger(Workspace.open(folder).data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trialwise.toml").write_text(QUIET)
    return tmp_path


def test_what_is_due_is_done_and_what_is_not_is_not(folder: Path) -> None:
    with scheduler(folder, "--once") as first:
        assert first.wait(PATIENCE) == 0
    assert [(kept.job, kept.status) for kept in ledger(folder).runs()] == [("refresh", "ok"), ("load", "ok")]
    with scheduler(folder, "--once") as second:
        assert second.wait(PATIENCE) == 0
    rows = run("runs", "-f", "json", "-C", folder).rows()
    assert [(row["job"], row["asked_by"], row["status"]) for row in rows] == [
        ("load", "start", "ok"), ("refresh", "schedule", "ok"),
    ]  # fmt: skip
    assert rows[1]["generation"] == 1
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:00Z", rows[1]["slot"])
    shown = run("runs", "show", str(rows[1]["run_id"]), "-C", folder).out
    assert "job .......... refresh\n" in shown
    assert "models: " in shown


def test_commands_are_carried_out_by_it_and_noted(folder: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.csv"
    events.write_text("event,user_id,account_id,timestamp\nOpened,u1,a1,2026-03-01T12:00:00Z\n")
    with scheduler(folder) as process:
        until(lambda: ledger(folder).last_ok("refresh"), 60)  # what is done at the start is done
        run("import", "events", events, "-C", folder)
        run("refresh", "-C", folder)
        run("compact", "-C", folder)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    asked = [kept for kept in ledger(folder).runs() if kept.asked_by == "command"]
    assert [(kept.job, kept.status, kept.rows, kept.slot) for kept in asked] == [
        ("compact", "ok", None, None), ("refresh", "ok", 0, None), ("import events", "ok", 1, None),
    ]  # fmt: skip
    assert [kept.pid for kept in asked] == [process.pid, process.pid, os.getpid()]
    assert asked[1].watermark == 1


@pytest.mark.parametrize(("options", "exit_code"), [((), 0), (("--once",), 1)])
def test_asked_to_end_while_it_waits_for_the_store(folder: Path, options: tuple[str, ...], exit_code: int) -> None:
    with Workspace.open(folder).lock(), scheduler(folder, *options) as process:
        until(lambda: '"waiting for the store"' in said(folder))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == exit_code
    assert "at work" not in said(folder)
    assert ("nothing was done" in said(folder)) == bool(options), "who asks for what is due must know that it is not"


def test_one_that_is_killed_leaves_word_and_no_lock(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=10) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/deals"
        (folder / "trialwise.toml").write_text(QUIET + f'[sources.http.crm]\nurl = "{url}"\n')
        for attempt in (1, 2):
            with scheduler(folder) as process:
                until(
                    lambda pid=process.pid: (
                        ("pull crm", pid) in {(kept.job, kept.pid) for kept in ledger(folder).runs()}
                    ),
                )
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE)
            killed = ledger(folder).runs(job="pull crm")
            assert [kept.status for kept in killed] == attempt * ["killed"]
            assert len({kept.slot for kept in killed}) == 1, "it was tried again, as the same slot"
        with scheduler(folder, "--once") as third:
            assert third.wait(PATIENCE) == 0, "what kills its process twice waits for its next time"
    assert len(ledger(folder).runs(job="pull crm")) == 2


def test_jobs_that_fail_are_named_at_the_end(folder: Path) -> None:
    (folder / "trialwise.toml").write_text(QUIET + '[sources.files.drop]\nfolder = "missing"\n')
    with scheduler(folder, "--once") as process:
        assert process.wait(PATIENCE) == 1
    assert "trialwise: failed: watch drop\nSee 'trialwise runs --status failed'." in said(folder)
    [row] = run("runs", "--status", "failed", "-f", "json", "-C", folder).rows()
    assert row["job"] == "watch drop"
    assert "missing" in row["error"]


def test_a_list_that_is_none_is_told_at_the_start(folder: Path) -> None:
    (folder / "trialwise.toml").write_text(QUIET + '[delivery]\nlists = ["hot_trails"]\nat = "07:00"\n')
    with scheduler(folder, "--once") as process:
        assert process.wait(PATIENCE) == 1
    assert "[delivery] lists names 'hot_trails', which is no list; did you mean 'hot_trials'?" in said(folder)
    assert ledger(folder).runs() == []


TWO_AT_ONCE = """
import os, sys
import trialwise.server.unattended
from trialwise import cli

for line in sys.stdin:
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            sys.argv = ["trialwise", "schedule", "-C", line.strip()]
            os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
            cli.main()
            sys.stderr.flush()
            os._exit(0)
        children.append(child)
    for child in children:
        ended, status = os.wait()
        print(ended, os.waitstatus_to_exitcode(status), *children, flush=True)
"""


def races(folder: Path, count: int) -> None:
    """Start two at once, again and again: one is at work, the other names it and ends."""
    with scheduler(folder, "--once") as process:  # so that there is something to find, and nothing to refresh
        assert process.wait(PATIENCE) == 0
    with (
        (folder / "said.txt").open("a") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", TWO_AT_ONCE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as driver,
    ):
        assert driver.stdin is not None
        assert driver.stdout is not None
        for _ in range(count):
            (folder / "said.txt").write_text("")
            driver.stdin.write(f"{folder}\n")
            driver.stdin.flush()
            ended, code, *both = map(int, driver.stdout.readline().split())
            [first] = set(both) - {ended}
            assert code == 1
            naming = rf"runs on \S+ already: process {first}, since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ\n"
            assert re.search(naming, said(folder)), said(folder)
            until(lambda: "at work on" in said(folder))
            os.kill(first, signal.SIGTERM)
            assert driver.stdout.readline().split()[:2] == [str(first), "0"]
        driver.stdin.close()
    kept = ledger(folder).runs()
    assert max(Counter((done.job, done.slot) for done in kept).values()) == 1
    assert Counter(done.job for done in kept)["refresh"] == 1


def test_of_two_that_start_at_once_one_is_at_work(folder: Path) -> None:
    races(folder, 10)


@pytest.mark.long
def test_of_two_that_start_at_once_one_is_at_work_fifty_times(folder: Path) -> None:
    races(folder, 50)
