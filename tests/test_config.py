from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trialwise.config import Config, parse_config, read_config
from trialwise.config.environment import check_environment
from trialwise.config.milestones import declared_events
from trialwise.config.secrets import Secrets
from trialwise.errors import ConfigError


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"workspce": {}}, "unknown key 'workspce'; did you mean 'workspace'?"),
        ({"trials": {"lenght_days": 14}}, "unknown key 'trials.lenght_days'; did you mean 'length_days'?"),
        ({"segments": [{"key": "a", "enter": "true", "exti": "false"}]}, "did you mean 'exit'?"),
        ({"attributes": {"size": {"trate": "employees"}}}, "did you mean 'trait'?"),
        ({"events": {"roles": {"trial_start": ["x"]}}}, "did you mean 'trial_started'?"),
        ({"trials": {"length_days": 0}}, "trials.length_days: Input should be greater than or equal to 1 (found 0)"),
        ({"segments": [{"key": "My Segment", "enter": "true"}]}, "segments.0.key: expected lower-case letters"),
        ({"segments": [{"key": "a", "enter": "1"}, {"key": "a", "enter": "2"}]}, "defines 'a' twice"),
        ({"score": {"rules": [{"key": "r", "points": 5}]}}, "give either milestone"),
        (
            {"score": {"rules": [{"key": "r", "points": 5, "when": "a"}, {"key": "r", "points": 5, "when": "b"}]}},
            "defines 'r' twice",
        ),
        ({"features": {f"f{n}": ["x"] for n in range(63)}}, "has 63 features; at most 62"),
        ({"workspace": {"timezone": "Nowhere"}}, "unknown time zone 'Nowhere'"),
        ({"stripe": {"livemode": "perhaps"}}, "stripe.livemode"),
    ],
)
def test_a_wrong_file_is_named_with_the_nearest_valid_key(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(data)
    assert message in str(caught.value)


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "trialwise.toml"
    path.write_text("", encoding="utf-8")
    assert read_config(path, {}) == Config()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no trialwise.toml in"), (b"= 3", "no valid TOML"), (b"\xff\xfe", "cannot be read")],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "trialwise.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_config(path, {})


def test_a_misspelt_variable_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="TRIALWISE_STRIPE_KYE; did you mean 'TRIALWISE_STRIPE_KEY'"):
        check_environment({"TRIALWISE_STRIPE_KYE": "x", "PATH": "/bin"})


def test_a_variable_that_resembles_none_gets_no_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        check_environment({"TRIALWISE_WORKSPACE__TIMEZON": "UTC"})
    assert "did you mean" not in str(caught.value)


def test_secrets_of_webhooks_are_lists_that_no_repr_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIALWISE_WEBHOOK_STRIPE", "whsec_new, whsec_old,")
    monkeypatch.setenv("TRIALWISE_WEBHOOK_DRIP", " ,")
    secrets = Secrets()
    assert secrets.webhooks == {"stripe": ("whsec_new", "whsec_old")}
    assert "whsec" not in repr(secrets)
    check_environment({"TRIALWISE_WEBHOOK_STRIPE": "whsec_new"})


def test_known_variables_and_those_of_others_pass(tmp_path: Path) -> None:
    path = tmp_path / "trialwise.toml"
    path.write_text("", encoding="utf-8")
    assert read_config(path, {"TRIALWISE_STRIPE_KEY": "x", "HOME": "/"}).stripe.livemode == "any"


def test_declared_events_are_roles_milestones_and_their_aliases() -> None:
    config = parse_config(
        {
            "events": {"keep_properties": ["Import Finished"], "aliases": {"Trial Begun": "Trial Started", "A": "B"}},
            "milestones": {"data_source_connected": ["Source Linked"]},
        }
    )
    declared = declared_events(config)
    assert {"Import Finished", "Trial Begun", "Trial Started", "Source Linked", "Invite Sent"} <= declared
    assert "A" not in declared
    assert "Data Source Connected" not in declared  # replaced by the user's own
