"""What became of records and of a refresh, in lines for people."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from trialwise.cli.streams import file_name, say


def say_imported(receipts: Any, loaded: Any) -> None:
    """What was received of each file, and the load that followed; None where another process owns the store."""
    for receipt in receipts:
        if receipt.is_repeat:
            say(f"{file_name(receipt.file)}: imported before, at {receipt.repeats:%Y-%m-%d %H:%M}Z; nothing to do")
        else:
            say(f"{file_name(receipt.file)}: received {receipt.received:,} records ({receipt.format})")
    if loaded is None:
        waiting = sum(receipt.pending for receipt in receipts)
        say(f"received {waiting:,} = loaded 0 + duplicate 0 + quarantined 0 + pending {waiting:,}")
        say("another process owns the store; its next refresh loads them")
    elif loaded.received:
        say_loaded(loaded, "", own=sum(receipt.pending for receipt in receipts))


def say_loaded(loaded: Any, mood: str, own: int | None = None) -> None:
    """What became of records; `own`: how many of them this command brought, where others' may be among them."""
    others = own is not None and loaded.received > own and not loaded.rebuilt
    met = " with what arrived meanwhile" if others else ""
    if loaded.rebuilt:
        say(f"the raw tables were filled anew from landing: {loaded.rebuilt}")
    left_out = f" + forgotten {loaded.forgotten:,}" if loaded.forgotten else ""
    say(
        f"received {loaded.received + loaded.pending:,}{met} = {mood}loaded {loaded.loaded:,}"
        f" + duplicate {loaded.duplicate:,} + quarantined {loaded.quarantined:,}{left_out} + pending {loaded.pending:,}"
    )
    for reason, count in sorted(loaded.reasons.items(), key=lambda item: (-item[1], item[0])):
        say(f"  quarantined {count:,}: {reason}")
    if loaded.quarantined and not mood:
        say("  see: trialwise quarantine list")


def say_refreshed(done: Any) -> None:
    """What a refresh loaded, built and published, with its warnings."""
    if done.loaded.received:
        say_loaded(done.loaded, "")
    did = Counter(step.action for step in done.steps)
    told = ", ".join(
        f"{did[action]} {action}" for action in ("rebuilt", "restricted", "added", "unchanged") if did[action]
    )
    say(f"{len(done.steps)} models: {told}; {len(done.build.checks)} checks; {done.seconds:.1f} s")
    for warning in done.build.warnings:
        say(f"  warning: {warning.model}: {warning.check}: {warning.bad_rows:,} rows, such as {warning.sample[0]}")
    _say_published(done.shown, done.clock.as_of, done.generation.name)


def say_unchanged(found: Any, clock: Any) -> None:
    """Of a refresh that had nothing to do: what the one before said, and that it is true of this moment too."""
    say(f"{found.models} models: {found.models} unchanged; nothing is new since the last refresh")
    for warning in found.warnings:
        say(f"  warning: {warning.model}: {warning.check}: {warning.bad_rows:,} rows")
    _say_published(found.shown or found.as_of, clock.as_of, f"{found.generation:06d}.duckdb")


def _say_published(shown: datetime, as_of: datetime, name: str) -> None:
    """The moment that answers show, and up to when they are the same."""
    first, now = (f"as of {moment:%Y-%m-%d %H:%M}Z" for moment in (shown, as_of))
    say(f"{first}, published as {name}{'' if first == now else f'; the same {now}'}")


def say_lost(history: Any) -> None:
    """Of a history that proved damaged, until somebody has dealt with it: what it no longer tells."""
    if history.set_aside():
        say(
            "warning: the history was damaged and begun anew: what was published before that is on no record;"
            " see 'trialwise doctor'"
        )


def steps_frame(steps: Any) -> Any:
    """What a refresh does to each model, as a frame: columns as in `transform.incremental.Step`."""
    import polars as pl

    schema = {
        "model": pl.String,
        "action": pl.String,
        "why": pl.String,
        "keys": pl.Int64,
        "rows": pl.Int64,
        "seconds": pl.Float64,
    }
    rows = [(s.model, s.action, s.why, s.keys, s.rows, round(s.seconds, 3)) for s in steps]
    return pl.DataFrame(rows, schema=schema, orient="row")
