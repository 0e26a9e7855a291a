"""Nothing acknowledged is lost or doubled, whoever dies at whatever step."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.crash import crash_at_every_step
from tests.landing import crew
from tests.landing.kit import COLLECTOR, NOW, STRIPE, Kit, arrival, call, envelope, event

from trialwise.errors import StoreError
from trialwise.landing import seal
from trialwise.landing.folder import Landing
from trialwise.landing.frame import frame, read_frame
from trialwise.landing.journal import Channel, Journal
from trialwise.landing.live import live_folder
from trialwise.sources.files import open_file


def append(landing: Landing, *names: str, channel: Channel = COLLECTOR) -> None:
    with Journal(landing, channel, "w") as journal:
        for name in names:
            journal.append([arrival(call(messageId=name))])


def sealed_ids(landing: Landing) -> Counter[str]:
    """The messageIds in the segments the manifest names; every record is whole and counted."""
    found: Counter[str] = Counter()
    for entry in landing.manifest().imports:
        for segment in entry.segments:
            lines = landing.path(segment.number).read_bytes().splitlines(keepends=True)
            frames = [read_frame(line) for line in lines[segment.live is not None :]]
            assert len(frames) == segment.records
            assert sum(len(line) for line in lines) == segment.bytes
            for kept in frames:
                assert kept is not None
                found[json.loads(kept.data).get("messageId", "?")] += 1
    return found


# ── what sealing does ────────────────────────────────────────────────────────


def test_sealed_journals_are_segments_in_order(kit: Kit) -> None:
    append(kit.landing, "a", "b")
    kit.land(event(id="file"))
    append(kit.landing, "c")
    with Journal(kit.landing, STRIPE, "w") as journal:
        journal.append([arrival(envelope("evt_1"))])
    events, stripe = kit.landing.seal(NOW)
    assert (events.number, events.file, events.landed_at, events.records) == (2, "collector", NOW, 3)
    assert [segment.number for segment in events.segments] == [2, 3]
    assert [segment.number for segment in stripe.segments] == [4]
    assert kit.landing.manifest().imports[1:] == (events, stripe)
    assert kit.landing.seal(NOW) == ()
    assert [path.suffix for path in live_folder(kit.landing.folder).iterdir()] == [".channel", ".channel"]
    assert kit.load().loaded == 5


def test_refused_records_are_counted(kit: Kit) -> None:
    kit.arrive(arrival(call(), b"\xff", b'{",\\"bad\\":": 1}', b"[" * 200))
    [entry] = kit.landing.seal(NOW)
    assert [(segment.records, segment.refused) for segment in entry.segments] == [(4, 2)]


def test_a_file_of_a_sealed_journals_bytes_is_no_repetition(kit: Kit) -> None:
    append(kit.landing, "a")
    kit.landing.seal(NOW)
    path = kit.folder / "copy.ndjson"
    path.write_bytes(kit.landing.path(1).read_bytes())
    assert not kit.landing.land(open_file(path), landed_at=NOW).is_repeat


def test_a_number_in_use_is_never_taken_again(kit: Kit) -> None:
    """Whatever lies there under the next number, and however it came there, stays as it is."""
    kit.land(event(id="a"))
    stray = kit.landing.path(2)
    stray.write_bytes(b"somebody's")
    append(kit.landing, "b")
    kit.landing.seal(NOW)
    kit.land(event(id="c"))
    assert stray.read_bytes() == b"somebody's"
    assert kit.load().loaded == 3


# ── torn tails ───────────────────────────────────────────────────────────────


def live(kit: Kit) -> Path:
    [path] = live_folder(kit.landing.folder).glob("*.ndjson")
    return path


@pytest.mark.parametrize("cut", [1, 2, 20, 100])
def test_a_torn_tail_is_cut_to_the_last_whole_record(kit: Kit, cut: int) -> None:
    append(kit.landing, "a", "b")
    path = live(kit)
    torn, _ = frame(2, 1, None, b'{"messageId": "never acknowledged"}' * 4, request=2, at="2026-01-01T00:00:00.000000Z")
    with path.open("ab") as stream:
        stream.write(torn[:-cut] if cut > 1 else torn[:1])
    [entry] = kit.landing.seal(NOW)
    assert entry.records == 2
    assert sealed_ids(kit.landing) == {"a": 1, "b": 1}


@pytest.mark.parametrize("end", [b"", b"\x0b", b"x"])
def test_a_last_record_that_only_lost_its_line_feed_is_whole(kit: Kit, end: bytes) -> None:
    append(kit.landing, "a", "b")
    path = live(kit)
    path.write_bytes(path.read_bytes()[:-1] + end)
    kit.landing.seal(NOW)
    assert sealed_ids(kit.landing) == {"a": 1, "b": 1}


@pytest.mark.parametrize("kept", [0, 1, 50])
def test_a_journal_torn_in_its_first_line_held_nothing(kit: Kit, kept: int) -> None:
    append(kit.landing, "a")
    path = live(kit)
    path.write_bytes(path.read_bytes()[:kept])
    assert kit.landing.seal(NOW) == ()
    assert not path.exists()


def test_a_journal_whose_description_is_lost_goes_to_quarantine_whole(kit: Kit) -> None:
    append(kit.landing, "a", "b")
    path = live(kit)
    path.write_bytes(b"\0" * 60 + path.read_bytes()[60:])
    (path.parent / f"{COLLECTOR.key}.channel").unlink()
    report = (kit.landing.seal(NOW), kit.load())[1]
    assert (report.received, dict(report.reasons)) == (2, {"unknown_format": 2})


# ── crashes ──────────────────────────────────────────────────────────────────

ALL = {"a": 1, "b": 1, "c": 1, "stripe": 1}


def _three_writers(folder: Path) -> None:
    landing = Landing(folder / "landing")
    append(landing, "a", "b")
    append(landing, "c")
    with Journal(landing, STRIPE, "w") as journal:
        journal.append([arrival({"messageId": "stripe"})])


def test_a_sealer_killed_at_every_step(tmp_path: Path) -> None:
    steps = 0
    for folder in crash_at_every_step(tmp_path, _three_writers, crew.seal):
        landing = Landing(folder / "landing")
        landing.seal(NOW)
        assert sealed_ids(landing) == ALL
        assert not list(live_folder(landing.folder).glob("*.ndjson*"))
        steps += 1
    assert steps > 15


def test_a_sealer_killed_at_every_step_and_an_import_next(tmp_path: Path) -> None:
    """A half-sealed journal's number is not given to the import that comes next."""
    path = tmp_path / "next.ndjson"
    path.write_text(json.dumps(call(messageId="file")) + "\n")
    for folder in crash_at_every_step(tmp_path, _three_writers, crew.seal):
        landing = Landing(folder / "landing")
        landing.land(open_file(path), landed_at=NOW)
        landing.seal(NOW)
        assert sealed_ids(landing) == {**ALL, "file": 1}


def test_an_import_killed_at_every_step(tmp_path: Path) -> None:
    """It is in whole or not at all, and what was sealed before it stays."""

    def prepare(folder: Path) -> None:
        _three_writers(folder)
        Landing(folder / "landing").seal(NOW)
        lines = "".join(json.dumps(call(messageId=f"f{n}")) + "\n" for n in range(5000))
        (folder / "many.ndjson").write_text(lines)

    outcomes = set()
    for folder in crash_at_every_step(tmp_path, prepare, crew.land):
        landing = Landing(folder / "landing")
        append(landing, "later")
        landing.seal(NOW)
        found = sealed_ids(landing)
        assert {key: found[key] for key in [*ALL, "later"]} == {**ALL, "later": 1}
        outcomes.add(found.total() - 5)
        again = landing.land(open_file(folder / "many.ndjson"), landed_at=NOW)
        assert again.is_repeat == (found.total() > 5)
        assert sealed_ids(landing).total() == 5005
    assert outcomes == {0, 5000}


def test_a_writer_killed_at_every_step(tmp_path: Path) -> None:
    """What its own log says was acknowledged is there once; at most the one it was at may be there besides."""
    for folder in crash_at_every_step(tmp_path, lambda _: None, crew.write):
        landing = Landing(folder / "landing")
        landing.seal(NOW)
        acknowledged = (folder / "w.log").read_text().split() if (folder / "w.log").exists() else []
        found = sealed_ids(landing)
        assert all(found[name] == 1 for name in acknowledged)
        assert set(found.values()) <= {1}
        assert len(found) - len(acknowledged) in (0, 1)


def test_a_disk_that_fails_at_any_step_of_sealing_loses_nothing(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a crash: the same process gets an error from each call in turn, and tries again."""
    failed = 0
    for step in range(60):
        landing = Landing(kit.folder / f"at{step}")
        append(landing, "a")
        append(landing, "b")
        left = [step]
        with monkeypatch.context() as patch:
            for name in ("fsync", "rename", "pwrite", "ftruncate", "unlink"):
                patch.setattr(os, name, _failing_once(getattr(os, name), left))
            try:
                landing.seal(NOW)
            except StoreError:
                failed += 1
        landing.seal(NOW)
        assert sealed_ids(landing) == {"a": 1, "b": 1}
        if left[0] >= 0:
            break
    assert failed > 5


def _failing_once(function: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def once(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            raise OSError(5, "Input/output error")
        return function(*arguments)

    return once


# ── several processes at a time ──────────────────────────────────────────────


class Crew:
    """Processes of tests.landing.crew on one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def send(self, task: str, name: str) -> subprocess.Popen[bytes]:
        """Start one and wait until it works."""
        command = [sys.executable, "-m", "tests.landing.crew", task, str(self._folder), name]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.running.append(subprocess.Popen(command, env=environment))
        return self.running[-1]

    def wait_for(self, *logs: str, most: float = 30) -> None:
        """Until every one of these logs has something."""
        until = time.monotonic() + most
        while not all((self._folder / log).exists() and (self._folder / log).stat().st_size for log in logs):
            assert time.monotonic() < until, f"nothing in {logs}"
            time.sleep(0.005)

    def stop(self) -> None:
        """Let all end by themselves."""
        (self._folder / "stop").touch()
        for process in self.running:
            assert process.wait(30) == 0

    def check(self, kit: Kit) -> tuple[int, int]:
        """Every acknowledged record is loaded once, nothing twice; (acknowledged, loaded)."""
        kit.landing.seal(NOW)
        lines = [line for log in self._folder.glob("*.log") for line in log.read_text().splitlines(keepends=True)]
        names = [line.strip() for line in lines if line.endswith("\n")]
        found = sealed_ids(kit.landing)
        assert set(found.values()) == {1}
        assert set(names) <= set(found)
        report = kit.load()
        assert (report.loaded, report.duplicate, report.quarantined) == (len(found), 0, 0)
        return len(names), len(found)


def test_two_writers_while_two_seal(kit: Kit) -> None:
    crew = Crew(kit.folder)
    for name in ("one", "two"):
        crew.send("write", name)
        crew.send("seal", name)
    crew.wait_for("one.log", "two.log", "one.seals", "two.seals")
    time.sleep(1)
    crew.stop()
    acknowledged, loaded = crew.check(kit)
    assert acknowledged == loaded > 50
    assert len(kit.landing.manifest().imports) > 3


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=pytest.mark.long)])
def test_writers_and_sealers_killed_at_random(kit: Kit, rounds: int) -> None:
    chance = random.Random(rounds)
    for number in range(rounds):
        crew = Crew(kit.folder)
        crew.send("write", f"one{number}")
        crew.send("write", f"two{number}")
        crew.send("seal", f"s{number}")
        crew.wait_for(f"one{number}.log", f"two{number}.log", f"s{number}.seals")
        for process in chance.sample(crew.running, 3):
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            process.wait(30)
        if number % 3 == 0:
            kit.land(call(messageId=f"file{number}"))
    acknowledged, loaded = crew.check(kit)
    assert 0 < acknowledged <= loaded <= acknowledged + 10 * rounds + rounds


# ── a writer that was stopped ────────────────────────────────────────────────

_STOPS = """
import os, signal, sys
from pathlib import Path
from tests.landing.crew import COLLECTOR, arrival
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Journal

sync = os.fsync
def stop(descriptor):
    os.kill(os.getpid(), signal.SIGSTOP)
    sync(descriptor)

with Journal(Landing(Path(sys.argv[1])), COLLECTOR, "stopped") as journal:
    journal.append([arrival("acknowledged")])
    os.fsync = stop
    journal.append([arrival("held")])
"""


def test_a_writer_that_was_stopped_holds_up_nobody_else(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(seal, "LOCK_SECONDS", 0.05)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", _STOPS, str(kit.landing.folder)], env=environment) as stopped:
        try:
            _, status = os.waitpid(stopped.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            append(kit.landing, "other")
            with caplog.at_level(logging.WARNING, logger="trialwise"):
                kit.landing.seal(NOW)
            assert sealed_ids(kit.landing) == {"other": 1}
            [told] = caplog.messages
            assert "-stopped-" in told
            assert "SIGCONT" in told
        finally:
            stopped.send_signal(signal.SIGCONT)
        assert stopped.wait() == 0
    caplog.clear()
    kit.landing.seal(NOW)
    assert sealed_ids(kit.landing) == {"other": 1, "acknowledged": 1, "held": 1}
    assert caplog.messages == []
