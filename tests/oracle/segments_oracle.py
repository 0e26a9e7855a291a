"""Membership of segments and the rule score, read from section 4 of the definitions and the scoring design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from .usage_oracle import half_up

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Stay:
    """One membership: member on every day from `entered_on` up to, not including, `left_on` (None: still in)."""

    entered_on: date
    left_on: date | None = None
    closed_reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What the two conditions say on one day; None is NULL and says nothing."""

    enter: bool | None
    exit: bool | None


def without_exit(enter: bool | None) -> Verdict:
    """The verdict of a segment that names no exit: it is left when `enter` is false, not when it is NULL."""
    return Verdict(enter, None if enter is None else not enter)


def is_member(verdicts: Sequence[Verdict], day: int) -> bool:
    """Member on day number `day` (0-based) iff the last `enter` so far is later than the last `exit`."""
    entered = [i for i in range(day + 1) if verdicts[i].enter is True]
    left = [i for i in range(day + 1) if verdicts[i].exit is True]
    return bool(entered) and (not left or entered[-1] > left[-1])


def stays(first_day: date, verdicts: Sequence[Verdict], horizon: date, as_of_date: date) -> list[Stay]:
    """Memberships over the rows of one trial, from `first_day` on, one verdict a day.

    Who is still a member on the last day before the horizon is over leaves on the day after it, `aged_out`, once the
    as_of date has passed the horizon.
    """
    result: list[Stay] = []
    entered: date | None = None
    for number in range(len(verdicts)):
        day = first_day + number * DAY
        inside = is_member(verdicts, number)
        if inside and entered is None:
            entered = day
        elif not inside and entered is not None:
            result.append(Stay(entered, day))
            entered = None
    if entered is not None:
        is_over = as_of_date > horizon and first_day + (len(verdicts) - 1) * DAY == horizon
        result.append(Stay(entered, horizon + DAY, "aged_out") if is_over else Stay(entered))
    return result


@dataclass(frozen=True)
class Rule:
    """One score rule: `points` decay linearly over `lifespan_days` from its evidence; None never decays."""

    key: str
    group: str
    axis: str
    points: int
    lifespan_days: int | None = None


@dataclass(frozen=True)
class Score:
    """Parts in hundredths of a point; caps are the (negative) parts that keep a group at its cap."""

    rules: Mapping[str, int]
    caps: Mapping[str, int]
    axes: Mapping[str, int]

    @property
    def total(self) -> int:
        """Sum of every part: rules and caps."""
        return sum(self.rules.values()) + sum(self.caps.values())


def decayed(rule: Rule, age_days: int | None) -> int:
    """Points of one rule in hundredths, `age_days` after its evidence; None when there is no evidence.

    Full on the day itself, nothing once `lifespan_days` have passed, in a straight line between.
    """
    if age_days is None or age_days < 0:
        return 0
    if rule.lifespan_days is None:
        return 100 * rule.points
    return half_up(Fraction(100 * rule.points * max(0, rule.lifespan_days - age_days), rule.lifespan_days))


def score(rules: Sequence[Rule], group_caps: Mapping[str, int], ages: Mapping[str, int | None]) -> Score:
    """The rule score of one row; `ages` holds days since the evidence (0 for a condition that is true) by rule key."""
    parts = {rule.key: decayed(rule, ages.get(rule.key)) for rule in rules}
    caps: dict[str, int] = {}
    axes: dict[str, int] = {}
    for group in dict.fromkeys(rule.group for rule in rules):
        members = [rule for rule in rules if rule.group == group]
        total = sum(parts[rule.key] for rule in members)
        limit = group_caps.get(group)
        caps[group] = min(0, 100 * limit - total) if limit is not None else 0
        axis = members[0].axis
        if any(rule.axis != axis for rule in members):
            raise ValueError(f"group {group!r} mixes the axes fit and engagement")
        axes[axis] = axes.get(axis, 0) + total + caps[group]
    return Score(parts, caps, axes)
