"""Every composed input comes to what fixtures/expected.yaml says, and nothing gets lost on the way."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.landing.kit import NOW, Kit

from trialwise.landing.settings import LoadSettings
from trialwise.sources.files import open_file

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
INPUTS = ("segment", "flat", "stripe", "broken")
CASES: dict[str, dict[str, Any]] = yaml.safe_load((FIXTURES / "expected.yaml").read_text())


@pytest.mark.parametrize("name", CASES)
def test_counts(kit: Kit, name: str) -> None:
    case = CASES[name]
    kit.settings = LoadSettings(declared_events=frozenset({"Trial Started", "Invite Sent"}), livemode=True)
    source = open_file(FIXTURES / name, kind=case.get("kind", "events"), mapping=case.get("map"))
    receipt = kit.landing.land(source, landed_at=NOW)
    assert receipt.received == receipt.pending == case["received"]
    report = kit.load()
    assert (report.received, report.loaded, report.duplicate) == (case["received"], case["loaded"], case["duplicate"])
    assert dict(report.reasons) == case["reasons"]
    for table, count in case["rows"].items():
        assert kit.rows(f"SELECT count(*) FROM raw.{table}") == [(count,)], table


def test_every_input_has_an_expectation() -> None:
    inputs = {str(path.relative_to(FIXTURES)) for part in INPUTS for path in (FIXTURES / part).iterdir()}
    assert inputs == set(CASES)


def test_quarantine_knows_the_place_and_the_bytes(kit: Kit) -> None:
    source = open_file(FIXTURES / "broken" / "events.ndjson")
    kit.landing.land(source, landed_at=NOW)
    kit.load()
    data = source.path.read_bytes()
    lines = data.split(b"\n")
    found = kit.rows("SELECT line, byte_offset, raw, file, source FROM raw.quarantine")
    assert len(found) == 27
    for line, offset, raw, file, kind in found:
        assert (file, kind) == ("events.ndjson", "events")
        assert data[offset : offset + len(raw)] == raw
        assert raw in lines[line - 1]
    latin = kit.rows("SELECT line, raw FROM raw.quarantine WHERE reason = 'bad_utf8'")
    assert latin == [(6, lines[5])]


def test_segment_calls_are_typed(kit: Kit) -> None:
    kit.landing.land(open_file(FIXTURES / "segment" / "calls.ndjson"), landed_at=NOW)
    kit.load()
    found = kit.rows(
        "SELECT e.event_name, a.account_id, u.user_id, v.occurred_at, v.known_at FROM raw.events v "
        "JOIN raw.dim_event e USING (event_key) JOIN raw.dim_account a USING (account_key) "
        "JOIN raw.dim_user u USING (user_key) ORDER BY v.occurred_at, e.event_name"
    )
    day = (2026, 1, 5)
    assert found == [
        ("Viewed Pricing Page", None, "anon:a-78", datetime(*day, 8, 5), datetime(*day, 8, 5)),
        ("Trial Started", "northwind", "ana", datetime(*day, 9, 1), datetime(*day, 9, 1, 1)),
        ("Report Created", "northwind", "ana", datetime(*day, 10, 0, 0, 500000), datetime(*day, 10, 0, 5, 500000)),
        ("Viewed Home Screen", None, "bo", datetime(*day, 10, 5), datetime(*day, 10, 5)),
        ("Report Created", "northwind", "bo", datetime(*day, 12), datetime(*day, 12)),
        ("Invite Sent", "northwind", "bo", datetime(*day, 12, 0, 1), datetime(*day, 12, 0, 1)),
    ]
    identities = kit.rows(
        "SELECT i.kind, u.user_id, a.account_id, p.user_id, i.traits IS NOT NULL FROM raw.identities i "
        "JOIN raw.dim_user u USING (user_key) JOIN raw.dim_account a USING (account_key) "
        "JOIN raw.dim_user p ON p.user_key = i.previous_user_key ORDER BY i.occurred_at"
    )
    assert identities == [
        ("identify", "ana", None, "anon:a-77", True),
        ("group", "ana", "northwind", None, True),
        ("alias", "cy", None, "anon:a-78", False),
    ]


def test_flat_columns_become_properties(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Report Created", "Trial Started"}))
    kit.landing.land(
        open_file(
            FIXTURES / "flat" / "renamed.csv",
            mapping={"account_id": "company", "user_id": "who", "event": "what", "timestamp": "when"},
        ),
        landed_at=NOW,
    )
    kit.landing.land(open_file(FIXTURES / "flat" / "events.ndjson"), landed_at=NOW)
    kit.load()
    found = kit.rows(
        "SELECT a.account_id, u.user_id, "
        "json_extract_string(p.properties, ['$.seats', '$.note', '$.rows', '$.plan', '$.source']) "
        "FROM raw.events v JOIN raw.event_properties p USING (event_id) JOIN raw.dim_account a USING (account_key) "
        "JOIN raw.dim_user u USING (user_key) ORDER BY v.occurred_at, a.account_id, u.user_id DESC"
    )
    nine = [
        ("007", "1.50", [None, None, None, None, None]),
        ("4711", "17", [None, None, None, "team", "web"]),
        ("northwind", "ana", ["3", "two\nlines", None, None, None]),
        ("northwind", "ana", [None, None, "10", None, None]),
    ]
    later = [("northwind", "ana", [None, None, "10", None, None])] * 2
    assert sorted(found[:4], key=str) == sorted(nine, key=str)
    assert found[4:] == later


def test_stripe_bodies_keep_their_text(kit: Kit) -> None:
    kit.landing.land(open_file(FIXTURES / "stripe" / "page.json", kind="stripe"), landed_at=NOW)
    kit.load()
    text = kit.rows("SELECT object FROM raw.stripe WHERE object_id = 'cus_Nw'")[0][0]
    assert text in (FIXTURES / "stripe" / "page.json").read_text()
    found = kit.rows(
        "SELECT kind, object_type, object_id, created_at, known_at, livemode FROM raw.stripe ORDER BY load_order"
    )
    assert found == [
        ("object", "customer", "cus_Nw", datetime(2026, 1, 5), NOW, True),
        ("object", "customer", "cus_Gone", None, NOW, None),
        ("object", "checkout.session", "cs_1", datetime(2026, 1, 5, 0, 1, 40), NOW, True),
    ]
    accounts = {row[0] for row in kit.rows("SELECT account_id FROM raw.dim_account")}
    assert accounts == {None, "northwind", "proxima", "stripe:cus_Nw", "stripe:cus_Gone", "stripe:cus_Px"}
