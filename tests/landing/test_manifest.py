"""The manifest is read once, then as far as it grew; what it says is what a fresh reading says."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.landing.kit import NOW

from trialwise.errors import StoreError
from trialwise.landing import manifest
from trialwise.landing.manifest import Dropped, Import, LoadRange, Manifest, Segment


def entry(number: int, *segments: int, live: bool = False) -> Import:
    parts = tuple(Segment(n, 10, 1, 100, f"journal-{n}" if live else None) for n in segments)
    return Import(
        number, "events", "auto", f"f{number}", f"sha{number}", NOW, parts, {}, ("q1",) if number == 2 else ()
    )


def fresh(folder: Path) -> Manifest:
    """Read by somebody who knows nothing."""
    other = folder.with_name(f"{folder.name}-copy{os.urandom(4).hex()}")
    other.mkdir()
    (other / manifest.NAME).write_bytes((folder / manifest.NAME).read_bytes())
    return manifest.read(other)


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    entries = [entry(1, 1, 2), entry(2), entry(3, 3, live=True), LoadRange(1, 1, 3, NOW), entry(4, 5)]
    for number, one in enumerate(entries, 1):
        manifest.append(tmp_path, one)
        known = manifest.read(tmp_path)
        assert (*known.imports, *known.loads) == (
            *[kept for kept in entries[:number] if isinstance(kept, Import)],
            *[kept for kept in entries[:number] if isinstance(kept, LoadRange)],
        )
        assert known == fresh(tmp_path)
        assert manifest.read(tmp_path) is known, "nothing is read twice"


def test_where_segments_are_found(tmp_path: Path) -> None:
    """The second import is of an empty file; number 4 was never given."""
    entries = [entry(1, 1, 2), entry(2), entry(3, 3, live=True), entry(4, 5, 6)]
    known = Manifest((), ())
    assert (known.last_segment, known.import_of(1), known.after(0)) == (0, None, ())
    for one in entries:
        manifest.append(tmp_path, one)
    known = manifest.read(tmp_path)
    assert known.last_segment == 6
    assert [known.import_of(number) for number in range(1, 8)] == [
        entries[0], entries[0], entries[2], None, entries[3], entries[3], None,
    ]  # fmt: skip
    assert known.after(0) == (entries[0], entries[2], entries[3])
    assert known.after(2) == known.after(1) == (entries[2], entries[3])
    assert known.after(3) == known.after(4) == (entries[3],)
    assert known.after(6) == known.after(5) == ()
    assert known.between(1, 3) == (entries[0], entries[2])
    assert known.between(3, 5) == (entries[2],)
    assert known.between(4, 9) == (entries[3],)
    assert known.sealed("journal-3") == entries[2].segments[0]
    assert known.sealed("journal-4") is None


def test_another_file_in_its_place_is_read_anew(tmp_path: Path) -> None:
    manifest.append(tmp_path, entry(1, 1))
    assert manifest.read(tmp_path).last_segment == 1
    path = tmp_path / manifest.NAME
    path.unlink()
    assert manifest.read(tmp_path) == Manifest()
    manifest.append(tmp_path, entry(1, 7))
    assert manifest.read(tmp_path).last_segment == 7
    data = path.read_bytes().replace(b"sha1", b"sha9")
    path.write_bytes(data)
    with pytest.raises(StoreError, match="line 1"):
        manifest.read(tmp_path)


def test_a_shorter_file_is_read_anew(tmp_path: Path) -> None:
    manifest.append(tmp_path, entry(1, 1))
    size = (tmp_path / manifest.NAME).stat().st_size
    manifest.append(tmp_path, entry(2, 2))
    assert manifest.read(tmp_path).last_segment == 2
    os.truncate(tmp_path / manifest.NAME, size)
    assert manifest.read(tmp_path).last_segment == 1


def test_an_append_that_fails_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.append(tmp_path, entry(1, 1))
    before = (tmp_path / manifest.NAME).read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            manifest.append(tmp_path, entry(2, 2))
    assert (tmp_path / manifest.NAME).read_bytes() == before
    assert manifest.read(tmp_path).last_segment == 1


def test_what_was_loaded_follows_what_is_appended(tmp_path: Path) -> None:
    manifest.append(tmp_path, entry(1, 1, 2))
    assert manifest.read(tmp_path).last_loaded == 0
    manifest.append(tmp_path, LoadRange(1, 1, 2, NOW))
    assert manifest.read(tmp_path).last_loaded == 2
    assert manifest.read(tmp_path).drops == ""
    manifest.append(tmp_path, Dropped((1,), NOW))
    assert manifest.read(tmp_path).drops != ""


def test_a_file_larger_than_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [entry(number, number, live=number % 3 == 0) for number in range(1, 40)]
    for one in entries:
        manifest.append(tmp_path, one)
    with (tmp_path / manifest.NAME).open("ab") as stream:
        stream.write((tmp_path / manifest.NAME).read_bytes()[:100])
    monkeypatch.setattr(manifest, "_BUFFER_BYTES", 64)
    assert manifest.read(tmp_path).imports == tuple(entries)
    monkeypatch.undo()
    assert fresh(tmp_path).imports == tuple(entries)


@pytest.mark.parametrize("there", [b'"crc"', b'","entry":', b'"entry":{', b"sha2", b"}}\n"])
def test_a_byte_changed_anywhere_in_a_line_is_damage(tmp_path: Path, there: bytes) -> None:
    for number in (1, 2, 3):
        manifest.append(tmp_path, entry(number, number))
    path = tmp_path / manifest.NAME
    first, second, third = path.read_bytes().splitlines(keepends=True)
    place = second.index(there) + 1
    path.write_bytes(first + second[:place] + bytes([second[place] ^ 1]) + second[place + 1 :] + third)
    with pytest.raises(StoreError, match="line 2"):
        manifest.read(tmp_path)


STEPS = st.lists(st.sampled_from(["import", "live", "load", "torn", "cut", "read", "swap"]), max_size=25)


@given(STEPS)
def test_a_reader_that_remembers_is_a_reader_that_does_not(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("landing")
    path = folder / manifest.NAME
    manifest.append(folder, entry(1, 1))
    for number, step in enumerate(steps, 1):
        if step == "import":
            manifest.append(folder, entry(number, number + 1))
        elif step == "live":
            manifest.append(folder, entry(number, number + 1, live=True))
        elif step == "load":
            manifest.append(folder, LoadRange(number, number, number, datetime(2026, 1, 1)))
        elif step == "torn":
            with path.open("ab") as stream:
                stream.write(b'{"crc":"0123' * (number % 3))
        elif step == "cut":
            os.truncate(path, path.stat().st_size // 2)
        elif step == "swap":
            other = path.with_suffix(".new")
            other.write_bytes(path.read_bytes())
            other.rename(path)
        else:
            assert manifest.read(folder) == fresh(folder)
    assert manifest.read(folder) == fresh(folder)
