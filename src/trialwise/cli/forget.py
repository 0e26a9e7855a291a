"""`trialwise forget`: everything of an account or user erased, and kept from coming back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trialwise.cli.options import As, Folder, Format, Output, examples
from trialwise.cli.streams import say, show
from trialwise.cli.workspaces import open_workspace
from trialwise.errors import InputError

if TYPE_CHECKING:
    from trialwise.forgetting import Forgotten
    from trialwise.subject import Kind

app = typer.Typer(
    help="Erase everything of an account or user, for good, and leave out what of it arrives later.",
    epilog=examples("trialwise forget account acme --dry-run", "trialwise forget user ana@acme.example"),
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command(epilog=examples("trialwise forget account acme --dry-run", "trialwise forget account acme acme-old --yes"))
def account(
    ids: Annotated[list[str], typer.Argument(help="Ids of accounts, as their records name them.", metavar="ID...")],
    dry_run: DryRun = False,
    yes: Yes = False,
    folder: Folder = Path(),
) -> None:
    """Forget accounts with their users (those seen in no other account), mail and Stripe records."""
    _forget("account", ids, dry_run, yes, folder)


@app.command(epilog=examples("trialwise forget user user-17 --dry-run", "trialwise forget user ana@acme.example --yes"))
def user(
    ids: Annotated[list[str], typer.Argument(help="Ids of users, or e-mail addresses of theirs.", metavar="ID...")],
    dry_run: DryRun = False,
    yes: Yes = False,
    folder: Folder = Path(),
) -> None:
    """Forget users under all their ids and addresses; their account stays, unless it was theirs alone."""
    _forget("user", ids, dry_run, yes, folder)


@app.command(
    epilog=examples("trialwise forget undo account acme", "trialwise forget undo user user-17 ana@acme.example")
)
def undo(
    kind: Annotated[Literal["account", "user"], typer.Argument(help="What the ids are of.")],
    ids: Annotated[
        list[str], typer.Argument(help="Ids (of users, addresses, too) that were forgotten.", metavar="ID...")
    ],
    folder: Folder = Path(),
) -> None:
    """Keep again what arrives of accounts or users that were forgotten; what was erased does not come back."""
    from trialwise.owner.asking import forget_undo
    from trialwise.progress import progress

    with progress("forget undo") as report:
        done = forget_undo(open_workspace(folder), kind, ids, progress=report)
    said = f"off the list: {done.ids:,} ids and addresses"
    said += f"; {done.stays:,} stay, another forget put them there as well" if done.stays else ""
    say(said)
    say("what was erased stays erased; what arrives from now on is kept (Stripe: trialwise import stripe --reconcile)")
    say(f"receipt {done.key}: undone {done.at:%Y-%m-%d %H:%M:%S}Z")


@app.command("list", epilog=examples("trialwise forget list", "trialwise forget list -f json"))
def list_requests(form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """Every forget and undo there was: when, and how much went; not whom it was about."""
    import polars as pl

    from trialwise.forgetting import requests

    instant = pl.Datetime("us")
    schema: dict[str, Any] = {"key": pl.String, "what": pl.String, "kind": pl.String}
    schema |= {"asked_at": instant, "done_at": instant, "erased": pl.Int64, "masked": pl.Int64}
    found = [
        (
            one.key,
            "undo" if one.is_undo else "forget",
            one.kind,
            one.asked_at,
            one.done_at,
            0 if one.is_undo else one.counts.get("erased"),
            0 if one.is_undo else one.counts.get("masked"),
        )
        for one in requests(open_workspace(folder))
    ]
    show(pl.DataFrame(found, schema=schema, orient="row"), form, output)


def _forget(kind: Kind, ids: list[str], dry_run: bool, yes: bool, folder: Path) -> None:
    from trialwise.owner.asking import forget, forget_plan
    from trialwise.progress import progress

    workspace = open_workspace(folder)
    if dry_run or not yes:
        with progress("forget") as report:
            planned = forget_plan(workspace, kind, ids, progress=report)
        if planned.was_done:
            _say_done_before(planned)
            return
        _say(planned, "would go" if dry_run else "will go", is_done=False)
        if dry_run:
            return
        _ask()
    with progress("forget") as report:
        done = forget(workspace, kind, ids, progress=report)
    if done.was_done:
        _say_done_before(done)
        return
    _say(done, "gone", is_done=True)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise InputError("nobody is there to be asked", "Look at it with --dry-run, then run it again with --yes.")
    typer.confirm("This cannot be undone. Forget them?", abort=True, err=True)


def _say_done_before(done: Forgotten) -> None:
    when = "" if done.done_at is None else f", done at {done.done_at:%Y-%m-%d %H:%M}Z"
    say(f"forgotten before: request {done.key} of {done.asked_at:%Y-%m-%d %H:%M}Z{when}; nothing to do")


def _say(done: Forgotten, mood: str, *, is_done: bool) -> None:
    """What went or would go, a line a place; nothing personal."""
    say(f"by identity: {done.people:,} people, {done.addresses:,} addresses, {done.customers:,} Stripe customers")
    say(
        f"{mood} from landing: {done.erased:,} records; {done.masked:,} of others stay without their names "
        f"({done.segments:,} segments, {done.compacted:,} compacted files written anew)"
    )
    say(
        f"{mood} from the database: {done.events:,} events, {done.identities:,} identity calls, "
        f"{done.stripe_records:,} Stripe records, and everything made of them"
    )
    say(
        f"{mood} of results and stores of before: {done.generations:,} generations, {done.moments:,} past moments, "
        f"{done.set_aside:,} stores set aside"
    )
    if is_done:
        say(f"cleaned: {done.notes:,} entries of run ledger, history, cursors and notes on Stripe")
    if done.delivered:
        say(f"{mood} of delivered lists: {done.delivered:,} files; the next 'trialwise deliver' writes the day's anew")
    for one in done.left:
        say(f"lists were delivered into {one}, which is not there now: remove them wherever they are")
    if done.backups:
        say(f"{done.backups:,} backups still hold it: the next 'trialwise backup' into their folder removes them")
    for one in done.untold:
        say(
            f"a folder that backups were made into could not be told: {one}. Wherever they are, put forgotten-*.json "
            "of another folder of backups beside them, or remove them"
        )
    if is_done:
        say(f"receipt {done.key}: asked {done.asked_at:%Y-%m-%d %H:%M:%S}Z, done {done.done_at:%Y-%m-%d %H:%M:%S}Z")
