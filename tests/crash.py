"""Kill a process at every step it takes on the disk, one after the other."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STEPS = ("open", "write", "pwrite", "writev", "fsync", "fdatasync", "rename", "replace", "unlink", "remove",
         "truncate", "ftruncate", "link", "mkdir", "rmdir")  # fmt: skip
"""The calls before which a crash leaves a state of its own on the disk."""
SECONDS = 150  # after which a process that does not end is taken for hanging


def crash_at_every_step(
    folder: Path, prepare: Callable[[Path], None], act: Callable[[Path], None], *, every: int = 1, most: int = 2000
) -> Iterator[Path]:
    """For the 1st, 2nd, ... step of `act` in turn: a folder made by `prepare`, in which a process was killed right
    before that step. The last folder is that of a process that came to its end.

    act: a function of a module, since it runs in processes of its own: one that imports it and has no threads yet,
    forked anew for each step.
    """
    command = [sys.executable, "-m", "tests.crash", act.__module__, act.__qualname__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "POLARS_MAX_THREADS": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        for step in range(1, most, every):
            place = folder / f"crash{step}"
            place.mkdir()
            prepare(place)
            driver.stdin.write(f"{step} {place}\n")
            driver.stdin.flush()
            status = int(driver.stdout.readline())
            assert status in (0, -signal.SIGKILL), f"step {step}: the process ended with {status} by itself"
            yield place
            if status == 0:
                assert step > 1, "nothing was killed"
                driver.stdin.close()
                return
    raise AssertionError(f"still not done after {most} steps")


def _drive(act: Callable[[Path], None]) -> None:
    """Read 'step folder' lines; carry each out in a process of its own and answer how it ended."""
    for line in sys.stdin:
        step, _, place = line.strip().partition(" ")
        child = os.fork()
        if child == 0:
            signal.alarm(SECONDS)
            _die_before(int(step))
            code = 1
            try:
                act(Path(place))
                code = 0
            except BaseException as error:  # told by the exit code; the text is for whoever looks
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _die_before(step: int) -> None:
    """Kill this process right before its n-th step."""
    left = [step]

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return counting

    for name in STEPS:
        setattr(os, name, watched(getattr(os, name)))


if __name__ == "__main__":
    _drive(getattr(importlib.import_module(sys.argv[1]), sys.argv[2]))
