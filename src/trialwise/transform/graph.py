"""The order in which models are built: every table after the tables it reads."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from trialwise.errors import ModelError, nearest
from trialwise.transform.model import Model


def order(models: Mapping[str, Model]) -> list[Model]:
    """The models to build, dependencies first, ties by name. External tables and queries are left out.

    Raises ModelError for a table nobody defines (with the nearest name) and for a cycle (with its path).
    """
    for model in models.values():
        for table in model.reads:
            if table not in models:
                raise ModelError(
                    f"{model.name} reads {table}, which no file of sql/ defines{nearest(table, models)}",
                    f"Write sql/{table.replace('.', '/')}.sql or correct the name in {model.path}.",
                )
    built = {name: model for name, model in models.items() if model.kind == "model"}
    sorter = TopologicalSorter({name: [t for t in built[name].reads if t in built] for name in sorted(built)})
    try:
        sorter.prepare()
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise ModelError(f"models read each other in a circle: {path}", "Take one of these reads out.") from error
    ordered: list[Model] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += [built[name] for name in ready]
        sorter.done(*ready)
    return ordered


def upstream(models: Mapping[str, Model], name: str) -> set[str]:
    """The names of all tables `name` depends on, itself left out."""
    return _reach({model.name: model.reads for model in models.values()}, name)


def downstream(models: Mapping[str, Model], name: str) -> set[str]:
    """The names of all models that depend on `name`, itself left out."""
    readers: dict[str, list[str]] = {}
    for model in models.values():
        for table in model.reads:
            readers.setdefault(table, []).append(model.name)
    return _reach({table: tuple(names) for table, names in readers.items()}, name)


def _reach(edges: Mapping[str, tuple[str, ...]], name: str) -> set[str]:
    found: set[str] = set()
    waiting = list(edges.get(name, ()))
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            waiting += edges.get(table, ())
    return found
