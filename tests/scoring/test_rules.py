"""The rule score: decay, caps, axes and grades, on the engine that runs them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from trialwise.config import Config, parse_config
from trialwise.config.milestones import milestones
from trialwise.engines.duckdb import connect
from trialwise.errors import ConfigError
from trialwise.scoring.builtin import CAPS, RULES
from trialwise.scoring.definitions import Rule
from trialwise.scoring.rules import (
    attainable,
    caps_in_force,
    group_rows,
    rule_expansion,
    rule_rows,
    rule_value,
    rules_in_force,
)
from trialwise.transform.condition import parse_condition

CATALOGUE = {"activity_date": "DATE", "usage_band": "VARCHAR", "active_days_7d": "INTEGER", "invited_on": "DATE"}
DAY = dt.date(2026, 3, 31)


def _parse(text: str) -> exp.Expr:
    return parse_condition(text, CATALOGUE)


def _worth(rule: Rule, row: Mapping[str, Any]) -> int:
    """What a rule gives on one row, on DuckDB."""
    columns = ", ".join(f"CAST(${name} AS {kind}) AS {name}" for name, kind in CATALOGUE.items())
    sql = f"SELECT {rule_value(rule, _parse).sql(dialect='duckdb')} FROM (SELECT {columns})"
    values = {name: row.get(name) for name in CATALOGUE} | {"activity_date": DAY}
    engine = connect(threads=1)
    found = engine.rows(sql, values)[0][0]
    engine.close()
    assert isinstance(found, int)
    return found


def _milestone(points: int, lifespan: int | None) -> Rule:
    return Rule("invite", points, "activation", "engagement", "Invited", milestone="invited", lifespan_days=lifespan)


@pytest.mark.parametrize(
    ("points", "lifespan", "age", "hundredths"),
    [
        (20, 30, 0, 2000),  # full on the day itself
        (20, 30, 7, 1533),  # 2000 x 23 / 30 = 1533.3
        (20, 30, 29, 66),  # 2000 / 30 = 66.7
        (20, 30, 30, 0),
        (20, 30, 400, 0),
        (20, None, 400, 2000),  # without a lifespan nothing decays
        (-15, 7, 3, -857),  # 1500 x 4 / 7 = 857.1
        (-15, 7, 7, 0),
        (0, 7, 1, 0),
    ],
)
def test_points_decay_linearly_in_whole_hundredths(
    points: int, lifespan: int | None, age: int, hundredths: int
) -> None:
    assert _worth(_milestone(points, lifespan), {"invited_on": DAY - dt.timedelta(days=age)}) == hundredths


@settings(max_examples=40, deadline=None)
@given(points=st.integers(-1000, 1000), lifespan=st.integers(1, 400), age=st.integers(0, 500))
def test_decay_is_the_floor_of_the_magnitude(points: int, lifespan: int, age: int) -> None:
    left = max(0, lifespan - age)
    magnitude = 100 * abs(points) * left // lifespan
    expected = magnitude if points >= 0 else -magnitude
    assert _worth(_milestone(points, lifespan), {"invited_on": DAY - dt.timedelta(days=age)}) == expected


def test_a_milestone_not_reached_gives_nothing() -> None:
    assert _worth(_milestone(20, 30), {"invited_on": None}) == 0


@pytest.mark.parametrize(("band", "hundredths"), [("heavy", 2500), ("light", 0), (None, 0)])
def test_a_condition_gives_full_points_while_it_holds(band: str | None, hundredths: int) -> None:
    rule = Rule("heavy", 25, "usage", "engagement", "Heavy", condition="usage_band = 'heavy'")
    assert _worth(rule, {"usage_band": band}) == hundredths


def _scores(rules: Sequence[Rule], caps: Mapping[str, int], points: Mapping[str, int]) -> dict[str, int]:
    """Caps and axes of given points, on DuckDB."""
    lists = rule_expansion(rules, caps, lambda text: exp.true())
    given_points = ", ".join(f"{points[rule.key]} AS points_{rule.key}" for rule in rules)
    cap_items = [
        f"least(0, {item['each_group_limit']} - ({_sql(item['each_group_sum'])})) AS {item['each_group_cap']}"
        for item in lists["each_group"]
    ]
    axes = ", ".join(f"{_sql(item['each_axis_sum'])} AS {item['each_axis_score']}" for item in lists["each_axis"])
    capped = ", ".join(["*", *cap_items])
    engine = connect(threads=1)
    frame = engine.frame(f"SELECT *, {axes} FROM (SELECT {capped} FROM (SELECT {given_points}))")
    engine.close()
    return dict(zip(frame.columns, frame.row(0), strict=True))


def _sql(value: str | int | exp.Expr) -> str:
    assert isinstance(value, exp.Expr)
    return value.sql(dialect="duckdb")


def test_a_cap_is_a_negative_part_of_its_own() -> None:
    rules = (
        Rule("a", 20, "usage", "engagement", "A", condition="x"),
        Rule("b", 20, "usage", "engagement", "B", condition="x"),
        Rule("c", 5, "other", "engagement", "C", condition="x"),
        Rule("d", -50, "unfit", "fit", "D", condition="x"),
    )
    found = _scores(rules, {"usage": 30}, {"a": 2000, "b": 1500, "c": 500, "d": -5000})
    assert found["cap_usage"] == -500  # 3500 against 3000
    assert found["engagement_score_hundredths"] == 3500
    assert found["fit_score_hundredths"] == -5000
    below = _scores(rules, {"usage": 30}, {"a": 2000, "b": 1000, "c": 500, "d": 0})
    assert (below["cap_usage"], below["engagement_score_hundredths"]) == (0, 3500)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.integers(-10_000, 10_000), min_size=len(RULES), max_size=len(RULES)))
def test_the_parts_of_the_built_in_rules_add_up(values: list[int]) -> None:
    points = {rule.key: value for rule, value in zip(RULES, values, strict=True)}
    found = _scores(RULES, CAPS, points)
    parts = sum(points.values()) + sum(found[f"cap_{group}"] for group in CAPS)
    assert found["fit_score_hundredths"] + found["engagement_score_hundredths"] == parts
    for group, cap in CAPS.items():
        inside = sum(points[rule.key] for rule in RULES if rule.group == group) + found[f"cap_{group}"]
        assert inside <= 100 * cap


def test_grades_begin_at_a_half_and_a_quarter_of_what_an_axis_can_give() -> None:
    rules = (
        Rule("a", 20, "usage", "engagement", "A", condition="x"),
        Rule("b", 30, "usage", "engagement", "B", condition="x"),
        Rule("c", 10, "intent", "engagement", "C", condition="x"),
        Rule("d", -40, "risk", "engagement", "D", condition="x"),
        Rule("e", -10, "unfit", "fit", "E", condition="x"),
    )
    assert attainable("engagement", rules, {"usage": 40}) == 50
    assert attainable("engagement", rules, {}) == 60
    assert attainable("fit", rules, {}) == 0
    fit, engagement = rule_expansion(rules, {"usage": 40}, lambda text: exp.true())["each_axis"]
    assert (engagement["each_axis_high"], engagement["each_axis_low"]) == (2500, 1250)
    assert (fit["each_axis_high"], fit["each_axis_low"]) == (0, 0)  # A unless something speaks against it
    assert (fit["each_axis_first"], engagement["each_axis_third"]) == ("A", "3")


def test_built_in_rules_fit_together() -> None:
    assert rules_in_force(Config()) == RULES
    assert caps_in_force(Config()) == CAPS
    assert len({rule.key for rule in RULES}) == len(RULES)
    assert all((rule.milestone is None) != (rule.condition is None) for rule in RULES)
    assert {rule.milestone for rule in RULES if rule.milestone} <= set(milestones(Config()))
    assert [row["ordinal"] for row in rule_rows(RULES)] == list(range(len(RULES)))
    groups = {row["score_group"]: row for row in group_rows(RULES, CAPS)}
    assert groups["usage"] == {"score_group": "usage", "axis": "engagement", "cap": 45}
    assert groups["exclusion"] == {"score_group": "exclusion", "axis": "fit", "cap": None}


def test_own_rules_replace_the_built_in_ones() -> None:
    config = parse_config(
        {
            "score": {
                "rules": [
                    {"key": "team", "points": 30, "when": "active_users_7d >= 3", "group": "people"},
                    {"key": "big", "points": 10, "when": "true", "axis": "fit", "group": "size", "text": "Big company"},
                ],
                "caps": {"people": 25},
            }
        }
    )
    rules = rules_in_force(config)
    assert [(rule.key, rule.text, rule.axis) for rule in rules] == [
        ("team", "Team", "engagement"),
        ("big", "Big company", "fit"),
    ]
    assert caps_in_force(config) == {"people": 25}


def test_caps_alone_change_the_built_in_ones() -> None:
    config = parse_config({"score": {"caps": {"usage": 60}}})
    assert caps_in_force(config) == {**CAPS, "usage": 60}


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (
            {"rules": [{"key": "a", "points": 1, "milestone": "card_aded"}]},
            "score rule 'a': no milestone 'card_aded'; did you mean 'card_added'?",
        ),
        ({"caps": {"usge": 10}}, "no rule is of the group 'usge'; did you mean 'usage'?"),
        (
            {
                "rules": [
                    {"key": "a", "points": 1, "when": "true", "group": "g"},
                    {"key": "b", "points": 1, "when": "true", "group": "g", "axis": "fit"},
                ]
            },
            "score group 'g' holds rules of both axes",
        ),
    ],
)
def test_definitions_that_do_not_fit_are_named(score: dict[str, Any], message: str) -> None:
    config = parse_config({"score": score})
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        caps_in_force(config)


def test_a_condition_that_cannot_be_used_names_its_rule() -> None:
    rule = Rule("heavy", 25, "usage", "engagement", "Heavy", condition="usage_bnd = 'heavy'")
    with pytest.raises(ConfigError, match=r"score rule 'heavy': .*usage_bnd.*did you mean 'usage_band'"):
        rule_value(rule, _parse)


def test_the_outcome_gives_no_points() -> None:
    rule = Rule("paid", 50, "usage", "engagement", "Paid", condition="coalesce(days_since_conversion, 99) < 7")
    with pytest.raises(ConfigError, match="score rule 'paid': 'days_since_conversion' tells the outcome"):
        rule_value(rule, lambda text: parse_condition(text, {"days_since_conversion": "INTEGER"}))
