"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is (0 when unknown)."""

PLAIN_SECONDS = 5.0  # without a terminal, one line this often at most


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """Yield the function long work reports to; the bar is gone when the block ends."""
    if sys.stderr.isatty():
        with _bar(title) as report:
            yield report
    else:
        yield _plain(title)


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def report(step: str, done: int, total: int) -> None:
            bar.update(task, description=f"{title}: {step}", completed=done, total=total or None)

        yield report


def _plain(title: str) -> Report:
    last = time.monotonic()

    def report(step: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS:
            last = now
            share = f" {100 * done // total} %" if total else ""
            sys.stderr.write(f"{title}: {step}{share}\n")

    return report


def step(report: Report | None, name: str) -> Callable[[int, int], None]:
    """A report on one named part of the work alone, told how much is done and how much there is."""

    def told(done: int, total: int) -> None:
        if report is not None:
            report(name, done, total)

    return told
