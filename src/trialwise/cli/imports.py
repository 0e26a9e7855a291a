"""`trialwise import`: events and Stripe objects, from files, APIs and folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trialwise.cli.options import EventFormat, Folder, Format, examples
from trialwise.cli.reports import say_imported, say_loaded
from trialwise.cli.streams import file_name, say, show
from trialwise.cli.workspaces import open_workspace
from trialwise.errors import InputError

if TYPE_CHECKING:
    from trialwise.workspace import Workspace


app = typer.Typer(no_args_is_help=True, help="Bring events and Stripe objects in.")
Files = Annotated[list[Path], typer.Argument(help="Files; plain, .gz or .zst.", exists=True, dir_okay=False)]


@app.command(
    "events",
    epilog=examples(
        "trialwise import events segment.ndjson.gz",
        "trialwise import events usage.csv --map event=action --map account_id=company --map timestamp=when",
        "trialwise import events usage.parquet --dry-run",
        "trialwise import events amplitude.json.gz --format amplitude --map account_id=groups.company",
    ),
)
def import_events(
    files: Files,
    form: Annotated[EventFormat | None, typer.Option("--format", help="Told by the content when left out.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="ours=theirs: which of your columns is ours; repeat it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and check, keep nothing.")] = False,
    folder: Folder = Path(),
) -> None:
    """Import product events: Segment calls (NDJSON), flat records (NDJSON, CSV, Parquet), other products' exports."""
    from trialwise.sources.mapping import parse_mapping

    _import(folder, files, "events", None if form is None else form.value, parse_mapping(mapping or []), dry_run)


@app.command(
    "stripe",
    epilog=examples(
        "trialwise import stripe",
        "trialwise import stripe --since 2025-01-01",
        "trialwise import stripe --reconcile",
        "trialwise import stripe --from events.ndjson",
        "trialwise import stripe --from subs.json --dry-run",
    ),
)
def import_stripe(
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", help="NDJSON or JSON of Stripe objects or events.", exists=True, dir_okay=False),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Leave out subscriptions, invoices, payments created before this day.")
    ] = None,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Read all objects again, not only events since the last run.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --from: count and check, keep nothing.")] = False,
    folder: Folder = Path(),
) -> None:
    """Import from Stripe's API with the key in TRIALWISE_STRIPE_KEY, or --from files of any API version.

    The first run reads the events of the last 30 days and all objects, later runs the events since. Stopped at any
    moment, the next run goes on where it was.
    """
    if not files:
        if dry_run:
            raise InputError("--dry-run needs files", "Name them with --from, or leave --dry-run out.")
        _import_stripe_api(folder, since, reconcile)
    elif since is not None or reconcile:
        raise InputError("--since and --reconcile are about Stripe's API", "Leave them out, or leave --from out.")
    else:
        _import(folder, files, "stripe", None, {}, dry_run)


def _import_stripe_api(folder: Path, since: str | None, reconcile: bool) -> None:
    from trialwise.owner.asking import import_stripe_api
    from trialwise.progress import progress
    from trialwise.stripe_intake import summary

    workspace = open_workspace(folder)
    with progress("import stripe") as report:
        done = import_stripe_api(workspace, since=since, reconcile=reconcile, progress=report)
    for line in summary(done):
        say(line)
    if done.loaded is None:
        say("another process owns the store; its next load takes what was read")
    elif done.loaded.received:
        say_loaded(done.loaded, "")
    say(f"next: {done.next_command}")


@app.command(
    "http",
    epilog=examples(
        "trialwise import http",
        "trialwise import http usage",
        "trialwise import http usage --dry-run",
        "trialwise import http usage --again",
    ),
)
def import_http(
    name: Annotated[str | None, typer.Argument(help="The NAME of one sources.http.NAME; all when left out.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first events of one page, keep nothing.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Read everything anew; what was there counts as duplicate.")
    ] = False,
    folder: Folder = Path(),
) -> None:
    """Pull records from the HTTP APIs of trialwise.toml, each from where the last pull stood.

    Secrets come from TRIALWISE_HTTP_NAME. Stopped at any moment, the next pull goes on at the same page.
    """
    from trialwise.clock import utc_now
    from trialwise.owner.asking import pull_advice, pull_http
    from trialwise.progress import progress

    workspace = open_workspace(folder)
    if dry_run:
        _rehearse_pulls(workspace, name)
        return
    began = utc_now()
    with progress("import http") as report:
        done = pull_http(workspace, name, again=again, progress=report)
        found = (
            []
            if done.loaded is None
            else [pull_advice(workspace, pulled, began, progress=report) for pulled in done.sources]
        )
    for pulled in done.sources:
        if pulled.error and not pulled.pages:
            continue
        kind = "history" if pulled.is_backfill else "news"
        waiting = f", {pulled.records - pulled.landed:,} not happened yet" if pulled.records > pulled.landed else ""
        rest = "" if pulled.is_complete or pulled.error else "; max_pages reached, the next pull goes on"
        say(f"{pulled.name}: {pulled.records:,} records of {pulled.pages:,} pages ({kind}){waiting}{rest}")
    _say_fetched(done, [text for text in found if text is not None])


@app.command("folder", epilog=examples("trialwise import folder", "trialwise import folder drop"))
def import_folder(
    name: Annotated[str | None, typer.Argument(help="The NAME of one sources.files.NAME; all when left out.")] = None,
    folder: Folder = Path(),
) -> None:
    """Import the files that lie complete in the folders of trialwise.toml, and put them away."""
    from trialwise.owner.asking import watch_folders
    from trialwise.progress import progress

    workspace = open_workspace(folder)
    with progress("import folder") as report:
        done = watch_folders(workspace, name, progress=report)
    for watched in done.sources:
        for receipt in watched.receipts:
            before = f", imported before at {receipt.repeats:%Y-%m-%d %H:%M}Z" if receipt.repeats is not None else ""
            say(f"{watched.name}: {file_name(receipt.file)}: {receipt.received:,} records ({receipt.format}){before}")
        for file, message in watched.failed:
            say(f"{watched.name}: {file_name(file)}: {message}")
        for file in watched.waiting:
            say(f"{watched.name}: {file_name(file)}: still being written")
        if not (watched.receipts or watched.failed or watched.waiting or watched.error):
            say(f"{watched.name}: nothing new")
    _say_fetched(done)


def _say_fetched(done: Any, advice: Sequence[str] = ()) -> None:
    """The load after a fetch, and what to do next: the advice if there is any; ends with 1 when any source failed."""
    if done.loaded is None:
        say("another process owns the store; its next load takes what was read")
    elif done.loaded.received:
        say_loaded(done.loaded, "")
    elif any(source.landed for source in done.sources):
        say("the server has loaded what was read")
    for text in advice:
        say(text)
    for failure in done.failures:
        say(f"trialwise: {failure}")
    if done.failures:
        raise typer.Exit(1)
    if not advice:
        say("next: trialwise refresh")


def _rehearse_pulls(workspace: Workspace, name: str | None) -> None:
    from trialwise.intake import http_names
    from trialwise.rehearsals import rehearse_pull

    for source in http_names(workspace, name):
        rehearsed = rehearse_pull(workspace, source)
        say(f"{source}: the first page")
        say_loaded(rehearsed.report, "would be ")
        show(rehearsed.first, Format.table, None)
        if rehearsed.advice is not None:
            say(rehearsed.advice)
    say("nothing was kept (--dry-run)")


def _import(
    folder: Path, files: list[Path], kind: str, form: str | None, mapping: dict[str, str], dry_run: bool
) -> None:
    from trialwise.owner.asking import import_files
    from trialwise.progress import progress
    from trialwise.rehearsals import rehearse_files

    workspace = open_workspace(folder)
    if dry_run:
        with progress("dry run") as report:
            report("reading", 0, 0)
            loaded = rehearse_files(workspace, files, kind=kind, file_format=form, mapping=mapping)
        say_loaded(loaded, "would be ")
        say("not looked for: duplicates of what is loaded already, which an import would leave out")
        _say_advice(loaded, files, kind, form, mapping)
        say("nothing was kept (--dry-run)")
        return
    with progress("import") as report:
        done = import_files(workspace, files, kind=kind, file_format=form, mapping=mapping, progress=report)
    say_imported(done.receipts, done.loaded)
    if not _say_advice(done.loaded, files, kind, form, mapping):
        say("next: trialwise refresh")


def _say_advice(loaded: Any, files: list[Path], kind: str, form: str | None, mapping: dict[str, str]) -> bool:
    """Where nothing came of an import for want of events: the columns there are and what to try; whether it was so."""
    from trialwise.rehearsals import mapping_advice

    if kind != "events" or loaded is None or loaded.loaded or loaded.duplicate:
        return False
    if loaded.reasons.keys().isdisjoint({"no_event", "unknown_shape"}):
        return False
    found = mapping_advice(files, form, mapping)
    for text in found:
        say(text)
    return bool(found)
