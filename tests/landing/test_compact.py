"""Compacted segments give the same raw tables, row for row; a crash at any step loses nothing."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.crash import crash_at_every_step
from tests.landing.kit import NOW, Kit, call, envelope, event, subscription

from trialwise.engines.duckdb import EngineError, connect
from trialwise.errors import StoreError
from trialwise.landing import compact as compaction
from trialwise.landing import frames, quarantine, retention
from trialwise.landing.compact import CompactReport, compact
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel
from trialwise.landing.load import load
from trialwise.landing.settings import LoadSettings

LATER = NOW + timedelta(days=8)
TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw' ORDER BY table_name"


def fill(kit: Kit) -> None:
    """Records of every kind, over several loads: files, live requests, Stripe, refused ones, ids used twice."""
    kit.take(event(id="a"), event(id="b", properties={"n": 1}), b'{"event":"\xe9"}', event(user_id="null"))
    kit.take(subscription(), envelope("evt_1"), kind="stripe")
    kit.receive(
        Arrival(
            NOW,
            [
                (1, 0, json.dumps(call(messageId="m", timestamp="2026-03-01T11:59:00Z")).encode(),
                 '{"sentAt":"2026-03-01T11:59:59Z"}', None, None),
                (2, 9, b'{"type":"track"}', '{"sentAt":"2026-03-01T11:59:59Z"}', None, None),
                (3, None, b"\x00\xff", None, None, None),
            ],
        ),
        channel=Channel("events", "segment", "collector"),
    )  # fmt: skip
    kit.take(event(id="a", event="Another"), event(), event(), call("identify", traits={"plan": "x"}))
    kit.take("[" * 200 + "]" * 200, '{"big": "' + "x" * (3 << 20) + '"}')


def contents(kit: Kit) -> dict[str, list[tuple[Any, ...]]]:
    return {name: kit.rows(f"SELECT * FROM raw.{name} ORDER BY ALL") for (name,) in kit.rows(TABLES)}


def rebuilt(kit: Kit) -> dict[str, list[tuple[Any, ...]]]:
    """Raw tables filled from landing alone."""
    fresh = Kit(kit.folder, kit.settings)
    try:
        fresh.load()
        return contents(fresh)
    finally:
        fresh.engine.close()


def run(kit: Kit, before: datetime = LATER) -> CompactReport:
    return compact(kit.landing, landed_before=before, now=LATER)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files(kit: Kit) -> list[str]:
    """The compacted files; each has its footer once more beside it."""
    found = names(kit.landing.compacted)
    held = [name for name in found if name.endswith(".parquet")]
    assert found == sorted([*held, *(f"{name}.footer" for name in held)])
    return held


def test_a_rebuild_from_compacted_segments_gives_the_same_rows(kit: Kit) -> None:
    kit.settings = LoadSettings(declared_events=frozenset({"Report Created"}))
    fill(kit)
    expected = contents(kit)
    report = run(kit)
    assert (report.segments, report.records, report.files, report.damaged) == (5, 15, 1, 0)
    assert files(kit) == ["000001-000005.parquet"]
    assert [name for name in names(kit.landing.folder) if name.endswith("ndjson")] == ["manifest.ndjson"]
    assert rebuilt(kit) == expected
    assert expected["quarantine"]
    assert kit.load().received == 0


def test_new_segments_load_beside_compacted_ones(kit: Kit) -> None:
    fill(kit)
    run(kit)
    report = kit.take(event(id="a"), event(id="c"), event(id="b", event="Changed"))
    assert (report.loaded, report.duplicate, report.quarantined) == (1, 1, 1)
    assert rebuilt(kit) == contents(kit)
    assert run(kit).files == 1
    assert files(kit) == ["000001-000005.parquet", "000006-000006.parquet"]
    assert rebuilt(kit) == contents(kit)


@pytest.mark.parametrize("lost", ["all of it", "what was compacted"])
def test_a_file_the_manifest_does_not_account_for_is_never_removed(lost: str, kit: Kit) -> None:
    """It is the only copy: a manifest from a backup, or none, is no reason to delete it."""
    fill(kit)
    run(kit)
    kept = {path.name: path.read_bytes() for path in kit.landing.compacted.iterdir()}
    assert kept
    manifest = kit.landing.folder / "manifest.ndjson"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(
        b"" if lost == "all of it" else b"".join(line for line in lines if b'{"compacted"' not in line)
    )
    compact(Landing(kit.landing.folder), landed_before=LATER, now=LATER)
    assert {path.name: path.read_bytes() for path in kit.landing.compacted.iterdir()} == kept
    manifest.write_bytes(b"".join(lines))
    assert rebuilt(kit) == contents(kit)


def test_only_what_is_loaded_and_old_is_compacted(kit: Kit) -> None:
    kit.take(event(id="old"))
    kit.land(event(id="new"), now=NOW + timedelta(days=2))
    kit.load()
    kit.land(event(id="waits"))
    assert run(kit, before=NOW).segments == 0
    assert run(kit, before=NOW + timedelta(days=1)).segments == 1
    assert run(kit).segments == 1
    assert kit.landing.path(3).exists()
    assert run(kit) == CompactReport()


def test_many_segments_fill_several_files(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "FILE_BYTES", 500)
    for number in range(6):
        kit.take(event(id=f"e{number}"))
    assert run(kit).files == 3
    assert rebuilt(kit) == contents(kit)


def test_a_segment_with_damaged_frames_stays_as_it_is(kit: Kit) -> None:
    for number in range(3):
        kit.take(event(id=f"e{number}"), event(id=f"f{number}"))
    path = kit.landing.path(2)
    path.write_bytes(path.read_bytes().replace(b"Report Created", b"Report Crested", 1))
    report = run(kit)
    assert (report.segments, report.damaged) == (2, 1)
    assert path.exists()
    fresh = Kit(kit.folder)
    assert dict(fresh.load().reasons) == {"checksum": 1}
    fresh.engine.close()


def test_a_changed_record_of_a_compacted_segment_is_quarantined(kit: Kit) -> None:
    kit.take(event(id="a"), event(id="b"))
    run(kit)
    [path] = kit.landing.compacted.glob("*.parquet")
    with_change = connect()
    with_change.execute(
        f"CREATE TABLE t AS SELECT * REPLACE (replace(raw, 'ana', 'eve') AS raw) FROM '{path}' WHERE i = 1 "
        f"UNION ALL SELECT * FROM '{path}' WHERE i = 0"
    )
    with_change.write_parquet("t", path, rows_per_group=2048)
    with_change.close()
    fresh = Kit(kit.folder)
    report = fresh.load()
    assert (report.loaded, dict(report.reasons)) == (1, {"checksum": 1})
    assert b"eve" in fresh.rows("SELECT raw FROM raw.quarantine")[0][0]
    fresh.engine.close()


def test_a_file_that_is_gone_is_named(kit: Kit) -> None:
    kit.take(event(id="a"))
    run(kit)
    [path] = kit.landing.compacted.glob("*.parquet")
    path.unlink()
    fresh = Kit(kit.folder)
    with pytest.raises(StoreError, match=r"000001-000001\.parquet[^\n]*\n[^\n]*backup"):
        fresh.load()
    fresh.engine.close()


def test_an_error_that_names_no_file_is_traced_to_the_broken_one(kit: Kit) -> None:
    for number in range(2):
        kit.take(event(id=f"e{number}"))
        run(kit)
    [_, path] = sorted(kit.landing.compacted.glob("*.parquet"))
    sound = path.read_bytes()
    path.write_bytes(b"PAR1torn")
    with pytest.raises(StoreError, match=r"000002-000002\.parquet[^\n]*\n[^\n]*backup"), frames.reading(kit.landing):
        raise EngineError("Out of buffer")
    path.write_bytes(sound)
    with pytest.raises(EngineError, match="Out of buffer"), frames.reading(kit.landing):
        raise EngineError("Out of buffer")


def test_a_quarantined_record_of_a_compacted_segment_is_landed_again(kit: Kit) -> None:
    fill(kit)
    run(kit)
    [(refused,)] = kit.rows("SELECT CAST(quarantine_id AS VARCHAR) FROM raw.quarantine WHERE reason = 'no_event'")
    mended = json.dumps(call(messageId="mended", timestamp="2026-03-01T11:59:00Z")).encode()
    quarantine.retry(kit.engine, kit.landing, refused, landed_at=LATER, mended=mended)
    assert kit.load().loaded == 1
    # it keeps the batch's sentAt and the instant it arrived at
    assert kit.rows("SELECT occurred_at, known_at FROM raw.events WHERE event_id = CAST(md5('mended') AS UUID)") == [
        (datetime(2026, 3, 1, 11, 59, 1), NOW)
    ]
    assert rebuilt(kit) == contents(kit)


# ── crashes ──────────────────────────────────────────────────────────────────


def compact_in(folder: Path) -> None:
    compact(Landing(folder / "landing"), landed_before=LATER, now=LATER)


def drop_and_compact(folder: Path) -> None:
    landing = Landing(folder / "landing")
    retention.drop(landing, landed_before=NOW + timedelta(hours=1), now=LATER)
    compact(landing, landed_before=LATER, now=LATER)


def refill(folder: Path) -> None:
    load(connect(), Landing(folder / "landing"), LoadSettings(), landed_at=NOW)


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_step_of_a_compaction(kit: Kit, tmp_path: Path, every: int) -> None:
    kit.take(event(id="a"), event(user_id="null"))
    kit.take(subscription(), kind="stripe")
    expected = contents(kit)

    def prepare(folder: Path) -> None:
        shutil.copytree(kit.landing.folder, folder / "landing")

    for folder in crash_at_every_step(tmp_path, prepare, compact_in, every=every):
        after = Kit(folder)
        assert rebuilt(after) == expected
        run(after)
        assert files(after) == ["000001-000002.parquet"]
        assert not list(after.landing.folder.glob("0*.ndjson"))
        assert rebuilt(after) == expected
        after.engine.close()


def test_killed_at_any_step_of_a_rebuild_from_compacted_segments(kit: Kit, tmp_path: Path) -> None:
    kit.take(event(id="a"), event(user_id="null"))
    kit.take(subscription(), kind="stripe")
    run(kit)
    expected = contents(kit)

    def prepare(folder: Path) -> None:
        shutil.copytree(kit.landing.folder, folder / "landing")

    for folder in crash_at_every_step(tmp_path, prepare, refill, every=5):
        after = Kit(folder)
        assert rebuilt(after) == expected
        after.engine.close()


# ── retention ────────────────────────────────────────────────────────────────


def test_old_product_events_are_dropped_for_good_and_stripe_stays(kit: Kit) -> None:
    kit.take(event(id="old"), event(id="old2", user_id="null"))
    kit.take(subscription(), kind="stripe")
    run(kit)
    kit.land(event(id="new"), now=LATER)
    kit.load()
    assert retention.drop(kit.landing, landed_before=NOW + timedelta(days=1), now=LATER) == 2
    assert retention.drop(kit.landing, landed_before=NOW + timedelta(days=1), now=LATER) == 0
    report = kit.load()
    assert report.rebuilt == "records have been dropped, as [landing] keep_event_days asks"
    assert kit.rows("SELECT count(*) FROM raw.events") == [(1,)]
    assert kit.rows("SELECT count(*) FROM raw.stripe") == [(1,)]
    assert kit.rows("SELECT count(*) FROM raw.quarantine") == [(0,)]
    assert kit.rows("SELECT load_id, received FROM raw.loads ORDER BY load_id") == [(1, 0), (2, 1), (3, 1)]
    run(kit)
    assert not any(b"old" in path.read_bytes() for path in kit.landing.compacted.glob("*.parquet"))
    assert files(kit) == ["000002-000002.parquet"]
    assert rebuilt(kit) == contents(kit)
    assert kit.load().rebuilt is None
    assert kit.land(event(id="old"), event(id="old2", user_id="null")).is_repeat  # the same file does not bring it back


def test_dropping_rewrites_files_that_hold_other_segments_too(kit: Kit) -> None:
    fill(kit)
    run(kit)
    before = contents(kit)
    retention.drop(kit.landing, landed_before=NOW + timedelta(days=1), now=LATER)
    run(kit)
    assert files(kit) == ["000002-000002.parquet"]
    kit.load()
    after = contents(kit)
    assert after["stripe"] == before["stripe"]
    assert after["events"] == after["quarantine"] == []
    assert rebuilt(kit) == after


def test_what_is_not_loaded_is_never_dropped(kit: Kit) -> None:
    kit.land(event(id="waits"))
    assert retention.drop(kit.landing, landed_before=LATER, now=LATER) == 0
    assert kit.load().loaded == 1


def test_killed_at_any_step_of_dropping(kit: Kit, tmp_path: Path) -> None:
    kit.take(event(id="old"))
    kit.take(subscription(), kind="stripe")
    run(kit)
    kit.land(event(id="new"), now=LATER)
    kit.load()
    before = contents(kit)

    def prepare(folder: Path) -> None:
        shutil.copytree(kit.landing.folder, folder / "landing")

    for folder in crash_at_every_step(tmp_path, prepare, drop_and_compact, every=6):
        after = Kit(folder)
        found = rebuilt(after)
        assert found == before or ([row[0] for row in found["loads"]] == [1, 2, 3] and len(found["events"]) == 1)
        drop_and_compact(folder)
        assert len(rebuilt(after)["events"]) == 1
        assert len(rebuilt(after)["stripe"]) == 1
        assert not any(b"old" in path.read_bytes() for path in (folder / "landing").rglob("0*"))
        after.engine.close()
