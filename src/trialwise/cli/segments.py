"""`trialwise segments`: what there is, a condition tried out, the columns it may speak of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import As, AsOf, Folder, Format, KnownAt, Output, examples
from trialwise.cli.streams import say, show
from trialwise.cli.workspaces import open_workspace, read_results

app = typer.Typer(invoke_without_command=True, help="Segments, and a condition tried out.")


@app.callback(epilog=examples("trialwise segments", 'trialwise segments preview "active_days_7d >= 4"'))
def segments(
    context: typer.Context,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Every segment with its size, or `preview` a condition."""
    if context.invoked_subcommand is None:
        results = read_results(folder, as_of, known_at)
        show(results.segments(), form, output, results)


@app.command("preview", epilog=examples("trialwise segments preview \"usage_band = 'heavy' AND NOT card_on_file\""))
def preview(
    expression: Annotated[str, typer.Argument(help="A condition over the columns of intermediate.trial_days.")],
    every: Annotated[bool, typer.Option("--all", help="Also trials that have ended, inside their horizon.")] = False,
    limit: Annotated[int | None, typer.Option(help="At most this many rows.", min=1)] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Count and show the trials a condition holds for, before it is in the configuration."""
    from trialwise.answers import preview_segment

    workspace = open_workspace(folder)
    results = read_results(folder, as_of, known_at)
    found = preview_segment(workspace, expression, results, everyone=every)
    say(f"{found.members.height:,} of {found.looked_at:,} trials")
    show(found.members.head(limit) if limit else found.members, form, output, results)


@app.command("columns", epilog=examples("trialwise segments columns", "trialwise segments columns -f csv"))
def columns(form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """The columns conditions may speak of, with type and meaning, and whether score rules may read them."""
    import polars as pl

    from trialwise.composition import catalogue_columns

    workspace = open_workspace(folder)
    found = catalogue_columns(workspace.config, workspace.models)
    rows = [(column.column, column.type, column.for_scoring, column.description) for column in found]
    show(pl.DataFrame(rows, ("column", "type", "for_scoring", "description"), orient="row"), form, output)
