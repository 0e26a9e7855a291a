"""Options that many commands have, and how examples stand in a help page."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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


Folder = Annotated[
    Path, typer.Option("--dir", "-C", help="The workspace.", envvar="TRIALWISE_HOME", show_default=False)
]
AsOf = Annotated[str | None, typer.Option(help="What was true then: a date (its end) or an instant.")]
KnownAt = Annotated[str | None, typer.Option(help="Only what was known by then: a date (its end) or an instant.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")]
As = Annotated[Format, typer.Option("--format", "-f", help="How the answer is written.")]


def examples(*lines: str) -> str:
    """Command lines as the end of a help page."""
    return "Examples:\n\n" + "\n\n".join(f"    {line}" for line in lines)
