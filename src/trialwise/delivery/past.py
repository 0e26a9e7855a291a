"""The history as frames: numbers that were restated, lists as they were shown, scores as they were published."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from trialwise.delivery.publishing import current_of
from trialwise.errors import InputError, NotFoundError, nearest
from trialwise.history import LISTED_COLUMNS, RESTATEMENT_COLUMNS, SCORE_COLUMNS, History

if TYPE_CHECKING:
    import polars as pl

    from trialwise.workspace import Workspace

_KEY = ("metric", "definition", "by", "period_start", "period_end", "split_key", "split_value")
_DAYS = frozenset({"day", "period_start", "period_end"})
_FLOATS = frozenset({"old", "new", "first", "score"})
_WHOLE = frozenset({"position"})
_TRUTHS = frozenset({"was_final", "is_backfilled"})
_LISTS = frozenset({"causes", "trials"})


def history_of(workspace: Workspace) -> History:
    """The history of a workspace, up to its current generation."""
    return History(workspace.data, current_of(workspace.published))


def restatements(
    history: History, *, metric: str | None = None, since: date | None = None, present: Collection[str] = ()
) -> pl.DataFrame:
    """Published numbers that later changed, the newest change first, with exactly RESTATEMENT_COLUMNS.

    since: only what was published on that UTC day or later. present: the metrics there are now, recorded or not yet.
    Raises NotFoundError for a metric that neither is nor was.
    """
    _check_name("metric", metric, {*history.metrics(), *present})
    return _frame(history.restatements(metric=metric, since=since), RESTATEMENT_COLUMNS)


def marked(frame: pl.DataFrame, by: str, history: History) -> pl.DataFrame:
    """Rows of a metric with the column `restated`: how often each number was, since it was first published."""
    import polars as pl

    if not {name for name in _KEY if name != "by"} <= set(frame.columns):  # a metric of the user's own may have others
        return frame.with_columns(restated=pl.lit(0, pl.Int64))
    counts: dict[tuple[Any, ...], int] = {}
    for row in history.restatements():
        key = tuple(row[name] for name in _KEY)
        counts[key] = counts.get(key, 0) + 1
    found = [
        counts.get(tuple(by if name == "by" else row[name] for name in _KEY), 0) for row in frame.iter_rows(named=True)
    ]
    return frame.with_columns(pl.Series("restated", found, dtype=pl.Int64))


def lists(
    history: History, *, day: date | None = None, name: str | None = None, present: Collection[str] = ()
) -> pl.DataFrame:
    """What the lists of a day showed, the last recorded one when None, with exactly LISTED_COLUMNS.

    present: the lists there are now, whether or not anybody was ever on them. Raises NotFoundError for a list that
    neither is nor was, InputError for a day without a record.
    """
    _check_name("list", name, {*history.list_names(), *present})
    days = history.days()
    if day is not None and day not in days:
        span = f"It has days from {min(days)} to {max(days)}." if days else "Run 'trialwise refresh' first."
        raise InputError(f"the history has no record of {day}", span)
    return _frame(history.lists(day=day, name=name), LISTED_COLUMNS)


def scores(history: History, identifier: str) -> pl.DataFrame:
    """Every published score of a trial, or of an account's trials, the newest first, with exactly SCORE_COLUMNS.

    Raises NotFoundError where no score of it was ever published.
    """
    rows = history.scores(identifier)
    if not rows:
        raise NotFoundError(
            f"no score of a trial or account '{identifier}' was published", "See 'trialwise trials --all'."
        )
    return _frame(rows, SCORE_COLUMNS)


def _check_name(what: str, name: str | None, known: Collection[str]) -> None:
    if name is not None and name not in known:
        there = f"There are: {', '.join(sorted(known))}." if known else "Nothing is published: run 'trialwise refresh'."
        raise NotFoundError(f"no {what} '{name}'{nearest(name, known)}", there)


def _frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    def kind(name: str) -> Any:
        if name in _DAYS:
            return pl.Date
        if name in _FLOATS:
            return pl.Float64
        if name in _TRUTHS:
            return pl.Boolean
        if name in _LISTS:
            return pl.List(pl.String)
        if name.endswith(("_at", "as_of")):
            return pl.Datetime("us")
        if name in _WHOLE or name.endswith(("generation", "numerator", "denominator")):
            return pl.Int64
        return pl.String

    schema = {name: kind(name) for name in columns}
    return pl.DataFrame([tuple(row[name] for name in columns) for row in rows], schema, orient="row")
