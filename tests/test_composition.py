"""Models are composed anew where what shapes them changed, and for nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest

from trialwise import composition
from trialwise.config import Config, parse_config

OWN = """/*
description: Trials of my own.
grain: one row per trial
key: [trial_id]
*/
SELECT CAST(t.trial_id AS VARCHAR) AS trial_id -- the trial
FROM marts.trials AS t
"""
SECTIONS = {
    "milestones": {"milestones": {"first_report": ["Report Built"]}},
    "attributes": {"attributes": {"plan": {"trait": "plan"}}},
    "score": {"score": {"rules": [{"key": "busy", "points": 50, "group": "use", "when": "active_days_7d >= 3"}]}},
    "segments": {"segments": [{"key": "busy", "enter": "active_days_7d >= 3"}]},
}


@pytest.mark.parametrize("name", SECTIONS)
def test_sections_that_shape_models(name: str) -> None:
    before, after = composition.models(Config()), composition.models(parse_config(SECTIONS[name]))
    assert any(after[model].fingerprint != before[model].fingerprint for model in before)


def test_other_sections_leave_the_models_as_they_are(tmp_path: Path) -> None:
    before = composition.promised_models(Config())
    told = {
        "workspace": {"timezone": "Asia/Kolkata"}, "clock": {"as_of": "2026-03-01"}, "trials": {"length_days": 14},
        "conversion": {"grace_days": 9}, "usage": {"benchmark_events_per_day": 7}, "features": {"maps": ["Map"]},
        "schedule": {"refresh_minutes": 7}, "events": {"aliases": {"Old": "New"}},
    }  # fmt: skip
    config = parse_config(told)
    assert set(told) | set(SECTIONS) <= set(Config.model_fields)
    after = composition.promised_models(config, tmp_path / "no folder")
    assert all(after[name] is before[name] for name in before)
    assert composition.fingerprints(config, after) != composition.fingerprints(Config(), before)


def test_a_file_of_ones_own_is_seen(tmp_path: Path) -> None:
    (tmp_path / "marts").mkdir()
    path = tmp_path / "marts" / "mine.sql"
    path.write_text(OWN, encoding="utf-8")
    before = composition.models(Config(), tmp_path)["marts.mine"]
    path.write_text(OWN.replace("Trials of my own", "Mine"), encoding="utf-8")
    after = composition.models(Config(), tmp_path)["marts.mine"]
    assert (before.header.description, after.header.description) == ("Trials of my own.", "Mine.")
    path.unlink()
    assert "marts.mine" not in composition.models(Config(), tmp_path)


def test_who_asks_for_the_same_at_once_waits_for_one(tmp_path: Path) -> None:
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts" / "mine.sql").write_text(OWN, encoding="utf-8")
    loading = patch.object(composition, "load_models", wraps=composition.load_models)
    with loading as loaded, ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: composition.models(Config(), tmp_path), range(4)))
    assert loaded.call_count == 1
    assert all(one["marts.mine"] is found[0]["marts.mine"] for one in found)
