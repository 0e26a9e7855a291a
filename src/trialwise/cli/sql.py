"""`trialwise sql`: the published tables asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import As, AsOf, Folder, Format, KnownAt, Output, examples
from trialwise.cli.streams import show
from trialwise.cli.workspaces import read_results

app = typer.Typer()


@app.command(epilog=examples('trialwise sql "SELECT outcome, count(*) FROM marts.trials GROUP BY outcome"'))
def sql(
    text: Annotated[str, typer.Argument(help="One SELECT over the published tables (docs/models.md).")],
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Ask the published tables; nothing can be changed, no file be read."""
    results = read_results(folder, as_of, known_at)
    show(results.sql(text), form, output, results)
