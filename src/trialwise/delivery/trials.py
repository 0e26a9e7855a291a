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

_TRIALS = """
SELECT t.trial_id, t.account_id, t.account_name, t.kind, t.source, t.trial_number, t.is_first_trial, t.is_add_on,
    t.started_at, t.ends_at, t.original_ends_at, t.outcome, t.outcome_at, t.converted_at, t.link, t.settlement,
    t.amount_minor, t.currency, t.card_status, t.plan, t.channel, t.signed_up_at, t.stripe_customer_id,
    t.contact_name, t.contact_email, t.contact_title, t.owner, t.stage, t.lead_status, t.trial_day,
    t.active_days_7d, t.active_days_14d, t.active_days_28d, t.current_streak_days, t.longest_streak_days,
    t.value_events_7d, t.features_used, t.last_active_at, t.usage_intensity, t.usage_band, t.score, t.probability,
    t.scored_by, t.history
FROM marts.trials AS t
WHERE (t.is_active OR $every) AND (CAST($segment AS VARCHAR) IS NULL
    OR t.trial_id IN (SELECT s.trial_id FROM marts.trial_segments AS s WHERE s.segment = $segment))
ORDER BY t.ends_at NULLS LAST, t.trial_id
LIMIT $limit
"""
_SEGMENTS = """
SELECT s.trial_id, list(s.segment ORDER BY g.ordinal) AS segments
FROM marts.trial_segments AS s
JOIN marts.segments AS g ON g.segment = s.segment
WHERE s.is_active OR $every
GROUP BY s.trial_id
"""
_REASONS = """
SELECT r.trial_id, list({'key': r.key, 'text': r.text, 'value': r.value, 'typical': r.typical, 'points': r.points}
    ORDER BY r.rank) AS reasons
FROM marts.trial_reasons AS r
WHERE r.is_active OR $every
GROUP BY r.trial_id
"""
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
    asked = {"every": every, "segment": segment, "limit": _NO_LIMIT if limit is None else limit}
    frame = reader.frame(_TRIALS, asked)
    return with_nested(reader, frame, every=every).select(TRIAL_COLUMNS)


def with_nested(reader: Reader, frame: pl.DataFrame, *, every: bool) -> pl.DataFrame:
    """`frame`, which has trial_id, with the columns segments and reasons; empty lists where there are none."""
    import polars as pl

    found = frame
    for sql, column in ((_SEGMENTS, "segments"), (_REASONS, "reasons")):
        nested = reader.frame(sql, {"every": every})
        empty = pl.lit([], dtype=nested.schema[column])
        found = found.join(nested, on="trial_id", how="left", maintain_order="left").with_columns(
            pl.col(column).fill_null(empty)
        )
    return found
