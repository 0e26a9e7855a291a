"""Signals that end a server reach it whatever its main thread is at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from trialwise.server.stop import Stop

WAITS = """
import sys
from trialwise.server.stop import Stop

stop = Stop.by_signals()
print("ready", flush=True)
stop.wait(lambda: print("at once", flush=True))
assert stop.is_asked
print("asked", flush=True)
if "drains" in sys.argv:
    stop._asked._cond.acquire()  # held for ever, by the main thread itself
    import threading
    threading.Event().wait()
"""
FROM_THE_HANDLER = """
from trialwise.server.stop import Stop

stop = Stop.by_signals()
with stop._asked._cond:  # what a signal finds when it interrupts the wait itself
    print("ready", flush=True)
    import sys, time
    sys.stdin.readline()
    time.sleep(0.01)  # handlers run here, if they run at all
print("let go", flush=True)
stop.wait(lambda: None)
print("asked", flush=True)
"""


LISTENS = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # also where nohup started the tests


def run(text: str, *options: str, before: str = LISTENS) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", before + text, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_asks(number: signal.Signals) -> None:
    process = run(WAITS)
    process.send_signal(number)
    assert process.communicate(timeout=120)[0] == "asked\n"
    assert process.returncode == 0


def test_the_second_ends_it_whatever_the_main_thread_waits_for() -> None:
    process = run(WAITS, "drains")
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[0] == "at once\n"
    assert process.returncode == 1


def test_a_signal_in_the_middle_of_the_wait_is_not_lost() -> None:
    process = run(FROM_THE_HANDLER)
    process.send_signal(signal.SIGTERM)
    assert process.communicate("on\n", timeout=120)[0] == "let go\nasked\n"
    assert process.returncode == 0


def test_nohups_choice_stands() -> None:
    process = run(WAITS, before="import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)  # of two that were heard, the second would end it with 1
    assert process.communicate(timeout=120)[0] == "asked\n"
    assert process.returncode == 0


def test_who_goes_on_because_of_the_second_signal_ends_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread sees that its collectors are gone before the signal's thread has ended the process."""
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    stop = Stop()
    stop._at_once = stop.obey
    stop._signalled()
    stop.obey()
    assert left == []
    stop._signalled()
    assert left == [1, 1]
