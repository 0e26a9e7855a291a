"""Landing: what was acknowledged is on disk, whole, once, and in order."""

from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.landing.kit import NOW, Kit, event

from trialwise.errors import InputError, StoreError
from trialwise.landing import manifest
from trialwise.landing.folder import Landing
from trialwise.landing.frame import MAX_RECORD_BYTES, checksum, frame
from trialwise.landing.manifest import LoadRange
from trialwise.sources.files import open_file


def test_a_frame_keeps_the_text_and_its_checksum() -> None:
    text = '{"a":"é \\" \\u0007"}'
    line, reason = frame(3, 7, 120, text.encode(), '{"sentAt":"x"}')
    assert reason is None
    assert json.loads(line) == {
        "crc": checksum(f'3 7 120      {{"sentAt":"x"}} {text}'.encode()),
        "i": 3,
        "n": 7,
        "o": 120,
        "raw": text,
        "env": '{"sentAt":"x"}',
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff{}", "bad_utf8"),
        (b"\xed\xa0\x80", "bad_utf8"),
        (b'{"a":"\0"}', "nul"),
        (b"[" * 101, "too_deep"),
        (b"[" * 101 + b"]" * 101, "too_deep"),
        (b"[]" * 101, None),
        (b'"' + b"[" * 200 + b'"', None),
        (b'"\\"' + b"{" * 200 + b'"', None),
        (b"x" * (MAX_RECORD_BYTES + 1), "too_large"),
        (b"x" * MAX_RECORD_BYTES, None),
    ],
)
def test_what_is_no_record(data: bytes, reason: str | None) -> None:
    line, found = frame(0, 1, 0, data)
    assert found == reason
    assert len(line) < 2 * MAX_RECORD_BYTES
    assert ("b64" in json.loads(line)) == (reason is not None)


def test_a_repeated_import_is_a_no_op_that_says_so(kit: Kit) -> None:
    path = kit.folder / "a.ndjson"
    path.write_text(json.dumps(event()) + "\n" + json.dumps(event()) + "\n")
    first = kit.landing.land(open_file(path), landed_at=NOW)
    assert (first.received, first.pending, first.is_repeat) == (2, 2, False)
    copy = path.rename(kit.folder / "renamed.ndjson")
    again = kit.landing.land(open_file(copy), landed_at=NOW + timedelta(days=1))
    assert (again.received, again.duplicate, again.pending, again.repeats) == (2, 2, 0, NOW)
    assert len(kit.landing.manifest().imports) == 1
    other = kit.landing.land(open_file(copy, mapping={"user_id": "account_id"}), landed_at=NOW)
    assert not other.is_repeat


def test_large_files_become_several_segments_in_order(tmp_path: Path) -> None:
    path = tmp_path / "many.ndjson"
    path.write_text("".join(json.dumps(event(id=f"e{n}")) + "\n" for n in range(10_000)))
    landing = Landing(tmp_path / "landing", segment_bytes=1)
    receipt = landing.land(open_file(path), landed_at=NOW)
    segments = landing.manifest().imports[0].segments
    assert receipt.received == 10_000
    assert [segment.number for segment in segments] == [1, 2, 3]
    assert sum(segment.records for segment in segments) == 10_000
    items = [
        json.loads(line)["i"] for segment in segments for line in landing.path(segment.number).read_text().splitlines()
    ]
    assert items == list(range(10_000))
    assert all(landing.path(s.number).stat().st_size == s.bytes for s in segments)


def test_file_and_folder_are_synced_before_the_manifest_says_so(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync = os.fsync

    def spy(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        steps.append("folder" if target.is_dir() else target.name)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    kit.land(event())
    _new_folder, *after = steps
    assert after == ["000001.ndjson.open", "folder", "000001.import", "manifest.ndjson", "folder", "folder"]


def test_a_source_that_breaks_off_leaves_nothing(kit: Kit) -> None:
    path = kit.folder / "cut.ndjson.gz"
    body = gzip.compress(os.urandom(200_000).hex().encode() + b"\n" + (json.dumps(event()) + "\n").encode() * 9000)
    path.write_bytes(body[: len(body) - 20])
    landing = Landing(kit.folder / "landing", segment_bytes=1000)
    with pytest.raises(InputError, match="damaged"):
        landing.land(open_file(path), landed_at=NOW)
    assert list(landing.folder.glob("*.ndjson*")) == []
    assert landing.manifest().imports == ()


def test_a_full_disk_leaves_nothing_and_recovers(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            kit.land(event())
    assert list(kit.landing.folder.glob("*.ndjson*")) == []
    assert kit.land(event(id="b")).received == 1
    assert kit.load().loaded == 1


def test_remains_of_a_killed_import_are_cleared_away(kit: Kit) -> None:
    kit.land(event())
    (kit.landing.folder / "000002.ndjson.open").write_text("half a li")
    kit.landing.path(2).write_text('{"crc":"x"}\n')  # sealed, but never in the manifest
    kit.land(event(id="b"))
    assert kit.load().loaded == 2
    assert sorted(path.name for path in kit.landing.folder.glob("*.open")) == []


def test_imports_take_turns(tmp_path: Path) -> None:
    landing = Landing(tmp_path / "landing")
    paths = []
    for n in range(12):
        paths.append(tmp_path / f"f{n}.ndjson")
        paths[-1].write_text(json.dumps(event(id=f"e{n}")) + "\n")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda path: landing.land(open_file(path), landed_at=NOW), paths))
    entries = landing.manifest().imports
    assert [entry.number for entry in entries] == list(range(1, 13))
    assert [entry.segments[0].number for entry in entries] == list(range(1, 13))
    assert {entry.file for entry in entries} == {path.name for path in paths}


def test_progress_reaches_the_end(kit: Kit) -> None:
    path = kit.folder / "a.ndjson"
    path.write_text((json.dumps(event()) + "\n") * 30_000)
    seen: list[tuple[int, int]] = []
    kit.landing.land(open_file(path), landed_at=NOW, progress=lambda done, total: seen.append((done, total)))
    size = path.stat().st_size
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_empty_file_is_no_record(kit: Kit) -> None:
    path = kit.folder / "empty.ndjson"
    path.write_bytes(b"\n \r\n")
    assert kit.landing.land(open_file(path), landed_at=NOW).received == 0
    assert kit.load().loads == 0


# ── the manifest ─────────────────────────────────────────────────────────────


def test_an_unfinished_line_is_no_line(kit: Kit) -> None:
    kit.land(event())
    path = kit.landing.folder / manifest.NAME
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"crc":"0123')
    assert len(kit.landing.manifest().imports) == 1
    kit.land(event(id="b"))
    assert path.read_bytes().startswith(whole)
    assert len(kit.landing.manifest().imports) == 2
    path.write_bytes(b"x" * 5000)
    manifest.append(kit.landing.folder, LoadRange(1, 1, 1, NOW))
    assert kit.landing.manifest().loads == (LoadRange(1, 1, 1, NOW),)


@pytest.mark.parametrize("position", [3, 12, 60, 200])
def test_a_damaged_line_is_named(kit: Kit, position: int) -> None:
    kit.land(event())
    path = kit.landing.folder / manifest.NAME
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="line 1"):
        kit.landing.manifest()


# ── damaged segments ─────────────────────────────────────────────────────────


def test_a_changed_record_is_quarantined_and_the_rest_loads(kit: Kit) -> None:
    kit.land(event(id="a"), event(id="b"), event(id="c"))
    path = kit.landing.path(1)
    path.write_bytes(path.read_bytes().replace(b"northwind", b"northwing", 1))
    report = kit.load()
    assert (report.loaded, dict(report.reasons)) == (2, {"checksum": 1})


def test_a_missing_segment_is_named(kit: Kit) -> None:
    kit.land(event(id="a"))
    kit.landing.path(1).unlink()
    with pytest.raises(StoreError, match=r"000001\.ndjson is missing"):
        kit.load()


def test_a_broken_frame_and_a_cut_tail(kit: Kit) -> None:
    kit.land(*(event(id=f"e{n}") for n in range(5)))
    path = kit.landing.path(1)
    lines = path.read_bytes().splitlines(True)
    path.write_bytes(lines[0] + lines[1][:40] + b"\n" + lines[2] + lines[3][:30])
    report = kit.load()
    assert (report.received, report.loaded) == (5, 2)
    assert dict(report.reasons) == {"damaged_frame": 2, "missing_frame": 1}
    raw = kit.rows("SELECT raw FROM raw.quarantine WHERE reason = 'damaged_frame' ORDER BY detail")
    assert raw == [(lines[1][:40],), (lines[3][:30],)]
