"""What arrives over the wire is known when it came, whatever it claims; else it is read as a file is."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.landing.kit import COLLECTOR, NOW, STRIPE, Kit, arrival, call, envelope, event, subscription

from trialwise.landing import quarantine
from trialwise.landing.journal import Channel
from trialwise.landing.settings import LoadSettings

TIMES = "SELECT occurred_at, known_at FROM raw.events"
FLAT = Channel("events", "flat", "events")
MINUTE = timedelta(minutes=1)


def _iso(instant: datetime) -> str:
    return instant.isoformat() + "Z"


def test_a_call_is_known_when_it_came(kit: Kit) -> None:
    kit.receive(arrival(call(timestamp=_iso(NOW - MINUTE))))
    assert kit.rows(TIMES) == [(NOW - MINUTE, NOW)]


def test_the_clients_clock_is_taken_out(kit: Kit) -> None:
    """The client is an hour ahead: it sent ten minutes after the event, by its own clock."""
    sent = NOW + timedelta(hours=1)
    body = call(timestamp=_iso(sent - 10 * MINUTE), sentAt=_iso(sent))
    kit.receive(arrival(body))
    assert kit.rows(TIMES) == [(NOW - 10 * MINUTE, NOW)]


def test_the_batch_says_when_it_was_sent(kit: Kit) -> None:
    sent = NOW + timedelta(hours=1)
    kit.receive(arrival(call(timestamp=_iso(sent - MINUTE)), envelope=json.dumps({"sentAt": _iso(sent)})))
    assert kit.rows(TIMES) == [(NOW - MINUTE, NOW)]


def test_the_original_timestamp_goes_before_the_timestamp(kit: Kit) -> None:
    sent = NOW + timedelta(hours=1)
    kit.receive(arrival(call(timestamp=_iso(NOW), originalTimestamp=_iso(sent - 5 * MINUTE), sentAt=_iso(sent))))
    assert kit.rows(TIMES) == [(NOW - 5 * MINUTE, NOW)]


def test_a_claimed_receipt_counts_for_nothing(kit: Kit) -> None:
    kit.receive(
        arrival(call(timestamp=_iso(NOW - MINUTE), receivedAt="2020-01-01T00:00:00Z"), call(receivedAt="no time"))
    )
    assert kit.rows("SELECT DISTINCT known_at FROM raw.events") == [(NOW,)]


def test_a_call_without_any_time_happened_when_it_came(kit: Kit) -> None:
    at = NOW.replace(microsecond=123456)
    kit.receive(arrival(call(timestamp=None), at=at))
    assert kit.rows(TIMES) == [(at, at)]


def test_a_skew_that_leads_out_of_time_is_refused(kit: Kit) -> None:
    report = kit.receive(arrival(call(timestamp="1990-01-02T00:00:00Z", sentAt="2099-01-01T00:00:00Z")))
    assert dict(report.reasons) == {"bad_timestamp": 1}


def test_back_filled_records_are_known_as_a_files_are(kit: Kit) -> None:
    kit.receive(arrival(event(id="a"), at=None), channel=FLAT)
    kit.land(event(id="b"))
    kit.load()
    assert len(set(kit.rows(TIMES))) == 1


def test_occurrences_are_counted_within_the_request(kit: Kit) -> None:
    """The same record twice in a request is two events; sent again in another request it is no news."""
    twice = arrival(event(), event())
    report = kit.receive(twice, twice, arrival(event()), channel=FLAT)
    assert (report.received, report.loaded, report.duplicate) == (5, 2, 3)
    again = kit.receive(arrival(event(), event(), event()), channel=FLAT)
    assert (again.loaded, again.duplicate) == (1, 2)


def test_journals_of_one_channel_number_their_requests_apart(kit: Kit) -> None:
    kit.arrive(arrival(event()), channel=FLAT)
    kit.arrive(arrival(event()), channel=FLAT)
    kit.landing.seal(NOW)
    assert len(kit.landing.manifest().imports) == 1
    report = kit.load()
    assert (report.loaded, report.duplicate) == (1, 1)


def test_the_same_request_in_a_file_is_no_news(kit: Kit) -> None:
    kit.receive(arrival(event(), event()), channel=FLAT)
    assert kit.take(event(), event()).duplicate == 2


def test_a_retried_request_is_no_news_and_no_conflict(kit: Kit) -> None:
    """A client sends its batch again with another sentAt."""
    body = call(messageId="m1", timestamp=_iso(NOW - MINUTE))
    first = arrival(body, envelope=json.dumps({"sentAt": _iso(NOW)}))
    later = arrival(body, at=NOW + MINUTE, envelope=json.dumps({"sentAt": _iso(NOW + MINUTE)}))
    report = kit.receive(first, later)
    assert (report.loaded, report.duplicate, report.quarantined) == (1, 1, 0)
    assert kit.rows(TIMES) == [(NOW - MINUTE, NOW)]


def test_a_retry_that_says_when_it_was_sent_is_no_conflict(kit: Kit) -> None:
    said = call(messageId="m1", timestamp=_iso(NOW))
    report = kit.receive(arrival(said), arrival({**said, "sentAt": _iso(NOW)}, at=NOW + MINUTE))
    assert (report.loaded, report.duplicate, report.quarantined) == (1, 1, 0)


def test_traits_that_stand_in_the_context_of_identify_are_traits(kit: Kit) -> None:
    """RudderStack's Python client sends them so."""
    said = {
        "type": "identify",
        "userId": "ana",
        "messageId": "m1",
        "context": {"traits": {"email": "ana@acme.example"}},
    }
    kit.receive(arrival(said))
    assert kit.rows("SELECT traits FROM raw.identities") == [('{"email":"ana@acme.example"}',)]


def test_segments_export_of_a_call_is_the_call(kit: Kit) -> None:
    kit.receive(arrival(call(messageId="m1", timestamp=_iso(NOW), sentAt=_iso(NOW))))
    export = call(
        messageId="m1", originalTimestamp=_iso(NOW), timestamp=_iso(NOW + MINUTE), receivedAt=_iso(NOW + MINUTE)
    )
    assert kit.take(export).duplicate == 1
    assert kit.take(call(messageId="m1", timestamp=_iso(NOW), event="Other")).reasons == {"id_reuse": 1}


@pytest.mark.parametrize("is_file_first", [True, False])
def test_a_call_that_says_one_instant_only_is_the_same_live_and_in_a_file(kit: Kit, *, is_file_first: bool) -> None:
    said = call(messageId="m1", timestamp=_iso(NOW))
    ways = [lambda: kit.receive(arrival(said)), lambda: kit.take(said)]
    first, second = ways[::-1] if is_file_first else ways
    assert first().loaded == 1
    assert second().duplicate == 1
    assert kit.take(call(messageId="m1", timestamp=_iso(NOW + MINUTE))).reasons == {"id_reuse": 1}


def test_rebuilding_gives_the_same_rows(kit: Kit) -> None:
    kit.receive(arrival(event(), event(), event(timestamp=None)), arrival(event()), channel=FLAT)
    kit.receive(arrival(envelope("evt_1")), arrival(subscription(), at=NOW + MINUTE), channel=STRIPE)
    before = _everything(kit)
    kit.settings = LoadSettings(declared_events=frozenset({"Another"}))
    report = kit.load()
    assert report.rebuilt is not None
    assert _everything(kit) == before


def _everything(kit: Kit) -> list[Any]:
    tables = ("events", "identities", "stripe", "quarantine", "dim_account", "dim_user", "dim_event")
    return [sorted(kit.rows(f"SELECT * FROM raw.{table}"), key=repr) for table in tables]


# ── Stripe ───────────────────────────────────────────────────────────────────


def test_a_webhook_is_known_when_it_came_and_a_listed_event_when_it_was_created(kit: Kit) -> None:
    created = datetime(2026, 1, 5)
    kit.receive(arrival(envelope("evt_1")), channel=STRIPE)
    known = "SELECT event_id, created_at, known_at, landed_at FROM raw.stripe"
    assert kit.rows(known) == [("evt_1", created, NOW, NOW)]
    later = NOW + timedelta(days=1)
    kit.receive(arrival(envelope("evt_1"), at=None), channel=Channel("stripe", "stripe", "stripe api"), now=later)
    assert kit.rows(known) == [("evt_1", created, created, later)]


def test_snapshots_are_known_when_they_were_fetched(kit: Kit) -> None:
    kit.receive(arrival(subscription(), at=NOW - MINUTE), channel=STRIPE)
    assert kit.rows("SELECT known_at, landed_at FROM raw.stripe") == [(NOW - MINUTE, NOW - MINUTE)]


# ── quarantine ───────────────────────────────────────────────────────────────


def _refused(kit: Kit) -> list[tuple[Any, ...]]:
    return kit.rows(
        "SELECT CAST(quarantine_id AS VARCHAR), source, file, line, reason, raw, landed_at FROM raw.quarantine "
        "WHERE retried_at IS NULL ORDER BY line"
    )


def test_refused_records_say_where_they_came_in(kit: Kit) -> None:
    kit.receive(arrival(call(), call(userId="null"), b"\xff", at=NOW - MINUTE))
    found = [row[1:] for row in _refused(kit)]
    assert found == [
        ("events", "collector", 2, "placeholder_id", json.dumps(call(userId="null")).encode(), NOW - MINUTE),
        ("events", "collector", 3, "bad_utf8", b"\xff", NOW - MINUTE),
    ]


def test_a_retried_record_is_known_when_it_first_came(kit: Kit) -> None:
    sent = NOW + timedelta(hours=1)
    around = json.dumps({"sentAt": _iso(sent), "context": {"groupId": "northwind"}})
    kit.receive(arrival(call(), call(userId="null", timestamp=_iso(sent - MINUTE)), envelope=around))
    [(key, *_)] = _refused(kit)
    mended = json.dumps(call(userId="bob", timestamp=_iso(sent - MINUTE))).encode()
    later = NOW + timedelta(days=3)
    quarantine.retry(kit.engine, kit.landing, key, landed_at=later, mended=mended)
    assert kit.load(later).loaded == 1
    found = kit.rows(
        "SELECT occurred_at, known_at, account_id FROM raw.events JOIN raw.dim_user USING (user_key) "
        "JOIN raw.dim_account USING (account_key) WHERE user_id = 'bob'"
    )
    assert found == [(NOW - MINUTE, NOW, "northwind")]


def test_a_retried_record_that_fails_again_still_knows_when_it_came(kit: Kit) -> None:
    kit.receive(arrival(call(userId="null", timestamp=None)))
    [(key, *_)] = _refused(kit)
    quarantine.retry(kit.engine, kit.landing, key, landed_at=NOW + MINUTE)
    kit.load(NOW + MINUTE)
    [(again, *_, landed_at)] = _refused(kit)
    assert (again != key, landed_at) == (True, NOW)
    mended = json.dumps(call(timestamp=None)).encode()
    quarantine.retry(kit.engine, kit.landing, again, landed_at=NOW + 2 * MINUTE, mended=mended)
    kit.load(NOW + 2 * MINUTE)
    assert kit.rows(TIMES) == [(NOW, NOW)]


@pytest.mark.parametrize("form", ["unknown", "of tomorrow"])
def test_a_format_nobody_reads_is_kept_and_refused(kit: Kit, form: str) -> None:
    report = kit.receive(arrival(call(), call()), channel=Channel("events", form, "somebody"))
    assert dict(report.reasons) == {"unknown_format": 2}
    assert [row[5] for row in _refused(kit)] == [json.dumps(call()).encode()] * 2


def test_channels_are_imports_of_their_own(kit: Kit) -> None:
    mapped = Channel("events", "flat", "http crm", {"user_id": "who"})
    kit.arrive(arrival(call()), channel=COLLECTOR)
    kit.arrive(arrival({"event": "E", "who": "bob", "timestamp": "2026-01-05"}), channel=mapped)
    kit.arrive(arrival(envelope("evt_1")), channel=STRIPE)
    kit.landing.seal(NOW)
    entries = kit.landing.manifest().imports
    assert [(entry.file, entry.source, entry.format, entry.mapping) for entry in entries] == [
        ("collector", "events", "segment", {}),
        ("http crm", "events", "flat", {"user_id": "who"}),
        ("webhook stripe", "stripe", "stripe", {}),
    ]
    assert kit.load().loaded == 3
    assert {row[0] for row in kit.rows("SELECT user_id FROM raw.dim_user")} == {None, "ana", "bob"}
