"""Refused records can be found, read, mended and landed again, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.landing.kit import NOW, Kit, call, event, subscription

from trialwise.errors import InputError, NotFoundError
from trialwise.landing import quarantine
from trialwise.landing.settings import LoadSettings

LATER = NOW + timedelta(days=1)


def _only(kit: Kit) -> str:
    found = kit.rows("SELECT CAST(quarantine_id AS VARCHAR) FROM raw.quarantine WHERE retried_at IS NULL")
    assert len(found) == 1
    return str(found[0][0])


def test_listing(kit: Kit) -> None:
    assert quarantine.listing(kit.engine).height == 0
    kit.take(b"\xff", event(user_id="null"), event(id="a"))
    kit.take(subscription(object=None), kind="stripe")
    frame = quarantine.listing(kit.engine)
    assert set(frame["reason"]) == {"bad_utf8", "placeholder_id", "unknown_shape"}
    place = ["quarantine_id", "source", "file", "line", "byte_offset"]
    assert frame.columns == [*place, "reason", "detail", "bytes", "landed_at", "retried_at"]
    assert quarantine.listing(kit.engine, reason="bad_utf8")["bytes"].to_list() == [1]
    assert quarantine.listing(kit.engine, source="stripe").height == 1
    assert quarantine.listing(kit.engine, most=2).height == 2


def test_every_reason_is_explained(kit: Kit) -> None:
    kit.take(b"\xff", event(user_id="null"), event(timestamp="x"))
    assert {reason for _line, reason in kit.reasons()} <= set(quarantine.REASONS)


def test_show(kit: Kit) -> None:
    kit.take(event(id="a"), b'{"event": 1')
    key = _only(kit)
    record = quarantine.show(kit.engine, key[:8])
    assert (record.quarantine_id, record.line, record.reason, record.raw) == (key, 2, "bad_json", b'{"event": 1')
    for unknown in ("", "zzz"):
        with pytest.raises(NotFoundError, match="nothing in quarantine"):
            quarantine.show(kit.engine, unknown)


def test_show_wants_enough_of_the_id(kit: Kit) -> None:
    kit.take(*[b"\xff"] * 40)
    ids = [str(row[0]) for row in kit.rows("SELECT quarantine_id FROM raw.quarantine")]
    shared = next(digit for digit in "0123456789abcdef" if sum(key.startswith(digit) for key in ids) > 1)
    with pytest.raises(NotFoundError, match="several"):
        quarantine.show(kit.engine, shared)


def test_a_mended_record_is_loaded_and_the_old_one_marked(kit: Kit) -> None:
    kit.take(event(id="a"), b'{"event": "E", "user_id": "ana", "timestamp": "2026-01-05"')
    key = _only(kit)
    mended = b'{"event": "E", "user_id": "ana", "timestamp": "2026-01-05"}'
    receipt = quarantine.retry(kit.engine, kit.landing, key, landed_at=LATER, mended=mended)
    assert (receipt.received, receipt.pending) == (1, 1)
    report = kit.load(LATER)
    assert (report.received, report.loaded) == (1, 1)
    assert kit.rows("SELECT reason, retried_at FROM raw.quarantine") == [("bad_json", LATER)]
    assert quarantine.listing(kit.engine).height == 0
    assert quarantine.listing(kit.engine, waiting=False).height == 1
    with pytest.raises(InputError, match="was retried"):
        quarantine.retry(kit.engine, kit.landing, key, landed_at=LATER, mended=mended)


def test_a_record_that_fails_again_gets_a_new_id(kit: Kit) -> None:
    kit.take(event(user_id="null"))
    key = _only(kit)
    quarantine.retry(kit.engine, kit.landing, key, landed_at=LATER)
    assert dict(kit.load(LATER).reasons) == {"placeholder_id": 1}
    assert _only(kit) != key


def test_retry_after_a_change_of_the_configuration_and_rebuild(kit: Kit) -> None:
    kit.settings = LoadSettings(livemode=True)
    kit.take(subscription(livemode=False), kind="stripe")
    quarantine.retry(kit.engine, kit.landing, _only(kit), landed_at=LATER)
    kit.load(LATER)
    kit.settings = LoadSettings(declared_events=frozenset({"x"}), livemode=True)
    assert kit.load(LATER).loads == 2
    assert kit.rows("SELECT retried_at FROM raw.quarantine ORDER BY landed_at") == [(LATER,), (None,)]


def test_a_call_of_a_batch_keeps_what_the_batch_said(kit: Kit) -> None:
    bad = call(timestamp="yesterday")
    kit.take({"batch": [call(messageId="a"), bad], "context": {"groupId": "northwind"}})
    record = quarantine.show(kit.engine, _only(kit))
    mended = (record.raw or b"").replace(b"yesterday", b"2026-01-05")
    quarantine.retry(kit.engine, kit.landing, record.quarantine_id, landed_at=LATER, mended=mended)
    assert kit.load(LATER).loaded == 1
    assert kit.rows("SELECT DISTINCT a.account_id FROM raw.events JOIN raw.dim_account a USING (account_key)") == [
        ("northwind",)
    ]


def test_bytes_that_were_not_kept_cannot_be_retried(kit: Kit) -> None:
    kit.take(b"x" * (3 << 20))
    with pytest.raises(InputError, match="not kept whole"):
        quarantine.retry(kit.engine, kit.landing, _only(kit), landed_at=LATER)


def test_a_lost_segment_is_named(kit: Kit) -> None:
    kit.take(event(user_id="null"))
    (kit.landing.folder / "manifest.ndjson").unlink()
    with pytest.raises(NotFoundError, match="no segment 1"):
        quarantine.retry(kit.engine, kit.landing, _only(kit), landed_at=LATER)
