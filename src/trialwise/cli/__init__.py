"""The command line: names, options and help. What a command does stands in the modules it calls.

Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from trialwise.cli import (
    backup,
    doctor,
    forget,
    history,
    imports,
    keys,
    models,
    operations,
    quarantine,
    refresh,
    results,
    runs,
    segments,
    sql,
    start,
)
from trialwise.cli.streams import fail
from trialwise.cli.workspaces import say_recovered
from trialwise.errors import TrialwiseError


class _Root(TyperGroup):
    """The commands, whose wrong options are told without the word of the library that found them."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    name="trialwise",
    cls=_Root,
    help="The open PQL metrics engine: which trials use the product in earnest, and what the conversion rate truly is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (
    start,
    refresh,
    results,
    history,
    operations,
    backup,
    models,
    doctor,
    sql,
):  # in the order of the help page
    app.add_typer(part.app)
app.add_typer(imports.app, name="import")
app.add_typer(segments.app, name="segments")
app.add_typer(history.history, name="history")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(runs.app, name="runs")
app.add_typer(keys.app, name="keys")
app.add_typer(backup.backups, name="backup")
app.add_typer(forget.app, name="forget")


def main() -> None:
    """Entry point: one line per error the user can mend, exit codes as documented (0, 1, 2, 3)."""
    try:
        try:
            app()
        finally:
            say_recovered()
    except TrialwiseError as error:
        fail(str(error), error.exit_code)
    except PermissionError as error:  # of any file, whichever command met it
        fail(f"no permission for {error.filename or error}\nRun it as the user it belongs to, or have rights given.", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt as stop:
        fail(str(stop) or "stopped; what was there before is unchanged", 130)


def _print_version(wanted: bool) -> None:
    if wanted:
        from trialwise import __version__

        sys.stdout.write(f"trialwise {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """The open PQL metrics engine: which trials use the product in earnest, and what the conversion rate truly is."""
