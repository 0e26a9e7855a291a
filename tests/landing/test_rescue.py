"""A damaged compacted file: what can be read loads, every other record stands in quarantine, nothing stops."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.landing.kit import NOW, STRIPE, Kit, arrival, call, envelope
from tests.landing.test_compact import LATER, contents, files, run

from trialwise.engines.duckdb import connect
from trialwise.landing import frames, quarantine
from trialwise.landing import rescue as rescuing
from trialwise.landing.rescue import FOOTER, Rescue

GROUP = 2048
"""Rows of a row group: the fewest the engine writes."""
SEGMENTS = {1: 3000, 2: 2500, 3: 200}
RECORDS = sum(SEGMENTS.values())
LOADED = """
SELECT e.event_id, d.event_name, u.user_id, e.occurred_at, e.known_at
FROM raw.events AS e JOIN raw.dim_event AS d USING (event_key) JOIN raw.dim_user AS u USING (user_key)
"""
STRIPE_LOADED = "SELECT event_id, event_type, object_id, object, known_at, landed_at FROM raw.stripe"


@pytest.fixture(scope="module")
def compacted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one compacted file of three segments in three row groups: two of files, a live one of Stripe."""
    kit = Kit(tmp_path_factory.mktemp("compacted"))
    kit.take(*(call(messageId=f"a{n}", event=f"A {n % 7}", userId=f"u{n * 7919 % 1000}") for n in range(3000)))
    kit.take(*(call(messageId=f"b{n}", event="B", properties={"n": n * n}) for n in range(2499)), call(userId="null"))
    kit.receive(arrival(*(envelope(f"evt_{n}") for n in range(200))), channel=STRIPE)
    run(kit)
    assert files(kit) == ["000001-000003.parquet"]
    path = _file(kit.folder)
    engine = connect(threads=1)  # several would cut the groups as they happen to come
    engine.execute(f"CREATE TABLE t AS FROM '{path}'")
    engine.write_parquet("t", path, rows_per_group=GROUP)
    engine.close()
    rescuing.keep_footer(path)
    assert _groups(path) == [2048, 2048, 1604]
    kit.engine.close()
    return kit.folder


def _file(folder: Path) -> Path:
    [path] = (folder / "landing" / "compacted").glob("0*.parquet")
    return path


def _groups(path: Path) -> list[int]:
    engine = connect()
    try:
        return [size for (size,) in engine.rows(
            "SELECT DISTINCT ON (row_group_id) row_group_num_rows FROM parquet_metadata(?) ORDER BY row_group_id",
            [str(path)],
        )]  # fmt: skip
    finally:
        engine.close()


def _chunks(path: Path) -> list[tuple[int, str, int, int]]:
    """(row group, column, where it begins, its bytes) of each column of each row group."""
    engine = connect()
    try:
        return engine.rows(
            "SELECT row_group_id, path_in_schema, coalesce(dictionary_page_offset, data_page_offset), "
            "total_compressed_size FROM parquet_metadata(?) ORDER BY ALL",
            [str(path)],
        )
    finally:
        engine.close()


def _copy(compacted: Path, folder: Path) -> Kit:
    shutil.copytree(compacted / "landing", folder / "landing")
    return Kit(folder)


def _loaded(kit: Kit) -> Counter[tuple[Any, ...]]:
    return Counter([*kit.rows(LOADED), *kit.rows(STRIPE_LOADED)])


def _check(kit: Kit, whole: Counter[tuple[Any, ...]], what: str) -> dict[str, int]:
    """Load; every record is loaded as it was, or stands in quarantine under an id of its own. Returns the reasons."""
    report = kit.load()
    assert report.received == RECORDS, what
    assert report.duplicate == 0, what
    loaded = _loaded(kit)
    assert loaded <= whole, what
    assert loaded.total() == report.loaded, what
    [(refused,)] = kit.rows("SELECT count(DISTINCT quarantine_id) FROM raw.quarantine")
    assert refused == report.quarantined == RECORDS - report.loaded, what
    for number, count in SEGMENTS.items():
        [(known,)] = kit.rows(f"SELECT count(*) FROM raw.quarantine WHERE segment = {number}")
        assert known <= count, what
    left = {path.name for path in kit.landing.compacted.iterdir()}
    assert left <= {"000001-000003.parquet", "000001-000003.parquet.footer"}, what
    return dict(report.reasons)


def _whole(compacted: Path) -> Counter[tuple[Any, ...]]:
    kit = Kit(compacted)
    try:
        assert kit.load().quarantined == 1
        return _loaded(kit)
    finally:
        kit.engine.close()


@pytest.fixture(scope="module")
def whole(compacted: Path) -> Counter[tuple[Any, ...]]:
    return _whole(compacted)


def _mutate(path: Path, chance: random.Random) -> str:
    data = bytearray(path.read_bytes())
    kind = chance.choice(["flip", "flip", "flips", "zero", "page", "cut", "footer", "empty", "longer"])
    # the footer is a small part of the file, and every bit of it matters
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    place = chance.randrange(footer, len(data)) if kind == "footer" else chance.randrange(len(data))
    if kind in ("flip", "footer"):
        data[place] ^= 1 << chance.randrange(8)
    elif kind == "flips":
        for _ in range(20):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind in ("zero", "page"):
        size = 16 if kind == "zero" else 4096
        data[place : place + size] = bytes(len(data[place : place + size]))
    elif kind == "cut":
        del data[place:]
    elif kind == "empty":
        data.clear()
    else:
        data += b"\0" * chance.randrange(1, 5000)
    path.write_bytes(data)
    return f"{kind} at {place}"


@pytest.mark.parametrize(
    ("first", "has_footer"),
    [
        *((first, first % 20 == 0) for first in range(0, 40, 10)),
        *(pytest.param(first, first % 20 == 0, marks=pytest.mark.long) for first in range(1000, 1200, 10)),
    ],
)
def test_mutations_of_compacted_files(
    compacted: Path, whole: Counter[tuple[Any, ...]], tmp_path: Path, first: int, has_footer: bool
) -> None:
    for seed in range(first, first + 10):
        kit = _copy(compacted, tmp_path / str(seed))
        told = f"seed {seed}: {_mutate(_file(kit.folder), random.Random(seed))}"
        if not has_footer:  # as an older version left it
            (kit.landing.compacted / f"000001-000003.parquet{FOOTER}").unlink()
        _check(kit, whole, told)
        kit.engine.close()
        shutil.rmtree(kit.folder)


def test_the_other_row_groups_of_a_damaged_file_load(
    compacted: Path, whole: Counter[tuple[Any, ...]], tmp_path: Path
) -> None:
    """Rows 2049 to 4096 are the last 952 records of the first segment and the first 1,096 of the second."""
    kit = _copy(compacted, tmp_path)
    path = _file(tmp_path)
    [(start, size)] = [(at, size) for group, name, at, size in _chunks(path) if (group, name) == (1, "raw")]
    data = path.read_bytes()
    path.write_bytes(data[:start] + bytes(size) + data[start + size :])
    assert _check(kit, whole, "") == {"damaged": 2048, "placeholder_id": 1}
    told = "SELECT segment, file, detail, count(*), count(raw) FROM raw.quarantine GROUP BY ALL ORDER BY ALL"
    assert kit.rows(told) == [
        (1, "file1.ndjson", "rows 2049 to 4096 of 000001-000003.parquet cannot be read", 952, 0),
        (2, "file2.ndjson", "rows 2049 to 4096 of 000001-000003.parquet cannot be read", 1096, 0),
        (2, "file2.ndjson", "user null", 1, 1),
    ]  # fmt: skip
    kit.engine.close()


def test_a_cut_file_is_read_up_to_the_cut(compacted: Path, whole: Counter[tuple[Any, ...]], tmp_path: Path) -> None:
    kit = _copy(compacted, tmp_path)
    path = _file(tmp_path)
    second = min(at for group, _, at, _ in _chunks(path) if group == 1)
    path.write_bytes(path.read_bytes()[: second + 10])
    assert _check(kit, whole, "") == {"damaged": RECORDS - 2048}
    kit.engine.close()


@pytest.mark.parametrize("content", [b"", b"PAR1torn"])
def test_a_file_without_anything_to_read_is_quarantined_whole(
    compacted: Path, whole: Counter[tuple[Any, ...]], tmp_path: Path, content: bytes
) -> None:
    kit = _copy(compacted, tmp_path)
    _file(tmp_path).write_bytes(content)
    (kit.landing.compacted / f"000001-000003.parquet{FOOTER}").unlink()
    assert _check(kit, whole, "") == {"damaged": RECORDS}
    told = "SELECT segment, count(*), any_value(detail) FROM raw.quarantine GROUP BY segment ORDER BY segment"
    assert kit.rows(told) == [
        (number, count, "000001-000003.parquet cannot be read") for number, count in SEGMENTS.items()
    ]  # fmt: skip
    kit.engine.close()


@pytest.mark.parametrize("content", [b"", b"0" * 40, b"0123456789abcdef" + bytes(100)])
def test_a_lost_footer_is_taken_from_beside_and_a_broken_copy_is_not_believed(
    compacted: Path, whole: Counter[tuple[Any, ...]], tmp_path: Path, content: bytes
) -> None:
    kit = _copy(compacted, tmp_path)
    path = _file(tmp_path)
    beside = path.with_name(path.name + FOOTER)
    kept = beside.read_bytes()
    data = path.read_bytes()
    path.write_bytes(data[:-100] + bytes(100))
    beside.write_bytes(content)
    assert _check(kit, whole, "") == {"damaged": RECORDS}
    beside.write_bytes(kept)
    again = Kit(tmp_path)
    assert _check(again, whole, "") == {"placeholder_id": 1}
    assert path.read_bytes() == data[:-100] + bytes(100), "nothing is mended in place"
    again.engine.close()
    kit.engine.close()


def test_a_record_that_moved_to_another_segment_is_refused(
    compacted: Path, whole: Counter[tuple[Any, ...]], tmp_path: Path
) -> None:
    """The column of the segment has no checksum: here the first segment's last 10 rows say that they are Stripe's."""
    kit = _copy(compacted, tmp_path)
    path = _file(tmp_path)
    engine = connect()
    engine.execute(f"""
        CREATE TABLE t AS SELECT * EXCLUDE (file_row_number)
        REPLACE (CASE WHEN file_row_number BETWEEN 2990 AND 2999 THEN 3 ELSE segment END AS segment)
        FROM read_parquet('{path}', file_row_number = true) ORDER BY file_row_number""")
    engine.write_parquet("t", path, rows_per_group=GROUP)
    engine.close()
    path.with_name(path.name + FOOTER).unlink()
    assert _check(kit, whole, "") == {"damaged": 10, "placeholder_id": 1}
    assert kit.rows("SELECT DISTINCT segment, detail FROM raw.quarantine WHERE reason = 'damaged'") == [
        (1, "000001-000003.parquet is damaged")
    ]
    kit.engine.close()


def test_a_restored_file_loads_into_a_fresh_store(
    compacted: Path, whole: Counter[tuple[Any, ...]], tmp_path: Path
) -> None:
    kit = _copy(compacted, tmp_path)
    path = _file(tmp_path)
    sound = path.read_bytes()
    path.write_bytes(b"PAR1torn" * 1000)
    _check(kit, whole, "")
    path.write_bytes(sound)
    again = Kit(tmp_path)
    assert _check(again, whole, "") == {"placeholder_id": 1}
    again.engine.close()
    kit.engine.close()


def test_a_file_is_looked_at_once_in_a_load(compacted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = _copy(compacted, tmp_path)
    looked = []
    is_sound = rescuing._is_sound

    def counted(path: Path, records: Any) -> bool:
        looked.append(path.name)
        return is_sound(path, records)

    monkeypatch.setattr(rescuing, "_is_sound", counted)
    assert kit.load().loads == 3
    assert looked == ["000001-000003.parquet"]
    kit.engine.close()


def test_what_lies_around_a_refused_record_of_a_damaged_file_is_lost_with_it(compacted: Path, tmp_path: Path) -> None:
    """It can be mended and landed again all the same."""
    kit = _copy(compacted, tmp_path)
    kit.load()
    [(refused,)] = kit.rows("SELECT CAST(quarantine_id AS VARCHAR) FROM raw.quarantine")
    _file(tmp_path).write_bytes(b"PAR1torn")
    (kit.landing.compacted / f"000001-000003.parquet{FOOTER}").unlink()
    mended = json.dumps(call(messageId="mended")).encode()
    quarantine.retry(kit.engine, kit.landing, refused, landed_at=LATER, mended=mended)
    assert kit.load(LATER).loaded == 1
    kit.engine.close()


def test_records_by_segment_in_the_order_of_the_file(compacted: Path) -> None:
    kit = Kit(compacted)
    assert rescuing._records(kit.landing, "000001-000003.parquet") == SEGMENTS
    with Rescue(kit.landing) as rescue, frames.reading(kit.landing):
        assert rescue.held("000001-000003.parquet").lost == ""
    kit.load(NOW)
    assert contents(kit)["loads"]
    kit.engine.close()
