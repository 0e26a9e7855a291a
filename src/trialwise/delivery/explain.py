"""Why a trial has its score, and what changed since another day.

Parts add up to the score exactly, and changes to the difference of both scores, or it is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from trialwise.delivery.account import unknown
from trialwise.delivery.reader import Reader
from trialwise.errors import InputError, StoreError

if TYPE_CHECKING:
    import polars as pl

Cause = Literal["new events", "decay", "definition change", "data correction"]
Parts = dict[tuple[str, str], int]
"""(kind, part) -> hundredths of a point; kind is rule or cap."""

_TRIAL = """
SELECT trial_id, account_id, trial_day, score_hundredths, scored_by, outcome
FROM marts.trials
WHERE trial_id = $identifier OR account_id = $identifier
ORDER BY CASE WHEN trial_id = $identifier THEN 0 ELSE 1 END, started_at DESC, trial_id DESC
LIMIT 1
"""
_PARTS = """
SELECT p.kind, p.part, p.axis, p.score_group, p.points_hundredths / 100.0 AS points,
    coalesce(r.text, p.evidence_text) AS text, p.reached_on, p.evidence_id, p.evidence_text, p.points_hundredths
FROM marts.score_parts AS p
LEFT JOIN marts.score_rules AS r ON r.rule = p.part AND p.kind = 'rule'
WHERE p.trial_id = $trial_id
ORDER BY p.kind DESC, abs(p.points_hundredths) DESC, p.ordinal, p.part
"""
_REASONS = """
SELECT rank, key, text, value, typical, points FROM marts.trial_reasons WHERE trial_id = $trial_id ORDER BY rank
"""
_DAY = "SELECT * FROM intermediate.trial_days WHERE trial_id = $trial_id AND activity_date = $day"
_LAST_DAY = "SELECT max(activity_date) FROM intermediate.trial_days WHERE trial_id = $trial_id"
_GRADE = """
SELECT concat(fit_grade, engagement_grade) FROM intermediate.trial_days WHERE trial_id = $trial_id
ORDER BY activity_date DESC LIMIT 1
"""
_SPAN = "SELECT min(activity_date), max(activity_date) FROM intermediate.trial_days WHERE trial_id = $trial_id"
_RULES = "SELECT rule, score_group, axis, points, lifespan_days, milestone, condition, cap FROM marts.score_rules"


@dataclass(frozen=True)
class Explanation:
    """The score of one trial and where it comes from.

    score: points. parts: kind, part, axis, score_group, points, text, reached_on, evidence_id, evidence_text.
    reasons: rank, key, text, value, typical, points; a reason goes with converting, it is no cause.
    since, score_before: the day compared with and the score then, as it was known. changes: kind, part, cause,
    points_before, points_after, change, one row per part and cause; None when nothing was compared.
    grade: place in the grid of fit (A to C) and engagement (1 to 3), such as B1.
    """

    trial_id: str
    account_id: str
    day: date | None
    trial_day: int | None
    score: float | None
    scored_by: str
    parts: pl.DataFrame
    reasons: pl.DataFrame
    since: date | None = None
    score_before: float | None = None
    changes: pl.DataFrame | None = None
    grade: str | None = None


def explain(reader: Reader, identifier: str, since: str | None, before: Reader | None) -> Explanation:
    """Explain a trial by its id, or the latest trial of an account by the account's.

    since: a local day (YYYY-MM-DD) with a trial-day row. before: an older generation whose row of that day counts as
    what was known then. Raises NotFoundError, InputError, and StoreError should parts not add up.
    """
    found = reader.frame(_TRIAL, {"identifier": identifier})
    if found.height == 0:
        raise unknown(reader, "trial or account", identifier)
    trial = found.row(0, named=True)
    trial_id = str(trial["trial_id"])
    parts = reader.frame(_PARTS, {"trial_id": trial_id})
    hundredths = trial["score_hundredths"]
    _must_add_up(trial_id, int(parts["points_hundredths"].sum()), hundredths or 0)
    last = reader.engine.rows(_LAST_DAY, {"trial_id": trial_id})[0][0]
    known = {
        "trial_id": trial_id,
        "account_id": str(trial["account_id"]),
        "day": last,
        "trial_day": trial["trial_day"],
        "score": None if hundredths is None else hundredths / 100,
        "scored_by": str(trial["scored_by"]),
        "parts": parts.drop("points_hundredths"),
        "reasons": reader.frame(_REASONS, {"trial_id": trial_id}),
        "grade": next((grade for (grade,) in reader.engine.rows(_GRADE, {"trial_id": trial_id})), None),
    }
    if since is None:
        return Explanation(**known)
    day = _day(since)
    then = _row(reader, trial_id, day)
    now = _row(reader, trial_id, last)
    steps = _news(_parts_of(then), _parts_of(now))
    score_before = then["rule_score_hundredths"]
    if before is not None:
        was = _row(before, trial_id, day)
        steps += _restated(_parts_of(was), _parts_of(then), _rules(before), _rules(reader))
        score_before = was["rule_score_hundredths"]
    _must_add_up(trial_id, sum(step[4] - step[3] for step in steps), now["rule_score_hundredths"] - score_before)
    return Explanation(**known, since=day, score_before=score_before / 100, changes=_changes(steps))


Step = tuple[str, str, Cause, int, int]


def _news(then: Parts, now: Parts) -> list[Step]:
    """What the days between brought. A part can only grow, in either direction, by something new, and only shrinks as
    points decay, leave their window, or a cap lets go."""
    steps: list[Step] = []
    for key in sorted(then.keys() | now.keys(), reverse=True):
        was, is_now = then.get(key, 0), now.get(key, 0)
        if was != is_now:
            steps.append((*key, "new events" if abs(is_now) > abs(was) else "decay", was, is_now))
    return steps


def _restated(was: Parts, then: Parts, old_rules: dict[str, Any], new_rules: dict[str, Any]) -> list[Step]:
    """What differs between the row of one day as it was published then and as it is now."""
    changed = {rule for rule in old_rules.keys() | new_rules.keys() if old_rules.get(rule) != new_rules.get(rule)}
    groups = {(new_rules.get(rule) or old_rules[rule])[0] for rule in changed}
    steps: list[Step] = []
    for key in sorted(was.keys() | then.keys(), reverse=True):
        old, new = was.get(key, 0), then.get(key, 0)
        if old != new:
            kind, part = key
            defined = part in changed if kind == "rule" else part in groups
            steps.append((kind, part, "definition change" if defined else "data correction", old, new))
    return steps


def _row(reader: Reader, trial_id: str, day: date) -> dict[str, Any]:
    found = reader.frame(_DAY, {"trial_id": trial_id, "day": day})
    if found.height == 1:
        return found.row(0, named=True)
    first, last = reader.engine.rows(_SPAN, {"trial_id": trial_id})[0]
    span = "it has no days yet" if first is None else f"it has days from {first} to {last}"
    raise InputError(f"trial {trial_id} has no row for {day}; {span}", "Name one of those days with --since.")


def _parts_of(row: dict[str, Any]) -> Parts:
    rules = {("rule", name.removeprefix("points_")): v for name, v in row.items() if name.startswith("points_") and v}
    caps = {("cap", name.removeprefix("cap_")): v for name, v in row.items() if name.startswith("cap_") and v}
    return rules | caps


def _rules(reader: Reader) -> dict[str, Any]:
    return {str(rule): rest for rule, *rest in reader.engine.rows(_RULES)}


def _changes(steps: list[Step]) -> pl.DataFrame:
    import polars as pl

    rows = [
        (kind, part, cause, was / 100, is_now / 100, (is_now - was) / 100)
        for kind, part, cause, was, is_now in sorted(steps, key=lambda step: (-abs(step[4] - step[3]), step))
    ]
    number = pl.Float64
    return pl.DataFrame(
        rows,
        schema={
            "kind": pl.String, "part": pl.String, "cause": pl.String, "points_before": number, "points_after": number,
            "change": number,
        },
        orient="row",
    )  # fmt: skip


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"'{text}' is no day", "Write it as 2026-03-01.") from error


def _must_add_up(trial_id: str, parts: int, score: int) -> None:
    if parts != score:
        raise StoreError(
            f"the parts of {trial_id} add up to {parts / 100:g} points, its score is {score / 100:g}",
            "Run 'trialwise refresh --full'; if it stays, report it with the output of 'trialwise explain'.",
        )
