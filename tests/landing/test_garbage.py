"""Whatever comes in, every record ends in a table or in quarantine, and the process lives."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.landing.kit import Kit, call, envelope, event, subscription

from trialwise.landing.settings import LoadSettings

_QUICK = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["null", "2026-01-05", "1767603600", "{}", "[1]", "\u0000", "\ud800", "NaN"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_EVENT_KEYS = [
    "type", "event", "name", "userId", "user_id", "anonymousId", "groupId", "account_id", "context", "messageId", "id",
    "timestamp", "originalTimestamp", "sentAt", "receivedAt", "previousId", "properties", "traits", "batch", "action",
]  # fmt: skip
_STRIPE_KEYS = [
    "object",
    "id",
    "type",
    "created",
    "livemode",
    "data",
    "previous_attributes",
    "api_version",
    "customer",
    "metadata",
]


def _mutated(base: dict[str, Any], keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(keys), _VALUES, max_size=4).map(lambda changes: {**base, **changes})


_EVENTS = st.sampled_from([event(), call(), call("identify", traits={}), call("alias", previousId="p")]).flatmap(
    lambda base: _mutated(base, _EVENT_KEYS)
)
_STRIPE = st.sampled_from([envelope("evt_1"), subscription()]).flatmap(lambda base: _mutated(base, _STRIPE_KEYS))


def _check(lines: list[bytes], kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kit = Kit(Path(folder), LoadSettings(declared_events=frozenset({"Report Created"})))
        receipt = kit.land(*lines, kind=kind)
        report = kit.load()
        assert report.received == receipt.received
        tables = (
            "SELECT (SELECT count(*) FROM raw.events) + (SELECT count(*) FROM raw.identities) + "
            "(SELECT count(*) FROM raw.stripe)"
        )
        assert kit.rows(tables) == [(report.loaded,)]
        assert kit.rows("SELECT count(*), count(raw) FROM raw.quarantine") == [(report.quarantined,) * 2]
        kept = kit.rows(
            "SELECT properties FROM raw.event_properties "
            "UNION ALL SELECT traits FROM raw.identities WHERE traits IS NOT NULL"
        )
        for (text,) in kept:
            json.loads(text, parse_constant=_no_constant)
        kit.engine.close()


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} reached a table")


@_QUICK
@given(st.lists(_EVENTS, min_size=1, max_size=12))
def test_any_event(records: list[dict[str, Any]]) -> None:
    _check([json.dumps(record).encode() for record in records], "events")


@_QUICK
@given(st.lists(_STRIPE, min_size=1, max_size=12))
def test_any_stripe_record(records: list[dict[str, Any]]) -> None:
    _check([json.dumps(record).encode() for record in records], "stripe")


@_QUICK
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=10), st.sampled_from(["events", "stripe"]))
def test_any_bytes(lines: list[bytes], kind: str) -> None:
    _check([json.dumps(event()).encode(), *lines], kind)


@_QUICK
@given(st.data())
def test_any_cut_or_flip_of_good_lines(data: st.DataObject) -> None:
    good = b"\n".join(
        json.dumps(record).encode() for record in (event(), call(messageId="m"), call("group", groupId="g"))
    )
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(1, len(damaged)))
    _check([json.dumps(event(id="first")).encode(), bytes(damaged[:end])], "events")


HARD = (
    ("NaN", "not_a_number"),
    ("-Infinity", "not_a_number"),
    ("1e999", "not_a_number"),
    ("-1.5E+400", "not_a_number"),
    ('{"deep": [1e309]}', "not_a_number"),
    ("1e308", None),
    ("1e-999", None),
    ("9223372036854775808", None),
    ("9" * 5000, None),
    ('"\\ud800"', "bad_unicode"),
    ('"\\ud83d\\ude00"', None),
    ('"\\u0000"', "nul"),
    ('"\\\\u0000"', None),
    ("[" * 100_000 + "]" * 100_000, "too_deep"),
    ('{"a":' * 50 + "1" + "}" * 50, None),
    ('1,"v":2', None),
    ('"12e3456"', None),
    ("01", "bad_json"),
    ("'x'", "bad_json"),
)


def test_hard_values(kit: Kit) -> None:
    lines = ['{"event":"E","user_id":"ana","timestamp":"2026-01-05","v":' + value + "}" for value, _ in HARD]
    kit.take(*lines)
    refused = [(line, reason) for line, (_, reason) in enumerate(HARD, 1) if reason]
    assert kit.reasons() == refused
    assert kit.rows("SELECT count(*) FROM raw.events") == [(len(HARD) - len(refused),)]


def test_a_number_too_long_for_a_double_stays_exact(kit: Kit) -> None:
    big = "123456789012345678901234567890"
    kit.take('{"id":"x_1","object":"charge","amount":' + big + ',"rate":1.10}', kind="stripe")
    assert kit.rows("SELECT object FROM raw.stripe") == [
        ('{"id":"x_1","object":"charge","amount":' + big + ',"rate":1.10}',)
    ]


def test_a_batch_with_a_broken_envelope(kit: Kit) -> None:
    calls = json.dumps([call(messageId="a"), call(messageId="b")])
    kit.take(
        '{"batch":' + calls + ',"context":{bad}}',
        '{"batch":' + calls + ',"context":{"n":NaN}}',
        '{"batch":' + calls + ',"sentAt":"\\ud800"}',
        '{"batch":' + calls + ',"sentAt":"yesterday"}',
    )
    assert [reason for _, reason in kit.reasons()] == (
        ["bad_json"] * 2 + ["not_a_number"] * 2 + ["bad_unicode"] * 2 + ["bad_timestamp"] * 2
    )
