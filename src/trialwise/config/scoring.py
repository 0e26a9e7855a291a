"""[[segments]] and [score]: conditions over the trial-day catalogue, and points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from trialwise.section import Days, Name, Section, Slug

MAX_BITS = 62  # feature and segment masks are BIGINTs


class SegmentSection(Section):
    """[[segments]]: a condition over the catalogue (docs/models.md, intermediate.trial_days)."""

    key: Slug
    enter: Name
    exit: Name | None = None
    title: str | None = None
    owner: str | None = None
    description: str = ""
    version: str = "1"


class RuleSection(Section):
    """[[score.rules]]: points for a milestone (decaying over lifespan_days) or while a condition holds."""

    key: Slug
    points: Annotated[int, Field(ge=-1000, le=1000)]
    group: Slug = "usage"
    axis: Literal["fit", "engagement"] = "engagement"
    milestone: Slug | None = None
    when: Name | None = None
    lifespan_days: Days | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _one_trigger(self) -> RuleSection:
        if (self.milestone is None) == (self.when is None):
            raise ValueError("give either milestone = ... or when = ..., not both and not neither")
        return self


class ScoreSection(Section):
    """[score]: rules replace the built-in ones when any are given; caps per group in points."""

    rules: tuple[RuleSection, ...] = ()
    caps: Mapping[Slug, Annotated[int, Field(ge=1, le=10_000)]] = Field(default_factory=dict)
