"""`trialwise refresh`: the numbers computed and published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import As, AsOf, Folder, Format, KnownAt, Output, examples
from trialwise.cli.reports import say_lost, say_refreshed, say_unchanged, steps_frame
from trialwise.cli.streams import show
from trialwise.cli.workspaces import open_workspace
from trialwise.errors import InputError

app = typer.Typer()


@app.command(
    epilog=examples(
        "trialwise refresh",
        "trialwise refresh --explain",
        "trialwise refresh --full",
        "trialwise refresh --as-of 2026-03-01 --known-at 2026-03-05 --into march.duckdb",
    )
)
def refresh(
    as_of: AsOf = None,
    known_at: KnownAt = None,
    into: Annotated[Path | None, typer.Option(help="Write the results to a file of their own.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Build every model whole; the numbers are the same.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Only say what would be done to each model, and why; publish nothing.")
    ] = False,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Load what was imported, bring every number up to date, check it, publish it.

    What did not change is left alone, and where little changed only that is worked out anew.
    """
    from trialwise import standstill
    from trialwise.history import History
    from trialwise.progress import progress

    workspace = open_workspace(folder)
    workspace.clock(as_of, known_at)
    if into is not None:
        _check_into(into, workspace.data)
    if into is None and (as_of or known_at):
        raise InputError(
            "a past moment is not published over the present one",
            "Add --into FILE, or ask for it where you read: trialwise metrics NAME --as-of DATE.",
        )
    if not (into or full or explain) and (found := standstill.confirm(workspace)) is not None:
        say_unchanged(found, workspace.clock())
        say_lost(History(workspace.data))
        return
    from trialwise.owner.asking import plan  # after the look that needs neither models nor store
    from trialwise.owner.asking import refresh as run

    if explain:
        if into is not None or as_of or known_at:
            raise InputError("--explain is of the next refresh, not of a past moment", "Leave the other options out.")
        with progress("refresh") as report:
            steps = plan(workspace, full=full, progress=report)
        show(steps_frame(steps), form, output)
        return
    with progress("refresh") as report:
        done = run(workspace, as_of=as_of, known_at=known_at, into=into, full=full, progress=report)
    say_refreshed(done)
    say_lost(History(workspace.data))


def _check_into(into: Path, data: Path) -> None:
    """Refuse a file that results may not replace: one of the workspace's own, or one that holds something else."""
    from trialwise.delivery import publishing

    path = into.resolve()
    if not path.parent.is_dir():
        raise InputError(f"no folder {path.parent}", "Make it, or name another file with --into.")
    if path.is_relative_to(data.resolve()):
        raise InputError(f"{into} lies in {data}, which is the workspace's own", "Name a file elsewhere with --into.")
    if path.exists() and not publishing.is_results(path):
        raise InputError(
            f"{into} is there, and holds no results of trialwise", "Remove it, or name another file with --into."
        )
