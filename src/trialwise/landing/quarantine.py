"""Refused records: listed, shown with their bytes, and landed again once they are mended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from trialwise.engines.duckdb import Engine
from trialwise.errors import InputError, NotFoundError
from trialwise.landing import frames
from trialwise.landing.folder import Landing
from trialwise.landing.report import ImportReceipt
from trialwise.landing.schema import create_raw
from trialwise.landing.statements import rows, statement

if TYPE_CHECKING:
    import polars as pl

# What each reason means, for people; reasons of the load and of landing.
REASONS: dict[str, str] = {
    "bad_utf8": "the bytes are no UTF-8",
    "nul": "a NUL character stands in the record",
    "too_large": "the record is longer than 2 MiB",
    "too_deep": "lists and objects are nested more than 100 deep",
    "bad_json": "the text is no valid JSON",
    "bad_unicode": "an escaped character is half of a pair",
    "two_records": "two JSON objects stand in one line",
    "not_an_object": "the JSON value is no object",
    "not_a_number": "NaN, Infinity or a number beyond double precision's range",
    "ragged_row": "the row has more or fewer cells than the header",
    "bad_csv": "the row cannot be read as CSV",
    "checksum": "the record changed on disk after it was landed",
    "damaged_frame": "the landing segment is broken at this place",
    "missing_frame": "the landing segment lost the record",
    "damaged": "the compacted file that held the record cannot be read there",
    "unknown_format": "records of a format this version does not read, or whose description is lost",
    "untranslatable": "the record cannot be read as its format says",
    "unknown_shape": "the record is nothing this kind of import knows",
    "no_event": "an event without a name",
    "bad_event": "the event's name is empty, too long, or no text",
    "placeholder_id": "an id that stands for nobody would join strangers",
    "bad_id": "an id is too long, no text, or has control characters",
    "no_subject": "neither a user nor an account is named",
    "no_account": "a group call without groupId",
    "no_previous_id": "an alias call without previousId or userId",
    "bad_timestamp": "an instant cannot be read, or lies outside of 1990 to 2099",
    "id_reuse": "another body came first under the same id",
    "thin_event": "a Stripe v2 event carries no object; its object has to be fetched",
    "livemode_mismatch": "test and live mode do not mix; [stripe] livemode says which one is taken",
    "other_account": "an event of another Stripe account than the one whose key is used",
    "no_event_id": "a Stripe event without id",
    "no_event_type": "a Stripe event without type",
    "no_object": "a Stripe event without data.object",
    "no_object_type": "a Stripe object that does not say what it is",
}

_DAMAGED = frozenset({"checksum", "damaged_frame"})


@dataclass(frozen=True)
class Quarantined:
    """One refused record with its bytes; `landed_at` and `retried_at` are UTC instants without zone."""

    quarantine_id: str
    source: str
    file: str | None
    line: int | None
    byte_offset: int | None
    reason: str
    detail: str | None
    raw: bytes | None
    landed_at: datetime
    retried_at: datetime | None
    segment: int


def listing(
    engine: Engine, *, reason: str | None = None, source: str | None = None, waiting: bool = True, most: int = 1000
) -> pl.DataFrame:
    """Refused records, newest first, at most `most`: quarantine_id, source, file, line, byte_offset, reason, detail,
    bytes, landed_at, retried_at. `waiting` leaves out those landed again.
    """
    create_raw(engine)
    values = {"reason": reason, "source": source, "waiting": waiting, "most": most}
    return engine.frame(statement("quarantine_list"), values)


def show(engine: Engine, quarantine_id: str) -> Quarantined:
    """One refused record by its id, or by the beginning of it; raises NotFoundError when none or several fit."""
    create_raw(engine)
    found = rows(engine, "quarantine_find", {"prefix": quarantine_id}) if quarantine_id else []
    if not found:
        raise NotFoundError(
            f"nothing in quarantine has the id '{quarantine_id}'", "Run 'trialwise quarantine list' to see what has."
        )
    if len(found) > 1:
        raise NotFoundError(f"several records in quarantine begin with '{quarantine_id}'", "Give more of the id.")
    return Quarantined(*found[0])


def retry(
    engine: Engine, landing: Landing, quarantine_id: str, *, landed_at: datetime, mended: bytes | None = None
) -> ImportReceipt:
    """Land a refused record again, as it is (after a change of the configuration) or `mended`; once.

    The next load reads it with the format, mapping and batch of its first import and marks the old one as retried; a
    live record is known from the instant it first arrived at. A mended row of CSV is given as a JSON object of its
    cells.
    Raises NotFoundError for an unknown id, InputError when it was retried before or its bytes were not kept.
    """
    record = show(engine, quarantine_id)
    data = record.raw if mended is None else mended
    if not data or (mended is None and record.reason in ("too_large", "missing_frame", "damaged")):
        raise InputError(
            f"{record.quarantine_id} ({record.reason}) cannot be landed again: its bytes are not kept whole",
            f"Mend it in {record.file} and import that again.",
        )
    entry = landing.manifest().import_of(record.segment)
    if entry is None:
        raise NotFoundError(
            f"landing has no segment {record.segment}, in which {record.quarantine_id} came",
            "Restore it from a backup.",
        )
    segment = next(one for one in entry.segments if one.number == record.segment)
    envelope, arrived_at = frames.came_with(engine, landing, segment, record.quarantine_id)
    if segment.live is not None and record.reason in _DAMAGED:
        arrived_at = record.landed_at  # its own word is lost; it was sealed soon after
    piece = (record.line or 0, record.byte_offset, data, envelope, None, None)
    return landing.land_again(record.quarantine_id, entry, piece, landed_at=landed_at, received_at=arrived_at)
