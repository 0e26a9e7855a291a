"""Records of other systems' formats are kept as they were sent, and loaded as the calls they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.landing.kit import NOW, Kit, arrival, call

from trialwise.errors import Untranslatable
from trialwise.landing import quarantine, translate
from trialwise.landing.journal import Channel
from trialwise.landing.settings import LoadSettings
from trialwise.sources.files import open_file

MAIL = Channel("events", "mail", "webhook mail")
SECRET = "sk_live_verysecret"


def mail(raw: str, envelope: str | None) -> Mapping[str, Any]:
    """A provider that says who got what, and does all kinds of harm."""
    record = json.loads(raw)
    if record.get("refuse"):
        raise Untranslatable("no_event", "x" * 5000 + "\ud800")
    if record.get("fail"):
        raise RuntimeError(SECRET * 100_000)
    if record.get("nan"):
        return {"type": "track", "event": "E", "userId": "ana", "properties": {"n": float("nan")}}
    if record.get("half"):
        return {"type": "track", "event": "\ud800", "userId": "ana"}
    if record.get("self"):
        knot: dict[str, Any] = {}
        knot["knot"] = knot
        return knot
    around = json.loads(envelope) if envelope else {}
    to = {} if record.get("to") is None else {"recipient": record["to"]}
    return {
        "type": "track",
        "event": "Email Opened",
        "messageId": record.get("id"),
        "timestamp": record["at"],
        "properties": {"campaign_name": around.get("campaign"), **to},
    }


@pytest.fixture
def kit(kit: Kit) -> Kit:
    kit.translators = {"mail": mail}
    kit.settings = LoadSettings(declared_events=frozenset({"Email Opened"}))
    return kit


def _record(**changes: Any) -> dict[str, Any]:
    return {"id": "e1", "to": "ana@northwind.example", "at": 1772366400, **changes}


def test_a_translated_record_is_an_event(kit: Kit) -> None:
    kit.receive(arrival(_record(), envelope='{"campaign": "Trial day 3", "sentAt": "not to be read"}'), channel=MAIL)
    assert kit.rows("SELECT event_name, occurred_at, known_at, properties FROM raw.events "
                    "JOIN raw.dim_event USING (event_key) JOIN raw.event_properties USING (event_id)") == [
        ("Email Opened", NOW, NOW, '{"campaign_name":"Trial day 3","recipient":"ana@northwind.example"}')
    ]  # fmt: skip


def test_a_recipient_is_somebody(kit: Kit) -> None:
    """Nobody is named but who got the mail: that is enough for a translated format, and for no other."""
    report = kit.receive(arrival(_record(), _record(id="e2", to=" "), _record(id="e3", to=None)), channel=MAIL)
    assert (report.loaded, dict(report.reasons)) == (1, {"no_subject": 2})
    anonymous = call(userId=None, event="Email Opened", properties={"recipient": "ana@northwind.example"})
    assert dict(kit.receive(arrival(anonymous)).reasons) == {"no_subject": 1}


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        ({"refuse": 1}, "no_event", "x" * 200),
        ({"fail": 1}, "untranslatable", "the translator failed with RuntimeError"),
        ({"nan": 1}, "untranslatable", "the translator failed with ValueError"),
        ({"half": 1}, "untranslatable", "the translator failed with UnicodeEncodeError"),
        ({"self": 1}, "untranslatable", "the translator failed with ValueError"),
        ([1], "untranslatable", "the translator failed with AttributeError"),
        ({"at": "never", "to": "a"}, "bad_timestamp", "timestamp never"),
    ],
)
def test_what_cannot_be_translated_is_refused_as_it_was_sent(kit: Kit, record: Any, reason: str, detail: str) -> None:
    raw = json.dumps(record)
    report = kit.receive(arrival(_record(), raw), channel=MAIL)
    assert (report.loaded, dict(report.reasons)) == (1, {reason: 1})
    assert kit.rows("SELECT file, line, detail, raw FROM raw.quarantine") == [("webhook mail", 2, detail, raw.encode())]
    assert SECRET not in str(kit.rows("SELECT * FROM raw.quarantine"))


def test_what_is_no_json_is_refused_before_anybody_reads_it(kit: Kit) -> None:
    report = kit.receive(arrival(_record(), b"\xff", b"{"), channel=MAIL)
    assert report.reasons == {"bad_utf8": 1, "untranslatable": 1}


def test_in_several_batches(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "_BATCH", 7)
    report = kit.receive(*(arrival(_record(id=f"e{n}"), _record(id=f"f{n}")) for n in range(25)), channel=MAIL)
    assert report.loaded == 50


def test_a_file_of_a_translated_format(kit: Kit) -> None:
    """A file says itself when it happened; the same in a request later is no news."""
    path = kit.folder / "mail.ndjson"
    path.write_text("".join(json.dumps(_record(id=None)) + "\n" for _ in range(2)))
    kit.landing.land(replace(open_file(path), format="mail"), landed_at=NOW)
    kit.load()
    assert kit.rows("SELECT known_at = occurred_at FROM raw.events") == [(True,), (True,)]
    assert kit.receive(arrival(_record(id=None)), channel=MAIL).duplicate == 1


def test_a_refused_record_is_translated_again_when_it_is_landed_again(kit: Kit) -> None:
    kit.receive(arrival(_record(fail=1), envelope='{"campaign": "C"}'), channel=MAIL)
    [(key,)] = kit.rows("SELECT CAST(quarantine_id AS VARCHAR) FROM raw.quarantine")
    later = NOW.replace(day=9)
    quarantine.retry(kit.engine, kit.landing, key, landed_at=later, mended=json.dumps(_record()).encode())
    assert kit.load(later).loaded == 1
    assert kit.rows("SELECT known_at, properties FROM raw.events JOIN raw.event_properties USING (event_id)") == [
        (NOW, '{"campaign_name":"C","recipient":"ana@northwind.example"}')
    ]


def test_a_rebuild_translates_again_to_the_same_rows(kit: Kit) -> None:
    kit.receive(arrival(_record(), _record(id=None), _record(id=None), _record(refuse=1)), channel=MAIL)
    tables = ("events", "event_properties", "quarantine")
    before = [kit.rows(f"SELECT * FROM raw.{table} ORDER BY ALL") for table in tables]
    kit.settings = LoadSettings(declared_events=frozenset({"Email Opened", "Other"}))
    assert kit.load().rebuilt is not None
    assert [kit.rows(f"SELECT * FROM raw.{table} ORDER BY ALL") for table in tables] == before
