"""The commands of backup and restore, as a user's shell sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run
from tests.keeping import land, workspace
from tests.landing.kit import event
from trialwise import archive
from trialwise.workspace import Workspace


@pytest.fixture
def held(tmp_path: Path) -> Workspace:
    held = workspace(tmp_path / "acme")
    land(held, event(id="a"))
    return held


def test_backup_makes_lists_verifies_and_removes(held: Workspace, tmp_path: Path) -> None:
    first = run("backup", "-C", held.folder)
    assert first.out == ""
    assert (
        f"backed up 1 segments in 6 files, {archive.find(held.backups, None).size:,} bytes: {held.backups}" in first.err
    )
    second = run("backup", "make", "--keep", "1", "-C", held.folder).err
    assert "2 of them shared with an earlier backup" in second
    assert "removed 20" in second
    [row] = run("backup", "list", "-C", held.folder, "-f", "json").rows()
    assert (row["segments"], row["files"], row["has_store"], row["workspace"]) == (1, 6, False, str(held.folder))
    assert row["folder"] == str(held.backups / row["name"])
    assert f"{row['name']}: 6 files" in run("backup", "verify", "-C", held.folder).err
    assert run("backup", "verify", row["name"], "--from", held.backups).code == 0
    for path in (held.backups, held.backups / row["name"]):  # where the workspace is lost
        assert f"{row['name']}: 6 files" in run("backup", "verify", path, "-C", held.folder / "lost").err


def test_a_target_of_ones_own_needs_no_workspace_to_be_looked_into(held: Workspace, tmp_path: Path) -> None:
    run("backup", tmp_path / "target", "--with-store", "-C", held.folder)
    [row] = run("backup", "list", "--from", tmp_path / "target", "-f", "json").rows()
    assert row["has_store"] is True
    assert archive.names(held.backups) == []


def test_verify_names_every_file_and_ends_with_one(held: Workspace) -> None:
    run("backup", "-C", held.folder)
    kept = archive.find(held.backups, None).folder
    (kept / "data/landing/000001.ndjson").write_bytes(b"changed")
    (kept / "data/landing/000001.import").unlink()
    told = run("backup", "verify", "-C", held.folder, code=1).err
    assert "000001.ndjson has 7 bytes" in told
    assert "000001.import cannot be read: No such file" in told
    assert "trialwise backup --full" in told


def test_restore_says_what_it_did_and_what_is_next(held: Workspace, tmp_path: Path) -> None:
    run("backup", "-C", held.folder)
    kept = archive.find(held.backups, None)
    told = run("restore", kept.folder, tmp_path / "new").err
    assert f"restored {kept.name}: 1 segments of {held.folder}" in told
    assert f"trialwise serve -C {tmp_path / 'new'}" in told
    assert "is not empty: it holds data, trialwise.toml" in run("restore", kept.folder, tmp_path / "new", code=1).err
    assert f"no backup in {tmp_path}" in run("restore", tmp_path, tmp_path / "other", code=1).err
    assert f"restored {kept.name}" in run("restore", held.backups, tmp_path / "newest").err
