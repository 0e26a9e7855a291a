"""Whatever byte changes or is torn off, every record is exact or in quarantine, and the rest loads."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.landing.kit import COLLECTOR, NOW, STRIPE, Kit, arrival, call, envelope

from trialwise.landing.frame import read_frame
from trialwise.landing.journal import Channel, Journal
from trialwise.landing.live import live_folder

RECORDS = 12
AT_ONCE = 20


def _fill(kit: Kit, seed: int) -> None:
    """Calls with an envelope, refused ones, accents; every third journal is Stripe's."""
    channel = STRIPE if seed % 3 == 2 else COLLECTOR
    with Journal(kit.landing, channel, f"w{seed}") as journal:
        for number in range(RECORDS // 2):
            key = f"{seed}-{number}"
            if channel is STRIPE:
                journal.append([arrival(envelope(f"evt_{key}"), envelope(f"evt_{key}b"))])
            else:
                first = call(messageId=f"m{key}", event=f'É ☃ \\ " \u2028 {seed}', properties={"n": number})
                second = b"\xff\xfe" if number == 3 else call(messageId=f"m{key}b", event=str(seed), timestamp=None)
                journal.append([arrival(first, second, envelope=json.dumps({"sentAt": "2026-03-01T12:00:00Z"}))])


def _mutate(path: Path, seed: int) -> str:
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    kind = chance.choice(["flip", "flip", "byte", "zero", "cut", "feed"])
    if kind == "flip":
        data[place] ^= 1 << chance.randrange(8)
    elif kind == "byte":
        data[place] = chance.randrange(256)
    elif kind == "feed":
        data[place] = 0x0A
    elif kind == "zero":
        data[place : place + 16] = bytes(len(data[place : place + 16]))
    else:
        del data[place:]
    path.write_bytes(data)
    return f"seed {seed}: {kind} at {place}"


def _loaded(kit: Kit) -> dict[int, Counter[tuple[Any, ...]]]:
    """Rows of the raw tables by the seed of the journal they came in."""
    events = kit.rows(
        "SELECT split_part(event_name, ' ', -1), event_id, event_name, user_id, occurred_at, known_at FROM raw.events "
        "JOIN raw.dim_event USING (event_key) JOIN raw.dim_user USING (user_key)"
    )
    stripe = kit.rows(
        "SELECT split_part(substr(event_id, 5), '-', 1), event_id, event_type, object_id, object, known_at, landed_at "
        "FROM raw.stripe"
    )
    found: dict[int, Counter[tuple[Any, ...]]] = {}
    for seed, *row in [*events, *stripe]:
        found.setdefault(int(seed), Counter())[tuple(row)] += 1
    return found


@pytest.mark.parametrize("first", range(0, 100, AT_ONCE))
def test_mutations_of_sealed_segments(kit: Kit, tmp_path: Path, first: int) -> None:
    """The manifest knows how many there were: loaded + quarantined is that many, whatever is left of the file."""
    seeds = range(first, first + AT_ONCE)
    for seed in seeds:
        _fill(kit, seed)
        kit.landing.seal(NOW)
    kit.load()
    whole = _loaded(kit)
    told = [_mutate(kit.landing.path(number), seed) for number, seed in enumerate(seeds, 1)]
    damaged = Kit(tmp_path)
    report = damaged.load()
    assert report.received == RECORDS * AT_ONCE
    loaded = _loaded(damaged)
    refused = dict(damaged.rows("SELECT segment, count(DISTINCT quarantine_id) FROM raw.quarantine GROUP BY segment"))
    assert sum(refused.values()) == report.quarantined
    for number, (seed, what) in enumerate(zip(seeds, told, strict=True), 1):
        rows = loaded.get(seed, Counter())
        assert rows <= whole[seed], what
        assert rows.total() + refused.get(number, 0) == RECORDS, what
    damaged.engine.close()


@pytest.mark.parametrize("first", range(1000, 1100, AT_ONCE))
def test_mutations_of_live_journals(kit: Kit, tmp_path: Path, first: int) -> None:
    """What lies before a tear is there, and no record that is whole in the damaged file is lost by sealing it."""
    seeds = range(first, first + AT_ONCE)
    before = Kit(tmp_path / "whole")
    for seed in seeds:
        _fill(kit, seed)
        _fill(before, seed)
    before.landing.seal(NOW)
    before.load()
    whole = _loaded(before)
    before.engine.close()
    told, still = {}, {}
    for path in live_folder(kit.landing.folder).glob("*.ndjson"):
        seed = int(path.name.split("-")[1].removeprefix("w"))
        told[seed] = _mutate(path, seed)
        frames = [read_frame(line) for line in path.read_bytes().splitlines(keepends=True)]
        still[seed] = sum(frame is not None and frame.reason is None for frame in frames)
    assert set(told) == set(seeds)
    kit.landing.seal(NOW)
    report = kit.load()
    assert report.received <= (RECORDS + 1) * AT_ONCE
    loaded = _loaded(kit)
    for seed, what in told.items():
        rows = loaded.get(seed, Counter())
        assert rows <= whole[seed], what
        assert rows.total() >= still[seed], what


def test_what_a_changed_record_looked_like_is_kept_with_its_place(kit: Kit) -> None:
    kit.land(call(messageId="a"), call(messageId="b"))
    path = kit.landing.path(1)
    path.write_bytes(path.read_bytes().replace(b"Report", b"Rapport", 2).replace(b"Rapport", b"Report", 1))
    kit.load()
    found = kit.rows("SELECT line, byte_offset, reason, detail, raw FROM raw.quarantine")
    first = json.dumps(call(messageId="a")).encode()
    body = json.dumps(call(messageId="b")).encode().replace(b"Report", b"Rapport")
    detail = "line 2 of the landing segment is not what was written"
    assert found == [(2, len(first) + 1, "checksum", detail, body)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"i":1', b'"i":7'),
        (b'"n":2', b'"n":9'),
        (b'"r":0', b'"r":1'),
        (b"2026-03-01T12", b"2026-03-01T13"),
        (b'"at":', b'"et":'),
        (b'"env":', b'"enw":'),
        (b"2020-01", b"2021-01"),
        (b'"crc":"', b'"crc":"0'),
        (b'"raw":', b'"row":'),
    ],
)
def test_the_checksum_covers_all_that_has_a_meaning(kit: Kit, old: bytes, new: bytes) -> None:
    kit.arrive(arrival(call(messageId="a"), call(messageId="b"), envelope='{"sentAt":"2020-01-01"}'))
    kit.landing.seal(NOW)
    path = kit.landing.path(1)
    lines = path.read_bytes().splitlines(keepends=True)
    assert old in lines[2]
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(old, new)]))
    report = kit.load()
    assert (report.loaded, report.quarantined) == (1, 1)


def test_a_damaged_refusal_is_refused_all_the_same(kit: Kit) -> None:
    kit.land(b"\xff")
    path = kit.landing.path(1)
    path.write_bytes(path.read_bytes().replace(b'"b64":"', b'"b64":"*'))
    assert dict(kit.load().reasons) == {"damaged_frame": 1}


def test_a_channel_is_read_from_the_first_line_or_from_beside(kit: Kit) -> None:
    mapped = Channel("events", "flat", "http crm", {"user_id": "who"})
    kit.arrive(arrival({"event": "E", "who": "bob", "timestamp": "2026-01-05"}), channel=mapped)
    [path] = live_folder(kit.landing.folder).glob("*.ndjson")
    path.write_bytes(b"?" + path.read_bytes()[1:])
    kit.landing.seal(NOW)
    assert kit.load().loaded == 1
