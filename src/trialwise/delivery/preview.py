"""A segment condition tried out on the published trial days, before it is in the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from trialwise.delivery.reader import Reader
from trialwise.delivery.trials import trials

if TYPE_CHECKING:
    import polars as pl

_ROWS = """
SELECT d.trial_id
FROM intermediate.trial_days AS d
JOIN marts.clock AS c ON c.as_of_date = d.activity_date
"""
_ALIAS = "d"


@dataclass(frozen=True)
class Preview:
    """looked_at: trials with a row on the clock's day (running ones unless all were asked for); members: columns as in
    `trials.TRIAL_COLUMNS`, those for which the condition holds on that row."""

    looked_at: int
    members: pl.DataFrame


def preview(reader: Reader, condition: exp.Expr, *, every: bool = False) -> Preview:
    """Trials whose row of the clock's day satisfies a parsed, type-checked condition.

    every: also trials that have ended and are inside their horizon. This is `enter` on one day; with an `exit`, or
    where a value is NULL, a segment's membership also depends on earlier days.
    """
    rows = reader.frame(_ROWS)
    query = exp.select("d.trial_id").from_(exp.to_table("intermediate.trial_days").as_(_ALIAS))
    query = query.join("marts.clock AS c", on="c.as_of_date = d.activity_date").where(condition.transform(_qualify))
    chosen = trials(reader, every=every)
    members = reader.frame(query.sql("duckdb"))
    return Preview(
        chosen.join(rows, on="trial_id", how="semi").height,
        chosen.join(members, on="trial_id", how="semi", maintain_order="left"),
    )


def _qualify(node: exp.Expr) -> exp.Expr:
    return exp.column(node.this.copy(), table=_ALIAS) if isinstance(node, exp.Column) else node
