"""CSV, properties, numbers, ids and times on their way into the raw tables: what is exact, refused, kept apart."""

from __future__ import annotations

import json
import math
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.landing.kit import NOW, Kit, arrival, call, event

from trialwise.landing.journal import Channel
from trialwise.landing.settings import LoadSettings
from trialwise.sources.files import open_file

QUICK = settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def take_file(kit: Kit, name: str, data: bytes, mapping: dict[str, str] | None = None) -> list[tuple[Any, ...]]:
    """Import a file; (user, account, event, instant) of what was loaded."""
    path = kit.folder / name
    path.write_bytes(data)
    kit.landing.land(open_file(path, mapping=mapping), landed_at=NOW)
    kit.load()
    return kit.rows(
        "SELECT u.user_id, a.account_id, d.event_name, CAST(e.occurred_at AS VARCHAR) FROM raw.events AS e "
        "JOIN raw.dim_user AS u USING (user_key) JOIN raw.dim_account AS a USING (account_key) "
        "JOIN raw.dim_event AS d USING (event_key) ORDER BY ALL"
    )


# ── 22: CSV ──────────────────────────────────────────────────────────────────

HEAD = ["event", "user_id", "account_id", "timestamp", "note"]
ROWS = [
    ["Report Created", "007", "1e5", "2026-01-05T09:00:00Z", 'says "hi"'],
    ["Invite; Sent", "12345678901234567890", "00100", "2026-01-05 10:00:00", "two\nlines, one cell"],
    ["Tabbed | piped", "3.0", "Ünïcode", "1767603600", "=1+1"],
]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_delimiters_and_quotes_leave_ids_as_texts(kit: Kit, mark: str, end: str, bom: str) -> None:
    quoted = [mark.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [HEAD, *ROWS]]
    loaded = take_file(kit, "x.csv", (bom + end.join(quoted)).encode())
    assert loaded == [
        ("007", "1e5", "Report Created", "2026-01-05 09:00:00"),
        ("12345678901234567890", "00100", "Invite; Sent", "2026-01-05 10:00:00"),
        ("3.0", "Ünïcode", "Tabbed | piped", "2026-01-05 09:00:00"),
    ]


def test_spreadsheet_dates_are_refused_with_the_text_that_was_found(kit: Kit) -> None:
    cells = ["46027", "01/05/2026", "5.1.2026 09:00", "2026-01-05 9:00", "Jan 5, 2026", "#########", "44927.375"]
    rows = "".join(f'E,u,"{cell}"\n' for cell in cells)
    assert take_file(kit, "x.csv", f"event,user_id,timestamp\n{rows}".encode()) == []
    assert kit.reasons() == [(line, "bad_timestamp") for line in range(2, len(cells) + 2)]
    details = [detail for (detail,) in kit.rows("SELECT detail FROM raw.quarantine ORDER BY line")]
    assert details == [f"timestamp {cell}" for cell in cells]


def test_ids_that_became_floating_point_in_parquet_are_whole_again(kit: Kit) -> None:
    import polars as pl

    path = kit.folder / "x.parquet"
    pl.DataFrame(
        {"event": ["E"] * 3, "user_id": [1001.0, 2.5, None], "account_id": ["a"] * 3, "timestamp": ["2026-01-05"] * 3}
    ).write_parquet(path)
    kit.landing.land(open_file(path), landed_at=NOW)
    kit.load()
    assert kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0 ORDER BY 1") == [("1001",), ("2.5",)]


# ── 23: properties ───────────────────────────────────────────────────────────


def test_a_property_that_changes_its_type_is_kept_as_sent(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Report Created"}))
    sent: list[Any] = [1, "1", 1.5, True, [1], {"a": 1}, "", 10**30]
    kit.take(
        event(id="none", properties={"size": None}),
        *(event(id=f"e{n}", properties={"size": value}) for n, value in enumerate(sent)),
    )
    kept = kit.rows("SELECT json_extract(properties, '$.size') FROM raw.event_properties")
    assert sorted(json.dumps(json.loads(value)) for (value,) in kept if value is not None) == sorted(
        json.dumps(value) for value in sent
    )
    assert len(kept) == len(sent) + 1


def test_five_thousand_property_names_stay_one_column(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Report Created"}))
    kit.take(*(event(id=f"e{n}", properties={f"p{n}_{i}": i for i in range(50)}) for n in range(100)))
    names = kit.rows(
        "SELECT count(DISTINCT name) FROM (SELECT unnest(json_keys(properties)) AS name FROM raw.event_properties)"
    )
    assert names == [(5000,)]
    columns = "SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'raw' AND table_name = 'event_properties'"
    assert kit.rows(columns) == [(2,)]


# ── 24: numbers, depth, doubled keys ─────────────────────────────────────────


@QUICK
@given(st.lists(st.floats() | st.integers(-(10**40), 10**40), min_size=10, max_size=30), st.booleans())
def test_a_number_is_exact_or_refused(numbers: list[float | int], inside: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kit = Kit(Path(folder), LoadSettings(declared_events=frozenset({"Report Created"})))
        lines = [event(id=f"e{n}", properties={"v": [value] if inside else value}) for n, value in enumerate(numbers)]
        kit.take(*lines)
        kept = [json.loads(text)["v"] for (text,) in kit.rows("SELECT properties FROM raw.event_properties")]
        finite = [value for value in numbers if not isinstance(value, float) or math.isfinite(value)]
        assert sorted(value[0] if inside else value for value in kept) == sorted(finite)
        assert {reason for _, reason in kit.reasons()} <= {"not_a_number"}
        kit.engine.close()


def test_a_key_twice_is_one_record_and_never_two_readings(kit: Kit) -> None:
    line = '{"event":"E","user_id":"ana","user_id":"eve","timestamp":"2026-01-05","id":"x"}'
    kit.take(line, line)
    assert kit.rows("SELECT count(*) FROM raw.events") == [(1,)]
    assert len(kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0")) == 1


@pytest.mark.parametrize("depth", [98, 99, 100, 101, 100_000])
def test_depth(kit: Kit, depth: int) -> None:
    kit.take('{"event":"E","user_id":"ana","timestamp":"2026-01-05","v":' + "[" * depth + "]" * depth + "}")
    assert kit.reasons() == ([] if depth < 100 else [(1, "too_deep")])


# ── 25: ids in any script ────────────────────────────────────────────────────

LOOKALIKES = [
    "admin", "аdmin", "Admin", "ADMIN", "admin ", "ａｄｍｉｎ", "é", "e\u0301", "ﬁ", "fi", "ß", "ss", "SS",
    "İ", "i\u0307",
    "\u200badmin", "admin\u200d", "\u202enimda", "👩\u200d💻", "👩", "日本", "1", "１", "٣",
]  # fmt: skip


def test_ids_that_look_alike_stay_apart_byte_for_byte(kit: Kit) -> None:
    kit.take(*(event(id=f"e{n}", user_id=name, account_id=f"a {name}") for n, name in enumerate(LOOKALIKES)))
    kept = {name for (name,) in kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0")}
    assert {name.encode() for name in kept} == {name.encode() for name in LOOKALIKES}
    assert len(
        kit.rows("SELECT account_id FROM raw.dim_account WHERE account_key > 0 AND account_id LIKE 'a %'")
    ) == len(LOOKALIKES)


@QUICK
@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12), min_size=10, max_size=30
    )
)
def test_any_id_comes_back_byte_for_byte_or_is_refused(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kit = Kit(Path(folder))
        kit.take(event(), *(event(id=f"e{n}", user_id=name) for n, name in enumerate(names)))
        kept = {name.encode() for (name,) in kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0")}
        refused = [json.loads(raw)["user_id"] for (raw,) in kit.rows("SELECT raw FROM raw.quarantine")]
        assert kept | {name.encode() for name in refused} == {name.encode() for name in ["ana", *names]}
        assert {reason for _, reason in kit.reasons()} <= {"placeholder_id", "bad_id"}
        kit.engine.close()


# ── 26: times ────────────────────────────────────────────────────────────────

TIMES = {
    "2026-03-29T01:59:59+01:00": "2026-03-29 00:59:59",  # the second before Berlin's gap
    "2026-03-29T02:30:00": "2026-03-29 02:30:00",  # without a zone: UTC, which has no gap
    "2026-10-25T02:30:00+02:00": "2026-10-25 00:30:00",  # the hour that comes twice, told apart by its offset
    "2026-10-25T02:30:00+01:00": "2026-10-25 01:30:00",
    "1767603600": "2026-01-05 09:00:00",
    "1767603600123": "2026-01-05 09:00:00.123",
    "1767603600123456": "2026-01-05 09:00:00.123456",
    "1767603600.5": "2026-01-05 09:00:00.5",
    "1990-01-01T00:00:00Z": "1990-01-01 00:00:00",
    "2099-12-31T23:59:59.999999Z": "2099-12-31 23:59:59.999999",
    "2026-01-05": "2026-01-05 00:00:00",
}
NO_TIMES = [
    "2026-01-05T23:59:60Z", "2026-01-05T24:00:01Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "1989-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z", "2026-02-30", "2026-13-01", "-1767603600", "17676036001234567890", "infinity", "now",
    "2026-01-05T09:00:00+99:00", "10000-01-01", "1767603600e3", "２０２６-01-05",
]  # fmt: skip


def test_times_are_utc_or_refused(kit: Kit) -> None:
    kit.take(*(event(id=f"e{n}", event=f"E{n:02d}", timestamp=text) for n, text in enumerate(TIMES)))
    found = kit.rows(
        "SELECT CAST(e.occurred_at AS VARCHAR) FROM raw.events AS e JOIN raw.dim_event AS d USING (event_key) "
        "ORDER BY d.event_name"
    )
    assert [text for (text,) in found] == list(TIMES.values())
    kit.take(*(event(id=f"bad{n}", timestamp=text) for n, text in enumerate(NO_TIMES)))
    assert kit.reasons() == [(line, "bad_timestamp") for line in range(1, len(NO_TIMES) + 1)]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Africa/Cairo", date(2026, 4, 24), 23),  # the day begins at 01:00
        ("UTC", date(2026, 3, 29), 24),
    ],
)
def test_days_of_other_lengths_hold_their_own_hours(kit: Kit, zone: str, day: date, hours: float) -> None:
    kit.settings = LoadSettings(timezone=zone)
    start = datetime(day.year, day.month, day.day) - timedelta(days=1)
    marks = [start + timedelta(minutes=30 * step) for step in range(6 * 24)]
    kit.take(*(event(id=f"e{n}", timestamp=f"{mark.isoformat()}Z") for n, mark in enumerate(marks)))
    found = dict(kit.rows("SELECT CAST(activity_date AS VARCHAR), count(*) / 2.0 FROM raw.events GROUP BY 1"))
    assert found[str(day)] == hours
    local = [mark.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).date() for mark in marks]
    assert found == {str(one): local.count(one) / 2 for one in set(local)}


# ── 28: identities ───────────────────────────────────────────────────────────


def test_an_identity_storm_is_counted_not_joined(kit: Kit) -> None:
    storm = [call("group", messageId=f"g{n}", userId="everywhere", groupId=f"acc{n}") for n in range(1_000)]
    cycle = [call("alias", messageId=f"a{n}", userId=f"c{(n + 1) % 5}", previousId=f"c{n}") for n in range(5)]
    nobody = [call("identify", messageId=f"p{n}", userId=name) for n, name in enumerate(["null", "N/A", "anonymous"])]
    report = kit.take(*storm, *cycle, *nobody)
    assert (report.loaded, dict(report.reasons)) == (1_005, {"placeholder_id": 3})
    kinds = dict(kit.rows("SELECT kind, count(*) FROM raw.identities GROUP BY kind"))
    assert kinds == {"group": 1_000, "alias": 5}
    assert len(kit.rows("SELECT user_id FROM raw.dim_user WHERE user_key > 0")) == 6


# ── Blanks ───────────────────────────────────────────────────────────────────

BLANKS = ("user_id", "anonymous_id", "account_id", "id", "timestamp")


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
@pytest.mark.parametrize("field", BLANKS)
def test_a_blank_field_of_a_flat_record_is_absent(kit: Kit, field: str, blank: str) -> None:
    kit.receive(arrival(event(**{field: blank})), channel=Channel("events", "flat", "collector"))
    (other := Kit(kit.folder / "other")).folder.mkdir()
    other.receive(arrival(event(**{field: None})), channel=Channel("events", "flat", "collector"))
    loaded = (
        "SELECT user_id, account_id, occurred_at, event_id FROM raw.events JOIN raw.dim_user USING (user_key) "
        "JOIN raw.dim_account USING (account_key)"
    )
    assert kit.reasons() == other.reasons() == []
    assert kit.rows(loaded) == other.rows(loaded)
    assert len(kit.rows(loaded)) == 1


def test_blanks_in_files_are_absent_and_only_a_record_about_nobody_is_refused(kit: Kit) -> None:
    text = "event,user_id,account_id,timestamp,id\nE,,a,2026-01-05,\nF,u, ,2026-01-05,f1\nG, ,,2026-01-05,\nH,u,a,,\n"
    assert take_file(kit, "x.csv", text.encode()) == [
        ("u", "a", "H", str(NOW)),
        ("u", None, "F", "2026-01-05 00:00:00"),
        (None, "a", "E", "2026-01-05 00:00:00"),
    ]
    assert kit.reasons() == [(4, "no_subject")]
    assert kit.take(event(user_id="", id="one"), event(user_id=" ", account_id="", id="two")).loaded == 1
    assert kit.reasons()[1:] == [(2, "no_subject")]


def test_an_empty_id_of_a_segment_call_stays_one_that_stands_for_nobody(kit: Kit) -> None:
    report = kit.take(call(userId="", anonymousId="b"), call(anonymousId=" "), call(timestamp=""))
    assert dict(report.reasons) == {"placeholder_id": 2, "bad_timestamp": 1}
