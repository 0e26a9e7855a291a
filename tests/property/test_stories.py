"""Random lives of customers at Stripe through the real way in: every fact, outcome and rate against the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.facts import from_seconds
from tests.oracle.stripe_sim import DAY
from tests.oracle.stripe_stories import Story, as_ofs, random_story, scrambled, stories
from tests.oracle.trials_oracle import read_trials
from tests.property.compare import fact_differences, rate_differences, sum_differences
from tests.property.world import PUBLISHED, World, loaded

Json = Mapping[str, Any]
FAR = datetime(2027, 1, 1)
EVERYTHING = datetime(9000, 1, 1)
FACTS_ONLY = ("intermediate.trials",)
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def at(second: int) -> datetime:
    """A naive UTC instant of seconds since 1970."""
    found = from_seconds(second)
    assert found is not None
    return found


def told(story: Story, dice: Random) -> list[tuple[str, Sequence[Json], datetime]]:
    """The story as files: in any order, copies within a file and across two, everything landed much later."""
    events, calls = scrambled(story.events, dice), scrambled(story.product_calls, dice)
    cut = dice.randint(0, len(events))
    again = [event for event in events[:cut] if dice.random() < 0.1]
    return [("stripe", events[:cut], FAR), ("events", calls, FAR), ("stripe", events[cut:] + again, FAR)]


def differences(world: World, story: Story, as_of: datetime, goals: Sequence[str] = PUBLISHED) -> list[str]:
    """Everything the models and the oracle disagree on at one moment."""
    trials = read_trials([*story.events, *story.product_calls], as_of)
    world.build(as_of, EVERYTHING, goals)
    wrong = fact_differences(world, trials)
    if goals == PUBLISHED:
        wrong += rate_differences(world, trials, as_of)
        wrong += sum_differences(world, trials)
    return wrong


@settings(max_examples=20, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_every_fact_and_rate_of_a_story(data: st.DataObject) -> None:
    story = data.draw(stories())
    dice = Random(data.draw(st.integers(0, 2**32)))
    as_of = at(data.draw(as_ofs(story)))
    with loaded(told(story, dice)) as world:
        assert world.counts["quarantined"] == 0
        assert differences(world, story, as_of) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_crowd_at_one_moment(seed: int) -> None:
    """Thirty accounts in one database: rates over many trials, whose parts cancel out in no way."""
    story = random_story(seed, accounts=30)
    dice = Random(seed)
    with loaded(told(story, dice)) as world:
        assert differences(world, story, at(dice.choice(story.instants))) == []


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_hundreds_of_stories(block: int) -> None:
    """Thirty stories a block, each at three of its own instants, one of them after everything."""
    seen: Counter[str] = Counter()
    for seed in range(10_000 + 30 * block, 10_030 + 30 * block):
        story, dice = random_story(seed), Random(seed)
        with loaded(told(story, dice)) as world:
            moments = [at(dice.choice(story.instants)) for _ in range(2)] + [at(story.instants[-1] + 90 * DAY)]
            for number, as_of in enumerate(moments):
                goals = PUBLISHED if number == seed % 3 else FACTS_ONLY
                assert differences(world, story, as_of, goals) == [], f"seed {seed}, as of {as_of}"
            seen.update(row["outcome"] for row in world.rows("intermediate.trials"))
    assert len(seen) >= 7, seen


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 108))
def test_crowds(seed: int) -> None:
    story, dice = random_story(seed, accounts=40), Random(seed)
    with loaded(told(story, dice)) as world:
        for as_of in (dice.choice(story.instants), story.instants[-1] + 90 * DAY):
            assert differences(world, story, at(as_of)) == []
