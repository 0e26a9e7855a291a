"""A company under the storm: its server, the client that sends to it, and the commands typed beside it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from tests.chaos import oracle, sender
from tests.chaos.report import Report
from tests.command import run
from tests.serving import PATIENCE, Served, start
from trialwise.answers import open_results
from trialwise.errors import NotFoundError, TrialwiseError
from trialwise.owner import asking
from trialwise.workspace import Workspace

FAULTS = Path(__file__).with_name("faults")
WORKERS = 2
CONFIG = """
[landing]
compact_after_days = 0
[schedule]
load_seconds = 1
refresh_minutes = 1
[trials]
length_days = 14
"""
COMMAND_SECONDS = 300.0
"""How long a typed command may take: a refresh behind another one, on a machine that does much else."""
EXPECTED = ("collector died, starting another", "collector killed")
Say = Callable[[str], None]


class Company:
    """A workspace with a server that is killed and started again, and a client that keeps the oracle's log.

    folder: an empty one. What goes wrong is told to `say` and noted in the report.
    """

    def __init__(self, folder: Path, seed: int, say: Say) -> None:
        self.report = Report(seed)
        self._folder = folder / "company"
        self._log = folder / "sent.ndjson"
        self.faults = folder / "faults"
        self.chance = random.Random(seed)
        self.say = say
        self._started = time.monotonic()
        self._port = _free_port()
        self._files = 0
        self._last_read = 0
        self._published = False
        self._folder.mkdir()
        self.faults.mkdir()
        (self._folder / "trialwise.toml").write_text(CONFIG)
        self.workspace = Workspace.open(self._folder)
        self._server: Served | None = None
        self._all: list[Served] = []
        self._sender: subprocess.Popen[bytes] | None = None
        self._own = sender.Log(self._log)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": os.pathsep.join([str(FAULTS), *filter(None, sys.path)]),
            "STORM_FAULTS": str(self.faults),
            "TRIALWISE_WEBHOOK_STRIPE": sender.STRIPE_SECRET,
            "TRIALWISE_WEBHOOK_SENDGRID": sender.sendgrid_public(),
        }

    def begin(self) -> None:
        """Start server and client."""
        self.start()
        self._sender = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.sender", f"http://127.0.0.1:{self._port}", str(self._log),
             str(self.report.seed)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip

    def start(self) -> None:
        """Start a server; where the port is still a dying collector's, once more, as whoever supervises it would."""
        started = time.monotonic()
        options = ("--port", str(self._port), "--workers", str(WORKERS))
        while True:
            try:
                self._server = start(self._folder, *options, env=self._environment)
                break
            except AssertionError as error:
                if "cannot listen on" not in str(error):
                    raise
                self.report.starts_repeated += 1
        self._all.append(self._server)
        self.report.restarts.append(time.monotonic() - started)

    @property
    def served(self) -> Served:
        assert self._server is not None
        return self._server

    def again(self) -> None:
        """Another server, after the last one was killed."""
        code = self.served.process.wait(PATIENCE)
        if code != -signal.SIGKILL:
            self.wrong(f"the server ended with {code} by itself: {self.served.lines[-3:]}")
        self.start()

    def wrong(self, what: str) -> None:
        self.say(f"WRONG: {what}")
        self.report.problems.append(what)

    # ── commands ─────────────────────────────────────────────────────────────

    def command(self, words: Sequence[str], fired: Path | None, role: str) -> bool:
        """Type a command; whether the point fired on the way."""
        process = self._type(words)
        try:
            _, said = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
            self.wrong(f"{words} did not end: {said.decode()[-500:]}; {self.served.lines[-3:]}")
        if b"Traceback" in said:
            self.wrong(f"{words} said {said.decode()[-2000:]}")
        if fired is None or not fired.exists():
            if process.returncode != 0:
                self.wrong(f"{words} ended with {process.returncode}: {said.decode()[-500:]}")
            return False
        wanted = -signal.SIGKILL if role == "command" else 1
        if process.returncode != wanted:
            self.wrong(f"{words} ended with {process.returncode}, not {wanted}: {said.decode()[-500:]}")
        return True

    def _type(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "trialwise", *words, "-C", str(self._folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._environment},
        )

    def import_file(self, fired: Path | None, after: float | None = None) -> bool:
        """Import a file by a command that is killed, then again by one that is not; whether the first one was."""
        name, path = self._file()
        words = ["import", "events", str(path)]
        self._own.write(tried=name)
        if fired is not None:
            was = self.command(words, fired, "command")
        else:
            assert after is not None
            was = self.kill_command(words, after)
        self._own.write(tried=name)
        self.command(words, None, "command")
        self._own.write(acknowledged=name)
        path.unlink()
        return was

    def _file(self) -> tuple[str, Path]:
        """A file of events nobody sent yet; (its name in the log, path)."""
        self._files += 1
        name = f"file-{self._files}"
        ids = [str(UUID(int=self.chance.getrandbits(128), version=4)) for _ in range(20)]
        self._own.write(sending=name, kind="file", events=ids, identities=[], stripe=[], bad={})
        path = self.faults.parent / f"{name}.ndjson"
        path.write_text("".join(
            json.dumps({"type": "track", "userId": "file", "event": "Imported", "messageId": identifier,
                        "timestamp": "2026-01-01T00:00:00Z"}) + "\n"
            for identifier in ids
        ))  # fmt: skip
        return name, path

    def kill_command(self, words: Sequence[str], after: float) -> bool:
        process = self._type(words)
        time.sleep(after)
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL

    # ── kills ────────────────────────────────────────────────────────────────

    def kill_all(self) -> bool:
        for pid in self.served.children():
            kill(pid)
        return kill(self.served.process.pid)

    def kill_at_start(self) -> bool:
        """Kill the server, and the next one somewhere on its way; whether that was still alive."""
        self.served.process.kill()
        self.served.process.wait(PATIENCE)
        with (self.faults.parent / "starts.log").open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "trialwise", "serve", "--port", str(self._port), "-C", str(self._folder)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                env={**os.environ, **self._environment},
            )  # fmt: skip
        time.sleep(self.chance.uniform(0.2, 2.5))
        process.kill()
        code = process.wait()
        self.start()
        return code == -signal.SIGKILL

    def damage(self) -> None:
        """Take from the store's file what a disk may that did not keep its promise: all of it, or its headers."""
        store = self._folder / "data" / "store.duckdb"
        if self.chance.random() < 0.5:
            os.truncate(store, 0)
        else:
            with store.open("r+b") as stream:
                stream.write(bytes(3 * 4096))
        for kept in store.parent.glob("store.duckdb.damaged-*"):
            kept.write_bytes(b"")  # room for the next ones
        self.report.recoveries += 1

    # ── what has to be so all the time, and at the end ───────────────────────

    def refresh(self) -> None:
        """One that nobody disturbs."""
        asking.refresh(self.workspace)
        self.report.refreshes += 1
        self._published = True

    def look(self) -> None:
        """Results that were there once stay readable, and never go back."""
        try:
            results = open_results(self.workspace)
        except NotFoundError:
            if self._published:
                self.wrong("published results are gone")
            return
        except TrialwiseError as error:
            self.wrong(f"results are not readable: {error}")
            return
        try:
            self._published = True
            counted = results.sql("SELECT count(*) AS n FROM marts.trials")
            if counted.height != 1 or results.number < self._last_read:
                self.wrong(f"generation {results.number} after {self._last_read}")
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
            self.wrong("the client failed")
        if self.served.process.poll() is not None:
            self.wrong(f"the server ended: {self.served.lines[-3:]}")
        elif (code := self.served.end()) != 0:
            self.wrong(f"the server ended with {code} when asked to")
        for served in self._all:  # only now: collectors speak on after their parent was killed
            self._read_lines(served.lines)
        if (said := self.faults.parent / "starts.log").exists():
            self._read_lines(said.read_text().splitlines())
        run("refresh", "-C", self._folder)
        self.look()
        data = self._folder / "data"
        self.report.verdict = oracle.judge(self._log, data)
        store, before = data / "store.duckdb", data / "before.duckdb"
        store.rename(before)
        run("refresh", "-C", self._folder)
        for table, count in oracle.differences(before, store).items():
            self.wrong(f"raw.{table} filled again from landing differs in {count} rows")
        before.unlink()
        self.report.seconds = time.monotonic() - self._started

    def _read_lines(self, lines: Sequence[str]) -> None:
        """Nothing but killed collectors is an error."""
        for line in lines:
            told = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
            if "Traceback" in line or (told.get("level") == "error" and told.get("event") not in EXPECTED):
                self.wrong(f"the server said {line[:2000]}")

    def clear(self) -> None:
        """Leave no process behind, but what the servers said."""
        with (self.faults.parent / "server.log").open("a") as kept:
            for served in self._all:
                kept.writelines(f"{line}\n" for line in [*served.lines, "──"])
        if self._sender is not None:
            if self._sender.stdin is not None:
                self._sender.stdin.close()
            self._sender.kill()
            self._sender.wait()
        if self._server is not None and self._server.process.poll() is None:
            self.kill_all()
            self._server.process.wait()


def kill(pid: int) -> bool:
    """Whether there was such a process."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
