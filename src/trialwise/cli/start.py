"""A workspace begun: of one's own, or the demo company's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import EventFormat, examples
from trialwise.cli.reports import say_imported, say_refreshed
from trialwise.cli.streams import say
from trialwise.cli.workspaces import open_workspace
from trialwise.errors import ConfigError

app = typer.Typer()


@app.command(epilog=examples("trialwise init acme", "trialwise init acme --from events.ndjson.gz"))
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
            say(f"{source.name}: columns taken by their names: {map_options(guessed)}")
        pairs |= guessed
        options = "".join([f" --format {form}" if form else "", f" {map_options(pairs)}" if pairs else ""])
        seen = seen_events(source, form, pairs)
        proposal = propose(seen)
        say(f"{source.name}: {sum(item.events for item in seen):,} events under {len(seen)} names")
        say(f"proposed: {len(proposal.value)} value events, roles {', '.join(proposal.roles) or 'none'}")
    path = write_config(folder, config_text(name or folder.resolve().name, proposal))
    say(f"wrote {path}")
    say(f"next: trialwise import events FILE{options} -C {folder}")


@app.command(epilog=examples("trialwise demo", "trialwise demo /tmp/company --trials 500 --events 50000"))
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
        say(f"{folder}: {company.stripe_lines:,} Stripe events, {company.segment_lines:,} Segment calls")
    workspace = open_workspace(folder)
    with progress("import") as report:
        imports = [
            import_files(workspace, [folder / "stripe.ndjson"], kind="stripe", progress=report),
            import_files(workspace, [folder / "segment.ndjson"], kind="events", progress=report),
        ]
    for done in imports:
        say_imported(done.receipts, done.loaded)
    with progress("refresh") as report:
        refreshed = refresh(workspace, progress=report)
    say_refreshed(refreshed)
    sys.stdout.write(morning_report(open_results(workspace), folder))
