"""The families of TRIAL_DAYS: models whose rows stay within their keys, and models that only look so."""

from datetime import date
from pathlib import Path

import pytest

from trialwise.engines.duckdb import Engine
from trialwise.errors import ModelError
from trialwise.transform.keys import check_incremental, keyed_inputs, restrict, restricted_sql
from trialwise.transform.model import Model, parse_model

EXTERNAL = {
    "raw.events": "account_key INTEGER, user_key INTEGER, activity_date DATE, n INTEGER",
    "raw.trials": "trial_id VARCHAR, account_key INTEGER, started DATE",
    "config.calendar": "day DATE, day_no INTEGER",
    "config.clock": "as_of_date DATE",
}


def made(
    body: str, header: str = "incremental: [account_key]", name: str = "intermediate.x", key: str = "key: [id]\n"
) -> Model:
    return parse_model(name, f"/*\ndescription: a\n{key}{header}\n*/\n{body}", Path("x.sql"))


def around(model: Model) -> dict[str, Model]:
    tables = {
        name: parse_model(name, f"/*\ndescription: a\n*/\nCREATE TABLE {name} ({columns})", Path(f"{name}.sql"))
        for name, columns in EXTERNAL.items()
    }
    return {**tables, model.name: model}


KEY = "CAST(e.account_key AS BIGINT) AS account_key"
DETERMINED = "incremental: [account_key]\ndetermines: {trial_id: account_key}"

ACCEPTED = {
    "one source, no aggregate": f"SELECT {KEY}, CAST(e.n AS BIGINT) AS n FROM raw.events AS e",
    "grouped by the key": f"SELECT {KEY}, CAST(sum(e.n) AS BIGINT) AS n FROM raw.events AS e GROUP BY e.account_key",
    "grouped by the key and more": (
        f"SELECT {KEY}, CAST(e.user_key AS BIGINT) AS u, CAST(max(e.n) AS BIGINT) AS n FROM raw.events AS e "
        "GROUP BY e.account_key, e.user_key"
    ),
    "window by the key": (
        f"SELECT {KEY}, CAST(row_number() OVER (PARTITION BY e.account_key ORDER BY e.activity_date) AS BIGINT) AS r "
        "FROM raw.events AS e"
    ),
    "a table without keys joined at will": (
        f"SELECT {KEY}, CAST(c.day_no AS BIGINT) AS d FROM config.clock AS k CROSS JOIN raw.events AS e "
        "LEFT JOIN config.calendar AS c ON c.day > e.activity_date AND e.activity_date < k.as_of_date"
    ),
    "two keyed sources by equality": (
        f"SELECT {KEY}, CAST(t.trial_id AS VARCHAR) AS t FROM raw.events AS e "
        "LEFT JOIN raw.trials AS t ON t.account_key = e.account_key AND t.started <= e.activity_date"
    ),
    "two keyed sources by USING": (
        "SELECT CAST(e.account_key AS BIGINT) AS account_key FROM raw.events AS e "
        "JOIN raw.trials AS t USING (account_key)"
    ),
    "through a CTE with a star": (
        "WITH a AS (SELECT *, n + 1 AS m FROM raw.events), b AS (SELECT a.* FROM a) "
        "SELECT CAST(b.account_key AS BIGINT) AS account_key, CAST(b.m AS BIGINT) AS m FROM b"
    ),
    "union of keyed sides": (
        "WITH u AS (SELECT e.account_key, e.n FROM raw.events AS e "
        "UNION ALL SELECT t.account_key, 1 FROM raw.trials AS t) "
        "SELECT CAST(u.account_key AS BIGINT) AS account_key FROM u"
    ),
    "distinct with the key": "SELECT DISTINCT CAST(e.account_key AS BIGINT) AS account_key FROM raw.events AS e",
    "a subquery in FROM": (
        "SELECT CAST(s.account_key AS BIGINT) AS account_key FROM (SELECT e.account_key FROM raw.events AS e) AS s"
    ),
    "a subquery in an expression over a table without keys": (
        f"SELECT {KEY}, CAST((SELECT max(c.day_no) FROM config.calendar AS c) AS BIGINT) AS d FROM raw.events AS e"
    ),
    "an unqualified key of the only source that has it": (
        "SELECT CAST(account_key AS BIGINT) AS account_key FROM raw.events CROSS JOIN config.clock"
    ),
    "an aggregate over a table without keys": (
        "WITH d AS (SELECT max(c.day_no) AS last FROM config.calendar AS c) "
        f"SELECT {KEY}, CAST(d.last AS BIGINT) AS d FROM raw.events AS e CROSS JOIN d"
    ),
}

REFUSED = {
    "grouped without the key": (
        "SELECT CAST(max(e.account_key) AS BIGINT) AS account_key FROM raw.events AS e GROUP BY e.user_key",
        "lacks a key",
    ),
    "window without the key": (
        f"SELECT {KEY}, CAST(row_number() OVER (ORDER BY e.activity_date) AS BIGINT) AS r FROM raw.events AS e",
        "does not partition by the keys",
    ),
    "window by another column": (
        f"SELECT {KEY}, CAST(sum(e.n) OVER (PARTITION BY e.user_key) AS BIGINT) AS r FROM raw.events AS e",
        "does not partition by the keys",
    ),
    "a window in ORDER BY": (
        f"SELECT {KEY} FROM raw.events AS e ORDER BY sum(e.n) OVER ()",
        "does not partition by the keys",
    ),
    "an aggregate without GROUP BY": (
        (
            "WITH a AS (SELECT max(e.account_key) AS account_key FROM raw.events AS e) "
            "SELECT CAST(a.account_key AS BIGINT) AS account_key FROM a"
        ),
        "without GROUP BY",
    ),
    "HAVING without GROUP BY": (f"SELECT {KEY} FROM raw.events AS e HAVING TRUE", "HAVING without GROUP BY"),
    "the key dropped": (
        "WITH a AS (SELECT e.user_key FROM raw.events AS e) SELECT CAST(a.user_key AS BIGINT) AS account_key FROM a",
        "drops the keys",
    ),
    "the key renamed": (
        "WITH a AS (SELECT e.account_key AS k FROM raw.events AS e) SELECT CAST(a.k AS BIGINT) AS account_key FROM a",
        "drops the keys",
    ),
    "another column under the key's name": (
        "SELECT CAST(e.user_key AS BIGINT) AS account_key FROM raw.events AS e",
        "is called account_key and is not the key",
    ),
    "the key calculated": (
        "SELECT CAST(e.account_key + 1 AS BIGINT) AS account_key FROM raw.events AS e",
        "is called account_key and is not the key",
    ),
    "a lossy type": (
        "SELECT CAST(e.account_key AS VARCHAR) AS account_key FROM raw.events AS e",
        "account_key is INTEGER in raw.events and VARCHAR in the last SELECT",
    ),
    "a lossy cast on the way": (
        (
            "WITH a AS (SELECT CAST(e.account_key AS BOOLEAN) AS account_key FROM raw.events AS e) "
            "SELECT CAST(a.account_key AS BIGINT) AS account_key FROM a"
        ),
        "changes the type of a key",
    ),
    "the key missing in the result": (
        "SELECT CAST(e.n AS BIGINT) AS n FROM raw.events AS e",
        "its last SELECT has no column account_key",
    ),
    "no input with the keys": (
        "SELECT CAST(c.day_no AS BIGINT) AS account_key FROM config.calendar AS c",
        "no table it reads has all of",
    ),
    "keyed sources joined by something else": (
        f"SELECT {KEY} FROM raw.events AS e JOIN raw.trials AS t ON t.started = e.activity_date",
        "does not join by plain equality",
    ),
    "keyed sources joined by OR": (
        f"SELECT {KEY} FROM raw.events AS e JOIN raw.trials AS t ON t.account_key = e.account_key OR t.started IS NULL",
        "does not join by plain equality",
    ),
    "keyed sources joined by an inequality": (
        f"SELECT {KEY} FROM raw.events AS e JOIN raw.trials AS t ON t.account_key >= e.account_key",
        "does not join by plain equality",
    ),
    "keyed sources joined on the key of a third": (
        f"SELECT {KEY} FROM raw.events AS e JOIN raw.trials AS t ON t.account_key = e.user_key",
        "does not join by plain equality",
    ),
    "keyed sources crossed": (
        f"SELECT {KEY} FROM raw.events AS e CROSS JOIN raw.trials AS t",
        "does not join by plain equality",
    ),
    "a comma join": (
        f"SELECT {KEY} FROM raw.events AS e, raw.trials AS t WHERE t.account_key = e.account_key",
        "does not join by plain equality",
    ),
    "a LEFT JOIN from the side without keys": (
        f"SELECT {KEY} FROM config.calendar AS c LEFT JOIN raw.events AS e ON e.activity_date = c.day",
        "a LEFT JOIN must start from the side with the keys",
    ),
    "the key of the side that may be NULL": (
        (
            "SELECT CAST(t.account_key AS BIGINT) AS account_key FROM raw.events AS e "
            "LEFT JOIN raw.trials AS t ON t.account_key = e.account_key"
        ),
        "is called account_key and is not the key",
    ),
    "a RIGHT JOIN": (
        f"SELECT {KEY} FROM raw.trials AS t RIGHT JOIN raw.events AS e ON t.account_key = e.account_key",
        "RIGHT JOIN is not allowed",
    ),
    "a FULL JOIN": (
        f"SELECT {KEY} FROM raw.trials AS t FULL JOIN raw.events AS e ON t.account_key = e.account_key",
        "FULL JOIN is not allowed",
    ),
    "a NATURAL JOIN": (
        f"SELECT {KEY} FROM raw.trials AS t NATURAL JOIN raw.events AS e",
        "NATURAL JOIN is not allowed",
    ),
    "a SEMI JOIN": (
        f"SELECT {KEY} FROM raw.events AS e SEMI JOIN raw.trials AS t ON t.account_key = e.account_key",
        "SEMI JOIN is not allowed",
    ),
    "LIMIT": (f"SELECT {KEY} FROM raw.events AS e LIMIT 3", "LIMIT is not allowed"),
    "QUALIFY": (
        f"SELECT {KEY} FROM raw.events AS e QUALIFY row_number() OVER (PARTITION BY e.account_key ORDER BY e.n) = 1",
        "QUALIFY is not allowed",
    ),
    "DISTINCT ON": (
        f"SELECT DISTINCT ON (e.account_key) {KEY} FROM raw.events AS e",
        "DISTINCT ON is not allowed",
    ),
    "a named window": (
        (
            f"SELECT {KEY}, CAST(sum(e.n) OVER w AS BIGINT) AS r FROM raw.events AS e "
            "WINDOW w AS (PARTITION BY e.account_key)"
        ),
        "WINDOW",
    ),
    "ROLLUP": (
        "SELECT CAST(e.account_key AS BIGINT) AS account_key FROM raw.events AS e GROUP BY ROLLUP (e.account_key)",
        "ROLLUP is not allowed",
    ),
    "GROUP BY ALL": (f"SELECT {KEY} FROM raw.events AS e GROUP BY ALL", "GROUP BY ALL"),
    "GROUP BY a number": (f"SELECT {KEY} FROM raw.events AS e GROUP BY 1", "GROUP BY a number is not allowed"),
    "a recursive CTE": (
        (
            "WITH RECURSIVE a AS (SELECT account_key FROM raw.events UNION ALL SELECT account_key FROM a) "
            "SELECT CAST(a.account_key AS BIGINT) AS account_key FROM a"
        ),
        "a recursive CTE is not allowed",
    ),
    "a CTE named like a table": (
        (
            "WITH events AS (SELECT account_key FROM raw.events) "
            "SELECT CAST(events.account_key AS BIGINT) AS account_key FROM events"
        ),
        "the CTE events is named like a table",
    ),
    "a table whose alias renames its columns": (
        "SELECT CAST(e.account_key AS BIGINT) AS account_key FROM raw.events AS e (n, account_key)",
        "the alias e renames columns",
    ),
    "a subquery whose alias renames its columns": (
        (
            "SELECT CAST(e.account_key AS BIGINT) AS account_key "
            "FROM (SELECT s.n, s.account_key FROM raw.events AS s) AS e (account_key, n)"
        ),
        "the alias e renames columns",
    ),
    "a CTE that renames its columns": (
        (
            "WITH a (n, account_key) AS (SELECT account_key, n FROM raw.events) "
            "SELECT CAST(a.account_key AS BIGINT) AS account_key FROM a"
        ),
        "the CTE a renames its columns",
    ),
    "a subquery in an expression over the keys": (
        f"SELECT {KEY}, CAST((SELECT max(t.started) FROM raw.trials AS t) AS DATE) AS s FROM raw.events AS e",
        "a subquery in an expression reads a table with the keys",
    ),
    "EXISTS over the keys": (
        f"SELECT {KEY} FROM raw.events AS e WHERE EXISTS (SELECT 1 FROM raw.trials AS t WHERE t.started IS NULL)",
        "a subquery in an expression reads a table with the keys",
    ),
    "a union with a side without keys": (
        (
            "WITH u AS (SELECT e.account_key FROM raw.events AS e UNION ALL SELECT c.day_no FROM config.calendar AS c) "
            "SELECT CAST(u.account_key AS BIGINT) AS account_key FROM u"
        ),
        "one side of a set operation carries no keys",
    ),
    "a union with the key at another place": (
        (
            "WITH u AS (SELECT e.account_key, e.user_key FROM raw.events AS e UNION ALL "
            "SELECT e.user_key, e.account_key FROM raw.events AS e) "
            "SELECT CAST(u.account_key AS BIGINT) AS account_key FROM u"
        ),
        "do not have the keys at the same place",
    ),
    "UNION BY NAME": (
        (
            "WITH u AS (SELECT e.account_key FROM raw.events AS e "
            "UNION ALL BY NAME SELECT t.account_key FROM raw.trials AS t) "
            "SELECT CAST(u.account_key AS BIGINT) AS account_key FROM u"
        ),
        "BY_NAME is not known to the rule",
    ),
    "LATERAL": (
        f"SELECT {KEY} FROM raw.events AS e CROSS JOIN LATERAL (SELECT 1 AS one) AS l",
        "LATERAL is not allowed",
    ),
    "UNNEST": (f"SELECT {KEY} FROM raw.events AS e CROSS JOIN unnest([1, 2]) AS u", "UNNEST is not allowed"),
    "TABLESAMPLE": (f"SELECT {KEY} FROM raw.events AS e TABLESAMPLE 10%", "TABLESAMPLE is not allowed"),
    "an unknown function without GROUP BY": (
        f"SELECT {KEY}, CAST(my_total(e.n) AS BIGINT) AS n FROM raw.events AS e",
        "or is not known, without GROUP BY",
    ),
    "* EXCLUDE": (
        "WITH a AS (SELECT * EXCLUDE (n) FROM raw.events) SELECT CAST(a.account_key AS BIGINT) AS account_key FROM a",
        "EXCLUDE, REPLACE or RENAME is not allowed",
    ),
    "an unqualified key two sources have": (
        (
            "SELECT CAST(account_key AS BIGINT) AS account_key FROM raw.events AS e "
            "LEFT JOIN (SELECT c.day_no AS account_key FROM config.calendar AS c) AS d ON TRUE"
        ),
        "is called account_key and is not the key",
    ),
    "a subquery in FROM without an alias": (
        "SELECT CAST(account_key AS BIGINT) AS account_key FROM (SELECT account_key FROM raw.events)",
        "a subquery in FROM needs an alias",
    ),
    "one alias twice": (
        f"SELECT {KEY} FROM raw.events AS e CROSS JOIN config.clock AS c CROSS JOIN config.calendar AS c",
        "the alias c stands twice",
    ),
}


@pytest.mark.parametrize("family", ACCEPTED)
def test_accepted(family: str) -> None:
    model = made(ACCEPTED[family])
    check_incremental(model, around(model))
    assert keyed_inputs(model, around(model)) != ()


@pytest.mark.parametrize("family", REFUSED)
def test_refused(family: str) -> None:
    body, message = REFUSED[family]
    model = made(body)
    with pytest.raises(ModelError) as caught:
        check_incremental(model, around(model))
    assert message in caught.value.message
    assert "incremental: [account_key] is refused: " in caught.value.message


def test_a_key_a_window_does_not_carry_names_the_line() -> None:
    model = made(f"SELECT\n  {KEY},\n  CAST(sum(e.n) OVER (ORDER BY e.n) AS BIGINT) AS r\nFROM raw.events AS e")
    with pytest.raises(ModelError) as caught:
        check_incremental(model, around(model))
    assert caught.value.message == (
        "intermediate.x, line 8: incremental: [account_key] is refused: "
        "`SUM(e.n) OVER (ORDER BY e.n)` does not partition by the keys"
    )


def test_a_determining_column_stands_for_the_key() -> None:
    body = (
        "WITH act AS (SELECT t.trial_id, max(e.n) AS n FROM raw.trials AS t "
        "JOIN raw.events AS e ON e.account_key = t.account_key GROUP BY t.trial_id) "
        "SELECT CAST(t.account_key AS BIGINT) AS account_key, CAST(t.trial_id AS VARCHAR) AS trial_id, "
        "CAST(sum(a.n) OVER (PARTITION BY t.trial_id) AS BIGINT) AS n "
        "FROM raw.trials AS t LEFT JOIN act AS a ON a.trial_id = t.trial_id"
    )
    model = made(body, DETERMINED)
    check_incremental(model, around(model))
    undeclared = made(body)
    with pytest.raises(ModelError, match="lacks a key"):
        check_incremental(undeclared, around(undeclared))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("incremental: [acount_key]", "has no column acount_key; did you mean 'account_key'?"),
        ("incremental: [account_key]\ndetermines: {trial: account_key}", "has no column trial"),
        ("incremental: [account_key]\ndetermines: {n: owner}", "has no column owner, which `determines` names"),
    ],
)
def test_header_names_must_be_columns(header: str, message: str) -> None:
    model = made(f"SELECT {KEY}, CAST(e.n AS BIGINT) AS n FROM raw.events AS e", header)
    with pytest.raises(ModelError) as caught:
        check_incremental(model, around(model))
    assert message in caught.value.message


def test_several_keys_must_all_stand() -> None:
    both = "CAST(e.account_key AS BIGINT) AS account_key, CAST(e.user_key AS BIGINT) AS user_key"
    header = "incremental: [account_key, user_key]"
    good = made(f"SELECT {both} FROM raw.events AS e GROUP BY e.account_key, e.user_key", header)
    check_incremental(good, around(good))
    bad = made(
        f"SELECT {both}, CAST(sum(e.n) OVER (PARTITION BY e.user_key) AS BIGINT) AS n FROM raw.events AS e", header
    )
    with pytest.raises(ModelError, match="does not partition by the keys"):
        check_incremental(bad, around(bad))


def test_a_model_without_the_promise_is_not_judged() -> None:
    model = made(REFUSED["LIMIT"][0], "grain: one")
    check_incremental(model, around(model))
    assert keyed_inputs(model, around(model)) == ()
    with pytest.raises(ModelError, match="declares no incremental keys"):
        restrict(model, around(model), "changed")


def test_an_undefined_table_is_named() -> None:
    model = made(f"SELECT {KEY} FROM raw.event AS e")
    with pytest.raises(ModelError, match=r"raw.event is not defined; did you mean 'raw.events'"):
        check_incremental(model, around(model))


def test_restricting_equals_filtering_the_full_result(engine: Engine) -> None:
    model = made(
        f"SELECT {KEY}, CAST(sum(e.n) AS BIGINT) AS n, CAST(max(t.trial_id) AS VARCHAR) AS t FROM raw.events AS e "
        "LEFT JOIN raw.trials AS t ON t.account_key = e.account_key CROSS JOIN config.clock AS c GROUP BY e.account_key"
    )
    models = around(model)
    check_incremental(model, models)
    engine.execute("CREATE SCHEMA raw; CREATE SCHEMA config")
    for name in ("raw.events", "raw.trials", "config.clock"):
        engine.execute(models[name].sql)
    engine.execute("INSERT INTO raw.events SELECT n % 7, n % 3, DATE '2026-01-01', n FROM range(50) AS r (n)")
    engine.execute(
        "INSERT INTO raw.trials VALUES ('a', 1, NULL), ('b', 5, NULL); INSERT INTO config.clock VALUES (NULL)"
    )
    engine.execute("CREATE TABLE changed AS SELECT 1 AS account_key UNION ALL SELECT 6")
    restricted = restrict(model, models, "changed").sql("duckdb")
    assert restricted.count("SEMI JOIN changed") == 2
    full = f"SELECT * FROM ({model.sql}) AS f WHERE f.account_key IN (1, 6)"
    assert len(engine.rows(full)) == 2
    assert sorted(engine.rows(restricted), key=str) == sorted(engine.rows(full), key=str)


@pytest.mark.parametrize("days", [None, [date(2026, 3, 1)], [date(2026, 3, 2), date(2026, 3, 4)]])
def test_the_text_that_is_kept_has_the_days_it_is_asked_for(days: list[date] | None) -> None:
    model, keys = made(f"SELECT {KEY} FROM raw.events AS e"), "temp.keys"
    models = around(model)
    restricted_sql(model, models, keys, [date(2026, 1, 1), date(2026, 1, 2)])
    restricted_sql(model, models, "temp.others", days)
    assert restricted_sql(model, models, keys, days) == restrict(model, models, keys, days).sql(
        "duckdb", comments=False
    )


def test_rows_that_are_put_in_place_of_others_need_a_key() -> None:
    body = f"SELECT {KEY} FROM raw.events AS e"
    keyless = made(body, key="")
    with pytest.raises(ModelError, match=r"^intermediate\.x: `incremental` needs a key"):
        check_incremental(keyless, around(keyless))
    view = made(body, "materialized: view\nincremental: [account_key]", key="")
    check_incremental(view, around(view))  # nothing is put in place in a view
