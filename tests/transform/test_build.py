"""A build changes everything or nothing, and says which model, which line, which rows."""

import pytest
from tests.transform.project import Project

import trialwise.transform.build as build_module
from trialwise.engines.duckdb import Engine
from trialwise.errors import CheckFailed, ModelError
from trialwise.transform.build import build, build_in_transaction, build_models, create_schemas, sketch
from trialwise.transform.graph import order
from trialwise.transform.keys import check_incremental

SIZES = """SELECT
  CAST(i.id AS BIGINT) AS id, -- the item
  CAST(i.size AS INTEGER) AS size -- its size
FROM {table} AS i
"""


def write_sizes(project: Project, more: str = "") -> None:
    project.write("staging.items", SIZES.format(table="raw.items"))
    project.write("marts.sizes", SIZES.format(table="staging.items"), more)


def test_views_and_tables_are_built_in_order_with_rows_and_progress(project: Project, items: Engine) -> None:
    write_sizes(project)
    seen: list[tuple[str, int, int]] = []
    report = build(items, project.models(), lambda *step: seen.append(step))
    assert [(built.name, built.rows) for built in report.models] == [("staging.items", None), ("marts.sizes", 3)]
    assert all(built.seconds >= 0 for built in report.models)
    assert seen == [("staging.items", 0, 2), ("marts.sizes", 1, 2), ("checks", 2, 2)]
    assert items.rows("SELECT id, size FROM marts.sizes ORDER BY id") == [(1, 10), (2, 20), (3, None)]
    assert report.warnings == ()
    assert {result.check for result in report.checks} == {"key [id] is unique"}


def test_external_tables_that_are_missing_are_created_empty(project: Project, engine: Engine) -> None:
    write_sizes(project)
    report = build(engine, project.models())
    assert report.models[1].rows == 0
    assert engine.columns("SELECT * FROM raw.items") == [("id", "INTEGER"), ("size", "INTEGER")]


def test_a_table_that_becomes_a_view_and_back(project: Project, items: Engine) -> None:
    for more, kind in (("", "BASE TABLE"), ("materialized: view\n", "VIEW"), ("", "BASE TABLE")):
        write_sizes(project, more)
        build(items, project.models())
        found = items.rows("SELECT table_type FROM information_schema.tables WHERE table_name = 'sizes'")
        assert found == [(kind,)]


def test_a_renamed_column_names_model_line_and_cause_and_changes_nothing(project: Project, items: Engine) -> None:
    write_sizes(project)
    build(items, project.models())
    path = project.write("staging.items", SIZES.format(table="raw.items").replace("AS size", "AS length"))
    with pytest.raises(ModelError) as caught:
        build(items, project.models())
    # the header has five lines, the column stands on the third line of the query
    assert caught.value.message.startswith("marts.sizes, line 8: Binder Error: ")
    assert caught.value.message.endswith('does not have a column named "size"')
    assert caught.value.hint == f"See {path.parents[1] / 'marts' / 'sizes.sql'}."
    assert items.rows("SELECT count(size) FROM marts.sizes") == [(2,)]
    assert items.rows("SELECT count(size) FROM staging.items") == [(2,)]


def test_an_error_while_running_has_no_line_to_name(project: Project, items: Engine) -> None:
    project.write(
        "marts.sizes",
        "SELECT\n  CAST(CASE WHEN i.size = 20 THEN 'x' ELSE '1' END AS BIGINT) AS id -- item\nFROM raw.items AS i\n",
    )
    with pytest.raises(ModelError, match=r"^marts.sizes(, line \d+)?: Conversion Error: Could not convert string …"):
        build(items, project.models())


def test_a_failing_check_leaves_the_tables_as_they_were(project: Project, items: Engine) -> None:
    write_sizes(project, "not_null: [size]\n")
    items.execute("UPDATE raw.items SET size = 30 WHERE id = 3")
    build(items, project.models())
    items.execute("UPDATE raw.items SET size = NULL WHERE id > 1")
    with pytest.raises(CheckFailed) as caught:
        build(items, project.models())
    assert caught.value.exit_code == 3
    assert caught.value.message == "marts.sizes: check 'size is not null' found 2 bad rows: id=2; id=3"
    assert caught.value.hint == "The results published before stay as they were."
    assert items.rows("SELECT id, size FROM marts.sizes ORDER BY id") == [(1, 10), (2, 20), (3, 30)]


def test_a_warning_is_reported_and_does_not_block(project: Project, items: Engine) -> None:
    write_sizes(
        project,
        "checks:\n  - {name: sizes_known, level: warn, sql: SELECT id FROM marts.sizes WHERE size IS NULL}\n",
    )
    report = build(items, project.models())
    assert [(w.check, w.bad_rows, w.sample) for w in report.warnings] == [("sizes_known", 1, ("id=3",))]


def test_cycle_and_unknown_table_stop_before_anything_runs(project: Project, items: Engine) -> None:
    write_sizes(project)
    build(items, project.models())
    project.write("marts.more", SIZES.format(table="marts.size"))
    with pytest.raises(ModelError, match=r"did you mean 'marts.sizes'"):
        build(items, project.models())
    project.write("marts.more", SIZES.format(table="marts.other"))
    project.write("marts.other", SIZES.format(table="marts.more"))
    with pytest.raises(ModelError, match="in a circle"):
        build(items, project.models())
    assert items.rows("SELECT count(*) FROM marts.sizes") == [(3,)]


@pytest.mark.parametrize(("at_once", "parts"), [(1, 3), (2, 2), (3, 1), (100, 1)])
def test_a_model_is_built_so_many_keys_at_once(
    project: Project, items: Engine, at_once: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("staging.items", SIZES.format(table="raw.items"))
    ranked = SIZES.replace("CAST(i.size AS INTEGER)", "CAST(max(i.size) OVER (PARTITION BY i.id) AS INTEGER)")
    project.write("marts.sizes", ranked.format(table="staging.items"), f"incremental: [id]\nat_once: {at_once}\n")
    ran: list[str] = []
    monkeypatch.setattr(build_module, "run", lambda engine, model, sql: ran.append(sql) or engine.rows(sql))
    for _ in range(2):
        report = build(items, project.models())
        assert report.models[1].rows == 3
        assert items.rows("SELECT id, size FROM marts.sizes ORDER BY id") == [(1, 10), (2, 20), (3, None)]
    assert sum("marts.sizes AS" in sql or "INTO marts.sizes" in sql for sql in ran) == 2 * parts


def test_keys_at_once_are_of_incremental_models(project: Project) -> None:
    write_sizes(project, "at_once: 2\n")
    models = project.models()
    with pytest.raises(ModelError, match="it has no `incremental`"):
        check_incremental(models["marts.sizes"], models)


def test_the_transaction_may_be_the_callers(project: Project, items: Engine) -> None:
    write_sizes(project, "accepted: {size: [10]}\n")
    with pytest.raises(CheckFailed, match="size is an accepted value"), items.transaction():
        items.execute("INSERT INTO raw.items VALUES (4, 40)")
        build_in_transaction(items, project.models())
    assert items.rows("SELECT count(*) FROM raw.items") == [(3,)]


def test_progress_is_optional_inside_a_transaction(project: Project, items: Engine) -> None:
    write_sizes(project)
    with items.transaction():
        report = build_in_transaction(items, project.models())
    assert len(report.models) == 2


@pytest.mark.parametrize("materialized", ["table", "view"])
def test_a_sketch_holds_the_columns_asked_for_until_the_model_is_built(
    project: Project, items: Engine, materialized: str
) -> None:
    write_sizes(project, f"materialized: {materialized}\n")
    models = project.models()
    build(items, models)
    kinds = create_schemas(items, models)
    sketch(items, models["marts.sizes"], {"size", "no_column_of_it"}, kinds)
    assert items.rows("SELECT * FROM marts.sizes ORDER BY size") == [(10,), (20,), (None,)]
    built = build_models(items, order(models), kinds)
    assert [model.name for model in built] == ["staging.items", "marts.sizes"]
    assert items.rows("SELECT * FROM marts.sizes ORDER BY id") == [(1, 10), (2, 20), (3, None)]


def test_a_model_may_be_built_twice_in_one_transaction_whatever_it_was_before(project: Project, items: Engine) -> None:
    write_sizes(project, "materialized: view\n")
    build(items, project.models())
    write_sizes(project)
    models = project.models()
    with items.transaction():
        kinds = create_schemas(items, models)
        assert kinds["marts.sizes"] == "VIEW"
        build_models(items, order(models), kinds)
        assert kinds["marts.sizes"] == "BASE TABLE"
        assert build_models(items, [models["marts.sizes"]], kinds)[0].rows == 3
