"""Files of landing/live: what arrives over the wire, one file per writer and channel, until it is sealed.

<when>-<writer>-<chance>.<channel>.ndjson   a journal; its first line says how its records are read
<...>.ndjson.sealing                        the same taken from its writer, on its way to a numbered segment
<channel>.channel                           the first line once more, should the journal's be damaged
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trialwise.landing import durable
from trialwise.landing.frame import checksum

FOLDER = "live"
SUFFIX = ".ndjson"
TAKEN = ".ndjson.sealing"


@dataclass(frozen=True)
class Channel:
    """How the records of a journal are read.

    source   'events' or 'stripe'
    format   auto, segment, flat, stripe, or a format that is translated
    name     shown in quarantine and receipts, such as 'collector' or 'webhook sendgrid'
    mapping  columns of flat records, ours -> theirs
    """

    source: Literal["events", "stripe"]
    format: str
    name: str
    mapping: Mapping[str, str] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.source, self.format, self.name, tuple(sorted(self.mapping.items()))))

    @property
    def line(self) -> bytes:
        """The first line of its journals."""
        values = {
            "source": self.source,
            "format": self.format,
            "name": self.name,
            "mapping": dict(sorted(self.mapping.items())),
        }
        text = json.dumps(values, separators=(",", ":")).encode()
        return b'{"channel":%b}\n' % text

    @property
    def key(self) -> str:
        """What stands for it in names of files."""
        return checksum(self.line)


def live_folder(landing: Path) -> Path:
    """Where the journals of a landing folder lie."""
    return landing / FOLDER


def new_path(landing: Path, channel: Channel, writer: str) -> Path:
    """A name no journal has or will have; names sort by the time they were given."""
    slug = re.sub(r"[^A-Za-z0-9_]+", "_", writer)[:40] or "writer"
    return live_folder(landing) / f"{time.time_ns():020d}-{slug}-{secrets.token_hex(6)}.{channel.key}{SUFFIX}"


def stem_of(path: Path) -> str:
    """The part of a journal's name that stays while it is sealed."""
    return path.name.removesuffix(".sealing").removesuffix(SUFFIX)


def note_channel(landing: Path, channel: Channel) -> None:
    """Keep a channel's description beside its journals, durably; raises OSError."""
    path = live_folder(landing) / f"{channel.key}.channel"
    if not path.exists() or path.read_bytes() != channel.line:
        durable.replace(path, channel.line)


def channel_of(path: Path) -> Channel | None:
    """What the journal at `path` holds, by its first line, else by the description beside it; None when both are gone.

    Whatever is believed has the key that stands in the file's name.
    """
    key = stem_of(path).rpartition(".")[2]
    with path.open("rb") as stream:
        first = stream.readline(1 << 20)
    beside = path.with_name(f"{key}.channel")
    for line in (first, beside.read_bytes() if beside.exists() else b""):
        if checksum(line) == key and (channel := _channel(line)) is not None:
            return channel
    return None


def channel_in(line: bytes) -> Channel | None:
    """What a first line says, when it is one as it is written."""
    channel = _channel(line)
    return channel if channel is not None and channel.line == line else None


def is_header(line: bytes) -> bool:
    """Whether the first line of a segment is no record; one that is damaged is still none."""
    return b'"crc":"' not in line


def is_at(path: Path, descriptor: int) -> bool:
    """Whether a path still names the open file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)


def _channel(line: bytes) -> Channel | None:
    try:
        values: dict[str, Any] = json.loads(line)["channel"]
        return Channel(values["source"], values["format"], values["name"], values["mapping"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
