"""From an API or a folder to the raw tables: the commands, what they say, and what doctor says afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.command import Ran, run
from tests.sources.http.api import Api, serving
from trialwise.arrivals import pull_http
from trialwise.clock import utc_now
from trialwise.engines.duckdb import connect
from trialwise.errors import SourceError
from trialwise.intake import standings
from trialwise.landing.cursors import Cursors
from trialwise.landing.report import LoadReport
from trialwise.workspace import Workspace

MAPPING = 'mapping = { event = "action", account_id = "company.id", user_id = "user", timestamp = "at" }'


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api(usage(range(1, 6)), "cursor")) as served:
        yield served


def usage(days: range, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": day, "at": f"2026-02-{day:02d}T10:00:00Z", "action": "Report Built", "company": {"id": "acme"}, **more}
        for day in days
    ]


def workspace(folder: Path, api: Api, more: str = "", name: str = "usage", mapping: str = MAPPING) -> Workspace:
    """A workspace whose file gets one more source."""
    with (folder / "trialwise.toml").open("a", encoding="utf-8") as file:
        file.write(f'[sources.http.{name}]\nurl = "{api.url}"\nrecords = "data"\n{mapping}\n{more}\n')
        file.write(f'[sources.http.{name}.paging]\nkind = "cursor"\npath = "meta.next"\n')
    return Workspace.open(folder)


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    store = connect(folder / "data" / "store.duckdb")
    try:
        return store.rows(sql)
    finally:
        store.close()


def fetch(folder: Path, *words: str, code: int = 0) -> Ran:
    return run("import", *words, "-C", folder, code=code)


EVENTS = """
SELECT d.event_name, a.account_id, e.occurred_at, e.known_at FROM raw.events AS e
JOIN raw.dim_event AS d USING (event_key) JOIN raw.dim_account AS a USING (account_key) ORDER BY e.occurred_at
"""


def test_history_is_known_from_itself_and_news_from_the_moment_it_was_read(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    said = fetch(tmp_path, "http").err
    assert "usage: 5 records of 3 pages (history)" in said
    assert "received 5 = loaded 5 + duplicate 0 + quarantined 0 + pending 0" in said
    api.records += usage(range(6, 8))
    before = utc_now() - timedelta(days=1)
    said = fetch(tmp_path, "http", "usage").err
    assert "received 7 = loaded 2 + duplicate 5 + quarantined 0 + pending 0" in said
    found = rows(tmp_path, EVENTS)
    assert [row[0:3] for row in found] == [("Report Built", "acme", datetime(2026, 2, day, 10)) for day in range(1, 8)]
    assert all(known == occurred for *_, occurred, known in found[:5])
    assert all(known > before for *_, known in found[5:])


def test_what_cannot_be_used_stands_in_quarantine_under_the_name_of_its_source(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    api.records = [
        *usage(range(1, 3)),
        *usage(range(3, 4), company={"id": "n/a"}),
        *usage(range(4, 5), company={}),
        *usage(range(5, 6), action=None),
        *usage(range(6, 7), at="yesterday"),
    ]
    api.size = 10
    fetch(tmp_path, "http")
    found = rows(tmp_path, "SELECT file, line, reason FROM raw.quarantine ORDER BY line")
    assert found == [
        ("http usage", 3, "placeholder_id"),
        ("http usage", 4, "no_subject"),
        ("http usage", 5, "no_event"),
        ("http usage", 6, "bad_timestamp"),
    ]
    [(raw,)] = rows(tmp_path, "SELECT raw FROM raw.quarantine WHERE line = 6")
    assert json.loads(raw)["at"] == "yesterday"


def test_things_become_events_and_two_sources_keep_their_ids_apart(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    trials = 'event = "Trial Started"\nproperties = { trial_ends_at = "trial.ends_at" }'
    mapping = 'mapping = { account_id = "company.id", timestamp = "at", id = "id" }'
    workspace(tmp_path, api, trials, "trials", mapping)
    api.records = usage(range(1, 4), trial={"ends_at": "2026-03-01"})
    said = fetch(tmp_path, "http").err
    assert "received 6 = loaded 6 + duplicate 0 + quarantined 0 + pending 0" in said
    api.records = usage(range(1, 4), trial={"ends_at": "2026-03-01"}, seats=5)
    said = fetch(tmp_path, "http", "trials").err
    assert "received 3 = loaded 0 + duplicate 3 + quarantined 0 + pending 0" in said
    names = rows(tmp_path, f"SELECT event_name, count(*) FROM ({EVENTS}) GROUP BY event_name ORDER BY event_name")
    assert names == [("Report Built", 3), ("Trial Started", 3)]
    properties = rows(tmp_path, "SELECT DISTINCT properties FROM raw.event_properties")
    assert properties == [('{"trial_ends_at":"2026-03-01"}',)]


def test_duplicates_within_and_between_pages_count_once(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    api.shape = lambda records: {"data": [*records, *records[:1]]}
    said = fetch(tmp_path, "http").err
    assert "received 8 = loaded 5 + duplicate 3 + quarantined 0 + pending 0" in said


def test_a_dry_run_shows_events_and_keeps_nothing(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    ran = fetch(tmp_path, "http", "usage", "--dry-run")
    assert "received 2 = would be loaded 2" in ran.err
    assert "nothing was kept" in ran.err
    assert ran.out.count("Report Built") == 2
    assert not (tmp_path / "data").exists()


def test_a_dry_run_of_a_mapping_that_fits_nothing_says_what_to_try(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api, mapping='mapping = { event = "act", account_id = "company.id" }')
    workspace(tmp_path, api, name="more")
    said = fetch(tmp_path, "http", "--dry-run").err
    assert "received 2 = would be loaded 0 + duplicate 0 + quarantined 2" in said
    [advice] = [line for line in said.splitlines() if "mapping = {" in line]
    assert advice == (
        "usage: nothing at 'act' in any record; fields: id, at, action, company; try in [sources.http.usage]: "
        'mapping = { event = "action", account_id = "company.id", timestamp = "at" }, '
        "look with: trialwise import http usage --dry-run, then read all anew with: trialwise import http usage --again"
    )


def test_one_source_that_fails_does_not_stop_the_others(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api, name="broken", more="timeout_seconds = 3", mapping='headers = { X-Broken = "1" }')
    workspace(tmp_path, api)
    api.faults = ["404"]
    ran = fetch(tmp_path, "http", code=1)
    assert "usage: 5 records" in ran.err
    assert "[sources.http.broken]" in ran.err
    assert "answers 404" in ran.err
    assert rows(tmp_path, "SELECT count(*) FROM raw.events") == [(5,)]


def test_a_mapping_that_fits_nothing_is_answered_with_the_fields_there_are(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api, mapping='mapping = { event = "act", account_id = "company.id" }')
    workspace(tmp_path, api, name="more")
    said = fetch(tmp_path, "http").err
    assert "quarantined 5: no_event" in said
    [advice] = [line for line in said.splitlines() if line.startswith("usage: nothing")]
    assert advice == (
        "usage: nothing at 'act' in any record; fields: id, at, action, company; try in [sources.http.usage]: "
        'mapping = { event = "action", account_id = "company.id", timestamp = "at" }, '
        "look with: trialwise import http usage --dry-run, then read all anew with: trialwise import http usage --again"
    )
    assert "more: n" not in said
    assert "next: trialwise refresh" not in said
    api.records += usage(range(6, 8))
    assert "fields: id, at, action, company" in fetch(tmp_path, "http", "usage", "--again").err
    assert "fields" not in fetch(tmp_path, "http", "more").err


def test_a_pull_that_failed_before_its_first_page_says_that_alone(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    api.faults = ["404"]
    said = fetch(tmp_path, "http", code=1).err
    assert "records of" not in said
    assert "answers 404" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("http",), "no [sources.http.NAME]"),
        (("http", "usage"), "no [sources.http.usage]"),
        (("folder",), "no [sources.files.NAME]"),
        (("folder", "drop"), "no [sources.files.drop]"),
    ],
)
def test_without_a_source_the_command_says_where_it_goes(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text("", encoding="utf-8")
    assert said in fetch(tmp_path, *words, code=1).err


def test_a_misspelt_name_gets_the_nearest(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    assert "did you mean 'usage'?" in fetch(tmp_path, "http", "usgae", code=1).err


def test_while_another_process_owns_the_store_what_was_read_waits(tmp_path: Path, api: Api) -> None:
    there = workspace(tmp_path, api)
    with there.lock():
        done = pull_http(there)
    assert (done.loaded, done.failures) == (None, ())
    assert fetch(tmp_path, "http").err.count("received 10 = loaded 5 + duplicate 5") == 1


def test_a_run_that_failed_raises_after_every_source_was_tried(tmp_path: Path, api: Api) -> None:
    there = workspace(tmp_path, api)
    workspace(tmp_path, api, name="more")
    api.faults = ["404"]
    done = pull_http(Workspace.open(tmp_path))
    assert [source.error is None for source in done.sources] == [False, True]
    with pytest.raises(SourceError, match="answers 404"):
        done.checked()
    assert pull_http(there).checked().loaded == LoadReport(5, 5, 0, 0, 0, 1)


# Folders


def test_control_characters_in_names_of_files_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text(
        '[sources.files.drop]\nfolder = "in"\nsettle_seconds = 0\n', encoding="utf-8"
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a\x1b[31m\nb.ndjson").write_text('{"event": "Login"}\n', encoding="utf-8")
    assert "drop: a\\x1b[31m\\nb.ndjson: 1 records (auto)" in fetch(tmp_path, "folder").err
    listed = run("quarantine", "list", "-C", tmp_path).out
    assert "a\\x1b[31m\\nb.ndjson" in listed
    [refused] = run("quarantine", "list", "-f", "json", "-C", tmp_path).rows()
    shown = run("quarantine", "show", refused["quarantine_id"], "-C", tmp_path).err
    assert "a\\x1b[31m\\nb.ndjson line 1, byte 0" in shown
    assert "\x1b" not in listed + shown


def test_a_folder_is_imported_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text(
        '[sources.files.drop]\nfolder = "in"\nsettle_seconds = 0\n', encoding="utf-8"
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ndjson").write_text('{"event": "Login", "user_id": "ana"}\n', encoding="utf-8")
    (tmp_path / "in" / "empty.ndjson").touch()
    said = fetch(tmp_path, "folder").err
    assert "drop: a.ndjson: 1 records (auto)" in said
    assert "drop: empty.ndjson: still being written" in said
    assert "received 1 = loaded 1" in said
    (tmp_path / "in" / "empty.ndjson").unlink()
    assert "drop: nothing new" in fetch(tmp_path, "folder", "drop").err


def test_tables_with_spreadsheet_oddities_are_typed_or_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text(
        '[sources.files.drop]\nfolder = "in"\nsettle_seconds = 0\n'
        'mapping = { event = "action", account_id = "Konto", user_id = "who", timestamp = "when" }\n',
        encoding="utf-8",
    )
    (tmp_path / "in").mkdir()
    table = (
        "\ufeffaction;Konto;who;when;note\r\n"
        'Login;0042;7.0;2026-02-01 10:00:00;"two\nlines; and a mark"\r\n'
        "Login;1e5;7;01.02.2026;day first\r\n"
        "Login;46054.5;7;46054.4166667;a spreadsheet's number of a day\r\n"
        "Login;0042;8;2026-02-01T10:00:00Z;too;many\r\n"
        "Login;0042;9;2026-02-01T11:00:00Z\r\n"
        "=cmd();0042;9;2026-02-01T12:00:00Z;\r\n"
    )
    (tmp_path / "in" / "table.csv").write_bytes(table.encode())
    fetch(tmp_path, "folder")
    found = rows(
        tmp_path,
        "SELECT d.event_name, a.account_id, u.user_id, e.occurred_at FROM raw.events AS e "
        "JOIN raw.dim_event AS d USING (event_key) JOIN raw.dim_account AS a USING (account_key) "
        "JOIN raw.dim_user AS u USING (user_key) ORDER BY ALL",
    )
    assert found == [
        ("=cmd()", "0042", "9", datetime(2026, 2, 1, 12)),
        ("Login", "0042", "7.0", datetime(2026, 2, 1, 10)),
    ]
    refused = rows(tmp_path, "SELECT line, reason FROM raw.quarantine ORDER BY line")
    assert refused == [(4, "bad_timestamp"), (5, "bad_timestamp"), (6, "ragged_row"), (7, "ragged_row")]


# How sources stand


def test_each_source_says_how_it_stands(tmp_path: Path, api: Api) -> None:
    there = workspace(tmp_path, api, "max_pages = 2")
    now = datetime(2026, 3, 1)

    def standing() -> tuple[str, str]:
        [found] = standings(there, now)
        assert found.name == "http usage"
        return found.level, found.found

    assert standing() == ("note", "nothing was pulled yet")
    fetch(tmp_path, "http")
    level, found = standing()
    assert (level, found[:48]) == ("note", "a pull is not finished: 4 records of 2 pages sin")
    fetch(tmp_path, "http")
    api.faults = ["404", "404"]
    fetch(tmp_path, "http", code=1)
    fetch(tmp_path, "http", code=1)
    level, found = standing()
    assert level == "warning"
    assert "2 times in a row: [sources.http.usage]" in found
    cursors = Cursors(there.landing)
    state = {**cursors.get("http-usage"), "failure": None, "failures": 0, "running": None}
    cursors.put("http-usage", {**state, "completed_at": "2026-02-28T23:00:00Z"})
    assert standing() == ("ok", "last pulled at 2026-02-28T23:00:00Z")
    cursors.put("http-usage", {**state, "completed_at": "2026-02-20T23:00:00Z"})
    assert standing()[0] == "warning"


def test_a_folder_says_what_it_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "trialwise.toml").write_text('[sources.files.drop]\nfolder = "in"\n', encoding="utf-8")
    there = Workspace.open(tmp_path)
    now = datetime(2026, 3, 1)
    assert [found.level for found in standings(there, now)] == ["warning"]
    (tmp_path / "in" / "failed").mkdir(parents=True)
    assert [found.level for found in standings(there, now)] == ["ok"]
    (tmp_path / "in" / "failed" / "b.csv").touch()
    (tmp_path / "in" / "failed" / "b.csv.txt").touch()
    [found] = standings(there, now)
    assert (found.level, found.found) == ("warning", "1 files could not be read: b.csv")


def test_doctor_tells_of_sources(tmp_path: Path, api: Api) -> None:
    workspace(tmp_path, api)
    fetch(tmp_path, "http")
    run("refresh", "-C", tmp_path)
    found = {row["topic"]: row for row in run("doctor", "-C", tmp_path, "--format", "json").rows()}
    assert found["http usage"]["level"] == "ok"
    assert found["http usage"]["found"].startswith("last pulled at 20")
