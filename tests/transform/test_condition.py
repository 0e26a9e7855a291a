"""What a condition may say, what it may not, and where the error points."""

import pytest

from trialwise.engines.duckdb import Engine
from trialwise.errors import ConfigError
from trialwise.transform.condition import parse_condition, parse_number

CATALOGUE = {
    "active_days_7d": "INTEGER",
    "share": "DOUBLE",
    "amount": "DECIMAL(18,2)",
    "plan": "VARCHAR",
    "is_complete": "BOOLEAN",
    "card_added_on": "DATE",
    "activity_date": "DATE",
    "last_at": "TIMESTAMP",
    "members": "HUGEINT",
}


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("active_days_7d >= 3 AND card_added_on IS NOT NULL", "active_days_7d >= 3 AND NOT card_added_on IS NULL"),
        ("NOT is_complete OR plan IN ('pro', 'team')", "NOT is_complete OR plan IN ('pro', 'team')"),
        ("ACTIVE_DAYS_7D BETWEEN 1 AND 3", "active_days_7d BETWEEN 1 AND 3"),
        ("(share + 1) * 2 - -amount > 0.5", "(share + 1) * 2 - -amount > 0.5"),
        ("share / active_days_7d > 1", "share / NULLIF(active_days_7d, 0) > 1"),
        ("(share - 1) / (share - 2) > 1", "(share - 1) / NULLIF(share - 2, 0) > 1"),
        ("active_days_7d % 2 = 0", "active_days_7d % 2 = 0"),
        ("activity_date - card_added_on <= 3", "activity_date - card_added_on <= 3"),
        ("card_added_on + 3 < activity_date", "card_added_on + 3 < activity_date"),
        ("last_at < activity_date + INTERVAL 3 DAY", "last_at < activity_date + INTERVAL '3' DAY"),
        ("card_added_on >= DATE '2026-01-31'", "card_added_on >= CAST('2026-01-31' AS DATE)"),
        ("last_at >= TIMESTAMP '2026-01-31 10:00'", "last_at >= CAST('2026-01-31 10:00' AS TIMESTAMP)"),
        ("CAST(last_at AS DATE) = activity_date", "CAST(last_at AS DATE) = activity_date"),
        ("is_complete IS TRUE", "is_complete IS TRUE"),
        ("is_complete = FALSE", "is_complete = FALSE"),
        ("plan IS DISTINCT FROM NULL", "plan IS DISTINCT FROM NULL"),
        ("lower(trim(plan)) LIKE 'pro%' AND length(plan) > 2", None),
        ("upper(plan) ILIKE 'a%'", None),
        ("coalesce(share, NULL, 0) > 1 -- why", "COALESCE(share, NULL, 0) > 1"),
        ("nullif(share, 0) = 1 OR round(abs(share), 1) = 2 OR floor(share) = ceil(share)", None),
        ("CASE WHEN is_complete THEN 1 ELSE 0 END = 1", "CASE WHEN is_complete THEN 1 ELSE 0 END = 1"),
        ("CASE plan WHEN 'pro' THEN is_complete END", "CASE plan WHEN 'pro' THEN is_complete END"),
        ("TRUE", "TRUE"),
        ("NULL", "NULL"),
    ],
)
def test_what_passes_runs(engine: Engine, text: str, sql: str | None) -> None:
    found = parse_condition(text, CATALOGUE).sql("duckdb")
    if sql is not None:
        assert found == sql
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in CATALOGUE.items())
    kinds = engine.columns(f"SELECT CAST({found} AS BOOLEAN) AS answer FROM (SELECT {columns}) AS d")
    assert kinds == [("answer", "BOOLEAN")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "plan = 'x' AND active_day_7d > 3",
            "unknown column 'active_day_7d' at character 16; did you mean 'active_days_7d'?",
        ),
        ("card_added_on > 3", "`card_added_on > 3` puts a date beside a number at character 17"),
        ("plan = 1", "`plan = 1` puts text beside a number"),
        ("card_added_on = '2026-01-01'", "puts a date beside text"),
        ("active_days_7d + 1", "`active_days_7d + 1` is a number, expected a yes or no; compare it, as in `... > 0`"),
        ("plan", "`plan` is text, expected a yes or no"),
        ("share AND is_complete", "`share AND is_complete`: `share` is a number, expected a yes or no"),
        ("is_complete > FALSE", "`is_complete > FALSE` orders a yes or no"),
        ("plan = NULL", "`plan = NULL` is never true; write IS NULL"),
        ("share IN (1, NULL)", "is never true; write IS NULL"),
        ("share IS TRUE", "`share IS TRUE` asks a number whether it is true"),
        ("share IS 3", "after IS comes NULL, TRUE or FALSE"),
        ("plan + 1 = 2", "`plan + 1` calculates with text and a number"),
        ("card_added_on * 2 = 4", "calculates with a date and a number"),
        ("INTERVAL 3 DAY = 1", "puts an interval beside a number"),
        ("last_at < activity_date + INTERVAL 3 MONTH", "write INTERVAL, a number and DAY"),
        ("plan LIKE 3", "`3` is a number, expected text"),
        ("CAST(plan AS INTEGER) = 1", "turns text into INT, which can fail on the data"),
        ("TRY_CAST(plan AS INTEGER) = 1", "the function try_cast is not allowed"),
        ("DATE '2026-02-30' = activity_date", "'2026-02-30' is no date, expected as in DATE '2026-01-31'"),
        ("share > 1e999", "the number 1e999 is too large"),
        ("t.plan = 'a'", "`t.plan` names a table; write the column alone"),
        ("members = 1", "column 'members' has the type HUGEINT, which conditions cannot use"),
        ("plan IN (SELECT plan FROM marts.trials)", "after IN comes a list of values in parentheses"),
        ("EXISTS (SELECT 1)", "the function exists is not allowed"),
        ("(SELECT TRUE)", "is not allowed in a condition"),
        ("read_text('/etc/passwd') = 'a'", "the function read_text is not allowed"),
        ("getenv('HOME') IS NULL", "the function getenv is not allowed"),
        ("list_filter([1], lambda y: y > 0) = [1]", "is not allowed"),
        ("count(*) > 1", "the function count is not allowed"),
        ("sum(share) OVER () > 1", "is not allowed in a condition"),
        ("current_date = activity_date", "the function current_date is not allowed"),
        ("columns('a') = 1", "the function columns is not allowed"),
        ("* = 1", "is not allowed in a condition"),
        ("share > $limit", "`$limit` is not allowed in a condition"),
        ("trim('a' FROM plan) = 'b'", "has too many arguments"),
        ("TRUE; DROP TABLE marts.trials", "expected one expression, found 2"),
        ("SELECT 1", "is not allowed in a condition"),
        ("", "expected one expression, found 0"),
        ("share >", "cannot be read at character 7, near `>`"),
        ("plan = 'abc", "cannot be read"),
        ("(" * 400 + "TRUE" + ")" * 400, "is nested too deeply"),
        ("plan = '" + "x" * 5000 + "'", "has 5009 characters, at most 4000 are allowed"),
    ],
)
def test_what_is_refused_says_why_and_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_condition(text, CATALOGUE, "segment heavy_usage")
    assert caught.value.message.startswith("segment heavy_usage: ")
    assert message in caught.value.message


def test_text_in_double_quotes_is_explained() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_condition('plan = "pro"', CATALOGUE)
    assert caught.value.hint == "Text is written in single quotes."


def test_points_are_numbers() -> None:
    assert (
        parse_number("least(active_days_7d * 100, 500)", CATALOGUE).sql("duckdb") == "LEAST(active_days_7d * 100, 500)"
    )
    with pytest.raises(ConfigError, match="rule x: `is_complete` is a yes or no, expected a number"):
        parse_number("is_complete", CATALOGUE, "rule x")
