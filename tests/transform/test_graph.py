"""Order, and the two errors that stop before anything runs."""

import itertools

import pytest
from tests.transform.project import Project

from trialwise.errors import ModelError
from trialwise.transform.graph import downstream, order, upstream


def reading(table: str) -> str:
    return f"SELECT CAST(t.id AS BIGINT) AS id -- the item\nFROM {table} AS t\n"


def test_dependencies_come_first_and_ties_by_name(project: Project) -> None:
    project.write("marts.a", reading("intermediate.z"))
    project.write("intermediate.z", reading("staging.items"))
    project.write("intermediate.b", reading("staging.items"))
    project.write("staging.items", reading("raw.items"))
    models = project.models()
    assert [model.name for model in order(models)] == ["staging.items", "intermediate.b", "intermediate.z", "marts.a"]
    assert upstream(models, "marts.a") == {"intermediate.z", "staging.items", "raw.items"}
    assert downstream(models, "staging.items") == {"intermediate.b", "intermediate.z", "marts.a"}
    assert downstream(models, "marts.a") == set()


def test_a_cyclic_model_names_the_path(project: Project) -> None:
    project.write("marts.a", reading("marts.b"))
    project.write("marts.b", reading("marts.c"))
    project.write("marts.c", reading("marts.a"))
    with pytest.raises(ModelError) as caught:
        order(project.models())
    message = caught.value.message
    assert message.startswith("models read each other in a circle: ")
    path = message.removeprefix("models read each other in a circle: ").split(" -> ")
    assert path[0] == path[-1]
    steps = {"marts.a": "marts.b", "marts.b": "marts.c", "marts.c": "marts.a"}
    assert all(steps[reader] == read for reader, read in itertools.pairwise(path))


def test_an_unknown_table_names_the_nearest(project: Project) -> None:
    project.write("marts.a", reading("raw.itemz"))
    with pytest.raises(ModelError) as caught:
        order(project.models())
    assert caught.value.message == ("marts.a reads raw.itemz, which no file of sql/ defines; did you mean 'raw.items'?")
