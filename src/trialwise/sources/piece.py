"""What a source hands over: one record's bytes with its place, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from trialwise.errors import Untranslatable

__all__ = ["Piece", "Progress", "Reader", "Untranslatable"]

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all) of the file as it lies on disk."""


class Reader(Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int = ..., /) -> bytes:
        """At most `size` bytes, none at the end."""
        ...


class Piece(NamedTuple):
    """One record as it stands in its file.

    `line` counts from 1 (row number for Parquet); `offset` is the record's byte offset in the decompressed file, None
    where there is no such thing; `envelope` is the JSON text around a call that came in a batch; `reason` and `detail`
    say why the bytes are no record and belong into quarantine.
    """

    line: int
    offset: int | None
    data: bytes
    envelope: str | None = None
    reason: str | None = None
    detail: str | None = None
