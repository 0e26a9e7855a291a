"""What an import and a load say about themselves. What was received is loaded, duplicate, quarantined,
forgotten or pending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class ImportReceipt:
    """One file after landing: records wait (`pending`) until the next load.

    `refused` of the pending ones are already known to end in quarantine (no text, too deep, too long).
    `repeats` is the instant of the earlier import of the same content; then nothing was landed and every record counts
    as duplicate.
    """

    file: str
    source: str
    format: str
    sha256: str
    received: int
    pending: int
    loaded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    refused: int = 0
    repeats: datetime | None = None

    @property
    def is_repeat(self) -> bool:
        """Whether this content had been imported before."""
        return self.repeats is not None


@dataclass(frozen=True)
class LoadReport:
    """What the segments of one load became.

    `loads` counts the loads carried out (more than one when raw tables were rebuilt from landing, see `rebuilt`);
    `reasons` are the quarantined records by reason; `pending` is what waits in landing afterwards; `forgotten` are
    records of accounts and users that were forgotten, of which nothing is kept.
    """

    received: int = 0
    loaded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    pending: int = 0
    loads: int = 0
    rebuilt: str | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    forgotten: int = 0

    def __add__(self, other: LoadReport) -> LoadReport:
        """Both together; `pending` is the later one's."""
        reasons = dict(self.reasons)
        for reason, count in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return LoadReport(
            self.received + other.received,
            self.loaded + other.loaded,
            self.duplicate + other.duplicate,
            self.quarantined + other.quarantined,
            other.pending,
            self.loads + other.loads,
            self.rebuilt or other.rebuilt,
            reasons,
            self.forgotten + other.forgotten,
        )
