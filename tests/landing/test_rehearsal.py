"""A dry run counts like a real one and keeps nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from tests.landing.kit import NOW

from trialwise.landing.rehearsal import rehearse
from trialwise.landing.settings import LoadSettings
from trialwise.sources.files import open_file

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def test_counts_without_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []
    sources = [
        open_file(FIXTURES / "segment" / "calls.ndjson"),
        open_file(FIXTURES / "stripe" / "page.json", kind="stripe"),
    ]
    report = rehearse(list(sources), LoadSettings(), landed_at=NOW, progress=lambda done, _total: seen.append(done))
    assert (report.received, report.loaded, report.duplicate, report.quarantined) == (14, 12, 1, 1)
    assert dict(report.reasons) == {"id_reuse": 1}
    assert seen
    assert list(tmp_path.iterdir()) == []
