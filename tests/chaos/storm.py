"""Kills a server at fail points and at random while a client sends, then asks the client's log what is missing."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos import oracle, sender
from tests.chaos.points import POINTS, RANDOM, Point
from tests.chaos.report import Report
from tests.command import run
from tests.serving import Served, start
from trialwise.errors import NotFoundError, TrialwiseError
from trialwise.owner import asking
from trialwise.pipeline import open_results
from trialwise.workspace import Workspace

FAULTS = Path(__file__).with_name("faults")
WORKERS = 2
FIRES_WITHIN = 120.0  # seconds, of which most pass only on a machine that does other things
CONFIG = """
[server]
workers = 2
[landing]
compact_after_days = 0
[schedule]
load_seconds = 1
refresh_minutes = 1
[trials]
length_days = 14
"""
EXPECTED = ("collector died, starting another", "collector killed")
Say = Callable[[str], None]


def storm(
    folder: Path,
    kills: int,
    seed: int,
    say: Say = lambda _: None,
    points: Sequence[Point] = POINTS,
    chosen: Sequence[str] = RANDOM,
    note: Callable[[Report], None] = lambda _: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Report:
    """Kill at least `kills` times: at every one of `points`, again and again, with kills at random of the `chosen`
    kinds between.

    note: called with the report as it grows. is_over: asked after every kill; then the verdict comes early.
    """
    weather = _Weather(folder, seed, say)
    try:
        weather.begin()
        for action in weather.plan(kills, points, chosen):
            action()
            weather.look()
            note(weather.report)
            if is_over():
                break
        weather.calm()
    finally:
        weather.clear()
    return weather.report


class _Weather:
    def __init__(self, folder: Path, seed: int, say: Say) -> None:
        self.report = Report(seed)
        self._folder = folder / "company"
        self._log = folder / "sent.ndjson"
        self._faults = folder / "faults"
        self._chance = random.Random(seed)
        self._say = say
        self._started = time.monotonic()
        self._port = _free_port()
        self._token = 0
        self._files = 0
        self._last_read = 0
        self._published = False
        self._folder.mkdir()
        self._faults.mkdir()
        (self._folder / "trialwise.toml").write_text(CONFIG)
        self._workspace = Workspace.open(self._folder)
        self._server: Served | None = None
        self._all: list[Served] = []
        self._sender: subprocess.Popen[bytes] | None = None
        self._own = sender.Log(self._log)

    # ── the server and its client ────────────────────────────────────────────

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": os.pathsep.join([str(FAULTS), *filter(None, sys.path)]),
            "STORM_FAULTS": str(self._faults),
            "TRIALWISE_WEBHOOK_STRIPE": sender.STRIPE_SECRET,
            "TRIALWISE_WEBHOOK_SENDGRID": sender.sendgrid_public(),
        }

    def begin(self) -> None:
        """Start server and client."""
        self._start()
        self._sender = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.sender", f"http://127.0.0.1:{self._port}", str(self._log),
             str(self.report.seed)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip

    def _start(self) -> None:
        started = time.monotonic()
        self._server = start(self._folder, "--port", str(self._port), "--workers", str(WORKERS), env=self._environment)
        self._all.append(self._server)
        self.report.restarts.append(time.monotonic() - started)

    @property
    def _served(self) -> Served:
        assert self._server is not None
        return self._server

    def _again(self) -> None:
        """After the server was killed: what it said is looked through, and another one started."""
        code = self._served.process.wait(30)
        if code != -signal.SIGKILL:
            self._wrong(f"the server ended with {code} by itself: {self._served.lines[-3:]}")
        self._start()

    def _read_lines(self, lines: Sequence[str]) -> None:
        """Nothing but killed collectors is an error."""
        for line in lines:
            told = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
            if "Traceback" in line or (told.get("level") == "error" and told.get("event") not in EXPECTED):
                self._wrong(f"the server said {line[:2000]}")

    def _wrong(self, what: str) -> None:
        self._say(f"WRONG: {what}")
        self.report.problems.append(what)

    # ── the plan ─────────────────────────────────────────────────────────────

    def plan(self, kills: int, points: Sequence[Point], chosen: Sequence[str]) -> list[Callable[[], None]]:
        """The first refresh, then fail points in rounds, each in another order, with one kill at random after two."""
        first = [point for point in points if point.cause == "first refresh"]
        others = [point for point in points if point.cause != "first refresh"]
        actions: list[Callable[[], None]] = [self._point(point) for point in first]
        actions.append(self._refresh)
        planned, turn = len(first), 0
        while planned < kills:
            is_whole = planned == len(first)  # the first round leaves none out
            for number, point in enumerate(self._chance.sample(others, len(others))):
                actions.append(self._point(point))
                planned += 1 + (point.cause in ("restart", "damage"))
                if chosen and number % 2 == 1:
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
        fresh = self._faults / ".armed"
        fresh.write_text(json.dumps(told))
        fresh.rename(self._faults / "armed")
        return self._faults / token

    def _disarm(self) -> None:
        (self._faults / "armed").unlink(missing_ok=True)

    def _strike(self, point: Point) -> None:
        time.sleep(self._chance.uniform(0, 0.3))
        self._say(f"{self.report.killed + 1}: {point.stage}, {point.name}")
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
                    self._wrong(f"the fail point '{point.name}' did not fire: {self._served.lines[-2:]}")
                    return
        self._count(point.stage, point.name)
        if point.role == "parent":
            self._again()
        elif self._served.process.poll() is not None:
            self._wrong(f"the server ended with a {point.role}")
            self._again()

    def _count(self, stage: str, name: str | None = None) -> None:
        self.report.kills[stage] += 1
        if name is not None:
            self.report.points[name] += 1

    def _cause(self, point: Point, fired: Path) -> bool:
        """Do what makes the call happen; whether the point fired."""
        if point.cause == "traffic":
            return _until(fired.exists, FIRES_WITHIN)
        if point.cause == "import":
            return self._import(fired)
        if point.cause == "refresh typed":
            return self._command(["refresh"], fired, point.role)
        task = asking.compact if point.cause == "compact" else asking.refresh
        failed: list[str] = []

        def ask() -> None:
            try:
                task(self._workspace)
            except TrialwiseError as error:
                failed.append(str(error))
            except Exception as error:
                self._wrong(f"{point.cause} at '{point.name}' raised {error!r}")

        thread = threading.Thread(target=ask)
        thread.start()
        while thread.is_alive() and not fired.exists():
            thread.join(0.02)
        if fired.exists():
            self._served.process.wait(30)
            thread.join(30)
            if not failed:
                self._wrong(f"{point.cause} was answered although its owner was killed at '{point.name}'")
            return True
        if failed:
            self._wrong(f"{point.cause} failed by itself: {failed}")
        return False

    def _command(self, words: Sequence[str], fired: Path | None, role: str) -> bool:
        """Type a command; whether the point fired on the way."""
        process = self._type(words)
        _, said = process.communicate(timeout=120)
        if b"Traceback" in said:
            self._wrong(f"{words} said {said.decode()[-2000:]}")
        if fired is None or not fired.exists():
            if process.returncode != 0:
                self._wrong(f"{words} ended with {process.returncode}: {said.decode()[-500:]}")
            return False
        wanted = -signal.SIGKILL if role == "command" else 1
        if process.returncode != wanted:
            self._wrong(f"{words} ended with {process.returncode}, not {wanted}: {said.decode()[-500:]}")
        return True

    def _type(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "trialwise", *words, "-C", str(self._folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._environment},
        )

    def _file(self) -> tuple[str, Path]:
        """A file of events nobody sent yet; (its name in the log, path)."""
        self._files += 1
        name = f"file-{self._files}"
        ids = [str(UUID(int=self._chance.getrandbits(128), version=4)) for _ in range(20)]
        self._own.write(sending=name, kind="file", events=ids, identities=[], stripe=[], bad={})
        path = self._faults.parent / f"{name}.ndjson"
        path.write_text("".join(
            json.dumps({"type": "track", "userId": "file", "event": "Imported", "messageId": identifier,
                        "timestamp": "2026-01-01T00:00:00Z"}) + "\n"
            for identifier in ids
        ))  # fmt: skip
        return name, path

    def _import(self, fired: Path | None, after: float | None = None) -> bool:
        """Import a file by a command that is killed, then again by one that is not; whether the first one was."""
        name, path = self._file()
        words = ["import", "events", str(path)]
        self._own.write(tried=name)
        if fired is not None:
            was = self._command(words, fired, "command")
        else:
            assert after is not None
            was = self._kill_command(words, after)
        self._own.write(tried=name)
        self._command(words, None, "command")
        self._own.write(acknowledged=name)
        path.unlink()
        return was

    def _strike_start(self, point: Point) -> None:
        """Kill the server, and the next one while it starts; then a third one has to come up."""
        before = next(one for one in POINTS if one.name == "taken")
        if point.cause == "restart":
            fired = self._arm(before, 1)
            if not self._cause(before, fired):
                self._disarm()
                self._wrong(f"the fail point '{before.name}' did not fire")
                return
            self._count(before.stage, before.name)
        else:
            self._kill_all()
            self._count("random everything")
        self._served.process.wait(30)
        if point.cause == "damage":
            self._damage()
        fired = self._arm(point, 1)
        try:
            self._start()
            went = _until(fired.exists, FIRES_WITHIN)
        except AssertionError:  # killed before it listened
            went = fired.exists()
        if not went:
            self._disarm()
            self._wrong(f"the fail point '{point.name}' did not fire: {self._served.lines[-3:]}")
            return
        self._count(point.stage, point.name)
        self._again()

    def _damage(self) -> None:
        """Take from the store's file what a disk may that did not keep its promise: all of it, or its headers."""
        store = self._folder / "data" / "store.duckdb"
        if self._chance.random() < 0.5:
            os.truncate(store, 0)
        else:
            with store.open("r+b") as stream:
                stream.write(bytes(3 * 4096))
        for kept in store.parent.glob("store.duckdb.damaged-*"):
            kept.write_bytes(b"")  # room for the next ones
        self.report.recoveries += 1

    # ── kills at random ──────────────────────────────────────────────────────

    def _strike_by_chance(self, kind: str) -> None:
        self._say(f"{self.report.killed + 1}: random, {kind}")
        time.sleep(self._chance.uniform(0, 1.5))
        if kind == "collector":
            _until(self._served.children, FIRES_WITHIN)
            was = any(_kill(pid) for pid in self._chance.sample(self._served.children(), 1))
        elif kind == "parent":
            self._served.process.kill()
            was = True
            self._again()
        elif kind == "everything":
            was = self._kill_all()
            self._again()
        elif kind == "start":
            was = self._kill_at_start()
        elif kind == "refresh command":
            was = self._kill_command(["refresh"], self._chance.uniform(0.3, 3))
        else:
            was = self._import(None, self._chance.uniform(0.3, 1.5))
        if was:
            self._count(f"random {kind}")

    def _kill_at_start(self) -> bool:
        """Kill the server, and the next one somewhere on its way; whether that was still alive."""
        self._served.process.kill()
        self._served.process.wait(30)
        self._count("random parent")
        with (self._faults.parent / "starts.log").open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "trialwise", "serve", "--port", str(self._port), "-C", str(self._folder)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                env={**os.environ, **self._environment},
            )  # fmt: skip
        time.sleep(self._chance.uniform(0.2, 2.5))
        process.kill()
        code = process.wait()
        self._start()
        return code == -signal.SIGKILL

    def _kill_all(self) -> bool:
        for pid in self._served.children():
            _kill(pid)
        return _kill(self._served.process.pid)

    def _kill_command(self, words: Sequence[str], after: float) -> bool:
        process = self._type(words)
        time.sleep(after)
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL

    # ── what has to be so all the time, and at the end ───────────────────────

    def _refresh(self) -> None:
        """One that nobody disturbs."""
        asking.refresh(self._workspace)
        self.report.refreshes += 1
        self._published = True

    def look(self) -> None:
        """Results that were there once stay readable, and never go back."""
        try:
            results = open_results(self._workspace)
        except NotFoundError:
            if self._published:
                self._wrong("published results are gone")
            return
        except TrialwiseError as error:
            self._wrong(f"results are not readable: {error}")
            return
        try:
            self._published = True
            counted = results.sql("SELECT count(*) AS n FROM marts.trials")
            if counted.height != 1 or results.number < self._last_read:
                self._wrong(f"generation {results.number} after {self._last_read}")
            self.report.refreshes += results.number > self._last_read
            self._last_read = results.number
            self.report.reads += 1
        finally:
            results.close()

    def calm(self) -> None:
        """End the client and the server, load everything, and judge; then fill another store from landing."""
        assert self._sender is not None
        assert self._sender.stdin is not None
        self._sender.stdin.close()
        if self._sender.wait(120) != 0:
            self._wrong("the client failed")
        if self._served.process.poll() is not None:
            self._wrong(f"the server ended: {self._served.lines[-3:]}")
        elif (code := self._served.end()) != 0:
            self._wrong(f"the server ended with {code} when asked to")
        for served in self._all:  # only now: collectors speak on after their parent was killed
            self._read_lines(served.lines)
        if (said := self._faults.parent / "starts.log").exists():
            self._read_lines(said.read_text().splitlines())
        run("refresh", "-C", self._folder)
        self.look()
        data = self._folder / "data"
        self.report.verdict = oracle.judge(self._log, data)
        store, before = data / "store.duckdb", data / "before.duckdb"
        store.rename(before)
        run("refresh", "-C", self._folder)
        for table, count in oracle.differences(before, store).items():
            self._wrong(f"raw.{table} filled again from landing differs in {count} rows")
        before.unlink()
        self.report.seconds = time.monotonic() - self._started

    def clear(self) -> None:
        """Leave no process behind, but what the servers said."""
        with (self._faults.parent / "server.log").open("a") as kept:
            for served in self._all:
                kept.writelines(f"{line}\n" for line in [*served.lines, "──"])
        if self._sender is not None:
            if self._sender.stdin is not None:
                self._sender.stdin.close()
            self._sender.kill()
            self._sender.wait()
        if self._server is not None and self._server.process.poll() is None:
            self._kill_all()
            self._server.process.wait()


def _kill(pid: int) -> bool:
    """Whether there was such a process."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _until(condition: Callable[[], Any], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.01)
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
