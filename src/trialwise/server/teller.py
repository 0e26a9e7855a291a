"""What the owner's work came to: logged, and told to the collectors."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from trialwise import answers, freshness, upkeep
from trialwise.clock import utc_now
from trialwise.errors import InputError, NotFoundError, StoreError, TrialwiseError
from trialwise.freshness import Freshness
from trialwise.jobs import Job
from trialwise.landing.report import LoadReport
from trialwise.runs import Ledger, Skipped
from trialwise.server import metrics, state
from trialwise.server.state import State
from trialwise.stripe_intake import StripeImported, stripe_state
from trialwise.workspace import Workspace

OFTEN = ("load", "watch", "pull", "stripe poll")
"""Work that is done all the time: worth a line when it brought something, took long, or went wrong before."""
ASKED = ("quarantine", "results")
"""Work that only commands ask for."""
log = structlog.get_logger("trialwise.server")


class Teller:
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
        """Before the jobs of the schedule; what failed when it last ran, by whomever, fails until it goes well."""
        failed = self._failed()
        with self._mutex:
            for job in jobs:
                self._state = self._state.plans(
                    job.name, job.timetable.spacing(utc_now()), is_source=job.is_source, is_failing=job.name in failed
                )
            state.write(self._workspace.run, self._state)

    def _failed(self) -> frozenset[str]:
        try:
            return frozenset(run.job for run in Ledger(self._workspace.data).latest() if run.status == "failed")
        except StoreError as error:
            log.warning("no run ledger", error=error.message)
            return frozenset()

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
            if isinstance(result, StripeImported):
                told = replace(told, unlanded=told.unlanded + result.forgotten)
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
            published = freshness.published_at(self._workspace)
            return replace(
                told,
                published_at=published,
                freshness=self._freshness(told, published),
                recoveries=len(upkeep.recovered(self._workspace)),
                stripe_polled_at=stripe.last_polled_at,
                stripe_reconciled_at=stripe.last_reconciled_at,
                stripe_gaps=len(gaps),
                stripe_gap=sum((gap.ends - gap.begins).total_seconds() for gap in gaps if gap.begins is not None),
            )
        except TrialwiseError as error:
            log.error("state not read", error=str(error))
            return told

    def _freshness(self, told: State, published: datetime | None) -> Freshness:
        """How fresh the results are; their moment is looked up where others were published."""
        found, before = freshness.look(self._workspace), told.freshness
        if published is None:
            return found
        if published == told.published_at and before.generation is not None:
            return replace(found, generation=before.generation, as_of=before.as_of, known_at=before.known_at)
        with closing(answers.open_results(self._workspace)) as results:
            return found.of(results)
