"""Pulls: every style of paging, states that survive anything, and what counts as history."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sources.http.api import Api, serving
from tests.sources.http.conftest import NOW, Puller, record

from trialwise.errors import ConfigError, SourceError
from trialwise.intake import first_page, pull
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Journal

STYLES: dict[str, Any] = {
    "none": "none",
    "page": "page",
    "offset": {"kind": "offset", "more": "has_more"},
    "cursor": {"kind": "cursor", "path": "meta.next"},
    "last_id": {"kind": "cursor", "param": "after", "field": "id", "more": "has_more"},
    "next_url": {"kind": "next_url", "path": "links.next"},
    "relative_url": {"kind": "next_url", "path": "$.links.next"},
    "link_header": "link_header",
}


@pytest.mark.parametrize("style", STYLES)
def test_every_record_is_landed_once_in_each_style_of_paging(style: str, puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 8)], style
    done = puller.pull(paging=STYLES[style])
    assert done.error is None
    assert done.is_complete
    assert (done.records, done.landed) == (7, 7)
    assert puller.ids() == [1, 2, 3, 4, 5, 6, 7]
    assert puller.state()["running"] is None


@pytest.mark.parametrize("style", STYLES)
def test_an_api_without_records_is_read_to_its_end(style: str, puller: Puller) -> None:
    puller.api.style = style
    done = puller.pull(paging=STYLES[style])
    assert (done.error, done.records, done.is_complete) == (None, 0, True)
    assert puller.landed() == []


def test_records_are_kept_byte_for_byte_with_their_place(puller: Puller) -> None:
    odd = '{ "id":1,"n": 1.10,"big":123456789012345678901234567890,\n "s":"\\u00e9 é","n":2 }'
    puller.api.shape = lambda _: b'{"data": [ ' + odd.encode() + b' , {"id": 2}]}'
    assert puller.pull().landed == 2
    first, second = puller.landed()
    assert first["raw"] == odd
    assert (first["n"], first["o"]) == (1, 11)
    assert (second["n"], second["o"]) == (2, 11 + len(odd.encode()) + 3)


def test_one_document_a_line_is_read_as_that(puller: Puller) -> None:
    puller.api.content_type = "application/x-ndjson"
    puller.api.shape = lambda records: b'{"id": 1}\n{"id": 2}\n\n{"id": 3'
    assert puller.pull().landed == 3
    assert [frame["raw"] for frame in puller.landed()] == ['{"id": 1}', '{"id": 2}', '{"id": 3']


def test_a_list_without_anything_around_it_and_a_list_deep_inside(puller: Puller) -> None:
    puller.api.records = [record(1)]
    puller.api.shape = lambda records: json.dumps(records).encode()
    assert puller.pull(records="$").landed == 1
    puller.api.shape = lambda records: {"a.b": [{"items": []}, {"items": records}]}
    assert puller.pull(records='$["a.b"][1].items').landed == 1


def test_post_sends_what_is_asked_for_as_json(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 4)], "page"
    done = puller.pull(method="POST", params={"plan": "trial", "deep": True}, paging={"kind": "page", "size": 50})
    assert done.records == 3
    assert puller.api.asked[0].body == {"plan": "trial", "deep": True, "page": 1, "limit": 50}
    assert puller.api.asked[1].body["page"] == 2


def test_parameters_of_the_address_are_kept_and_those_of_the_file_added(puller: Puller) -> None:
    puller.api.style = "page"
    puller.pull(url=f"{puller.api.url}?tenant=a%20b", params={"live": False}, paging="page")
    assert puller.api.asked[0].query == {"tenant": "a b", "live": "false", "page": "1"}


# History and news


def test_the_first_complete_pull_is_history_and_later_ones_are_live(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], "cursor"
    first = puller.pull(paging=STYLES["cursor"], max_pages=2)
    assert (first.is_complete, first.is_backfill, first.records) == (False, True, 4)
    second = puller.pull()
    assert (second.is_complete, second.is_backfill, second.records) == (True, True, 1)
    assert all("at" not in frame for frame in puller.landed())
    puller.now = NOW + timedelta(hours=1)
    third = puller.pull()
    assert (third.is_complete, third.is_backfill) == (False, False)
    assert puller.landed()[5]["at"].startswith("2026-03-01T13:00:00")


def test_only_what_is_new_is_asked_for_with_an_overlap(puller: Puller) -> None:
    puller.api.records = [record(1), record(2)]
    since = {"field": "at", "param": "since", "initial": "2026-01-01T00:00:00Z", "overlap_minutes": 90}
    puller.pull(since=since)
    assert puller.api.asked[-1].query["since"] == "2026-01-01T00:00:00Z"
    puller.pull()
    assert puller.api.asked[-1].query["since"] == "2026-02-03T08:30:00Z"
    puller.api.records.append(record(9))
    assert puller.pull().records == 2
    puller.pull()
    assert puller.api.asked[-1].query["since"] == "2026-02-10T08:30:00Z"


def test_an_interrupted_pull_does_not_move_the_mark(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], "cursor"
    since = {"field": "at", "param": "since"}
    puller.pull(paging=STYLES["cursor"], since=since, max_pages=1)
    assert puller.state()["since"] is None
    assert puller.state()["running"]["greatest"] == "2026-02-03T10:00:00Z"
    puller.pull(max_pages=10)
    assert puller.state()["since"] == "2026-02-06T10:00:00Z"


def test_a_source_that_asks_for_something_else_begins_anew(puller: Puller) -> None:
    puller.api.records = [record(1)]
    puller.pull(since={"field": "at", "param": "since"})
    assert puller.state()["since"] == "2026-02-02T10:00:00Z"
    puller.pull(params={"plan": "all"})
    assert "since" not in puller.api.asked[-1].query


def test_a_pull_that_was_begun_with_another_paging_begins_anew(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], "page"
    puller.pull(paging="page", max_pages=1)
    puller.api.style = "cursor"
    assert puller.pull(paging=STYLES["cursor"], max_pages=100).records == 5
    assert "page" not in puller.api.asked[1].query


def test_a_place_kept_by_another_version_begins_anew_from_the_last_mark(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], "cursor"
    puller.pull(paging=STYLES["cursor"], max_pages=1)
    cursors = Cursors(puller.workspace.landing)
    state = cursors.get("http-usage")
    del state["running"]["reading"]
    cursors.put("http-usage", {**state, "unknown": 1})
    assert puller.pull(max_pages=100).records == 5


def test_everything_is_read_anew_when_that_is_said(puller: Puller) -> None:
    puller.api.records = [record(1), record(2)]
    puller.pull(since={"field": "at", "param": "since"})
    done = pull(puller.workspace, "usage", again=True, backoff=puller.backoff, now=lambda: puller.now)
    assert (done.records, done.is_backfill) == (2, True)
    assert "since" not in puller.api.asked[-1].query


def test_what_came_as_news_stays_news_when_everything_is_read_anew(puller: Puller) -> None:
    mapping = {"timestamp": "when"}
    puller.api.records = [{"id": 1, "when": f"{NOW - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"}]
    assert puller.pull(event="Login", mapping=mapping).is_backfill
    news = NOW + timedelta(minutes=5)
    puller.api.records += [{"id": 2, "when": f"{news:%Y-%m-%dT%H:%M:%SZ}"}, {"id": 3, "when": int(news.timestamp())}]
    puller.now = NOW + timedelta(days=1)
    done = pull(puller.workspace, "usage", again=True, backoff=puller.backoff, now=lambda: puller.now)
    assert (done.records, done.is_backfill) == (3, True)
    assert [("at" in frame, json.loads(frame["raw"])["id"]) for frame in puller.landed()] == [
        (False, 1),
        (False, 1),
        (True, 2),
        (True, 3),
    ]


@pytest.mark.parametrize(
    ("form", "source", "records"),
    [
        ("segment", "events", [{"type": "track", "event": "Login", "userId": "ana", "messageId": "m1"}]),
        ("auto", "events", [{"event": "Login", "user_id": "ana"}]),
        ("amplitude", "events", [{"event_type": "Login", "user_id": "ana", "event_time": "2026-02-01 10:00:00.000"}]),
        ("stripe", "stripe", [{"id": "cus_1", "object": "customer"}]),
    ],
)
def test_records_that_explain_themselves_are_landed_as_what_they_are(
    form: str, source: str, records: list[dict[str, Any]], puller: Puller
) -> None:
    puller.api.shape = lambda _: {"data": records}
    assert puller.pull(format=form).landed == 1
    [frame] = puller.landed()
    assert "env" not in frame
    [entry] = Landing(puller.workspace.landing).manifest().imports
    assert (entry.source, entry.format, entry.file) == (source, form, "http usage")


def test_a_last_record_without_the_field_of_the_cursor_stops_the_pull(puller: Puller) -> None:
    puller.api.records = [{"id": 1}, {"id": 2}]
    error = puller.pull(paging={"kind": "cursor", "field": "uuid", "more": "data"}).error
    assert error is not None
    assert "has no uuid" in error.message


# Interruptions


@pytest.mark.parametrize("style", [style for style in STYLES if style != "none"])
@pytest.mark.parametrize("step", ["append", "put"])
def test_a_process_that_dies_at_any_page_asks_for_one_page_again_at_most(
    style: str, step: str, puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 8)], style
    puller.settings["paging"] = STYLES[style]
    owner, name = (Journal, "append") if step == "append" else (Cursors, "put")
    real = getattr(owner, name)
    calls = 0

    def dying(self: Any, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            raise KeyboardInterrupt  # nothing catches it, as nothing catches a kill
        real(self, *arguments)

    monkeypatch.setattr(owner, name, dying)
    deaths = 0
    while True:
        try:
            done = puller.pull()
            break
        except KeyboardInterrupt:
            deaths += 1
            assert deaths < 10
    assert deaths
    assert done.is_complete
    assert sorted(set(puller.ids())) == [1, 2, 3, 4, 5, 6, 7]
    pages = [(tuple(asked.query.items())) for asked in puller.api.asked]
    assert len(pages) - len(set(pages)) <= deaths
    assert len(puller.ids()) - 7 <= 2 * deaths


def test_an_address_that_ran_out_between_two_pulls_is_begun_again(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], "cursor"
    puller.pull(paging=STYLES["cursor"], max_pages=1)
    puller.api.faults = ["410"]
    done = puller.pull(max_pages=100)
    assert (done.error, done.is_complete, done.records) == (None, True, 5)
    assert "cursor" not in puller.api.asked[2].query


def test_two_pulls_of_one_source_at_a_time_are_one(puller: Puller) -> None:
    inside: list[str] = []

    def again(_: Api) -> None:
        error = Puller(puller.folder, Api(base=puller.api.base)).pull().error
        inside.append("" if error is None else error.message)

    puller.api.between = again
    assert puller.pull().is_complete
    assert "is being read by process" in inside[0]
    assert len(inside) == 1


def test_a_failure_is_written_down_and_goes_with_the_next_success(puller: Puller) -> None:
    puller.api.faults = ["404"]
    assert isinstance(puller.pull().error, SourceError)
    assert puller.pull(auth="bearer").error is not None
    state = puller.state()
    assert state["failures"] == 2
    assert "TRIALWISE_HTTP_USAGE is not set" in state["failure"]
    assert puller.pull(auth="none").error is None
    assert (puller.state()["failures"], puller.state()["failure"]) == (0, None)


# Changes while it is read


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sets(st.integers(1, 60), min_size=1, max_size=20),
    changes=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=20),
    style=st.sampled_from(["cursor", "last_id", "next_url", "link_header"]),
    size=st.integers(1, 4),
    faults=st.lists(st.sampled_from(["", "", "500", "cut", "reset", "429 0"]), max_size=6),
)
def test_nothing_that_was_there_throughout_is_missed(
    start: set[int],
    changes: list[tuple[bool, int]],
    style: str,
    size: int,
    faults: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    there = {number: record(number) for number in start}
    throughout = set(start)
    left = list(changes)

    def change(api: Api) -> None:
        if left:
            is_new, number = left.pop()
            if is_new:
                there.setdefault(number, record(number))
            elif there.pop(number, None) is not None:
                throughout.discard(number)
            api.records = list(there.values())

    with serving(Api(list(there.values()), style, size, between=change, faults=faults)) as api:
        puller = Puller(tmp_path_factory.mktemp("pull"), api, {"paging": STYLES[style]})
        done = puller.pull()
        while done.error is not None:  # more failures in a row than are tried at a time
            done = puller.pull()
        assert throughout <= set(puller.ids())
        assert len(puller.ids()) == len(set(puller.ids()))


# Pages without an end


def test_a_next_page_that_was_read_before_ends_the_pull(puller: Puller) -> None:
    puller.api.shape = lambda _: {
        "data": [{"id": len(puller.api.asked)}],
        "next": f"/api/usage?n={len(puller.api.asked) % 3}",
    }
    error = puller.pull(paging={"kind": "next_url", "path": "next"}).error
    assert error is not None
    assert "was read before" in error.message
    assert len(puller.api.asked) == 4


def test_an_api_that_does_not_read_the_parameter_is_found_out(puller: Puller) -> None:
    puller.api.records = [record(1), record(2)]
    error = puller.pull(paging={"kind": "page", "param": "pgae"}).error
    assert error is not None
    assert "two different pages with the same records" in error.message
    assert error.hint is not None
    assert "pgae" in error.hint
    assert len(puller.api.asked) == 2


def test_pages_without_an_end_stop_at_max_pages_and_go_on_later(puller: Puller) -> None:
    puller.api.shape = lambda _: {"data": [{"id": len(puller.api.asked)}], "next": len(puller.api.asked)}
    paging = {"kind": "cursor", "path": "next"}
    done = puller.pull(paging=paging, max_pages=3)
    assert (done.pages, done.is_complete, done.error) == (3, False, None)
    assert puller.pull().pages == 3
    assert puller.ids() == [1, 2, 3, 4, 5, 6]


# Things that something happened to


def test_a_thing_whose_event_has_not_happened_is_left_for_later(puller: Puller) -> None:
    puller.api.records = [
        {"id": 1, "ended_at": None},
        {"id": 2, "ended_at": "2026-02-01T00:00:00Z"},
        {"id": 3},
        {"id": 4, "ended_at": ""},
    ]
    done = puller.pull(event="Trial Ended", mapping={"timestamp": "ended_at", "id": "id"})
    assert (done.records, done.landed) == (4, 1)
    assert puller.ids() == [2]


# Configuration


def test_a_format_nobody_knows_is_refused_with_the_nearest(puller: Puller) -> None:
    error = puller.pull(format="amplitud").error
    assert isinstance(error, ConfigError)
    assert "did you mean 'amplitude'?" in error.message
    assert puller.api.asked == []


def test_the_first_page_can_be_looked_at_without_keeping_anything(puller: Puller) -> None:
    puller.api.records, puller.api.style = [record(number) for number in range(1, 6)], "cursor"
    puller.settings["paging"] = STYLES["cursor"]
    page = first_page(puller.workspace, "usage", now=lambda: NOW)
    assert (page.format, page.name) == ("record", "http usage")
    assert [json.loads(piece.data)["id"] for piece in page.records] == [1, 2]
    assert not puller.workspace.data.exists()
