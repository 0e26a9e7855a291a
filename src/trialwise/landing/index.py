"""manifest.index: what the manifest says up to some line, as columns, so that a year of it is open in a moment.

A cache and nothing else: the manifest is what counts, is never rewritten, and is read line by line where this file is
missing, damaged, or that of another manifest. Imports are read from their lines when they are asked for. Whoever
rewrites a line of the manifest removes this file first.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Generic, Self, TypeVar, overload

import orjson

from trialwise.landing import durable
from trialwise.landing.frame import checksum

NAME = "manifest.index"
_VERSION = 1
_CHUNK = 4096  # bytes of the manifest read at once for one line
Entry = TypeVar("Entry")


class Lines:
    """The manifest file as it was when it was opened: its lines, by where they begin."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def at(self, offset: int) -> bytes:
        """The line that begins there, with its line feed where it has one."""
        found = b""
        while chunk := os.pread(self._descriptor, _CHUNK, offset + len(found)):
            end = chunk.find(b"\n") + 1
            if end:
                return found + chunk[:end]
            found += chunk
        return found


@dataclass(frozen=True)
class Columns:
    """What the first `end` bytes (`lines` lines, the last of which is `last`) of a manifest say.

    offsets, ends: of each import, where its line begins and the newest segment as of it; files: which imports are not
    of live journals; numbers, sizes, journals: of each segment, its number, bytes, and what stands for the name of its
    journal (0: none); load_ids, firsts, lasts, instants: of each load, the last in microseconds since 1970; holders,
    dropped: as in `Manifest`.
    """

    end: int = 0
    lines: int = 0
    last: bytes = b""
    holders: Mapping[int, str] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()
    offsets: array[int] = field(default_factory=partial(array, "q"))
    ends: array[int] = field(default_factory=partial(array, "i"))
    files: array[int] = field(default_factory=partial(array, "i"))
    numbers: array[int] = field(default_factory=partial(array, "i"))
    sizes: array[int] = field(default_factory=partial(array, "q"))
    journals: array[int] = field(default_factory=partial(array, "Q"))
    load_ids: array[int] = field(default_factory=partial(array, "i"))
    firsts: array[int] = field(default_factory=partial(array, "i"))
    lasts: array[int] = field(default_factory=partial(array, "i"))
    instants: array[int] = field(default_factory=partial(array, "q"))

    def further(self, end: int, lines: int, last: bytes, holders: Mapping[int, str], dropped: frozenset[int]) -> Self:
        """Copies of the columns, to be added to, as of another line."""
        copies = {name: column[:] for name, column in self.arrays.items()}
        return type(self)(end, lines, last, holders, dropped, **copies)

    @property
    def arrays(self) -> dict[str, array[int]]:
        """The columns by name."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, array)}


def journal_key(name: str) -> int:
    """What stands for a journal's name; never 0."""
    return int(checksum(name.encode()), 16) or 1


def read(folder: Path) -> Columns | None:
    """The columns that were kept; None where nothing usable is there."""
    try:
        data = (folder / NAME).read_bytes()
    except OSError:
        return None
    crc, _, body = data.partition(b"\n")
    if crc != checksum(body).encode() or not body:
        return None
    head, _, packed = body.partition(b"\n")
    told = orjson.loads(head)
    if (told["version"], told["byteorder"]) != (_VERSION, sys.byteorder):
        return None
    holders = {number: file for file, some in told["holders"] for number in numbers(some)}
    dropped = frozenset(numbers(told["dropped"]))
    columns = Columns(told["end"], told["lines"], told["last"].encode(), holders, dropped)
    view, start = memoryview(packed), 0
    for name, count in told["counts"].items():
        column = getattr(columns, name)
        size = count * column.itemsize
        column.frombytes(view[start : start + size])
        start += size
    return columns


def write(folder: Path, columns: Columns) -> None:
    """Keep columns, all or nothing; raises OSError."""
    arrays = columns.arrays
    files: dict[str, list[int]] = {}
    for number, file in columns.holders.items():
        files.setdefault(file, []).append(number)
    head = {
        "version": _VERSION,
        "byteorder": sys.byteorder,
        "end": columns.end,
        "lines": columns.lines,
        "last": columns.last.decode(),
        "counts": {name: len(column) for name, column in arrays.items()},
        "holders": [(file, ranges(some)) for file, some in files.items()],
        "dropped": ranges(columns.dropped),
    }
    body = b"".join([orjson.dumps(head), b"\n", *(column.tobytes() for column in arrays.values())])
    durable.replace(folder / NAME, checksum(body).encode() + b"\n" + body)


def ranges(some: Iterable[int]) -> list[list[int]]:
    """[[first, last], ...] of segment numbers, both ends inclusive."""
    found: list[list[int]] = []
    for number in sorted(some):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def numbers(some: Iterable[Sequence[int]]) -> list[int]:
    """The segment numbers of ranges."""
    return [number for first, last in some for number in range(first, last + 1)]


class Made(Sequence[Entry], Generic[Entry]):
    """Entries that are made when they are asked for: `make` gives the one at a place."""

    def __init__(self, count: int, make: Callable[[int], Entry]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, place: int | slice) -> Entry | tuple[Entry, ...]:
        if isinstance(place, slice):
            return tuple(self._make(one) for one in range(*place.indices(self._count)))
        return self._make(range(self._count)[place])


class Joined(Sequence[Entry], Generic[Entry]):
    """Old entries, kept compactly, and those that came since."""

    def __init__(self, old: Sequence[Entry], new: tuple[Entry, ...] = ()) -> None:
        self.old = old
        self.new = new

    def __len__(self) -> int:
        return len(self.old) + len(self.new)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, place: int | slice) -> Entry | tuple[Entry, ...]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        at = range(len(self))[place] - len(self.old)
        return self.new[at] if at >= 0 else self.old[at + len(self.old)]

    def __iter__(self) -> Iterator[Entry]:
        yield from self.old
        yield from self.new

    def __add__(self, new: tuple[Entry, ...]) -> Joined[Entry]:
        return Joined(self.old, self.new + new)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))


def _same(one: object, other: object) -> bool:
    return one == other
