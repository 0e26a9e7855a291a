"""How far a source has been read: the greatest value of a field, and how to step back from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trialwise.connections import Step
from trialwise.sources.http.path import scalar
from trialwise.sources.json_text import Unbalanced, skip_space
from trialwise.sources.piece import Piece

Value = str | int
AHEAD = timedelta(days=1)
"""An instant further in the future than this is somebody's mistake; reading on from there would find nothing."""
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_EPOCH_UNITS = {9: 1, 10: 1, 12: 1_000, 13: 1_000, 15: 1_000_000, 16: 1_000_000}
"""Digits of epoch seconds, milliseconds and microseconds -> units in a second."""


def greatest(pieces: Iterable[Piece], path: Sequence[Step], so_far: Value | None, now: datetime) -> Value | None:
    """The greatest value at `path` of the records and of `so_far`, as it is written there.

    Numbers, instants and other texts are each compared as what they are; the first one met says which. Records without
    the field, values of another kind and instants more than a day after `now` (UTC, no zone) are passed over.
    """
    best = so_far
    for piece in pieces:
        text = piece.data.decode("utf-8", "surrogateescape")
        if text[skip_space(text, 0) :][:1] != "{":
            continue
        try:
            value = scalar(text, path)
        except Unbalanced:
            continue
        if value is None or value == "" or _is_ahead(value, now):
            continue
        if best is None or _is_greater(value, best):
            best = value
    return best


def is_before(piece: Piece, path: Sequence[Step], moment: datetime) -> bool:
    """Whether the instant at `path` of a record (ISO 8601; epoch s, ms, us) lies before `moment` (UTC, no zone).

    False where there is no such instant.
    """
    try:
        value = scalar(piece.data.decode("utf-8", "surrogateescape"), path)
    except Unbalanced:
        return False
    digits = str(value)
    units = _EPOCH_UNITS.get(len(digits)) if digits.isascii() and digits.isdigit() else None
    if units is not None:
        return int(digits) < moment.replace(tzinfo=UTC).timestamp() * units
    instant = None if value is None else _key(value)
    return isinstance(instant, datetime) and instant < moment


def stepped_back(value: Value, minutes: int) -> Value:
    """The value so many minutes earlier, in the same spelling: ISO dates and instants, epoch s, ms, us.

    Anything else (an id, a text) stays as it is.
    """
    if minutes == 0:
        return value
    if isinstance(value, int) or (value.isascii() and value.isdigit()):
        units = _EPOCH_UNITS.get(len(str(value)))
        earlier = int(value) if units is None else int(value) - minutes * 60 * units
        return earlier if isinstance(value, int) else str(earlier)
    instant = _instant(value)
    if instant is None:
        return value
    moved = instant - timedelta(minutes=minutes)
    if len(value) == 10:
        return moved.date().isoformat()
    fraction = re.search(r"\.(\d+)", value)
    digits = 0 if fraction is None else len(fraction.group(1))
    text = moved.isoformat(
        sep=value[10], timespec="microseconds" if digits > 3 else "milliseconds" if digits else "seconds"
    )
    return text.removesuffix("+00:00") + "Z" if value.endswith(("Z", "z")) else text


def _instant(value: Value) -> datetime | None:
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if 1900 < instant.year < 9000 else None  # room to step back, and to change the zone


def _key(value: Value) -> Decimal | datetime | str:
    """What a value is compared as: a number, a UTC instant without zone, or its text."""
    if isinstance(value, int) or _NUMBER.fullmatch(value):
        return Decimal(value)
    instant = _instant(value)
    if instant is None:
        return value
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)


def _is_greater(value: Value, other: Value) -> bool:
    found, best = _key(value), _key(other)
    if isinstance(found, Decimal) and isinstance(best, Decimal):
        return found > best
    if isinstance(found, datetime) and isinstance(best, datetime):
        return found > best
    return isinstance(found, str) and isinstance(best, str) and found > best


def _is_ahead(value: Value, now: datetime) -> bool:
    found = _key(value)
    return isinstance(found, datetime) and found > now + AHEAD
