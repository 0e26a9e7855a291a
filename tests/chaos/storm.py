"""Kills a server at fail points and at random while a client sends, then asks the client's log what is missing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.company import Company, Say, kill
from tests.chaos.points import POINTS, RANDOM, Point
from tests.chaos.report import Report
from tests.serving import PATIENCE
from trialwise.errors import TrialwiseError
from trialwise.owner import asking

FIRES_WITHIN = 120.0  # seconds, of which most pass only on a machine that does other things


def storm(
    folder: Path,
    kills: int,
    seed: int,
    say: Say = lambda _: None,
    points: Sequence[Point] = POINTS,
    chosen: Sequence[str] = RANDOM,
    every: int = 2,
    note: Callable[[Report], None] = lambda _: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Report:
    """Kill at least `kills` times: at every one of `points`, again and again, and after `every` of them at
    random, of the `chosen` kinds in turn.

    note: called with the report as it grows. is_over: asked after every kill; then the verdict comes early.
    """
    company = Company(folder, seed, say)
    try:
        company.begin()
        for action in _Weather(company).plan(kills, points, chosen, every):
            action()
            company.look()
            note(company.report)
            if is_over():
                break
        company.calm()
    finally:
        company.clear()
    return company.report


class _Weather:
    """Which kills come when, and how each is brought about."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._chance = company.chance
        self._report = company.report
        self._token = 0

    def plan(self, kills: int, points: Sequence[Point], chosen: Sequence[str], every: int) -> list[Callable[[], None]]:
        """The first refresh, then fail points in rounds, each in another order, with kills at random between."""
        first = [point for point in points if point.cause == "first refresh"]
        others = [point for point in points if point.cause != "first refresh"]
        actions: list[Callable[[], None]] = [self._point(point) for point in first]
        actions.append(self._company.refresh)
        planned, turn = len(first), 0
        while planned < kills:
            is_whole = planned == len(first)  # the first round leaves none out
            for number, point in enumerate(self._chance.sample(others, len(others))):
                actions.append(self._point(point))
                planned += 1 + (point.cause in ("restart", "damage"))
                if chosen and number % every == every - 1:
                    actions.append(self._random(chosen[turn % len(chosen)]))
                    planned += 1 + (chosen[turn % len(chosen)] == "start")
                    turn += 1
                if planned >= kills and not is_whole:
                    break
        return actions

    def _point(self, point: Point) -> Callable[[], None]:
        return lambda: self._strike(point)

    def _random(self, kind: str) -> Callable[[], None]:
        return lambda: self._strike_by_chance(kind)

    # ── kills at fail points ─────────────────────────────────────────────────

    def _arm(self, point: Point, nth: int) -> Path:
        self._token += 1
        token = f"{self._token:05d}"
        told = {
            "token": token, "role": point.role, "call": point.call, "match": point.match, "via": point.via,
            "nth": nth, "when": point.when,
        }  # fmt: skip
        fresh = self._company.faults / ".armed"
        fresh.write_text(json.dumps(told))
        fresh.rename(self._company.faults / "armed")
        return self._company.faults / token

    def _disarm(self) -> None:
        (self._company.faults / "armed").unlink(missing_ok=True)

    def _strike(self, point: Point) -> None:
        time.sleep(self._chance.uniform(0, 0.3))
        self._company.say(f"{self._report.killed + 1}: {point.stage}, {point.name}")
        if point.cause in ("restart", "damage"):
            self._strike_start(point)
            return
        fired = self._arm(point, self._chance.randint(1, point.most))
        if not self._cause(point, fired):
            self._disarm()
            if not fired.exists():
                fired = self._arm(point, 1)  # there were fewer such calls than that
                if not self._cause(point, fired):
                    self._disarm()
                    self._company.wrong(
                        f"the fail point '{point.name}' did not fire: {self._company.served.lines[-2:]}"
                    )
                    return
        self._count(point.stage, point.name)
        if point.role == "parent":
            self._company.again()
        elif self._company.served.process.poll() is not None:
            self._company.wrong(f"the server ended with a {point.role}")
            self._company.again()

    def _count(self, stage: str, name: str | None = None) -> None:
        self._report.kills[stage] += 1
        if name is not None:
            self._report.points[name] += 1

    def _cause(self, point: Point, fired: Path) -> bool:
        """Do what makes the call happen; whether the point fired."""
        if point.cause == "traffic":
            return _until(fired.exists, FIRES_WITHIN)
        if point.cause == "import":
            return self._company.import_file(fired)
        if point.cause == "refresh typed":
            return self._company.command(["refresh"], fired, point.role)
        task = asking.compact if point.cause == "compact" else asking.refresh
        failed: list[str] = []

        def ask() -> None:
            try:
                task(self._company.workspace)
            except TrialwiseError as error:
                failed.append(str(error))
            except Exception as error:
                self._company.wrong(f"{point.cause} at '{point.name}' raised {error!r}")

        thread = threading.Thread(target=ask)
        thread.start()
        while thread.is_alive() and not fired.exists():
            thread.join(0.02)
        if fired.exists():
            self._company.served.process.wait(PATIENCE)
            thread.join(PATIENCE)
            if not failed:
                self._company.wrong(f"{point.cause} was answered although its owner was killed at '{point.name}'")
            return True
        if failed:
            self._company.wrong(f"{point.cause} failed by itself: {failed}")
        return False

    def _strike_start(self, point: Point) -> None:
        """Kill the server, and the next one while it starts; then a third one has to come up."""
        before = next(one for one in POINTS if one.name == "taken")
        if point.cause == "restart":
            fired = self._arm(before, 1)
            if not self._cause(before, fired):
                self._disarm()
                self._company.wrong(f"the fail point '{before.name}' did not fire")
                return
            self._count(before.stage, before.name)
        else:
            self._company.kill_all()
            self._count("random everything")
        self._company.served.process.wait(PATIENCE)
        if point.cause == "damage":
            self._company.damage()
        fired = self._arm(point, 1)
        try:
            self._company.start()
            went = _until(fired.exists, FIRES_WITHIN)
        except AssertionError:  # killed before it listened
            went = fired.exists()
        if not went:
            self._disarm()
            self._company.wrong(f"the fail point '{point.name}' did not fire: {self._company.served.lines[-3:]}")
            return
        self._count(point.stage, point.name)
        self._company.again()

    # ── kills at random ──────────────────────────────────────────────────────

    def _strike_by_chance(self, kind: str) -> None:
        self._company.say(f"{self._report.killed + 1}: random, {kind}")
        time.sleep(self._chance.uniform(0, 1.5))
        if kind == "collector":
            _until(self._company.served.children, FIRES_WITHIN)
            was = any(kill(pid) for pid in self._chance.sample(self._company.served.children(), 1))
        elif kind == "parent":
            self._company.served.process.kill()
            was = True
            self._company.again()
        elif kind == "everything":
            was = self._company.kill_all()
            self._company.again()
        elif kind == "start":
            self._count("random parent")
            was = self._company.kill_at_start()
        elif kind == "refresh command":
            was = self._company.kill_command(["refresh"], self._chance.uniform(0.3, 3))
        else:
            was = self._company.import_file(None, self._chance.uniform(0.3, 1.5))
        if was:
            self._count(f"random {kind}")


def _until(condition: Callable[[], Any], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.01)
    return True
