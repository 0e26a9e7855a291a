"""A record of an API as a call: nested fields by path, and records that stand for an event without naming one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trialwise.connections import HttpSection, Step, steps
from trialwise.errors import Untranslatable
from trialwise.sources.calls import Call, given, record_of, table, text

FORMAT = "record"
_USUAL: Mapping[str, tuple[str, ...]] = {
    "event": ("event",),
    "account_id": ("account_id", "accountId", "group_id", "groupId"),
    "user_id": ("user_id", "userId"),
    "anonymous_id": ("anonymous_id", "anonymousId"),
    "timestamp": ("timestamp", "time"),
    "received_at": ("received_at", "receivedAt"),
    "id": ("id", "message_id", "messageId"),
    "properties": ("properties",),
}
"""Where a field of ours stands when nothing is said: the columns of flat files."""


def envelope(name: str, section: HttpSection) -> str | None:
    """What is to be said with every record of a source, as JSON text; None for formats that explain themselves."""
    if section.format != "flat":
        return None
    said = {
        "source": name,
        "event": section.event,
        "mapping": dict(section.mapping),
        "properties": dict(section.properties),
    }
    return json.dumps(given(said), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def translate(raw: str, around: str | None) -> Call:
    """The call of a record, read as `envelope` says.

    Without `event` the record is an event: what is not mapped stands in its usual column, and every column without a
    meaning is a property. With `event` it is a thing that something happened to: of it only what is mapped is read, so
    that its other changes are no news. An id of digits alone is unique in its source at best, and gets its name.
    Raises Untranslatable for a record or an envelope that is no JSON object, or an `event` without its instant.
    """
    record = record_of(raw)
    said = record_of(around) if around is not None else {}
    mapping, event = table(said.get("mapping")), text(said.get("event"))
    found = {ours: _field(record, ours, mapping, is_thing=event is not None) for ours in _USUAL}
    if event is not None and text(found["timestamp"]) is None:
        raise Untranslatable("bad_timestamp", f"nothing at {mapping.get('timestamp')}")
    properties = {} if event is not None else _left(record, mapping)
    properties |= table(found["properties"])
    properties |= {ours: _at(record, steps(path)) for ours, path in table(said.get("properties")).items()}
    return given(
        {
            "type": "track",
            "event": event or _shown(found["event"]),
            "userId": _shown(found["user_id"]),
            "anonymousId": _shown(found["anonymous_id"]),
            "messageId": _identity(_shown(found["id"]), text(said.get("source"))),
            "timestamp": _shown(found["timestamp"]),
            "receivedAt": _shown(found["received_at"]),
            "context": given({"groupId": _shown(found["account_id"])}),
            "properties": {key: value for key, value in properties.items() if value is not None},
        }
    )


def _field(record: Mapping[str, Any], ours: str, mapping: Mapping[str, str], *, is_thing: bool) -> Any:
    if ours in mapping:
        found = _at(record, steps(mapping[ours]))
        return None if _is_blank(found, ours) else found
    if is_thing:
        return None
    return next((record[name] for name in _USUAL[ours] if not _is_blank(record.get(name), ours)), None)


def _is_blank(value: Any, ours: str) -> bool:
    """Whether there is nothing; a blank name of an event is a wrong one."""
    return value is None or (isinstance(value, str) and ours != "event" and not value.strip())


def _left(record: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """The columns of a flat record without a meaning; of a nested field the whole column it stands in stays."""
    meant = {name for ours, names in _USUAL.items() if ours not in mapping for name in names}
    meant |= {str(path[0]) for path in map(steps, mapping.values()) if len(path) == 1}
    return {key: value for key, value in record.items() if key not in meant}


def _at(value: Any, path: tuple[Step, ...]) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _shown(value: Any) -> str | None:
    """A text or number as text; anything else as its JSON, for quarantine to show what was found."""
    if value is None or isinstance(value, str):
        return value
    plain = text(value)
    return plain if plain is not None else json.dumps(value)


def _identity(found: str | None, source: str | None) -> str | None:
    return f"{source}:{found}" if found is not None and source is not None and found.isdigit() else found
