"""The load: ids, repeats, times, keys, and the order in which everything can be had again."""

from __future__ import annotations

import json
import uuid
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.landing.kit import NOW, Kit, call, envelope, event, subscription

from trialwise.engines.duckdb import connect
from trialwise.errors import StoreError
from trialwise.landing.load import pending
from trialwise.landing.settings import LoadSettings
from trialwise.sources.files import open_file

NINE = datetime(2026, 1, 5, 9)


# ── ids ──────────────────────────────────────────────────────────────────────


def test_a_repeated_id_counts_once_and_the_first_known_wins(kit: Kit) -> None:
    late = call(messageId="m", receivedAt="2026-01-05T09:00:09Z")
    early = call(messageId="m", receivedAt="2026-01-05T09:00:02Z")
    report = kit.take(late, early, late)
    assert (report.loaded, report.duplicate) == (1, 2)
    assert kit.rows("SELECT known_at FROM raw.events") == [(NINE + timedelta(seconds=2),)]


def test_equal_known_at_is_decided_by_load_order(kit: Kit) -> None:
    first = call(messageId="m", timestamp="2026-01-05T08:00:00Z", receivedAt="2026-01-06T00:00:00Z")
    second = call(messageId="m", timestamp="2026-01-05T07:00:00Z", receivedAt="2026-01-06T00:00:00Z")
    kit.take(first, second)
    assert kit.rows("SELECT occurred_at FROM raw.events") == [(datetime(2026, 1, 5, 8),)]


def test_a_later_copy_known_earlier_takes_the_place(kit: Kit) -> None:
    kit.take(call(messageId="m", receivedAt="2026-01-07T00:00:00Z"))
    report = kit.take(call(messageId="m", receivedAt="2026-01-06T00:00:00Z"))
    assert (report.loaded, report.duplicate) == (0, 1)
    assert kit.rows("SELECT known_at, known_date, load_id FROM raw.events") == [
        (datetime(2026, 1, 6), date(2026, 1, 6), 2)
    ]
    report = kit.take(call(messageId="m", receivedAt="2026-01-08T00:00:00Z"))
    assert (report.loaded, report.duplicate) == (0, 1)
    assert kit.rows("SELECT known_at FROM raw.events") == [(datetime(2026, 1, 6),)]


def test_a_replaced_event_keeps_its_properties(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Report Created"}))
    for day in (7, 6):
        kit.take(call(messageId="m", properties={"rows": 1}, receivedAt=f"2026-01-0{day}T00:00:00Z"))
    assert kit.rows("SELECT p.properties FROM raw.events JOIN raw.event_properties p USING (event_id)") == [
        ('{"rows":1}',)
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"event": "Other"},
        {"userId": "bo"},
        {"properties": {"rows": 2}},
        {"context": {"groupId": "other"}},
        {"originalTimestamp": "2026-01-05T08:59:59Z"},
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_one_id_two_bodies(kit: Kit, change: dict[str, object], together: bool) -> None:
    first = call(messageId="m", originalTimestamp="2026-01-05T09:00:00Z", properties={"rows": 1})
    other = {**first, **change, "receivedAt": "2026-02-01T00:00:00Z"}
    if together:
        kit.take(first, other)
    else:
        kit.take(first)
        kit.take(other)
    assert [reason for _line, reason in kit.reasons()] == ["id_reuse"]
    raw = kit.rows("SELECT raw FROM raw.quarantine")[0][0]
    assert b"2026-02-01T00:00:00Z" in raw
    assert kit.rows("SELECT count(*) FROM raw.events") == [(1,)]


def test_transport_fields_are_no_body(kit: Kit) -> None:
    first = call(messageId="m", sentAt="2026-01-05T09:00:01Z", receivedAt="2026-01-05T09:00:02Z")
    retry = call(
        messageId="m",
        timestamp="2026-01-05T09:00:00.250Z",
        sentAt="2026-01-05T09:01:01Z",
        receivedAt="2026-01-05T09:01:02Z",
        context={"ip": "192.0.2.1"},
    )
    assert kit.take(first, retry).duplicate == 1


def test_a_track_and_an_identify_cannot_share_an_id(kit: Kit) -> None:
    report = kit.take(call(messageId="m"), call("identify", messageId="m", traits={"name": "Ana"}))
    assert dict(report.reasons) == {"id_reuse": 1}
    report = kit.take(call("identify", messageId="m", traits={"name": "Bo"}))
    assert dict(report.reasons) == {"id_reuse": 1}


def test_a_uuid_is_kept_and_another_id_is_hashed(kit: Kit) -> None:
    own = "022bb90c-bbac-11e4-8dfc-aa07a5b093db"
    kit.take(call(messageId=own), call(messageId="plain"))
    ids = {row[0] for row in kit.rows("SELECT event_id FROM raw.events")}
    assert uuid.UUID(own) in ids
    assert len(ids) == 2


def test_without_id_the_place_among_equals_counts(kit: Kit) -> None:
    report = kit.take(event(), event(), event(rows=1))
    assert (report.loaded, report.duplicate) == (3, 0)
    report = kit.take(event(rows=1), event(), event(), event())
    assert (report.loaded, report.duplicate) == (1, 3)
    assert kit.rows("SELECT count(*) FROM raw.events") == [(4,)]


def _spelt(kit: Kit, layout: str) -> Path:
    """The same three events in another file: reports of 3 and 4 rows, the first one twice."""
    times = {
        "zulu": "2026-01-05T10:00:00Z",
        "milliseconds": "2026-01-05T10:00:00.000Z",
        "offset": "2026-01-05T11:00:00+01:00",
        "space": "2026-01-05 10:00:00",
        "epoch": 1767607200,
        "epoch_ms": 1767607200000,
    }
    rows = [3, 4, 3]
    if layout == "csv":
        path = kit.folder / "same.csv"
        lines = [f"Report Created,northwind,ana,2026-01-05 10:00:00,{count},,true" for count in rows]
        path.write_text("\n".join(["event,account_id,user_id,timestamp,rows,note,big", *lines]) + "\n")
    elif layout == "parquet":
        path = kit.folder / "same.parquet"
        known = {"event": "Report Created", "account_id": "northwind", "user_id": "ana", "big": True}
        frame = pl.DataFrame([{"rows": float(count), "note": None, **known} for count in rows])
        frame.with_columns(pl.lit(datetime(2026, 1, 5, 10)).alias("timestamp")).write_parquet(path)
    else:
        path = kit.folder / f"{layout}.ndjson"
        records = [event(timestamp=times[layout], rows=count, big=True) for count in rows]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


SPELLINGS = ("zulu", "milliseconds", "offset", "space", "epoch", "epoch_ms", "csv", "parquet")


@pytest.mark.parametrize("first", ["zulu", "csv", "parquet", "epoch"])
@pytest.mark.parametrize("together", [True, False])
def test_an_instant_spelt_otherwise_is_the_same_event(kit: Kit, first: str, together: bool) -> None:
    """METRICS 7: the same content in another file is a duplicate, whatever that file's format."""
    layouts = [first, *(layout for layout in SPELLINGS if layout != first)]
    loaded = duplicate = 0
    for number, layout in enumerate(layouts, 1):
        kit.landing.land(open_file(_spelt(kit, layout)), landed_at=NOW)
        if not together or number == len(layouts):
            report = kit.load()
            loaded, duplicate = loaded + report.loaded, duplicate + report.duplicate
    assert (loaded, duplicate, kit.reasons()) == (3, 3 * (len(SPELLINGS) - 1), [])
    assert kit.rows("SELECT occurred_at FROM raw.events") == [(datetime(2026, 1, 5, 10),)] * 3


def test_other_instants_and_values_are_other_events(kit: Kit) -> None:
    kit.take(event(rows=3), event(rows="3.5"))
    report = kit.take(event(rows=3, timestamp="2026-01-05T09:00:00.001Z"), event(rows=30), event(), event(rows="3"))
    assert (report.loaded, report.duplicate) == (3, 1)


def test_with_an_id_instants_and_flat_values_are_compared(kit: Kit) -> None:
    kit.take(event(id="m", rows=3, note=None), call(messageId="n", originalTimestamp="2026-01-05T09:00:00Z"))
    report = kit.take(event(id="m", rows="3"), call(messageId="n", originalTimestamp="2026-01-05T10:00:00+01:00"))
    assert (report.loaded, report.duplicate) == (0, 2)
    assert dict(kit.take(event(id="m", rows="4")).reasons) == {"id_reuse": 1}


def test_a_long_detail_is_cut(kit: Kit) -> None:
    kit.take(event(timestamp="x" * 5000), event(user_id="null", account_id="a" * 5000))
    assert kit.rows("SELECT reason, length(detail) FROM raw.quarantine ORDER BY line") == [
        ("bad_timestamp", 200),
        ("placeholder_id", 200),
    ]


def test_without_id_and_time_a_record_is_always_new(kit: Kit) -> None:
    later = NOW + timedelta(days=1)
    kit.land(event(timestamp=None))
    kit.land(event(timestamp=None), event(timestamp=None), now=later)
    assert kit.load().loaded == 3
    assert kit.rows("SELECT occurred_at, known_at, count(*) FROM raw.events GROUP BY ALL ORDER BY 1") == [
        (NOW, NOW, 1),
        (later, later, 2),
    ]


# ── subjects and keys ────────────────────────────────────────────────────────


PLACEHOLDERS = (
    "null", "NULL", "None", "undefined", "n/a", "N/A", "anon", "Anonymous", "nan", "[object Object]",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip


def test_placeholder_ids_are_refused(kit: Kit) -> None:
    records = [event(**{key: word}) for key in ("account_id", "user_id", "anonymous_id") for word in PLACEHOLDERS]
    report = kit.take(*records, call("alias", previousId="null"))
    assert dict(report.reasons) == {"placeholder_id": 3 * len(PLACEHOLDERS) + 1}


def test_null_is_no_placeholder(kit: Kit) -> None:
    assert kit.take('{"event":"E","user_id":null,"account_id":"northwind","timestamp":"2026-01-05"}').loaded == 1


REFUSED = (
    (call("group", groupId=None), "no_account"),
    (call("identify", userId=None, groupId="x"), "no_subject"),
    (call("alias"), "no_previous_id"),
    (call("alias", previousId="p", userId=None, groupId="x"), "no_previous_id"),
    (call("track", event=None), "no_event"),
    (call(userId="x" * 513), "bad_id"),
    (call(userId=["a"]), "bad_id"),
    (call(userId="a\nb"), "bad_id"),
    (call(event={"a": 1}), "bad_event"),
    ({"hello": "world"}, "unknown_shape"),
    (call(userId=None), "no_subject"),
)


def test_refusals(kit: Kit) -> None:
    kit.take(*(record for record, _reason in REFUSED))
    assert [reason for _line, reason in kit.reasons()] == [reason for _record, reason in REFUSED]


def test_unicode_ids_stay_byte_exact(kit: Kit) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    kit.take(*(event(user_id=user, account_id=None) for user in (composed, decomposed, "CAF\u00c9", "Ａna", "ana ")))
    users = {row[0] for row in kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0")}
    assert users == {composed, decomposed, "CAF\u00c9", "Ａna", "ana "}


def test_keys_never_change(kit: Kit) -> None:
    kit.take(event(account_id="zeta", user_id="zoe", event="Z"))
    before = kit.rows("SELECT * FROM raw.dim_account ORDER BY 1")
    kit.take(event(account_id="alpha", user_id="abe", event="A"))
    assert kit.rows("SELECT * FROM raw.dim_account ORDER BY 1")[: len(before)] == before
    assert kit.rows("SELECT account_id FROM raw.dim_account WHERE account_key = 0") == [(None,)]
    accounts = {row[0] for row in kit.rows("SELECT account_id FROM raw.dim_account")}
    assert accounts == {None, "zeta", "user:zoe", "alpha", "user:abe"}


def test_every_account_stripe_can_lead_to_has_a_key(kit: Kit) -> None:
    kit.settings = LoadSettings(account_metadata_key='our "id"', customer_map={"cus_map": "mapped"})
    kit.take(
        subscription(metadata={'our "id"': "from-subscription"}),
        {"id": "cus_2", "object": "customer", "metadata": {'our "id"': "from-customer"}},
        {"id": "cus_3", "object": "customer", "metadata": {'our "id"': "null"}},
        {"id": "cs_1", "object": "checkout.session", "client_reference_id": "from-checkout", "customer": None},
        {"id": "in_1", "object": "invoice", "customer": {"id": "cus_4", "object": "customer"}},
        kind="stripe",
    )
    accounts = {row[0] for row in kit.rows("SELECT account_id FROM raw.dim_account WHERE account_key > 0")}
    assert accounts == {
        "from-subscription", "from-customer", "from-checkout", "mapped",
        "stripe:cus_1", "stripe:cus_2", "stripe:cus_3", "stripe:cus_4", "stripe:cus_map",
    }  # fmt: skip


def test_accounts_of_a_new_mapping_file_get_keys_without_new_records(kit: Kit) -> None:
    kit.take(event())
    kit.settings = LoadSettings(customer_map={"cus_9": "nine"})
    report = kit.load()
    assert (report.loads, report.rebuilt) == (0, None)
    assert kit.rows("SELECT count(*) FROM raw.dim_account WHERE account_id IN ('nine', 'stripe:cus_9')") == [(2,)]


def test_previous_id_is_anonymous_only_when_seen_so(kit: Kit) -> None:
    kit.take(call(userId=None, anonymousId="x1"), call("alias", previousId="x1"), call("alias", previousId="x2"))
    previous = kit.rows(
        "SELECT u.user_id FROM raw.identities i JOIN raw.dim_user u ON u.user_key = i.previous_user_key"
    )
    assert sorted(previous) == [("anon:x1",), ("x2",)]


# ── times ────────────────────────────────────────────────────────────────────


INSTANTS = (
    ("2026-01-05T09:00:00Z", NINE),
    ("2026-01-05T09:00:00", NINE),
    ("2026-01-05 09:00", NINE),
    ("2026-01-05T11:00:00+02:00", NINE),
    ("2026-01-05T11:00:00+0200", NINE),
    ("2026-01-05T04:00:00-05", NINE),
    ("2026-01-05 09:00:00 UTC", NINE),
    ("2026-01-05T09:00:00.123456789Z", NINE + timedelta(microseconds=123456)),
    ("2026-01-05", datetime(2026, 1, 5)),
    (1767603600, NINE),
    (1767603600.25, NINE + timedelta(milliseconds=250)),
    ("1767603600", NINE),
    (1767603600123, NINE + timedelta(milliseconds=123)),
    (1767603600123456, NINE + timedelta(microseconds=123456)),
    ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30)),
)


def test_instants(kit: Kit) -> None:
    assert kit.take(*(event(timestamp=stamp) for stamp, _ in INSTANTS)).loaded == len(INSTANTS)
    found = kit.rows("SELECT occurred_at FROM raw.events ORDER BY occurred_at")
    assert found == sorted((expected,) for _, expected in INSTANTS)
    assert kit.rows("SELECT count(*) FROM raw.events WHERE known_at <> occurred_at") == [(0,)]


NO_INSTANTS = (
    "2026-01-05T09:00:60Z", "2026-02-30", "2026-13-01", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "10000-01-01",
    "2100-01-01", "infinity", "epoch", "now", "05/01/2026", "2026-01-05T09:00:00+99:99", "2026-1-5",
    "44567", 44567.5,
    12345, -1, 1e300, True, {"a": 1}, [1], "1767603600123456789", "99999999999999999999999", "2026-01-05T25:00:00Z",
)  # fmt: skip


def test_no_instants(kit: Kit) -> None:
    report = kit.take(*(event(timestamp=stamp) for stamp in NO_INSTANTS))
    assert dict(report.reasons) == {"bad_timestamp": len(NO_INSTANTS)}


def test_received_at_is_what_makes_it_known(kit: Kit) -> None:
    kit.settings = LoadSettings(timezone="America/New_York")
    kit.take(
        call(timestamp="2026-01-06T04:59:59Z", receivedAt="2026-01-08T05:00:00Z"),
        event(received_at="2026-01-05T09:00:01Z"),
    )
    assert kit.rows("SELECT activity_date, known_date FROM raw.events ORDER BY known_at DESC") == [
        (date(2026, 1, 5), date(2026, 1, 8)),
        (date(2026, 1, 5), date(2026, 1, 5)),
    ]


def test_known_before_it_happened_counts_from_its_own_day(kit: Kit) -> None:
    kit.take(call(timestamp="2026-01-09T00:00:00Z", receivedAt="2026-01-05T00:00:00Z"))
    assert kit.rows("SELECT known_at, known_date FROM raw.events") == [(datetime(2026, 1, 5), date(2026, 1, 9))]


# ── Stripe ───────────────────────────────────────────────────────────────────


def test_stripe_events_once_and_reused_ids_refused(kit: Kit) -> None:
    report = kit.take(envelope("evt_1"), envelope("evt_1", api_version="2020-08-27"), envelope("evt_2"), kind="stripe")
    assert (report.loaded, report.duplicate) == (2, 1)
    report = kit.take(envelope("evt_1", pending_webhooks=1), envelope("evt_2", created=1767571201), kind="stripe")
    assert (report.duplicate, dict(report.reasons)) == (1, {"id_reuse": 1})
    assert kit.rows("SELECT event_id, created_at, known_at FROM raw.stripe ORDER BY load_order") == [
        ("evt_1", datetime(2026, 1, 5), datetime(2026, 1, 5)),
        ("evt_2", datetime(2026, 1, 5), datetime(2026, 1, 5)),
    ]


def test_a_snapshot_is_news_when_it_differs_from_the_one_before(kit: Kit) -> None:
    trialing, active = subscription(), subscription(status="active")
    report = kit.take(trialing, trialing, active, kind="stripe")
    assert (report.loaded, report.duplicate) == (2, 1)
    kit.land(active, kind="stripe", now=NOW + timedelta(days=1))
    kit.land(trialing, kind="stripe", now=NOW + timedelta(days=2))
    report = kit.load()
    assert (report.loaded, report.duplicate) == (1, 1)
    assert kit.rows("SELECT object->>'$.status', landed_at FROM raw.stripe ORDER BY load_order") == [
        ("trialing", NOW),
        ("active", NOW),
        ("trialing", NOW + timedelta(days=2)),
    ]


STRIPE_REFUSED = (
    (envelope("evt_1", type=None), "no_event_type"),
    (envelope(""), "no_event_id"),
    (envelope("evt_1", created=None), "bad_timestamp"),
    (envelope("evt_1", created=99999999999999), "bad_timestamp"),
    (envelope("evt_1", data={}), "no_object"),
    (envelope("evt_1", data={"object": "sub_1"}), "no_object"),
    (envelope("evt_1", data={"object": {"id": "x"}}), "no_object_type"),
    ({"object": "v2.core.event", "id": "evt_1", "created": "2026-01-05T09:00:00Z"}, "thin_event"),
    ({"id": "sub_1"}, "unknown_shape"),
    ({"object": ["a"]}, "unknown_shape"),
)


def test_stripe_refusals(kit: Kit) -> None:
    kit.take(*(record for record, _reason in STRIPE_REFUSED), kind="stripe")
    assert [reason for _line, reason in kit.reasons()] == [reason for _record, reason in STRIPE_REFUSED]


@pytest.mark.parametrize(("livemode", "loaded"), [("any", {True, False}), (True, {True}), (False, {False})])
def test_livemode(kit: Kit, livemode: bool, loaded: set[bool]) -> None:
    kit.settings = LoadSettings(livemode=livemode)
    report = kit.take(subscription(id="s1"), subscription(id="s2", livemode=False), kind="stripe")
    assert {row[0] for row in kit.rows("SELECT livemode FROM raw.stripe")} == loaded
    assert report.quarantined == 2 - len(loaded)


def test_previous_attributes(kit: Kit) -> None:
    data = {"object": subscription(), "previous_attributes": {"status": "incomplete"}}
    kit.take(envelope("evt_1", data=data), kind="stripe")
    assert kit.rows("SELECT previous, object_type, object_id, livemode FROM raw.stripe") == [
        ('{"status":"incomplete"}', "subscription", "sub_1", True)
    ]


# ── the load as a whole ──────────────────────────────────────────────────────


def _content(kit: Kit) -> list[list[tuple[object, ...]]]:
    tables = (
        "events",
        "event_properties",
        "identities",
        "stripe",
        "quarantine",
        "loads",
        "dim_account",
        "dim_user",
        "dim_event",
    )
    return [sorted(kit.rows(f"SELECT * FROM raw.{table}"), key=str) for table in tables]


def _story(kit: Kit) -> None:
    kit.take(event(id="a"), event(), call("identify", traits={"name": "Ana"}), b"\xff")
    kit.take(event(id="a", rows=2), event(), envelope("evt_1"), kind="events")
    kit.take(envelope("evt_1"), subscription(), kind="stripe")
    kit.take(event(id="b", timestamp="2026-01-06T00:00:00Z"), subscription())


def test_a_lost_store_is_filled_again_in_the_same_order(kit: Kit) -> None:
    _story(kit)
    before = _content(kit)
    kit.engine.close()
    kit.engine = connect()
    report = kit.load(NOW + timedelta(days=9))
    assert report.loads == 4
    assert report.rebuilt == "the store has 0 of 4 loads"
    assert _content(kit) == before


def test_changed_declarations_fill_raw_again(kit: Kit) -> None:
    kit.take(event(id="a", rows=1))
    assert kit.rows("SELECT count(*) FROM raw.event_properties") == [(0,)]
    kit.settings = LoadSettings(declared_events=frozenset({"Report Created"}), timezone="Asia/Tokyo")
    report = kit.load()
    assert report.rebuilt == "settings that shape the raw tables have changed"
    assert kit.rows("SELECT properties FROM raw.event_properties") == [('{"rows":1}',)]
    assert kit.load().loads == 0


def test_an_interrupted_note_is_made_up_for(kit: Kit) -> None:
    kit.take(event(id="a"))
    path = kit.landing.folder / "manifest.ndjson"
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if b'"load_id"' not in line))
    assert kit.landing.manifest().loads == ()
    assert kit.load().loads == 0
    assert [taken.load_id for taken in kit.landing.manifest().loads] == [1]


def test_a_store_of_another_landing_is_refused(kit: Kit, tmp_path: Path) -> None:
    kit.take(event(id="a"))
    kit.folder = tmp_path / "other"
    kit.folder.mkdir()
    with pytest.raises(StoreError, match="do not belong together"):
        kit.load()
    kit.land(event(id="b"))
    kit.land(event(id="c"))
    other = Kit(kit.folder)
    other.load()
    assert kit.load().rebuilt == "the store's loads are not those of landing"
    assert kit.rows("SELECT count(*) FROM raw.events") == [(2,)]
    other.engine.close()


def test_a_failing_load_leaves_nothing(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.take(event(id="a"))
    before = _content(kit)
    kit.land(event(id="b"), b"\xff")
    with monkeypatch.context() as patch:
        patch.setattr("trialwise.landing.load.rows", _broken_at("counts"))
        with pytest.raises(RuntimeError, match="counts"):
            kit.load()
    assert _content(kit) == before
    assert pending(kit.engine, kit.landing) == 2
    report = kit.load()
    assert (report.received, report.loaded, report.quarantined) == (2, 1, 1)
    assert pending(kit.engine, kit.landing) == 0


def _broken_at(step: str) -> object:
    from trialwise.landing.statements import rows

    def run(engine: object, name: str, values: object = None) -> object:
        if name == step:
            raise RuntimeError(step)
        return rows(engine, name, values)  # type: ignore[arg-type]  # the real one behind the fault

    return run


def test_mapped_and_plain_files_in_one_load(kit: Kit) -> None:
    kit.land({"who": "bo", "what": "Mapped", "when": 1767603600, "user_id": "not-a-user"},
             mapping={"user_id": "who", "event": "what", "timestamp": "when"})  # fmt: skip
    kit.land(event(id="a"))
    assert kit.load().loaded == 2
    assert {row[0] for row in kit.rows("SELECT user_id FROM raw.dim_user")} == {None, "bo", "ana"}


def test_format_flat_takes_columns_named_like_segment_as_text(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Sold"}))
    kit.take(
        {"type": "track", "event": "Sold", "user_id": "ana", "timestamp": "2026-01-05", "name": "x"}, file_format="flat"
    )
    assert kit.rows("SELECT properties FROM raw.event_properties") == [('{"type":"track","name":"x"}',)]


def test_a_page_without_a_name(kit: Kit) -> None:
    kit.take(call("page"), call("screen"), call("page", name="Docs"))
    names = {row[0] for row in kit.rows("SELECT event_name FROM raw.dim_event")}
    assert names == {"Viewed Page", "Viewed Screen", "Viewed Docs Page"}


def test_parquet_comes_in_like_lines(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(
        {
            "what": ["Report Created", "Report Created", "Report Created"],
            "company": [4711.0, None, 4712.0],
            "user_id": ["ana", "bo", None],
            "at": [NINE, NINE, None],
            "userId": [None, None, None],
        }
    ).write_parquet(path)
    mapping = {"event": "what", "account_id": "company", "timestamp": "at"}
    kit.landing.land(open_file(path, mapping=mapping), landed_at=NOW)
    kit.load()
    found = kit.rows(
        "SELECT a.account_id, u.user_id, e.occurred_at FROM raw.events e JOIN raw.dim_account a USING (account_key) "
        "JOIN raw.dim_user u USING (user_key) ORDER BY ALL"
    )
    assert found == [("4711", "ana", NINE), ("4712", None, NOW), (None, "bo", NINE)]
