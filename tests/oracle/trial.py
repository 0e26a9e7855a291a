"""One trial with its facts, and the configured lengths it is read by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

from .facts import FOREVER, Version


@dataclass(frozen=True)
class Rules:
    """The configured lengths, with the defaults of the definitions."""

    trial_length_days: int | None = 14
    grace_days: int = 30
    collection_lag_hours: int = 72
    reentry_days: int = 3
    one_trial_hours: int = 24
    card_at_start_minutes: int = 10
    refund_days: int = 30
    zone: tzinfo = UTC

    @property
    def grace(self) -> timedelta:
        """Grace after the end."""
        return timedelta(days=self.grace_days)

    @property
    def lag(self) -> timedelta:
        """Collection lag."""
        return timedelta(hours=self.collection_lag_hours)

    def day(self, instant: datetime) -> date:
        """The reporting day that holds a UTC instant."""
        return instant.replace(tzinfo=UTC).astimezone(self.zone).date()

    def end_of_day(self, day: date) -> datetime:
        """The UTC instant at which a reporting day is over (its first instant that counts no more)."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone) + timedelta(days=1)
        return midnight.astimezone(UTC).replace(tzinfo=None)


FACTS = (
    "trial_id",
    "account_id",
    "source",
    "subscription_id",
    "stripe_customer_id",
    "trial_number",
    "is_first_trial",
    "is_add_on",
    "started_at",
    "original_ends_at",
    "ends_at",
    "ended_at",
    "effective_end_at",
    "deadline_at",
    "cancel_requested_at",
    "converted_at",
    "link",
    "settlement",
    "amount_minor",
    "currency",
    "outcome",
    "outcome_at",
    "is_inferred",
    "is_active",
    "extension_count",
    "shortened_count",
    "days_added",
    "is_early_upgrade",
    "card_type",
    "active_status_at",
    "ever_paid_at",
    "refunded_at",
    "is_refunded",
    "history",
)


Merges = dict[str, tuple[str, datetime]]
"""Account merged away -> (surviving account, when)."""


@dataclass
class Trial:
    """One trial with all its facts as of one cut."""

    trial_id: str
    account_id: str
    source: str
    subscription_id: str | None
    stripe_customer_id: str | None
    started_at: datetime
    original_ends_at: datetime
    ends_at: datetime
    left_at: datetime | None = None
    next_started_at: datetime = FOREVER
    ended_at: datetime | None = None
    extension_count: int = 0
    shortened_count: int = 0
    days_added: int = 0
    is_early_end: bool = False
    is_early_upgrade: bool = False
    left_to_paused: bool = False
    history: str = "event"
    trial_number: int = 0
    is_first_trial: bool = False
    is_add_on: bool = False
    cancel_requested_at: datetime | None = None
    own_paid_at: datetime | None = None
    converted_at: datetime | None = None
    link: str | None = None
    settlement: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    converting_invoice: str | None = None
    free_at: datetime | None = None
    outcome: str = ""
    outcome_at: datetime | None = None
    is_inferred: bool = False
    is_active: bool = False
    card_type: str = "unknown"
    active_status_at: datetime | None = None
    ever_paid_at: datetime | None = None
    refunded_minor: int = 0
    refunded_at: datetime | None = None
    is_refunded: bool = False
    announced_account_id: str = ""
    next_version: Version | None = field(default=None, repr=False)
    versions: list[Version] = field(default_factory=list, repr=False)
    deadline_at: datetime = FOREVER
    effective_end_at: datetime = FOREVER

    @property
    def end_basis(self) -> datetime:
        """The end that deadlines count from: the trial's, or the subscription's when that came first."""
        return self.ends_at if self.ended_at is None else min(self.ends_at, self.ended_at)

    def facts(self) -> dict[str, object]:
        """The facts under the names of the published trials, for a comparison cell by cell."""
        return {name: getattr(self, name) for name in FACTS}

    def precedes_next(self, version: Version) -> bool:
        """Whether a version of its subscription came before the subscription's next trial."""
        return self.next_version is None or version.order < self.next_version.order

    @property
    def is_paid(self) -> bool:
        """Whether any payment converted it, in time or late."""
        return self.converted_at is not None


def last_row_date(trial: Trial, rules: Rules, horizon_days: int = 30) -> date:
    """The day of the last trial-day row: the end + horizon, moved once by a conversion that came by then."""
    end = rules.day(trial.ends_at)
    last = end + timedelta(days=horizon_days)
    if trial.converted_at is not None and rules.day(trial.converted_at) <= last:
        return max(end, rules.day(trial.converted_at)) + timedelta(days=horizon_days)
    return last


def surviving(account_id: str, merges: Merges) -> str:
    """The account that stands for `account_id` after all merges."""
    seen = {account_id}
    while account_id in merges and merges[account_id][0] not in seen:
        account_id = merges[account_id][0]
        seen.add(account_id)
    return account_id
