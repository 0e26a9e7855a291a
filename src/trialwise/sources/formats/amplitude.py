"""Amplitude: events as its HTTP API takes them and as its exports give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trialwise.sources.calls import Call, given, identity, places, record_of, required, table, text

_MONEY = ("revenue", "price", "quantity", "productId", "revenueType")
_SET = ("$setOnce", "$set")  # later ones win
_PAGE = "[Amplitude] Page Viewed"


def translate(raw: str, _envelope: str | None) -> Call:
    """One event; `$identify` becomes identify, `$groupidentify` group, a page view page, everything else track.

    The account is the one group a record names; of several types, --map account_id=groups.TYPE takes one.
    """
    record = record_of(raw)
    kind = required(record, "event_type")
    user, device = text(record.get("user_id")), text(record.get("device_id"))
    groups = _groups(record)
    call: Call = {
        **places(record, "event_properties", "user_properties"),
        **{f"groups.{name}": value for name, value in groups.items()},
        "messageId": _message_id(record, user, device),
        "timestamp": text(record.get("event_time")) or text(record.get("time")),
        "receivedAt": text(record.get("server_received_time")) or text(record.get("server_upload_time")),
        "userId": user,
        "anonymousId": device,
        "context": given({"groupId": next(iter(groups.values())) if _is_one(record, groups) else None}),
    }
    properties = table(record.get("event_properties"))
    if kind == "$identify":
        call |= {"type": "identify", "traits": _traits(record, "user_properties")}
    elif kind == "$groupidentify":
        call |= {"type": "group", "traits": _traits(record, "group_properties")}
    elif kind == _PAGE:
        call |= {"type": "page", "name": text(properties.get("[Amplitude] Page Title")), "properties": properties}
    else:
        money = {key: record[key] for key in _MONEY if record.get(key) is not None}
        call |= {"type": "track", "event": kind, "properties": {**money, **properties}}
    return given(call)


def _message_id(record: Mapping[str, Any], user: str | None, device: str | None) -> str | None:
    """What Amplitude itself deduplicates by: the insert id on one device; else its own id of the event."""
    insert = text(record.get("insert_id")) or text(record.get("$insert_id"))
    if insert is not None:
        return identity("amplitude", device or user, insert)
    own = text(record.get("uuid"))
    return None if own is None else identity("amplitude", own)


def _groups(record: Mapping[str, Any]) -> dict[str, str]:
    """Group type -> group, of types with one group."""
    found = {}
    for name, value in table(record.get("groups")).items():
        values = value if isinstance(value, list) else [value]
        said = text(values[0]) if len(values) == 1 else None
        if said is not None:
            found[name] = said
    return found


def _is_one(record: Mapping[str, Any], groups: Mapping[str, str]) -> bool:
    return len(groups) == 1 and len(table(record.get("groups"))) == 1


def _traits(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Properties as set: exports give the values, requests give operations ($set, $setOnce, others are left out)."""
    said = table(record.get(key))
    traits = {name: value for name, value in said.items() if not name.startswith("$")}
    for operation in _SET:
        traits |= table(said.get(operation))
    return traits
