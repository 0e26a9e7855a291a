"""A cursor that was put is there after a crash, whole, or the one before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.crash import crash_at_every_step

from trialwise.errors import DiskFull, StoreError
from trialwise.landing.cursors import Cursors


def test_what_was_put_is_got(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path / "landing")
    assert cursors.get("stripe.events") == {}
    cursors.put("stripe.events", {"after": "evt_1", "é": [1, None]})
    cursors.put("http-crm", {"page": 2})
    assert Cursors(tmp_path / "landing").get("stripe.events") == {"after": "evt_1", "é": [1, None]}
    cursors.put("stripe.events", {})
    assert cursors.get("stripe.events") == {}
    assert sorted(path.name for path in (tmp_path / "landing" / "cursors").iterdir()) == [
        "http-crm.json",
        "stripe.events.json",
    ]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 200])
def test_names_stay_inside_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="a cursor is named"):
        Cursors(tmp_path).put(name, {})


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff"])
def test_a_damaged_cursor_is_said(tmp_path: Path, text: bytes) -> None:
    cursors = Cursors(tmp_path)
    cursors.put("a", {"x": 1})
    (tmp_path / "cursors" / "a.json").write_bytes(text)
    with pytest.raises(StoreError, match=r"a\.json"):
        cursors.get("a")


def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cursors = Cursors(tmp_path)
    cursors.put("a", {"x": 1})

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull):
            cursors.put("a", {"x": 2})
    assert cursors.get("a") == {"x": 1}
    assert [path.name for path in (tmp_path / "cursors").iterdir()] == ["a.json"]


def put(folder: Path) -> None:
    """For a process of its own."""
    Cursors(folder).put("a", {"x": 2})


def test_a_crash_at_every_step(tmp_path: Path) -> None:
    seen = []
    for folder in crash_at_every_step(tmp_path, lambda place: Cursors(place).put("a", {"x": 1}), put):
        seen.append(Cursors(folder).get("a")["x"])
        Cursors(folder).put("a", {"x": 3})
        assert Cursors(folder).get("a") == {"x": 3}
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}
