"""Each lint rule on a model that breaks it; a clean model breaks none."""

import pytest
from tests.transform.project import Project

from trialwise.transform.lint import lint

CLEAN = "SELECT\n  CAST(i.id AS BIGINT) AS id -- the item\nFROM {table} AS i\n"


def found(project: Project) -> list[tuple[str, str, int | None, str]]:
    return [(f.model, f.rule, f.line, f.found) for f in lint(project.models())]


def test_a_clean_project_has_no_findings(project: Project) -> None:
    project.write("staging.items", CLEAN.format(table="raw.items"))
    project.write("intermediate.items", CLEAN.format(table="staging.items"), "incremental: [id]\n")
    assert found(project) == []


def test_a_finding_reads_as_place_rule_and_message(project: Project) -> None:
    path = project.write("marts.x", CLEAN.format(table="raw.items"))
    path.write_text(path.read_text(encoding="utf-8").replace("grain: one row per id\n", ""), encoding="utf-8")
    assert [str(finding) for finding in lint(project.models())] == [
        "marts.x: HeaderComplete: no grain. The header states description, grain and key."
    ]


def test_the_header_may_only_name_columns(project: Project) -> None:
    project.write("marts.x", CLEAN.format(table="raw.items"), "not_null: [idd]\naccepted: {size: [1]}\n")
    assert found(project) == [
        ("marts.x", "HeaderNamesColumns", None, "no column idd; did you mean 'id'?"),
        ("marts.x", "HeaderNamesColumns", None, "no column size"),
    ]


@pytest.mark.parametrize(
    ("column", "rule", "message"),
    [
        ("i.id AS id -- the item", "ColumnsCast", "column id is not cast"),
        ("CAST(i.id AS HUGEINT) AS id -- the item", "ColumnsCast", "column id is HUGEINT, not one of"),
        ("CAST(i.id AS BIGINT) AS id", "ColumnsDocumented", "column id has no comment"),
    ],
)
def test_columns_are_cast_and_documented(project: Project, column: str, rule: str, message: str) -> None:
    project.write("marts.x", f"SELECT\n  {column}\nFROM raw.items AS i\n")
    ((_, broken, _, said),) = found(project)
    assert (broken, said.startswith(message)) == (rule, True)


def test_a_star_in_the_last_select_is_no_column(project: Project) -> None:
    project.write("marts.x", "SELECT * FROM raw.items AS i\n")
    assert ("marts.x", "ColumnsCast", None, "a column without a name, or *, in the last SELECT") in found(project)


def test_an_external_column_needs_a_comment(project: Project) -> None:
    project.write("raw.more", "CREATE TABLE raw.more (id INTEGER)\n")
    assert found(project) == [("raw.more", "ColumnsDocumented", None, "column id has no comment")]


def test_staging_reads_one_raw_table(project: Project) -> None:
    project.write(
        "staging.items", CLEAN.format(table="raw.items").replace("AS i\n", "AS i\nJOIN raw.items AS j ON TRUE\n")
    )
    project.write("staging.more", CLEAN.format(table="staging.items"))
    assert found(project) == [
        ("staging.items", "StagingHasNoJoins", 9, "a join"),
        ("staging.more", "StagingHasNoJoins", None, "reads staging.items, expected one raw table"),
    ]


@pytest.mark.parametrize("call", ["current_date", "now()", "random()", "uuid()", "get_current_timestamp()", "today()"])
def test_clock_and_chance_are_inputs(project: Project, call: str) -> None:
    project.write(
        "marts.x", f"SELECT\n  CAST(i.id AS BIGINT) AS id -- the item\nFROM raw.items AS i\nWHERE {call} IS NULL\n"
    )
    ((_, rule, line, _),) = found(project)
    assert rule == "NoClock"
    assert line is not None


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("QUALIFY row_number() OVER (PARTITION BY i.id ORDER BY i.size) = 1", "QUALIFY"),
        ("CROSS JOIN LATERAL (SELECT 1 AS one) AS l", "LATERAL"),
        ("WHERE (SELECT arg_max(j.id, j.size) FROM raw.items AS j) = 1", "arg_max"),
        ("WHERE (SELECT arg_min(j.id, j.size) FROM raw.items AS j) = 1", "arg_min"),
        ("ASOF JOIN raw.items AS j ON i.id >= j.id", "ASOF JOIN"),
        ("SEMI JOIN raw.items AS j ON i.id = j.id", "SEMI JOIN"),
        ("GROUP BY ALL", "GROUP BY ALL"),
        ("GROUP BY 1", "GROUP BY a number"),
        ("WHERE i.size = [1, 2][1]", "a list"),
        ("WHERE (SELECT list(j.id) FROM raw.items AS j) IS NULL", "a list"),
        ("WHERE {'a': 1} IS NULL", "a struct"),
        (
            (
                "WHERE (SELECT sum(j.size) OVER (ORDER BY j.id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) "
                "FROM raw.items AS j) = 1"
            ),
            "a RANGE frame",
        ),
        ("WHERE i.id IN (SELECT DISTINCT ON (j.id) j.id FROM raw.items AS j)", "DISTINCT ON"),
        (
            "WHERE i.id IN (WITH RECURSIVE r AS (SELECT 1 AS n) SELECT r.n FROM r)",
            "a recursive CTE",
        ),
    ],
)
def test_the_portable_subset(project: Project, rest: str, message: str) -> None:
    body = f"SELECT\n  CAST(i.id AS BIGINT) AS id -- the item\nFROM raw.items AS i\n{rest}\n"
    project.write("marts.x", body)
    assert ("PortableSubset", message) in {(rule, said) for _, rule, _, said in found(project)}
    assert all(line is not None for _, rule, line, _ in found(project) if rule == "PortableSubset")


def test_staging_may_take_json_apart(project: Project) -> None:
    project.write("staging.items", CLEAN.format(table="raw.items").replace("i.id AS", "[i.id][1] AS"))
    assert found(project) == []


def test_a_model_that_reads_dated_staging_rows_reads_the_clock(project: Project) -> None:
    dated = "SELECT\n  CAST(i.id AS BIGINT) AS id, -- the item\n  CAST(i.at AS TIMESTAMP) AS known_at -- when known\n"
    project.write("raw.dated", "CREATE TABLE raw.dated (\n id INTEGER, -- a\n at TIMESTAMP -- b\n)\n")
    project.write("config.clock", "CREATE TABLE config.clock (\n id INTEGER -- a\n)\n")
    project.write("staging.dated", dated + "FROM raw.dated AS i\n")
    project.write("intermediate.bare", CLEAN.format(table="staging.dated"))
    project.write(
        "intermediate.cut",
        CLEAN.format(table="staging.dated").replace("AS i\n", "AS i\nCROSS JOIN config.clock AS c\n"),
    )
    assert found(project) == [("intermediate.bare", "CutByClock", None, "reads staging.dated without config.clock")]


def test_a_broken_incremental_promise_is_a_finding(project: Project) -> None:
    project.write(
        "intermediate.x",
        "SELECT\n  CAST(i.id AS BIGINT) AS id, -- the item\n"
        "  CAST(sum(i.size) OVER (ORDER BY i.id) AS BIGINT) AS total -- so far\nFROM raw.items AS i\n",
        "incremental: [id]\n",
    )
    ((_, rule, _, said),) = found(project)
    assert rule == "IncrementalHolds"
    assert said.endswith("`SUM(i.size) OVER (ORDER BY i.id)` does not partition by the keys")


def test_a_model_is_at_most_150_lines(project: Project) -> None:
    project.write("marts.x", CLEAN.format(table="raw.items") + "\n" * 150)
    assert found(project) == [("marts.x", "OnePage", None, "158 lines")]
