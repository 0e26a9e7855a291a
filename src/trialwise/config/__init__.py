"""trialwise.toml: what a company tells trialwise about itself. Every key has a default that works."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from trialwise.config.accounts import AttributeSection, ExcludeSection, IdentitySection
from trialwise.config.environment import check_environment, check_http_secrets
from trialwise.config.events import EventsSection
from trialwise.config.faults import explain
from trialwise.config.operation import (
    BackupSection,
    ClockSection,
    DeliverySection,
    LandingSection,
    ScheduleSection,
    ServerSection,
    StripeSection,
    WorkspaceSection,
)
from trialwise.config.scoring import MAX_BITS, ScoreSection, SegmentSection
from trialwise.config.trials import ConversionSection, TrialsSection, UsageSection
from trialwise.connections import SourcesSection
from trialwise.errors import ConfigError
from trialwise.section import Name, Section, Slug


class Config(Section):
    """The whole file."""

    workspace: WorkspaceSection = WorkspaceSection()
    clock: ClockSection = ClockSection()
    trials: TrialsSection = TrialsSection()
    conversion: ConversionSection = ConversionSection()
    usage: UsageSection = UsageSection()
    events: EventsSection = EventsSection()
    features: Mapping[Slug, tuple[Name, ...]] = Field(default_factory=dict)
    milestones: Mapping[Slug, tuple[Name, ...]] = Field(default_factory=dict)
    attributes: Mapping[Slug, AttributeSection] = Field(default_factory=dict)
    identity: IdentitySection = IdentitySection()
    exclude: ExcludeSection = ExcludeSection()
    stripe: StripeSection = StripeSection()
    server: ServerSection = ServerSection()
    landing: LandingSection = LandingSection()
    schedule: ScheduleSection = ScheduleSection()
    delivery: DeliverySection = DeliverySection()
    backup: BackupSection = BackupSection()
    sources: SourcesSection = SourcesSection()
    segments: tuple[SegmentSection, ...] = ()
    score: ScoreSection = ScoreSection()

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if len(self.features) > MAX_BITS:
            raise ValueError(f"[features] has {len(self.features)} features; at most {MAX_BITS} fit into the mask")
        keys = [segment.key for segment in self.segments]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        if doubled:
            raise ValueError(f"[[segments]] defines '{doubled[0]}' twice")
        rule_keys = [rule.key for rule in self.score.rules]
        doubled = sorted({key for key in rule_keys if rule_keys.count(key) > 1})
        if doubled:
            raise ValueError(f"[[score.rules]] defines '{doubled[0]}' twice")
        return self


def read_config(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read and check a trialwise.toml.

    Raises ConfigError naming the key, what was found, what was expected and the nearest valid name.
    """
    environment = os.environ if environment is None else environment
    check_environment(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"no {path.name} in {path.parent}", "Run 'trialwise init' there to write one.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path.name} is no valid TOML: {error}") from error
    config = parse_config(data, path.name)
    check_http_secrets(environment, config.sources.http)
    return config


def parse_config(data: Mapping[str, Any], name: str = "trialwise.toml") -> Config:
    """Check the tables of a parsed file; raises ConfigError as read_config does."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = "\n".join(explain(name, item, Config) for item in error.errors())
        raise ConfigError(lines, f"Mend {name}; 'trialwise init DIR' writes one with every key explained.") from error
