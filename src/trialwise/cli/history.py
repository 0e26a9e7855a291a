"""What was published, as it was: numbers that changed later, lists and scores of past days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trialwise.cli.options import As, Folder, Format, Output, examples
from trialwise.cli.reports import say_lost
from trialwise.cli.streams import say, show
from trialwise.cli.workspaces import open_workspace
from trialwise.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from trialwise.delivery.generation import Generation
    from trialwise.history import History
    from trialwise.workspace import Workspace

app = typer.Typer()
history = typer.Typer(no_args_is_help=True, help="What lists and scores said on past days, whatever is known by now.")


@app.command(
    epilog=examples(
        "trialwise restatements",
        "trialwise restatements --metric trial_conversion --since 2026-03-01",
        "trialwise restatements -f json",
    )
)
def restatements(
    metric: Annotated[str | None, typer.Option(help="Only numbers of this metric.")] = None,
    since: Annotated[str | None, typer.Option(help="Only changes published on this day (UTC) or later.")] = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Published numbers that later changed: what was said first, before and now, when, and why.

    Of every metric under its definitions, by week and by month. A number counts from the end of its period. A change is
    listed when the number was final, when it left the bounds it was published with, or when a definition changed; that
    pending trials are decided is none.
    """
    from trialwise.delivery import past

    workspace, day = open_workspace(folder), _day(since, "--since")
    present = _present(workspace, lambda results: results.metric_names()["metric"])
    with _recorded(workspace) as found:
        frame = past.restatements(found, metric=metric, since=day, present=present)
    if frame.height == 0 and form is Format.table:
        say("no number on record was restated")
    show(frame, form, output)


@history.command(
    "lists", epilog=examples("trialwise history lists --on 2026-03-01", "trialwise history lists hot_trials -f csv")
)
def history_lists(
    name: Annotated[str | None, typer.Argument(help="The list; without it, all of them.")] = None,
    on: Annotated[str | None, typer.Option(help="The day; without it, the last one there is.")] = None,
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Who was on a list on a day, in which place, and when the list showed them first.

    A row is as that day's list showed it first. A day without a refresh is filled in afterwards (is_backfilled): it
    tells what the list would have shown, and no first_listed_at, for nobody saw it.
    """
    from trialwise.delivery import past

    workspace, day = open_workspace(folder), _day(on, "--on")
    present = _present(workspace, lambda results: results.leads()["list"])
    with _recorded(workspace) as found:
        frame = past.lists(found, day=day, name=name, present=present)
    if frame.height == 0 and form is Format.table:
        say(f"nobody was on {'any list' if name is None else name}{'' if day is None else f' on {day}'}")
    show(frame, form, output)


@history.command(
    "scores", epilog=examples("trialwise history scores acc_0042", "trialwise history scores acc_0042 -f json")
)
def history_scores(
    identifier: Annotated[str, typer.Argument(help="A trial, or an account for its trials.")],
    form: As = Format.table,
    output: Output = None,
    folder: Folder = Path(),
) -> None:
    """Every score that was published of a trial, the newest first; a row for each time it was another one.

    `definitions` names the models and settings it was made by: two rows with the same were made alike.
    """
    from trialwise.delivery import past

    workspace = open_workspace(folder)
    _present(workspace, lambda _: ())
    with _recorded(workspace) as found:
        frame = past.scores(found, identifier)
    show(frame, form, output)


@contextmanager
def _recorded(workspace: Workspace) -> Iterator[History]:
    """The history, of which reading may show that it is damaged: what it no longer tells is said after that."""
    from trialwise.delivery.past import history_of

    history = history_of(workspace)
    try:
        yield history
    finally:
        say_lost(history)


def _present(workspace: Workspace, names: Callable[[Generation], Iterable[str]]) -> tuple[str, ...]:
    """Names that the published results know, whose moment is said; none where nothing is published."""
    from trialwise.answers import open_results

    try:
        results = open_results(workspace)
    except NotFoundError:
        return ()
    with closing(results):
        say(results.caption)
        return tuple(names(results))


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} '{text}' is no date", "Write it as 2026-01-31.") from error
