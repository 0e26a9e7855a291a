"""A store that is filled anew is the store that was, though many small loads are carried out at once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.landing.kit import COLLECTOR, NOW, STRIPE, Kit, arrival, call, envelope, subscription

from trialwise.landing import load as loading
from trialwise.landing import quarantine
from trialwise.landing.report import LoadReport
from trialwise.landing.schema import create_raw
from trialwise.landing.settings import LoadSettings

SECOND = timedelta(seconds=1)
# Everything that makes one load depend on another: repeats, other bodies, copies known earlier, aliases before and
# after their ids, states that come back or arrive late, refused records landed again.
EVENTS: list[Any] = [
    call(messageId="m1"),
    call(messageId="m1", event="Another body"),
    call(messageId="m2", context={"groupId": "northwind"}),
    call(messageId="m2", context={"groupId": "northwind"}, receivedAt="2026-01-05T09:00:01Z"),
    call(),
    call(timestamp=None),
    call(userId=None, anonymousId="a1"),
    call("identify", anonymousId="a1", traits={"email": "ana@northwind.example"}, messageId="i1"),
    call("alias", previousId="a1", messageId="al1"),
    call("alias", previousId="bob", userId="a1", messageId="al2"),
    call("group", groupId="contoso", messageId="g1"),
    call(userId="bob"),
    call(userId="null"),
    b"\xff",
]
STRIPES: list[Any] = [
    envelope("evt_1"),
    envelope("evt_1", created=1767571201),
    envelope("evt_2", kind="customer.created"),
    subscription(),
    subscription(status="active"),
    subscription(id="sub_2", metadata={"account_id": "fabrikam"}),
    {},
]
LOADS = st.lists(
    st.lists(
        st.one_of(
            st.tuples(st.just("live"), st.sampled_from(EVENTS), st.integers(-3, 0)),
            st.tuples(st.just("file"), st.sampled_from(EVENTS), st.just(0)),
            st.tuples(st.just("webhook"), st.sampled_from(STRIPES), st.integers(-3, 0)),
            st.tuples(st.just("list"), st.sampled_from(STRIPES), st.just(0)),
            st.tuples(st.just("retry"), st.just(None), st.just(0)),
        ),
        max_size=4,
    ),
    min_size=1,
    max_size=6,
)
TABLES = (
    "loads",
    "events",
    "event_properties",
    "identities",
    "stripe",
    "quarantine",
    "dim_account",
    "dim_user",
    "dim_event",
)


def _everything(kit: Kit) -> dict[str, list[Any]]:
    found = {table: kit.rows(f"SELECT * FROM raw.{table} ORDER BY ALL") for table in TABLES}
    found["loads"] = kit.rows("SELECT * EXCLUDE (declared) FROM raw.loads ORDER BY ALL")
    return found


def _carry_out(kit: Kit, loads: list[list[tuple[str, Any, int]]]) -> None:
    now = NOW
    create_raw(kit.engine)
    for number, steps in enumerate(loads):
        now += 10 * SECOND
        for step, record, late in steps:
            if step == "live":
                kit.arrive(arrival(record, at=now + late * 5 * SECOND), channel=COLLECTOR)
            elif step == "file":
                kit.land(record, json.dumps({"file": number}), now=now)
            elif step == "webhook":
                kit.arrive(arrival(record, at=now + late * 5 * SECOND), channel=STRIPE)
            elif step == "list":
                kit.arrive(arrival(record, at=None), channel=STRIPE)
            else:
                _retry_one(kit, now)
        kit.landing.seal(now)
        kit.load(now)


def _retry_one(kit: Kit, now: datetime) -> None:
    """Land a refused record again that was not landed again before."""
    tried = {key for entry in kit.landing.manifest().imports for key in entry.retries}
    refused = kit.rows("SELECT CAST(quarantine_id AS VARCHAR) FROM raw.quarantine ORDER BY 1")
    mended = json.dumps(call(userId="carol")).encode()
    for (key,) in refused:
        if key not in tried:
            quarantine.retry(kit.engine, kit.landing, key, landed_at=now, mended=mended)
            return


def _anew(kit: Kit) -> LoadReport:
    kit.settings = LoadSettings(declared_events=frozenset({"Nothing that happens"}))
    report = kit.load()
    assert report.rebuilt is not None
    return report


def _check(tmp_path_factory: pytest.TempPathFactory, loads: list[list[tuple[str, Any, int]]]) -> None:
    kit = Kit(tmp_path_factory.mktemp("together"))
    _carry_out(kit, loads)
    if kit.rows("SELECT count(*) FROM raw.loads") != [(0,)]:
        before = _everything(kit)
        _anew(kit)
        assert _everything(kit) == before
    kit.engine.close()


@settings(max_examples=10, deadline=None)
@given(LOADS)
def test_filled_anew_is_the_same_row_for_row(
    tmp_path_factory: pytest.TempPathFactory, loads: list[list[tuple[str, Any, int]]]
) -> None:
    _check(tmp_path_factory, loads)


@pytest.mark.long
@settings(max_examples=600, deadline=None)
@given(LOADS)
def test_filled_anew_is_the_same_row_for_row_long(
    tmp_path_factory: pytest.TempPathFactory, loads: list[list[tuple[str, Any, int]]]
) -> None:
    _check(tmp_path_factory, loads)


def _small_loads(kit: Kit, count: int) -> None:
    for number in range(count):
        kit.receive(arrival(call(messageId=f"m{number}"), call(userId=f"u{number}")), now=NOW + number * SECOND)


def test_loads_that_have_nothing_to_do_with_each_other_are_one_reading(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    _small_loads(kit, 12)
    readings = _readings(monkeypatch)
    report = _anew(kit)
    assert (report.loads, report.loaded) == (12, 24)
    assert readings == [12]


def test_what_has_is_halved_until_it_has_not(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    _small_loads(kit, 8)
    kit.receive(arrival(call(messageId="m6", event="Another")), now=NOW + 9 * SECOND)
    before = _everything(kit)
    readings = _readings(monkeypatch)
    assert _anew(kit).reasons == {"id_reuse": 1}
    assert readings == [9, 4, 5, 2, 3, 1, 2]
    assert _everything(kit) == before


def test_not_more_at_once_than_memory_holds(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    _small_loads(kit, 6)
    size = kit.landing.manifest().imports[0].segments[0].bytes
    monkeypatch.setattr(loading, "TOGETHER_BYTES", int(size * 2.5))
    readings = _readings(monkeypatch)
    assert _anew(kit).loads == 6
    assert readings == [2, 2, 2]


def _readings(patch: pytest.MonkeyPatch) -> list[int]:
    """How many loads each reading of landing took."""
    counts: list[int] = []
    prepare = loading._prepare

    def counting(*arguments: Any) -> None:
        counts.append(len(arguments[2]))
        prepare(*arguments)

    patch.setattr(loading, "_prepare", counting)
    return counts
