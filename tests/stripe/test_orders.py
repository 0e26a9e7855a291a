"""RELIABILITY row 13: a story's events in every order of arrival, same-second ties among them, give the same tables.

Each order is told of a subscription of its own (the same events with other ids), so that all orders are loaded and
computed at once; then every subscription must show the same rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fakes.stripe import StripeFake
from tests.stripe import doors
from tests.stripe.cast import DAY, Cast, midnight
from tests.stripe.tables import trials
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Journal
from trialwise.sources.piece import Piece

OWN = re.compile(r"\b(cus|sub|si|in|il|inpay|pi|ch|pm|evt|txn)_[0-9A-Za-z]+")
AT = midnight(60).replace(tzinfo=None)

Event = dict[str, Any]


def events(play: Callable[[Cast], None], *types: str) -> list[Event]:
    """The events of these types (`name@n`: only the n-th) that a story makes, with the customer's in all of them."""
    with StripeFake(now=midnight(60)) as fake:
        cast = Cast(fake, midnight(60))
        cast.catalogue()
        play(cast)
        made = fake.test.log.all()
    found = []
    for wanted in types:
        name, _, number = wanted.partition("@")
        same = [event for event in made if event["type"] == name]
        found += [same[int(number)]] if number else same
    return sorted(found, key=lambda event: event["created"])


def to_paid(cast: Cast) -> None:
    """A card, fourteen days, a payment an hour later."""
    cast.enter("acme")
    cast.go_to(15)


def upgraded(cast: Cast) -> None:
    """The trial is ended on its third day: end, invoice, payment and reminder in one second."""
    sub = cast.enter("acme")
    cast.go_to(3)
    cast.api.subscriptions.update(sub.id, {"trial_end": "now"})


def twice_extended(cast: Cast) -> None:
    """Two extensions in one second; a cancellation, taken back an hour later."""
    sub = cast.enter("acme")
    cast.go_to(10)
    cast.api.subscriptions.update(sub.id, {"trial_end": sub.trial_end + 2 * DAY})
    cast.api.subscriptions.update(sub.id, {"trial_end": sub.trial_end + 5 * DAY})
    cast.go_to(11)
    cast.api.subscriptions.update(sub.id, {"cancel_at_period_end": True})
    cast.go_to(11, hours=1)
    cast.api.subscriptions.update(sub.id, {"cancel_at_period_end": False})
    cast.go_to(19, hours=2)


STORIES: dict[str, tuple[Callable[[Cast], None], tuple[str, ...], dict[str, Any]]] = {
    "trial to paid": (
        to_paid,
        (
            "customer.created",
            "customer.subscription.created",
            "invoice.paid",
            "customer.subscription.updated@0",
            "invoice.created@1",
        ),
        {"outcome": "converted", "ends_at": 14.0, "converted_at": 14 + 1 / 24, "original_ends_at": 14.0},
    ),
    "ended at once by an upgrade": (
        upgraded,
        (
            "customer.subscription.created",
            "customer.subscription.trial_will_end",
            "customer.subscription.updated",
            "invoice.created@1",
            "invoice.finalized@1",
            "invoice.paid@1",
        ),
        {"outcome": "converted", "ends_at": 3.0, "converted_at": 3.0},
    ),
    "two extensions, a cancellation taken back": (
        twice_extended,
        ("customer.subscription.created", "customer.subscription.updated", "invoice.paid@1"),
        {
            "outcome": "converted",
            "original_ends_at": 14.0,
            "ends_at": 19.0,
            "converted_at": 19 + 1 / 24,
            "cancel_requested_at": None,
        },
    ),
}


@pytest.fixture(scope="module")
def told() -> dict[str, list[Event]]:
    """The events of each story."""
    return {name: events(play, *types) for name, (play, types, _) in STORIES.items()}


def told_again(order: Sequence[Event], number: int) -> list[Event]:
    """The story of another customer: the same events with ids of its own."""
    text = OWN.sub(lambda found: f"{found[0]}n{number}", json.dumps(list(order)))
    renamed: list[Event] = json.loads(text.replace('"acme"', f'"acme{number}"'))
    return renamed


def land(folder: Path, stories: Iterable[Sequence[Event]]) -> int:
    """Land each story's events as webhooks, one a second, in the order given; returns how many stories."""
    count = 0
    with Journal(Landing(folder / "data" / "landing"), doors.CHANNEL, "test") as journal:
        for story in stories:
            arrivals = [
                Arrival(AT + timedelta(days=40, seconds=second), [Piece(1, 0, json.dumps(event).encode())])
                for second, event in enumerate(told_again(story, count))
            ]
            journal.append(arrivals)
            count += 1
    return count


def same_for_all(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The different rows there are, without ids and without `known_at`: that is when the first of it arrived."""
    different: dict[str, dict[str, Any]] = {}
    for row in rows:
        text = re.sub(r"n\d+\b", "", re.sub(r"acme\d+", "acme", json.dumps(row, default=str, sort_keys=True)))
        bare = {name: value for name, value in json.loads(text).items() if not name.endswith(("_key", "known_at"))}
        different.setdefault(json.dumps(bare), bare)
    return list(different.values())


def check(rows: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Every story has one trial, all are the same, and it is the one worked out by hand."""
    [row] = same_for_all(rows)
    for name, value in expected.items():
        wanted = str(AT + timedelta(days=value)) if isinstance(value, float) else value
        assert (name, row[name]) == (name, wanted)


def test_all_720_orders_of_a_conversion(tmp_path: Path, told: dict[str, list[Event]]) -> None:
    story = told["trial to paid"]
    assert len(story) == 6
    assert len({event["created"] for event in story}) == 3, "ties within a second"
    folder = doors.workspace(tmp_path / "all")
    assert land(folder, permutations(story)) == 720
    rows = trials(folder, AT + timedelta(days=41))
    assert len(rows) == 720
    check(rows, STORIES["trial to paid"][2])


@pytest.mark.parametrize("story", [name for name in STORIES if name != "trial to paid"])
def test_orders_by_lot(tmp_path: Path, told: dict[str, list[Event]], story: str) -> None:
    assert len(told[story]) >= 6
    assert len({event["created"] for event in told[story]}) < len(told[story]), "ties within a second"
    folder = doors.workspace(tmp_path / "all")
    assert land(folder, _chance(told[story], 150)) == 150
    rows = trials(folder, AT + timedelta(days=41))
    assert len(rows) == 150
    check(rows, STORIES[story][2])


def _chance(story: list[Event], count: int) -> Iterable[list[Event]]:
    """Orders by lot, the true one and its reverse among them."""
    rng = Random(13)
    yield story
    yield story[::-1]
    for _ in range(count - 2):
        yield rng.sample(story, len(story))


def changing(*changes: dict[str, Any], asked_before: bool = False) -> Callable[[Cast], None]:
    """A trial that is changed several times in the first second of its tenth day, days in `trial_end` counted on."""

    def play(cast: Cast) -> None:
        sub = cast.enter("acme")
        if asked_before:
            cast.go_to(5)
            cast.api.subscriptions.update(sub.id, {"cancel_at_period_end": True})
        cast.go_to(10)
        for change in changes:
            days = change.get("trial_end")
            until = {} if days is None else {"trial_end": sub.trial_end + days * DAY}
            cast.api.subscriptions.update(sub.id, {**change, **until})

    return play


ASK, TAKE_BACK, EXTEND, SHORTEN = (
    {"cancel_at_period_end": True},
    {"cancel_at_period_end": False},
    {"trial_end": 5},
    {"trial_end": 2},
)


@pytest.mark.parametrize(
    ("play", "expected"),
    [
        (changing(ASK, TAKE_BACK), {"cancel_requested_at": None, "ends_at": 14.0}),
        (changing(ASK, TAKE_BACK, ASK), {"cancel_requested_at": 10.0, "ends_at": 14.0}),
        (changing(ASK, TAKE_BACK, ASK, TAKE_BACK), {"cancel_requested_at": None, "ends_at": 14.0}),
        (changing(TAKE_BACK, ASK, asked_before=True), {"cancel_requested_at": 10.0, "ends_at": 14.0}),
        (changing(ASK, TAKE_BACK, EXTEND), {"cancel_requested_at": None, "ends_at": 19.0}),
        (changing(EXTEND, ASK, TAKE_BACK), {"cancel_requested_at": None, "ends_at": 19.0}),
        (changing(EXTEND, SHORTEN, ASK), {"cancel_requested_at": 10.0, "ends_at": 16.0}),
    ],
)
def test_changes_within_one_second_are_ordered_by_what_they_say_not_by_their_ids(
    tmp_path: Path, play: Callable[[Cast], None], expected: dict[str, Any]
) -> None:
    story = events(play, "customer.created", "customer.subscription.created", "customer.subscription.updated")
    rng = Random(7)
    folder = doors.workspace(tmp_path / "all")
    stories = [
        [{**event, "id": f"evt_{rng.randbytes(12).hex()}"} for event in rng.sample(story, len(story))]
        for _ in range(100)
    ]
    assert land(folder, stories) == 100
    rows = trials(folder, AT + timedelta(days=12))
    assert len(rows) == 100
    check(rows, expected)


@pytest.mark.long
@pytest.mark.parametrize("story", STORIES)
def test_every_order_of_the_whole_story(tmp_path: Path, told: dict[str, list[Event]], story: str) -> None:
    folder = doors.workspace(tmp_path / "all")
    count = land(folder, permutations(told[story]))
    rows = trials(folder, AT + timedelta(days=41))
    assert len(rows) == count
    check(rows, STORIES[story][2])
