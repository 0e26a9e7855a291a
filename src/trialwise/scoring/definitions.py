"""What a score rule and a segment are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Axis = Literal["fit", "engagement"]
AXES: tuple[Axis, ...] = ("fit", "engagement")


@dataclass(frozen=True, slots=True)
class Rule:
    """Points for a milestone, decaying to zero over `lifespan_days`, or for as long as a condition holds.

    Exactly one of `milestone` and `condition` is given. Without a lifespan a milestone keeps its points.
    """

    key: str
    points: int
    group: str
    axis: Axis
    text: str
    milestone: str | None = None
    condition: str | None = None
    lifespan_days: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A condition over the catalogue. Without `exit` a trial leaves when `enter` is false; NULL changes nothing."""

    key: str
    enter: str
    title: str
    description: str
    exit: str | None = None
    owner: str | None = None
    version: str = "1"
