"""Every cell of the feature rows' usage, through the real way in, against the naive reading of the definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.oracle import segment_calls as segment
from tests.oracle.stripe_stories import scrambled
from tests.oracle.usage_events import HardSet, hard_set, segment_calls
from tests.oracle.usage_oracle import TrialSpan, usage_rows
from tests.property.world import loaded
from tests.usage.test_against_oracle import COLUMNS, _expected
from trialwise.config import Config, parse_config

HORIZON = timedelta(days=30)
FEATURE_ROWS = ("intermediate.trial_days",)


def configured(made: HardSet, zone: str) -> Config:
    """The set's catalogue as a user would write it."""
    catalogue = made.catalogue
    features: dict[str, list[str]] = {}
    for event, feature in catalogue.features.items():
        features.setdefault(feature, []).append(event)
    milestones: dict[str, list[str]] = {}
    for event, milestone in catalogue.milestones.items():
        milestones.setdefault(milestone, []).append(event)
    return parse_config(
        {
            "workspace": {"timezone": zone},
            "trials": {"length_days": 14},
            "events": {"value": sorted(catalogue.value_events), "aliases": dict(catalogue.aliases)},
            "features": features,
            "milestones": milestones,
            "exclude": {"users": sorted(catalogue.excluded_users)},
        }
    )


def announced(made: HardSet, zone: str) -> tuple[HardSet, list[dict[str, Any]]]:
    """The set with its trials under the ids the product's announcements give them, and those announcements."""
    calls, spans = [], []
    for span in made.trials:
        noon = datetime.combine(span.last_date - HORIZON, time(12), tzinfo=ZoneInfo(zone))
        start, end = (int(moment.timestamp()) for moment in (span.started_at.replace(tzinfo=UTC), noon))
        call = segment.trial_started(span.account_id, f"owner_{span.account_id}", start, end)
        calls.append(call)
        spans.append(replace(span, trial_id=f"event:{span.account_id}:{call['messageId']}"))
    clock = replace(made.clock, known_at=made.clock.as_of)
    return replace(made, trials=spans, clock=clock), calls


def milestones(made: HardSet) -> dict[tuple[str, int], Mapping[str, Any]]:
    """First dates of the milestones known by each row."""
    rows = usage_rows(made.events, made.trials, made.catalogue, made.clock)
    return {(row.trial_id, row.trial_day): row.milestones for row in rows}


def differences(seed: int, accounts: int, zone: str, late_share: float = 0.05) -> tuple[int, list[str]]:
    """Cells compared, and those that differ."""
    made, starts = announced(hard_set(seed, accounts=accounts, zone=zone, late_share=late_share), zone)
    dice = Random(seed)
    # of one call told twice the first known copy counts; a batch may hold them in any order
    calls = [*starts, *segment_calls(made.events)]
    landed = datetime(2027, 1, 1)
    expected, reached = _expected(made), milestones(made)
    with loaded([("events", scrambled(calls, dice), landed)], configured(made, zone)) as world:
        world.build(made.clock.as_of, made.clock.known_at, FEATURE_ROWS)
        found = {(row["trial_id"], row["trial_day"]): row for row in world.rows("intermediate.trial_days")}
    wrong = [f"{cell} is missing" for cell in expected.keys() - found.keys()]
    wrong += [f"{cell} is no row" for cell in found.keys() - expected.keys()]
    cells = 0
    for cell in expected.keys() & found.keys():
        wanted = {name: expected[cell][name] for name in COLUMNS if name in found[cell]}
        for key in sorted(set(made.catalogue.milestones.values())):
            wanted[f"{key}_on"] = reached[cell].get(key)
        for name, value in wanted.items():
            cells += 1
            if found[cell][name] != (
                float(value) if hasattr(value, "numerator") and not isinstance(value, int) else value
            ):
                wrong.append(f"{cell} {name}: {found[cell][name]} instead of {value}")
    return cells, wrong


@pytest.mark.parametrize("zone", ["Europe/Berlin"])
def test_no_cell_differs(zone: str) -> None:
    """Late events, bursts over the cap, second trials, users of two accounts, a spring clock change."""
    cells, wrong = differences(21, 8, zone)
    assert wrong == []
    assert cells > 8_000


@pytest.mark.long
@pytest.mark.parametrize("seed", range(30, 34))
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Auckland"])
def test_no_cell_differs_in_larger_sets(seed: int, zone: str) -> None:
    cells, wrong = differences(seed, 24, zone, late_share=(0.0, 0.05, 0.3)[seed % 3])
    assert wrong == []
    assert cells > 20_000


def test_spans_are_what_announcements_say() -> None:
    """The announced end is noon of the day that lies a horizon before the last row."""
    made, calls = announced(hard_set(1, accounts=2), "UTC")
    span: TrialSpan = made.trials[0]
    end = datetime.fromisoformat(calls[0]["properties"]["trial_ends_at"])
    assert end.date() + HORIZON == span.last_date
    assert span.trial_id.endswith(calls[0]["messageId"])
