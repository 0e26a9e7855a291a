"""Being the one process that works on a workspace by itself: taken at the start, let go at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import structlog

from trialwise.errors import StoreLocked
from trialwise.owner.service import Owner
from trialwise.server.stop import Stop
from trialwise.workspace import Claimed, Workspace, claim

STORE_SECONDS = 600.0
"""How long a command may keep the store when a scheduler starts; then the scheduler ends, naming it."""
SAID_AFTER_SECONDS = 2.0
"""After which who waits for it says so, and again after every STORE_SECONDS."""
LAST_WORK_SECONDS = 20.0
"""How long work that runs when the end comes may take to be finished; after that it is dropped, as by a crash."""
LAST_NOTES_SECONDS = 5.0
"""How long what is done may take to note its end in the ledger and to answer who asked for it."""
log = structlog.get_logger("trialwise.server")


@contextmanager
def only_one(workspace: Workspace) -> Iterator[None]:
    """Be the only server or scheduler of a workspace; raises StoreLocked naming the other, and since when it runs."""
    try:
        with claim(workspace.data / "server.lock"):
            yield
    except Claimed as error:
        raise StoreLocked(
            f"a server or scheduler runs on {workspace.folder} already: process {error.holder}"
            f"{f', since {error.since}' if error.since else ''}",
            "One is enough: it does what is due, and --workers gives a server more collectors. To replace it, stop it.",
        ) from error


@contextmanager
def owned(
    workspace: Workspace, stop: Stop, *, seconds: float = STORE_SECONDS, **said: str
) -> Iterator[Workspace | None]:
    """Own the store; a command that has it is waited for, and `said` goes with the word of that.

    None where the end was asked for meanwhile; raises StoreLocked naming the command after `seconds`.
    """
    began, tell_at = time.monotonic(), SAID_AFTER_SECONDS

    def goes_on(holder: str) -> bool:
        nonlocal tell_at
        waited = time.monotonic() - began
        if waited >= tell_at:
            log.warning("waiting for the store", process=holder, seconds=round(waited), **said)
            tell_at += STORE_SECONDS
        return waited < seconds and not stop.is_asked

    with ExitStack() as held:
        mine = None
        try:
            mine = held.enter_context(replace(workspace, patience=goes_on).owned())
        except StoreLocked:
            if not stop.is_asked:
                raise
        yield mine


def finish(owner: Owner) -> None:
    """Give work on the store its time, then end; what is only waiting for somebody else's answer is dropped at once.

    Dropped is what a crash would drop: nothing of it was published, and nothing that was received is lost.
    """
    until = time.monotonic() + LAST_WORK_SECONDS
    while owner.is_busy and time.monotonic() < until:
        time.sleep(0.05)
    if not owner.running:
        owner.join(LAST_NOTES_SECONDS)  # the interpreter must not end under a thread that is still noting it
    if owner.running:
        log.warning("ended before it was done", work=list(owner.running))
        sys.stderr.flush()
        os._exit(0)  # threads inside the database, or asleep, cannot be asked to stop
