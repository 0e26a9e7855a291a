"""RELIABILITY row 16: both modes, other accounts, thin events, unknown types, versions from 2017 to now."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.fakes.stripe import LIVE_KEY, StripeFake
from tests.fakes.stripe.deliveries import thin
from tests.fakes.stripe.versions import CURRENT
from tests.stripe import doors
from tests.stripe.cast import Cast, bare, client, midnight
from tests.stripe.tables import raw, trials
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Journal
from trialwise.sources.piece import Piece

VERSIONS = ("2018-11-08", "2020-08-27", "2022-11-15", "2024-06-20", "2025-03-31.basil", "2025-09-30.clover", CURRENT)
START = midnight(25)
BARE = START.replace(tzinfo=None)


def land(folder: Path, events: list[dict[str, Any]]) -> None:
    """As webhooks, on the twentieth day."""
    pieces = [Piece(1, 0, json.dumps(event).encode()) for event in events]
    with Journal(Landing(folder / "data" / "landing"), doors.CHANNEL, "test") as journal:
        journal.append([Arrival(BARE + timedelta(days=20), [piece]) for piece in pieces])


def outcomes(folder: Path) -> dict[str, str]:
    """Outcome by account, on the twentieth day's eve."""
    return {row["account_id"]: row["outcome"] for row in trials(folder, BARE + timedelta(days=21))}


def refused(folder: Path) -> dict[str, int]:
    """Quarantined records by reason."""
    rows = run("quarantine", "list", "--limit", "1000", "--format", "json", "-C", folder).rows()
    found: dict[str, int] = {}
    for row in rows:
        found[row["reason"]] = found.get(row["reason"], 0) + 1
    return found


def both_modes(fake: StripeFake) -> Cast:
    """A customer in test mode and one in live mode, both paid."""
    cast = Cast(fake, START)
    cast.catalogue()
    cast.enter("tested")
    cast.api = client(fake, LIVE_KEY)
    cast.catalogue()
    cast.enter("real")
    cast.go_to(16)
    return cast


@pytest.mark.parametrize(("livemode", "kept"), [(True, "real"), (False, "tested")])
def test_a_workspace_of_one_mode_keeps_the_other_out(tmp_path: Path, livemode: bool, kept: str) -> None:
    folder = doors.workspace(tmp_path / "a", livemode=livemode)
    with StripeFake(now=START) as fake:
        both_modes(fake)
        events = {True: fake.live.log.all(), False: fake.test.log.all()}
        land(folder, [*events[True], *events[False]])
    assert outcomes(folder) == {kept: "converted"}
    assert refused(folder) == {"livemode_mismatch": len(events[not livemode])}
    assert len(raw(folder)) == len(events[livemode])


def test_a_key_brings_its_mode_alone_and_the_other_key_is_refused(tmp_path: Path) -> None:
    with StripeFake(now=START) as fake:
        both_modes(fake)
        folder = doors.workspace(tmp_path / "a", api_base=fake.url, livemode=True)
        doors.by_api(folder, given=LIVE_KEY)
        before = raw(folder)
        assert "livemode" in doors.by_api(folder, code=1).err
    assert outcomes(folder) == {"real": "converted"}
    assert raw(folder) == before


def test_every_version_tells_the_same(tmp_path: Path) -> None:
    folder = doors.workspace(tmp_path / "a")
    for version in VERSIONS:
        with StripeFake(now=START, seed=version, api_version=version) as fake:
            cast = Cast(fake, START)
            cast.catalogue()
            cast.enter(f"paid {version}")
            cast.enter(f"paused {version}", **bare("pause"))
            cast.go_to(16)
            land(folder, fake.test.log.all())
    rows = trials(folder, BARE + timedelta(days=21))
    told = {(row["account_id"].split()[0], row["outcome"], row["converted_at"], row["ends_at"]) for row in rows}
    ends = BARE + timedelta(days=14)
    assert told == {
        ("paid", "converted", ends + timedelta(hours=1), ends),
        ("paused", "no_payment_method", None, ends),
    }
    assert len(rows) == 2 * len(VERSIONS)
    assert refused(folder) == {}
    assert {(row["amount_minor"], row["currency"]) for row in rows if row["outcome"] == "converted"} == {(4900, "USD")}


def test_unknown_types_are_kept_and_harm_nothing(tmp_path: Path) -> None:
    folder = doors.workspace(tmp_path / "a")
    with StripeFake(now=START) as fake:
        cast = Cast(fake, START)
        cast.catalogue()
        cast.enter("paid")
        cast.go_to(16)
        events = fake.test.log.all()
    thing = {"id": "bn_1", "object": "brand_new", "livemode": False}
    strange = {**events[0], "id": "evt_strange", "type": "brand.new.thing", "data": {"object": thing}}
    renewed = next(event for event in reversed(events) if event["type"] == "customer.subscription.updated")
    status = json.loads(json.dumps({**renewed, "id": "evt_status", "created": renewed["created"] + 7200}))
    status["data"] = {"object": {**status["data"]["object"], "status": "hibernating"}, "previous_attributes": {}}
    land(folder, [*events, strange, status])
    assert outcomes(folder) == {"paid": "converted"}
    assert refused(folder) == {}
    assert {"evt_strange", "evt_status"} <= {id_ for _, id_, _ in raw(folder)}


def test_thin_events_are_told_apart_and_followed_by_api(tmp_path: Path) -> None:
    with StripeFake(now=START) as fake:
        folder = doors.workspace(tmp_path / "a", api_base=fake.url)
        cast = Cast(fake, START)
        cast.catalogue()
        doors.by_api(folder)
        sub = cast.enter("paid")
        event = next(found for found in fake.test.log.all() if found["type"] == "customer.subscription.created")
        land(folder, [{**thin(event), "id": "evt_thin"}])
        assert refused_after_load(folder) == {"thin_event": 1}
        fake.test.log.entries.clear()
        doors.by_api(folder)
        assert any(id_ == sub.id for kind, id_, _ in raw(folder) if kind == "object")


def refused_after_load(folder: Path) -> dict[str, int]:
    """Load what waits, then count what was refused."""
    raw(folder)
    return refused(folder)


def test_another_account_is_never_mixed_in(tmp_path: Path) -> None:
    with StripeFake(now=START) as fake:
        folder = doors.workspace(tmp_path / "a", api_base=fake.url)
        cast = Cast(fake, START)
        cast.catalogue()
        cast.enter("own")
        cast.go_to(1)
        doors.by_api(folder)
        before = len(fake.test.log.all())
        fake.world.event_account = "acct_connected"
        cast.enter("foreign")
        foreign = fake.test.log.all()[before:]
        land(folder, foreign)
        assert set(outcomes(folder)) == {"own"}
        assert sum(refused(folder).values()) == len(foreign)
        fake.world.account_id = "acct_second"
        said = doors.by_api(folder, code=1).err
        assert "acct_second" in said
        assert "acct_1Fake0000000000" in said
