"""`trialwise serve`: the process that owns the workspace, and everything that lives and ends with it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from trialwise import answers, logs, upkeep
from trialwise.clock import utc_now
from trialwise.config.environment import Secrets
from trialwise.errors import InputError, NotFoundError, StoreError, StoreLocked, TrialwiseError
from trialwise.keys import Keys
from trialwise.landing.report import LoadReport
from trialwise.owner.service import Owner
from trialwise.scheduler import Job, Schedule, Skipped, jobs_of
from trialwise.server import binding, metrics, state
from trialwise.server.children import Children
from trialwise.server.state import State
from trialwise.server.stop import Stop
from trialwise.sources.webhooks import check_providers
from trialwise.stripe_intake import stripe_state
from trialwise.workspace import Claimed, Workspace, claim

STORE_SECONDS = 10.0
"""How long a command that owns the store may take to let go of it when a server starts."""
LAST_WORK_SECONDS = 20.0
"""How long work that runs when the end comes may take to be finished; after that it is dropped, as by a crash."""
OFTEN = ("load", "watch", "pull", "stripe poll")
"""Work that is done all the time: worth a line when it brought something, took long, or went wrong before."""
ASKED = ("quarantine", "results")
"""Work that only commands ask for."""
log = structlog.get_logger("trialwise.server")


def serve(folder: Path, *, host: str | None = None, port: int | None = None, workers: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT; host, port and workers stand in place of those of [server].

    Raises ConfigError for an address that cannot be, or must not be, listened on, StoreLocked when the workspace has a
    server already or the store another owner, StartFailed when a collector cannot be started.
    """
    workspace = Workspace.open(folder)
    secrets = Secrets()
    check_providers(secrets.webhooks)
    section = workspace.config.server
    host = section.host if host is None else host
    binding.check_exposed(host, section.public_url, Keys(workspace.keys))
    logs.configure(logs.secrets_of(secrets), process="server")
    stop = Stop.by_signals()
    with ExitStack() as held:
        held.enter_context(_only_server(workspace))
        listening = held.enter_context(binding.bind(host, section.port if port is None else port))
        owned = held.enter_context(_owned(workspace, stop))
        teller = _Teller(owned)
        owner = Owner(owned, teller.worked)
        children = Children(workspace, listening, host, workers or section.workers, teller.restarted)
        commands = owner.serve(workspace.socket)
        jobs = jobs_of(workspace.config, secrets)
        schedule = Schedule(owner, jobs, teller.begins)
        try:
            if children.start(lambda: stop.is_asked):
                log.info(
                    "webhooks",
                    open=", ".join(sorted(name for name, some in secrets.webhooks.items() if some)) or "none",
                )
                teller.plans(jobs)
                schedule.start()
                logs.say(f"listening on {binding.url_of(listening)}")
                stop.wait(children.kill)
        finally:
            log.info("ending")
            listening.close()
            schedule.stop()
            owner.stop()
            children.end()
            commands.join()
            _finish(owner)
    log.info("ended")


@contextmanager
def _only_server(workspace: Workspace) -> Iterator[None]:
    try:
        with claim(workspace.data / "server.lock"):
            yield
    except Claimed as error:
        raise StoreLocked(
            f"a server runs on {workspace.folder} already: process {error.holder}",
            "One is enough: --workers gives it more collectors. To replace it, stop that process first.",
        ) from error


@contextmanager
def _owned(workspace: Workspace, stop: Stop) -> Iterator[Workspace]:
    """Own the store; a command that has it is waited for a while."""
    until = time.monotonic() + STORE_SECONDS
    with ExitStack() as held:
        while True:
            try:
                owned = held.enter_context(workspace.owned())
                break
            except StoreLocked:
                if time.monotonic() >= until or stop.is_asked:
                    raise
            time.sleep(0.1)
        yield owned


class _Teller:
    """Logs the owner's work and tells the collectors of it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._mutex = threading.Lock()
        try:
            metrics.prepare(workspace.run)
        except OSError as error:
            raise StoreError(f"{workspace.run} cannot be written: {error}", "Make room and start again.") from error
        self._state = self._seen(State(pid=os.getpid(), started_at=utc_now()))
        state.write(workspace.run, self._state)

    def plans(self, jobs: Sequence[Job]) -> None:
        """Before the jobs of the schedule."""
        with self._mutex:
            for job in jobs:
                self._state = self._state.plans(job.name, job.every, is_source=job.is_source)
            state.write(self._workspace.run, self._state)

    def begins(self, name: str) -> None:
        """Before a job's run."""
        with self._mutex:
            self._state = self._state.begins(name, utc_now())
            state.write(self._workspace.run, self._state)

    def worked(self, name: str, seconds: float, error: TrialwiseError | None, result: Any) -> None:
        """After a piece of work; see owner.service.Report."""
        loaded = result if isinstance(result, LoadReport) else getattr(result, "loaded", None)
        counts = (
            {"received": loaded.received, "quarantined": loaded.quarantined} if isinstance(loaded, LoadReport) else {}
        )
        if isinstance(error, InputError | NotFoundError) and name.startswith(ASKED):
            log.info("command refused", work=name, error=error.message)  # the asker's mistake, not the owner's
            return
        now = utc_now()
        if isinstance(result, Skipped):
            log.info("work skipped", work=name, why=result.why)
            with self._mutex:
                self._state = self._state.left_out(name, now)
                state.write(self._workspace.run, self._state)
            return
        if error is not None:
            log.error("work failed", work=name, seconds=round(seconds, 3), error=str(error))
        elif not name.startswith(OFTEN) or counts.get("received") or seconds > 1 or name in self._state.failing:
            log.info("work done", work=name, seconds=round(seconds, 3), **counts)
        with self._mutex:
            told = self._state.ran(name, now, seconds, failed=error is not None)
            if isinstance(loaded, LoadReport):
                told = told.with_load(loaded)
            if error is None and name in ("load", "refresh"):
                told = replace(told, loaded_at=now)
            self._state = self._seen(told)
            state.write(self._workspace.run, self._state)

    def restarted(self) -> None:
        """After a collector died."""
        with self._mutex:
            self._state = replace(self._state, restarts=self._state.restarts + 1)
            state.write(self._workspace.run, self._state)

    def _seen(self, told: State) -> State:
        """With what the workspace's files say."""
        try:
            stripe = stripe_state(self._workspace)
            gaps = stripe.open_gaps
            return replace(
                told,
                published_at=answers.published_at(self._workspace),
                recoveries=len(upkeep.recovered(self._workspace)),
                stripe_polled_at=stripe.last_polled_at,
                stripe_reconciled_at=stripe.last_reconciled_at,
                stripe_gaps=len(gaps),
                stripe_gap=sum((gap.ends - gap.begins).total_seconds() for gap in gaps if gap.begins is not None),
            )
        except TrialwiseError as error:
            log.error("state not read", error=str(error))
            return told


def _finish(owner: Owner) -> None:
    """Give work on the store its time, then end; what is only waiting for somebody else's answer is dropped at once.

    Dropped is what a crash would drop: nothing of it was published, and nothing that was received is lost.
    """
    until = time.monotonic() + LAST_WORK_SECONDS
    while owner.is_at_store and time.monotonic() < until:
        time.sleep(0.05)
    if owner.running:
        log.warning("ended before it was done", work=list(owner.running))
        sys.stderr.flush()
        os._exit(0)  # threads inside the database, or asleep, cannot be asked to stop
