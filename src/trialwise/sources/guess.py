"""What a file of events seems to hold, from its first records: columns under other names, or Stripe's objects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from trialwise.errors import InputError
from trialwise.sources.files import FileSource

RECORDS = 100
_CALLS = frozenset({"track", "identify", "group", "page", "screen", "alias"})
_SEGMENT = frozenset({"userId", "anonymousId", "messageId", "traits"})
_OURS: dict[str, frozenset[str]] = {
    "event": frozenset({"event"}),
    "account_id": frozenset({"account_id", "accountId", "group_id", "groupId"}),
    "user_id": frozenset({"user_id", "userId"}),
    "timestamp": frozenset({"timestamp", "time"}),
}
# Names others give to these columns; the first list that fits a single column decides.
_THEIRS: dict[str, tuple[frozenset[str], ...]] = {
    "event": (
        frozenset({"event name", "event type", "action", "activity", "what"}),
        frozenset({"name"}),
    ),
    "account_id": (
        frozenset({"account", "company id", "organization id", "organisation id", "org id", "tenant id", "team id"}),
        frozenset({"company", "organization", "organisation", "org", "tenant", "group", "workspace", "workspace id"}),
    ),
    "user_id": (frozenset({"user", "uid", "person id", "member id"}), frozenset({"person", "member", "who"})),
    "timestamp": (
        frozenset({"event time", "occurred at", "event timestamp", "datetime", "ts", "when", "at"}),
        frozenset({"date", "created at"}),
    ),
}


@dataclass(frozen=True)
class Glimpse:
    """The first records of a file: all their `columns` in order; whether they are flat records, or Stripe objects.

    `format`: the format of another product all of them seem to be in, as --format names it, or None.
    """

    columns: tuple[str, ...]
    is_flat: bool
    is_stripe: bool
    format: str | None = None


def glimpse(source: FileSource) -> Glimpse:
    """Look at the first records of a file; refused ones and ones that are no object are passed over."""
    records = [record for piece in islice(source.pieces(), RECORDS) if (record := _object(piece.data)) is not None]
    columns = tuple(dict.fromkeys(key for record in records for key in record))
    calls = source.format == "segment" or not _SEGMENT.isdisjoint(columns)
    calls = calls or any(record.get("type") in _CALLS for record in records)
    flat = bool(records) and (source.format == "flat" or not calls)
    stripe = bool(records) and all(_is_stripe(record) for record in records)
    fitting = [name for name, fits in _FORMATS.items() if records and all(fits(record) for record in records)]
    return Glimpse(columns, flat, stripe, fitting[0] if fitting else None)


def refuse_stripe(source: FileSource, seen: Glimpse) -> None:
    """Raises InputError, naming the command that takes it, when a file of events holds Stripe's objects."""
    if seen.is_stripe and not source.mapping:
        raise InputError(
            f"{source.name} looks like Stripe objects, not product events",
            f"Import it with: trialwise import stripe --from {source.path}",
        )


def refuse_format(source: FileSource, seen: Glimpse, setting: str | None = None) -> None:
    """Raises InputError for a file in another product's format read as it comes, naming what reads it: the setting,
    or the option of the command where there is none.
    """
    if seen.format is not None and source.format == "auto":
        said = (
            f'Say so: {setting} = "{seen.format}"'
            if setting
            else f"Say so with --format: trialwise import events {source.path} --format {seen.format}"
        )
        raise InputError(f"{source.name} looks like {_PRODUCTS[seen.format]}", said)


def propose_mapping(columns: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Ours -> theirs for the fields of flat records that have another name, where a single column can be meant.

    What is `given` stays as it is, and its columns are not taken twice.
    """
    free = [column for column in columns if column not in given.values()]
    found: dict[str, str] = {}
    for ours, lists in _THEIRS.items():
        if ours in given or not _OURS[ours].isdisjoint(free):
            continue
        fitting = [[column for column in free if _words(column) in names] for names in lists]
        first = next((columns for columns in fitting if columns), [])
        if len(first) == 1:
            found[ours] = first[0]
    return found


def advice(seen: Glimpse, mapping: Mapping[str, str]) -> str | None:
    """What to try with flat records in which no event was found, or None when they have a column of events."""
    if not seen.is_flat or "event" in mapping or "event" in seen.columns:
        return None
    pairs = {**mapping, **propose_mapping(seen.columns, mapping)}
    if "event" not in pairs:
        pairs = {"event": "COLUMN", **pairs}
    return f"no column 'event'; columns: {', '.join(seen.columns)}; try {map_options(pairs)}"


def pull_advice(name: str, data: bytes, mapping: Mapping[str, str]) -> str | None:
    """What to try with an API's records none of which names an event, told from one; None for what is no object."""
    record = _object(data)
    if record is None:
        return None
    others = {ours: theirs for ours, theirs in mapping.items() if ours != "event"}
    pairs = {"event": "FIELD", **others, **propose_mapping(tuple(record), others)}
    spelled = ", ".join(f"{ours} = {json.dumps(theirs, ensure_ascii=False)}" for ours, theirs in pairs.items())
    nothing = f"nothing at '{mapping['event']}'" if "event" in mapping else "no field 'event'"
    return (
        f"{name}: {nothing} in any record; fields: {', '.join(record)}; try in [sources.http.{name}]: "
        f"mapping = {{ {spelled} }}, look with: trialwise import http {name} --dry-run, "
        f"then read all anew with: trialwise import http {name} --again"
    )


def map_options(pairs: Mapping[str, str]) -> str:
    """The pairs as they are typed on a command line."""
    return " ".join(f"--map {_quoted(f'{ours}={theirs}')}" for ours, theirs in pairs.items())


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w.=-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _is_stripe(record: Mapping[str, Any]) -> bool:
    if not isinstance(record.get("object"), str) or "event" in record:
        return False
    return "livemode" in record or (record["object"] == "list" and isinstance(record.get("data"), list))


def _is_cloudevent(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("specversion"), str) and {"id", "source", "type"} <= record.keys()


def _is_amplitude(record: Mapping[str, Any]) -> bool:
    event = next(iter(record["events"]), None) if isinstance(record.get("events"), list) else record
    if not isinstance(event, dict) or not isinstance(event.get("event_type"), str):
        return False
    return not _AMPLITUDE.isdisjoint(event)


def _is_mixpanel(record: Mapping[str, Any]) -> bool:
    said = record.get("properties")
    if not isinstance(record.get("event"), str) or not isinstance(said, dict) or not _SEGMENT.isdisjoint(record):
        return False
    return "time" in said and not _MIXPANEL.isdisjoint(said)


_AMPLITUDE = frozenset({"event_properties", "user_properties", "insert_id", "$insert_id", "amplitude_id", "device_id"})
_MIXPANEL = frozenset({"distinct_id", "$insert_id", "$distinct_ids"})
_FORMATS = {"cloudevents": _is_cloudevent, "amplitude": _is_amplitude, "mixpanel": _is_mixpanel}
_PRODUCTS = {"cloudevents": "CloudEvents", "amplitude": "Amplitude's events", "mixpanel": "Mixpanel's events"}


def _words(column: str) -> str:
    return re.sub(r"[_\-.\s]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column)).strip().lower()
