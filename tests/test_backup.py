"""Backups of a workspace: whole, consistent whatever goes on beside, cheap when little changed, safe from a crash."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.crash import crash_at_every_step
from tests.keeping import everything, files, furnished, land, receive, workspace
from tests.landing.kit import call, event
from trialwise import archive, backup, pipeline, upkeep
from trialwise.archive import Archive
from trialwise.backup import BackedUp, make
from trialwise.clock import utc_now
from trialwise.errors import DiskFull, StoreError, StoreLocked
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.restore import restore
from trialwise.workspace import Workspace, claim


def quiet(done: int, total: int) -> None:
    """Progress nobody watches."""


def paths(done: BackedUp | Archive) -> list[str]:
    return sorted(entry.path for entry in archive.read(done.folder).entries)


def event_id(name: str) -> UUID:
    """The id of the event with this message id, as raw.events has it."""
    return UUID(hashlib.md5(name.encode()).hexdigest())


# ── what is in it ────────────────────────────────────────────────────────────


def test_it_takes_what_cannot_be_made_again_and_nothing_else(tmp_path: Path) -> None:
    held = furnished(tmp_path / "acme")
    done = make(held)
    assert done.folder.parent == held.data / "backups"
    assert paths(done) == [
        "data/calibration.ndjson",
        "data/keys.json",
        "data/landing/000003.import",
        "data/landing/000003.ndjson",
        "data/landing/000004.ndjson",  # the journal, sealed
        "data/landing/compacted/000001-000002.parquet",
        "data/landing/compacted/000001-000002.parquet.footer",
        "data/landing/cursors/http-usage.json",
        "data/landing/cursors/stripe-known.sqlite",
        "data/landing/manifest.ndjson",
        "data/runs.sqlite",
        "data/workspace-id",
        "workspace/sql/marts/own.sql",
        "workspace/trialwise.toml",
    ]
    assert (done.segments, done.files, done.copied_files) == (4, 14, 14)
    assert archive.faults(archive.read(done.folder), quiet) == []
    assert (done.folder / "data" / "keys.json").stat().st_mode & 0o777 == 0o600
    assert done.folder.stat().st_mode & 0o777 == 0o700
    with closing(sqlite3.connect(done.folder / "data" / "runs.sqlite")) as ledger:
        assert ledger.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_with_the_store_it_is_loaded_first(tmp_path: Path) -> None:
    held = furnished(tmp_path / "acme")
    done = make(held, with_store=True)
    assert archive.read(done.folder).has_store
    copied = everything(done.folder / "data" / "store.duckdb")
    assert copied == everything(held.store)
    assert len(copied["raw.events"]) == 3
    assert len(Landing(done.folder / "data" / "landing").manifest().loads) == 3


def test_files_that_the_configuration_names_and_later_versions_keep_are_in_it(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme", '[identity]\ncustomer_map = "crm/customers.csv"\n[backup]\nfolder = "copies"\n')
    (held.folder / "crm").mkdir()
    (held.folder / "crm" / "customers.csv").write_text("customer_id,account_id\n", encoding="utf-8")
    (held.folder / "notes.txt").write_text("theirs", encoding="utf-8")
    for name in ("history.ndjson", "suppressed/people.json", "store.duckdb.damaged-1", "owner.sock.lock", ".hidden",
                 "published/CURRENT", "moments/x.duckdb", "run/pid", "claims/stripe.lock", "scratch/x"):  # fmt: skip
        path = held.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    done = make(held)
    assert done.folder.parent == held.folder / "copies"
    assert paths(done) == [
        "data/history.ndjson",
        "data/suppressed/people.json",
        "data/workspace-id",
        "workspace/crm/customers.csv",
        "workspace/trialwise.toml",
    ]


def test_no_backup_holds_another(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme", '[workspace]\ndata = "."\n')
    land(held, event(id="a"))
    make(held, held.folder / "copies")
    make(held)
    done = make(held, held.folder / "copies")
    assert paths(done) == [
        "data/backup-targets.json",
        "data/landing/000001.import",
        "data/landing/000001.ndjson",
        "data/landing/manifest.ndjson",
        "data/workspace-id",
        "workspace/trialwise.toml",
    ]


def test_it_knows_the_moment_of_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = workspace(tmp_path / "acme")
    assert archive.read(make(held).folder).as_of is None
    held.published.mkdir()
    (held.published / "CURRENT").write_text("torn", encoding="utf-8")
    assert archive.read(make(held).folder).as_of is None


# ── cheap when little changed ────────────────────────────────────────────────


def test_a_later_backup_shares_what_is_sealed(tmp_path: Path) -> None:
    held = furnished(tmp_path / "acme")
    first = make(held)
    land(held, event(id="new"))
    second = make(held)
    name = "data/landing/compacted/000001-000002.parquet"
    assert (second.folder / name).stat().st_ino == (first.folder / name).stat().st_ino
    new = second.folder / "data/landing/000005.ndjson"
    changing = [path for path in paths(second) if "/landing/0" not in path and "/compacted/" not in path]
    assert second.copied_files == len(changing) + 2  # and the new segment with what describes it
    shutil.rmtree(first.folder)
    assert archive.faults(archive.read(second.folder), quiet) == []
    assert new.exists()
    third = make(held, full=True)
    assert third.copied_files == third.files
    assert (third.folder / name).stat().st_ino != (second.folder / name).stat().st_ino


def test_a_segment_that_was_written_to_is_copied_again(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme")
    land(held, event(id="a"), event(id="secret"))
    first = make(held)
    path = Landing(held.landing).path(1)
    path.write_bytes(path.read_bytes().replace(b"secret", b"------"))
    second = make(held)
    assert b"secret" in (first.folder / "data/landing/000001.ndjson").read_bytes()
    assert b"secret" not in (second.folder / "data/landing/000001.ndjson").read_bytes()


def test_the_oldest_go_and_only_those_of_this_workspace(tmp_path: Path) -> None:
    held, other = workspace(tmp_path / "acme", "[backup]\nkeep = 2\n"), workspace(tmp_path / "other")
    target = tmp_path / "target"
    theirs = make(other, target)
    made = [make(held, target) for _ in range(3)]
    assert made[2].removed == (made[0].folder.name,)
    assert archive.names(target) == sorted(one.folder.name for one in (theirs, *made[1:]))
    last = make(held, target, keep=1)
    assert last.removed == (made[1].folder.name, made[2].folder.name)
    assert archive.names(target) == sorted([theirs.folder.name, last.folder.name])


# ── whatever goes on beside ──────────────────────────────────────────────────


def test_a_cursor_never_stands_behind_what_is_not_in_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is pulled, and its cursor saved, while the backup looks for segments: both are in it or neither."""
    held = workspace(tmp_path / "acme")
    Cursors(held.landing).put("http-usage", {"page": 1})
    look = backup.holdings

    def meanwhile(landing: Landing) -> Any:
        receive(held, call(messageId="page 2"))
        Cursors(held.landing).put("http-usage", {"page": 2})
        return look(landing)

    monkeypatch.setattr(backup, "holdings", meanwhile)
    done = make(held)
    assert json.loads((done.folder / "data/landing/cursors/http-usage.json").read_bytes()) == {"page": 1}
    assert b"page 2" not in b"".join(files(done.folder / "data/landing").values())


def test_what_lands_after_the_manifest_was_taken_is_not_half_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = workspace(tmp_path / "acme")
    land(held, event(id="before"))
    look = backup.holdings

    def meanwhile(landing: Landing) -> Any:
        found = look(landing)
        land(held, event(id="after"))
        return found

    monkeypatch.setattr(backup, "holdings", meanwhile)
    done = make(held)
    assert "data/landing/000002.ndjson" not in paths(done)
    assert Landing(done.folder / "data/landing").manifest().last_segment == 1


def test_backups_beside_imports_seals_compaction_and_retention_hold_all_that_was_acknowledged(tmp_path: Path) -> None:
    """Each backup, restored, holds every record acknowledged before it began, and loads without a missing segment."""
    config = "[landing]\ncompact_after_days = 0\nkeep_event_days = 30\n[backup]\nkeep = 100\n"
    with workspace(tmp_path / "acme", config).owned() as held:
        acknowledged: list[str] = []
        stopping = threading.Event()
        failed: list[BaseException] = []

        def repeatedly(work: Callable[[int], None]) -> None:
            number = 0
            try:
                while not stopping.is_set():
                    work(number)
                    number += 1
                    stopping.wait(0.01)
            except BaseException as error:
                failed.append(error)

        def send(number: int) -> None:
            receive(held, call(messageId=f"m{number}"), now=utc_now())
            acknowledged.append(f"m{number}")

        def bring(number: int) -> None:
            land(held, event(id=f"e{number}"), now=utc_now())
            acknowledged.append(f"e{number}")
            land(held, event(id=f"old{number}"), now=datetime(2020, 1, 1))

        def compact(number: int) -> None:
            upkeep.compact(held)

        threads = [threading.Thread(target=repeatedly, args=(work,)) for work in (send, bring, compact)]
        for thread in threads:
            thread.start()
        made = []
        for _ in range(4):
            already = len(acknowledged)
            made.append((set(acknowledged[:already]), make(held, tmp_path / "target")))
        stopping.set()
        for thread in threads:
            thread.join()
        assert failed == []
    for number, (before, done) in enumerate(made):
        restored = restore(done.folder, tmp_path / f"restored{number}")
        rows = everything(restored.folder / "data" / "store.duckdb")
        assert {event_id(name) for name in before} <= {row[0] for row in rows["raw.events"]}
        assert rows["raw.quarantine"] == []
        again = restore(make(Workspace.open(restored.folder)).folder, tmp_path / f"again{number}")
        assert everything(again.folder / "data" / "store.duckdb") == rows


def test_another_owner_is_named_and_another_backup_too(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme")
    with claim(held.data / "owner.lock"), pytest.raises(StoreLocked, match="owned by process"):
        make(held)
    held.backups.mkdir(parents=True, exist_ok=True)
    with claim(held.backups / ".lock"), pytest.raises(StoreError, match="is backing up into"):
        make(held)


# ── what the disk refuses ────────────────────────────────────────────────────


def test_a_full_disk_leaves_nothing_half_and_everything_as_it_was(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme")
    first = make(held, tmp_path / "target")
    land(held, *[event(id=str(number)) for number in range(500)])
    before = files(held.folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(DiskFull, match=r"target cannot be written: .*File too large.*\n.*Earlier backups"):
            make(held, tmp_path / "target")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(held.folder) == before
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == [".lock", first.folder.name]


def test_a_target_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file"):
        make(held, tmp_path / "file")


def test_a_missing_segment_is_an_error_and_no_backup(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme")
    land(held, event(id="a"))
    Landing(held.landing).path(1).unlink()
    with pytest.raises(StoreError, match=r"000001\.ndjson, a landing segment, is missing"):
        make(held)
    assert archive.names(held.backups) == []


def test_everything_is_synced_before_the_backup_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = furnished(tmp_path / "acme")
    synced: set[tuple[int, int]] = set()
    named: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def watched(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.add((found.st_dev, found.st_ino))
        fsync(descriptor)

    def renaming(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            named.append(self.name)
            below = [self, *self.rglob("*")]
            missing = [path for path in below if (path.stat().st_dev, path.stat().st_ino) not in synced]
            assert missing == []
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(Path, "rename", renaming)
    done = make(held)
    assert named == [f".{done.folder.name}.partial"]
    target = done.folder.parent.stat()
    assert (target.st_dev, target.st_ino) in synced


# ── a crash at any step ──────────────────────────────────────────────────────


def back_up(folder: Path) -> None:
    make(Workspace.open(folder / "acme"), folder / "target", keep=1)


def loaded(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows a landing folder gives; without the loads', the last of which has the instant of this call."""
    held = Workspace.open(folder)
    held.store.unlink(missing_ok=True)
    pipeline.load_landed(held)
    return {name: rows for name, rows in everything(held.store).items() if name != "raw.loads"}


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_step_of_a_backup(tmp_path: Path, every: int) -> None:
    """Whatever is listed is whole, a backup is always there, and the workspace has what it had."""
    origin = tmp_path / "origin"
    held = furnished(origin / "acme")
    first = make(held, origin / "target")
    of_first = paths(first)
    land(held, event(id="new"))
    receive(held, call(messageId="newer"))
    whole = tmp_path / "whole"
    shutil.copytree(origin, whole)
    expected = paths(make(Workspace.open(whole / "acme"), whole / "target"))
    rows = loaded(whole / "acme")
    assert len(rows["raw.events"]) == 5

    def prepare(folder: Path) -> None:
        shutil.copytree(origin, folder, dirs_exist_ok=True)

    (tmp_path / "crashes").mkdir()
    seen = set()
    for folder in crash_at_every_step(tmp_path / "crashes", prepare, back_up, every=every):
        there = archive.archives(folder / "target")
        seen.add(len(there))
        for one in there:
            assert archive.faults(one, quiet) == []
            assert paths(one) == (of_first if one.name == first.folder.name else expected)
        assert len(archive.names(folder / "target")) == len(there) > 0
        back_up(folder)
        assert paths(archive.find(folder / "target", None)) == expected
        assert [path.name for path in (folder / "target").iterdir() if path.name.startswith(".")] == [".lock"]
        assert loaded(folder / "acme") == rows
        shutil.rmtree(folder)
    assert 1 in seen


def test_a_workspace_that_was_moved_keeps_its_backups(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme", '[backup]\nfolder = "../disk"\n')
    first = make(held)
    held.folder.rename(tmp_path / "moved")
    assert make(Workspace.open(tmp_path / "moved"), keep=1).removed == (first.folder.name,)


def test_a_workspace_made_anew_in_the_folder_of_another_has_none_of_its_backups(tmp_path: Path) -> None:
    first = make(workspace(tmp_path / "acme", '[backup]\nfolder = "../disk"\n'))
    shutil.rmtree(tmp_path / "acme")
    assert make(workspace(tmp_path / "acme", '[backup]\nfolder = "../disk"\n'), keep=1).removed == ()
    assert first.folder.exists()


def test_a_copy_of_a_workspace_that_backs_up_into_the_same_folder_removes_its_own_alone(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme", '[backup]\nfolder = "../disk"\n')
    first = make(held)
    shutil.copytree(held.folder, tmp_path / "staging")
    staging = Workspace.open(tmp_path / "staging")
    own = make(staging, keep=1)
    assert own.removed == ()
    assert make(staging, keep=1).removed == (own.folder.name,)
    assert first.folder.exists()
    assert len(archive.names(tmp_path / "disk")) == 2
