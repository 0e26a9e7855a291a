"""`trialwise runs`: what was done when, by the schedule and by people, and what came of it."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import As, Folder, Format, Output, examples
from trialwise.cli.streams import harmless, show
from trialwise.cli.workspaces import open_workspace

app = typer.Typer(
    invoke_without_command=True, help="What was done when, and what came of it; works while a server runs."
)


class RunStatus(StrEnum):
    """How a run ended, if it did."""

    running = "running"
    ok = "ok"
    failed = "failed"
    skipped = "skipped"
    killed = "killed"


@app.callback(
    epilog=examples(
        "trialwise runs", "trialwise runs --job refresh --limit 10", "trialwise runs --status failed -f json",
        "trialwise runs show 17",
    )
)  # fmt: skip
def runs(
    context: typer.Context,
    job: Annotated[str | None, typer.Option(help="Only this job: refresh, load, compact, 'pull crm', ...")] = None,
    status: Annotated[RunStatus | None, typer.Option(help="Only runs that ended so.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1)] = 50,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Runs, the newest first, or `show` one.

    Columns: run_id, job, status (running, ok, failed, skipped, killed), started_at, seconds, rows (loaded), error,
    asked_by (schedule, start, command), slot (the time of the schedule it stands for, none when a person asked),
    ended_at, generation, watermark (the last load).
    """
    if context.invoked_subcommand is not None:
        return
    from trialwise.runs import Ledger, runs_frame

    ledger = Ledger(open_workspace(folder).data)
    found = ledger.runs(job=job, status=None if status is None else status.value, limit=limit)
    show(runs_frame(found), form, output)


@app.command("show", epilog=examples("trialwise runs show 17", "trialwise runs show 17 -f json"))
def runs_show(
    run_id: Annotated[int, typer.Argument(help="Its number, as listed.")],
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """One run with all that is known of it: also pid, fingerprints and details, which are JSON."""
    from trialwise.runs import SHOWN, Ledger, runs_frame

    found = runs_frame([Ledger(open_workspace(folder).data).run(run_id)], SHOWN)
    if form is not Format.table or output is not None:
        show(found, form, output)
        return
    row = found.row(0, named=True)
    told = {**row, **{name: json.loads(row[name]) for name in ("fingerprints", "details") if row[name]}}
    for name, value in told.items():
        lines = [f"{key}: {inner}" for key, inner in value.items()] if isinstance(value, dict) else [_cell(value)]
        sys.stdout.write(f"{name + ' ':.<14} {harmless(f'{chr(10)}{15 * chr(32)}'.join(lines))}\n")


def _cell(value: object) -> str:
    from datetime import datetime

    if isinstance(value, datetime):
        return f"{value.isoformat(sep=' ', timespec='seconds')}Z"
    return "" if value is None else str(value)
