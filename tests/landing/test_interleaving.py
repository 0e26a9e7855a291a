"""However appends, seals, imports, loads and rebuilds follow each other, the raw tables come out the same."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.landing.kit import COLLECTOR, NOW, STRIPE, Kit, arrival, call, envelope, event

from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.landing.settings import LoadSettings

FLAT = Channel("events", "flat", "events")
CHANNELS = {"collector": COLLECTOR, "flat": FLAT, "stripe": STRIPE}
RECORDS: dict[str, list[Any]] = {
    "collector": [
        call(messageId="m1"),
        call(messageId="m2", sentAt="2026-01-05T09:30:00Z"),
        call(timestamp="2026-01-06T10:00:00Z"),
        call("identify", traits={"email": "ana@northwind.example"}),
        call("group", groupId="northwind", messageId="g1"),
        call(userId="null"),
        b"\xff",
    ],
    "flat": [event(id="m1x"), event(), event(timestamp="2026-01-07"), event(timestamp="x"), event(n=1), "{"],
    "stripe": [envelope("evt_1"), envelope("evt_2", created=1767571201), envelope("")],
}
READ = {
    "events": "SELECT event_id, event_name, account_id, user_id, occurred_at, known_at, activity_date, known_date, "
    "body_hash FROM raw.events JOIN raw.dim_event USING (event_key) JOIN raw.dim_account USING (account_key) "
    "JOIN raw.dim_user USING (user_key)",
    "identities": "SELECT call_id, kind, account_id, user_id, occurred_at, known_at, traits FROM raw.identities "
    "JOIN raw.dim_account USING (account_key) JOIN raw.dim_user USING (user_key)",
    "stripe": "SELECT record_id, event_id, event_type, object_id, created_at, known_at, object FROM raw.stripe",
    "quarantine": "SELECT source, line, reason, detail, raw FROM raw.quarantine",
    "loads": "SELECT sum(received), sum(quarantined) FROM raw.loads",
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, list[Any]]:
    """(channel, writer, records) of a request or file."""
    channel = draw(st.sampled_from(sorted(CHANNELS)))
    records = draw(st.lists(st.sampled_from(RECORDS[channel]), min_size=1, max_size=3))
    return channel, draw(st.sampled_from(["w1", "w2"])), records


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), requests()),
        st.tuples(st.just("land"), requests()),
        st.tuples(st.sampled_from(["seal", "load", "rebuild", "restart"]), st.none()),
    ),
    min_size=2,
    max_size=14,
)


def _run(kit: Kit, steps: list[tuple[str, Any]], only: frozenset[str]) -> dict[str, Counter[tuple[Any, ...]]]:
    """Carry out those steps that are in `only`, then load everything; the raw tables without what counts loads."""
    journals: dict[tuple[str, str], Journal] = {}
    landing = Landing(kit.landing.folder, segment_bytes=1500)
    now, names = NOW, 0
    for step, request in steps:
        now += timedelta(minutes=1)
        if step == "append":
            channel, writer, records = request
            if (channel, writer) not in journals:
                journals[channel, writer] = Journal(landing, CHANNELS[channel], writer)
            journals[channel, writer].append([_arrival(records, now)])
        elif step == "land":
            channel, _, records = request
            names += 1
            kit.land(
                *records,
                json.dumps({"file": names}),  # no two files are the same
                kind=CHANNELS[channel].source,
                file_format=None if channel == "stripe" else CHANNELS[channel].format,
                now=now,
            )
        elif step not in only:
            continue
        elif step == "seal":
            landing.seal(now)
        elif step == "load":
            kit.load(now)
        elif step == "rebuild":
            kit.settings = LoadSettings(declared_events=frozenset({str(now)}))
            kit.load(now)
        else:
            for journal in journals.values():
                journal.close()
            journals.clear()
    for journal in journals.values():
        journal.close()
    landing.seal(now)
    kit.load(now)
    landed = sum(entry.records for entry in landing.manifest().imports)
    assert kit.rows("SELECT sum(received), sum(loaded + duplicate + quarantined) FROM raw.loads")[0] in (
        (landed, landed),
        (None, None),
    )
    return {table: Counter(kit.rows(sql)) for table, sql in READ.items()}


def _arrival(records: list[Any], now: datetime) -> Arrival:
    return arrival(*records, at=now)


def _check(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]) -> None:
    found = []
    for only in (frozenset({"seal", "load", "rebuild", "restart"}), frozenset[str]()):
        kit = Kit(tmp_path_factory.mktemp("way"))
        found.append(_run(kit, steps, only))
        kit.engine.close()
    assert found[0] == found[1]


@settings(max_examples=12, deadline=None)
@given(STEPS)
def test_any_order_of_work_gives_the_same_tables(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    _check(tmp_path_factory, steps)


@pytest.mark.long
@settings(max_examples=600, deadline=None)
@given(STEPS)
def test_any_order_of_work_gives_the_same_tables_long(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    _check(tmp_path_factory, steps)
