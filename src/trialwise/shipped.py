"""The SQL that ships with trialwise, and where a workspace's own lies over it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from trialwise.errors import NotFoundError

STATEMENT_FOLDERS = ("load",)
"""Statements of the loader: they write raw tables and are no models."""


def packaged_sql() -> Path:
    """The folder of the shipped SQL: inside the installed package, in a checkout the repository's `sql/`.

    Raises NotFoundError when neither is there.
    """
    inside = Path(__file__).parent / "sql"
    beside = inside.parents[2] / "sql"
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise NotFoundError(f"the shipped SQL is missing at {inside}", "Install trialwise again.")


def roots(own: Path | None = None) -> list[Path]:
    """Where models lie: the shipped ones, then the user's own folder when there is one."""
    return [packaged_sql(), *([own] if own is not None and own.is_dir() else [])]


def find_files(roots: Iterable[Path]) -> dict[str, Path]:
    """The model files below the roots by `schema.table`; a later root overrides an earlier one."""
    found: dict[str, Path] = {}
    for root in roots:
        for path in sorted(root.glob("*/*.sql")):
            if path.parent.name in STATEMENT_FOLDERS:
                continue
            found[f"{path.parent.name}.{path.stem}"] = path
    return found


def digest(roots: Iterable[Path]) -> str:
    """Names the text of all SQL below the roots, statements of the loader too, and where it lies."""
    found = hashlib.sha256()
    for path in sorted((path for root in roots for path in root.glob("*/*.sql")), key=str):
        found.update(f"{path} ".encode() + path.read_bytes())
    return found.hexdigest()
