"""One copy per item: which part is copied, what is left of an empty list, what cannot be copied."""

import pytest
import sqlglot
from sqlglot import exp

from trialwise.errors import ModelError
from trialwise.transform.expand import expand, item, lists_used

MILESTONES = {"each_milestone": [item("each_milestone", "card"), item("each_milestone", "demo")]}


def expanded(sql: str, expansion: object = None) -> str:
    query = sqlglot.parse_one(sql, dialect="duckdb")
    return expand(query, MILESTONES if expansion is None else expansion, "marts.x").sql("duckdb")


def test_a_select_item_named_after_the_list_is_copied_whole() -> None:
    sql = "SELECT id, max(CASE WHEN m = 'each_milestone' THEN d END) AS each_milestone_on FROM t GROUP BY id"
    assert expanded(sql) == (
        "SELECT id, MAX(CASE WHEN m = 'card' THEN d END) AS card_on, MAX(CASE WHEN m = 'demo' THEN d END) AS demo_on"
        " FROM t GROUP BY id"
    )


def test_a_bare_column_and_a_group_by_item_are_copied() -> None:
    assert (
        expanded("SELECT t.each_milestone_on, id FROM t GROUP BY id, t.each_milestone_on")
        == "SELECT t.card_on, t.demo_on, id FROM t GROUP BY id, t.card_on, t.demo_on"
    )


@pytest.mark.parametrize(
    ("sql", "full", "empty"),
    [
        ("each_milestone_n + 0", "card_n + demo_n + 0", "0"),
        ("0 + coalesce(each_milestone_n, 0)", "0 + COALESCE(card_n, 0) + COALESCE(demo_n, 0)", "0"),
        ("a = 1 AND each_milestone_on IS NULL AND TRUE", None, "a = 1 AND TRUE"),
        ("each_milestone_on IS NULL OR FALSE", "card_on IS NULL OR demo_on IS NULL OR FALSE", "FALSE"),
        ("each_milestone_bit | 0", "card_bit | demo_bit | 0", "0"),
        ("greatest(1, each_milestone_n)", "GREATEST(1, card_n, demo_n)", "GREATEST(1)"),
        ("least(each_milestone_n)", "LEAST(card_n, demo_n)", "NULL"),
        ("coalesce(each_milestone_on, d)", "COALESCE(card_on, demo_on, d)", "COALESCE(d)"),
        ("m IN ('each_milestone')", "m IN ('card', 'demo')", "FALSE"),
        (
            "CASE m WHEN 'each_milestone' THEN each_milestone_n ELSE 7 END",
            "CASE m WHEN 'card' THEN card_n WHEN 'demo' THEN demo_n ELSE 7 END",
            "7",
        ),
        ("sum(x) OVER (PARTITION BY each_milestone_on)", None, "SUM(x) OVER ()"),
        ("a + each_milestone_n", "a + card_n + demo_n", "a"),
    ],
)
def test_the_part_that_is_copied(sql: str, full: str | None, empty: str) -> None:
    if full is not None:
        assert expanded(f"SELECT {sql} AS total FROM t") == f"SELECT {full} AS total FROM t"
    assert expanded(f"SELECT {sql} AS total FROM t", {}) == f"SELECT {empty} AS total FROM t"


def test_an_empty_list_drops_select_and_group_by_items() -> None:
    assert expanded("SELECT id, each_milestone_on FROM t GROUP BY each_milestone_on", {}) == "SELECT id FROM t"


def test_an_expression_stands_in_parentheses_and_takes_the_qualifier() -> None:
    value = sqlglot.parse_one("points - lost", dialect="duckdb")
    expansion = {"each_rule": [item("each_rule", "ads", value=value)]}
    assert (
        expanded("SELECT f.each_rule_value * 2 AS each_rule_points FROM f", expansion)
        == "SELECT (f.points - f.lost) * 2 AS points_ads FROM f"
    )


def test_numbers_types_and_comments_are_replaced_too() -> None:
    expansion = {"each_group": [{**item("each_group", "web"), "each_group_limit": 300, "each_group_type": "DOUBLE"}]}
    query = sqlglot.parse_one(
        "SELECT CAST(least(each_group_sum, each_group_limit) AS each_group_type) AS each_group_cap, "
        "-- cap of each_group\n 1 AS one",
        dialect="duckdb",
    )
    found = expand(query, expansion)
    assert found.selects[0].sql("duckdb", comments=False) == "CAST(LEAST(web_sum, 300) AS DOUBLE) AS cap_web"
    assert found.selects[0].comments == [" cap of web"]


def test_two_lists_in_one_part_give_every_pair() -> None:
    expansion = {**MILESTONES, "each_group": [item("each_group", "g")]}
    assert (
        expanded("SELECT CASE WHEN each_group_on THEN each_milestone_n + 0 END AS each_group_cap", expansion)
        == "SELECT CASE WHEN g_on THEN card_n + demo_n + 0 END AS cap_g"
    )


def test_the_given_query_is_left_alone() -> None:
    query = sqlglot.parse_one("SELECT each_milestone_on FROM t", dialect="duckdb")
    expand(query, MILESTONES)
    assert lists_used(query) == {"each_milestone_on"}


def test_an_unknown_list_names_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"marts.x: each_milestne_on belongs to no configured list.*'each_milestone'"):
        expanded("SELECT each_milestne_on FROM t")


def test_a_place_where_nothing_can_be_copied_is_an_error_with_its_line() -> None:
    with pytest.raises(ModelError, match=r"marts.x, line 2: each_milestone_n stands where nothing can be repeated"):
        expanded("SELECT\n sum(each_milestone_n) AS total FROM t")


def test_a_searched_case_is_not_copied_branch_by_branch() -> None:
    # the first true branch would win, which is not what "for every item" means
    with pytest.raises(ModelError, match="stands where nothing can be repeated"):
        expanded("SELECT CASE WHEN each_milestone_on IS NULL THEN 1 END AS missing FROM t")


def test_a_select_without_items_left_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"nothing is left of .* when each_milestone_on has no items"):
        expanded("SELECT each_milestone_on FROM t", {})


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 'each_rule_value' AS each_rule", "is an expression and cannot stand as text"),
        ("SELECT x AS each_rule_value", "is an expression and cannot name a column"),
    ],
)
def test_an_expression_is_no_name(sql: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        expanded(sql, {"each_rule": [item("each_rule", "ads", value=exp.Literal.number(1))]})


def test_an_item_without_its_key_is_an_error() -> None:
    with pytest.raises(ModelError, match="an item of each_rule says nothing for each_rule_points"):
        expanded("SELECT each_rule_points", {"each_rule": [{"each_rule_value": 1}]})
