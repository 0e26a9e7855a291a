"""A file is replaced whole, and what a killed process left beside it goes, unless somebody is still writing it."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from trialwise.landing import durable


def test_two_threads_never_mix_what_they_write(tmp_path: Path) -> None:
    path, failed = tmp_path / "keys.json", list[Exception]()
    contents = [b"a" * 50_000, b"b" * 70_000]

    def write(data: bytes) -> None:
        try:
            for _ in range(60):
                durable.replace(path, data)
                assert path.read_bytes() in contents
        except (OSError, AssertionError) as error:
            failed.append(error)

    threads = [Thread(target=write, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


def test_a_file_that_was_removed_before_it_was_locked_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, times = tmp_path / "keys.json", fcntl.flock, list[int]()

    def flock(descriptor: int, how: int) -> None:
        real(descriptor, how)
        times.append(how)
        if len(times) == 1:
            (tmp_path / f"keys.json.{os.getpid()}.new").unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    durable.replace(path, b"whole")
    assert (path.read_bytes(), len(times)) == (b"whole", 2)


def test_a_file_that_got_its_name_is_not_taken_for_the_next_of_that_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "keys.json", fcntl.flock
    fresh = tmp_path / "keys.json.1.new"
    fresh.write_bytes(b"whole")

    def flock(descriptor: int, how: int) -> None:
        fresh.rename(path)  # its writer is done, and writes again
        fresh.write_bytes(b"ne")
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    durable.remove_leftovers(path)
    assert (path.read_bytes(), fresh.read_bytes()) == (b"whole", b"ne")


def test_a_file_system_without_locks_loses_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(descriptor: int, how: int) -> Any:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refused)
    left = tmp_path / "keys.json.1.new"
    left.write_bytes(b"half")
    durable.replace(tmp_path / "keys.json", b"whole")
    assert (tmp_path / "keys.json").read_bytes() == b"whole"
    assert not left.exists()


def test_what_is_not_of_this_file_stays(tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("keys.json.new", "other.json.1.new", "keys.json.1.old")]
    for other in others:
        other.write_bytes(b"")
    durable.replace(tmp_path / "keys.json", b"whole")
    assert all(other.exists() for other in others)
