"""What keeps a workspace going: the server, and old segments compacted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import Folder, examples
from trialwise.cli.streams import say
from trialwise.cli.workspaces import open_workspace

app = typer.Typer()


@app.command(
    epilog=examples("trialwise serve", "trialwise serve --port 0", "trialwise serve --host 0.0.0.0 --workers 2")
)
def serve(
    host: Annotated[str | None, typer.Option(help=r"Where to listen; \[server] host when left out.")] = None,
    port: Annotated[int | None, typer.Option(help=r"\[server] port when left out; 0 takes a free one.", min=0)] = None,
    workers: Annotated[int | None, typer.Option(help=r"Collectors; \[server] workers when left out.", min=1)] = None,
    folder: Folder = Path(),
) -> None:
    """Take events and webhooks over HTTP, load and refresh on schedule; other commands work meanwhile."""
    from trialwise.server.parent import serve as run

    run(folder, host=host, port=port, workers=workers)


@app.command(
    epilog=examples(
        "trialwise schedule", "trialwise schedule --once", "*/5 * * * * trialwise schedule --once -C /srv/acme"
    )
)
def schedule(
    once: Annotated[bool, typer.Option("--once", help="Do what is due, then end; for cron and timers.")] = False,
    folder: Folder = Path(),
) -> None:
    """Do by itself what a server does, without HTTP: load, refresh, pull, and keep; other commands work meanwhile.

    What is due is told by the run ledger (trialwise runs): after an outage each job is done once, in order. One server
    or scheduler works on a workspace; another one ends with 1 and names the first.
    """
    from trialwise.server.unattended import schedule as run

    run(folder, is_once=once)


@app.command(epilog=examples("trialwise deliver", "trialwise deliver -C acme"))
def deliver(folder: Folder = Path()) -> None:
    r"""Write today's lists as files into \[delivery] folder; by itself at \[delivery] at."""
    from trialwise.owner.asking import deliver as run
    from trialwise.progress import progress

    with progress("deliver") as report:
        done = run(open_workspace(folder), progress=report)
    gone = f"; {done.removed:,} older files removed" if done.removed else ""
    say(done.results)
    say(f"delivered {done.rows:,} rows in {done.files:,} files: {done.folder}{gone}")


@app.command(epilog=examples("trialwise compact", "trialwise compact -C acme"))
def compact(folder: Folder = Path()) -> None:
    r"""Put what was landed days ago into Parquet files, and drop events beyond \[landing] keep_event_days."""
    from trialwise.owner.asking import compact as run
    from trialwise.progress import progress

    with progress("compact") as report:
        done = run(open_workspace(folder), progress=report)
    if done.dropped:
        say(f"dropped {done.dropped:,} product events for good ([landing] keep_event_days); next: trialwise refresh")
    if done.damaged:
        say(f"{done.damaged:,} segments stay as they are: records in them are damaged (trialwise quarantine list)")
    if done.segments:
        share = done.bytes_before / max(done.bytes_after, 1)
        say(
            f"compacted {done.records:,} records of {done.segments:,} segments: {done.bytes_before:,} bytes before, "
            f"{done.bytes_after:,} after ({share:.1f} times less)"
        )
    else:
        say("nothing to compact: segments are, once they are loaded and older than [landing] compact_after_days")
