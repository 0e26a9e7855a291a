"""An append that returned is on the disk; one that did not left nothing."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.landing.kit import COLLECTOR, NOW, Kit, arrival, call

from trialwise.errors import DiskFull, StoreError
from trialwise.landing.folder import Landing
from trialwise.landing.frame import read_frame
from trialwise.landing.journal import Arrival, Journal
from trialwise.landing.live import Channel, channel_of, live_folder

ONE = arrival(call(messageId="one"))
TWO = arrival(call(messageId="two"))


def journals(landing: Landing) -> list[Path]:
    return sorted(live_folder(landing.folder).glob("*.ndjson"))


def ids(landing: Landing) -> list[str]:
    """The messageIds of every whole record in a journal."""
    lines = [line for path in journals(landing) for line in path.read_bytes().splitlines(keepends=True)]
    return [json.loads(frame.data)["messageId"] for line in lines if (frame := read_frame(line)) is not None]


class Disk:
    """os.fsync, os.pwrite and os.write as they are, noted; told to fail, they do."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[str, str]] = []
        self.synced: list[Path] = []
        self.fail: dict[str, Callable[[int], None]] = {}
        self._patch, self._pwrite, self._fsync = patch, os.pwrite, os.fsync
        patch.setattr(os, "pwrite", self.pwrite)
        patch.setattr(os, "fsync", self.fsync)

    def _note(self, step: str, descriptor: int) -> Path:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        self.steps.append((step, "folder" if target.is_dir() else target.suffix))
        return target

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        target = self._note("write", descriptor)
        if "write" in self.fail and target.suffix == ".ndjson":
            self._pwrite(descriptor, bytes(data)[: len(data) // 2], offset)  # a short write, as a full disk has it
            self.fail["write"](descriptor)
        return self._pwrite(descriptor, data, offset)

    def fsync(self, descriptor: int) -> None:
        target = self._note("fsync", descriptor)
        self.synced.append(target)
        if "fsync" in self.fail and target.suffix == ".ndjson":
            self.fail["fsync"](descriptor)
        if "folder" in self.fail and target.name == "live":
            self.fail["folder"](descriptor)
        self._fsync(descriptor)


def failing(number: int) -> Callable[[int], None]:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_file_and_folder_are_synced_before_an_append_returns(kit: Kit, disk: Disk) -> None:
    with Journal(kit.landing, COLLECTOR, "w") as journal:
        journal.append([ONE])
        assert disk.steps[-3:] == [("write", ".ndjson"), ("fsync", ".ndjson"), ("fsync", "folder")]
        assert ids(kit.landing) == ["one"]
        disk.steps.clear()
        journal.append([TWO, ONE])
        assert disk.steps == [("write", ".ndjson"), ("fsync", ".ndjson")], "one write and one wait for the group"


def test_every_new_folder_has_a_durable_name(kit: Kit, disk: Disk) -> None:
    landing = Landing(kit.folder / "deep" / "down" / "landing")
    with Journal(landing, COLLECTOR, "w") as journal:
        journal.append([ONE])
    before = disk.steps[: disk.steps.index(("write", ".ndjson"))]
    assert before.count(("fsync", "folder")) >= 4  # deep, down, landing, live


def test_a_folder_somebody_made_and_died_gets_a_durable_name(kit: Kit, disk: Disk) -> None:
    live_folder(kit.landing.folder).mkdir(parents=True)
    with Journal(kit.landing, COLLECTOR, "w") as journal:
        journal.append([ONE])
        assert kit.landing.folder.resolve() in disk.synced
        disk.synced.clear()
        kit.landing.seal(NOW)
        disk.synced.clear()
        journal.append([TWO])
        assert kit.landing.folder.resolve() not in disk.synced, "once is enough"


def test_a_journal_describes_itself(kit: Kit) -> None:
    channel = Channel("events", "flat", 'http "é"', {"user_id": "who"})
    with Journal(kit.landing, channel, "a/b c") as journal:
        journal.append([ONE])
    [path] = journals(kit.landing)
    assert channel_of(path) == channel
    data = path.read_bytes()
    path.write_bytes(b"x" + data[1:])
    assert channel_of(path) == channel, "the description beside it"
    (path.parent / f"{channel.key}.channel").write_bytes(b"{}")
    assert channel_of(path) is None
    path.write_bytes(data)
    assert channel_of(path) == channel


def test_nothing_to_append_is_no_file(kit: Kit) -> None:
    with Journal(kit.landing, COLLECTOR, "w") as journal:
        journal.append([])
        journal.append([Arrival(NOW, [])])
    assert ids(kit.landing) == []
    assert kit.landing.seal(NOW) == ()
    assert journals(kit.landing) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("step", ["write", "fsync", "folder"])
def test_no_room(kit: Kit, disk: Disk, step: str, number: int) -> None:
    """Nothing of the append is kept, what was there stays, and it goes on when there is room again."""
    with Journal(kit.landing, COLLECTOR, "w") as journal:
        disk.fail[step] = failing(number)
        for _ in range(2):
            with pytest.raises(DiskFull, match="no room"):
                journal.append([ONE])
        assert ids(kit.landing) == []
        disk.fail.clear()
        journal.append([ONE])
        if step != "folder":  # which is synced for new files alone
            disk.fail[step] = failing(number)
            with pytest.raises(DiskFull):
                journal.append([TWO])
            assert ids(kit.landing) == ["one"]
            disk.fail.clear()
        journal.append([TWO])
    assert ids(kit.landing) == ["one", "two"]
    kit.landing.seal(NOW)
    assert kit.load().loaded == 2


def test_a_descriptor_whose_fsync_failed_is_never_synced_again(kit: Kit, disk: Disk) -> None:
    asked: list[str] = []

    def eio(descriptor: int) -> None:
        asked.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        raise OSError(errno.EIO, "Input/output error")

    with Journal(kit.landing, COLLECTOR, "w") as journal:
        journal.append([ONE])
        disk.fail["fsync"] = eio
        for _ in range(3):
            with pytest.raises(StoreError, match="Input/output error"):
                journal.append([TWO])
        disk.fail.clear()
        journal.append([TWO])
    assert len(set(asked)) == len(asked) == 3
    assert len(journals(kit.landing)) == 2, "files nothing is in are not left behind"
    assert ids(kit.landing) == ["one", "two"]


def test_what_cannot_even_be_cut_back_is_left_alone(kit: Kit, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(kit.landing, COLLECTOR, "w") as journal:
        journal.append([ONE])
        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", lambda *_: failing(errno.EIO)(0))
            disk.fail["write"] = failing(errno.EIO)
            with pytest.raises(StoreError):
                journal.append([TWO])
        disk.fail.clear()
        journal.append([TWO])
    assert len(journals(kit.landing)) == 2
    kit.landing.seal(NOW)
    assert kit.load().loaded == 2


def test_a_full_journal_is_followed_by_another(kit: Kit) -> None:
    landing = Landing(kit.landing.folder, segment_bytes=500)
    with Journal(landing, COLLECTOR, "w") as journal:
        for number in range(9):
            journal.append([arrival(call(messageId=f"m{number}"))])
    sizes = [path.stat().st_size for path in journals(landing)]
    assert len(sizes) > 2
    assert max(sizes) < 1000
    assert ids(landing) == [f"m{number}" for number in range(9)]


def test_a_writer_whose_journal_was_sealed_begins_another(kit: Kit) -> None:
    with Journal(kit.landing, COLLECTOR, "w") as journal:
        for number in range(3):
            journal.append([arrival(call(messageId=f"m{number}"))])
            assert [entry.records for entry in kit.landing.seal(NOW)] == [1]
        assert journals(kit.landing) == []
    assert kit.load().loaded == 3


LIMITED = """
import resource, sys
from pathlib import Path
from tests.landing.kit import COLLECTOR, arrival, call
from trialwise.errors import DiskFull
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Journal

with Journal(Landing(Path(sys.argv[1])), COLLECTOR, "w") as journal:
    number, full = 0, 0
    while full < 3:
        try:
            journal.append([arrival(call(messageId=f"m{number}", properties={"text": "x" * 300}))])
            print(f"m{number}", flush=True)
        except DiskFull:
            full += 1
        number += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append([arrival(call(messageId="last"))])
    print("last")
"""


def test_the_limit_of_a_files_size(kit: Kit) -> None:
    """A real limit of the kernel: whole writes, short writes and none at all."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(kit.landing.folder)],
        preexec_fn=limit,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        capture_output=True,
        text=True,
        check=True,
    )
    acknowledged = done.stdout.split()
    assert len(acknowledged) > 10
    assert ids(kit.landing) == acknowledged
    kit.landing.seal(NOW)
    report = kit.load()
    assert (report.received, report.loaded) == (len(acknowledged), len(acknowledged))
