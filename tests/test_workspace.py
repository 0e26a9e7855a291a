from __future__ import annotations

import os
from pathlib import Path

import pytest

from trialwise.errors import ConfigError, StoreLocked
from trialwise.workspace import Workspace


def test_a_folder_without_a_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trialwise init"):
        Workspace.open(tmp_path)
    with pytest.raises(ConfigError, match="no folder"):
        Workspace.open(tmp_path / "nowhere")


def test_the_store_has_one_owner_who_is_named(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text("[workspace]\ndata = 'kept'\n", encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    assert workspace.store == tmp_path / "kept" / "store.duckdb"
    with (
        workspace.lock(),
        pytest.raises(StoreLocked, match=f"owned by process {os.getpid()}"),
        workspace.lock(),
    ):
        raise AssertionError("the lock was given twice")
    with workspace.lock():
        assert (workspace.data / "owner.lock").read_text().split()[0] == str(os.getpid())
