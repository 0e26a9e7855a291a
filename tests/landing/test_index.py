"""The index of a manifest saves reading and changes nothing: whatever happens to it, the lines are what counts."""

from __future__ import annotations

import errno
import os
import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.crash import crash_at_every_step
from tests.landing import test_compact as compacting
from tests.landing.kit import NOW, Kit, arrival, call, event
from tests.landing.test_compact import contents, rebuilt

from trialwise.errors import StoreError
from trialwise.landing import index, manifest
from trialwise.landing.folder import Landing
from trialwise.landing.manifest import Compacted, Dropped, Entry, Import, LoadRange, Manifest, Segment
from trialwise.sources.files import open_file


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_FOLD_LINES", 3)


def entries(count: int, days: int = 0) -> list[Entry]:
    """Of every kind: files of two segments, empty ones, records landed again, journals, loads, what compaction says."""
    found: list[Entry] = []
    segment = 1
    for number in range(1, count + 1):
        at = NOW + timedelta(days=days, minutes=number, microseconds=number)
        kind = number % 5
        parts = {
            0: (),
            1: (Segment(segment, 3, 0, 100 + number, f"journal-{number}"),),
            2: (Segment(segment, 5, 1, 200 + number), Segment(segment + 1, 2, 0, 20)),
            3: (Segment(segment, 1, 0, 30),),
            4: (Segment(segment, 4, 0, 40, f"journal-{number}"), Segment(segment + 1, 4, 0, 41, f"journal-{number}b")),
        }[kind]
        retries = ("q" * number,) if kind == 3 else ()
        mapping = {"user_id": "who"} if kind == 2 else {}
        found.append(Import(number, "events", "auto", f"f é {number}", f"sha{number}", at, parts, mapping, retries))
        if parts:
            found.append(LoadRange(number, segment, segment + len(parts) - 1, at))
        segment += len(parts)
        if number % 7 == 0:
            found.append(Compacted(f"a{number}.parquet", tuple(range(1, segment - 2)), 5, at))
        if number % 11 == 0:
            found.append(Dropped((1, 3), at))
    return found


def alone(folder: Path, name: str = "alone") -> Manifest:
    """What the lines say to somebody without an index."""
    other = folder.parent / f"{folder.name}-{name}-{os.urandom(4).hex()}"
    other.mkdir()
    shutil.copy(folder / manifest.NAME, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "_FOLD_LINES", 1 << 30)
        known = manifest.read(other)
    assert not known.columns.end
    return known


def anew(folder: Path) -> Manifest:
    """What a process that starts now reads."""
    manifest._readings.clear()
    manifest._indexed.clear()
    return manifest.read(folder)


def answers(known: Manifest) -> dict[str, Any]:
    """Everything a manifest can be asked."""
    last = known.last_segment
    numbers = range(last + 2)
    return {
        "itself": (known.imports, known.loads, known.ends, known.holders, known.dropped),
        "last": (last, known.last_loaded, known.drops, known.lines_left),
        "imports": list(known.imports),
        "slices": [known.imports[2:5], known.imports[-2:], known.loads[-3:], known.loads[:2]],
        "import of": [known.import_of(number) for number in numbers],
        "after": [known.after(number) for number in numbers],
        "between": [known.between(number, number + 3) for number in numbers],
        "files": list(known.files()),
        "segments": list(known.segments()),
        "ranges": list(known.ranges()),
        "noted": [known.has_noted(number) for number in numbers],
        "sealed": [known.sealed(f"journal-{number}{more}") for number in numbers for more in ("", "b")],
    }


def test_an_index_gives_the_same_answers(tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    folder.mkdir()
    for number, one in enumerate(entries(40)):
        manifest.append(folder, one)
        known = manifest.read(folder)
        if number % 9 == 0:
            assert answers(known) == answers(alone(folder))
            assert answers(anew(folder)) == answers(alone(folder))
    assert (folder / index.NAME).exists()
    assert anew(folder).columns.end > 2000
    assert anew(folder) == alone(folder)
    assert len(list(known.files())) == 24  # of five imports in turn two are of journals


def test_lines_that_an_index_covers_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in entries(40):
        manifest.append(tmp_path, one)
        manifest.read(tmp_path)
    read = []
    parse = manifest._parse
    monkeypatch.setattr(manifest, "_parse", lambda *told: (read.append(told[1]), parse(*told))[1])
    known = anew(tmp_path)
    assert len(read) <= 8
    read.clear()
    assert known.import_of(1) == entries(1)[0]
    assert read == ["the line at byte 0"]


@pytest.mark.parametrize("seed", range(60))
def test_a_changed_index_changes_nothing(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "landing"
    folder.mkdir()
    for one in entries(20):
        manifest.append(folder, one)
        manifest.read(folder)
    chance = random.Random(seed)
    path = folder / index.NAME
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    if seed % 3 == 0:
        del data[place:]
    elif seed % 3 == 1:
        data[place] ^= 1 << chance.randrange(8)
    else:
        data[place : place + 50] = bytes(len(data[place : place + 50]))
    path.write_bytes(data)
    assert answers(anew(folder)) == answers(alone(folder))


@pytest.mark.parametrize("content", [b"", b"\n", b"d41d8cd98f00b204\n"])
def test_a_file_that_is_no_index(tmp_path: Path, content: bytes) -> None:
    (tmp_path / index.NAME).write_bytes(content)
    assert index.read(tmp_path) is None


STEPS = st.lists(st.sampled_from(["more", "more", "other", "anew", "cut", "older", "lost", "backup"]), max_size=25)


@settings(deadline=None)
@given(STEPS)
def test_an_index_of_another_manifest_is_not_believed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("landing")
    (folder / manifest.NAME).touch()
    backup = {"manifest": b"", "index": b""}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "_FOLD_LINES", 3)
        for number, step in enumerate(steps, 1):
            path = folder / manifest.NAME
            if step in ("more", "other"):
                for one in entries(4 if step == "more" else 3, number)[number % 3 :]:
                    manifest.append(folder, one)
                    manifest.read(folder)
            elif step == "cut":
                os.truncate(path, path.stat().st_size * 2 // 3)
            elif step == "older":
                path.write_bytes(backup["manifest"])
            elif step == "lost":
                (folder / index.NAME).unlink(missing_ok=True)
            elif step == "backup":
                backup["manifest"] = path.read_bytes()
            else:
                anew(folder)
            assert manifest.read(folder) == alone(folder)
        assert anew(folder) == alone(folder)


def test_a_damaged_line_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    for one in entries(20):
        manifest.append(tmp_path, one)
        manifest.read(tmp_path)
    path = tmp_path / manifest.NAME
    path.write_bytes(path.read_bytes().replace(b'"sha2"', b'"sha3"'))
    known = anew(tmp_path)
    assert known.import_of(1) is not None
    with pytest.raises(StoreError, match=r"damaged in the line at byte \d+.*\n.*backup"):
        known.import_of(2)
    (tmp_path / index.NAME).unlink()
    with pytest.raises(StoreError, match="damaged in line 3"):
        anew(tmp_path)


def test_without_room_for_an_index_lines_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(index, "write", full)
    for one in entries(10):
        manifest.append(tmp_path, one)
        manifest.read(tmp_path)
    assert not (tmp_path / index.NAME).exists()
    assert len(anew(tmp_path).imports) == 10


def test_loads_rebuilds_compaction_and_repetitions_over_an_index(kit: Kit) -> None:
    compacting.fill(kit)
    kit.receive(arrival(call(messageId="live")))
    anew(kit.landing.folder)
    assert (kit.landing.folder / index.NAME).exists()
    expected = contents(kit)
    assert rebuilt(kit) == expected
    assert kit.landing.land(open_file(kit.folder / "file1.ndjson"), landed_at=NOW).is_repeat
    assert compacting.run(kit).segments == 6
    anew(kit.landing.folder)
    assert kit.landing.manifest().lines_left == (0, 0)
    assert rebuilt(kit) == expected
    assert compacting.run(kit).segments == 0
    assert kit.take(event(id="z")).loaded == 1


# ── crashes ──────────────────────────────────────────────────────────────────


def go_on(folder: Path) -> None:
    """Seal a journal and note a load, with an index to be written on the way."""
    manifest._FOLD_LINES = 1
    landing = Landing(folder / "landing")
    landing.seal(NOW)
    landing.note_load(LoadRange(4, 4, 4, NOW))


def test_killed_at_any_step_of_writing_an_index(kit: Kit, tmp_path: Path) -> None:
    for number in range(3):
        kit.take(event(id=f"e{number}"))
    kit.arrive(arrival(call(messageId="a")))
    (kit.landing.folder / index.NAME).unlink()

    def prepare(folder: Path) -> None:
        shutil.copytree(kit.landing.folder, folder / "landing")

    seen = set()
    for folder in crash_at_every_step(tmp_path, prepare, go_on):
        landing = folder / "landing"
        seen.add((landing / index.NAME).exists())
        assert answers(anew(landing)) == answers(alone(landing))
        go_on(folder)
        known = anew(landing)
        assert answers(known) == answers(alone(landing))
        assert [entry.records for entry in known.imports] == [1, 1, 1, 1]
        assert list(known.ranges()) == [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)]
    assert seen == {False, True}


def test_instants_are_kept_to_the_microsecond(tmp_path: Path) -> None:
    at = datetime(2026, 12, 31, 23, 59, 59, 999_999)
    for number in range(1, 8):
        manifest.append(tmp_path, LoadRange(number, number, number, at))
        manifest.read(tmp_path)
    assert [load.landed_at for load in anew(tmp_path).loads] == [at] * 7
