"""The SQL that ships with trialwise."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from trialwise.errors import NotFoundError


def packaged_sql() -> Path:
    """The folder of the shipped SQL: inside the installed package, in a checkout the repository's `sql/`.

    Raises NotFoundError when neither is there.
    """
    inside = Path(str(resources.files("trialwise"))) / "sql"
    beside = inside.parents[2] / "sql"
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise NotFoundError(f"the shipped SQL is missing at {inside}", "Install trialwise again.")
