"""The side file that tells changed objects from unchanged ones; its loss costs room, never a record."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.sources.stripe.conftest import NOW, Bench

from trialwise.errors import StoreError
from trialwise.sources.stripe.known import GONE, UNLISTED, Known, digest
from trialwise.sources.stripe.session import epoch


def test_a_change_is_kept_or_not_made_at_all(tmp_path: Path) -> None:
    known = Known(tmp_path / "known.sqlite")
    with pytest.raises(RuntimeError), known.change():
        known.saw("customer", [("cus_1", 1, digest(b"a"))], 1)
        raise RuntimeError
    assert known.changed("customer", [("cus_1", digest(b"a"))]) == {"cus_1"}
    with known.change():
        known.saw("customer", [("cus_1", 1, digest(b"a"))], 1)
    known.close()
    again = Known(tmp_path / "known.sqlite")
    assert again.changed("customer", [("cus_1", digest(b"a")), ("cus_2", digest(b"a"))]) == {"cus_2"}
    assert again.changed("customer", [("cus_1", digest(b"b"))]) == {"cus_1"}
    assert again.changed("invoice", [("cus_1", digest(b"a"))]) == {"cus_1"}
    again.close()


def test_a_full_disk_is_said_as_such_and_the_next_run_goes_on(tmp_path: Path) -> None:
    known = Known(tmp_path / "known.sqlite")
    known._file.execute("PRAGMA max_page_count = 8")
    rows = [(f"cus_{number:06}", number, digest(b"a")) for number in range(5000)]
    with pytest.raises(StoreError, match=r"known\.sqlite cannot be used: .*full"), known.change():
        known.saw("customer", rows, 1)
    known._file.execute("PRAGMA max_page_count = 100000")
    assert len(known.changed("customer", [(name, value) for name, _, value in rows])) == 5000
    with known.change():
        known.saw("customer", rows, 1)
    assert known.changed("customer", [(name, value) for name, _, value in rows]) == set()
    known.close()


def test_a_folder_that_cannot_be_made_is_said_as_such(tmp_path: Path) -> None:
    (tmp_path / "cursors").write_text("a file")
    with pytest.raises(StoreError, match="cannot be used"):
        Known(tmp_path / "cursors" / "known.sqlite")


def test_what_a_round_did_not_show_is_missing_until_it_is_settled(tmp_path: Path) -> None:
    known = Known(tmp_path / "known.sqlite")
    with known.change():
        known.saw("customer", [(f"cus_{number}", number, digest(b"a")) for number in range(4)], 1)
        known.saw("customer", [("cus_0", 0, digest(b"a"))], 2)
        known.mentioned("customer", "cus_9", 9, is_deletion=False)
        known.mentioned("customer", "cus_8", 8, is_deletion=True)
    assert known.missing("customer", 2, None) == ["cus_1", "cus_2", "cus_3", "cus_9"]
    assert known.missing("customer", 2, 3) == ["cus_3", "cus_9"]
    with known.change():
        known.settle("customer", "cus_1", GONE, None, 2)
        known.settle("customer", "cus_2", UNLISTED, digest(b"b"), 2)
    assert known.missing("customer", 3, None) == ["cus_0", "cus_3", "cus_9"]
    with known.change():
        known.mentioned("customer", "cus_1", 1, is_deletion=False)
        known.mentioned("customer", "cus_2", 2, is_deletion=False)
    assert known.missing("customer", 3, None) == ["cus_0", "cus_2", "cus_3", "cus_9"]
    known.close()


def test_ids_of_old_events_are_forgotten(tmp_path: Path) -> None:
    known = Known(tmp_path / "known.sqlite")
    with known.change():
        known.note_events(
            [("evt_old", epoch(NOW - timedelta(days=9))), ("evt_new", epoch(NOW)), ("evt_new", epoch(NOW))]
        )
    assert known.new_events(["evt_old", "evt_new", "evt_other"]) == {"evt_other"}
    with known.change():
        known.forget_events(NOW - timedelta(days=3))
    assert known.new_events(["evt_old", "evt_new"]) == {"evt_old"}
    known.close()


@pytest.mark.parametrize("damage", ["noise", "cut", "flipped"])
def test_a_damaged_file_is_set_aside_and_everything_is_landed_once_more(bench: Bench, damage: str) -> None:
    for number in range(150):
        bench.double.add("customer", f"cus_{number:03}")
    bench.run()
    path = bench.folder / "known.sqlite"
    data = path.read_bytes()
    broken = {
        "noise": b"no database at all" * 300,
        "cut": data[: len(data) // 2],
        "flipped": b"".join(data[at : at + 4096][:-900] + b"\xff" * 900 for at in range(0, len(data), 4096)),
    }
    path.write_bytes(broken[damage])
    bench.run(reconcile=True)
    assert len(bench.ids("customer")) == 300
    assert (bench.folder / "known.sqlite.damaged").exists()
    before = len(bench.records)
    bench.run(reconcile=True)
    assert len(bench.records) == before
