"""What is read every day: trials, lists, metrics, one account, one score."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from trialwise.cli.options import As, AsOf, Folder, Format, KnownAt, Output, examples
from trialwise.cli.streams import say, show
from trialwise.cli.workspaces import read_results
from trialwise.errors import InputError

app = typer.Typer()


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


class AccountPart(StrEnum):
    """What an account consists of."""

    profile = "profile"
    trials = "trials"
    timeline = "timeline"
    days = "days"


@app.command(epilog=examples("trialwise trials", "trialwise trials --all --format parquet -o trials.parquet"))
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
    results = read_results(folder, as_of, known_at)
    show(results.trials(every=every, segment=segment, limit=limit), form, output, results)


@app.command(
    epilog=examples("trialwise leads", "trialwise leads hot_trials", "trialwise leads went_quiet -f csv -o quiet.csv")
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
    results = read_results(folder, as_of, known_at)
    show(results.leads(name, limit=limit), form, output, results)


@app.command(
    epilog=examples(
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
    results = read_results(folder, as_of, known_at)
    if name is None:
        show(results.metric_names(), form, output, results)
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
    if form is Format.table and results.number:
        frame = _with_restated(frame, by.value, folder)
    show(frame, form, output, results)
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


@app.command(epilog=examples("trialwise account acc_0042", "trialwise account acc_0042 -f json"))
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

    results = read_results(folder, as_of, known_at)
    found = results.account(account_id)
    if form is Format.table and output is None and part is None:
        say(results.caption)
        sys.stdout.write(account_page(found, results))
    else:
        show(found.part("profile" if part is None else part.value), form, output, results)


@app.command(epilog=examples("trialwise explain acc_0042", "trialwise explain acc_0042 --since 2026-03-20"))
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
    results = read_results(folder, as_of, known_at)
    found = results.explain(identifier, since=since)
    if form is Format.table and output is None:
        from trialwise.delivery.pages import explanation_page

        say(results.caption)
        sys.stdout.write(explanation_page(found))
    else:
        show(found.parts, form, output, results)


def _with_restated(frame: Any, by: str, folder: Path) -> Any:
    """With how often each number was restated, where one was; and where to read why."""
    from trialwise.delivery.past import history_of, marked
    from trialwise.workspace import Workspace

    found = marked(frame, by, history_of(Workspace.open(folder)))
    count = int((found["restated"] > 0).sum())
    if count == 0:
        return frame
    verb = "was" if count == 1 else "were"
    say(f"{count} of these numbers {verb} restated since first published: trialwise restatements")
    return found


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
