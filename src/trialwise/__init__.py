"""trialwise: the open PQL metrics engine.

`trialwise.open(path)` reads a workspace's published results as polars frames; everything else is the
command line's (`trialwise --help`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from trialwise.delivery.generation import Generation

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(path: str | Path = ".", *, as_of: str | None = None, known_at: str | None = None) -> Generation:
    """Open the published results of the workspace at `path`, read-only.

    `as_of` and `known_at` (a date: the end of that local day; or an instant) give the results of that moment,
    computed once and kept. Raises NotFoundError when nothing has been published yet, ConfigError for a bad
    trialwise.toml.
    """
    from trialwise.owner.asking import open_results
    from trialwise.workspace import Workspace

    return open_results(Workspace.open(path), as_of=as_of, known_at=known_at)
