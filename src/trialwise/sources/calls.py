"""Calls made of other systems' records: Segment's shape, with ids a retry does not change."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from trialwise.config.events import REPORT_PREFIX
from trialwise.sources.piece import Untranslatable

Call = dict[str, Any]
Translate = Callable[[str, str | None], Call]
"""(record, envelope, both JSON text) -> one call; raises Untranslatable."""

LONGEST_ID = 200
_MEANT = frozenset(
    {
        *("type", "action", "event", "name", "properties", "traits", "context"),
        *("userId", "user_id", "anonymousId", "anonymous_id", "previousId"),
        *("groupId", "group_id", "account_id", "accountId", "messageId", "message_id", "id"),
        *("timestamp", "time", "originalTimestamp", "original_timestamp", "sentAt", "receivedAt", "received_at"),
    }
)


def record_of(raw: str) -> dict[str, Any]:
    """The JSON object of a record, numbers exact or refused; raises Untranslatable."""
    try:
        value = json.loads(raw, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Untranslatable("bad_json", str(error)[:200]) from None
    if not isinstance(value, dict):
        raise Untranslatable("not_an_object", type(value).__name__)
    return value


def _no_number(word: str) -> NoReturn:
    raise Untranslatable("not_a_number", word)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Untranslatable("not_a_number", digits[:50])
    return number


def text(value: Any) -> str | None:
    """A text, or a number as text; None for what is neither, or blank."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def table(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def required(record: Mapping[str, Any], key: str, reason: str = "unknown_shape") -> str:
    """The text under `key`; raises Untranslatable where there is none."""
    found = text(record.get(key))
    if found is None:
        raise Untranslatable(reason, f"no {key}")
    return found


def identity(system: str, *parts: str | None) -> str:
    """The id of a call from what makes its record one: short single ids stay readable, the others are digested."""
    if len(parts) == 1 and parts[0] is not None and len(parts[0]) <= LONGEST_ID and parts[0].isprintable():
        return f"{system}:{parts[0]}"
    told = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return f"{system}:{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def content_identity(system: str, record: Mapping[str, Any]) -> str:
    """The id of a call whose record names none: its content, in whatever order its keys come."""
    return identity(system, json.dumps(record, sort_keys=True, ensure_ascii=True, separators=(",", ":")), None)


def given(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """The pairs that say something."""
    return {key: value for key, value in pairs.items() if value not in (None, "", [], {})}


def places(record: Mapping[str, Any], *inside: str) -> dict[str, Any]:
    """What --map can name of a record: its texts and numbers by key, those of the objects `inside` as 'object.key'.

    Keys that mean something in a call are left out: what they mean there is said by the call itself.
    """
    found = {key: value for key, value in record.items() if key not in _MEANT and _is_plain(value)}
    for name in inside:
        found |= {f"{name}.{key}": value for key, value in table(record.get(name)).items() if _is_plain(value)}
    return found


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def titled(words: str) -> str:
    """'contact.propertyChange' as 'Contact Property Change'."""
    spaced = re.sub(r"[_\-.\s]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", words)).strip()
    return " ".join(word[:1].upper() + word[1:] for word in spaced.split(" "))


def report(provider: str, kind: str) -> str:
    """The name of an event that is no e-mail event: 'Webhook: HubSpot Contact Property Change'."""
    return f"{REPORT_PREFIX}{provider} {titled(kind)}"
