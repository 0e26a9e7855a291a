"""Random lives of customers at Stripe through the real way in: every fact, outcome and rate against the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import segment_calls as segment
from tests.oracle.facts import from_seconds
from tests.oracle.stripe_sim import DAY
from tests.oracle.stripe_stories import Story, as_ofs, random_story, scrambled, stories
from tests.oracle.trial import FACTS
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


def differences(
    world: World,
    records: Iterable[Json],
    as_of: datetime,
    goals: Sequence[str] = PUBLISHED,
    landed_at: datetime | None = None,
) -> list[str]:
    """Everything the models and the oracle disagree on at one moment."""
    trials = read_trials(records, as_of, landed_at=landed_at)
    world.build(as_of, EVERYTHING, goals)
    wrong = fact_differences(world, trials)
    if goals == PUBLISHED:
        wrong += rate_differences(world, trials, as_of)
        wrong += sum_differences(world, trials)
    return wrong


def whole(story: Story) -> list[Json]:
    """What Stripe's events and the product tell."""
    return [*story.events, *story.product_calls]


@settings(max_examples=15, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_every_fact_and_rate_of_a_story(data: st.DataObject) -> None:
    story = data.draw(stories())
    dice = Random(data.draw(st.integers(0, 2**32)))
    as_of = at(data.draw(as_ofs(story)))
    with loaded(told(story, dice)) as world:
        assert world.counts["quarantined"] == 0
        assert differences(world, whole(story), as_of) == []


@pytest.mark.parametrize("seed", [1])
def test_a_crowd_at_one_moment(seed: int) -> None:
    """Thirty accounts in one database: rates over many trials, whose parts cancel out in no way."""
    story = random_story(seed, accounts=30)
    dice = Random(seed)
    with loaded(told(story, dice)) as world:
        assert differences(world, whole(story), at(dice.choice(story.instants))) == []


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
                assert differences(world, whole(story), as_of, goals) == [], f"seed {seed}, as of {as_of}"
            seen.update(row["outcome"] for row in world.rows("intermediate.trials"))
    assert len(seen) >= 7, seen


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 108))
def test_crowds(seed: int) -> None:
    story, dice = random_story(seed, accounts=40), Random(seed)
    with loaded(told(story, dice)) as world:
        for as_of in (dice.choice(story.instants), story.instants[-1] + 90 * DAY):
            assert differences(world, whole(story), at(as_of)) == []


# ---------------------------------------------------------------------------------------------- other ways in


@pytest.mark.long
@pytest.mark.parametrize("block", range(4))
def test_other_ways_in_at_length(block: int) -> None:
    """Merges, the product alone, and snapshots beside none, some and all of the events, over seeded stories."""
    for seed in range(20_000 + 10 * block, 20_010 + 10 * block):
        story, dice = random_story(seed, accounts=4), Random(seed)
        names = accounts_of(story)
        calls = list(story.product_calls)
        if len(names) > 1:
            gone = {"previous_account_id": dice.choice(names[1:])}
            calls.append(segment.track(names[0], "admin", MERGED, dice.choice(story.instants), gone))
        as_of = at(dice.choice(story.instants))
        with loaded([("stripe", scrambled(story.events, dice), FAR), ("events", scrambled(calls, dice), FAR)]) as world:
            assert differences(world, [*story.events, *calls], as_of, FACTS_ONLY) == [], f"merged, seed {seed}"
        with loaded([("events", scrambled(calls, dice), FAR)]) as world:
            assert differences(world, calls, as_of, FACTS_ONLY) == [], f"product, seed {seed}"
        last = max(int(event["created"]) for event in story.events)
        for since in (last + 1, last - 30 * DAY, 0):
            landed = at(last + dice.choice([1, DAY]))
            events = [event for event in story.events if int(event["created"]) >= since]
            batches = [("stripe", scrambled(events, dice), FAR), ("stripe", scrambled(story.snapshots, dice), landed)]
            moment = dice.choice([as_of, landed, landed + timedelta(seconds=1)])
            with loaded(batches) as world:
                found = differences(world, [*events, *story.snapshots], moment, FACTS_ONLY, landed_at=landed)
                assert found == [], f"snapshots, seed {seed}, since {since}"


@settings(max_examples=4, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_snapshots_beside_some_of_the_events(data: st.DataObject) -> None:
    """Objects listed at the end, with no event, some events (Stripe keeps thirty days) or all of them."""
    story = data.draw(stories())
    dice = Random(data.draw(st.integers(0, 2**32)))
    last = max(int(event["created"]) for event in story.events)
    since = data.draw(st.sampled_from([last + 1, last - 30 * DAY, 0]))
    landed = at(last + data.draw(st.sampled_from([1, DAY])))
    events = [event for event in story.events if int(event["created"]) >= since]
    as_of = data.draw(st.sampled_from([landed, landed + timedelta(seconds=1), at(dice.choice(story.instants))]))
    batches = [("stripe", scrambled(events, dice), FAR), ("stripe", scrambled(story.snapshots, dice), landed)]
    with loaded(batches) as world:
        assert differences(world, [*events, *story.snapshots], as_of, landed_at=landed) == []


@settings(max_examples=3, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_the_product_alone(data: st.DataObject) -> None:
    story = data.draw(stories().filter(lambda one: len(one.product_calls) > 1))
    dice = Random(data.draw(st.integers(0, 2**32)))
    as_of = at(data.draw(as_ofs(story)))
    with loaded([("events", scrambled(story.product_calls, dice), FAR)]) as world:
        assert differences(world, story.product_calls, as_of) == []


MERGED = "Account Merged"


@settings(max_examples=4, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_accounts_that_are_merged(data: st.DataObject) -> None:
    """One account takes over another, told before, among and after the trials of both."""
    story = data.draw(stories(max_accounts=4).filter(lambda one: len(accounts_of(one)) > 1))
    dice = Random(data.draw(st.integers(0, 2**32)))
    names = accounts_of(story)
    survivor, gone = names[0], data.draw(st.sampled_from(names[1:]))
    when = data.draw(st.sampled_from(story.instants))
    merge = segment.track(survivor, "admin", MERGED, when, {"previous_account_id": gone})
    calls = [*story.product_calls, merge]
    as_of = at(data.draw(as_ofs(story)))
    with loaded([("stripe", scrambled(story.events, dice), FAR), ("events", scrambled(calls, dice), FAR)]) as world:
        assert differences(world, [*story.events, *calls], as_of) == []


def accounts_of(story: Story) -> list[str]:
    """The accounts a story's customers name."""
    named = {
        (event["data"]["object"].get("metadata") or {}).get("account_id")
        for event in story.events
        if event["data"]["object"]["object"] == "customer"
    }
    return sorted(name for name in named if name)


UNDATED = {
    "history": "says which way the trial came",
    "original_ends_at": "a snapshot knows the last end alone",
    "extension_count": "as above",
    "shortened_count": "as above",
    "days_added": "as above",
    "is_early_upgrade": "as above",
    "card_type": "no dated proof of a card at the start",
    "active_status_at": "a status counts from the landing on",
    "cancel_requested_at": "cancel_at_period_end has no date, and a canceled subscription keeps its last canceled_at",
    "refunded_at": "how a dispute ended counts from the landing on",
    "is_refunded": "as above",
}
"""What a snapshot of the end cannot know as the events do, and why."""
UNDATED_OUTCOMES = {"cancelled", "payment_failed", "no_payment_method", "expired"}
"""Outcomes that differ by such facts only; the other ones follow from dates."""


def test_what_is_dated_is_the_same_in_snapshots() -> None:
    """Accounts whose subscriptions trialed once: every fact but the listed ones, from events and from snapshots."""
    checked = 0
    for seed in range(40, 43):
        story, dice = random_story(seed, accounts=8), Random(seed)
        last = max(int(event["created"]) for event in story.events)
        as_of = at(last + 40 * DAY)
        rows = []
        for kind in (story.events, story.snapshots):
            with loaded([("stripe", scrambled(kind, dice), at(last + DAY))]) as world:
                world.build(as_of, EVERYTHING, FACTS_ONLY)
                rows.append({row["trial_id"]: row for row in world.rows("intermediate.trials")})
        events, objects = rows
        again = {
            row["account_id"] for row in events.values() if row["trial_id"].endswith(":2") or row["extension_count"]
        }
        alike = [row for row in events.values() if row["account_id"] not in again]
        for row in alike:
            twin = objects[row["trial_id"]]
            for name in set(FACTS) - UNDATED.keys() - {"outcome", "outcome_at", "is_inferred"}:
                assert twin[name] == row[name], f"seed {seed}, {row['trial_id']} {name}"
            if not {twin["outcome"], row["outcome"]} <= UNDATED_OUTCOMES:
                assert (twin["outcome"], twin["outcome_at"]) == (row["outcome"], row["outcome_at"])
            checked += 1
    assert checked > 10, "too few accounts are left to compare"
