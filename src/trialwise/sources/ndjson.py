"""Lines of bytes with their places. A line is a record; what is in it is somebody else's question."""

from __future__ import annotations

from collections.abc import Iterator

from trialwise.sources.documents import holds_many, pieces_of_line
from trialwise.sources.piece import Piece, Reader

CHUNK = 1 << 20
MAX_RECORD_BYTES = 2 << 20
BOM = b"\xef\xbb\xbf"


def lines(stream: Reader, *, keep_blank: bool = False) -> Iterator[tuple[int, int, bytes | None, int]]:
    """(line number, byte offset, bytes without line end, length) of each line that is not blank.

    With `keep_blank` blank lines come too (with empty bytes), except at the end of the file.

    Line feeds end a line, a carriage return before one goes with it, a byte order mark at the start of the file is no
    content. Of a line longer than MAX_RECORD_BYTES only its length is kept (bytes None): memory stays bounded.
    """
    number, offset = 1, 0
    rest = b""
    skipped = 0
    while chunk := stream.read(CHUNK):
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            length = skipped + len(part)
            if skipped or length > MAX_RECORD_BYTES:
                yield number, offset, None, length
            else:
                content = _content(part, offset)
                if keep_blank or content.strip():
                    yield number, _begin(part, offset), content, length
            offset += length + 1
            number += 1
            skipped = 0
        if skipped or len(rest) > MAX_RECORD_BYTES:
            skipped += len(rest)
            rest = b""
    if skipped or len(rest) > MAX_RECORD_BYTES:
        yield number, offset, None, skipped + len(rest)
    elif (content := _content(rest, offset)).strip():
        yield number, _begin(rest, offset), content, len(rest)


def _content(line: bytes, offset: int) -> bytes:
    return (line[len(BOM) :] if offset == 0 and line.startswith(BOM) else line).removesuffix(b"\r")


def _begin(line: bytes, offset: int) -> int:
    return len(BOM) if offset == 0 and line.startswith(BOM) else offset


def pieces(stream: Reader, kind: str) -> Iterator[Piece]:
    """The records of a file of one JSON document a line; batches, arrays and list pages in a line are taken apart."""
    for number, offset, content, length in lines(stream):
        if content is None:
            yield Piece(number, offset, b"", None, "too_large", f"{length} bytes, at most {MAX_RECORD_BYTES} are taken")
        elif holds_many(content, kind):
            yield from pieces_of_line(number, offset, content, kind)
        else:
            yield Piece(number, offset, content)
