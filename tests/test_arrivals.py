"""What an import says of its records, whoever loaded them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.command import run, write_lines
from trialwise.landing.folder import Landing
from trialwise.landing.report import ImportReceipt
from trialwise.pipeline import load_landed
from trialwise.workspace import Workspace

OPENED = {"event": "Opened", "account_id": "a1", "timestamp": "2026-03-01T12:00:00Z"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "trialwise.toml").write_text("")
    return folder


@pytest.fixture
def loaded_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lands is loaded before its importer can ask for it, as a server's own load may do."""
    land = Landing.land

    def landed(landing: Landing, source: Any, *, landed_at: datetime, progress: Any = None) -> ImportReceipt:
        receipt = land(landing, source, landed_at=landed_at, progress=progress)
        load_landed(Workspace.open(folder))
        return receipt

    monkeypatch.setattr(Landing, "land", landed)


@pytest.mark.usefixtures("loaded_at_once")
def test_an_import_tells_of_its_records_though_another_load_took_them(folder: Path, tmp_path: Path) -> None:
    first = write_lines(tmp_path / "first.ndjson", [{**OPENED, "user_id": "u1"}])
    assert (
        "received 1 = loaded 1 + duplicate 0 + quarantined 0 + pending 0"
        in run("import", "events", first, "-C", folder).err
    )
    users = ["u1", "u2", "u3", "null"]
    second = write_lines(tmp_path / "second.ndjson", [{**OPENED, "user_id": user} for user in users])
    said = run("import", "events", second, "-C", folder).err
    assert "received 4 = loaded 2 + duplicate 1 + quarantined 1 + pending 0" in said, "of this file alone"
    assert "quarantined 1: placeholder_id" in said
