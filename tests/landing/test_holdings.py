"""Which files a landing folder's records lie in: every kept segment has one, and nothing readable is left behind."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tests.landing.kit import NOW, Kit, arrival, call, event, subscription

from trialwise.errors import StoreError
from trialwise.landing import retention
from trialwise.landing.compact import compact
from trialwise.landing.holdings import Holdings, holdings

LATER = NOW + timedelta(days=8)


def names(held: Holdings, kit: Kit) -> list[str]:
    return sorted(str(path.relative_to(kit.landing.folder)) for path in held.sealed)


def test_segments_of_files_and_of_journals_with_what_describes_them(kit: Kit) -> None:
    kit.land(event(id="a"))
    kit.arrive(arrival(call(messageId="b")))
    kit.landing.seal(NOW)
    held = holdings(kit.landing)
    assert names(held, kit) == ["000001.import", "000001.ndjson", "000002.ndjson"]
    assert held.segments == 2
    assert held.manifest_bytes == (kit.landing.folder / "manifest.ndjson").stat().st_size


def test_nothing_landed_is_nothing_to_copy(kit: Kit) -> None:
    assert holdings(kit.landing) == Holdings(kit.landing.folder / "manifest.ndjson", 0, (), 0)


def test_compacted_segments_lie_in_their_file_and_dropped_ones_nowhere(kit: Kit) -> None:
    kit.take(event(id="a"))
    kit.take(subscription(), kind="stripe")
    kit.take(event(id="b"))
    compact(kit.landing, landed_before=LATER, now=LATER)
    kit.land(event(id="c"), now=LATER)
    file = "compacted/000001-000003.parquet"
    assert names(holdings(kit.landing), kit) == ["000004.import", "000004.ndjson", file, f"{file}.footer"]
    assert holdings(kit.landing).segments == 4
    retention.drop(kit.landing, landed_before=NOW + timedelta(hours=1), now=LATER)
    assert holdings(kit.landing).segments == 2  # Stripe's and the last one


def test_a_dropped_segment_whose_bytes_still_lie_there_is_not_copied(kit: Kit) -> None:
    kit.take(event(id="a"))
    retention.drop(kit.landing, landed_before=NOW + timedelta(hours=1), now=LATER)
    assert kit.landing.path(1).exists()
    assert names(holdings(kit.landing), kit) == []


def test_what_no_manifest_names_may_be_the_only_copy(kit: Kit) -> None:
    kit.take(event(id="a"))
    compact(kit.landing, landed_before=LATER, now=LATER)
    shutil.copy(kit.landing.compacted / "000001-000001.parquet", kit.landing.compacted / "000007-000009.parquet")
    shutil.copy(kit.landing.compacted / "000001-000001.parquet", kit.landing.compacted / "000001-000001.2.parquet")
    (kit.landing.folder / "000005.ndjson").write_bytes(b"{}\n")
    found = names(holdings(kit.landing), kit)
    assert "000005.ndjson" in found
    assert "compacted/000007-000009.parquet" in found
    assert "compacted/000001-000001.2.parquet" not in found  # its records lie in the file the manifest names


def test_a_missing_segment_is_named(kit: Kit) -> None:
    kit.take(event(id="a"))
    kit.take(event(id="b"))
    kit.landing.path(2).unlink()
    with pytest.raises(StoreError, match=r"000002\.ndjson, a landing segment, is missing\nRestore it"):
        holdings(kit.landing)
    kit.landing.path(2).write_bytes(b"")
    compact(kit.landing, landed_before=LATER, now=LATER)
    (kit.landing.compacted / "000001-000001.parquet").unlink()
    with pytest.raises(StoreError, match=r"000001-000001\.parquet, which holds 1 compacted segments, is missing"):
        holdings(kit.landing)


def test_an_import_cut_short_has_its_name_afterwards(kit: Kit, tmp_path: Path) -> None:
    kit.land(event(id="a"))
    kit.landing.path(1).rename(kit.landing.folder / "000001.ndjson.open")
    assert "000001.ndjson" in names(holdings(kit.landing), kit)
    assert kit.landing.path(1).exists()


def test_a_line_that_was_never_finished_is_not_the_manifests(kit: Kit) -> None:
    kit.land(event(id="a"))
    manifest = kit.landing.folder / "manifest.ndjson"
    whole = manifest.stat().st_size
    with manifest.open("ab") as stream:
        stream.write(b'{"crc":"0')
    assert holdings(kit.landing).manifest_bytes == whole
