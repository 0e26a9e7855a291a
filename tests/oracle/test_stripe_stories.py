"""Properties that hold for every story: the stories are lawful, and the oracle is a function of their content alone."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conversion_oracle import DEFINITIONS, conversion
from .facts import from_seconds
from .stripe_sim import DAY
from .stripe_stories import ENDINGS, Story, as_ofs, random_story, scrambled, stories
from .trials_oracle import Trial, read_trials

OUTCOMES = {
    "converted",
    "converted_late",
    "converted_free",
    "pending",
    "cancelled",
    "payment_failed",
    "no_payment_method",
    "expired",
}
SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _at(at: int) -> datetime:
    found = from_seconds(at)
    assert found is not None
    return found


@SLOW
@given(data=st.data())
def test_order_and_copies_change_nothing(data: st.DataObject) -> None:
    story = data.draw(stories())
    as_of = _at(data.draw(as_ofs(story)))
    rng = Random(data.draw(st.integers(0, 2**32)))
    records = [*story.events, *story.product_calls]
    assert read_trials(scrambled(records, rng), as_of) == read_trials(records, as_of)


@SLOW
@given(data=st.data())
def test_known_at_is_a_truncated_input(data: st.DataObject) -> None:
    story = data.draw(stories(max_accounts=2))
    as_of, known = (_at(data.draw(as_ofs(story))) for _ in range(2))
    kept = [event for event in story.events if _at(event["created"]) < known]
    assert read_trials(story.events, as_of, known) == read_trials(kept, as_of)


def _check_rates(trials: list[Trial], as_of: datetime) -> None:
    for definition in DEFINITIONS:
        for by in ("month", "week", None) if definition.startswith("rolling") else ("month", "week"):
            rates = conversion(trials, definition, as_of, by=by)
            for rate in rates:
                assert not rate.pending & rate.numerator
                assert rate.pending <= rate.denominator
                if definition == "rolling_flow":
                    assert rate.wilson is None
                    continue
                assert rate.numerator <= rate.denominator
                if rate.estimate is not None and rate.bounds is not None:
                    low, high = rate.bounds
                    assert low - 1e-12 <= rate.estimate <= high + 1e-12
            if definition in ("start_cohort", "ever"):
                assert sum(len(r.denominator) + len(r.excluded) for r in rates) == len(trials)


def test_outcomes_add_up_and_rates_are_lawful() -> None:
    seen: Counter[str] = Counter()
    for seed in range(120):
        story = random_story(seed)
        # an instant of the story, or every fourth time long after everything
        as_of = _at(Random(seed).choice(story.instants) if seed % 4 else story.instants[-1] + 90 * DAY)
        trials = read_trials(story.events, as_of)
        assert len({trial.trial_id for trial in trials}) == len(trials)
        for trial in trials:
            assert (trial.outcome_at is None) == (trial.outcome == "pending")
            assert trial.effective_end_at <= trial.deadline_at - timedelta(days=33)
            assert trial.started_at < trial.ends_at
            seen[trial.outcome] += 1
        _check_rates(trials, as_of)
    assert set(seen) == OUTCOMES


def test_a_story_in_either_shape_means_the_same() -> None:
    for seed in range(40):
        told = [random_story(seed, shape=shape) for shape in ("endive", "2020")]
        as_of = _at(told[0].instants[-1] + DAY)
        first, second = (read_trials(story.events, as_of) for story in told)
        for trial, other in zip(first, second, strict=True):
            ours, theirs = vars(trial).copy(), vars(other).copy()
            for values in (ours, theirs):
                # ids count on, and the old shape has no cancellation reason in its versions
                del values["versions"]
            assert ours == theirs


def test_snapshots_agree_where_the_facts_are_dated() -> None:
    """Conversions of first spells are dated facts: a snapshot of a subscription that trialed once tells them too."""
    checked = 0
    for seed in range(80):
        story = random_story(seed)
        landed = _at(max(int(event["created"]) for event in story.events) + DAY)
        as_of = landed + timedelta(days=40)
        by_events = {t.trial_id: t for t in read_trials(story.events, as_of)}
        by_objects = {t.trial_id: t for t in read_trials(story.snapshots, as_of, landed_at=landed)}
        again = {t.subscription_id for t in by_events.values() if t.trial_id.endswith(":2") or t.extension_count}
        for trial_id, trial in by_objects.items():
            if trial.subscription_id in again:
                continue
            twin = by_events[trial_id]
            assert (trial.started_at, trial.ends_at) == (twin.started_at, twin.ends_at)
            assert (trial.converted_at, trial.link, trial.settlement) == (twin.converted_at, twin.link, twin.settlement)
            checked += 1
    assert checked > 100


def test_snapshots_add_nothing_to_a_whole_log() -> None:
    """Objects listed after everything happened prove no fact, before their landing, that the events have not told."""
    for seed in range(60):
        story = random_story(seed)
        landed = _at(max(int(event["created"]) for event in story.events) + DAY)
        as_of = min(landed, _at(Random(seed).choice(story.instants)))
        together = read_trials([*story.events, *story.snapshots], as_of, landed_at=landed)
        assert [t.facts() for t in together] == [t.facts() for t in read_trials(story.events, as_of)]


def _plots(count: int) -> Counter[str]:
    return Counter(part for seed in range(count) for part in random_story(seed).plot)


def test_the_stories_tell_everything() -> None:
    told = _plots(150)
    expected = {f"trial ending in {ending}" for ending in ENDINGS} | {
        "extend",
        "shorten",
        "took it back",
        "paused",
        "resumes",
        "gives up",
        "re-trial",
        "another trial",
        "two customers",
        "checkout buys",
        "checkout free",
        "refund",
        "part",
        "lost",
        "dunning paid",
    }
    assert expected <= set(told)


def test_a_seed_is_a_story() -> None:
    assert random_story(3) == random_story(3)
    assert random_story(3) != random_story(4)


def _ids(records: tuple[dict[str, Any], ...], key: str) -> list[str]:
    return [str(record[key]) for record in records]


def test_envelopes_are_lawful() -> None:
    """Ids are unique, objects are not mutated afterwards, and an update names only fields it changed."""
    story: Story = random_story(11, accounts=6)
    assert len(set(_ids(story.events, "id"))) == len(story.events)
    assert len(set(_ids(story.snapshots, "id"))) == len(story.snapshots)
    assert len(set(_ids(story.product_calls, "messageId"))) == len(story.product_calls)
    for event in story.events:
        for key, value in event["data"].get("previous_attributes", {}).items():
            assert event["data"]["object"][key] != value, event["type"]
        if event["type"] == "customer.subscription.created":
            assert event["data"]["object"]["ended_at"] is None
    seconds_told = Counter(int(event["created"]) for event in story.events)
    assert max(seconds_told.values()) > 3
