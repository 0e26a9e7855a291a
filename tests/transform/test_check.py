"""Each kind of check, on rows that hold and rows that do not."""

import pytest
from tests.transform.project import Project

from trialwise.engines.duckdb import Engine
from trialwise.errors import CheckFailed, ModelError
from trialwise.transform.check import CheckResult, checks_of, raise_failed, run_checks

BODY = """SELECT
  CAST(i.id AS BIGINT) AS id, -- the item
  CAST(i.size AS INTEGER) AS size, -- its size
  CAST('a' AS VARCHAR) AS owner -- whose it is
FROM raw.items AS i
"""


@pytest.mark.parametrize(
    ("more", "rows", "check", "bad", "sample"),
    [
        ("", "(1, 1, 'a'), (1, 2, 'a'), (2, 1, 'a')", "key [id] is unique", 1, "id=1, copies=2"),
        ("not_null: [size]\n", "(1, NULL, 'a'), (2, 1, 'a')", "size is not null", 1, "id=1"),
        ("incremental: [id]\n", "(NULL, 1, 'a')", "id is not null", 1, "id=None"),
        ("accepted: {owner: [a, b]}\n", "(1, 1, 'a'), (2, 1, 'c')", "owner is an accepted value", 1, "id=2, owner=c"),
        ("accepted: {size: [1]}\n", "(1, 1, 'a'), (2, 3, 'c')", "size is an accepted value", 1, "id=2, size=3"),
        (
            "determines: {owner: size}\n",
            "(1, 1, 'a'), (2, 1, 'a'), (3, 2, 'b'), (4, 3, 'b')",
            "owner determines size",
            1,
            "owner=b, one=2, other=3",
        ),
        (
            "checks: [{name: small, sql: SELECT id FROM marts.x WHERE size > 5;}]\n",
            "(1, 6, 'a'), (2, 7, 'b'), (3, 5, 'b')",
            "small",
            2,
            "id=1",
        ),
    ],
)
def test_bad_rows_are_found(
    project: Project, engine: Engine, more: str, rows: str, check: str, bad: int, sample: str
) -> None:
    project.write("marts.x", BODY, more)
    engine.execute("CREATE SCHEMA marts")
    engine.execute(f"CREATE TABLE marts.x AS SELECT * FROM (VALUES {rows}) AS v (id, size, owner)")
    results = {result.check: result for result in run_checks(engine, [project.models()["marts.x"]])}
    assert results[check].bad_rows == bad
    assert results[check].sample[0] == sample
    assert all(result.bad_rows == 0 for name, result in results.items() if name != check)


def test_null_is_an_accepted_value_unless_not_null_forbids_it(project: Project, engine: Engine) -> None:
    project.write("marts.x", BODY, "accepted: {owner: [a]}\n")
    engine.execute("CREATE SCHEMA marts")
    engine.execute("CREATE TABLE marts.x AS SELECT 1 AS id, 1 AS size, CAST(NULL AS VARCHAR) AS owner")
    assert [r.bad_rows for r in run_checks(engine, [project.models()["marts.x"]])] == [0, 0]


def test_a_key_the_loader_keeps_is_not_counted_again(project: Project) -> None:
    project.write("marts.x", BODY, "unique_by: load\nnot_null: [size]\n")
    assert [query.check for query in checks_of(project.models()["marts.x"])] == ["size is not null"]


def test_a_model_without_promises_has_no_checks(project: Project) -> None:
    path = project.write("marts.x", BODY)
    path.write_text("/*\ndescription: a\n*/\n" + BODY, encoding="utf-8")
    assert list(checks_of(project.models()["marts.x"])) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("not_null: [sise]\n", "marts.x: what its header promises cannot be checked: Binder Error"),
        ("checks: [{name: c, sql: SELECT nope FROM marts.x}]\n", "marts.x: check 'c' cannot run: Binder Error"),
    ],
)
def test_a_check_that_cannot_run_names_itself(project: Project, engine: Engine, more: str, message: str) -> None:
    project.write("marts.x", BODY, more)
    engine.execute("CREATE SCHEMA marts")
    engine.execute("CREATE TABLE marts.x AS SELECT 1 AS id, 1 AS size, 'a' AS owner")
    with pytest.raises(ModelError) as caught:
        run_checks(engine, [project.models()["marts.x"]])
    assert caught.value.message.startswith(message)


def test_all_failing_checks_are_named_and_warnings_do_not_raise() -> None:
    def result(check: str, level: str, bad: int) -> CheckResult:
        return CheckResult("marts.x", check, level, bad, ("id=1",), 0.0)  # type: ignore[arg-type]

    raise_failed([result("a", "warn", 3), result("b", "fail", 0)])
    with pytest.raises(CheckFailed) as caught:
        raise_failed([result("a", "fail", 1), result("b", "warn", 1), result("c", "fail", 2)])
    assert caught.value.message == (
        "marts.x: check 'a' found 1 bad row: id=1\nmarts.x: check 'c' found 2 bad rows: id=1"
    )
