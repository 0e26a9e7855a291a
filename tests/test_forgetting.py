"""Forgetting: nothing is found of them afterwards in any file, and nothing of them comes back by any door."""

from __future__ import annotations

import io
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.command import run
from tests.crash import crash_at_every_step
from tests.keeping import copied, everything, files, land, receive, workspace
from tests.landing.kit import call, event, subscription
from tests.serving import serving, until
from trialwise import backup, forgetting, pipeline, restore, standstill
from trialwise.engines.duckdb import connect
from trialwise.errors import InputError, ModelError, NotFoundError, StoreError, StoreLocked
from trialwise.landing import screen, suppression
from trialwise.landing.cursors import Cursors
from trialwise.runs import Ledger
from trialwise.sources.stripe.known import Known
from trialwise.subject import Kind
from trialwise.upkeep import compact
from trialwise.workspace import Workspace

CONFIG = '[clock]\nas_of = "2026-03-01"\n[events]\nvalue = ["Report Created"]\n[landing]\ncompact_after_days = 1\n'
SECRETS = ("acme-4711", "ana-0815", "visitor-77", "ana.mueller@acme.example", "cus_Acme4711", "sub_Acme4711", "Ana M")
OTHERS = ("northwind", "bob-2222", "bob@northwind.example", "cus_North")


def customer(customer_id: str, account: str, email: str, name: str) -> dict[str, Any]:
    return {"id": customer_id, "object": "customer", "created": 1767571200, "email": email, "name": name,
            "livemode": True, "metadata": {"account_id": account}}  # fmt: skip


def company(folder: Path) -> Workspace:
    """Two accounts with users, mail and Stripe; records compacted, sealed, quarantined and waiting; not refreshed."""
    held = workspace(folder, CONFIG)
    land(
        held,
        call("identify", userId="ana-0815", anonymousId="visitor-77", messageId="i1",
             traits={"email": "ana.mueller@acme.example", "name": "Ana M"}),
        call("group", userId="ana-0815", groupId="acme-4711", messageId="g1", traits={"name": "Acme"}),
        event(account_id="acme-4711", user_id="ana-0815", id="a1"),
        event(account_id=None, user_id=None, anonymous_id="visitor-77", id="a2"),
        event(account_id="acme-4711", user_id="bob-2222", id="a3"),
        event(account_id="northwind", user_id="bob-2222", id="b1", invited="ana.mueller@acme.example"),
        event(account_id="northwind", user_id="bob-2222", id="b2"),
        event(account_id="acme-4711", user_id="ana-0815", id="a4", timestamp="never"),
    )  # fmt: skip
    land(
        held,
        customer("cus_Acme4711", "acme-4711", "ana.mueller@acme.example", "Ana M"),
        subscription(id="sub_Acme4711", customer="cus_Acme4711", trial_start=1767571200, trial_end=1768780800),
        customer("cus_North", "northwind", "bob@northwind.example", "Bob"),
        subscription(id="sub_North", customer="cus_North", trial_start=1767571200, trial_end=1768780800),
        kind="stripe",
    )  # fmt: skip
    receive(held, call(messageId="late-1", userId="ana-0815", context={"groupId": "acme-4711"}))
    return held


def built(folder: Path) -> Workspace:
    """The company with results."""
    held = company(folder)
    pipeline.refresh(held)
    return held


def furnished(folder: Path) -> Workspace:
    """The company with results, older results, compacted files, notes, a ledger and a store that was set aside."""
    held = built(folder)
    compact(held)
    pipeline.refresh(held, full=True)
    (held.data / "store.duckdb.damaged-1").write_bytes(held.store.read_bytes())
    (held.data / "moments").mkdir()
    (held.data / "moments" / "0123.duckdb").write_bytes(held.store.read_bytes())
    with closing(sqlite3.connect(held.data / "history.sqlite", isolation_level=None)) as history:
        history.execute("INSERT OR REPLACE INTO trials VALUES (99, 'stripe:sub_Acme4711:9', 'acme-4711')")
    ledger = Ledger(held.data)
    ledger.end(ledger.begin("import events", asked_by="command"), None, error="ana-0815.csv cannot be read")
    with closing(Known(held.landing / "cursors" / "stripe-known.sqlite")) as known, known.change():
        known.saw("customer", [("cus_Acme4711", 1, b"x"), ("cus_North", 1, b"y")], 1)
    Cursors(held.landing).put("lists", {"window": {"after": ["cus_Acme4711", "cus_North"]}})
    return held


def scanned(data: Path) -> dict[str, str]:
    """Everything a data folder holds, as it lies there and as the engines read it, but for backups.

    Beside a server a file goes, or gets another name, between its listing and its reading, and a store may be at work:
    then all of it is looked at again.
    """
    end = time.monotonic() + 60
    while True:
        paths = [path for path in data.rglob("*") if path.is_file() and "backups" not in path.relative_to(data).parts]
        try:
            return _scanned(data, paths)
        except (OSError, StoreError) as error:
            at_work = isinstance(error, StoreLocked) or not all(path.exists() for path in paths)
            if not at_work or time.monotonic() > end:
                raise
        time.sleep(0.05)


def _scanned(data: Path, paths: list[Path]) -> dict[str, str]:
    found = {path.relative_to(data).as_posix(): path.read_bytes().decode("latin-1") for path in paths}
    for name in list(found):
        path = data / name
        if ".duckdb" in name and not name.endswith(".wal"):
            found[name] += repr(everything(path, "<> 'pg_catalog'"))
        elif name.endswith(".parquet"):
            found[name] += repr(connect().rows("FROM read_parquet($path)", {"path": str(path)}))
        elif name.endswith(".sqlite"):
            with closing(sqlite3.connect(path)) as file:
                found[name] += "\n".join(file.iterdump())
    return found


def holding(data: Path, *words: str) -> dict[str, list[str]]:
    """Word -> files it stands in."""
    found = scanned(data)
    places = {word: sorted(name for name, text in found.items() if word in text) for word in words}
    return {word: names for word, names in places.items() if names}


def test_nothing_of_an_account_is_found_in_any_file(tmp_path: Path) -> None:
    held = copied(furnished, tmp_path / "acme")
    before = holding(held.data, *SECRETS)
    for word in SECRETS:
        assert {"store.duckdb", "store.duckdb.damaged-1", "moments/0123.duckdb"} <= set(before[word]), word
        assert any(name.startswith("landing/compacted/") for name in before[word]), word
    for word in ("acme-4711", "cus_Acme4711", "Ana M"):
        assert {"published/000001.duckdb", "published/000002.duckdb"} <= set(before[word]), word
    assert "runs.sqlite" in before["ana-0815"]
    assert any(name.startswith("history.sqlite") for name in before["sub_Acme4711"])
    assert {"landing/cursors/stripe-known.sqlite", "landing/cursors/lists.json"} <= set(before["cus_Acme4711"])

    planned = forgetting.plan(held, "account", ["acme-4711"])
    assert holding(held.data, *SECRETS).keys() == before.keys()
    assert (planned.people, planned.addresses, planned.customers) == (1, 1, 1)
    assert (planned.erased, planned.masked, planned.events, planned.identities, planned.stripe_records) == (
        9,
        1,
        4,
        2,
        2,
    )
    assert (planned.generations, planned.moments, planned.set_aside) == (2, 1, 1)

    done = forgetting.forget(held, "account", ["acme-4711"])
    assert holding(held.data, *SECRETS) == {}
    assert holding(held.data, *OTHERS).keys() == set(OTHERS)
    assert (done.erased, done.masked, done.events, done.generations, done.moments) == (9, 1, 4, 2, 1)
    # a run of the ledger, an object of Stripe's, a cursor, and a trial of the history
    assert (done.set_aside, done.notes) == (1, 4)
    kept = everything(held.store)
    # received, loaded, duplicate, quarantined: 9 of theirs, b1 and b2, customer and subscription of the other
    assert [row[2:6] for row in kept["raw.loads"]] == [(13, 4, 0, 0)]
    assert _ask(held, "SELECT sum(forgotten) FROM raw.loads") == [(9,)]
    assert {row[1] for row in kept["raw.dim_account"]} >= {"northwind", "stripe:cus_North"}


def test_results_are_those_of_a_company_that_never_had_them(tmp_path: Path) -> None:
    held = copied(furnished, tmp_path / "acme")
    forgetting.forget(held, "account", ["acme-4711"])
    other = workspace(tmp_path / "other", CONFIG)
    land(other, event(account_id="northwind", user_id="bob-2222", id="b1", invited=None),
         event(account_id="northwind", user_id="bob-2222", id="b2"))  # fmt: skip
    trial = subscription(id="sub_North", customer="cus_North", trial_start=1767571200, trial_end=1768780800)
    land(other, customer("cus_North", "northwind", "bob@northwind.example", "Bob"), trial, kind="stripe")
    pipeline.refresh(other)
    for query in (
        "SELECT account_id, users, stripe_customers FROM marts.accounts ORDER BY ALL",
        "SELECT trial_id, account_id, outcome FROM marts.trials ORDER BY ALL",
    ):
        rows = [_ask(one, query) for one in (held, other)]
        assert rows[0] == rows[1]
        assert rows[0]


def _ask(held: Workspace, query: str) -> list[tuple[Any, ...]]:
    engine = connect(held.store, read_only=True)
    try:
        return engine.rows(query)
    finally:
        engine.close()


def test_a_user_goes_and_the_account_stays(tmp_path: Path) -> None:
    held = copied(built, tmp_path / "acme")
    done = forgetting.forget(held, "user", ["ana.mueller@acme.example"])
    assert (done.people, done.customers) == (1, 0)
    assert holding(held.data, "ana-0815", "visitor-77", "ana.mueller@acme.example", "Ana M") == {}
    assert {"acme-4711", "cus_Acme4711", "sub_Acme4711"} <= holding(held.data, *SECRETS).keys()
    assert _ask(held, "SELECT account_id FROM marts.trials ORDER BY 1") == [("acme-4711",), ("northwind",)]
    assert _ask(held, "SELECT count(*) FROM raw.events") == [(3,)]


ALONE = ("auth0|5f7c8ec7", "Jane Doe", "u7")


@pytest.mark.parametrize("by", ["user", "account"])
def test_who_is_in_no_account_goes_whatever_the_id_is_made_of(tmp_path: Path, by: Kind) -> None:
    held = workspace(tmp_path, CONFIG + "[trials]\nlength_days = 14\n")
    land(
        held,
        *(
            call(event="Trial Started", userId=user, messageId=f"t{number}", timestamp="2026-02-20T09:00:00Z")
            for number, user in enumerate((*ALONE, "stays"))
        ),
    )
    pipeline.refresh(held)
    ledger = Ledger(held.data)
    ledger.end(ledger.begin("import events", asked_by="command"), None, error="of auth0|5f7c8ec7, nothing can be read")
    with closing(sqlite3.connect(held.data / "history.sqlite")) as history:
        assert history.execute("SELECT count(*) FROM trials").fetchone() == (4,)
    done = forgetting.forget(held, by, [user if by == "user" else f"user:{user}" for user in ALONE])
    assert done.notes >= 3
    assert ledger.runs()[-1].error == "of **************, nothing can be read"
    with closing(sqlite3.connect(held.data / "history.sqlite")) as history:
        assert history.execute("SELECT account_id FROM trials").fetchall() == [("user:stays",)]
    found = scanned(held.data)
    assert [
        name for name, text in found.items() for one in ("auth0|5f7c8ec7", "Jane Doe", "user:u7") if one in text
    ] == []


def test_what_arrives_later_is_counted_and_not_kept(tmp_path: Path) -> None:
    held = copied(built, tmp_path / "acme")
    forgetting.forget(held, "account", ["acme-4711"])
    land(
        held,
        event(account_id="acme-4711", user_id="ana-0815", id="a9"),
        event(account_id="northwind", user_id="bob-2222", id="b1", invited="ana.mueller@acme.example"),
        event(account_id="northwind", user_id="bob-2222", id="b9"),
        {"event": "email_opened", "user_id": "ana-0815", "timestamp": "2026-02-01T00:00:00Z"},
    )
    trial = subscription(id="sub_New123456", customer={"id": "cus_Acme4711", "object": "customer"})
    land(held, customer("cus_Acme4711", "acme-4711", "new@acme.example", "Ana M"), trial, kind="stripe")
    receive(
        held,
        call(messageId="late-2", userId="ana-0815"),
        call("identify", anonymousId="visitor-77", messageId="late-3"),
    )
    loaded = pipeline.load_landed(held)
    # b1 comes again: as it was masked before, it is a duplicate
    assert (loaded.received, loaded.loaded, loaded.duplicate, loaded.forgotten) == (8, 1, 1, 6)
    pipeline.refresh(held)
    assert holding(held.data, *SECRETS, "sub_New123456", "new@acme.example") == {}
    assert not suppression.read(held.landing).pending
    assert (
        "forgotten 1"
        in run("import", "events", _file(held, event(user_id="ana-0815", id="a10")), "-C", held.folder).err
    )
    assert "ana-0815" not in holding(held.data, "ana-0815")


def test_a_colleague_known_before_their_account_goes_with_the_next_refresh(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    forgetting.forget(held, "account", ["acme-4711"])
    receive(held, call("identify", userId="new-0077", messageId="n1", traits={"email": "new@acme.example"}))
    run("refresh", "-C", held.folder)
    assert _ask(held, "SELECT count(*) FROM raw.dim_user WHERE user_id = 'new-0077'") == [(1,)]
    receive(held, call(userId="new-0077", messageId="n2", context={"groupId": "acme-4711"}),
            call(userId="bob-2222", messageId="n3", context={"groupId": "acme-4711"}))  # fmt: skip
    assert pipeline.load_landed(held).forgotten == 2
    assert [one.kind for one in suppression.read(held.landing).pending] == ["account"]
    run("refresh", "-C", held.folder)
    assert holding(held.data, *SECRETS, "new-0077", "new@acme.example") == {}
    first, again = run("forget", "list", "-f", "json", "-C", held.folder).rows()
    assert (first["key"], again["what"], again["done_at"] > first["done_at"]) == (again["key"], "forget", True)


def test_a_store_to_be_filled_again_still_knows_whose_a_user_is(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    forgetting.forget(held, "account", ["acme-4711"])
    receive(held, call(userId="bob-2222", messageId="n3", context={"groupId": "acme-4711"}))
    held.store.write_bytes(b"no database")
    assert pipeline.load_landed(held).forgotten == 10
    receive(held, call(userId="bob-2222", messageId="n4"))
    loaded = pipeline.load_landed(held)
    assert (loaded.loaded, loaded.forgotten) == (1, 0)


def _file(held: Workspace, *records: dict[str, Any]) -> Path:
    path = held.folder / "again.ndjson"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_a_backup_of_before_is_restored_without_them_and_removed_by_the_next(tmp_path: Path) -> None:
    held = copied(built, tmp_path / "acme")
    backup.make(held, with_store=True)
    apart = backup.make(held, tmp_path / "apart").folder
    done = forgetting.forget(held, "account", ["acme-4711"])
    assert (done.backups, done.untold) == (2, ())
    for number, source in enumerate((held.backups, apart)):
        back = restore.restore(source, tmp_path / f"back{number}")
        assert back.loaded.forgotten == 9
        assert holding(back.folder / "data", *SECRETS) == {}
        assert {"northwind"} <= holding(back.folder / "data", "northwind").keys()
    for target in (None, tmp_path / "apart"):
        made = backup.make(held, target)
        assert len(made.removed) == 1
        assert [path.name for path in made.folder.parent.iterdir() if path.is_dir()] == [made.folder.name]
        assert holding(made.folder, *SECRETS) == {}


def test_a_folder_of_backups_that_is_out_of_reach_is_named(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    disk = tmp_path / "disk"
    backup.make(held, disk)
    disk.rename(tmp_path / "elsewhere")
    said = run("forget", "account", "acme-4711", "--yes", "-C", held.folder).err
    assert f"{disk}: no backup is found there" in said
    assert "backups still hold it" not in said
    (tmp_path / "elsewhere").rename(disk)
    assert restore.restore(disk, tmp_path / "untold").loaded.forgotten == 0
    made = backup.make(held, disk)  # it learns it with the next backup
    assert len(made.removed) == 1
    assert holding(disk, *SECRETS) == {}


def test_a_workspace_made_anew_in_the_folder_of_another_has_a_list_of_its_own(tmp_path: Path) -> None:
    for one in ("acme-4711", "northwind"):
        held = company(tmp_path / "acme")
        backup.make(held, tmp_path / "disk")
        forgetting.forget(held, "account", [one])
        backup.make(held, tmp_path / "disk")
        shutil.rmtree(held.folder)
    assert len(list((tmp_path / "disk").glob("forgotten-*.json"))) == 2


def test_requests_say_nothing_of_whom_they_were_about(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    dry = run("forget", "account", "acme-4711", "--dry-run", "-C", held.folder).err
    assert "would go from landing: 9 records; 1 of others stay without their names" in dry
    assert run("forget", "list", "-f", "json", "-C", held.folder).rows() == []
    assert "nobody is there to be asked" in run("forget", "account", "acme-4711", "-C", held.folder, code=1).err
    said = run("forget", "account", "acme-4711", "--yes", "-C", held.folder).err
    [row] = run("forget", "list", "-f", "json", "-C", held.folder).rows()
    assert (row["kind"], row["erased"], row["masked"]) == ("account", 9, 1)
    assert row["done_at"] > row["asked_at"]
    assert f"receipt {row['key']}" in said
    assert "nothing to do" in run("forget", "account", "acme-4711", "--yes", "-C", held.folder).err
    [ledger] = [one for one in run("runs", "-f", "json", "-C", held.folder).rows() if one["job"] == "forget account"][
        -1:
    ]
    assert ledger["status"] == "ok"
    told = run("forget", "user", "nobody-77", "--yes", "-C", held.folder, code=1).err
    assert "nothing is known of user 'nobody-77'" in told
    for text in (dry, said, json.dumps(row), json.dumps(ledger)):
        assert not [word for word in SECRETS if word in text]


class Terminal(io.StringIO):
    """A keyboard somebody sits at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("", 1), ("perhaps\ny\n", 0)])
def test_it_asks_before_it_begins(tmp_path: Path, typed: str, code: int) -> None:
    held = company(tmp_path / "acme")
    with patch.object(sys, "stdin", Terminal(typed)):
        ran = run("forget", "account", "acme-4711", "-C", held.folder, code=code)
    assert "will go from landing: 9 records" in ran.err
    assert "This cannot be undone. Forget them? [y/N]" in ran.err
    assert ran.out.strip() == ""
    assert ("gone from landing: 9 records" in ran.err) == (code == 0)
    assert bool(suppression.read(held.landing)) == (code == 0)
    assert ("acme-4711" in holding(held.data, "acme-4711")) == (code == 1)


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    with patch.object(sys, "stdin", io.StringIO("y\n")):
        said = run("forget", "account", "acme-4711", "-C", held.folder, code=1).err
    assert "nobody is there to be asked" in said
    assert "run it again with --yes" in said
    assert not suppression.read(held.landing)


@pytest.mark.parametrize("has_backup", [True, False])
def test_a_damaged_compacted_file_stops_it_before_it_begins(tmp_path: Path, has_backup: bool) -> None:
    held = company(tmp_path / "acme")
    pipeline.load_landed(held)
    compact(held)
    [path] = (held.landing / "compacted").glob("*.parquet")
    whole = path.read_bytes()
    kept = backup.make(held, full=True).folder if has_backup else None
    before = {name: text for name, text in files(held.landing).items() if not name.endswith(".parquet")}
    path.unlink()  # it shares its bytes with the backup
    path.write_bytes(whole[:200] + bytes(200) + whole[400:])
    for more in (("--dry-run",), ("--yes",)):
        said = run("forget", "account", "acme-4711", *more, "-C", held.folder, code=1).err
        assert f"{path} may hold records that are to be forgotten, and is damaged: " in said
        assert "Nothing was forgotten: run it again then." in said
        copy = f"cp {kept}/data/landing/compacted/{path.name} {path}."
        assert (copy if has_backup else f"from a copy of yours: {path}.") in said
    assert {name: text for name, text in files(held.landing).items() if name in before} == before
    assert not suppression.read(held.landing).salt
    path.write_bytes(whole if kept is None else (kept / "data/landing/compacted" / path.name).read_bytes())
    forgetting.forget(held, "account", ["acme-4711"])
    assert holding(held.data, *SECRETS) == {}


def test_what_was_begun_waits_for_a_damaged_file(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    pipeline.load_landed(held)
    compact(held)
    with patch.object(forgetting, "_finished", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        forgetting.forget(held, "account", ["acme-4711"])
    [path] = (held.landing / "compacted").glob("*.parquet")
    whole = path.read_bytes()
    path.unlink()
    said = run("refresh", "-C", held.folder, code=1).err
    assert f"{path.name} is missing" in said
    assert "What was begun is finished by the next refresh after that." in said
    path.write_bytes(whole)
    run("refresh", "-C", held.folder)
    assert not suppression.read(held.landing).pending
    assert holding(held.data, *SECRETS) == {}


def test_who_is_taken_off_the_list_can_come_back(tmp_path: Path) -> None:
    held = copied(built, tmp_path / "acme")
    backup.make(held)
    run("forget", "account", "acme-4711", "--yes", "-C", held.folder)
    run("forget", "user", "bob-2222", "--yes", "-C", held.folder)
    before = suppression.read(held.landing)
    theirs = next(one for one in before.requests if one.kind == "account")
    said = run("forget", "undo", "account", "acme-4711", "-C", held.folder).err
    # acme, ana and her visitor, her address, the customer and the subscription
    assert "off the list: 6 ids and addresses\n" in said
    assert f"receipt {theirs.key}: undone" in said
    assert not [word for word in SECRETS if word in said + (held.landing / suppression.NAME).read_text()]
    rows = run("forget", "list", "-f", "json", "-C", held.folder).rows()
    assert [(row["what"], row["kind"]) for row in rows] == [
        ("forget", "account"),
        ("forget", "user"),
        ("undo", "account"),
    ]
    ledger = run("runs", "-f", "json", "-C", held.folder).rows()[0]
    assert (ledger["job"], ledger["status"]) == ("forget undo account", "ok")
    # nothing of before is back, what comes now is kept; the other one stays forgotten
    run("refresh", "-C", held.folder)
    assert holding(held.data, *SECRETS) == {}
    land(held, event(account_id="acme-4711", user_id="ana-0815", id="new-1"),
         event(account_id="acme-4711", user_id="bob-2222", id="new-2"))  # fmt: skip
    land(held, customer("cus_Acme4711", "acme-4711", "ana.mueller@acme.example", "Ana M"), kind="stripe")
    assert (loaded := pipeline.load_landed(held)).forgotten == 1
    assert loaded.loaded == 2
    run("refresh", "-C", held.folder)
    assert _ask(held, "SELECT account_id, users FROM marts.accounts WHERE account_id = 'acme-4711'") == [
        ("acme-4711", 1)
    ]
    again = run("forget", "undo", "account", "acme-4711", "-C", held.folder, code=1).err
    assert "account 'acme-4711' is not on the list of who was forgotten" in again
    # a backup of before is restored without what was erased: nine records of the account, two of bob's others
    back = restore.restore(held.backups, tmp_path / "back")
    assert back.loaded.forgotten == 11
    assert holding(back.folder / "data", *SECRETS) == {}
    listed = suppression.read(back.folder / "data" / "landing")
    assert (listed.kinds_of("acme-4711"), listed.kinds_of("bob-2222")) == ((), ("user",))
    assert screen.is_screened(pipeline.Landing(back.folder / "data" / "landing"), listed)
    # and they can be forgotten once more
    assert forgetting.forget(held, "account", ["acme-4711"]).erased == 2
    assert holding(held.data, *SECRETS) == {}


def test_what_another_forget_put_on_the_list_stays_there(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    forgetting.forget(held, "user", ["ana-0815"])
    forgetting.forget(held, "account", ["acme-4711", "northwind"])
    done = forgetting.undo(held, "account", ["acme-4711"])
    # northwind was named in one breath: the id itself comes off, all that went with both stays
    assert (done.ids, done.stays > 5) == (1, True)
    for user in ("ana-0815", "visitor-77", "bob-2222"):
        assert suppression.read(held.landing).kinds_of(user)
    done = forgetting.undo(held, "user", ["ana-0815", "ana.mueller@acme.example"])
    assert not suppression.read(held.landing).kinds_of("ana-0815")
    assert done.ids >= 2
    forgetting.undo(held, "account", ["northwind"])
    assert not suppression.read(held.landing)
    with pytest.raises(NotFoundError, match="not on the list"):
        forgetting.undo(held, "account", ["northwind"])


def test_files_of_ones_own_that_name_them_are_told(tmp_path: Path) -> None:
    held = company(tmp_path / "acme")
    (held.folder / "customers.csv").write_text("customer_id,account_id\ncus_Acme4711,acme-4711\n", encoding="utf-8")
    (held.folder / "trialwise.toml").write_text(
        CONFIG + '[identity]\ncustomer_map = "customers.csv"\n', encoding="utf-8"
    )
    held = Workspace.open(held.folder)
    with pytest.raises(InputError, match=r"customers\.csv names who is to be forgotten in line 2"):
        forgetting.forget(held, "account", ["acme-4711"])
    assert not suppression.read(held.landing)
    with pytest.raises(NotFoundError):
        forgetting.plan(held, "account", ["acme-0000"])


def test_a_refresh_that_fails_leaves_it_to_the_next(tmp_path: Path) -> None:
    held = copied(built, tmp_path / "acme")
    model = held.models / "marts" / "own.sql"
    model.parent.mkdir(parents=True)
    model.write_text("SELECT wrong", encoding="utf-8")
    forgetting_it = [
        sys.executable,
        "-m",
        "trialwise",
        "forget",
        "account",
        "acme-4711",
        "--yes",
        "-C",
        str(held.folder),
    ]
    assert subprocess.run(forgetting_it, capture_output=True, check=False).returncode != 0
    with pytest.raises(ModelError):
        pipeline.refresh(held)
    model.unlink()
    if suppression.read(held.landing).pending:
        run("refresh", "-C", held.folder)
    else:
        run("forget", "account", "acme-4711", "--yes", "-C", held.folder)
    assert holding(held.data, *SECRETS) == {}


def prepared(folder: Path) -> None:
    copied(built, folder)


def act(folder: Path) -> None:
    forgetting.forget(Workspace.open(folder), "account", ["acme-4711"])


@pytest.mark.parametrize("every", [31, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_step_the_same_command_or_a_refresh_finishes(tmp_path: Path, every: int) -> None:
    for step, place in enumerate(crash_at_every_step(tmp_path, prepared, act, every=every)):
        held = Workspace.open(place)
        if step % 2 and suppression.read(held.landing).pending:
            run("refresh", "-C", place)
        else:
            forgetting.forget(held, "account", ["acme-4711"])
        assert holding(held.data, *SECRETS) == {}
        assert not suppression.read(held.landing).pending
        assert screen.is_screened(pipeline.Landing(held.landing), suppression.read(held.landing))


def test_a_refresh_with_nothing_new_finishes_what_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped when the results are made and those of before, which name them, still lie beside."""
    held = copied(built, tmp_path / "acme")

    def stopped(folder: Path) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(forgetting.publishing, "keep_current", stopped)
    with pytest.raises(KeyboardInterrupt):
        forgetting.forget(held, "account", ["acme-4711"])
    monkeypatch.undo()
    assert standstill.find(held, held.clock()) is None
    assert holding(held.data, *SECRETS) != {}
    run("refresh", "-C", held.folder)
    assert holding(held.data, *SECRETS) == {}
    assert not suppression.read(held.landing).pending
    assert standstill.find(held, held.clock()) is not None


KILLED = """
import os, signal, sys
from pathlib import Path
from trialwise.landing import durable, screen
from tests.test_forgetting import act

def ended(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def replaced(path, content, replace=durable.replace):
    ended() if path.name == screen.NAME else replace(path, content)

if sys.argv[2] == "noted":
    durable.replace = replaced
else:
    screen._Work._file_names = ended
act(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(("when", "erased", "masked"), [("noted", 9, 1), ("taking out", None, None)])
def test_a_forget_that_was_killed_never_says_that_nothing_went(
    tmp_path: Path, when: str, erased: int | None, masked: int | None
) -> None:
    """Killed when all 9 records, and 1 of another's, are out of landing: right before the list that landing was held
    against is noted, or before that, when nothing says how many they were.
    """
    held = copied(built, tmp_path / "acme")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(held.folder), when], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not screen.is_screened(pipeline.Landing(held.landing), suppression.read(held.landing))
    run("refresh", "-C", held.folder)
    assert holding(held.data, *SECRETS) == {}
    [row] = run("forget", "list", "-f", "json", "-C", held.folder).rows()
    assert row["done_at"] is not None
    assert (row["erased"], row["masked"]) == (erased, masked)
    again = forgetting.forget(held, "account", ["acme-4711"])
    assert (again.was_done, again.erased, again.masked, again.customers) == (True, erased, masked, 1)


def test_beside_a_server_that_takes_what_comes(tmp_path: Path) -> None:
    held = copied(built, tmp_path / "acme")
    with serving(held.folder) as served:
        said = run("forget", "account", "acme-4711", "--yes", "-C", held.folder).err
        assert "receipt" in said
        assert holding(held.data, *SECRETS) == {}
        body = {
            "userId": "ana-0815",
            "event": "Report Created",
            "messageId": "m-1",
            "context": {"groupId": "acme-4711"},
        }
        assert served.post("/v1/track", json=body).status_code == 200
        assert (
            served.post("/v1/events", json=event(account_id="northwind", user_id="bob-2222", id="b7")).status_code
            == 200
        )
        run("refresh", "-C", held.folder)
        counted = 'trialwise_forgotten_records_total{found="load"}'
        until(lambda: served.metrics()[counted] == 1)
        assert served.get("/readyz").status_code == 200
        assert holding(held.data, *SECRETS) == {}
        assert "off the list: 6 ids" in run("forget", "undo", "account", "acme-4711", "-C", held.folder).err
        body["messageId"] = "m-2"
        assert served.post("/v1/track", json=body).status_code == 200
        run("refresh", "-C", held.folder)
    assert {"acme-4711", "ana-0815"} <= holding(held.data, *SECRETS).keys()
    assert _ask(held, "SELECT count(*), sum(forgotten) FROM raw.loads")[0][1] == 10


def test_a_server_killed_while_it_forgets(tmp_path: Path) -> None:
    held = copied(built, tmp_path / "acme")
    with serving(held.folder) as served:
        command = [sys.executable, "-m", "trialwise", "forget", "account", "acme-4711", "--yes", "-C", str(held.folder)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as asking:
            until(lambda: (held.landing / suppression.NAME).exists(), 120)
            served.end(signal.SIGKILL)
            assert "what was begun is finished" in asking.communicate(timeout=120)[1]
        assert asking.returncode == 1
    run("refresh", "-C", held.folder)
    assert holding(held.data, *SECRETS) == {}
