"""Segments in force: the built-in ones with the company's own put over them, as parsed expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from trialwise.config import Config
from trialwise.config.scoring import MAX_BITS
from trialwise.errors import ConfigError, TrialwiseError
from trialwise.scoring.builtin import SEGMENTS
from trialwise.scoring.definitions import Segment
from trialwise.scoring.rules import Items, Parse


def segments_in_force(config: Config) -> tuple[Segment, ...]:
    """Built-in segments first, each replaced by the company's of the same key, then the company's others.

    Raises ConfigError when they are more than the membership mask holds.
    """
    built_in = {segment.key: segment for segment in SEGMENTS}
    own = {
        segment.key: Segment(
            key=segment.key,
            enter=segment.enter,
            title=segment.title or _title(segment.key),
            description=segment.description,
            exit=segment.exit,
            owner=segment.owner,
            version=segment.version,
        )
        for segment in config.segments
    }
    segments = tuple({**built_in, **own}.values())
    if len(segments) > MAX_BITS:
        raise ConfigError(
            f"{len(segments)} segments are defined, {len(built_in)} of them built in; at most {MAX_BITS} fit the mask",
            "Remove some [[segments]].",
        )
    return segments


def segment_bit(ordinal: int) -> int:
    """The bit of a segment in segment_days.members, by its place from 0."""
    return 1 << ordinal


def segment_expansion(segments: Sequence[Segment], parse: Parse) -> dict[str, Items]:
    """The list `each_segment` of intermediate.segment_days: key, bit, and the two parsed conditions."""
    items: Items = []
    for ordinal, segment in enumerate(segments):
        enter = _parsed(segment, segment.enter, parse)
        leave = exp.Not(this=exp.paren(enter)) if segment.exit is None else _parsed(segment, segment.exit, parse)
        items.append(
            {
                "each_segment": segment.key,
                "each_segment_bit": segment_bit(ordinal),
                "each_segment_enter": enter,
                "each_segment_exit": leave,
            }
        )
    return {"each_segment": items}


def segment_rows(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Rows of config.segments."""
    return [
        {
            "segment": segment.key,
            "bit": segment_bit(ordinal),
            "ordinal": ordinal,
            "title": segment.title,
            "owner": segment.owner,
            "description": segment.description,
            "version": segment.version,
            "enter_condition": segment.enter,
            "exit_condition": segment.exit,
        }
        for ordinal, segment in enumerate(segments)
    ]


def _title(key: str) -> str:
    """The built-in title of a segment that is redefined, else its key as words."""
    built_in = next((segment.title for segment in SEGMENTS if segment.key == key), None)
    return built_in or key.replace("_", " ").capitalize()


def _parsed(segment: Segment, text: str, parse: Parse) -> exp.Expr:
    try:
        return parse(text)
    except TrialwiseError as error:
        raise ConfigError(f"segment '{segment.key}': {error.message}", error.hint) from error
