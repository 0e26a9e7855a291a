"""`trialwise quarantine`: refused records, looked at and landed again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import As, Folder, Format, Output, examples
from trialwise.cli.reports import say_imported
from trialwise.cli.streams import file_name, say, show
from trialwise.cli.workspaces import open_workspace

app = typer.Typer(no_args_is_help=True, help="Records that could not be used, each with its reason.")


@app.command("list", epilog=examples("trialwise quarantine list --reason bad_timestamp"))
def quarantine_list(
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also records that were landed again.")] = False,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1)] = 1000,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Refused records, newest first."""
    from trialwise.owner.asking import quarantined
    from trialwise.progress import progress

    with progress("quarantine list") as report:
        found = quarantined(open_workspace(folder), reason=reason, waiting=not every, most=limit, progress=report)
    show(found, form, output)


@app.command("show", epilog=examples("trialwise quarantine show 3f2a"))
def quarantine_show(
    quarantine_id: Annotated[str, typer.Argument(help="The id, or the beginning of it.")], folder: Folder = Path()
) -> None:
    """One refused record: where it came from, why, and its bytes on stdout."""
    from trialwise.landing import quarantine
    from trialwise.owner.asking import quarantined_record
    from trialwise.progress import progress

    with progress("quarantine show") as report:
        found = quarantined_record(open_workspace(folder), quarantine_id, progress=report)
    say(f"{found.quarantine_id}: {found.reason}: {quarantine.REASONS.get(found.reason, '')}")
    byte = "" if found.byte_offset is None else f", byte {found.byte_offset}"
    say(f"{file_name(found.file)} line {found.line}{byte}{f': {found.detail}' if found.detail else ''}")
    sys.stdout.buffer.write((found.raw or b"") + b"\n")
    sys.stdout.buffer.flush()


@app.command(
    "retry",
    epilog=examples("trialwise quarantine retry 3f2a", "trialwise quarantine retry 3f2a --mended fixed.json"),
)
def quarantine_retry(
    quarantine_id: Annotated[str, typer.Argument(help="The id, or the beginning of it.")],
    mended: Annotated[
        Path | None, typer.Option(help="A file with the mended record.", exists=True, dir_okay=False)
    ] = None,
    folder: Folder = Path(),
) -> None:
    """Land a refused record again, as it is or mended; once."""
    from trialwise.owner.asking import retry_record
    from trialwise.progress import progress

    record = None if mended is None else mended.read_bytes()
    with progress("quarantine retry") as report:
        done = retry_record(open_workspace(folder), quarantine_id, record, progress=report)
    say_imported(done.receipts, done.loaded)
