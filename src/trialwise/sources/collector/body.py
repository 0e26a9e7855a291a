"""Reading a body: bounded before it is read, while it is read, and while it is decompressed."""

from __future__ import annotations

import asyncio
import zlib

from trialwise.sources.collector.answer import Gone, Receive, Refusal, too_large
from trialwise.sources.collector.doors import Limits

_GZIP = zlib.MAX_WBITS | 16
_CODINGS = {b"", b"identity", b"gzip", b"x-gzip"}
_MEMBERS = 64  # gzip files in a row that are still one body
_CLOSE = (b"connection", b"close")


class Load:
    """How much is being received or made durable right now, in one process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        self.bytes = 0

    def enter(self) -> None:
        """Count a request in. Raises Refusal."""
        if self.requests >= self._limits.requests:
            raise busy()
        self.requests += 1

    def leave(self, held: int) -> None:
        """Count a request out, with the bytes it held."""
        self.requests -= 1
        self.bytes -= held

    def hold(self, size: int) -> None:
        """Count bytes in. Raises Refusal."""
        if self.bytes + size > self._limits.held:
            raise busy()
        self.bytes += size


def busy() -> Refusal:
    """429: more is under way than may be."""
    return Refusal(429, "overloaded", "more events wait to be stored than may; send this again", retry_after=1)


class Body:
    """The body of one request; `held` is what of it counts into the load."""

    def __init__(self, headers: dict[bytes, bytes], receive: Receive, load: Load, seconds: float) -> None:
        self._headers = headers
        self._receive = receive
        self._load = load
        self._seconds = seconds
        self.held = 0

    async def read(self, ceiling: int) -> bytes:
        """The decompressed body, of at most `ceiling` bytes.

        Raises Refusal: 400 for a broken length or compression, 408 when it takes too long, 413, 415 for another
        compression, 429 when too much is held already; Gone when the client leaves.
        """
        coding = self._headers.get(b"content-encoding", b"").strip().lower()
        if coding not in _CODINGS:
            raise Refusal(
                415,
                "unknown_encoding",
                "Content-Encoding must be gzip or absent",
                headers=[(b"accept-encoding", b"gzip")],
            )
        announced = self._headers.get(b"content-length")
        if announced is not None:
            if not announced.isdigit():
                raise Refusal(400, "bad_length", "Content-Length is no number")
            if len(announced) > 15 or int(announced) > ceiling:
                raise too_large(f"{announced.decode()[:20]} bytes", ceiling)
        try:
            async with asyncio.timeout(self._seconds):
                return await (self._plain(ceiling) if coding in (b"", b"identity") else self._inflated(ceiling))
        except TimeoutError:
            raise Refusal(
                408, "too_slow", f"the body was not complete within {self._seconds:g} seconds", headers=[_CLOSE]
            ) from None

    async def _plain(self, ceiling: int) -> bytes:
        chunk, more = await self._next()
        self._hold(len(chunk), ceiling)
        if not more:
            return chunk
        chunks = [chunk]
        while more:
            chunk, more = await self._next()
            self._hold(len(chunk), ceiling)
            chunks.append(chunk)
        return b"".join(chunks)

    async def _inflated(self, ceiling: int) -> bytes:
        chunks = []
        more = True
        received = members = 0
        inflate = zlib.decompressobj(_GZIP)
        while more:
            chunk, more = await self._next()
            received += len(chunk)
            if received > ceiling:
                raise too_large("more bytes before decompression", ceiling)
            while chunk:
                if inflate.eof:  # several files in a row are valid gzip
                    members += 1
                    if members >= _MEMBERS:
                        raise Refusal(400, "bad_gzip", f"the gzip body has more than {_MEMBERS} members")
                    inflate = zlib.decompressobj(_GZIP)
                try:
                    part = inflate.decompress(chunk, ceiling + 1 - self.held)
                except zlib.error:
                    raise Refusal(400, "bad_gzip", "the body is not gzip, though Content-Encoding says so") from None
                self._hold(len(part), ceiling)
                chunks.append(part)
                chunk = inflate.unused_data or inflate.unconsumed_tail
        if not inflate.eof:
            raise Refusal(400, "bad_gzip", "the gzip body breaks off")
        return b"".join(chunks)

    async def _next(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] != "http.request":
            raise Gone
        return message.get("body", b""), message.get("more_body", False)

    def _hold(self, size: int, ceiling: int) -> None:
        if self.held + size > ceiling:
            raise too_large(f"more than {ceiling:,} bytes", ceiling)
        self._load.hold(size)
        self.held += size
