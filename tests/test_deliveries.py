"""Lists delivered as files: the day's, replaced, removed in time, and nothing left of somebody who was forgotten."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.command import run
from tests.keeping import RUNNING, copied, land, workspace
from tests.landing.kit import call
from trialwise import deliveries, forgetting, jobs, pipeline, upkeep
from trialwise.config.secrets import Secrets
from trialwise.deliveries import deliver
from trialwise.errors import ConfigError, NotFoundError, StoreError
from trialwise.landing import durable
from trialwise.workspace import Workspace

CONFIG = '[clock]\nas_of = "2026-03-10 12:00:00"\n[trials]\nlength_days = 14\n'


def built(folder: Path) -> Workspace:
    """Two trials that run on 10 March, and a list of the user's own that has both."""
    held = workspace(folder, CONFIG)
    path = held.models / "lists" / "running.sql"
    path.parent.mkdir(parents=True)
    path.write_text(RUNNING, encoding="utf-8")
    for number, account in enumerate(("acme-4711", "northwind")):
        at = f"2026-03-0{number + 1}T10:00:00Z"
        land(held, call(event="Trial Started", messageId=account, userId=f"u-{account}", timestamp=at, receivedAt=at,
                        context={"groupId": account}))  # fmt: skip
    pipeline.refresh(held)
    return held


@pytest.fixture
def held(tmp_path: Path) -> Workspace:
    return copied(built, tmp_path / "acme")


def configured(held: Workspace, text: str) -> Workspace:
    """The workspace with more in its configuration."""
    (held.folder / "trialwise.toml").write_text(CONFIG + text, encoding="utf-8")
    return Workspace.open(held.folder)


def at(held: Workspace, moment: str) -> Workspace:
    """The workspace refreshed for another moment."""
    path = held.folder / "trialwise.toml"
    text = re.sub(r"2026-03-\d\d \d\d:00:00", moment, path.read_text("utf-8"))
    path.write_text(text, encoding="utf-8")
    again = Workspace.open(held.folder)
    pipeline.refresh(again)
    return again


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_list_is_a_file_of_the_day_and_says_what_it_is_of(held: Workspace) -> None:
    said = run("deliver", "-C", held.folder).err
    assert "as of 2026-03-10 12:00Z" in said
    assert "delivered 2 rows in 7 files: " in said
    folder = held.folder / "delivered"
    with (folder / "running-2026-03-10.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["account_id"], row["position"]) for row in rows] == [("acme-4711", "1"), ("northwind", "2")]
    assert "hot_trials-2026-03-10.csv" in names(folder)
    told = json.loads((folder / "delivered.json").read_bytes())
    assert (told["as_of"], told["generation"], told["rows"]["running"]) == ("2026-03-10T12:00:00Z", 1, 2)
    [row] = run("runs", "--job", "deliver", "-f", "json", "-C", held.folder).rows()
    assert row["status"] == "ok"


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_the_lists_and_the_format_are_chosen(held: Workspace, form: str) -> None:
    done = deliver(configured(held, f'[delivery]\nlists = ["running"]\nformat = "{form}"\nfolder = "../out"\n'))
    assert done.folder == held.folder.parent / "out"
    path = done.folder / f"running-2026-03-10.{form}"
    assert names(done.folder) == ["delivered.json", path.name]
    found: Any = json.loads(path.read_bytes()) if form == "json" else pl.read_parquet(path).to_dicts()
    assert [row["account_id"] for row in found] == ["acme-4711", "northwind"]


def test_a_day_has_one_file_and_old_days_go_but_nothing_else(held: Workspace) -> None:
    held = configured(held, '[delivery]\nlists = ["running"]\nkeep_days = 2\n')
    deliver(held)
    theirs = held.deliveries / "running-2026-01-01.csv"
    theirs.write_text("somebody else's", encoding="utf-8")
    for moment in ("2026-03-11 12:00:00", "2026-03-11 18:00:00"):
        assert deliver(at(held, moment)).removed == 0
    kept = ["delivered.json", theirs.name, "running-2026-03-10.csv", "running-2026-03-11.csv"]
    assert names(held.deliveries) == kept
    assert deliver(at(held, "2026-03-12 12:00:00")).removed == 1
    assert names(held.deliveries) == [*kept[:2], "running-2026-03-11.csv", "running-2026-03-12.csv"]


def test_what_is_no_list_and_what_is_not_there_is_said(held: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"names 'runing', which is no list; did you mean 'running'\?") as error:
        deliver(configured(held, '[delivery]\nlists = ["runing"]\n'))
    assert "card_no_usage" in (error.value.hint or "")
    with pytest.raises(NotFoundError, match="nothing is published in"):
        deliver(workspace(tmp_path / "new"))
    (held.folder / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError, match="taken cannot be written"):
        deliver(configured(held, '[delivery]\nfolder = "taken"\n'))


def test_doctor_warns_of_a_list_that_is_none_and_not_of_one_that_is_new(held: Workspace) -> None:
    path = held.models / "lists" / "sprinting.sql"
    path.write_text(RUNNING, encoding="utf-8")
    found = {one.topic: one for one in upkeep.diagnosis(configured(held, '[delivery]\nlists = ["sprinting"]\n'))}
    assert "delivery" not in found, "it is a list with the next refresh"
    found = {one.topic: one for one in upkeep.diagnosis(configured(held, '[delivery]\nlists = ["sprint"]\n'))}
    assert found["delivery"].level == "warning"
    assert found["delivery"].found.startswith("[delivery] lists names 'sprint', which is no list")
    assert "running, sprinting" in found["delivery"].advice


def test_what_a_crash_leaves_is_known(held: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real, done = durable.replace, []

    def stopped(path: Path, data: bytes) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(path)
        real(path, data)

    monkeypatch.setattr(durable, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        deliver(held)
    monkeypatch.undo()
    assert len(names(held.deliveries)) == 2
    assert deliveries.take_back(held) == (2, ())
    assert names(held.deliveries) == []


def killed_while_it_writes(path: Path) -> Path:
    """A process that is killed after it has written the new content of a file and before it has its name."""
    child = os.fork()
    if not child:
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        durable.replace(path, b"of acme-4711")
    os.waitpid(child, 0)
    return path.with_name(f"{path.name}.{child}.new")


def test_a_file_that_a_killed_delivery_did_not_finish_goes_with_the_next_or_with_a_forget(held: Workspace) -> None:
    deliver(held)
    path = held.deliveries / "running-2026-03-10.csv"
    left = killed_while_it_writes(path).rename(
        path.with_name(f"{path.name}.1.new")
    )  # in a container numbers come again
    assert left.read_bytes() == b"of acme-4711"
    other = path.with_name(f"{path.name}.2.new")  # of a process that is at work
    with other.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        deliver(held)
        assert (left.exists(), other.exists()) == (False, True)
    other.unlink()
    killed_while_it_writes(path)
    killed_while_it_writes(held.data / "landing" / "cursors.json")
    assert run("forget", "account", "acme-4711", "--yes", "-C", held.folder).code == 0
    assert names(held.deliveries) == []
    assert list(held.folder.rglob("*.new")) == []


def test_nothing_that_was_delivered_of_somebody_forgotten_stays(held: Workspace) -> None:
    deliver(held)
    other = configured(held, '[delivery]\nlists = ["running"]\nfolder = "../out"\n')
    deliver(other)
    assert forgetting.plan(other, "account", ["acme-4711"]).delivered == 10
    said = run("forget", "account", "acme-4711", "--yes", "-C", held.folder).err
    assert "gone of delivered lists: 10 files" in said
    assert names(held.folder / "delivered") == names(other.deliveries) == []
    deliver(Workspace.open(held.folder))
    text = (other.deliveries / "running-2026-03-10.csv").read_text("utf-8")
    assert "northwind" in text
    assert "acme-4711" not in text


def test_a_folder_that_is_out_of_reach_when_somebody_is_forgotten_is_named(held: Workspace) -> None:
    other = configured(held, '[delivery]\nlists = ["running"]\nfolder = "../out"\n')
    deliver(other)
    other.deliveries.rename(held.folder.parent / "elsewhere")
    said = run("forget", "account", "acme-4711", "--yes", "-C", held.folder).err
    assert f"lists were delivered into {other.deliveries}, which is not there now" in said
    shutil.move(held.folder.parent / "elsewhere", other.deliveries)
    assert deliveries.take_back(other) == (2, ())


def test_a_list_of_files_that_cannot_be_read_stops_a_forget_before_it_begins(held: Workspace) -> None:
    deliver(held)
    (held.data / "deliveries.json").write_text("{", encoding="utf-8")
    before = (held.data / "landing" / "000001.ndjson").read_bytes()
    with pytest.raises(StoreError, match=r"deliveries\.json cannot be read"):
        forgetting.forget(held, "account", ["acme-4711"])
    assert (held.data / "landing" / "000001.ndjson").read_bytes() == before
    assert forgetting.requests(held) == ()


def test_it_is_a_job_and_in_no_backup(held: Workspace) -> None:
    held = configured(held, '[delivery]\nat = "07:00"\nfolder = "data/delivered"\n')
    [job] = [one for one in jobs.jobs_of(held.config, Secrets()) if one.name == "deliver"]
    assert job.task(held).files == 7
    run("backup", "-C", held.folder)
    [made] = held.backups.glob("2*")
    assert list(made.rglob("running-*")) == []
    assert list(made.rglob("deliveries.json")) != []
