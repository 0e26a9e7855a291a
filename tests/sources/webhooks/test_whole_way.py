"""From a provider's request to the account: body, signature, landing, load, refresh, intermediate.email_events."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.command import run, write_lines
from tests.conformance.arrivals import deliver
from tests.sources.webhooks.signing import compact

from trialwise.engines.duckdb import connect
from trialwise.landing.folder import Landing
from trialwise.pipeline import load_landed, refresh
from trialwise.workspace import Workspace

# A company that gave the e-mail roles to events of its own, and no value to any of the others.
CONFIG = """
[events]
value = "*"
[events.roles]
email_opened = ["Newsletter Opened"]
email_clicked = []
"""
AT = datetime(2026, 2, 10, 9)
STAMP = "2026-02-10T09:00:00Z"
EPOCH = 1770714000  # the same instant

PEOPLE = [
    {"type": "group", "userId": "u-ann", "groupId": "acme", "traits": {"name": "Acme"}},
    {"type": "identify", "userId": "u-ann", "traits": {"email": "Ann@Acme.example"}},
    {"type": "group", "userId": "u-bob", "groupId": "globex", "traits": {"name": "Globex"}},
    {"type": "identify", "userId": "u-bob", "traits": {"email": "bob@globex.example"}},
    {"type": "track", "userId": "u-ann", "groupId": "acme", "event": "Trial Started",
     "properties": {"trial_ends_at": "2026-02-15T00:00:00Z"}},
]  # fmt: skip
ANN, BOB = "ann@acme.example", "BOB@globex.example"
BODIES: dict[str, list[dict[str, Any]]] = {
    "sendgrid": [
        {"event": "click", "email": ANN, "timestamp": EPOCH, "sg_event_id": "1", "url": "https://app.example/1"},
        {"event": "open", "email": BOB, "timestamp": EPOCH, "sg_event_id": "2", "sg_machine_open": True},
        {"event": "click", "email": "nobody@else.example", "timestamp": EPOCH, "sg_event_id": "3"},
        {"event": "deferred", "email": ANN, "timestamp": EPOCH, "sg_event_id": "4"},
    ],
    "mandrill": [{"event": "click", "_id": "m", "ts": EPOCH, "url": "https://app.example/2", "msg": {"email": BOB}}],
    "hubspot": [{"eventId": 1, "subscriptionType": "deal.creation", "objectId": 5, "occurredAt": EPOCH * 1000}],
}
SINGLE: dict[str, list[bytes]] = {
    "customerio": [
        compact({"event_id": "c1", "object_type": "email", "metric": "delivered", "timestamp": EPOCH,
                 "data": {"identifiers": {"id": "u-bob", "email": ANN}, "recipient": ANN}}),
    ],
    "postmark": [
        compact({"RecordType": "Bounce", "ID": 1, "Type": "HardBounce", "Email": ANN, "BouncedAt": STAMP}),
    ],
    "mailchimp": [b"type=unsubscribe&fired_at=2026-02-10+09:00:00&data[email]=" + BOB.encode()],
    "drip": [
        compact({"event": "subscriber.complained", "occurred_at": STAMP, "data": {"subscriber": {"email": ANN}}}),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("way") / "acme"
    run("init", made)
    (made / "trialwise.toml").write_text(CONFIG, encoding="utf-8")
    people = [{"messageId": f"p{n}", "timestamp": "2026-02-01T09:00:00Z", **call} for n, call in enumerate(PEOPLE)]
    run("import", "events", write_lines(made / "people.ndjson", people), "-C", made)
    landing = Landing(Workspace.open(made).landing)
    for provider, records in BODIES.items():
        deliver(landing, provider, compact(records), received_at=AT)
    for provider, bodies in SINGLE.items():
        deliver(landing, provider, *bodies, received_at=AT)
    return made


def test_every_provider_reaches_the_account_by_recipient_or_user(folder: Path) -> None:
    done = refresh(Workspace.open(folder), as_of="2026-02-20")
    assert (done.loaded.received, done.loaded.quarantined) == (10, 0)
    engine = connect(Workspace.open(folder).store)
    try:
        found = engine.rows(
            "SELECT d.account_id, m.role, m.is_machine, m.is_response, m.link_url, m.occurred_at, m.known_at "
            "FROM intermediate.email_events AS m JOIN raw.dim_account AS d ON d.account_key = m.account_key "
            "ORDER BY ALL"
        )
        reports = engine.rows(
            "SELECT d.event_name, k.is_value, k.role FROM raw.dim_event AS d "
            "JOIN config.event_catalogue AS k ON k.event_key = d.event_key "
            "WHERE starts_with(d.event_name, 'Webhook: ') ORDER BY ALL"
        )
    finally:
        engine.close()
    assert [row[:5] for row in found] == [
        ("acme", "email_bounced", False, False, None),
        ("acme", "email_clicked", False, True, "https://app.example/1"),
        ("acme", "email_complained", False, False, None),
        ("globex", "email_clicked", False, True, "https://app.example/2"),
        # Customer.io names the user, whoever's address the message went to
        ("globex", "email_delivered", False, False, None),
        ("globex", "email_opened", True, False, None),
        ("globex", "email_unsubscribed", False, False, None),
    ]
    assert {row[5:] for row in found} == {(AT, AT)}
    assert reports == [
        ("Webhook: HubSpot Deal Creation", False, None),
        ("Webhook: SendGrid Deferred", False, None),
    ]


def test_the_same_requests_again_are_no_news(folder: Path) -> None:
    landing = Landing(Workspace.open(folder).landing)
    deliver(landing, "sendgrid", compact(BODIES["sendgrid"]), received_at=datetime(2026, 2, 11))
    deliver(landing, "drip", *SINGLE["drip"], received_at=datetime(2026, 2, 11))
    loaded = load_landed(Workspace.open(folder))
    assert (loaded.received, loaded.duplicate, loaded.loaded) == (5, 5, 0)
