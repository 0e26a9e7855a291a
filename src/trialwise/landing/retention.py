"""Product events that are older than the company wants to keep them: dropped for good, one line of the manifest."""

from __future__ import annotations

from datetime import datetime

from trialwise.landing.folder import Landing
from trialwise.landing.manifest import Dropped


def drop(landing: Landing, *, landed_before: datetime, now: datetime) -> int:
    """Drop the product events that landed before an instant and have been loaded; returns how many records.

    Both instants are UTC without zone. The next load fills the raw tables without them, the next compaction removes
    their bytes. Stripe's records stay whatever their age: facts of billing are needed as long as their trials are.
    Raises StoreError when it cannot be written down; then nothing is dropped.
    """
    known = landing.manifest()
    old = [
        segment
        for entry in known.imports
        if entry.source == "events" and entry.landed_at < landed_before
        for segment in known.kept(entry)
        if segment.number <= known.last_loaded
    ]
    if old:
        landing.note(Dropped(tuple(segment.number for segment in old), now))
    return sum(segment.records for segment in old)
