"""One account: its profile, trials, timeline and daily use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trialwise.delivery.reader import Reader
from trialwise.delivery.trials import of_account
from trialwise.errors import NotFoundError

if TYPE_CHECKING:
    import polars as pl

_PROFILE = "SELECT * FROM marts.accounts WHERE account_id = $account_id"
_TIMELINE = """
SELECT t.at, t.kind, t.text, t.source_id FROM marts.account_timeline AS t
WHERE t.account_id = $account_id
ORDER BY t.at, t.kind, t.source_id
"""
_DAYS = """
SELECT activity_date, events, value_events, active_users FROM marts.account_days WHERE account_id = $account_id
ORDER BY activity_date
"""
_NEAREST = """
SELECT account_id FROM marts.accounts
WHERE jaro_winkler_similarity(lower(account_id), lower($text)) >= 0.8
    OR jaro_winkler_similarity(lower(account_name), lower($text)) >= 0.9
ORDER BY greatest(jaro_winkler_similarity(lower(account_id), lower($text)),
    coalesce(jaro_winkler_similarity(lower(account_name), lower($text)), 0)) DESC, account_id
LIMIT 1
"""


@dataclass(frozen=True)
class Account:
    """profile: column -> value of marts.accounts; trials: the trial contract, oldest first; timeline: at, kind, text,
    source_id; days: activity_date, events, value_events, active_users, of days with use."""

    profile: dict[str, Any]
    trials: pl.DataFrame
    timeline: pl.DataFrame
    days: pl.DataFrame

    def part(self, name: str) -> pl.DataFrame:
        """One part as a frame: profile (one row), trials, timeline or days."""
        import polars as pl

        if name == "profile":
            return pl.DataFrame([self.profile], infer_schema_length=None)
        frames = {"trials": self.trials, "timeline": self.timeline, "days": self.days}
        return frames[name]


def account(reader: Reader, account_id: str) -> Account:
    """Everything published about one account. Raises NotFoundError naming the nearest id or name."""
    wanted = {"account_id": account_id}
    profile = reader.frame(_PROFILE, wanted)
    if profile.height == 0:
        raise unknown(reader, "account", account_id)
    timeline, days = reader.frame(_TIMELINE, wanted), reader.frame(_DAYS, wanted)
    return Account(profile.row(0, named=True), of_account(reader, account_id), timeline, days)


def unknown(reader: Reader, what: str, identifier: str) -> NotFoundError:
    """The error for an id nobody has, with the account whose id or name is nearest."""
    close = reader.engine.rows(_NEAREST, {"text": identifier})
    guess = f"; did you mean '{close[0][0]}'?" if close else ""
    return NotFoundError(f"no {what} '{identifier}'{guess}", "See 'trialwise trials --all' for those there are.")
