"""`trialwise doctor`: what makes numbers wrong without failing."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from trialwise.cli.options import As, Folder, Format, Output, examples
from trialwise.cli.streams import show
from trialwise.cli.workspaces import open_workspace

app = typer.Typer()


@app.command(epilog=examples("trialwise doctor", "trialwise doctor -f json"))
def doctor(form: As = Format.table, output: Output = None, folder: Folder = Path()) -> None:
    """Look for what makes numbers wrong without failing: unmapped events, unresolved customers, stale sources, disk."""
    from trialwise.diagnosis import findings_frame
    from trialwise.owner.asking import diagnosis
    from trialwise.progress import progress

    with progress("doctor") as report:
        findings = diagnosis(open_workspace(folder), progress=report)
    if form is Format.table and output is None:
        for finding in findings:
            advice = f"\n        {finding.advice}" if finding.advice else ""
            sys.stdout.write(f"{finding.level:8}{finding.topic}: {finding.found}{advice}\n")
    else:
        show(findings_frame(findings), form, output)
