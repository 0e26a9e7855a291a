"""A workspace from a backup: the same rows, into an empty folder alone, whole or recognisably not."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.crash import crash_at_every_step
from tests.keeping import everything, files, furnished, land, workspace
from tests.landing.kit import event
from trialwise import archive, pipeline
from trialwise.backup import make
from trialwise.errors import ConfigError, DiskFull, InputError, NotFoundError, StoreError
from trialwise.restore import restore
from trialwise.runs import Ledger
from trialwise.workspace import Workspace


def quiet(done: int, total: int) -> None:
    """Progress nobody watches."""


def rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The raw tables of a workspace; of loads what does not depend on when the last one was."""
    found = everything(folder / "data" / "store.duckdb")
    found["raw.loads"] = [(row[0], *row[2:]) for row in found["raw.loads"]]
    return found


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace `acme`, loaded after its backup was made into `target`."""
    folder = tmp_path_factory.mktemp("origin")
    held = furnished(folder / "acme")
    make(held, folder / "target")
    pipeline.load_landed(held)
    return folder


def backup_in(folder: Path) -> Path:
    return archive.find(folder / "target", None).folder


@pytest.mark.parametrize("is_there", [False, True])
def test_the_same_rows_files_and_rights(origin: Path, tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "deep" / "new"
    if is_there:
        folder.mkdir(parents=True)
    done = restore(backup_in(origin), folder)
    assert rows(folder) == rows(origin / "acme")
    assert done.loaded.loads == 3
    assert (done.moved_data, done.refreshed) == (None, None)
    kept = files(backup_in(origin))
    new = files(folder)
    for path, content in kept.items():
        top, _, rest = path.partition("/")
        if top == "data" and not path.endswith(("manifest.ndjson", ".sqlite")):
            assert new[path] == content
        elif top == "workspace":
            assert new[rest] == content
    assert new["data/landing/manifest.ndjson"].startswith(kept["data/landing/manifest.ndjson"])
    assert (folder / "data" / "keys.json").stat().st_mode & 0o777 == 0o600
    assert (folder / "data").stat().st_mode & 0o777 == 0o700


def test_with_the_store_nothing_is_filled_again(tmp_path: Path) -> None:
    held = furnished(tmp_path / "acme")
    done = make(held, with_store=True)
    restored = restore(done.folder, tmp_path / "new")
    assert restored.loaded.loads == 0
    assert everything(tmp_path / "new" / "data" / "store.duckdb") == everything(held.store)


def test_the_run_that_made_a_backup_has_ended_in_what_is_restored(tmp_path: Path) -> None:
    held = furnished(tmp_path / "acme")
    assert run("backup", tmp_path / "target", "-C", held.folder).code == 0
    restore(backup_in(tmp_path), tmp_path / "new")
    ledger = Ledger(tmp_path / "new" / "data")
    assert ledger.tell_killed(is_owner=True) == 0
    [made] = ledger.runs(job="backup")
    assert (made.status, made.ended_at) == ("ok", archive.find(tmp_path / "target", None).created_at)


def test_a_folder_that_holds_something_is_refused_and_left_alone(origin: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e", "f"):
        (tmp_path / name).write_bytes(b"theirs")
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"is not empty: it holds a, b, c, d, e \.\.\.\nName a new folder"):
        restore(backup_in(origin), tmp_path)
    with pytest.raises(InputError, match="is not empty: it holds a\n"):
        restore(backup_in(origin), tmp_path / "a")
    assert files(tmp_path) == before


def test_a_backup_that_is_not_as_it_was_written_restores_nothing(origin: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(backup_in(origin), tmp_path / "kept"))
    for name in ("000003.ndjson", "000004.ndjson"):
        (kept / "data/landing" / name).write_bytes(b"changed")
    with pytest.raises(StoreError, match=r"000003\.ndjson has 7 bytes.* \(and 1 more\)\nRestore another"):
        restore(kept, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(NotFoundError, match="no backup in"):
        restore(tmp_path / "new", tmp_path / "new")


def test_a_full_disk_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme")
    land(held, *[event(id=str(number)) for number in range(500)])
    done = make(held)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "empty").mkdir()
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        for name in ("new", "empty"):
            with pytest.raises(DiskFull, match=rf"{name} cannot be written: .*File too large.*\nMake room there"):
                restore(done.folder, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_data_outside_of_the_workspace_comes_into_it(tmp_path: Path) -> None:
    """The restored workspace must never touch the original's data."""
    away = tmp_path / "away"
    held = workspace(tmp_path / "acme", f'[workspace]\nname = "acme"  # ours\ndata = "{away}"\n')
    land(held, event(id="a"))
    done = make(held, tmp_path / "target")
    before = files(away)
    restored = restore(done.folder, tmp_path / "new")
    assert restored.moved_data == str(away)
    assert (tmp_path / "new" / "trialwise.toml").read_text(encoding="utf-8") == (
        '[workspace]\nname = "acme"  # ours\ndata = "data"\n'
    )
    assert len(rows(tmp_path / "new")["raw.events"]) == 1
    assert files(away) == before


def test_a_restored_workspace_says_so_where_its_store_cannot_be_filled(tmp_path: Path) -> None:
    held = workspace(tmp_path / "acme")
    done = make(held)
    kept = archive.read(done.folder)
    config = done.folder / "workspace" / "trialwise.toml"
    config.write_text("[nothing]\n", encoding="utf-8")
    copied = archive.copy(config, tmp_path / "copy", "workspace/trialwise.toml")
    entries = tuple(copied if entry.path == copied.path else entry for entry in kept.entries)
    archive.write(archive.Archive(**{**vars(kept), "entries": entries}))
    with pytest.raises(
        StoreError, match=r"everything is restored in .*new, but .*unknown key 'nothing'.*\n.*refresh -C"
    ):
        restore(done.folder, tmp_path / "new")
    assert (tmp_path / "new" / "trialwise.toml").exists()


def restore_into(folder: Path) -> None:
    restore(backup_in(folder), folder / "new")


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_step_of_a_restore(origin: Path, tmp_path: Path, every: int) -> None:
    """What is left is no workspace, or it is the whole one; the backup is what it was."""
    expected = rows(origin / "acme")

    def prepare(folder: Path) -> None:
        shutil.copytree(origin / "target", folder / "target")

    whole = 0
    for folder in crash_at_every_step(tmp_path, prepare, restore_into, every=every):
        assert archive.faults(archive.find(folder / "target", None), quiet) == []
        new = folder / "new"
        try:
            held = Workspace.open(new)
        except ConfigError:
            if new.exists() and any(new.iterdir()):
                with pytest.raises(InputError, match=r"not empty.*\n.*One without trialwise\.toml"):
                    restore_into(folder)
                shutil.rmtree(new)
            restore_into(folder)
        else:
            pipeline.load_landed(held)
            whole += 1
        assert rows(new) == expected
        shutil.rmtree(folder)
    assert whole > 0
