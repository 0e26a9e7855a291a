"""Many at a time, each told the truth: what is acknowledged is on the disk, what failed is not."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from tests.landing.kit import COLLECTOR, NOW, STRIPE, Kit, arrival, call, envelope

from trialwise.errors import DiskFull, Overloaded, StoreError
from trialwise.landing import durable
from trialwise.landing.journal import Journal
from trialwise.landing.live import live_folder
from trialwise.landing.sink import Sink


class Gate:
    """An fsync of journals that waits until it is let through, and counts."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.syncs = 0
        self.error: int | None = None
        self.only = ""
        self._fsync = os.fsync
        patch.setattr(os, "fsync", self.fsync)

    def fsync(self, descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        if target.suffix == ".ndjson" and target.parent.name == "live":
            self.syncs += 1
            self.reached.set()
            assert self.open.wait(30)
            if self.error is not None and self.only in target.name:
                raise OSError(self.error, os.strerror(self.error))
        self._fsync(descriptor)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def test_a_future_is_done_when_its_records_are_on_the_disk(kit: Kit, gate: Gate) -> None:
    sink = Sink(kit.landing, writer="w")
    future = sink.submit(COLLECTOR, arrival(call()))
    assert gate.reached.wait(30)
    assert not future.done()
    assert sink.pending_bytes > 0
    gate.open.set()
    assert future.result(30) is None
    sink.close()
    assert sink.pending_bytes == 0


def test_what_waits_meanwhile_is_one_group(kit: Kit, gate: Gate) -> None:
    sink = Sink(kit.landing, writer="w")
    first = sink.submit(COLLECTOR, arrival(call(messageId="first")))
    assert gate.reached.wait(30)
    rest = [sink.submit(COLLECTOR, arrival(call(messageId=f"m{n}"))) for n in range(500)]
    gate.open.set()
    wait([first, *rest], 30)
    sink.close()
    assert gate.syncs == 2
    kit.landing.seal(NOW)
    assert kit.load().loaded == 501


def test_from_many_threads_each_record_once(kit: Kit) -> None:
    sink = Sink(kit.landing, writer="w")

    def client(name: int) -> None:
        for number in range(40):
            sink.submit(COLLECTOR, arrival(call(messageId=f"m{name}-{number}"))).result(30)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    sink.close()
    kit.landing.seal(NOW)
    report = kit.load()
    assert (report.loaded, report.duplicate) == (320, 0)


def test_too_much_waiting_is_refused_at_once_and_taken_later(kit: Kit, gate: Gate) -> None:
    sink = Sink(kit.landing, writer="w", max_pending_bytes=20_000)
    big = arrival(call(properties={"text": "x" * 4000}))
    taken: list[Future[None]] = []
    with pytest.raises(Overloaded, match="wait for the disk"):
        for _ in range(20):
            taken.append(sink.submit(COLLECTOR, big))  # noqa: PERF401 - what was taken before it raised matters
    assert 1 <= len(taken) <= 5
    assert sink.pending_bytes <= 20_000
    gate.open.set()
    wait(taken, 30)
    while sink.pending_bytes:
        gate.reached.wait(0.01)
    assert sink.submit(COLLECTOR, big).result(30) is None
    huge = arrival(call(properties={"text": "x" * 30_000}))
    assert sink.submit(COLLECTOR, huge).result(30) is None, "a request of its own size is taken when nothing waits"
    sink.close()


def test_a_full_disk_fails_those_alone_whose_records_it_refused(kit: Kit, gate: Gate) -> None:
    gate.open.set()
    sink = Sink(kit.landing, writer="w")
    gate.error, gate.only = errno.ENOSPC, COLLECTOR.key
    lost = [sink.submit(COLLECTOR, arrival(call(messageId=f"lost{n}"))) for n in range(3)]
    kept = sink.submit(STRIPE, arrival(envelope("evt_1")))
    for future in lost:
        assert isinstance(future.exception(30), DiskFull)
    assert kept.result(30) is None
    gate.error = None
    assert sink.submit(COLLECTOR, arrival(call(messageId="again"))).result(30) is None
    sink.close()
    kit.landing.seal(NOW)
    report = kit.load()
    assert (report.received, report.loaded) == (2, 2)


def test_a_broken_disk_is_said_and_outlived(kit: Kit, gate: Gate) -> None:
    gate.open.set()
    gate.error = errno.EIO
    sink = Sink(kit.landing, writer="w")
    failure = sink.submit(COLLECTOR, arrival(call())).exception(30)
    assert isinstance(failure, StoreError)
    assert not isinstance(failure, DiskFull)
    gate.error = None
    assert sink.submit(COLLECTOR, arrival(call())).result(30) is None
    sink.close()


def test_whatever_goes_wrong_is_told_and_the_thread_lives(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink(kit.landing, writer="w")
    with monkeypatch.context() as patch:

        def broken(*_: object) -> None:
            raise RuntimeError("unforeseen")

        patch.setattr(Journal, "append", broken)
        assert isinstance(sink.submit(COLLECTOR, arrival(call())).exception(30), RuntimeError)
    assert sink.submit(COLLECTOR, arrival(call())).result(30) is None
    sink.close()


def test_closing_writes_what_waits_and_takes_no_more(kit: Kit) -> None:
    sink = Sink(kit.landing, writer="w")
    futures = [sink.submit(COLLECTOR, arrival(call(messageId=f"m{n}"))) for n in range(200)]
    sink.close()
    sink.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(StoreError, match="closed"):
        sink.submit(COLLECTOR, arrival(call()))
    kit.landing.seal(NOW)
    assert kit.load().loaded == 200


def test_who_no_longer_waits_is_not_written(kit: Kit, gate: Gate) -> None:
    sink = Sink(kit.landing, writer="w")
    first = sink.submit(COLLECTOR, arrival(call(messageId="first")))
    assert gate.reached.wait(30)
    gone = sink.submit(COLLECTOR, arrival(call(messageId="gone")))
    assert gone.cancel()
    assert not first.cancel(), "it is being written"
    gate.open.set()
    sink.close()
    assert sink.pending_bytes == 0
    kit.landing.seal(NOW)
    assert kit.load().loaded == 1


def test_without_durability_nothing_is_synced(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """For measuring what durability costs; the records are there, as long as the machine is."""
    durable.make_folder(live_folder(kit.landing.folder))
    sink = Sink(kit.landing, writer="w", durable=False)
    sink.submit(COLLECTOR, arrival(call(messageId="first"))).result(30)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: pytest.fail("synced"))
        sink.submit(COLLECTOR, arrival(call())).result(30)
    sink.close()
    kit.landing.seal(NOW)
    assert kit.load().loaded == 2
