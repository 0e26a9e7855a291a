"""Trials as people see them: the columns others script against, with segments and reasons nested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trialwise.delivery.reader import Reader
from trialwise.errors import NotFoundError, nearest

if TYPE_CHECKING:
    import polars as pl

TRIAL_COLUMNS = (
    "trial_id", "account_id", "account_name", "kind", "source", "trial_number", "is_first_trial", "is_add_on",
    "started_at", "ends_at", "original_ends_at", "outcome", "outcome_at", "converted_at", "link", "settlement",
    "amount_minor", "currency", "card_status", "plan", "channel", "signed_up_at", "stripe_customer_id",
    "contact_name", "contact_email", "contact_title", "owner", "stage", "lead_status", "trial_day",
    "active_days_7d", "active_days_14d", "active_days_28d", "current_streak_days", "longest_streak_days",
    "value_events_7d", "features_used", "last_active_at", "usage_intensity", "usage_band", "score", "probability",
    "scored_by", "segments", "reasons", "history",
)  # fmt: skip
"""The contract; a change is a breaking change."""

ROWS_NEED = frozenset({"marts.trials", "marts.trial_segments", "marts.trial_reasons", "marts.segments"})


_ROWS = """
WITH chosen AS (SELECT * FROM marts.trials AS t WHERE @chosen),
segments AS (
    SELECT s.trial_id, list(s.segment ORDER BY g.ordinal) AS keys
    FROM marts.trial_segments AS s
    JOIN chosen AS c ON c.trial_id = s.trial_id
    JOIN marts.segments AS g ON g.segment = s.segment
    GROUP BY s.trial_id
),
reasons AS (
    SELECT r.trial_id, list({'key': r.key, 'text': r.text, 'value': r.value, 'typical': r.typical, 'points': r.points}
        ORDER BY r.rank) AS items
    FROM marts.trial_reasons AS r
    JOIN chosen AS c ON c.trial_id = r.trial_id
    GROUP BY r.trial_id
),
nested AS (
    SELECT t.is_active, t.trial_id, t.account_id, t.account_name, t.kind, t.source, t.trial_number, t.is_first_trial,
        t.is_add_on, t.started_at, t.ends_at, t.original_ends_at, t.outcome, t.outcome_at, t.converted_at, t.link,
        t.settlement, t.amount_minor, t.currency, t.card_status, t.plan, t.channel, t.signed_up_at,
        t.stripe_customer_id, t.contact_name, t.contact_email, t.contact_title, t.owner, t.stage, t.lead_status,
        t.trial_day, t.active_days_7d, t.active_days_14d, t.active_days_28d, t.current_streak_days,
        t.longest_streak_days, t.value_events_7d, t.features_used, t.last_active_at, t.usage_intensity, t.usage_band,
        t.score, t.probability, t.scored_by, coalesce(s.keys, []) AS segments, coalesce(r.items, []) AS reasons,
        t.history
    FROM chosen AS t
    LEFT JOIN segments AS s ON s.trial_id = t.trial_id
    LEFT JOIN reasons AS r ON r.trial_id = t.trial_id
)
@told
"""


def _rows(chosen: str, told: str) -> str:
    """A query over `nested`: trials, by a condition on marts.trials AS t, with segments and reasons nested."""
    return _ROWS.replace("@chosen", chosen).replace("@told", told.strip())


BUILD_ROWS = f"""
CREATE OR REPLACE TABLE generation_being_written.main.trial_rows AS
{_rows("t.is_active", "FROM nested AS t ORDER BY t.ends_at NULLS LAST, t.trial_id")}
"""
"""The running trials of a generation ready to be read, so that a listing of them touches nothing else. Run on the store
while the generation is being written."""

_RUNNING = """
SELECT t.* EXCLUDE (is_active)
FROM main.trial_rows AS t
WHERE t.is_active AND (CAST($segment AS VARCHAR) IS NULL OR list_contains(t.segments, $segment))
ORDER BY t.ends_at NULLS LAST, t.trial_id
LIMIT $limit
"""
"""is_active is asked for generations of earlier versions, whose rows are of every trial."""
_EVERY = _rows("TRUE", _RUNNING.replace("main.trial_rows", "nested").replace("t.is_active AND", ""))
_NESTED_RUNNING = """
SELECT t.trial_id, t.segments, t.reasons
FROM main.trial_rows AS t
WHERE t.trial_id IN (SELECT unnest(CAST($trial_ids AS VARCHAR[])))
"""
_NESTED = _rows(
    "t.trial_id IN (SELECT unnest(CAST($trial_ids AS VARCHAR[])))",
    "SELECT t.trial_id, t.segments, t.reasons FROM nested AS t",
)
_OF_ACCOUNT = _rows(
    "t.account_id = $account_id", "SELECT t.* EXCLUDE (is_active) FROM nested AS t ORDER BY t.started_at, t.trial_id"
)
_KNOWN_SEGMENTS = "SELECT segment FROM marts.segments ORDER BY ordinal"
_NO_LIMIT = 2**62


def trials(
    reader: Reader, *, every: bool = False, segment: str | None = None, limit: int | None = None
) -> pl.DataFrame:
    """Running trials (or every one), the next to end first, with exactly TRIAL_COLUMNS.

    segments: list of keys; reasons: list of {key, text, value, typical, points}. Raises NotFoundError for a segment
    that does not exist, naming the nearest.
    """
    if segment is not None:
        known = [str(row[0]) for row in reader.engine.rows(_KNOWN_SEGMENTS)]
        if segment not in known:
            raise NotFoundError(f"no segment '{segment}'{nearest(segment, known)}", f"Segments: {', '.join(known)}.")
    asked = {"segment": segment, "limit": _NO_LIMIT if limit is None else limit}
    return reader.frame(_EVERY if every else _RUNNING, asked)


def of_account(reader: Reader, account_id: str) -> pl.DataFrame:
    """The trials of one account, oldest first, with exactly TRIAL_COLUMNS."""
    return reader.frame(_OF_ACCOUNT, {"account_id": account_id})


def with_nested(reader: Reader, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame`, which has trial_id, with the columns segments and reasons; empty lists where there are none."""
    asked = frame["trial_id"].to_list()
    nested = reader.frame(_NESTED_RUNNING, {"trial_ids": asked})
    others = frame.join(nested, on="trial_id", how="anti")["trial_id"].to_list()
    if others:
        nested = nested.vstack(reader.frame(_NESTED, {"trial_ids": others}))
    return frame.join(nested, on="trial_id", how="left", maintain_order="left")
