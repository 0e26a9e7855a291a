"""`trialwise keys`: who may send to the server and ask it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import As, Folder, Format, Output, examples
from trialwise.cli.streams import say, show
from trialwise.cli.workspaces import open_workspace

app = typer.Typer(no_args_is_help=True, help="Who may send to the server and ask it; works while it runs.")


class Scope(StrEnum):
    """What a key may do; admin may do everything."""

    ingest = "ingest"
    read = "read"
    write = "write"
    admin = "admin"


@app.command(
    "create",
    epilog=examples("trialwise keys create website --scope ingest", "KEY=$(trialwise keys create bi --scope read)"),
)
def keys_create(
    name: Annotated[str, typer.Argument(help="What it is for; a new key may take the name of the one it replaces.")],
    scopes: Annotated[list[Scope], typer.Option("--scope", help="What it may do; repeat it.")],
    folder: Folder = Path(),
) -> None:
    """Make a key. It is printed this once, alone, on stdout."""
    from trialwise.clock import utc_now
    from trialwise.keys import Keys

    keys = Keys(open_workspace(folder).keys)
    first = not keys.any()
    secret = keys.create(name, [scope.value for scope in scopes], utc_now())
    say(f"key '{name}' ({', '.join(scope.value for scope in scopes)}); it is not shown again:")
    sys.stdout.write(secret + "\n")
    if first:
        say("from now on every request to the server needs a key")


@app.command("list", epilog=examples("trialwise keys list", "trialwise keys list -f json"))
def keys_list(form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """Every key ever made, with its last characters; never the key."""
    from trialwise.keys import Keys, keys_frame

    show(keys_frame(Keys(open_workspace(folder).keys).list()), form, output)


@app.command("revoke", epilog=examples("trialwise keys revoke website", "trialwise keys revoke 3f2a"))
def keys_revoke(
    which: Annotated[str, typer.Argument(help="Its name, or the beginning of its id.")], folder: Folder = Path()
) -> None:
    """Stop a key at once, also in a running server."""
    from trialwise.clock import utc_now
    from trialwise.keys import Keys

    key = Keys(open_workspace(folder).keys).revoke(which, utc_now())
    say(f"revoked {key.id}, '{key.name}' ({', '.join(key.scopes)}), ending in {key.last}")
