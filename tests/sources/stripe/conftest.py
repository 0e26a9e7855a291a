"""A double of Stripe, and a run of the importer against it that keeps what it lands in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.sources.stripe.double import Double, running

from trialwise.sources.backoff import Backoff
from trialwise.sources.piece import Piece
from trialwise.sources.stripe import importer
from trialwise.sources.stripe.api import Api
from trialwise.sources.stripe.key import read_key
from trialwise.sources.stripe.known import Known
from trialwise.sources.stripe.session import Session
from trialwise.sources.stripe.state import State, read_state, written

KEY = "sk_test_Canary0123456789"
NOW = datetime(2026, 3, 1, 12, 0, 0)


@dataclass
class Bench:
    """The importer with everything it needs, and a clock that stands still until it is moved."""

    double: Double
    folder: Path
    key: str = KEY
    now: datetime = NOW
    landed: list[tuple[datetime | None, list[Piece]]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    on_land: Callable[[], None] = lambda: None
    on_keep: Callable[[], None] = lambda: None
    chance: float = 0.5
    last: Session | None = None

    def run(self, since: datetime | None = None, reconcile: bool = False) -> Session:
        """One run, as a process of its own would make it."""
        key = read_key(self.key, "any")
        backoff = Backoff(tries=4, first_seconds=1.0, sleep=self.waits.append, chance=lambda: self.chance)
        known = Known(self.folder / "known.sqlite")
        try:
            session = Session(
                api=Api(key, self.double.base, backoff=backoff, now=lambda: self.now),
                land=self._land,
                known=known,
                keep=self._keep,
                state=read_state(self.kept),
                now=lambda: self.now,
                report=lambda step, done, total: None,
            )
            self.last = session
            importer.run(session, key, since=since, reconcile=reconcile)
        finally:
            known.close()
        return session

    def later(self, **span: float) -> None:
        """Move the clock on."""
        self.now += timedelta(**span)

    @property
    def state(self) -> State:
        """What is kept between runs."""
        return read_state(self.kept)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Everything landed so far, in order."""
        return [json.loads(piece.data) for _, pieces in self.landed for piece in pieces]

    def ids(self, kind: str) -> list[str]:
        """Ids of what landed of a type, in order."""
        return [record["id"] for record in self.records if record["object"] == kind]

    def _land(self, received_at: datetime | None, pieces: Any) -> None:
        self.on_land()
        self.landed.append((received_at, list(pieces)))

    def _keep(self, state: State) -> None:
        self.on_keep()
        self.kept = json.loads(json.dumps(written(state)))


@pytest.fixture
def double() -> Iterator[Double]:
    with running(Double()) as double:
        yield double


@pytest.fixture
def bench(double: Double, tmp_path: Path) -> Bench:
    return Bench(double, tmp_path)
