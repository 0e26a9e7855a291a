"""What `trialwise doctor` looks at: things that make numbers wrong without making anything fail."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from trialwise.clock import AHEAD, utc_now
from trialwise.config import Config
from trialwise.engines.duckdb import Engine
from trialwise.errors import DiskFull, StoreError
from trialwise.history import NAME as HISTORY
from trialwise.history import History
from trialwise.landing.adopt import left_out
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.runs import Ledger
from trialwise.sources.stripe.state import read_state
from trialwise.stripe_intake import CURSOR, has_key, standing, title_of

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from trialwise.delivery.generation import Generation
    from trialwise.intake import Standing
    from trialwise.store import Recovery

Level = Literal["ok", "note", "warning"]
SHOWN = 5
STALE_AFTER = timedelta(days=2)
RECONCILED_WITHIN = timedelta(days=7)
BACKED_UP_WITHIN = timedelta(days=8)
FREE_BYTES = 2 << 30
UNNAMED_SECONDS = 3_600  # an import that is under way names its segments at its end

_UNMAPPED = """
SELECT c.event_name, count(*) AS events
FROM raw.events AS e
JOIN config.event_catalogue AS c ON c.event_key = e.event_key
LEFT JOIN config.event_milestones AS m ON m.event_key = e.event_key
WHERE NOT c.is_value AND c.role IS NULL AND m.milestone IS NULL
  AND c.event_name NOT LIKE 'Viewed %' AND c.event_name NOT LIKE 'Webhook: %'
GROUP BY c.event_name
ORDER BY events DESC, c.event_name
"""
_UNSEEN = """
SELECT name FROM (SELECT unnest($names) AS name) AS wanted
WHERE name NOT IN (SELECT event_name FROM raw.dim_event WHERE event_name IS NOT NULL)
ORDER BY name
"""
_UNRESOLVED = "SELECT customer_id FROM intermediate.customer_accounts WHERE method = 'unresolved' ORDER BY customer_id"
_METHODS = "SELECT method, count(*) FROM intermediate.customer_accounts GROUP BY method ORDER BY method"
_LATEST = """
SELECT 'product events' AS source, max(known_at) FROM raw.events
UNION ALL
SELECT 'stripe' AS source, max(known_at) FROM raw.stripe
"""
_QUARANTINE = """
SELECT reason, count(*) FROM raw.quarantine WHERE retried_at IS NULL GROUP BY reason ORDER BY count(*) DESC, reason
"""
STATUSES = {"failed": "failed", "killed": "was killed"}
LOST = ("checksum", "damaged_frame", "missing_frame", "damaged")
"""Reasons of records that were received whole and that the disk no longer holds."""
_DAMAGED_FILES = """
SELECT detail, count(*) FROM raw.quarantine WHERE reason = 'damaged' AND retried_at IS NULL
GROUP BY detail ORDER BY detail
"""
_LATE_HISTORY = """
SELECT count(*), coalesce(sum(CAST(known_date > activity_date + 30 AS INTEGER)), 0) FROM raw.events
"""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found and, when it needs doing something, what to do next."""

    level: Level
    topic: str
    found: str
    advice: str = ""


def diagnose(
    config: Config,
    store: Engine,
    results: Generation | None,
    data: Path,
    recovered: Sequence[Recovery] = (),
    fetched: Sequence[Standing] = (),
    backed_up: Sequence[datetime] = (),
    others: Sequence[Finding] = (),
) -> list[Finding]:
    """Everything worth knowing about a loaded and refreshed workspace, warnings first.

    store: the store with raw and intermediate tables; results: the published generation, None before the first;
    backed_up: the instants (UTC) of the backups there are, the newest last; others: what was found elsewhere.
    """
    found = [
        *_results(results),
        *_events(config, store),
        *_customers(store),
        *_sources(store, results),
        *_quarantine(store),
        *_stripe(data),
        *(Finding(source.level, source.name, source.found, source.advice) for source in fetched),
        *_jobs(data),
        *_store(data, recovered),
        *_backups(config, backed_up),
        *_unnamed(data),
        *_history(data),
        *_disk(data),
        *others,
    ]
    rank = {"warning": 0, "note": 1, "ok": 2}
    return sorted(found, key=lambda finding: rank[finding.level])


def diagnose_without_store(
    error: StoreError, results: Generation | None, data: Path, fetched: Sequence[Standing] = ()
) -> list[Finding]:
    """What can be told where `error` keeps the store from being looked into; the error comes first."""
    found = [
        *_results(results),
        *_stripe(data),
        *(Finding(source.level, source.name, source.found, source.advice) for source in fetched),
        *_history(data),
        *_disk(data),
    ]
    rank = {"warning": 0, "note": 1, "ok": 2}
    topic = "disk full" if isinstance(error, DiskFull) else "store"
    said = Finding("warning", topic, error.message, (error.hint or "").replace("\n", " "))
    return [said, *sorted(found, key=lambda finding: rank[finding.level])]


def findings_frame(findings: Sequence[Finding]) -> pl.DataFrame:
    """Findings as rows: level, topic, found, advice."""
    import polars as pl

    columns = ("level", "topic", "found", "advice")
    return pl.DataFrame([tuple(getattr(item, name) for name in columns) for item in findings], columns, orient="row")


def _results(results: Generation | None) -> Iterator[Finding]:
    if results is None:
        yield Finding("warning", "results", "nothing is published", "Run 'trialwise refresh'.")
    else:
        yield Finding("ok", "results", results.caption)


def _events(config: Config, store: Engine) -> Iterator[Finding]:
    unmapped = store.rows(_UNMAPPED)
    if unmapped:
        names = ", ".join(f"{name} ({count:,})" for name, count in unmapped[:SHOWN])
        more = f" and {len(unmapped) - SHOWN} more names" if len(unmapped) > SHOWN else ""
        yield Finding(
            "note",
            "unmapped events",
            f"{sum(count for _, count in unmapped):,} events count for nothing: {names}{more}",
            "Name them under [events] value, [events.aliases] or [milestones], or leave them.",
        )
    declared = [*(config.events.value if config.events.value != "*" else ())]
    declared += [name for names in config.features.values() for name in names]
    declared += [name for names in config.milestones.values() for name in names]
    unseen = [name for (name,) in store.rows(_UNSEEN, {"names": sorted(set(declared))})]
    aliased = set(config.events.aliases.values())
    unseen = [name for name in unseen if name not in aliased]
    if unseen:
        yield Finding(
            "warning",
            "events never seen",
            f"{', '.join(unseen[:SHOWN])}{' and more' if len(unseen) > SHOWN else ''}",
            "Check the spelling in trialwise.toml against the names you send.",
        )
    if config.events.value == "*":
        yield Finding(
            "note",
            "value events",
            'value = "*" counts every event without another role as use',
            "Name the events that show real work under [events] value; 'trialwise init --from' proposes them.",
        )
    events, late = store.rows(_LATE_HISTORY)[0]
    if events and late * 2 > events:
        yield Finding(
            "warning",
            "history known late",
            f"{late:,} of {events:,} events became known more than 30 days after they happened",
            "Give each record its receivedAt (or import files, which do): a past day knows only what was known then.",
        )


def _customers(store: Engine) -> Iterator[Finding]:
    methods = dict(store.rows(_METHODS))
    unresolved = [customer for (customer,) in store.rows(_UNRESOLVED)]
    if unresolved:
        yield Finding(
            "warning",
            "unresolved customers",
            f"{len(unresolved)} of {sum(methods.values())} Stripe customers belong to no account: "
            f"{', '.join(unresolved[:SHOWN])}{' ...' if len(unresolved) > SHOWN else ''}",
            "Set metadata on the customer, or list them in the file named by [identity] customer_map.",
        )
    elif methods:
        text = ", ".join(f"{count} by {method}" for method, count in methods.items())
        yield Finding("ok", "customers", f"every Stripe customer belongs to an account ({text})")


def _sources(store: Engine, results: Generation | None) -> Iterator[Finding]:
    now: datetime | None = results.moment.as_of if results is not None else None
    for source, latest in store.rows(_LATEST):
        if latest is None:
            yield Finding("note", f"source {source}", "nothing was ever received", "See 'trialwise import --help'.")
        elif now is not None and now - latest > STALE_AFTER:
            yield Finding(
                "warning",
                f"source {source}",
                f"the newest record is of {latest:%Y-%m-%d %H:%M}Z, {(now - latest).days} days before the clock",
                "Import what is newer, then 'trialwise refresh'.",
            )
        else:
            yield Finding("ok", f"source {source}", f"the newest record is of {latest:%Y-%m-%d %H:%M}Z")


def _quarantine(store: Engine) -> Iterator[Finding]:
    reasons = store.rows(_QUARANTINE)
    lost = [(reason, count) for reason, count in reasons if reason in LOST]
    if lost:
        damaged = store.rows(_DAMAGED_FILES)
        if damaged:
            told = "; ".join(f"{detail} ({count:,} records)" for detail, count in damaged[:SHOWN])
            yield Finding(
                "warning",
                "compacted records",
                f"{told}{' ...' if len(damaged) > SHOWN else ''}",
                "Restore the file in landing/compacted from a backup, move store.duckdb away, then run "
                "'trialwise refresh': the store is filled again from landing.",
            )
        yield Finding(
            "warning",
            "landing",
            f"{sum(count for _, count in lost):,} records changed or went missing on disk after they were landed: "
            f"{', '.join(f'{reason} {count:,}' for reason, count in lost)}",
            "Restore the landing folder from a backup, or import the files they came in again "
            "(trialwise quarantine list); look after the disk.",
        )
    if reasons:
        text = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:SHOWN])
        yield Finding(
            "note", "quarantine", f"{sum(count for _, count in reasons):,} records: {text}", "trialwise quarantine list"
        )
    else:
        yield Finding("ok", "quarantine", "empty")


def _stripe(data: Path) -> Iterator[Finding]:
    """How far the import by API is, and what it cannot see."""
    state, now = read_state(Cursors(data / "landing").get(CURSOR)), utc_now()
    if state.failure is not None and state.failed_at is not None:
        yield Finding(
            "warning",
            "stripe api",
            f"the last run stopped at {state.failed_at:%Y-%m-%d %H:%M}Z: {state.failure}",
            "Run 'trialwise import stripe': it goes on where it stopped.",
        )
    if state.is_new:
        if has_key() and state.failure is None:
            yield Finding("note", "stripe api", "a key is set and nothing was imported yet", "trialwise import stripe")
        return
    for gap in state.open_gaps:
        advice = "trialwise import stripe --reconcile"
        if gap.why == "since":
            advice = "Leave it, or bring the older objects in: trialwise import stripe --since with an earlier day."
        yield Finding("note" if gap.why == "since" else "warning", "stripe gap", gap.text, advice)
    if state.unreadable:
        left_out = "; ".join(f"{title_of(kind)}: {why}" for kind, why in sorted(state.unreadable.items()))
        yield Finding("warning", "stripe permissions", left_out, "Add them to the key (docs/howto/connect-stripe.md).")
    said = standing(state)[0]
    if state.last_polled_at is None or now - state.last_polled_at > STALE_AFTER:
        yield Finding("warning", "stripe api", said, "Run 'trialwise import stripe', or leave 'trialwise serve' on.")
    elif state.last_reconciled_at is None or now - state.last_reconciled_at > RECONCILED_WITHIN:
        yield Finding("note", "stripe api", said, "trialwise import stripe --reconcile")
    else:
        yield Finding("ok", "stripe api", said)


def _jobs(data: Path) -> Iterator[Finding]:
    """Jobs whose last run did not go well."""
    ledger = Ledger(data)
    try:
        ledger.check()
        runs = ledger.latest()
    except StoreError as error:
        yield Finding("warning", "runs", error.message, error.hint or "")
        return
    damaged = _names(ledger.set_aside())
    if damaged:
        found = "the run ledger was damaged and begun anew: of runs before that nothing is known"
        yield Finding("note", "runs", found, f"Delete {damaged} in {data} once nobody wants to look.")
    for run in runs:
        if run.status in ("failed", "killed") and (run.asked_by != "command" or run.job == "refresh"):
            said = f"the last run, of {run.started_at:%Y-%m-%d %H:%M}Z, {STATUSES[run.status]}: {run.error}"
            yield Finding("warning", f"job {run.job}", said, f"trialwise runs show {run.run_id}")


def _store(data: Path, recovered: Sequence[Recovery]) -> Iterator[Finding]:
    if not recovered:
        yield Finding("ok", "store", "never found damaged")
        return
    times = f"; {len(recovered)} times in all" if len(recovered) > 1 else ""
    found = f"{recovered[-1].found_at:%Y-%m-%d %H:%M}Z: {recovered[-1]}{times}"
    damaged, older = (sorted(data.glob(f"store.duckdb.{kind}-*")) for kind in ("damaged", "older"))
    look = "" if all(one.is_older for one in recovered) else " Look after the disk."
    advice = f" Delete {_names(damaged + older)} in {data} once nobody wants to look." if damaged + older else ""
    yield Finding("warning" if damaged else "note", "store", found, f"Nothing was lost.{advice}{look}")


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _backups(config: Config, backed_up: Sequence[datetime]) -> Iterator[Finding]:
    """How old the last backup is; a week, and a night that failed, may lie between two."""
    by_itself = "" if config.backup.at else ", or let the server make one each night: [backup] at in trialwise.toml"
    if not backed_up:
        yield Finding("note", "backup", "there is none of this workspace", f"trialwise backup{by_itself}")
        return
    found = f"the last one is of {backed_up[-1]:%Y-%m-%d %H:%M}Z, {len(backed_up)} in all"
    if utc_now() - backed_up[-1] > BACKED_UP_WITHIN:
        yield Finding("warning", "backup", found, f"trialwise backup{by_itself}")
    else:
        yield Finding("ok", "backup", found)


def _history(data: Path) -> Iterator[Finding]:
    """A damaged history costs no results, and nothing but a backup has what it said."""
    history = History(data)
    try:
        history.check()
    except StoreError as error:
        yield Finding("warning", "history", error.message, error.hint or "")
        return
    damaged = _names(history.set_aside())
    if damaged:
        yield Finding(
            "warning",
            "history",
            "it was damaged and begun anew: what was published before that is on no record, and first_listed_at tells "
            "nothing earlier",
            f"With nothing else running, put {HISTORY} of a backup in its place, then delete {damaged} in {data}. "
            "Without a backup it is lost: delete that once everybody knows.",
        )
    newest = history.newest()
    if newest is not None and newest.as_of > utc_now() + AHEAD:
        yield Finding(
            "warning",
            "history",
            f"its newest record is of {newest.as_of:%Y-%m-%d %H:%M}Z, ahead of this machine's clock: nothing goes on "
            "record until then",
            "Mend the machine's clock if it is behind. If it was ahead when that was published, go back to the last "
            "backup of before (trialwise backup list; trialwise restore BACKUP FOLDER).",
        )


def _unnamed(data: Path) -> Iterator[Finding]:
    """Files of landing that its manifest does not name: what a manifest from a backup has forgotten."""
    landing = Landing(data / "landing")
    known = landing.manifest()
    adopted = [segment.name for entry in known.imports if entry.is_adopted for segment in entry.segments]
    if adopted:
        yield Finding(
            "note",
            "landing manifest",
            f"it had forgotten {len(adopted)} segments and took them in again: "
            f"{', '.join(adopted[:SHOWN])}{' ...' if len(adopted) > SHOWN else ''}",
            "Nothing was lost. Back up and restore the landing folder as a whole.",
        )
    files = left_out(known, landing.folder)
    files += [path for path in landing.compacted.glob("*.parquet") if path.name not in set(known.holders.values())]
    old = sorted(path.name for path in files if time.time() - path.stat().st_mtime > UNNAMED_SECONDS)
    if old:
        yield Finding(
            "warning",
            "landing",
            f"{len(old)} files hold records that are in no load, since the manifest does not name them: "
            f"{', '.join(old[:SHOWN])}{' ...' if len(old) > SHOWN else ''}",
            "Put the newest manifest.ndjson back into the landing folder. Without one, move the NDJSON files elsewhere "
            "and import what their records came from again; nothing here is deleted by itself.",
        )


def _disk(data: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(data).free
    own = (path for top in data.glob("*") if top.name != "backups" for path in (top, *top.rglob("*")))
    used = sum(path.stat().st_size for path in own if path.is_file())
    text = f"{used / (1 << 20):,.0f} MB used, {free / (1 << 30):,.1f} GB free"
    if free < max(FREE_BYTES, 2 * used):
        yield Finding("warning", "disk", text, "Make room: a refresh writes a second copy before the first goes.")
    else:
        yield Finding("ok", "disk", text)
