"""The loader's SQL, kept as files: sql/raw creates the tables, sql/load fills them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from trialwise.engines.duckdb import Engine

_NAME = re.compile(r"\$([a-z_]+)")
_COMMENT = re.compile(r"--[^\n]*")


@cache
def sql_folder() -> Path:
    """Where the shipped SQL lies: inside the installed package, or beside src/ in a checkout."""
    shipped = Path(str(resources.files("trialwise"))) / "sql"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "sql"


@cache
def own_tables() -> tuple[str, ...]:
    """Raw tables of single sources: `sql/raw/<name>.sql` makes one, `sql/load/into_<name>.sql` fills it."""
    return tuple(sorted(path.stem.removeprefix("into_") for path in (sql_folder() / "load").glob("into_*.sql")))


@cache
def statement(name: str) -> str:
    """The text of sql/load/<name>.sql."""
    return (sql_folder() / "load" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def _names(name: str) -> frozenset[str]:
    return frozenset(_NAME.findall(_COMMENT.sub("", statement(name))))


def needs(name: str, value: str) -> bool:
    """Whether a statement of sql/load names a value."""
    return value in _names(name)


def run(engine: Engine, name: str, values: Mapping[str, Any] | None = None) -> None:
    """Execute a statement of sql/load with those of `values` it names."""
    engine.execute(statement(name), _chosen(name, values))


def rows(engine: Engine, name: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """The rows of a query of sql/load."""
    return engine.rows(statement(name), _chosen(name, values))


def _chosen(name: str, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    names = _names(name)
    return {key: (values or {})[key] for key in names} if names else None
