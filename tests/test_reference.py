"""The page of commands, from a command line of a test."""

from __future__ import annotations

import click

from trialwise.reference import cli_markdown


@click.group(help="All of it.")
def group() -> None:
    """The root."""


@group.command(epilog="Examples:\n\n  tool copy a b\n  tool copy -n a b")
@click.argument("source")
@click.argument("targets", nargs=-1)
@click.option("--dry-run/--wet-run", "-n", help="Only say what | would be done.")
def copy(source: str, targets: tuple[str, ...], dry_run: bool) -> None:
    """Copy one file."""


@group.group()
def store() -> None:
    """What is kept."""


@store.command()
def empty() -> None:
    """Throw all away."""


def test_every_command_with_arguments_options_and_examples() -> None:
    page = cli_markdown(group)
    assert page.startswith("# Commands\n")
    sections = [line for line in page.splitlines() if line.startswith("## ")]
    assert sections == ["## trialwise copy", "## trialwise store", "## trialwise store empty"]
    copied = page[page.index("## trialwise copy") : page.index("## trialwise store")]
    assert copied.splitlines() == [
        "## trialwise copy",
        "",
        "Copy one file.",
        "",
        "`trialwise copy SOURCE [TARGETS...] [OPTIONS]`",
        "",
        "| | |",
        "|---|---|",
        "| `SOURCE` |  |",
        "| `[TARGETS...]` |  |",
        "| `--dry-run, -n, --wet-run` | Only say what \\| would be done. |",
        "",
        "```sh",
        "tool copy a b",
        "tool copy -n a b",
        "```",
        "",
    ]


def test_a_command_without_options_has_no_table() -> None:
    page = cli_markdown(group)
    assert page[page.index("## trialwise store empty") :] == (
        "## trialwise store empty\n\nThrow all away.\n\n`trialwise store empty`\n"
    )
