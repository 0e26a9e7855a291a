"""Watched folders: complete files are landed once, half-written ones wait, broken ones are set aside."""

from __future__ import annotations

import gzip
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from trialwise.config import parse_config
from trialwise.errors import DiskFull, InputError
from trialwise.intake import Watched, folders, watch
from trialwise.landing.folder import Landing
from trialwise.workspace import Workspace

NOW = datetime(2026, 3, 1, 12)
LONG_AGO = NOW.timestamp() - 3600


def nothing() -> None:
    """Happens between two looks."""


@dataclass
class Inbox:
    """A workspace that watches its folder `inbox`; `meanwhile` is what happens between the two looks."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[], None] = nothing
    looks: int = 0

    def __post_init__(self) -> None:
        self.inbox.mkdir()

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def workspace(self) -> Workspace:
        section = {"folder": "inbox", **self.settings}
        return Workspace(self.folder, parse_config({"sources": {"files": {"drop": section}}}))

    def drop(self, name: str, *ids: int, data: bytes | None = None) -> Path:
        """A file of an hour ago, with events of these ids or this content."""
        path = self.inbox / name
        lines = [json.dumps({"event": "Login", "user_id": "ana", "id": f"e{number}"}) + "\n" for number in ids]
        path.write_bytes("".join(lines).encode() if data is None else data)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return path

    def watch(self, **settings: Any) -> Watched:
        """One look, with these settings from now on."""
        self.settings |= settings
        self.looks = 0

        def between(seconds: float) -> None:
            assert seconds == self.workspace.config.sources.files["drop"].settle_seconds
            self.looks += 1
            self.meanwhile()

        return watch(self.workspace, "drop", now=lambda: NOW, sleep=between)

    def landed(self) -> list[str]:
        """Names of the files landed so far, in order."""
        return [entry.file for entry in Landing(self.workspace.landing).manifest().imports]

    def left(self) -> list[str]:
        """What lies in the folder and below."""
        return sorted(str(path.relative_to(self.inbox)) for path in self.inbox.rglob("*") if path.is_file())


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def test_files_are_landed_oldest_first_and_archived(inbox: Inbox) -> None:
    for age, name in enumerate(("c.ndjson", "a.ndjson", "b.ndjson")):
        os.utime(inbox.drop(name, age), (LONG_AGO + age, LONG_AGO + age))
    seen = inbox.watch()
    assert [receipt.file for receipt in seen.receipts] == ["c.ndjson", "a.ndjson", "b.ndjson"]
    assert inbox.landed() == ["c.ndjson", "a.ndjson", "b.ndjson"]
    assert inbox.left() == ["archive/a.ndjson", "archive/b.ndjson", "archive/c.ndjson"]
    assert inbox.watch() == Watched("drop")
    assert inbox.looks == 0


@pytest.mark.parametrize(
    ("after", "left"), [("delete", []), ("leave", ["a.ndjson"]), ("archive", ["archive/a.ndjson"])]
)
def test_afterwards_a_file_is_where_the_configuration_says(after: str, left: list[str], inbox: Inbox) -> None:
    inbox.drop("a.ndjson", 1)
    assert len(inbox.watch(after=after).receipts) == 1
    assert inbox.left() == left
    assert inbox.watch().receipts == ()


def test_a_file_that_was_left_is_landed_again_when_it_has_changed(inbox: Inbox) -> None:
    inbox.drop("a.ndjson", 1)
    inbox.watch(after="leave")
    inbox.drop("a.ndjson", 1, 2)
    assert [receipt.received for receipt in inbox.watch().receipts] == [2]
    (inbox.inbox / "a.ndjson").unlink()
    inbox.drop("a.ndjson", 1, 2)
    again = inbox.watch()
    assert [receipt.is_repeat for receipt in again.receipts] == [True]
    assert len(inbox.landed()) == 2


def test_the_same_content_under_another_name_is_no_news(inbox: Inbox) -> None:
    inbox.drop("a.ndjson", 1)
    inbox.watch()
    inbox.drop("b.ndjson", 1)
    assert [receipt.is_repeat for receipt in inbox.watch().receipts] == [True]
    assert inbox.landed() == ["a.ndjson"]
    assert inbox.left() == ["archive/a.ndjson", "archive/b.ndjson"]


def test_a_name_that_is_archived_already_gets_a_number(inbox: Inbox) -> None:
    for number in (1, 2, 3):
        inbox.drop("a.ndjson", number)
        inbox.watch()
    assert inbox.left() == ["archive/a.ndjson", "archive/a.ndjson.2", "archive/a.ndjson.3"]
    assert len(inbox.landed()) == 3


# Half-written files


def test_a_file_that_grows_between_two_looks_waits(inbox: Inbox) -> None:
    path = inbox.drop("a.ndjson", 1)
    inbox.drop("done.ndjson", 7)

    def grow() -> None:
        with path.open("ab") as stream:
            stream.write(b'{"event": "Login", ')

    inbox.meanwhile = grow
    seen = inbox.watch()
    assert [receipt.file for receipt in seen.receipts] == ["done.ndjson"]
    assert seen.waiting == ("a.ndjson",)
    inbox.meanwhile = nothing
    inbox.drop("a.ndjson", 1, 2)
    assert [receipt.received for receipt in inbox.watch().receipts] == [2]


def test_a_file_written_to_while_it_is_read_is_not_put_away(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    path = inbox.drop("a.ndjson", 1)
    real = Landing.land

    def land(self: Landing, *arguments: Any, **more: Any) -> Any:
        receipt = real(self, *arguments, **more)
        with path.open("ab") as stream:
            stream.write(b'{"event": "Login", "user_id": "bob", "id": "late"}\n')
        return receipt

    monkeypatch.setattr(Landing, "land", land)
    seen = inbox.watch()
    assert (len(seen.receipts), seen.waiting) == (1, ("a.ndjson",))
    assert inbox.left() == ["a.ndjson"]
    monkeypatch.setattr(Landing, "land", real)
    assert [receipt.received for receipt in inbox.watch().receipts] == [2]
    assert inbox.left() == ["archive/a.ndjson"]


@pytest.mark.parametrize(
    "name", ["a.ndjson.part", "a.ndjson.tmp", "a.PART", ".a.ndjson", "a.ndjson~", "a.crdownload", "a.filepart"]
)
def test_names_of_unfinished_files_are_passed_over(name: str, inbox: Inbox) -> None:
    path = inbox.drop(name, 1)
    assert inbox.watch() == Watched("drop")
    path.rename(inbox.inbox / "a.ndjson")  # that is how their programs say that they are done
    assert len(inbox.watch().receipts) == 1


def test_an_empty_file_is_waited_for(inbox: Inbox) -> None:
    inbox.drop("a.ndjson")
    assert inbox.watch().waiting == ("a.ndjson",)
    inbox.drop("a.ndjson", 1)
    assert len(inbox.watch().receipts) == 1


def test_links_folders_and_other_names_are_passed_over(inbox: Inbox) -> None:
    (inbox.folder / "secret.ndjson").write_text('{"event": "x", "user_id": "u"}\n', encoding="utf-8")
    (inbox.inbox / "link.ndjson").symlink_to(inbox.folder / "secret.ndjson")
    (inbox.inbox / "folder.ndjson").mkdir()
    inbox.drop("notes.txt", 1)
    assert inbox.watch(pattern="*.ndjson") == Watched("drop")
    assert inbox.landed() == []


def test_a_file_that_is_gone_at_the_second_look_is_nobodys(inbox: Inbox) -> None:
    inbox.meanwhile = inbox.drop("a.ndjson", 1).unlink
    assert inbox.watch() == Watched("drop")


# Crashes


@pytest.mark.parametrize("after", ["archive", "delete", "leave"])
def test_a_death_between_landing_and_putting_away_doubles_nothing(
    after: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.drop("a.ndjson", 1)
    inbox.drop("b.ndjson", 2)
    real = Landing.land

    def die(self: Landing, *arguments: Any, **more: Any) -> Any:
        real(self, *arguments, **more)
        raise KeyboardInterrupt  # nothing catches it, as nothing catches a kill

    monkeypatch.setattr(Landing, "land", die)
    with pytest.raises(KeyboardInterrupt):
        inbox.watch(after=after)
    assert inbox.left() == ["a.ndjson", "b.ndjson"]
    monkeypatch.setattr(Landing, "land", real)
    seen = inbox.watch()
    assert [receipt.is_repeat for receipt in seen.receipts] == [True, False]
    assert inbox.landed() == ["a.ndjson", "b.ndjson"]


def test_a_full_disk_leaves_the_file_where_it_is(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.drop("a.ndjson", 1)

    def full(*_: Any, **__: Any) -> Any:
        raise DiskFull("no room")

    monkeypatch.setattr(Landing, "land", full)
    with pytest.raises(DiskFull):
        inbox.watch()
    assert inbox.left() == ["a.ndjson"]


# Broken files


def test_a_broken_file_among_good_ones_is_set_aside_with_its_reason(inbox: Inbox) -> None:
    inbox.drop("a.ndjson", 1)
    inbox.drop("b.ndjson.gz", data=gzip.compress(b'{"event": "x", "user_id": "u"}\n' * 500)[:-20])
    inbox.drop("c.csv", data=b"id,id\n1,2\n")
    inbox.drop("d.ndjson", 4)
    seen = inbox.watch()
    assert [receipt.file for receipt in seen.receipts] == ["a.ndjson", "d.ndjson"]
    assert [name for name, _ in seen.failed] == ["b.ndjson.gz", "c.csv"]
    assert inbox.left() == [
        "archive/a.ndjson",
        "archive/d.ndjson",
        "failed/b.ndjson.gz",
        "failed/b.ndjson.gz.txt",
        "failed/c.csv",
        "failed/c.csv.txt",
    ]
    told = {path.name: path.read_text(encoding="utf-8") for path in (inbox.inbox / "failed").glob("*.txt")}
    assert "ended before the end-of-stream marker" in told["b.ndjson.gz.txt"]
    assert "names the column 'id' twice" in told["c.csv.txt"]
    assert inbox.landed() == ["a.ndjson", "d.ndjson"]


def test_a_file_that_breaks_off_may_still_be_on_its_way(inbox: Inbox) -> None:
    path = inbox.drop("a.ndjson.gz", data=gzip.compress(b'{"event": "x", "user_id": "u"}\n' * 500)[:-20])
    os.utime(path, (NOW.timestamp() - 5, NOW.timestamp() - 5))
    seen = inbox.watch()
    assert (seen.receipts, seen.failed, seen.waiting) == ((), (), ("a.ndjson.gz",))
    inbox.drop("a.ndjson.gz", data=gzip.compress(b'{"event": "x", "user_id": "u"}\n' * 500))
    assert [receipt.received for receipt in inbox.watch().receipts] == [500]


def test_where_files_are_left_a_broken_one_is_told_of_once(inbox: Inbox) -> None:
    inbox.drop("c.csv", data=b"id,id\n1,2\n")
    assert [name for name, _ in inbox.watch(after="leave").failed] == ["c.csv"]
    assert inbox.left() == ["c.csv"]
    assert inbox.watch().failed == ()
    assert inbox.looks == 0


def test_a_folder_that_takes_no_moves_does_not_stop_the_rest(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.drop("a.ndjson", 1)
    inbox.drop("b.ndjson", 2)

    def refuse(path: Path, after: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folders, "put_away", refuse)
    seen = inbox.watch()
    assert len(seen.receipts) == 2
    assert seen.failed == tuple(
        (name, "cannot be moved or deleted: Permission denied") for name in ("a.ndjson", "b.ndjson")
    )
    assert inbox.watch() == Watched("drop")


def test_a_folder_that_is_not_there_says_so(inbox: Inbox) -> None:
    error = inbox.watch(folder="elsewhere").error
    assert isinstance(error, InputError)
    assert "elsewhere cannot be read: No such file or directory" in error.message


# What is read how


@pytest.mark.parametrize("own", ["data/landing", "data", ".", "sql", "inbox/../data/landing"])
def test_what_is_trialwises_own_is_no_folder_to_watch(own: str, inbox: Inbox) -> None:
    inbox.drop("a.ndjson", 1)
    inbox.watch()
    (inbox.folder / "sql").mkdir()
    before = sorted(path for path in inbox.folder.rglob("*") if path.is_file())
    seen = inbox.watch(folder=own)
    assert "where trialwise keeps what is its own" in str(seen.error)
    assert sorted(path for path in inbox.folder.rglob("*") if path.is_file()) == before


def test_what_was_received_is_for_this_user_alone(inbox: Inbox) -> None:
    inbox.drop("a.ndjson", 1)
    inbox.watch()
    assert stat.S_IMODE(inbox.workspace.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(inbox.workspace.landing.stat().st_mode) == 0o700


def test_stripe_objects_are_refused_where_events_are_expected_and_taken_where_they_are(inbox: Inbox) -> None:
    body = json.dumps({"id": "cus_1", "object": "customer", "livemode": False, "created": 1_770_000_000}).encode()
    inbox.drop("customers.ndjson", data=body)
    [(_, message)] = inbox.watch().failed
    assert "looks like Stripe objects" in message
    inbox.drop("customers.ndjson", data=body)
    assert [receipt.source for receipt in inbox.watch(kind="stripe").receipts] == ["stripe"]


def test_a_file_of_another_product_is_set_aside_with_the_setting_that_reads_it(inbox: Inbox) -> None:
    exported = {"event": "Login", "properties": {"distinct_id": "ana", "time": 1_770_000_000, "$insert_id": "i1"}}
    inbox.drop("mixpanel.ndjson", data=json.dumps(exported).encode() + b"\n")
    [(_, message)] = inbox.watch().failed
    assert 'Say so: [sources.files.drop] format = "mixpanel"' in message
    inbox.drop("mixpanel.ndjson", data=json.dumps(exported).encode() + b"\n")
    assert [receipt.format for receipt in inbox.watch(format="mixpanel").receipts] == ["mixpanel"]


def test_the_mapping_of_the_folder_is_that_of_its_files(inbox: Inbox) -> None:
    inbox.drop("usage.csv", data=b"action,who\nLogin,ana\n")
    inbox.watch(mapping={"event": "action", "user_id": "who"})
    [entry] = Landing(inbox.workspace.landing).manifest().imports
    assert (entry.format, entry.mapping) == ("flat", {"event": "action", "user_id": "who"})
