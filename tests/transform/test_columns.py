"""Columns a query names are looked up before it meets data."""

from __future__ import annotations

import pytest
from tests.transform.project import Project

from trialwise import composition
from trialwise.config import Config
from trialwise.errors import ModelError
from trialwise.transform.columns import check_columns
from trialwise.transform.lint import lint

QUERY = """WITH big AS (SELECT i.id, i.size AS width FROM raw.items AS i)
SELECT
  CAST({column} AS BIGINT) AS id -- one
FROM big AS b
"""


@pytest.mark.parametrize("column", ["b.id", "b.width", "width"])
def test_columns_of_tables_and_ctes_are_there(project: Project, column: str) -> None:
    project.write("metrics.x", QUERY.format(column=column))
    models = project.models()
    check_columns(models["metrics.x"], models)
    check_columns(models["raw.items"], models)
    assert lint(models) == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("b.wdth", r"metrics\.x, line 8: no column wdth; did you mean 'width'\?"),
        ("b.size", r"metrics\.x: no column size in one of the tables it is read from"),
        ("nothing_like_it", r"metrics\.x, line 8: no column nothing_like_it"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_its_line(project: Project, column: str, message: str) -> None:
    path = project.write("metrics.x", QUERY.format(column=column))
    models = project.models()
    with pytest.raises(ModelError, match=message) as caught:
        check_columns(models["metrics.x"], models)
    assert str(path) in (caught.value.hint or "")
    ((finding),) = lint(models)
    assert (finding.model, finding.rule) == ("metrics.x", "ColumnsExist")
    assert "no column" in finding.found


def test_a_table_nobody_defines_is_a_finding(project: Project) -> None:
    project.write("metrics.x", "SELECT\n  CAST(i.id AS BIGINT) AS id -- one\nFROM raw.itms AS i\n")
    (finding,) = lint(project.models())
    assert finding.found == "raw.itms is not defined; did you mean 'raw.items'?"


def test_every_shipped_query_resolves() -> None:
    models = composition.models(Config())
    for model in models.values():
        check_columns(model, models)
    assert sum(model.query is not None for model in models.values()) > 50
