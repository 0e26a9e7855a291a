"""Mixpanel: raw export and import, one {"event", "properties"} a line.

`time` is read as UTC. Exports of projects made before 2023 give it in the project's time zone instead, with nothing in
the record to tell by: set such a project to UTC, or shift the times, before exporting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trialwise.sources.calls import Call, given, identity, places, record_of, required, text
from trialwise.sources.piece import Untranslatable

_DEVICE = "$device:"
_ACCOUNT = ("account_id", "company_id", "group_id")
_TOLD = frozenset({"distinct_id", "time", "token", "$insert_id", "$user_id", "$device_id", "mp_processing_time_ms"})
_PAGE = "$mp_web_page_view"


def translate(raw: str, _envelope: str | None) -> Call:
    """One event; `$identify` becomes identify, `$create_alias` and `$merge` alias, a page view page, the rest track.

    The account is the property account_id, company_id or group_id; --map account_id=properties.KEY takes another.
    """
    record = record_of(raw)
    event = required(record, "event")
    said = record.get("properties")
    if not isinstance(said, dict):
        raise Untranslatable("unknown_shape", "no properties")
    user, device = _people(said)
    moment, insert = text(said.get("time")), text(said.get("$insert_id"))
    call: Call = {
        **places(record, "properties"),
        "messageId": identity("mixpanel", event, moment, text(said.get("distinct_id")), insert) if insert else None,
        "timestamp": moment,
        "receivedAt": text(said.get("mp_processing_time_ms")),
        "userId": user,
        "anonymousId": device,
        "context": given({"groupId": next(filter(None, (text(said.get(name)) for name in _ACCOUNT)), None)}),
    }
    properties = {key: value for key, value in said.items() if key not in _TOLD}
    if event == "$identify":
        known, before = text(said.get("$identified_id")), text(said.get("$anon_id"))
        call |= {"type": "identify", "userId": known or user, "anonymousId": _bare(before) or device}
    elif event == "$create_alias":
        call |= {"type": "alias", "previousId": _bare(text(said.get("distinct_id"))), "userId": text(said.get("alias"))}
    elif event == "$merge":
        call |= {"type": "alias", **_merged(said)}
    elif event == _PAGE:
        call |= {"type": "page", "name": text(said.get("current_page_title")), "properties": properties}
    else:
        call |= {"type": "track", "event": event, "properties": properties}
    return given(call)


def _people(said: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(user, device) of an event; a distinct_id is the user's unless it names a device."""
    who, user, device = (text(said.get(name)) for name in ("distinct_id", "$user_id", "$device_id"))
    if who is not None and who.startswith(_DEVICE):
        return user, device or _bare(who)
    return user or (who if who != device else None), device


def _bare(name: str | None) -> str | None:
    return None if name is None else name.removeprefix(_DEVICE)


def _merged(said: Mapping[str, Any]) -> dict[str, str | None]:
    ids = said.get("$distinct_ids")
    if not isinstance(ids, list) or len(ids) != 2:
        raise Untranslatable("unknown_shape", "$merge without two $distinct_ids")
    # Devices are what is merged into a user, whichever stands first.
    first, second = sorted((text(one) or "" for one in ids), key=lambda one: not one.startswith(_DEVICE))
    return {"previousId": _bare(first), "userId": _bare(second), "anonymousId": None}
