"""RELIABILITY row 17: 429, 5xx, resets, silence, cut and slow bodies, and kill -9 of the import at any request.

Whatever happens on the way, the raw rows in the end are those of an import that nothing disturbed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any
from unittest.mock import patch

import pytest

from tests.fakes.stripe import TEST_KEY, StripeFake, customers
from tests.fakes.stripe.server import Call
from tests.stripe import doors
from tests.stripe.cast import Cast, midnight, play
from tests.stripe.tables import raw
from trialwise import stripe_intake
from trialwise.sources.stripe import api

ROOT = Path(__file__).resolve().parents[2]
Rows = list[tuple[str, str, str]]


@pytest.fixture(scope="module")
def fake() -> Iterator[StripeFake]:
    """The whole cast and 230 customers more: three pages of them, and five of events."""
    with StripeFake(now=midnight()) as started:
        play(Cast(started, midnight()))
        for number in range(230):
            customers.create(started.test, {"name": f"No trial {number}", "email": f"{number}@example.com"})
        started.clock.advance(hours=1)
        yield started


@pytest.fixture(autouse=True)
def healthy(fake: StripeFake) -> Iterator[None]:
    """No fault outlives its test."""
    yield
    fake.faults.clear()
    fake.api.before_call.clear()


@pytest.fixture(scope="module")
def undisturbed(fake: StripeFake, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The rows of an import that nothing disturbed."""
    folder = doors.workspace(tmp_path_factory.mktemp("undisturbed") / "a", api_base=fake.url)
    doors.by_api(folder)
    rows = raw(folder)
    assert len(rows) > 700
    return rows


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """The seconds that the importer wanted to wait, without the waiting."""
    asked: list[float] = []
    patient = {"backoff": replace(api.TRIES, sleep=asked.append)}
    with patch.dict(stripe_intake.import_api.__kwdefaults__, patient):
        yield asked


def calls(fake: StripeFake, since: int) -> list[tuple[str, Any, int]]:
    """Path, cursor and status of the calls since then, but for the last look at the newest events."""
    made = [call for call in fake.api.calls[since:] if "created" not in call.params]
    return [(call.path, call.params.get("starting_after"), call.status) for call in made]


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/events", {"kind": "status", "status": 429}),
    ("/v1/customers", {"kind": "status", "status": 500}),
    ("/v1/events", {"kind": "status", "status": 503, "count": 3}),
    ("/v1/customers", {"kind": "reset"}),
    ("/v1/events", {"kind": "silence", "seconds": 0.05}),
    ("/v1/events", {"kind": "cut", "count": 2}),
    ("/v1/customers", {"kind": "lost"}),
    ("/v1/events", {"kind": "slow", "seconds": 0.2}),
]


@pytest.mark.parametrize(("path", "fault"), FAULTS, ids=[f"{fault['kind']} of {path}" for path, fault in FAULTS])
def test_a_fault_on_the_way_changes_nothing(
    tmp_path: Path, fake: StripeFake, undisturbed: Rows, waits: list[float], path: str, fault: dict[str, Any]
) -> None:
    folder = doors.workspace(tmp_path / "a", api_base=fake.url)
    fake.faults.add(**fault, path=path, after=1)
    begun = len(fake.api.calls)
    doors.by_api(folder)
    assert raw(folder) == undisturbed
    asked = [cursor for called, cursor, _ in calls(fake, begun) if called == path and cursor]
    times = 0 if fault["kind"] == "slow" else fault.get("count", 1)
    assert len(waits) == times
    assert asked.count(asked[0]) == times + 1, "the same page again, not the list from its start"


def test_retry_after_is_obeyed_and_waits_grow_with_jitter(
    tmp_path: Path, fake: StripeFake, undisturbed: Rows, waits: list[float]
) -> None:
    folder = doors.workspace(tmp_path / "a", api_base=fake.url)
    fake.faults.add("status", status=429, path="/v1/customers", retry_after="7", count=2)
    fake.faults.add("status", status=503, path="/v1/invoices", count=5)
    doors.by_api(folder)
    assert raw(folder) == undisturbed
    assert min(waits[:2]) >= 7
    assert all(0 <= wait <= 32 for wait in waits[2:])
    assert len({round(wait, 6) for wait in waits[2:]}) == 5, "never two equal: jitter"
    assert max(waits[5:]) > max(waits[2:4])


def test_it_gives_up_with_a_word_and_goes_on_at_the_cursor(
    tmp_path: Path, fake: StripeFake, undisturbed: Rows, waits: list[float]
) -> None:
    folder = doors.workspace(tmp_path / "a", api_base=fake.url)
    fault = fake.faults.add("status", status=500, path="/v1/customers", after=2, count=10_000)
    said = doors.by_api(folder, code=1).err
    assert fault.hits == api.TRIES.tries
    assert "500" in said or "unknown error" in said.lower()
    assert "trialwise import stripe" in said
    fake.faults.clear()
    begun = len(fake.api.calls)
    doors.by_api(folder)
    assert raw(folder) == undisturbed
    asked = [cursor for path, cursor, _ in calls(fake, begun) if path == "/v1/customers"]
    assert None not in asked, "the two pages that had come are not asked for again"


def test_a_bad_key_is_told_at_once(tmp_path: Path, fake: StripeFake, waits: list[float]) -> None:
    folder = doors.workspace(tmp_path / "a", api_base=fake.url)
    begun = len(fake.api.calls)
    said = doors.by_api(folder, code=1, given="sk_test_wrongwrongwrong").err
    assert "TRIALWISE_STRIPE_KEY" in said
    assert "wrongwrongwrong" not in said
    assert waits == []
    assert len(calls(fake, begun)) == 1


def test_what_a_restricted_key_may_not_read_is_named(tmp_path: Path, fake: StripeFake, waits: list[float]) -> None:
    folder = doors.workspace(tmp_path / "a", api_base=fake.url)
    readable = ("account", "events", "customers", "products", "prices", "coupons", "subscriptions", "invoices")
    key = fake.restrict("rk_test_limited", *readable)
    said = doors.by_api(folder, given=key).err
    assert "charges" in said
    assert "permission" in said.lower() or "may not" in said.lower()
    assert {kind for kind, _, _ in raw(folder)} == {"event", "object"}


class Killer:
    """Kills the importing process with -9 when the fake gets its n-th request, or a moment after."""

    def __init__(self, fake: StripeFake, rng: Random) -> None:
        self._fake = fake
        self._rng = rng

    def run(self, folder: Path, spare: int | None) -> int:
        """One run of the command; returns its exit code. `spare` requests are answered, None: all."""
        words = [sys.executable, "-m", "trialwise", "import", "stripe", "-C", str(folder)]
        environment = {**os.environ, "TRIALWISE_STRIPE_KEY": TEST_KEY, "PYTHONPATH": str(ROOT / "src")}
        process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seen = 0

        def hook(call: Call) -> None:
            nonlocal seen
            seen += 1
            if spare is not None and seen == spare + 1:
                if self._rng.random() < 0.4:
                    os.kill(process.pid, signal.SIGKILL)
                else:
                    timer = Timer(self._rng.random() * 0.05, process.kill)
                    timer.daemon = True
                    timer.start()

        self._fake.api.before_call.append(hook)
        _, said = process.communicate(timeout=120)
        self._fake.api.before_call.remove(hook)
        assert process.returncode in (0, -signal.SIGKILL), said.decode()
        return process.returncode


def killed_and_resumed(folder: Path, fake: StripeFake, kills: int, seed: int) -> Rows:
    """The rows after this many kills and an import that was left alone."""
    rng = Random(seed)
    killer = Killer(fake, rng)
    doors.workspace(folder, api_base=fake.url)
    for _ in range(kills):
        killer.run(folder, rng.randrange(0, 12))
    assert killer.run(folder, None) == 0
    return raw(folder)


def test_kill_9_at_random_requests_and_resume(tmp_path: Path, fake: StripeFake, undisturbed: Rows) -> None:
    assert killed_and_resumed(tmp_path / "a", fake, 4, 17) == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_many_kills(tmp_path: Path, fake: StripeFake, undisturbed: Rows, seed: int) -> None:
    assert killed_and_resumed(tmp_path / "a", fake, 20, seed) == undisturbed
