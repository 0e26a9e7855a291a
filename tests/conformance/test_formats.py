"""Published CloudEvents and Amplitude payloads as files: each becomes an event or says in quarantine why not."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.arrivals import Doors, opened
from trialwise.errors import InputError
from trialwise.landing.report import LoadReport
from trialwise.sources.files import open_file
from trialwise.sources.guess import glimpse, refuse_format

NOW = datetime(2026, 3, 1, 12)


@pytest.fixture
def doors(tmp_path: Path) -> Iterable[Doors]:
    yield from opened(tmp_path)


def write(folder: Path, shared_data: Path, name: str) -> Path:
    """The payloads of a collection, one a line, as somebody would import them."""
    lines = (shared_data / name / "payloads.jsonl").read_text("utf-8").splitlines()
    path = folder / f"{name}.ndjson"
    path.write_text("".join(json.dumps(json.loads(line)["payload"]) + "\n" for line in lines), encoding="utf-8")
    return path


def take(doors: Doors, path: Path, file_format: str, mapping: dict[str, str] | None = None) -> LoadReport:
    doors.landing.land(open_file(path, file_format=file_format, mapping=mapping), landed_at=NOW)
    return doors.load()


def people(doors: Doors) -> list[tuple[Any, ...]]:
    """(event, account, user, occurred_at, known_at) of what was loaded."""
    return doors.engine.rows(
        "SELECT d.event_name, a.account_id, u.user_id, e.occurred_at, e.known_at FROM raw.events AS e "
        "JOIN raw.dim_event AS d ON d.event_key = e.event_key "
        "JOIN raw.dim_account AS a ON a.account_key = e.account_key "
        "JOIN raw.dim_user AS u ON u.user_key = e.user_key ORDER BY ALL"
    )


def test_cloudevents(doors: Doors, tmp_path: Path, shared_data: Path) -> None:
    path = write(tmp_path, shared_data, "cloudevents_samples")
    report = take(doors, path, "cloudevents", {"account_id": "comexampleextension1"})
    # 9 events in 8 lines. Two hold "... base64 encoded string ..."; C234 comes with two bodies, D234 too; the second
    # D234 has neither time nor extension, so that nobody did it.
    assert (report.received, report.loaded, report.duplicate) == (9, 5, 0)
    found = doors.engine.rows("SELECT line, reason FROM raw.quarantine ORDER BY line, byte_offset")
    assert found == [(1, "bad_cloudevent"), (4, "id_reuse"), (6, "no_subject"), (7, "bad_cloudevent")]
    assert {detail for reason, detail in doors.refused() if reason == "bad_cloudevent"} == {"data_base64 is no base64"}
    at = datetime(2018, 4, 5, 17, 31)
    assert people(doors) == [
        ("com.example.someevent", "value", None, at, at),
        ("com.example.someevent", "value", None, at, at),
        ("com.example.someevent", "value", None, at, at),
        ("com.example.someotherevent", "value", None, datetime(2018, 4, 5, 17, 31, 5), datetime(2018, 4, 5, 17, 31, 5)),
        ("com.github.pull_request.opened", "value", None, at, at),
    ]


def test_cloudevents_without_a_word_of_who_did_it_are_nobodys(doors: Doors, tmp_path: Path, shared_data: Path) -> None:
    report = take(doors, write(tmp_path, shared_data, "cloudevents_samples"), "cloudevents")
    assert (report.received, report.loaded) == (9, 0)
    assert dict(report.reasons) == {"bad_cloudevent": 2, "no_subject": 7}


def test_amplitude(doors: Doors, tmp_path: Path, shared_data: Path) -> None:
    report = take(
        doors, write(tmp_path, shared_data, "amplitude_payloads"), "amplitude", {"account_id": "groups.team_id"}
    )
    # 8 requests of one event, 11 answers. The first two are one event without an id, sent twice in one file: two
    # events. The other six share an insert id on two devices: on the first 12345@gmail.com came first, then three times
    # datamonster, whose is another body; on device 123 first 12345, then datamonster.
    assert (report.received, report.loaded, report.duplicate) == (19, 4, 0)
    assert dict(report.reasons) == {"unknown_shape": 11, "id_reuse": 4}
    at = datetime(2014, 4, 1, 19, 42, 58, 123000)
    assert people(doors) == [
        ("watch_tutorial", "1", "12345", at, at),
        ("watch_tutorial", "1", "12345@gmail.com", at, at),
        ("watch_tutorial", None, "12345", at, at),
        ("watch_tutorial", None, "12345", at, at),
    ]
    assert {detail for reason, detail in doors.refused() if reason == "unknown_shape"} == {"no event_type"}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("cloudevents_samples", 0, 8), ("amplitude_payloads", 0, 6), ("amplitude_payloads", 12, 14)],
)
def test_a_file_imported_as_it_comes_says_which_option_reads_it(
    tmp_path: Path, shared_data: Path, name: str, first: int, last: int
) -> None:
    lines = write(tmp_path, shared_data, name).read_text("utf-8").splitlines(keepends=True)
    path = tmp_path / "events.ndjson"
    path.write_text("".join(lines[first:last]), encoding="utf-8")
    source = open_file(path)
    with pytest.raises(InputError, match=f"--format {name.partition('_')[0]}"):
        refuse_format(source, glimpse(source))


@pytest.mark.parametrize(
    ("table", "mapping"),
    [
        ("mailchimp_tables/campaign_recipient_activity.csv", ("action", "member_id", "timestamp")),
        ("mailchimp_tables/automation_recipient_activity.csv", ("action", "member_id", "timestamp")),
        ("hubspot_tables/email_event_data.csv", ("type", "recipient", "created")),
        ("hubspot_tables/contact_property_history_data.csv", ("source", "contact_id", "timestamp")),
    ],
)
def test_history_of_e_mail_as_a_warehouse_keeps_it(
    doors: Doors, shared_data: Path, table: str, mapping: tuple[str, str, str]
) -> None:
    """Flat files with a mapping: every row is an event of its person at its instant, known from then on."""
    event, user, timestamp = mapping
    with (shared_data / table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    complete = [row for row in rows if row[event] and row[user] and row[timestamp]]
    assert len(complete) > 5
    named = {"event": event, "user_id": user, "timestamp": timestamp}
    report = take(doors, shared_data / table, "flat", named)
    assert (report.received, report.loaded, report.quarantined) == (len(rows), len(complete), len(rows) - len(complete))
    expected = [(row[event], row[user], datetime.fromisoformat(row[timestamp])) for row in complete]
    found = [(name, who, at) for name, _, who, at, known in people(doors) if at == known]
    assert sorted(found) == sorted(expected)
