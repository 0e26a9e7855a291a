"""CloudEvents 1.0 in their JSON form: the type is the event, the data its properties."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from trialwise.sources.calls import Call, given, identity, places, record_of, required, table, text
from trialwise.sources.piece import Untranslatable

_CONTEXT = frozenset(
    {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data", "data_base64"}
)
# In data as trialwise's flat events write them; as extension attributes, which have no capitals and no underscores.
_IDS = {
    "userId": ("user_id", "userId", "userid"),
    "anonymousId": ("anonymous_id", "anonymousId", "anonymousid"),
    "groupId": ("account_id", "accountId", "group_id", "groupId", "accountid", "groupid"),
}


def translate(raw: str, _envelope: str | None) -> Call:
    """One event. Who did it is told by data or extensions (user_id, account_id), or a subject user/ID or account/ID.

    Raises Untranslatable for a record without the four required attributes, of another version, or of undecodable data.
    """
    record = record_of(raw)
    for attribute in ("specversion", "id", "source", "type"):
        if not isinstance(record.get(attribute), str) or not record[attribute].strip():
            raise Untranslatable("bad_cloudevent", f"no {attribute}")
    if not record["specversion"].startswith("1."):
        raise Untranslatable("bad_cloudevent", f"specversion {record['specversion'][:20]}, 1.0 is read")
    data = _data(record)
    extensions = {key: value for key, value in record.items() if key not in _CONTEXT}
    told = {ours: _first(names, data, extensions) for ours, names in _IDS.items()}
    subject = re.fullmatch(r"(user|account)s?/(.+)", text(record.get("subject")) or "")
    if subject is not None:
        ours = "userId" if subject[1] == "user" else "groupId"
        told[ours] = told[ours] or subject[2]
    ids = {name for names in _IDS.values() for name in names}
    said = {key: value for key, value in {**extensions, **data}.items() if key not in ids}
    return given(
        {
            **places(record, "data"),
            "type": "track",
            "event": required(record, "type"),
            "messageId": identity("cloudevents", record["source"], record["id"]),
            "timestamp": text(record.get("time")),
            "userId": told["userId"],
            "anonymousId": told["anonymousId"],
            "context": given({"groupId": told["groupId"]}),
            "properties": given(said),
        }
    )


def _first(names: tuple[str, ...], *tables: Mapping[str, Any]) -> str | None:
    return next(filter(None, (text(where.get(name)) for where in tables for name in names)), None)


def _data(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data as properties: an object as it is, another value under 'data', none of bytes that are no JSON."""
    kind = (text(record.get("datacontenttype")) or "application/json").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or kind.endswith("+json")
    value = record.get("data")
    encoded = record.get("data_base64")
    if encoded is not None:
        try:
            content = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise Untranslatable("bad_cloudevent", "data_base64 is no base64") from None
        if not is_json:
            return {}
        return table(record_of('{"data":' + content.decode("utf-8", "replace") + "}").get("data"))
    if isinstance(value, dict):
        return value
    return given({"data": value})
