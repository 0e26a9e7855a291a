"""Models written in a test: `project.write("marts.x", ...)` and `project.models()`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trialwise.transform.expand import Expansion
from trialwise.transform.model import Model, load_models

HEADER = "/*\ndescription: Rows of a test.\ngrain: one row per id\nkey: [id]\n{more}*/\n"


@dataclass(frozen=True)
class Project:
    """A folder with `sql/`."""

    root: Path

    def write(self, name: str, body: str, more: str = "") -> Path:
        """Write `sql/<schema>/<table>.sql` with a header; `more` is added to the header."""
        path = self.root / "sql" / f"{name.replace('.', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER.format(more=more) + body, encoding="utf-8")
        return path

    def models(self, expansion: Expansion | None = None) -> dict[str, Model]:
        """All models of the folder."""
        return load_models([self.root / "sql"], expansion)
