"""Models as text: checked against the rules they keep, and described."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trialwise.cli.options import Folder, examples
from trialwise.cli.streams import say
from trialwise.errors import InputError

app = typer.Typer()


@app.command(epilog=examples("trialwise lint", "trialwise lint -C acme"))
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
    say(f"{len(models)} models, {len(findings)} findings")
    if findings:
        raise typer.Exit(1)


@app.command(epilog=examples("trialwise docs", "trialwise docs -o handbook"))
def docs(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path("docs"),
    check: Annotated[bool, typer.Option("--check", help="Only say whether the files are up to date.")] = False,
    folder: Folder = Path(),
) -> None:
    """Write models.md (columns, grain, checks, cases, lineage) and cli.md."""
    from trialwise.pipeline import models_at
    from trialwise.reference import cli_markdown
    from trialwise.transform.docs import models_markdown

    pages = {"models.md": models_markdown(models_at(folder)), "cli.md": cli_markdown(context.find_root().command)}
    stale = [name for name, text in pages.items() if not _says(output / name, text)]
    if check:
        if stale:
            raise InputError(f"{', '.join(stale)} in {output} is not up to date", "Run 'trialwise docs'.")
        return
    output.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (output / name).write_text(pages[name], encoding="utf-8")
        say(f"wrote {output / name}")


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text
