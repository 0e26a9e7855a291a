"""The rule score: points with linear decay, caps per group, fit and engagement kept apart, as parsed expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

from sqlglot import exp

from trialwise.config import Config
from trialwise.config.milestones import milestones
from trialwise.errors import ConfigError, TrialwiseError, nearest
from trialwise.scoring.builtin import CAPS, RULES
from trialwise.scoring.definitions import AXES, Axis, Rule

Parse: TypeAlias = Callable[[str], exp.Expr]
"""Text of a condition -> type-checked boolean expression over the catalogue; raises a TrialwiseError."""
Items: TypeAlias = list[dict[str, str | int | exp.Expr]]

POINT = 100
"""Hundredths of a point: scores are integers, so that parts add up exactly."""
HIGH_SHARE, LOW_SHARE = 2, 4
"""A grade is A (or 1) from 1/2 of what an axis can give at most, B (or 2) from 1/4, else C (or 3)."""
NOT_FOR_SCORING = frozenset({"days_since_conversion"})
"""Columns of the catalogue that know the outcome: a score that reads them has nothing left to predict."""
GRADES: Mapping[Axis, tuple[str, str, str]] = {"fit": ("A", "B", "C"), "engagement": ("1", "2", "3")}


def rules_in_force(config: Config) -> tuple[Rule, ...]:
    """The company's rules when it has any, else the built-in ones; ConfigError when they do not fit together."""
    rules = tuple(
        Rule(
            key=rule.key,
            points=rule.points,
            group=rule.group,
            axis=rule.axis,
            text=rule.text or rule.key.replace("_", " ").capitalize(),
            milestone=rule.milestone,
            condition=rule.when,
            lifespan_days=rule.lifespan_days,
        )
        for rule in config.score.rules
    )
    rules = rules or RULES
    known = milestones(config)
    axes: dict[str, Axis] = {}
    for rule in rules:
        if rule.milestone is not None and rule.milestone not in known:
            raise ConfigError(
                f"score rule '{rule.key}': no milestone '{rule.milestone}'{nearest(rule.milestone, known)}",
                "Declare it under [milestones].",
            )
        if axes.setdefault(rule.group, rule.axis) != rule.axis:
            raise ConfigError(
                f"score group '{rule.group}' holds rules of both axes, expected one: '{rule.key}' is {rule.axis}",
                "A cap takes away on one axis; give the rules of the other axis a group of their own.",
            )
    return rules


def caps_in_force(config: Config) -> dict[str, int]:
    """Most points per group: the company's caps, over the built-in ones while the built-in rules are used."""
    groups = {rule.group for rule in rules_in_force(config)}
    for group in config.score.caps:
        if group not in groups:
            raise ConfigError(
                f"[score.caps]: no rule is of the group '{group}'{nearest(group, groups)}",
                f"Groups in use: {', '.join(sorted(groups))}.",
            )
    built_in = {} if config.score.rules else CAPS
    return {**built_in, **config.score.caps}


def rule_expansion(rules: Sequence[Rule], caps: Mapping[str, int], parse: Parse) -> dict[str, Items]:
    """The lists `each_rule`, `each_group` (capped groups alone) and `each_axis` of intermediate.trial_days."""
    return {
        "each_rule": [
            {
                "each_rule": rule.key,
                "each_rule_points": points_column(rule.key),
                "each_rule_value": rule_value(rule, parse),
            }
            for rule in rules
        ],
        "each_group": [
            {
                "each_group": group,
                "each_group_cap": cap_column(group),
                "each_group_sum": _sum(points_column(rule.key) for rule in rules if rule.group == group),
                "each_group_limit": POINT * cap,
            }
            for group, cap in caps.items()
        ],
        "each_axis": [_axis_item(axis, rules, caps) for axis in AXES],
    }


def rule_value(rule: Rule, parse: Parse) -> exp.Expr:
    """Hundredths of a point a rule gives on a row: INTEGER, never NULL; linear decay by floor of the magnitude."""
    weight = POINT * abs(rule.points)
    if rule.condition is not None:
        holds: exp.Expr = _parsed(rule, rule.condition, parse)
        worth: exp.Expr = exp.Literal.number(weight)
    else:
        reached = exp.column(f"{rule.milestone}_on")
        holds = exp.Not(this=exp.Is(this=reached, expression=exp.null()))
        worth = (
            exp.Literal.number(weight) if rule.lifespan_days is None else _decayed(weight, rule.lifespan_days, reached)
        )
    if rule.points < 0:
        worth = exp.Neg(this=worth)
    return exp.cast(exp.Case().when(holds, worth).else_(exp.Literal.number(0)), "INTEGER")


def points_column(rule: str) -> str:
    """The column of a rule's points in intermediate.trial_days."""
    return f"points_{rule}"


def cap_column(group: str) -> str:
    """The column of what a group's cap takes away in intermediate.trial_days."""
    return f"cap_{group}"


def attainable(axis: Axis, rules: Sequence[Rule], caps: Mapping[str, int]) -> int:
    """The most points an axis can give: per group the positive points, at most its cap."""
    given: dict[str, int] = {}
    for rule in rules:
        if rule.axis == axis:
            given[rule.group] = given.get(rule.group, 0) + max(0, rule.points)
    return sum(min(points, caps.get(group, points)) for group, points in given.items())


def rule_rows(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """Rows of config.score_rules."""
    return [
        {
            "rule": rule.key,
            "score_group": rule.group,
            "axis": rule.axis,
            "points": rule.points,
            "lifespan_days": rule.lifespan_days,
            "milestone": rule.milestone,
            "condition": rule.condition,
            "text": rule.text,
            "ordinal": ordinal,
        }
        for ordinal, rule in enumerate(rules)
    ]


def group_rows(rules: Sequence[Rule], caps: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows of config.score_groups, in the order the rules name them."""
    axes = {rule.group: rule.axis for rule in rules}
    return [{"score_group": group, "axis": axis, "cap": caps.get(group)} for group, axis in axes.items()]


def _decayed(weight: int, lifespan: int, reached: exp.Expr) -> exp.Expr:
    """weight x days left / lifespan by floor: (x - x % y) / y is exact whichever division an engine has."""
    age = exp.DateDiff(this=exp.column("activity_date"), expression=reached.copy(), unit=exp.var("DAY"))
    left = exp.Greatest(
        this=exp.Literal.number(0),
        expressions=[exp.Sub(this=exp.Literal.number(lifespan), expression=age)],
        ignore_nulls=True,
    )
    total = exp.Mul(this=exp.Literal.number(weight), expression=left)
    rest = exp.Mod(this=exp.paren(total.copy()), expression=exp.Literal.number(lifespan))
    whole = exp.paren(exp.Sub(this=total, expression=exp.paren(rest)))
    return exp.Div(this=whole, expression=exp.Literal.number(lifespan))


def _axis_item(axis: Axis, rules: Sequence[Rule], caps: Mapping[str, int]) -> dict[str, str | int | exp.Expr]:
    of_axis = [rule for rule in rules if rule.axis == axis]
    groups = {rule.group for rule in of_axis}
    parts = [points_column(rule.key) for rule in of_axis] + [cap_column(group) for group in caps if group in groups]
    most = POINT * attainable(axis, rules, caps)
    first, second, third = GRADES[axis]
    return {
        "each_axis": axis,
        "each_axis_score": f"{axis}_score_hundredths",
        "each_axis_grade": f"{axis}_grade",
        "each_axis_sum": _sum(parts),
        "each_axis_high": most // HIGH_SHARE,
        "each_axis_low": most // LOW_SHARE,
        "each_axis_first": first,
        "each_axis_second": second,
        "each_axis_third": third,
    }


def _sum(columns: Any) -> exp.Expr:
    zero: exp.Expr = exp.Literal.number(0)
    return reduce(lambda total, name: exp.Add(this=total, expression=exp.column(name)), columns, zero)


def _parsed(rule: Rule, text: str, parse: Parse) -> exp.Expr:
    where = f"score rule '{rule.key}'"
    try:
        condition = parse(text)
    except TrialwiseError as error:
        raise ConfigError(f"{where}: {error.message}", error.hint) from error
    for column in condition.find_all(exp.Column):
        if column.name in NOT_FOR_SCORING:
            raise ConfigError(
                f"{where}: '{column.name}' tells the outcome and cannot give points for it",
                "Use what the trial did before; segments may read the column.",
            )
    return condition
