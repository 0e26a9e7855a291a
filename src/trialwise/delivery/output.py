"""Frames as table, CSV, JSON or Parquet; the same columns in each, instants ISO 8601 with Z, ids text.

Nested columns: JSON arrays, Parquet lists, `;`-joined in CSV (a reason by its text). A CSV cell a spreadsheet would
run as a formula gets a leading apostrophe; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from trialwise.delivery.tables import table
from trialwise.errors import InputError, nearest

if TYPE_CHECKING:
    import polars as pl

Format = Literal["table", "csv", "json", "parquet"]
_SHORT = {"account_id", "usage_band", "unit", "is_final", "kind", "axis", "cause"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(frame: pl.DataFrame, form: str, output: Path | None = None) -> None:
    """Write a frame to a file, or to stdout for None. Raises InputError for an unknown format or unwritable file."""
    data = render(frame, form)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}", "Name another file with --output.") from error


def render(frame: pl.DataFrame, form: str, width: int | None = None) -> bytes:
    """A frame in one of the formats, as bytes; `width` is the terminal's for a table (default: as it is)."""
    if form == "csv":
        return to_csv(frame).encode()
    if form == "json":
        return to_json(frame).encode()
    if form == "parquet":
        return to_parquet(frame)
    if form == "table":
        return table(frame, width).encode()
    known = get_args(Format)
    raise InputError(f"no format '{form}'{nearest(form, known)}", f"Formats: {', '.join(known)}.")


def to_json(frame: pl.DataFrame) -> str:
    """A JSON array with one object per row and line."""
    rows = (json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) for row in frame.iter_rows(named=True))
    return "[\n" + ",\n".join(f"  {row}" for row in rows) + "\n]\n" if frame.height else "[]\n"


def to_csv(frame: pl.DataFrame) -> str:
    """Comma-separated with a header line, LF, empty cells for NULL."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows([_cell(value) for value in row] for row in frame.iter_rows())
    return target.getvalue()


def to_parquet(frame: pl.DataFrame) -> bytes:
    """Parquet with native lists; instants carry the zone UTC."""
    import polars as pl

    zoned = [
        pl.col(name).dt.replace_time_zone("UTC")
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Datetime) and kind.time_zone is None
    ]
    target = io.BytesIO()
    frame.with_columns(zoned).write_parquet(target)
    return target.getvalue()


def instant(moment: datetime) -> str:
    """A UTC instant as ISO 8601 with Z; fractions only where there are some."""
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _cell(value: Any) -> str | int | float:
    """A value as one CSV cell."""
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int | float):
        return plain
    text = _joined(plain) if isinstance(plain, list) else json.dumps(plain) if isinstance(plain, dict) else str(plain)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _joined(items: Iterable[Any]) -> str:
    """Items with `;` between them; a `;` inside one becomes a comma, so that the cell can be taken apart again."""
    return ";".join(_said(item).replace(";", ",") for item in items)


def _said(item: Any) -> str:
    return str(item.get("text")) if isinstance(item, dict) else str(item)
