"""Answers that are more than one table: an account, an explanation, the report of a morning."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from trialwise.delivery import plots
from trialwise.delivery.tables import table, text

if TYPE_CHECKING:
    from trialwise.delivery.account import Account
    from trialwise.delivery.explain import Explanation
    from trialwise.delivery.generation import Generation

TIMELINE_LINES = 30
SHOWN_LEADS = 5
_OUTCOMES = """
SELECT outcome, count(*) AS trials FROM marts.trials WHERE kind = 'trial' GROUP BY outcome ORDER BY trials DESC, outcome
"""


def account_page(found: Account, results: Generation) -> str:
    """Profile, trials, a plot of activity, and the newest lines of the timeline."""
    profile = [f"{name}: {text(value)}" for name, value in found.profile.items() if value is not None]
    parts = ["\n".join(profile), table(found.trials)]
    drawn = plots.activity(found.days, results.moment.as_of_date, _width())
    if drawn:
        parts.append(drawn)
    newest = found.timeline.tail(TIMELINE_LINES)
    older = found.timeline.height - newest.height
    parts.append(
        (f"... {older} earlier lines (--part timeline --format csv has all)\n" if older else "") + table(newest)
    )
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def explanation_page(found: Explanation) -> str:
    """The score as the sum it is, its evidence, and what changed."""
    import polars as pl

    if found.score is None:
        return f"{found.trial_id} of {found.account_id} has no trial day yet, so no score.\n"
    lines = [
        f"{found.trial_id} of {found.account_id} on {found.day}, trial day {found.trial_day}",
        f"score {found.score:.2f}, by {found.scored_by}; the parts add up to it exactly"
        + (f"; {found.grade} in the grid of fit A to C and engagement 1 to 3" if found.grade else ""),
        "",
    ]
    for row in found.parts.iter_rows(named=True):
        lines.append(f"  {row['points']:>+8.2f}  {row['text']}  [{row['axis']}, {row['score_group']}]")
        if row["evidence_text"]:
            lines.append(f"            {row['evidence_text']}  {row['evidence_id'] or ''}".rstrip())
    lines.append(f"  {found.score:>8.2f}  score")
    if found.reasons.height:
        lines += ["", "what goes with it, against the typical trial on the same day:"]
        lines += [f"  {reason}" for reason in found.reasons["text"]]
    if found.changes is not None:
        lines += ["", f"since {found.since} the score went from {found.score_before:.2f} to {found.score:.2f}:"]
        shown = found.changes.filter(pl.col("change") != 0)
        lines += [
            f"  {row['change']:>+8.2f}  {row['part']}: {row['cause']}" for row in shown.iter_rows(named=True)
        ] or ["  nothing changed"]
    return "\n".join(lines) + "\n"


def morning_report(results: Generation, folder: Path) -> str:
    """What growth and sales want to know in the morning, and three things to try next."""
    import polars as pl

    outcomes = results.sql(_OUTCOMES)
    trials = results.trials()
    bands = trials.group_by("usage_band").len("trials").sort("trials", descending=True)
    cohorts = results.metrics("trial_conversion", definition="start_cohort", by="month")
    segments = results.segments().select("segment", "title", "live_trials", "entered_7d")
    first = trials["account_id"][0] if trials.height else "ACCOUNT"
    hot = results.leads("hot_trials", limit=SHOWN_LEADS)
    if hot.height:
        first = hot["account_id"][0]
    sections = [
        ("What became of every trial so far", table(outcomes)),
        ("The conversion rate, under each definition", table(results.metrics("trial_conversion", by="all"))),
        ("By month of start", table(cohorts.tail(6)) + plots.conversion(cohorts, _width())),
        (f"{trials.height} trials are running, by intensity of use", table(bands)),
        ("Segments now", table(segments.filter(pl.col("live_trials") > 0))),
        (f"Whom to call this morning: hot_trials, the first {hot.height}", table(hot)),
        ("The other lists", table(results.leads().select("list", "trials"))),
    ]
    body = "\n".join(f"{title}\n{'=' * len(title)}\n{shown}" for title, shown in sections)
    return f"{results.caption}\n\n{body}\n{_next_steps(folder, first)}"


def _next_steps(folder: Path, account_id: str) -> str:
    return "\n".join(
        [
            "Try next",
            "========",
            f"  trialwise explain {account_id} -C {folder}",
            f"  trialwise metrics trial_conversion --definition start_cohort --segment pql --at-day 7 -C {folder}",
            f'  trialwise segments preview "active_days_7d >= 4 AND NOT card_on_file" -C {folder}',
            "",
        ]
    )


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 120)
