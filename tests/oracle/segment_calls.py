"""Segment calls as the HTTP API receives them, with ids that are the same in every run."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any


def iso(at: int) -> str:
    """ISO 8601 with milliseconds and Z, as Segment's libraries write it, of seconds since 1970."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def message_id(*parts: object) -> str:
    """A UUID fixed by `parts`."""
    return str(uuid.UUID(bytes=hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:16], version=4))


def track(
    account_id: str,
    user_id: str,
    event: str,
    at: int,
    properties: dict[str, Any] | None = None,
    *,
    received_at: int | None = None,
    salt: str = "",
) -> dict[str, Any]:
    """One track call of a user in an account, received at once unless `received_at` says when."""
    received = at if received_at is None else received_at
    return {
        "type": "track",
        "messageId": message_id(account_id, user_id, event, at, salt, sorted((properties or {}).items())),
        "event": event,
        "userId": user_id,
        "context": {"groupId": account_id, "library": {"name": "analytics.js", "version": "4.15.3"}},
        "properties": properties or {},
        "originalTimestamp": iso(at),
        "sentAt": iso(received),
        "timestamp": iso(at),
        "receivedAt": iso(received),
    }


def trial_started(account_id: str, user_id: str, at: int, ends_at: int | None, **more: Any) -> dict[str, Any]:
    """`Trial Started` of the B2B SaaS spec; the end stands under the spec's name and under `trial_ends_at`."""
    properties: dict[str, Any] = {"trial_plan_name": "Team", "trial_start_date": iso(at)}
    if ends_at is not None:
        properties |= {"trial_end_date": iso(ends_at), "trial_ends_at": iso(ends_at)}
    return track(account_id, user_id, "Trial Started", at, properties, **more)


def used(account_id: str, user_id: str, at: int, event: str, number: int = 0) -> dict[str, Any]:
    """A user does something in the product; `number` keeps two of the same second apart."""
    return track(account_id, user_id, event, at, salt=str(number))


def trial_ended(account_id: str, user_id: str, at: int, **more: Any) -> dict[str, Any]:
    """`Trial Ended` of the B2B SaaS spec."""
    return track(account_id, user_id, "Trial Ended", at, {"trial_plan_name": "Team"}, **more)


def subscription_started(
    account_id: str, user_id: str, at: int, amount_minor: int, currency: str = "usd", **more: Any
) -> dict[str, Any]:
    """`Subscription Started` with what was paid, in minor units."""
    return track(
        account_id, user_id, "Subscription Started", at, {"amount_minor": amount_minor, "currency": currency}, **more
    )


def subscription_ended(account_id: str, user_id: str, at: int, **more: Any) -> dict[str, Any]:
    """`Subscription Ended`: the account stopped paying."""
    return track(account_id, user_id, "Subscription Ended", at, **more)
