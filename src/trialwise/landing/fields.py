"""Where the loader finds the fields of a call, and how a column mapping changes that."""

from __future__ import annotations

import json
from collections.abc import Mapping

from trialwise.landing.settings import quoted_key

# The order is that of sql/load/read_calls.sql; the second part is the field a mapping may put there.
_PATHS: tuple[tuple[str, str | None], ...] = (
    ("$.type", None),
    ("$.action", None),
    ("$.event", "event"),
    ("$.name", None),
    ("$.userId", "user_id"),
    ("$.user_id", "user_id"),
    ("$.anonymousId", "anonymous_id"),
    ("$.anonymous_id", "anonymous_id"),
    ("$.groupId", "account_id"),
    ("$.group_id", "account_id"),
    ("$.context.groupId", "account_id"),
    ("$.account_id", "account_id"),
    ("$.accountId", "account_id"),
    ("$.messageId", "id"),
    ("$.message_id", "id"),
    ("$.id", "id"),
    ("$.timestamp", "timestamp"),
    ("$.time", "timestamp"),
    ("$.originalTimestamp", None),
    ("$.original_timestamp", None),
    ("$.sentAt", None),
    ("$.receivedAt", "received_at"),
    ("$.received_at", "received_at"),
    ("$.previousId", None),
    ("$.properties", "properties"),
    ("$.traits", None),
)
_FLAT_COLUMNS = (
    "event",
    "user_id",
    "anonymous_id",
    "account_id",
    "accountId",
    "group_id",
    "message_id",
    "id",
    "timestamp",
    "time",
    "received_at",
    "properties",
    "userId",
    "anonymousId",
    "groupId",
    "messageId",
    "receivedAt",
)


def paths(mapping: Mapping[str, str]) -> list[str]:
    """The JSON paths of a call's fields, with mapped columns (names, not paths) in the place of ours."""
    return [path if ours is None or ours not in mapping else f"$.{quoted_key(mapping[ours])}" for path, ours in _PATHS]


def columns(mapping: Mapping[str, str]) -> str:
    """A JSON merge patch that takes every column with a meaning out of a flat record, leaving its properties."""
    kept = [column for column in _FLAT_COLUMNS if _FIELD_OF[column] not in mapping]
    return json.dumps(dict.fromkeys([*kept, *mapping.values()]))


_FIELD_OF = {path.removeprefix("$."): ours for path, ours in _PATHS}
