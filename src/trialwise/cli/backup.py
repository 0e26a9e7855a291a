"""`trialwise backup` and `trialwise restore`: copies of what cannot be made again, and a workspace from one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from trialwise.cli.options import As, Folder, Format, Output, examples
from trialwise.cli.streams import say, show
from trialwise.cli.workspaces import open_workspace
from trialwise.errors import StoreError

_MAKE = "make"
Target = Annotated[Path | None, typer.Option("--from", help=r"The folder of backups; \[backup] folder when left out.")]


class _MakesOne(TyperGroup):
    """`backup [TARGET]` is `backup make [TARGET]`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer()
backups = typer.Typer(
    cls=_MakesOne,
    help=r"Copy what cannot be made again: trialwise backup \[TARGET] is trialwise backup make \[TARGET].",
    epilog=examples("trialwise backup", "trialwise backup /mnt/backups", "trialwise backup list"),
)


@backups.command(
    _MAKE,
    epilog=examples("trialwise backup", "trialwise backup /mnt/backups --keep 14", "trialwise backup --with-store"),
)
def backup_make(
    target: Annotated[
        Path | None, typer.Argument(help=r"The folder it goes into; \[backup] folder, else data/backups.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help=r"How many stay, the oldest go; \[backup] keep when left out.")
    ] = None,
    with_store: Annotated[
        bool, typer.Option("--with-store", help="The database too: larger, and restored sooner.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Copy every file again, also those of an earlier backup.")
    ] = False,
    folder: Folder = Path(),
) -> None:
    """Copy landing, configuration, models and keys; works beside a running server."""
    from trialwise.owner.asking import backup as run
    from trialwise.progress import progress

    with progress("backup") as report:
        done = run(open_workspace(folder), target, keep=keep, with_store=with_store, full=full, progress=report)
    shared = done.files - done.copied_files
    again = f", {shared:,} of them shared with an earlier backup" if shared else ""
    say(f"backed up {done.segments:,} segments in {done.files:,} files, {done.bytes:,} bytes{again}: {done.folder}")
    if done.removed:
        say(f"removed {', '.join(done.removed)}: more than [backup] keep or --keep says, or of before a forget")


@backups.command("list", epilog=examples("trialwise backup list", "trialwise backup list --from /mnt/backups -f json"))
def backup_list(target: Target = None, form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """The whole backups there are, the oldest first."""
    from trialwise.archive import archives, archives_frame

    show(archives_frame(archives(_target(target, folder))), form, output)


@backups.command(
    "verify",
    epilog=examples(
        "trialwise backup verify",
        "trialwise backup verify 20260301T020000Z --from /mnt/backups",
        "trialwise backup verify /mnt/backups/20260301T020000Z",
    ),
)
def backup_verify(
    name: Annotated[
        str | None, typer.Argument(help="As the list says, or its folder; the newest when left out.")
    ] = None,
    target: Target = None,
    folder: Folder = Path(),
) -> None:
    """Read every file of a backup again; exit code 1 names those that are not as they were written."""
    from trialwise.archive import at, faults, find, is_target
    from trialwise.progress import progress, step

    is_folder = target is None and name is not None and is_target(Path(name))
    found = at(Path(name or "")) if is_folder else find(_target(target, folder), name)
    with progress("verify") as report:
        wrong = faults(found, step(report, found.name))
    for line in wrong[:-1]:
        say(line)
    if wrong:
        raise StoreError(wrong[-1], "Make another one with 'trialwise backup --full', and look after the disk.")
    say(f"{found.name}: {len(found.entries):,} files, {found.size:,} bytes, all as they were written")


@app.command(
    epilog=examples(
        "trialwise restore data/backups restored",
        "trialwise restore /mnt/backups/20260301T020000Z /srv/acme --refresh",
    )
)
def restore(
    backup: Annotated[Path, typer.Argument(help="One backup, or a folder of them: the newest.")],
    folder: Annotated[Path, typer.Argument(help="The new workspace: a folder that is empty or not there.")],
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compute and publish too, for the moment published back then.")
    ] = False,
) -> None:
    """Make a workspace of a backup in a new folder: checked, copied, its store filled."""
    from trialwise.cli.reports import say_refreshed
    from trialwise.progress import progress
    from trialwise.restore import restore as run

    with progress("restore") as report:
        done = run(backup, folder, with_refresh=refresh, progress=report)
    kept = done.archive
    say(f"restored {kept.name}: {kept.segments:,} segments of {kept.workspace}")
    if done.moved_data is not None:
        say(f"its data lies in {done.folder / 'data'}, and trialwise.toml says so: it lay in {done.moved_data}")
    if done.refreshed is not None:
        say_refreshed(done.refreshed)
    say("secrets are in no backup: set the TRIALWISE_ variables of the environment again")
    say(f"next: stop what still runs on the old folder, then trialwise serve -C {done.folder}")


def _target(target: Path | None, folder: Path) -> Path:
    """Where backups are looked for; a workspace is needed only where no folder is named."""
    return open_workspace(folder).backups if target is None else target.resolve()
