"""The command line: names, options and help. What a command does stands in the modules it calls.

Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from trialwise.errors import ConfigError, InputError, TrialwiseError

if TYPE_CHECKING:
    from trialwise.delivery.generation import Generation
    from trialwise.workspace import Workspace


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
import_app = typer.Typer(no_args_is_help=True, help="Bring events and Stripe objects in.")
segments_app = typer.Typer(invoke_without_command=True, help="Segments, and a condition tried out.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Records that could not be used, each with its reason.")
app.add_typer(import_app, name="import")
app.add_typer(segments_app, name="segments")
app.add_typer(quarantine_app, name="quarantine")
keys_app = typer.Typer(no_args_is_help=True, help="Who may send to the server and ask it; works while it runs.")
app.add_typer(keys_app, name="keys")


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


class EventFormat(StrEnum):
    """What a file of events holds; without the option it is told by its content."""

    segment = "segment"
    flat = "flat"
    cloudevents = "cloudevents"
    amplitude = "amplitude"
    mixpanel = "mixpanel"


class Unit(StrEnum):
    """Length of a period; all is one row."""

    day = "day"
    week = "week"
    month = "month"
    all = "all"


class Population(StrEnum):
    """Which trials a rate is about."""

    first = "first"
    repeat = "repeat"
    add_on = "add_on"
    all = "all"
    freemium = "freemium"


class Scope(StrEnum):
    """What a key may do; admin may do everything."""

    ingest = "ingest"
    read = "read"
    write = "write"
    admin = "admin"


class AccountPart(StrEnum):
    """What an account consists of."""

    profile = "profile"
    trials = "trials"
    timeline = "timeline"
    days = "days"


Folder = Annotated[
    Path, typer.Option("--dir", "-C", help="The workspace.", envvar="TRIALWISE_HOME", show_default=False)
]
AsOf = Annotated[str | None, typer.Option(help="What was true then: a date (its end) or an instant.")]
KnownAt = Annotated[str | None, typer.Option(help="Only what was known by then: a date (its end) or an instant.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")]
As = Annotated[Format, typer.Option("--format", "-f", help="How the answer is written.")]
Files = Annotated[list[Path], typer.Argument(help="Files; plain, .gz or .zst.", exists=True, dir_okay=False)]


def main() -> None:
    """Entry point: one line per error the user can mend, exit codes as documented (0, 1, 2, 3)."""
    try:
        try:
            app()
        finally:
            _say_recovered()
    except TrialwiseError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt as stop:
        _fail(str(stop) or "stopped; what was there before is unchanged", 130)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"trialwise: {_harmless(message)}\n")
    sys.exit(code)


def _say(message: str) -> None:
    sys.stderr.write(_harmless(message) + "\n")


def _harmless(text: str, kept: str = "\n") -> str:
    """A text whose control characters are shown, never sent to the terminal; those `kept` stay."""
    return "".join(one if one.isprintable() or one in kept else repr(one)[1:-1] for one in text)


def _name(file: str | None) -> str:
    """The name of a file, which may hold anything, on one line."""
    return _harmless(file or "", "")


def _workspace(folder: Path) -> Workspace:
    from trialwise.workspace import Workspace

    workspace = Workspace.open(folder)
    _recoveries_before.setdefault(workspace.data, _recoveries(workspace.data))
    return workspace


_recoveries_before: dict[Path, tuple[Any, ...]] = {}
"""Data folder of each workspace this command opened -> the recoveries of its store until then."""


def _recoveries(data: Path) -> tuple[Any, ...]:
    if not (data / "recovered.json").exists():  # so that a healthy workspace pays no import
        return ()
    from trialwise.store import recoveries

    return recoveries(data)


def _say_recovered() -> None:
    """Say of every store that proved damaged meanwhile what was done about it, whoever owned it."""
    for data, before in _recoveries_before.items():
        for recovery in _recoveries(data)[len(before) :]:
            _say(f"{recovery}; nothing was lost")
    _recoveries_before.clear()


def _results(folder: Path, as_of: str | None, known_at: str | None) -> Generation:
    """The published results, or those of another moment, computed once and kept."""
    from trialwise.owner.asking import open_results
    from trialwise.progress import progress

    with progress("refresh") as report:
        return open_results(_workspace(folder), as_of=as_of, known_at=known_at, progress=report)


def _show(frame: Any, form: Format, output: Path | None, results: Generation | None = None) -> None:
    """Write an answer; what moment it is of goes to stderr before it."""
    from trialwise.delivery.output import write

    if results is not None:
        _say(results.caption)
    write(frame, form.value, output)


def _examples(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(f"    {line}" for line in lines)


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


@app.command(epilog=_examples("trialwise init acme", "trialwise init acme --from events.ndjson.gz"))
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make a workspace of.")] = Path(),
    source: Annotated[
        Path | None, typer.Option("--from", help="Events of yours; the mapping is proposed from them.", exists=True)
    ] = None,
    form: Annotated[EventFormat | None, typer.Option("--format", help="Of that file; told by its content.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="ours=theirs, for flat files.")] = None,
    name: Annotated[str | None, typer.Option(help="What the company is called.")] = None,
) -> None:
    """Write a commented trialwise.toml that works as it is."""
    from trialwise.scaffold import config_text, propose, write_config

    proposal, options = None, ""
    if source is not None:
        from trialwise.rehearsals import proposed_mapping, seen_events
        from trialwise.sources.guess import map_options
        from trialwise.sources.mapping import parse_mapping

        pairs = parse_mapping(mapping or [])
        guessed = proposed_mapping(source, pairs) if form is None else {}
        if guessed:
            _say(f"{source.name}: columns taken by their names: {map_options(guessed)}")
        pairs |= guessed
        options = "".join([f" --format {form}" if form else "", f" {map_options(pairs)}" if pairs else ""])
        seen = seen_events(source, form, pairs)
        proposal = propose(seen)
        _say(f"{source.name}: {sum(item.events for item in seen):,} events under {len(seen)} names")
        _say(f"proposed: {len(proposal.value)} value events, roles {', '.join(proposal.roles) or 'none'}")
    path = write_config(folder, config_text(name or folder.resolve().name, proposal))
    _say(f"wrote {path}")
    _say(f"next: trialwise import events FILE{options} -C {folder}")


@app.command(epilog=_examples("trialwise demo", "trialwise demo /tmp/company --trials 500 --events 50000"))
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo company goes.")] = Path("demo"),
    trials: Annotated[int, typer.Option(help="Accounts that sign up in twelve months.", min=200)] = 3_200,
    events: Annotated[int, typer.Option(help="Product events they send.", min=0)] = 500_000,
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = 7,
) -> None:
    """A fictional company: imported, refreshed, reported, with what to try next."""
    from trialwise.delivery.pages import morning_report
    from trialwise.demo import write_company
    from trialwise.owner.asking import import_files, open_results, refresh
    from trialwise.progress import progress

    if not (folder / "stripe.ndjson").exists():
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} holds something else", "Name a folder that is new or empty.")
        with progress("demo") as report:
            report("inventing a company", 0, 0)
            company = write_company(folder, seed=seed, trials=trials, events=events)
        _say(f"{folder}: {company.stripe_lines:,} Stripe events, {company.segment_lines:,} Segment calls")
    workspace = _workspace(folder)
    with progress("import") as report:
        imports = [
            import_files(workspace, [folder / "stripe.ndjson"], kind="stripe", progress=report),
            import_files(workspace, [folder / "segment.ndjson"], kind="events", progress=report),
        ]
    for done in imports:
        _say_imported(done.receipts, done.loaded)
    with progress("refresh") as report:
        refreshed = refresh(workspace, progress=report)
    _say_refreshed(refreshed)
    sys.stdout.write(morning_report(open_results(workspace), folder))


@import_app.command(
    "events",
    epilog=_examples(
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


@import_app.command(
    "stripe",
    epilog=_examples(
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

    workspace = _workspace(folder)
    with progress("import stripe") as report:
        done = import_stripe_api(workspace, since=since, reconcile=reconcile, progress=report)
    for line in summary(done):
        _say(line)
    if done.loaded is None:
        _say("another process owns the store; its next load takes what was read")
    elif done.loaded.received:
        _say_loaded(done.loaded, "")
    _say(f"next: {done.next_command}")


@import_app.command(
    "http",
    epilog=_examples(
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

    workspace = _workspace(folder)
    if dry_run:
        _rehearse_pulls(workspace, name)
        return
    began = utc_now()
    with progress("import http") as report:
        done = pull_http(workspace, name, again=again, progress=report)
    for pulled in done.sources:
        if pulled.error and not pulled.pages:
            continue
        kind = "history" if pulled.is_backfill else "news"
        waiting = f", {pulled.records - pulled.landed:,} not happened yet" if pulled.records > pulled.landed else ""
        rest = "" if pulled.is_complete or pulled.error else "; max_pages reached, the next pull goes on"
        _say(f"{pulled.name}: {pulled.records:,} records of {pulled.pages:,} pages ({kind}){waiting}{rest}")
    found = [] if done.loaded is None else [pull_advice(workspace, pulled, began) for pulled in done.sources]
    _say_fetched(done, [text for text in found if text is not None])


@import_app.command("folder", epilog=_examples("trialwise import folder", "trialwise import folder drop"))
def import_folder(
    name: Annotated[str | None, typer.Argument(help="The NAME of one sources.files.NAME; all when left out.")] = None,
    folder: Folder = Path(),
) -> None:
    """Import the files that lie complete in the folders of trialwise.toml, and put them away."""
    from trialwise.owner.asking import watch_folders
    from trialwise.progress import progress

    workspace = _workspace(folder)
    with progress("import folder") as report:
        done = watch_folders(workspace, name, progress=report)
    for watched in done.sources:
        for receipt in watched.receipts:
            before = f", imported before at {receipt.repeats:%Y-%m-%d %H:%M}Z" if receipt.repeats is not None else ""
            _say(f"{watched.name}: {_name(receipt.file)}: {receipt.received:,} records ({receipt.format}){before}")
        for file, message in watched.failed:
            _say(f"{watched.name}: {_name(file)}: {message}")
        for file in watched.waiting:
            _say(f"{watched.name}: {_name(file)}: still being written")
        if not (watched.receipts or watched.failed or watched.waiting or watched.error):
            _say(f"{watched.name}: nothing new")
    _say_fetched(done)


def _say_fetched(done: Any, advice: Sequence[str] = ()) -> None:
    """The load after a fetch, and what to do next: the advice if there is any; ends with 1 when any source failed."""
    if done.loaded is None:
        _say("another process owns the store; its next load takes what was read")
    elif done.loaded.received:
        _say_loaded(done.loaded, "")
    elif any(source.landed for source in done.sources):
        _say("the server has loaded what was read")
    for text in advice:
        _say(text)
    for failure in done.failures:
        _say(f"trialwise: {failure}")
    if done.failures:
        raise typer.Exit(1)
    if not advice:
        _say("next: trialwise refresh")


def _rehearse_pulls(workspace: Workspace, name: str | None) -> None:
    from trialwise.intake import http_names
    from trialwise.rehearsals import rehearse_pull

    for source in http_names(workspace, name):
        loaded, first = rehearse_pull(workspace, source)
        _say(f"{source}: the first page")
        _say_loaded(loaded, "would be ")
        _show(first, Format.table, None)
    _say("nothing was kept (--dry-run)")


def _import(
    folder: Path, files: list[Path], kind: str, form: str | None, mapping: dict[str, str], dry_run: bool
) -> None:
    from trialwise.owner.asking import import_files
    from trialwise.progress import progress
    from trialwise.rehearsals import rehearse_files

    workspace = _workspace(folder)
    if dry_run:
        with progress("dry run") as report:
            report("reading", 0, 0)
            loaded = rehearse_files(workspace, files, kind=kind, file_format=form, mapping=mapping)
        _say_loaded(loaded, "would be ")
        _say("not looked for: duplicates of what is loaded already, which an import would leave out")
        _say_advice(loaded, files, kind, form, mapping)
        _say("nothing was kept (--dry-run)")
        return
    with progress("import") as report:
        done = import_files(workspace, files, kind=kind, file_format=form, mapping=mapping, progress=report)
    _say_imported(done.receipts, done.loaded)
    if not _say_advice(done.loaded, files, kind, form, mapping):
        _say("next: trialwise refresh")


def _say_advice(loaded: Any, files: list[Path], kind: str, form: str | None, mapping: dict[str, str]) -> bool:
    """Where nothing came of an import for want of events: the columns there are and what to try; whether it was so."""
    from trialwise.rehearsals import mapping_advice

    if kind != "events" or loaded is None or loaded.loaded or loaded.duplicate:
        return False
    if loaded.reasons.keys().isdisjoint({"no_event", "unknown_shape"}):
        return False
    found = mapping_advice(files, form, mapping)
    for text in found:
        _say(text)
    return bool(found)


def _say_imported(receipts: Any, loaded: Any) -> None:
    for receipt in receipts:
        if receipt.is_repeat:
            _say(f"{_name(receipt.file)}: imported before, at {receipt.repeats:%Y-%m-%d %H:%M}Z; nothing to do")
        else:
            _say(f"{_name(receipt.file)}: received {receipt.received:,} records ({receipt.format})")
    if loaded is None:
        waiting = sum(receipt.pending for receipt in receipts)
        _say(f"received {waiting:,} = loaded 0 + duplicate 0 + quarantined 0 + pending {waiting:,}")
        _say("another process owns the store; its next refresh loads them")
    elif loaded.received:
        _say_loaded(loaded, "", own=sum(receipt.pending for receipt in receipts))


def _say_loaded(loaded: Any, mood: str, own: int | None = None) -> None:
    """What became of records; `own`: how many of them this command brought, where others' may be among them."""
    others = own is not None and loaded.received > own and not loaded.rebuilt
    met = " with what arrived meanwhile" if others else ""
    if loaded.rebuilt:
        _say(f"the raw tables were filled anew from landing: {loaded.rebuilt}")
    _say(
        f"received {loaded.received + loaded.pending:,}{met} = {mood}loaded {loaded.loaded:,}"
        f" + duplicate {loaded.duplicate:,} + quarantined {loaded.quarantined:,} + pending {loaded.pending:,}"
    )
    for reason, count in sorted(loaded.reasons.items(), key=lambda item: (-item[1], item[0])):
        _say(f"  quarantined {count:,}: {reason}")
    if loaded.quarantined and not mood:
        _say("  see: trialwise quarantine list")


@app.command(
    epilog=_examples(
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

    workspace = _workspace(folder)
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
    _say_refreshed(done)


def _say_refreshed(done: Any) -> None:
    if done.loaded.received:
        _say_loaded(done.loaded, "")
    rows = sum(built.rows or 0 for built in done.build.models)
    _say(
        f"built {len(done.build.models)} models, {rows:,} rows, {len(done.build.checks)} checks in {done.seconds:.1f} s"
    )
    for warning in done.build.warnings:
        _say(f"  warning: {warning.model}: {warning.check}: {warning.bad_rows:,} rows, such as {warning.sample[0]}")
    _say(f"as of {done.clock.as_of:%Y-%m-%d %H:%M}Z, published as {done.generation.name}")


@app.command(epilog=_examples("trialwise trials", "trialwise trials --all --format parquet -o trials.parquet"))
def trials(
    every: Annotated[bool, typer.Option("--all", help="Every trial, not only the running ones.")] = False,
    segment: Annotated[str | None, typer.Option(help="Only members of this segment.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many rows.", min=1)] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Running trials, the next to end first: usage, segments, score and reasons."""
    results = _results(folder, as_of, known_at)
    _show(results.trials(every=every, segment=segment, limit=limit), form, output, results)


@segments_app.callback(epilog=_examples("trialwise segments", 'trialwise segments preview "active_days_7d >= 4"'))
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
        results = _results(folder, as_of, known_at)
        _show(results.segments(), form, output, results)


@segments_app.command(
    "preview", epilog=_examples("trialwise segments preview \"usage_band = 'heavy' AND NOT card_on_file\"")
)
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

    workspace = _workspace(folder)
    results = _results(folder, as_of, known_at)
    found = preview_segment(workspace, expression, results, everyone=every)
    _say(f"{found.members.height:,} of {found.looked_at:,} trials")
    _show(found.members.head(limit) if limit else found.members, form, output, results)


@segments_app.command("columns", epilog=_examples("trialwise segments columns", "trialwise segments columns -f csv"))
def columns(form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """The columns conditions may speak of, with type and meaning, and whether score rules may read them."""
    import polars as pl

    from trialwise.composition import catalogue_columns

    workspace = _workspace(folder)
    found = catalogue_columns(workspace.config, workspace.models)
    rows = [(column.column, column.type, column.for_scoring, column.description) for column in found]
    _show(pl.DataFrame(rows, ("column", "type", "for_scoring", "description"), orient="row"), form, output)


@app.command(
    epilog=_examples("trialwise leads", "trialwise leads hot_trials", "trialwise leads went_quiet -f csv -o quiet.csv")
)
def leads(
    name: Annotated[str | None, typer.Argument(help="The list; without it, the lists there are.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many rows.", min=1)] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """This morning's lists for sales and growth, with contact, owner and reasons."""
    results = _results(folder, as_of, known_at)
    _show(results.leads(name, limit=limit), form, output, results)


@app.command(
    epilog=_examples(
        "trialwise metrics trial_conversion --definition start_cohort --by month",
        "trialwise metrics trial_conversion --definition end_cohort --grace-days 0 --as-of 2026-01-31",
        "trialwise metrics trial_conversion --segment pql --at-day 7",
        "trialwise metrics trial_outcomes --by week -f csv",
    )
)
def metrics(
    name: Annotated[str | None, typer.Argument(help="The metric; without it, the metrics there are.")] = None,
    definition: Annotated[str | None, typer.Option(help="One definition; without it all, side by side.")] = None,
    by: Annotated[Unit, typer.Option(help="Length of the periods; all is one row.")] = Unit.month,
    within_days: Annotated[str | None, typer.Option(help="start_cohort: a number of days, or ever.")] = None,
    grace_days: Annotated[int | None, typer.Option(help="end_cohort: days after the end.", min=0)] = None,
    population: Annotated[Population, typer.Option(help="Which trials it is about.")] = Population.first,
    split: Annotated[str | None, typer.Option(help="card_type, plan, channel, ...")] = None,
    segment: Annotated[str | None, typer.Option(help="Split by membership at the end of a trial day.")] = None,
    at_day: Annotated[int | None, typer.Option(help="That trial day; half the trial when left out.", min=1)] = None,
    net: Annotated[bool, typer.Option("--net", help="Without trials refunded in full.")] = False,
    since: Annotated[str | None, typer.Option(help="First local day of the periods shown.")] = None,
    until: Annotated[str | None, typer.Option(help="Last local day of the periods shown.")] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Also draw conversion by cohort.")] = True,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """A metric under its named definitions, with numerator, denominator, interval and bounds."""
    results = _results(folder, as_of, known_at)
    if name is None:
        _show(results.metric_names(), form, output, results)
        return
    frame = results.metrics(
        name,
        definition=definition,
        by=by.value,
        within_days=_window(within_days),
        grace_days=grace_days,
        population=population.value,
        split=split,
        segment=segment,
        at_day=at_day,
        net=net,
        since=_day(since),
        until=_day(until),
    )
    _show(frame, form, output, results)
    if (
        plot
        and form is Format.table
        and output is None
        and name == "trial_conversion"
        and definition
        and by is not Unit.all
    ):
        from trialwise.delivery import plots

        if split is None and segment is None:
            sys.stdout.write(plots.conversion(frame))


def _window(text: str | None) -> Any:
    if text is None or text == "ever":
        return text
    if text.isdigit():
        return int(text)
    raise InputError(f"--within-days '{text}' is neither a number of days nor 'ever'", "Write --within-days 45.")


def _day(text: str | None) -> Any:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"'{text}' is no date", "Write it as 2026-01-31.") from error


@app.command(epilog=_examples("trialwise account acc_0042", "trialwise account acc_0042 -f json"))
def account(
    account_id: Annotated[str, typer.Argument(help="The account's id.")],
    part: Annotated[AccountPart | None, typer.Option(help="One part of it; files hold the profile by default.")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Profile, trials, activity and timeline of one account."""
    from trialwise.delivery.pages import account_page

    results = _results(folder, as_of, known_at)
    found = results.account(account_id)
    if form is Format.table and output is None and part is None:
        _say(results.caption)
        sys.stdout.write(account_page(found, results))
    else:
        _show(found.part("profile" if part is None else part.value), form, output, results)


@app.command(epilog=_examples("trialwise explain acc_0042", "trialwise explain acc_0042 --since 2026-03-20"))
def explain(
    identifier: Annotated[str, typer.Argument(help="A trial, or an account for its latest trial.")],
    since: Annotated[str | None, typer.Option(help="Also what changed since this local day.")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """The score down to the last digit: parts that add up, the evidence rows, what changed."""
    results = _results(folder, as_of, known_at)
    found = results.explain(identifier, since=since)
    if form is Format.table and output is None:
        from trialwise.delivery.pages import explanation_page

        sys.stdout.write(explanation_page(found))
    else:
        _show(found.parts, form, output, results)


@quarantine_app.command("list", epilog=_examples("trialwise quarantine list --reason bad_timestamp"))
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

    _show(quarantined(_workspace(folder), reason=reason, waiting=not every, most=limit), form, output)


@quarantine_app.command("show", epilog=_examples("trialwise quarantine show 3f2a"))
def quarantine_show(
    quarantine_id: Annotated[str, typer.Argument(help="The id, or the beginning of it.")], folder: Folder = Path()
) -> None:
    """One refused record: where it came from, why, and its bytes on stdout."""
    from trialwise.landing import quarantine
    from trialwise.owner.asking import quarantined_record

    found = quarantined_record(_workspace(folder), quarantine_id)
    _say(f"{found.quarantine_id}: {found.reason}: {quarantine.REASONS.get(found.reason, '')}")
    byte = "" if found.byte_offset is None else f", byte {found.byte_offset}"
    _say(f"{_name(found.file)} line {found.line}{byte}{f': {found.detail}' if found.detail else ''}")
    sys.stdout.buffer.write((found.raw or b"") + b"\n")
    sys.stdout.buffer.flush()


@quarantine_app.command(
    "retry",
    epilog=_examples("trialwise quarantine retry 3f2a", "trialwise quarantine retry 3f2a --mended fixed.json"),
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

    done = retry_record(_workspace(folder), quarantine_id, None if mended is None else mended.read_bytes())
    _say_imported(done.receipts, done.loaded)


@app.command(
    epilog=_examples("trialwise serve", "trialwise serve --port 0", "trialwise serve --host 0.0.0.0 --workers 2")
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


@keys_app.command(
    "create",
    epilog=_examples("trialwise keys create website --scope ingest", "KEY=$(trialwise keys create bi --scope read)"),
)
def keys_create(
    name: Annotated[str, typer.Argument(help="What it is for; a new key may take the name of the one it replaces.")],
    scopes: Annotated[list[Scope], typer.Option("--scope", help="What it may do; repeat it.")],
    folder: Folder = Path(),
) -> None:
    """Make a key. It is printed this once, alone, on stdout."""
    from trialwise.clock import utc_now
    from trialwise.keys import Keys

    keys = Keys(_workspace(folder).keys)
    first = not keys.any()
    secret = keys.create(name, [scope.value for scope in scopes], utc_now())
    _say(f"key '{name}' ({', '.join(scope.value for scope in scopes)}); it is not shown again:")
    sys.stdout.write(secret + "\n")
    if first:
        _say("from now on every request to the server needs a key")


@keys_app.command("list", epilog=_examples("trialwise keys list", "trialwise keys list -f json"))
def keys_list(form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """Every key ever made, with its last characters; never the key."""
    from trialwise.keys import Keys, keys_frame

    _show(keys_frame(Keys(_workspace(folder).keys).list()), form, output)


@keys_app.command("revoke", epilog=_examples("trialwise keys revoke website", "trialwise keys revoke 3f2a"))
def keys_revoke(
    which: Annotated[str, typer.Argument(help="Its name, or the beginning of its id.")], folder: Folder = Path()
) -> None:
    """Stop a key at once, also in a running server."""
    from trialwise.clock import utc_now
    from trialwise.keys import Keys

    key = Keys(_workspace(folder).keys).revoke(which, utc_now())
    _say(f"revoked {key.id}, '{key.name}' ({', '.join(key.scopes)}), ending in {key.last}")


@app.command(epilog=_examples("trialwise compact", "trialwise compact -C acme"))
def compact(folder: Folder = Path()) -> None:
    r"""Put what was landed days ago into Parquet files, and drop events beyond \[landing] keep_event_days."""
    from trialwise.owner.asking import compact as run
    from trialwise.progress import progress

    with progress("compact") as report:
        done = run(_workspace(folder), progress=report)
    if done.dropped:
        _say(f"dropped {done.dropped:,} product events for good ([landing] keep_event_days); next: trialwise refresh")
    if done.damaged:
        _say(f"{done.damaged:,} segments stay as they are: records in them are damaged (trialwise quarantine list)")
    if done.segments:
        share = done.bytes_before / max(done.bytes_after, 1)
        _say(
            f"compacted {done.records:,} records of {done.segments:,} segments: {done.bytes_before:,} bytes before, "
            f"{done.bytes_after:,} after ({share:.1f} times less)"
        )
    else:
        _say("nothing to compact: segments are, once they are loaded and older than [landing] compact_after_days")


@app.command(epilog=_examples("trialwise lint", "trialwise lint -C acme"))
def lint(folder: Folder = Path()) -> None:
    """Check the models, shipped and your own, against the rules they keep."""
    from trialwise.pipeline import models_at
    from trialwise.shipped import packaged_sql
    from trialwise.transform.graph import order
    from trialwise.transform.lint import lint as findings_of

    models = models_at(folder)
    order(models)
    own = {name for name, model in models.items() if not model.path.is_relative_to(packaged_sql())}
    findings = [finding for finding in findings_of(models) if not own or finding.model in own]
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    _say(f"{len(models)} models, {len(findings)} findings")
    if findings:
        raise typer.Exit(1)


@app.command(epilog=_examples("trialwise docs", "trialwise docs -o handbook"))
def docs(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path("docs"),
    check: Annotated[bool, typer.Option("--check", help="Only say whether the files are up to date.")] = False,
    folder: Folder = Path(),
) -> None:
    """Write models.md (columns, grain, checks, cases, lineage) and cli.md."""
    from trialwise.pipeline import models_at
    from trialwise.reference import cli_markdown
    from trialwise.transform.docs import models_markdown

    pages = {"models.md": models_markdown(models_at(folder)), "cli.md": cli_markdown(typer.main.get_command(app))}
    stale = [name for name, text in pages.items() if not _says(output / name, text)]
    if check:
        if stale:
            raise InputError(f"{', '.join(stale)} in {output} is not up to date", "Run 'trialwise docs'.")
        return
    output.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (output / name).write_text(pages[name], encoding="utf-8")
        _say(f"wrote {output / name}")


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


@app.command(epilog=_examples("trialwise doctor", "trialwise doctor -f json"))
def doctor(form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """Look for what makes numbers wrong without failing: unmapped events, unresolved customers, stale sources, disk."""
    from trialwise.diagnosis import findings_frame
    from trialwise.owner.asking import diagnosis

    findings = diagnosis(_workspace(folder))
    if form is Format.table and output is None:
        for finding in findings:
            advice = f"\n        {finding.advice}" if finding.advice else ""
            sys.stdout.write(f"{finding.level:8}{finding.topic}: {finding.found}{advice}\n")
    else:
        _show(findings_frame(findings), form, output)


@app.command(epilog=_examples('trialwise sql "SELECT outcome, count(*) FROM marts.trials GROUP BY outcome"'))
def sql(
    text: Annotated[str, typer.Argument(help="One SELECT over the published tables (docs/models.md).")],
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Ask the published tables; nothing can be changed, no file be read."""
    results = _results(folder, as_of, known_at)
    _show(results.sql(text), form, output, results)
