"""`trialwise refresh`: the numbers computed and published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import AsOf, Folder, KnownAt, examples
from trialwise.cli.reports import say_refreshed
from trialwise.cli.workspaces import open_workspace
from trialwise.errors import InputError

app = typer.Typer()


@app.command(
    epilog=examples(
        "trialwise refresh", "trialwise refresh --as-of 2026-03-01 --known-at 2026-03-05 --into march.duckdb"
    )
)
def refresh(
    as_of: AsOf = None,
    known_at: KnownAt = None,
    into: Annotated[Path | None, typer.Option(help="Write the results to a file of their own.")] = None,
    folder: Folder = Path(),
) -> None:
    """Load what was imported, compute every number, check it, publish it."""
    from trialwise.owner.asking import refresh as run
    from trialwise.pipeline import workspace_clock
    from trialwise.progress import progress

    workspace = open_workspace(folder)
    workspace_clock(workspace, as_of, known_at)
    if into is not None and not into.resolve().parent.is_dir():
        raise InputError(f"no folder {into.resolve().parent}", "Make it, or name another file with --into.")
    if into is None and (as_of or known_at):
        raise InputError(
            "a past moment is not published over the present one",
            "Add --into FILE, or ask for it where you read: trialwise metrics NAME --as-of DATE.",
        )
    with progress("refresh") as report:
        done = run(workspace, as_of=as_of, known_at=known_at, into=into, progress=report)
    say_refreshed(done)
