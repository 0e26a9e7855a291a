from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from trialwise.config import Config, parse_config
from trialwise.errors import ConfigError
from trialwise.scaffold import SeenEvent, config_text, propose, write_config


def test_the_commented_file_works_as_it_is() -> None:
    config = parse_config(tomllib.loads(config_text("Acme")))
    assert config.workspace.name == "Acme"
    assert config.trials.length_days == 14


def test_every_section_of_the_configuration_is_in_the_file() -> None:
    text = config_text()
    missing = [name for name in Config.model_fields if f"[{name}" not in text and name not in {"clock"}]
    assert missing == []


def test_the_proposal_matches_names_in_any_spelling() -> None:
    proposal = propose(
        [
            SeenEvent("trialStarted", 40, 40, 40),
            SeenEvent("data_source_connected", 30, 30, 30),
            SeenEvent("report created", 900, 35, 60),
            SeenEvent("session_start", 9000, 40, 90),
            SeenEvent("Viewed Home Page", 9000, 40, 90),
        ]
    )
    assert proposal.roles == {"trial_started": ("trialStarted",)}
    assert proposal.milestones == {"data_source_connected": ("data_source_connected",)}
    assert proposal.value == ("report created", "data_source_connected")
    config = parse_config(tomllib.loads(config_text("Acme", proposal)))
    assert config.events.value == ("report created", "data_source_connected")
    assert config.events.roles.trial_started == ("trialStarted",)
    assert config.events.roles.trial_ended == ("Trial Ended",)


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    write_config(tmp_path / "new", "a = 1\n")
    with pytest.raises(ConfigError, match="exists already"):
        write_config(tmp_path / "new", "a = 2\n")
    assert (tmp_path / "new" / "trialwise.toml").read_text() == "a = 1\n"
