"""Parquet: each row becomes a flat JSON object, in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trialwise.errors import InputError
from trialwise.sources.delimited import check_columns
from trialwise.sources.mapping import ID_FIELDS
from trialwise.sources.piece import Piece, Progress

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 100_000


def pieces(path: Path, mapping: Mapping[str, str], progress: Progress) -> Iterator[Piece]:
    """The rows of a Parquet file as JSON objects; NULL and NaN are null, instants are ISO 8601 in UTC.

    Ids stored as whole floating-point numbers (what a NULL in an integer column makes of it) become integers again.
    Raises InputError when the file is no Parquet, or a mapped column is not there.
    """
    import polars as pl

    try:
        scan = pl.scan_parquet(path)
        schema = scan.collect_schema()
        rows = scan.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"{path.name} cannot be read as Parquet: {error}", "Check that the file is complete."
        ) from error
    check_columns(path.name, list(schema), mapping)
    ids = {mapping.get(field, field) for field in ID_FIELDS}
    columns = [_plain(pl.col(name), kind, name in ids) for name, kind in schema.items()]
    size = path.stat().st_size
    for start in range(0, rows, BATCH_ROWS):
        try:
            frame = scan.slice(start, BATCH_ROWS).select(columns).collect()
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{path.name} cannot be read: {error}", "Check that the file is complete.") from error
        for number, text in enumerate(frame.select(pl.struct(pl.all()).struct.json_encode()).to_series(), start + 1):
            yield Piece(number, None, text.encode("utf-8"))
        progress(min(size, size * (start + frame.height) // max(rows, 1)), size)


def _plain(column: pl.Expr, kind: pl.DataType, is_id: bool) -> pl.Expr:
    """One column in a form whose JSON says what it means: whole ids, UTC instants."""
    import polars as pl

    name = column.meta.output_name()
    if isinstance(kind, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if kind.time_zone else column
        return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(name)
    if isinstance(kind, pl.Date):
        return column.dt.strftime("%Y-%m-%d").alias(name)
    if is_id and isinstance(kind, (pl.Float32, pl.Float64)):
        return (
            pl.when(column == column.floor())
            .then(column.cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(column.cast(pl.String))
            .alias(name)
        )
    if isinstance(kind, (pl.Binary, pl.Decimal, pl.Time, pl.Duration, pl.Categorical, pl.Enum)):
        return column.cast(pl.String, strict=False).alias(name)
    return column
