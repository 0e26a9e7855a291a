"""An older manifest over a newer landing folder: what it has forgotten is taken in again, exactly once."""

from __future__ import annotations

import json
import logging
import os
import shutil
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from tests.crash import crash_at_every_step
from tests.landing import crew
from tests.landing.kit import NOW, STRIPE, Kit, arrival, call, envelope, event, subscription
from tests.landing.test_compact import contents, rebuilt, run

from trialwise.landing import quarantine
from trialwise.landing.adopt import forgotten, left_out
from trialwise.landing.folder import Landing
from trialwise.sources.files import open_file


def fill(kit: Kit) -> bytes:
    """A backup of the manifest is taken (and returned), then more comes in of every kind, and is loaded."""
    kit.take(event(id="a"), event(user_id="null"))
    kit.receive(arrival(call(messageId="b")))
    kept = (kit.landing.folder / "manifest.ndjson").read_bytes()
    kit.receive(arrival(call(messageId="c"), call(messageId="c2"), b"\xff"))
    kit.arrive(arrival(envelope("evt_1")), channel=STRIPE)
    kit.receive(arrival(call(messageId="d")))
    path = kit.folder / "many.ndjson"
    path.write_text("".join(json.dumps(event(id=f"m{number}")) + "\n" for number in range(5000)), encoding="utf-8")
    Landing(kit.landing.folder, segment_bytes=1).land(open_file(path), landed_at=NOW)
    kit.take(subscription(), kind="stripe")
    [(refused,)] = kit.rows("SELECT CAST(quarantine_id AS VARCHAR) FROM raw.quarantine WHERE segment = 1")
    quarantine.retry(kit.engine, kit.landing, refused, landed_at=NOW, mended=json.dumps(event(id="mended")).encode())
    kit.load()
    kit.receive(arrival(call(messageId="e"), at=None))
    for path in kit.landing.folder.glob("0*.ndjson"):  # live segments are dated by their files
        os.utime(path, (NOW.replace(tzinfo=UTC).timestamp(),) * 2)
    return kept


def restore(kit: Kit, manifest: bytes) -> None:
    (kit.landing.folder / "manifest.ndjson").write_bytes(manifest)


def test_a_store_that_has_the_records_goes_on_and_a_fresh_one_gets_them_once(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    kept = fill(kit)
    expected = contents(kit)
    assert kit.landing.manifest().last_segment == 10
    restore(kit, kept)
    assert forgotten(kit.landing.folder) == [3, 4, 5, 6, 7, 8, 9, 10]
    assert kit.landing.has_waiting()
    with caplog.at_level(logging.WARNING, logger="trialwise"):
        kit.landing.seal(NOW)
    [told] = caplog.messages
    assert told.endswith("000003.ndjson, 000004.ndjson, 000005.ndjson, 000006.ndjson, 000007.ndjson ... (8)")
    report = kit.load()
    assert (report.received, report.rebuilt) == (0, None)
    assert contents(kit) == expected
    assert rebuilt(kit) == expected
    assert not kit.landing.has_waiting()
    kit.landing.seal(NOW)
    assert contents(kit) == expected
    assert left_out(kit.landing.manifest(), kit.landing.folder) == []
    assert [entry.number for entry in kit.landing.manifest().imports if entry.is_adopted] == [3, 4, 5, 6, 7, 8, 9]


def test_what_is_known_of_files_comes_back_too(kit: Kit) -> None:
    """The same file is a repetition, a record retried stays retried."""
    kept = fill(kit)
    restore(kit, kept)
    path = kit.folder / "many.ndjson"
    assert kit.landing.land(open_file(path), landed_at=NOW).is_repeat
    assert [entry.retries for entry in kit.landing.manifest().imports if entry.retries] != []


@pytest.mark.parametrize("manifest", ["the backup", "none at all"])
def test_new_events_come_behind_what_was_forgotten(kit: Kit, tmp_path: Path, manifest: str) -> None:
    kept = fill(kit)
    events = kit.rows("SELECT event_id, known_at FROM raw.events ORDER BY ALL")
    restore(kit, kept if manifest == "the backup" else b"")
    fresh = Kit(kit.folder)
    fresh.receive(arrival(call(messageId="new")))
    assert fresh.landing.manifest().last_segment == 11
    found = fresh.rows("SELECT event_id, known_at FROM raw.events ORDER BY ALL")
    assert len(found) == len(events) + 1
    assert set(events) < set(found)
    assert rebuilt(fresh) == contents(fresh)
    fresh.engine.close()


def test_what_says_nothing_of_its_channel_stays_and_is_named(kit: Kit) -> None:
    kept = fill(kit)
    restore(kit, kept)
    folder = kit.landing.folder
    third = folder / "000003.ndjson"
    third.write_bytes(b"?" + third.read_bytes()[1:])
    (folder / "000006.import").unlink()  # as an older version left it
    (folder / "000008.import").write_bytes((folder / "000008.import").read_bytes().replace(b"stripe", b"events"))
    data = {path.name: path.read_bytes() for path in folder.glob("0*.ndjson")}
    kit.landing.seal(NOW)
    assert [path.name for path in left_out(kit.landing.manifest(), folder)] == [
        "000003.ndjson", "000006.ndjson", "000007.ndjson", "000008.ndjson",
    ]  # fmt: skip
    assert {path.name: path.read_bytes() for path in folder.glob("0*.ndjson")} == data
    restore(kit, b"")
    (folder / "000010.ndjson").unlink()
    (folder / "000009.ndjson").unlink()
    kit.arrive(arrival(call(messageId="f")))
    kit.landing.seal(NOW)
    assert (folder / "000009.ndjson").exists()
    assert (folder / "000008.ndjson").read_bytes() == data["000008.ndjson"], "its number is not given again"


def test_an_import_of_which_a_segment_is_missing_is_not_adopted(kit: Kit) -> None:
    kept = fill(kit)
    restore(kit, kept)
    (kit.landing.folder / "000007.ndjson").unlink()
    kit.landing.seal(NOW)
    assert [path.name for path in left_out(kit.landing.manifest(), kit.landing.folder)] == ["000006.ndjson"]


def test_the_description_of_an_import_goes_with_its_segments(kit: Kit) -> None:
    fill(kit)
    assert len(list(kit.landing.folder.glob("*.import"))) == 4
    run(kit)
    assert list(kit.landing.folder.glob("*.import")) == []


def adopt(folder: Path) -> None:
    Landing(folder / "landing").seal(NOW)


def test_killed_at_any_step_of_taking_them_in(kit: Kit, tmp_path: Path) -> None:
    kept = fill(kit)
    expected = contents(kit)
    restore(kit, kept)

    def prepare(folder: Path) -> None:
        shutil.copytree(kit.landing.folder, folder / "landing")

    for folder in crash_at_every_step(tmp_path, prepare, adopt, every=3):
        after = Kit(folder)
        after.landing.seal(NOW)
        assert sum(entry.records for entry in after.landing.manifest().imports) == 2 + 1 + 3 + 1 + 1 + 5000 + 1 + 1 + 1
        after.load()
        assert events_of(after) == events_of(kit)
        after.engine.close()
    assert contents(kit) == expected


def events_of(kit: Kit) -> list[tuple[Any, ...]]:
    return kit.rows("SELECT event_id, occurred_at, known_at FROM raw.events ORDER BY ALL")


def test_a_file_import_that_was_killed_leaves_no_description(kit: Kit, tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        (folder / "many.ndjson").write_text(json.dumps(event(id="x")) + "\n", encoding="utf-8")

    for folder in crash_at_every_step(tmp_path, prepare, crew.land):
        landing = Landing(folder / "landing")
        landing.mend()
        named = {f"{segment.number:06d}.import" for entry in landing.manifest().imports for segment in entry.segments}
        assert {path.name for path in landing.folder.glob("*.import")} == named
