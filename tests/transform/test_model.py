"""Reading one file: header, columns, what it reads, and clear errors for each of them."""

from pathlib import Path

import pytest
from tests.transform.project import Project

from trialwise.errors import ModelError
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.model import Column, Model, load_models, parse_model

SELECT = """SELECT
  CAST(i.id AS BIGINT) AS id, -- the item
  CAST(i.size AS INTEGER) AS size -- its size
FROM raw.items AS i
"""


def parsed(text: str, name: str = "marts.x") -> Model:
    return parse_model(name, text, Path("sql/marts/x.sql"))


def test_columns_come_from_the_casts_and_comments_of_the_last_select(project: Project) -> None:
    project.write("marts.sizes", SELECT, "not_null: [size]\n")
    model = project.models()["marts.sizes"]
    assert model.columns == (Column("id", "BIGINT", "the item"), Column("size", "INTEGER", "its size"))
    assert (model.schema, model.table, model.reads, model.kind) == ("marts", "sizes", ("raw.items",), "model")
    assert model.header.not_null == ("size",)
    assert model.sql == "SELECT CAST(i.id AS BIGINT) AS id, CAST(i.size AS INT) AS size FROM raw.items AS i"


def test_an_external_table_gives_its_columns_and_its_own_text(project: Project) -> None:
    model = project.models()["raw.items"]
    assert model.columns == (Column("id", "INTEGER", "the item"), Column("size", "INTEGER", "its size"))
    assert (model.kind, model.query, model.reads) == ("external", None, ())
    assert model.sql.startswith("/*")


@pytest.mark.parametrize(
    ("name", "more", "is_view", "is_published"),
    [
        ("staging.x", "", True, False),
        ("intermediate.x", "", False, False),
        ("marts.x", "", False, True),
        ("lists.x", "published: false\n", False, False),
        ("staging.x", "materialized: table\npublished: true\n", False, True),
    ],
)
def test_defaults_by_folder(project: Project, name: str, more: str, is_view: bool, is_published: bool) -> None:
    project.write(name, SELECT, more)
    model = project.models()[name]
    assert (model.is_view, model.is_published) == (is_view, is_published)


def test_a_later_root_overrides_by_name_and_loader_statements_are_no_models(tmp_path: Path) -> None:
    shipped, own = Project(tmp_path / "a"), Project(tmp_path / "b")
    shipped.write("marts.x", SELECT)
    shipped.write("load.fill", "INSERT INTO raw.items SELECT 1, 2")
    own.write("marts.x", SELECT.replace("AS size", "AS length"))
    roots = [shipped.root / "sql", own.root / "sql"]
    assert list(find_files(roots)) == ["marts.x"]
    assert load_models(roots)["marts.x"].column_names == ("id", "length")


def test_the_shipped_models_are_found() -> None:
    assert (packaged_sql() / "raw" / "events.sql").is_file()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("descriptoin: x", "marts.x: header: unknown key 'descriptoin'; did you mean 'description'?"),
        ("description: a\nkey: id", "marts.x: header: key: Input should be a valid tuple, found 'id'"),
        ("grain: one", "marts.x: header: description: Field required"),
        ("description: rows: all", "marts.x, line 2: the header is no YAML: mapping values are not allowed here"),
        ("just text", "marts.x: the header must be `key: value` lines, found str"),
        (
            "description: a\nchecks: [{name: c, sql: SELECT 1, levl: warn}]",
            "marts.x: header: unknown key 'levl' at checks.0.levl; did you mean 'level'?",
        ),
        (
            "description: a\nchecks: [{name: c, sql: SELECT 1, level: maybe}]",
            "marts.x: header: checks.0.level: Input should be 'fail' or 'warn', found 'maybe'",
        ),
    ],
)
def test_a_bad_header_names_the_key_and_the_nearest(header: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parsed(f"/*\n{header}\n*/\n{SELECT}")
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("SELECT 1 AS a; SELECT 2 AS b", "expected one statement, found 2"),
        ("DELETE FROM raw.items", "expected one SELECT, found DELETE"),
        ("SELECT\n  (1 AS a", "marts.x, line 5: Expecting )"),
        ("SELECT 'abc", "is a quote left open?"),
        ("SELECT a FROM itms", "marts.x, line 4: itms is no CTE of this model"),
        ("WITH items AS (SELECT 1 AS a)\nSELECT a FROM itms", "itms is no CTE of this model; did you mean 'items'?"),
        ("SELECT * FROM read_csv('x.csv')", "is a table function; models read tables"),
        # the engine takes C.AS_OF for c.as_of; what is told of a query by its names would not see it
        ("SELECT CAST(I.id AS BIGINT) AS id\nFROM raw.items AS i", "line 4: I: names are written in lower case"),
        ("SELECT CAST(i.ID AS BIGINT) AS id\nFROM raw.items AS i", "line 4: ID: names are written in lower case"),
        ("SELECT CAST(i.id AS BIGINT) AS id\nFROM raw.items AS I", "line 5: I: names are written in lower case"),
        ("SELECT CAST(i.id AS BIGINT) AS id\nFROM RAW.items AS i", "line 5: RAW: names are written in lower case"),
        ('SELECT CAST(i.id AS BIGINT) AS "Id"\nFROM raw.items AS i', "line 4: Id: names are written in lower case"),
        ("WITH N AS (SELECT 1 AS id) SELECT id FROM n", "line 4: N: names are written in lower case"),
        ("SELECT i.id FROM raw.items AS i JOIN raw.sizes AS s USING (Id)", "line 4: Id: names are written in lower"),
    ],
)
def test_a_bad_query_names_model_and_cause(body: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parsed(f"/*\ndescription: a\n*/\n{body}")
    assert message in caught.value.message
    assert caught.value.message.startswith("marts.x")


def test_a_file_without_header_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"marts.x: no header\nStart sql/marts/x.sql with a block comment"):
        parsed(SELECT)


def test_the_key_of_a_struct_is_data_and_keeps_its_spelling() -> None:
    model = parsed("/*\ndescription: a\n*/\nSELECT to_json({'Kind': 'A', 'of': i.id}) AS told FROM raw.items AS i")
    assert "'Kind'" in model.sql


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("marts.Trials", "marts.Trials: names of models are written in lower case"),
        ("state.models", "state.models: the schema state is kept for what trialwise notes itself"),
        ("main.mine", "main.mine: the schema main is kept"),
    ],
)
def test_names_that_are_anothers(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parsed(f"/*\ndescription: a\n*/\n{SELECT}", name)


def test_an_external_file_must_create_a_table() -> None:
    with pytest.raises(ModelError, match=r"raw.x: expected CREATE TABLE with columns, found SELECT"):
        parsed("/*\ndescription: a\n*/\nSELECT 1 AS a", "raw.x")
