"""Published payloads of Stripe and Segment come in without a crash, each into a table or into quarantine with a reason.

The counts were worked out by reading the files: which envelopes share an id (these collections redact ids, so that
many different events do), which bodies do not say what they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.landing.kit import NOW, Kit
from trialwise.sources.files import open_file


@pytest.fixture
def kit(tmp_path: Path) -> Iterable[Kit]:
    made = Kit(tmp_path)
    yield made
    made.engine.close()


def _folder(kit: Kit, folder: Path) -> int:
    """Land every file of a folder as it is; the number of files."""
    paths = sorted(folder.glob("*.json"))
    for path in paths:
        kit.landing.land(open_file(path, kind="stripe"), landed_at=NOW)
    return len(paths)


@pytest.mark.parametrize(
    ("name", "files", "loaded", "duplicate", "reasons"),
    [
        # two charges are given without `object`
        ("stripe_event_data_mixed_api", 21, 19, 0, {"no_object_type": 2}),
        # 71 envelopes share 17 ids
        ("stripe_events_2020_api", 71, 17, 0, {"id_reuse": 54}),
        # 37 envelopes share one id, 11 another; of the 11 the two checkout sessions are one event
        ("stripe_events_ruby_mock", 48, 2, 1, {"id_reuse": 45}),
        ("stripe_objects_djstripe", 22, 22, 0, {}),
        # one document of samples by name, and a list of event types: no Stripe records
        ("stripe_openapi_fixtures", 1, 0, 0, {"unknown_shape": 1}),
        ("stripe_event_types", 1, 0, 0, {"unknown_shape": 1}),
    ],
)
def test_stripe_folders_as_they_are(
    kit: Kit, shared_data: Path, name: str, files: int, loaded: int, duplicate: int, reasons: dict[str, int]
) -> None:
    assert _folder(kit, shared_data / name) == files
    report = kit.load()
    assert (report.received, report.loaded, report.duplicate) == (files, loaded, duplicate)
    assert dict(report.reasons) == reasons
    places = kit.rows(
        "SELECT count(*) FROM raw.quarantine WHERE file IS NULL OR line <> 1 OR byte_offset <> 0 OR raw IS NULL"
    )
    assert places == [(0,)]


@pytest.mark.parametrize(("name", "events"), [("stripe_events_2020_api", 71), ("stripe_events_ruby_mock", 48)])
def test_every_envelope_with_an_id_of_its_own(kit: Kit, shared_data: Path, name: str, events: int) -> None:
    envelopes = [json.loads(path.read_text()) for path in sorted((shared_data / name).glob("*.json"))]
    report = kit.take(*({**body, "id": f"evt_{n}"} for n, body in enumerate(envelopes)), kind="stripe")
    assert (report.loaded, report.quarantined) == (events, 0)
    found = kit.rows(
        "SELECT event_type, object_type, object_id, epoch(created_at)::BIGINT, api_version, livemode "
        "FROM raw.stripe ORDER BY load_order"
    )
    assert found == [
        (
            body["type"],
            body["data"]["object"]["object"],
            body["data"]["object"].get("id"),
            body["created"],
            body.get("api_version"),
            body["livemode"],
        )
        for body in envelopes
    ]
    objects = kit.rows("SELECT object, previous FROM raw.stripe ORDER BY load_order")
    assert [json.loads(text) for text, _ in objects] == [body["data"]["object"] for body in envelopes]
    assert [previous and json.loads(previous) for _, previous in objects] == [
        body["data"].get("previous_attributes") for body in envelopes
    ]


def test_every_current_object(kit: Kit, shared_data: Path) -> None:
    resources: dict[str, Any] = json.loads((shared_data / "stripe_openapi_fixtures" / "fixtures3.json").read_text())[
        "resources"
    ]
    report = kit.take(*resources.values(), kind="stripe")
    # 175 objects and one event; deleted_payment_source repeats deleted_external_account, the snapshot before it
    assert (report.received, report.loaded, report.duplicate, report.quarantined) == (176, 175, 1, 0)
    assert kit.rows("SELECT kind, count(*) FROM raw.stripe GROUP BY kind ORDER BY kind") == [
        ("event", 1),
        ("object", 174),
    ]
    kept = [
        json.dumps(body)
        for name, body in resources.items()
        if body["object"] != "event" and name != "deleted_payment_source"
    ]
    assert [
        row[0] for row in kit.rows("SELECT object FROM raw.stripe WHERE kind = 'object' ORDER BY load_order")
    ] == kept
    deleted = kit.rows("SELECT count(*) FROM raw.stripe WHERE json_extract_string(object, '$.deleted') = 'true'")
    assert deleted == [(sum(1 for body in resources.values() if body.get("deleted")) - 1,)]


def test_every_event_type_and_version(kit: Kit, shared_data: Path) -> None:
    known = json.loads((shared_data / "stripe_event_types" / "event_types.json").read_text())
    body = {"id": "obj_1", "object": "thing"}
    records = [
        {"object": "event", "id": f"evt_t{n}", "created": 1767571200, "type": kind, "data": {"object": body}}
        for n, kind in enumerate(known["event_types"])
    ] + [
        {
            "object": "event",
            "id": f"evt_v{n}",
            "created": 1767571200,
            "type": "x",
            "api_version": version,
            "data": {"object": body},
        }
        for n, version in enumerate(known["api_versions"])
    ]
    assert kit.take(*records, kind="stripe").loaded == 275 + 129
    found = kit.rows("SELECT count(DISTINCT event_type), count(DISTINCT api_version) FROM raw.stripe")
    assert found == [(275 + 1, 129)]


def test_signed_bodies(kit: Kit, shared_data: Path) -> None:
    vectors = json.loads((shared_data / "stripe_signature_vectors" / "vectors.json").read_text())
    path = kit.folder / "bodies.json"
    path.write_text("\n".join(["{\n}", *(vector["payload"] for vector in vectors)]))
    kit.landing.land(open_file(path, kind="stripe"), landed_at=NOW)
    report = kit.load()
    # 19 bodies are one event, some of them pretty-printed; the other one has neither data nor an instant
    assert (report.received, report.loaded, report.duplicate) == (21, 1, 18)
    assert dict(report.reasons) == {"no_object": 1, "unknown_shape": 1}


def test_segment_payloads(kit: Kit, shared_data: Path) -> None:
    path = shared_data / "segment_spec_payloads" / "payloads.jsonl"
    payloads = [json.loads(line)["payload"] for line in path.read_text().splitlines()]
    report = kit.take(*payloads)
    # 37 payloads, one of them a batch of four. Six use one messageId for different calls; three name nobody; two calls
    # of the batch are stamped 2015-2-02, which is no ISO 8601.
    assert (report.received, report.loaded, report.duplicate) == (40, 30, 0)
    assert dict(report.reasons) == {"id_reuse": 5, "no_subject": 3, "bad_timestamp": 2}
    # 21 events: 10 of the B2B specification, 6 of the e-mail one, Course Clicked, Item Purchased, Song Played, and a
    # page and a screen call without a type, which cannot be told apart
    kinds = kit.rows("SELECT kind, count(*) FROM raw.identities GROUP BY kind ORDER BY kind")
    assert kinds == [("alias", 2), ("group", 2), ("identify", 5)]
    assert kit.rows("SELECT count(*) FROM raw.events") == [(21,)]
    assert kit.rows("SELECT count(DISTINCT account_key) FROM raw.events WHERE account_key > 0") == [(1,)]


def test_segment_clock_skew(kit: Kit, shared_data: Path) -> None:
    cases = json.loads((shared_data / "worked_examples" / "cases.json").read_text())
    case = next(case for case in cases if case["id"] == "segment-clock-skew")
    kit.take(
        {
            "type": "track",
            "event": "E",
            "userId": "ana",
            "timestamp": case["input"]["originalTimestamp"],
            **case["input"],
        }
    )
    found = kit.rows("SELECT occurred_at, known_at FROM raw.events")
    expected = datetime.fromisoformat(case["expected"]["timestamp"]).replace(tzinfo=None)
    received = datetime.fromisoformat(case["input"]["receivedAt"]).replace(tzinfo=None)
    assert found == [(expected, received)]
