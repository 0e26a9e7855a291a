"""Lists for sales and growth, and the segments behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from trialwise.delivery.reader import Reader
from trialwise.delivery.trials import TRIAL_COLUMNS, with_nested
from trialwise.errors import NotFoundError, nearest

if TYPE_CHECKING:
    import polars as pl

_SEGMENTS = """
SELECT s.segment, s.title, s.live_trials, s.members, s.ever_members, s.entered_7d, s.left_7d, s.owner, s.description,
    s.version, s.enter_condition, s.exit_condition
FROM marts.segments AS s
ORDER BY s.ordinal
"""


def overview(reader: Reader) -> pl.DataFrame:
    """The lists there are: list, trials (how many it holds), description."""
    import polars as pl

    found = reader.tables("lists")
    rows = [
        {"list": name, "trials": reader.engine.rows(_of(name, exp.Count(this=exp.Star())))[0][0], "description": text}
        for name, text in found.items()
    ]
    return pl.DataFrame(rows, schema={"list": pl.String, "trials": pl.Int64, "description": pl.String})


def leads(reader: Reader, name: str, *, limit: int | None = None) -> pl.DataFrame:
    """One list in its own order, with reasons and segments.

    Columns of the trial contract come first and in its order, then what only this list has. Raises NotFoundError
    naming the nearest list.
    """
    known = reader.tables("lists")
    if name not in known:
        raise NotFoundError(f"no list '{name}'{nearest(name, known)}", f"Lists: {', '.join(known) or 'none'}.")
    frame = reader.frame(_of(name, exp.Star()))
    if "position" in frame.columns:
        frame = frame.sort("position")
    if limit is not None:
        frame = frame.head(limit)
    if "trial_id" not in frame.columns:
        return frame
    frame = with_nested(reader, frame)
    contract = [column for column in TRIAL_COLUMNS if column in frame.columns]
    return frame.select(*contract, *(column for column in frame.columns if column not in contract))


def segments(reader: Reader) -> pl.DataFrame:
    """Every segment: its size at the clock, movements of the last 7 days, owner and definition."""
    return reader.frame(_SEGMENTS)


def _of(name: str, what: exp.Expression) -> str:
    return exp.select(what).from_(exp.table_(name, db="lists", quoted=True)).sql("duckdb")
