"""The HTTP collector: events and webhooks from the network, answered once they are durable.

What it needs of the rest of trialwise is handed over as Doors; it knows neither landing nor the store.
"""

from trialwise.sources.collector.app import build_app
from trialwise.sources.collector.doors import Doors, Full, Health, Limits, Overloaded, hosts_for
from trialwise.sources.collector.openapi import document
from trialwise.sources.collector.protocol import uvicorn_options

__all__ = ["Doors", "Full", "Health", "Limits", "Overloaded", "build_app", "document", "hosts_for", "uvicorn_options"]
