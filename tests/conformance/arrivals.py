"""Webhook requests on their whole way: signed, checked, landed, loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.sources.webhooks.signing import NOW, SENDERS
from trialwise.config import Config
from trialwise.config.milestones import declared_events
from trialwise.engines.duckdb import Engine, connect
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.landing.load import load
from trialwise.landing.report import LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.sources.formats import TRANSLATORS
from trialwise.sources.webhooks import PROVIDERS


def deliver(landing: Landing, provider: str, *bodies: bytes, received_at: datetime = NOW) -> int:
    """Send these bodies as the provider does, one request each, until they are durable; the number of records."""
    door, sender = PROVIDERS[provider], SENDERS[provider]
    channel = Channel("events", door.format, f"webhook {provider}")
    arrivals = []
    for number, body in enumerate(bodies):
        request = sender.sign(sender.secrets[0], body, NOW)
        door.verify(request, sender.secrets)
        arrivals.append(Arrival(received_at + timedelta(seconds=number), door.pieces(request)))
    with Journal(landing, channel, "test") as journal:
        journal.append(arrivals)
    return sum(len(arrival.pieces) for arrival in arrivals)


@dataclass
class Doors:
    """A landing folder behind the doors, and an in-memory store."""

    folder: Path
    engine: Engine = field(default_factory=connect)

    @property
    def landing(self) -> Landing:
        return Landing(self.folder / "landing")

    def load(self) -> LoadReport:
        """Load what arrived; received = loaded + duplicate + quarantined."""
        self.landing.seal(NOW)
        settings = LoadSettings(declared_events=declared_events(Config()))
        report = load(self.engine, self.landing, settings, landed_at=NOW, translators=TRANSLATORS)
        assert report.received == report.loaded + report.duplicate + report.quarantined
        return report

    def take(self, provider: str, *bodies: bytes, received_at: datetime = NOW) -> LoadReport:
        """Deliver and load."""
        sent = deliver(self.landing, provider, *bodies, received_at=received_at)
        report = self.load()
        assert report.received == sent
        return report

    def events(self, *properties: str) -> list[tuple[Any, ...]]:
        """(event, occurred_at, the properties) of what was loaded, in order of arrival."""
        columns = "".join(f", p.properties ->> '$.{name}'" for name in properties)
        return self.engine.rows(
            f"SELECT d.event_name, e.occurred_at{columns} FROM raw.events AS e "
            "JOIN raw.dim_event AS d ON d.event_key = e.event_key LEFT JOIN raw.event_properties AS p "
            "ON p.event_id = e.event_id ORDER BY e.known_at, e.occurred_at, d.event_name"
        )

    def refused(self) -> list[tuple[str, str | None]]:
        """(reason, detail) of what is in quarantine, in order."""
        return self.engine.rows("SELECT reason, detail FROM raw.quarantine ORDER BY line, reason, detail")


def opened(folder: Path) -> Iterable[Doors]:
    """For a fixture: doors that are closed afterwards."""
    made = Doors(folder)
    yield made
    made.engine.close()
