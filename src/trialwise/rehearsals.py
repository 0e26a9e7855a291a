"""Imports rehearsed: what files or a page of an API would come to, and what to try; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trialwise import intake
from trialwise.arrivals import open_files
from trialwise.clock import utc_now
from trialwise.errors import InputError
from trialwise.landing.rehearsal import rehearsal, rehearse
from trialwise.landing.report import LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.pipeline import load_settings
from trialwise.scaffold import SeenEvent
from trialwise.sources import guess
from trialwise.sources.formats import TRANSLATORS
from trialwise.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

SEEN_EVENTS = """
SELECT d.event_name, count(*), count(DISTINCT nullif(e.account_key, 0)), count(DISTINCT nullif(e.user_key, 0))
FROM raw.events AS e JOIN raw.dim_event AS d ON d.event_key = e.event_key
GROUP BY d.event_name ORDER BY count(*) DESC, d.event_name
"""
FIRST_EVENTS = """
SELECT d.event_name, a.account_id, u.user_id, e.occurred_at, e.known_at, p.properties
FROM raw.events AS e
JOIN raw.dim_event AS d ON d.event_key = e.event_key
LEFT JOIN raw.dim_account AS a ON a.account_key = e.account_key AND e.account_key > 0
LEFT JOIN raw.dim_user AS u ON u.user_key = e.user_key AND e.user_key > 0
LEFT JOIN raw.event_properties AS p ON p.event_id = e.event_id
ORDER BY e.rowid LIMIT 5
"""


@dataclass(frozen=True)
class RehearsedPull:
    """What the first page of an API would become; nothing of it was kept.

    first: its first events as they would be read; advice: what to try when no record names an event, None otherwise.
    """

    report: LoadReport
    first: pl.DataFrame
    advice: str | None


def rehearse_pull(workspace: Workspace, name: str) -> RehearsedPull:
    """Read the first page of an API and throw it away.

    Raises SourceError, ConfigError and NotFoundError as intake.first_page does.
    """
    import polars as pl

    page = intake.first_page(workspace, name)
    settings = load_settings(workspace)
    with rehearsal([page], settings, landed_at=utc_now(), translators=TRANSLATORS) as (engine, report):
        names = ("event", "account_id", "user_id", "occurred_at", "known_at", "properties")
        first = pl.DataFrame(engine.rows(FIRST_EVENTS), names, orient="row")
    advice = None
    if report.received and report.reasons.get("no_event") == report.received:
        advice = guess.pull_advice(name, page.records[0].data, workspace.config.sources.http[name].mapping)
    return RehearsedPull(report, first, advice)


def rehearse_files(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    kind: str,
    file_format: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> LoadReport:
    """What importing these files into an empty workspace would come to; nothing is kept.

    Raises InputError as `import_files` does.
    """
    sources = open_files(paths, kind, file_format, mapping)
    return rehearse(list(sources), load_settings(workspace), landed_at=utc_now(), translators=TRANSLATORS)


def seen_events(path: Path, file_format: str | None, mapping: Mapping[str, str]) -> list[SeenEvent]:
    """The event names of a file with their counts, for `init --from`.

    Raises InputError for a file that is unreadable, or in which there is no event: then with what to try.
    """
    [source] = open_files([path], "events", file_format, mapping)
    with rehearsal([source], LoadSettings(), landed_at=utc_now(), translators=TRANSLATORS) as (engine, report):
        seen = [SeenEvent(*row) for row in engine.rows(SEEN_EVENTS)]
    if not seen:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(report.reasons.items()))
        raise InputError(
            f"{path.name}: no event could be read of {report.received:,} records{f' ({reasons})' if reasons else ''}",
            guess.advice(guess.glimpse(source), mapping)
            or "See what is wrong: trialwise import events FILE --dry-run.",
        )
    return seen


def proposed_mapping(path: Path, mapping: Mapping[str, str]) -> dict[str, str]:
    """Which columns of a flat file seem to be ours, besides those of `mapping`. Raises InputError as `import_files`."""
    [source] = open_files([path], "events", None, mapping)
    seen = guess.glimpse(source)
    return guess.propose_mapping(seen.columns, mapping) if seen.is_flat else {}


def mapping_advice(paths: Sequence[Path], file_format: str | None, mapping: Mapping[str, str]) -> list[str]:
    """For each file of flat records without a column of events: which columns it has, and what to try."""
    found = []
    for source in open_files(paths, "events", file_format, mapping):
        advice = guess.advice(guess.glimpse(source), mapping)
        if advice is not None:
            found.append(f"{source.name}: {advice}")
    return found
