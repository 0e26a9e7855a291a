"""Backups on disk: what is whole, what is found wrong, what is not believed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from trialwise import archive
from trialwise.archive import Archive, Entry
from trialwise.errors import NotFoundError, StoreError

NOW = datetime(2026, 3, 1, 12)


def quiet(done: int, total: int) -> None:
    """Progress nobody watches."""


def made(target: Path, name: str = "20260301T120000Z", *, content: bytes = b"records", at: datetime = NOW) -> Archive:
    """A backup of one file."""
    folder = target / name
    (folder / "data").mkdir(parents=True)
    source = target / "source"
    source.write_bytes(content)
    entry = archive.copy(source, folder / "data" / "file", "data/file")
    found = Archive(folder, at, "/srv/acme", "0" * 32, "0.1.0", at, None, 3, (entry,))
    archive.write(found)
    return found


def rewrite(found: Archive, **changes: Any) -> None:
    """backup.json as another program would leave it, with a checksum that fits."""
    told = json.loads((found.folder / "backup.json").read_bytes()) | changes
    told["sha256"] = archive._digest(told)
    (found.folder / "backup.json").write_text(json.dumps(told), encoding="utf-8")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert archive.read(found.folder) == found
    assert archive.faults(found, quiet) == []
    assert (found.name, found.size, found.has_store) == ("20260301T120000Z", 7, False)


def test_a_copy_has_the_rights_and_the_time_of_its_source(tmp_path: Path) -> None:
    source = tmp_path / "keys.json"
    source.write_bytes(b"x" * 3_000_000)
    source.chmod(0o640)
    os.utime(source, ns=(1, 1_234_567_890_123_456_789))
    seen: list[int] = []
    entry = archive.copy(source, tmp_path / "copy", "data/keys.json", watch=seen.append)
    copied = (tmp_path / "copy").stat()
    assert (copied.st_mode & 0o777, copied.st_mtime_ns) == (0o640, 1_234_567_890_123_456_789)
    assert (entry.size, entry.mode, entry.modified) == (3_000_000, 0o640, 1_234_567_890_123_456_789)
    assert sum(seen) == 3_000_000
    assert entry.sha256 == archive.digest_of(source)
    assert archive.copy(source, tmp_path / "head", "data/head", size=5).size == 5
    assert (tmp_path / "head").read_bytes() == b"xxxxx"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"recorDs"), "data/file is not what was written: its SHA-256 differs"),
        (lambda path: path.write_bytes(b"record"), "data/file has 6 bytes, it was written with 7"),
        (lambda path: path.unlink(), "data/file cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_not_as_it_was_is_named(tmp_path: Path, damage: Any, message: str) -> None:
    found = made(tmp_path)
    damage(found.folder / "data" / "file")
    [fault] = archive.faults(found, quiet)
    assert fault.endswith(message)


def test_a_changed_digest_in_backup_json_is_seen(tmp_path: Path) -> None:
    found = made(tmp_path)
    text = (found.folder / "backup.json").read_text(encoding="utf-8")
    (found.folder / "backup.json").write_text(text.replace('"size": 7', '"size": 8'), encoding="utf-8")
    with pytest.raises(StoreError, match=r"backup\.json cannot be read: its checksum does not fit"):
        archive.read(found.folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version": 1}', b"\xff"])
def test_a_backup_json_that_says_nothing_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    found = made(tmp_path)
    (found.folder / "backup.json").write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        archive.read(found.folder)


def test_one_of_a_newer_version_names_who_can_read_it(tmp_path: Path) -> None:
    found = made(tmp_path)
    rewrite(found, version=2, made_by="7.0.0")
    with pytest.raises(StoreError, match=r"is of version 2, .* knows version 1\n.*trialwise 7\.0\.0"):
        archive.read(found.folder)


@pytest.mark.parametrize("path", ["/etc/passwd", "data/../../x", "elsewhere/x", "../data/x"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    found = made(tmp_path)
    rewrite(found, files=[{"path": path, "size": 1, "sha256": "0", "mode": 420, "modified": 0}])
    with pytest.raises(StoreError, match="is no path in a backup"):
        archive.read(found.folder)


def test_only_whole_ones_are_listed_and_the_newest_is_found(tmp_path: Path) -> None:
    first, last = made(tmp_path), made(tmp_path, "20260302T120000Z", at=datetime(2026, 3, 2, 12))
    made(tmp_path, ".20260303T120000Z.partial")
    (tmp_path / "no backup").mkdir()
    assert archive.archives(tmp_path) == [first, last]
    assert archive.find(tmp_path, None) == last
    assert archive.find(tmp_path, first.name) == first
    with pytest.raises(NotFoundError, match=r"no backup 'x' in .*\nThere are 20260301T120000Z, 20260302T120000Z"):
        archive.find(tmp_path, "x")
    with pytest.raises(NotFoundError, match=r"no backup in .*\nRun 'trialwise backup'"):
        archive.find(tmp_path / "nowhere", None)
    with pytest.raises(NotFoundError, match=r"is no backup: it holds no backup\.json"):
        archive.read(tmp_path)


def test_one_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    first = made(tmp_path)
    damaged = made(tmp_path, "20260302T120000Z")
    (damaged.folder / "backup.json").write_bytes(b"{")
    assert archive.archives(tmp_path) == [first]
    with pytest.raises(StoreError, match="cannot be read"):
        archive.find(tmp_path, damaged.name)


def test_what_was_begun_is_swept_and_nothing_else(tmp_path: Path) -> None:
    whole = made(tmp_path)
    for name in (".1.partial", ".2.removed"):
        made(tmp_path, name)
    (tmp_path / ".lock").write_bytes(b"")
    archive.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", whole.name, "source"]
    archive.discard(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "source"]


def test_one_on_its_way_out_is_none_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(tmp_path)

    def stop(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stop)
        with pytest.raises(OSError, match="Input/output error"):
            archive.discard(found)
    assert archive.names(tmp_path) == []
    archive.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_file_is_shared_only_where_it_has_the_size_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(tmp_path)
    [entry] = found.entries
    assert archive.reuse(found, entry, tmp_path / "shared")
    assert (tmp_path / "shared").stat().st_ino == found.path(entry).stat().st_ino
    assert not archive.reuse(found, Entry("data/file", 9, entry.sha256, 0o600, 0), tmp_path / "other")

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert not archive.reuse(found, entry, tmp_path / "third")


def test_a_database_is_copied_while_somebody_writes_to_it(tmp_path: Path) -> None:
    source = tmp_path / "runs.sqlite"
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.executescript("CREATE TABLE runs (run_id INTEGER); INSERT INTO runs VALUES (1);")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO runs VALUES (2)")
        source.chmod(0o600)
        entry = archive.copy_database(source, tmp_path / "copy", "data/runs.sqlite")
    with closing(sqlite3.connect(f"file:{tmp_path / 'copy'}?mode=ro", uri=True)) as reader:
        assert reader.execute("SELECT run_id FROM runs").fetchall() == [(1,)]
    assert entry.size == (tmp_path / "copy").stat().st_size
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").write_bytes(b"torn" * 1000)
    with pytest.raises(StoreError, match=r"runs\.sqlite cannot be copied: file is not a database"):
        archive.copy_database(tmp_path / "runs.sqlite", tmp_path / "copy", "data/runs.sqlite")


def test_a_source_that_cannot_be_read_is_no_matter_of_the_target(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone cannot be read: No such file"):
        archive.copy(tmp_path / "gone", tmp_path / "copy", "data/gone")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="folder cannot be read: Is a directory"):
        archive.copy(tmp_path / "folder", tmp_path / "copy", "data/folder")
