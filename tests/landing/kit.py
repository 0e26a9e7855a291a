"""A small workspace for tests of the way in: a landing folder, an in-memory store, composed records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from trialwise.engines.duckdb import Engine, connect
from trialwise.landing.folder import Landing
from trialwise.landing.frame import Piece
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.landing.load import load
from trialwise.landing.report import ImportReceipt, LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.landing.translate import Translators
from trialwise.sources.files import open_file

NOW = datetime(2026, 3, 1, 12)


@dataclass
class Kit:
    """Files in, tables out."""

    folder: Path
    settings: LoadSettings = field(default_factory=LoadSettings)
    engine: Engine = field(default_factory=connect)
    files: int = 0
    translators: Translators = field(default_factory=dict)

    @property
    def landing(self) -> Landing:
        return Landing(self.folder / "landing")

    def land(
        self,
        *records: Mapping[str, Any] | str | bytes,
        kind: str = "events",
        file_format: str | None = None,
        mapping: Mapping[str, str] | None = None,
        now: datetime = NOW,
    ) -> ImportReceipt:
        """Land one NDJSON file of these records."""
        self.files += 1
        path = self.folder / f"file{self.files}.ndjson"
        path.write_bytes(b"".join(_line(record) + b"\n" for record in records))
        source = open_file(path, kind=kind, file_format=file_format, mapping=mapping)
        return self.landing.land(source, landed_at=now)

    def load(self, now: datetime = NOW) -> LoadReport:
        """Load what waits; received = loaded + duplicate + quarantined + pending is part of every test."""
        report = load(self.engine, self.landing, self.settings, landed_at=now, translators=self.translators)
        assert report.received == sum(
            (report.loaded, report.duplicate, report.quarantined, report.forgotten, report.pending)
        )
        assert sum(report.reasons.values()) == report.quarantined
        return report

    def take(self, *records: Mapping[str, Any] | str | bytes, kind: str = "events", **more: Any) -> LoadReport:
        """Land and load."""
        self.land(*records, kind=kind, **more)
        return self.load()

    def arrive(self, *arrivals: Arrival, channel: Channel | None = None) -> None:
        """Append requests to a journal."""
        with Journal(self.landing, channel or COLLECTOR, "test") as journal:
            journal.append(arrivals)

    def receive(self, *arrivals: Arrival, channel: Channel | None = None, now: datetime = NOW) -> LoadReport:
        """Append, seal and load."""
        self.arrive(*arrivals, channel=channel)
        self.landing.seal(now)
        return self.load(now)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.engine.rows(sql)

    def reasons(self) -> list[tuple[int, str]]:
        return self.rows("SELECT line, reason FROM raw.quarantine ORDER BY landed_at, segment, line")


def _line(record: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(record, bytes):
        return record
    return (record if isinstance(record, str) else json.dumps(record)).encode()


def event(**changes: Any) -> dict[str, Any]:
    """A flat record; None takes a key away."""
    record = {
        "event": "Report Created",
        "account_id": "northwind",
        "user_id": "ana",
        "timestamp": "2026-01-05T09:00:00Z",
        **changes,
    }
    return {key: value for key, value in record.items() if value is not None}


def call(kind: str = "track", **changes: Any) -> dict[str, Any]:
    """A Segment call; None takes a key away."""
    record: dict[str, Any] = {"type": kind, "userId": "ana", "timestamp": "2026-01-05T09:00:00Z"}
    if kind == "track":
        record["event"] = "Report Created"
    record |= changes
    return {key: value for key, value in record.items() if value is not None}


def subscription(**changes: Any) -> dict[str, Any]:
    """A Stripe subscription object."""
    return {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "trialing",
        "created": 1767571200,
        "livemode": True,
        **changes,
    }


def envelope(
    event_id: str, kind: str = "customer.subscription.updated", created: int = 1767571200, **changes: Any
) -> dict[str, Any]:
    """A Stripe event envelope around a subscription."""
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": created,
        "livemode": True,
        "api_version": "2026-10-28.endive",
        "data": {"object": subscription()},
        **changes,
    }


COLLECTOR = Channel("events", "segment", "collector")
STRIPE = Channel("stripe", "stripe", "webhook stripe")


def piece(record: Mapping[str, Any] | str | bytes, line: int = 1, envelope: str | None = None) -> Piece:
    """One record of a request."""
    return line, None, _line(record), envelope, None, None


def arrival(
    *records: Mapping[str, Any] | str | bytes, at: datetime | None = NOW, envelope: str | None = None
) -> Arrival:
    """One request with these records."""
    return Arrival(at, [piece(record, line, envelope) for line, record in enumerate(records, 1)])
