"""RELIABILITY row 18: objects appear, change and vanish between the pages of a list that is being read.

Whatever existed throughout is in the raw rows, at the newest state the list showed or newer; even when the very object
that a page is continued from is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.stripe import StripeFake, customers
from tests.fakes.stripe.server import Call
from tests.fakes.stripe.store import Object
from tests.stripe import doors
from tests.stripe.cast import midnight
from tests.stripe.tables import raw

ACTS = ("create", "delete", "delete the cursor", "change")
Acts = list[tuple[str, int]]


@contextmanager
def company(count: int, *, stay: bool) -> Iterator[StripeFake]:
    """A fake with so many customers, made a second apart, some of them in one second."""
    with StripeFake(now=midnight(2)) as fake:
        fake.world.settings.customers_stay_cursors = stay
        for number in range(count):
            customers.create(fake.test, {"name": f"c{number}", "metadata": {"account_id": f"a{number}"}})
            fake.clock.advance(seconds=number % 3)
        yield fake


class Meddler:
    """Changes the world whenever a page of customers is asked for."""

    def __init__(self, fake: StripeFake, acts: list[Acts]) -> None:
        self._fake = fake
        self._acts = iter(acts)
        self.gone: set[str] = set()
        self.made: set[str] = set()
        self.before = {thing["id"] for thing in self.living()}
        fake.api.before_call.append(self._meddle)

    def rest(self) -> None:
        """Leave the world alone from now on."""
        self._acts = iter([])

    def living(self) -> list[Object]:
        """The customers there are, oldest first."""
        return [thing for thing in self._fake.test.store.of("customer") if not thing.get("_deleted")]

    def _meddle(self, call: Call) -> None:
        if call.path == "/v1/customers":
            with self._fake.world.lock:
                for act, number in next(self._acts, []):
                    self._do(act, number, call.params.get("starting_after"))

    def _do(self, act: str, number: int, cursor: Any) -> None:
        living = [thing["id"] for thing in self.living()]
        chosen = living[number % len(living)]
        if act == "create":
            self.made.add(customers.create(self._fake.test, {"name": f"new {number}"})["id"])
        elif act == "change":
            customers.update(self._fake.test, chosen, {"name": f"changed {number}"})
        else:
            victim = cursor if act == "delete the cursor" else chosen
            if victim in living:
                customers.delete(self._fake.test, victim)
                self.gone.add(victim)


def customers_landed(folder: Path) -> set[str]:
    """Ids of the customers whose snapshots came."""
    return {id_ for kind, id_, _ in raw(folder) if kind == "object" and id_.startswith("cus_")}


acts = st.lists(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 400)), max_size=4), min_size=1, max_size=6)
IMPORTS = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=4)


def check(meddling: list[Acts], count: int, stay: bool) -> None:
    """A first import, a poll and a reconcile of a company that changes while it is read; then one of a company at rest.

    A list shows what existed throughout its reading: what is made behind the reader's back waits for the next one.
    """
    with TemporaryDirectory() as place, company(count, stay=stay) as fake:
        folder = doors.workspace(Path(place) / "a", api_base=fake.url)
        meddler = Meddler(fake, meddling)
        doors.by_api(folder)
        throughout = meddler.before - meddler.gone
        assert throughout <= customers_landed(folder)
        doors.by_api(folder)
        events = {id_ for kind, id_, _ in raw(folder) if kind == "event"}
        assert events == set(fake.test.log.entries), "what was made meanwhile is found by its events"
        before = {thing["id"] for thing in meddler.living()}
        doors.by_api(folder, "--reconcile")
        assert before - meddler.gone <= customers_landed(folder)
        meddler.rest()
        doors.by_api(folder, "--reconcile")
        assert {thing["id"] for thing in meddler.living()} <= customers_landed(folder)


@IMPORTS
@given(meddling=acts, count=st.integers(201, 230), stay=st.booleans())
def test_what_existed_throughout_is_found(meddling: list[Acts], count: int, stay: bool) -> None:
    check(meddling, count, stay)


@pytest.mark.parametrize("stay", [True, False])
def test_the_object_a_page_is_continued_from_is_gone(stay: bool) -> None:
    check([[], [("delete the cursor", 0)], [("delete the cursor", 0), ("create", 1)]], 205, stay)


def test_what_is_made_while_the_last_page_is_read_waits_for_the_next_reading() -> None:
    check([[], [], [], [], [], [("create", 0)]], 201, stay=False)


@pytest.mark.long
@settings(IMPORTS, max_examples=100)
@given(meddling=acts, count=st.integers(90, 320), stay=st.booleans())
def test_what_existed_throughout_is_found_always(meddling: list[Acts], count: int, stay: bool) -> None:
    check(meddling, count, stay)
