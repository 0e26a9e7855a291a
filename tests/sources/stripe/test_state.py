"""Gaps and what closes them; the state survives being written."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from tests.sources.stripe.conftest import NOW

from trialwise.errors import StoreError
from trialwise.sources.stripe.state import Gap, Round, State, Window, read_state, written

DAY = timedelta(days=1)


def test_the_first_import_leaves_a_gap_before_stripes_thirty_days() -> None:
    state = State().covered(NOW, NOW + timedelta(hours=1), NOW - DAY)
    assert state.gaps == (Gap(None, NOW + timedelta(hours=1) - 30 * DAY, "before_first_import"),)
    assert (state.last_polled_at, state.last_event_created) == (NOW, NOW - DAY)


@pytest.mark.parametrize(
    ("since", "gaps"),
    [
        (NOW - 90 * DAY, [(None, NOW - 90 * DAY, "since"), (NOW - 90 * DAY, NOW - 30 * DAY, "before_first_import")]),
        (NOW - 10 * DAY, [(None, NOW - 30 * DAY, "since")]),
    ],
)
def test_since_leaves_a_gap_that_no_reconcile_of_the_same_reach_closes(
    since: datetime, gaps: list[tuple[datetime | None, datetime, str]]
) -> None:
    state = State(since=since).covered(NOW, NOW, None)
    assert [(gap.begins, gap.ends, gap.why) for gap in state.gaps] == gaps
    healed = state.reconciled(NOW)
    assert [gap.why for gap in healed.open_gaps] == ["since"]
    wider = healed.reaching_back(None).reconciled(NOW + DAY)
    assert wider.open_gaps == ()
    assert {gap.healed_at for gap in wider.gaps} <= {NOW, NOW + DAY}


def test_polls_less_than_thirty_days_apart_leave_no_gap() -> None:
    state = State(last_polled_at=NOW, last_event_created=NOW)
    assert state.covered(NOW + 29 * DAY, NOW + 30 * DAY, None).gaps == ()
    later = state.covered(NOW + 30 * DAY, NOW + 30 * DAY + timedelta(minutes=1), None)
    assert later.gaps == (Gap(NOW, NOW + timedelta(minutes=1), "outage"),)


def test_the_newest_event_never_goes_back() -> None:
    state = State(last_polled_at=NOW, last_event_created=NOW)
    assert state.covered(NOW + DAY, NOW + DAY, NOW - DAY).last_event_created == NOW
    assert state.covered(NOW + DAY, NOW + DAY, None).last_event_created == NOW


def test_a_reconcile_that_began_before_the_gap_had_ended_does_not_close_it() -> None:
    state = State(gaps=(Gap(NOW - DAY, NOW, "outage"),))
    assert state.reconciled(NOW - timedelta(seconds=1)).open_gaps == state.gaps
    closed = state.reconciled(NOW)
    assert closed.open_gaps == ()
    assert closed.gaps[0].text == (
        "events from 2026-02-28 12:00Z to 2026-03-01 12:00Z may be missing (not polled for more than 30 days):"
        " healed by reconcile at 2026-03-01 12:00Z"
    )


def test_the_state_survives_being_written() -> None:
    state = State(
        account="acct_1",
        livemode=False,
        since=NOW,
        last_polled_at=NOW,
        last_event_created=NOW,
        last_reconciled_at=None,
        gaps=(Gap(None, NOW, "since"), Gap(NOW, NOW, "outage", NOW)),
        unreadable={"charge": "the key has no permission"},
        window=Window(NOW, None, is_live=True, newest=NOW, after=("evt_1", "evt_2")),
        round=Round(3, NOW, NOW, done=("customer",), current="invoice", after=("in_1",)),
        rounds=3,
        failure="it broke",
        failed_at=NOW,
    )
    assert read_state(json.loads(json.dumps(written(state)))) == state
    assert read_state({}) == State()


def test_a_cursor_that_is_none_says_what_to_do() -> None:
    with pytest.raises(StoreError, match=r"landing/cursors/stripe\.json"):
        read_state({"gaps": 7})
