"""kill -9 before every step a pull or a watched folder takes on the disk: nothing is lost, nothing doubled."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

import trialwise.sources.http.client  # imported here: each killed process is a fork that has it already
from tests.crash import crash_at_every_step
from tests.sources.http.api import Api, serving
from trialwise.clock import utc_now
from trialwise.intake import pull, watch
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.sources.backoff import Backoff
from trialwise.workspace import Workspace

assert trialwise.sources.http.client
PAGES, SIZE = 3, 2
OLD = 1_700_000_000


def pulling(folder: Path) -> None:
    """A pull that fails at once where an API cannot be reached."""
    done = pull(Workspace.open(folder), "usage", backoff=Backoff(tries=1))
    if done.error is not None:
        raise done.error


def watching(folder: Path) -> None:
    """One look at a folder."""
    done = watch(Workspace.open(folder), "drop", sleep=lambda _: None)
    if done.error is not None:
        raise done.error


def landed(folder: Path) -> list[str]:
    """The records in landing."""
    landing = Landing(Workspace.open(folder).landing)
    landing.seal(utc_now())
    found = []
    for entry in landing.manifest().imports:
        for segment in entry.segments:
            lines = landing.path(segment.number).read_bytes().splitlines()
            found += [json.loads(line)["raw"] for line in lines if b'"crc":"' in line]
    return found


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.long)])
def test_a_pull_killed_at_any_step_goes_on_and_repeats_one_page_at_most(every: int, tmp_path: Path) -> None:
    numbers = range(1, PAGES * SIZE + 1)
    with serving(Api([{"id": number} for number in numbers], "cursor", SIZE)) as api:
        config = f'[sources.http.usage]\nurl = "{api.url}"\nrecords = "data"\n'
        config += 'paging = { kind = "cursor", path = "meta.next" }\n'

        def prepare(folder: Path) -> None:
            (folder / "trialwise.toml").write_text(config, encoding="utf-8")

        killed = 0
        for folder in crash_at_every_step(tmp_path, prepare, pulling, every=every):
            before = len(api.asked)
            if Cursors(folder / "data" / "landing").get("http-usage").get("completed_at") is None:
                pulling(folder)
            counts = Counter(json.loads(raw)["id"] for raw in landed(folder))
            assert set(counts) == set(numbers)
            assert sum(counts.values()) - len(numbers) <= SIZE
            assert len(api.asked) - before <= PAGES
            killed += 1
        assert killed > 5


@pytest.mark.parametrize("after", ["archive", "delete", "leave"])
def test_a_folder_killed_at_any_step_imports_every_file_once(after: str, tmp_path: Path) -> None:
    names = ["a.ndjson", "b.ndjson", "broken.csv"]

    def prepare(folder: Path) -> None:
        config = f'[sources.files.drop]\nfolder = "inbox"\nafter = "{after}"\nsettle_seconds = 0\n'
        (folder / "trialwise.toml").write_text(config, encoding="utf-8")
        (folder / "inbox").mkdir()
        for number, name in enumerate(names):
            path = folder / "inbox" / name
            path.write_text("id,id\n1,2\n" if name.endswith("csv") else f'{{"id": "{name}"}}\n', encoding="utf-8")
            os.utime(path, (OLD + number, OLD + number))

    killed = 0
    for folder in crash_at_every_step(tmp_path, prepare, watching, every=2):
        watching(folder)
        assert sorted(landed(folder)) == ['{"id": "a.ndjson"}', '{"id": "b.ndjson"}']
        inbox = folder / "inbox"
        left = sorted(path.name for path in inbox.rglob("*") if path.is_file() and path.suffix != ".txt")
        assert left == (["broken.csv"] if after == "delete" else names)
        if after != "leave":
            assert (inbox / "failed" / "broken.csv.txt").read_text(encoding="utf-8").startswith("broken.csv names")
            assert not any(path.is_file() for path in inbox.iterdir())
        killed += 1
    assert killed > 5
