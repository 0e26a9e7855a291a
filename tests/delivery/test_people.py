"""Trials, lists, segments and accounts as people get them."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from tests.delivery.conftest import Published, at, trial

from trialwise.delivery.trials import TRIAL_COLUMNS
from trialwise.errors import InputError, NotFoundError

NOW = "2026-01-10"


def given() -> dict[str, list[dict[str, Any]]]:
    rows = [
        trial("acme", "2026-01-01", "2026-01-15", "pending", account_name="Acme", score=42.5, score_hundredths=4250),
        trial("bolt", "2026-01-03", "2026-01-12", "pending", account_name="Bolt"),
        trial("cask", "2025-12-03", "2025-12-17", "expired", outcome_at=at("2025-12-17")),
    ]
    return {
        "marts.trials": rows,
        "marts.segments": [
            {"segment": "pql", "ordinal": 1, "version": "1", "live_trials": 1},
            {"segment": "card_on_file", "ordinal": 0, "version": "1", "live_trials": 1},
        ],
        "marts.trial_segments": [
            {"trial_id": "stripe:acme:1", "segment": "pql", "entered_on": date(2026, 1, 5), "is_active": True},
            {"trial_id": "stripe:acme:1", "segment": "card_on_file", "entered_on": date(2026, 1, 5), "is_active": True},
            {"trial_id": "stripe:cask:1", "segment": "pql", "entered_on": date(2025, 12, 5), "is_active": False},
        ],
        "marts.trial_reasons": [
            {"trial_id": "stripe:acme:1", "rank": 2, "key": "card", "text": "added a card", "value": None,
             "typical": 0.3, "points": 15.0, "is_active": True},
            {"trial_id": "stripe:acme:1", "rank": 1, "key": "use", "text": "4 active days", "value": 4.0,
             "typical": 1.8, "points": 20.0, "is_active": True},
        ],
        "lists.hot_trials": [
            {"trial_id": "stripe:bolt:1", "account_id": "bolt", "score": 10.0, "position": 2, "stripe_url": None},
            {"trial_id": "stripe:acme:1", "account_id": "acme", "score": 42.5, "position": 1,
             "stripe_url": "https://dashboard.stripe.com/customers/cus_1"},
        ],
        "marts.accounts": [
            {"account_id": "acme", "account_name": "Acme", "trials": 1},
            {"account_id": "bolt", "account_name": "Bolt & Sons", "trials": 1},
        ],
        "marts.account_timeline": [
            {"account_id": "acme", "at": at("2026-01-05"), "kind": "milestone", "text": "milestone card_added",
             "source_id": "e"},
            {"account_id": "acme", "at": at("2026-01-01"), "kind": "signed_up", "text": "signed up",
             "source_id": "acme"},
        ],
        "marts.account_days": [
            {"account_id": "acme", "activity_date": date(2026, 1, 5), "events": 9, "value_events": 4,
             "active_users": 2},
        ],
    }  # fmt: skip


def test_running_trials_have_exactly_the_contract_and_the_next_to_end_is_first(published: Published) -> None:
    frame = published(NOW, given()).trials()
    assert tuple(frame.columns) == TRIAL_COLUMNS
    assert frame["account_id"].to_list() == ["bolt", "acme"]
    assert frame["segments"].to_list() == [[], ["card_on_file", "pql"]]
    reasons = frame["reasons"].to_list()
    assert reasons[0] == []
    assert reasons[1][0] == {"key": "use", "text": "4 active days", "value": 4.0, "typical": 1.8, "points": 20.0}
    assert [reason["key"] for reason in reasons[1]] == ["use", "card"]
    assert frame.schema["started_at"] == pl.Datetime("us")


def test_every_trial_a_segment_and_a_limit(published: Published) -> None:
    results = published(NOW, given())
    assert results.trials(every=True)["account_id"].to_list() == ["cask", "bolt", "acme"]
    assert results.trials(every=True, segment="pql")["account_id"].to_list() == ["cask", "acme"]
    running = results.trials()
    assert results.trials(every=True).filter(pl.col("account_id") != "cask").equals(running)  # reasons and segments too
    assert results.trials(limit=1)["account_id"].to_list() == ["bolt"]
    with pytest.raises(NotFoundError, match="did you mean 'pql'"):
        results.trials(segment="pgl")


def test_a_list_is_in_its_own_order_with_the_contract_first(published: Published) -> None:
    frame = published(NOW, given()).leads("hot_trials")
    assert frame["account_id"].to_list() == ["acme", "bolt"]
    contract = [column for column in frame.columns if column in TRIAL_COLUMNS]
    assert frame.columns[: len(contract)] == sorted(contract, key=TRIAL_COLUMNS.index)
    assert frame.columns[len(contract) :] == ["stripe_url", "position"]
    assert frame["segments"].to_list()[0] == ["card_on_file", "pql"]


def test_a_list_may_name_trials_that_have_ended(published: Published) -> None:
    tables = given()
    tables["lists.hot_trials"].append({"trial_id": "stripe:cask:1", "account_id": "cask", "score": 1.0, "position": 3})
    tables["marts.trial_reasons"].append(
        {"trial_id": "stripe:cask:1", "rank": 1, "key": "use", "text": "1 active day", "points": 5.0}
    )
    frame = published(NOW, tables).leads("hot_trials")
    assert frame["account_id"].to_list() == ["acme", "bolt", "cask"]
    assert frame["segments"].to_list() == [["card_on_file", "pql"], [], ["pql"]]
    assert [[one["key"] for one in reasons] for reasons in frame["reasons"]] == [["use", "card"], [], ["use"]]


def test_a_list_can_be_cut_and_an_unknown_one_names_the_nearest(published: Published) -> None:
    results = published(NOW, given())
    assert results.leads("hot_trials", limit=1)["account_id"].to_list() == ["acme"]
    with pytest.raises(NotFoundError, match="did you mean 'hot_trials'"):
        results.leads("hot_trails")


def test_the_lists_there_are(published: Published) -> None:
    assert published(NOW, given()).leads().rows() == [("hot_trials", 2, "about lists.hot_trials")]


def test_a_list_of_ones_own_may_be_about_anything(published: Published) -> None:
    results = published(NOW, given())
    results.close()
    from trialwise.delivery.generation import open_generation
    from trialwise.delivery.publishing import write_generation
    from trialwise.engines.duckdb import connect

    store = connect()
    store.execute("CREATE SCHEMA lists; CREATE TABLE lists.towns AS SELECT 'Oslo' AS town")
    path = results.path.parent / "towns.duckdb"
    write_generation(store, path, {"lists.towns": ""})
    own = open_generation(path)
    assert own.leads("towns").rows() == [("Oslo",)]
    own.close()


def test_segments_stand_in_the_order_of_the_configuration(published: Published) -> None:
    frame = published(NOW, given()).segments()
    assert frame["segment"].to_list() == ["card_on_file", "pql"]
    assert frame.columns[:3] == ["segment", "title", "live_trials"]


def test_an_account_with_trials_timeline_and_days(published: Published) -> None:
    found = published(NOW, given()).account("acme")
    assert found.profile["account_name"] == "Acme"
    assert tuple(found.trials.columns) == TRIAL_COLUMNS
    assert found.timeline["kind"].to_list() == ["signed_up", "milestone"]
    assert found.days.rows() == [(date(2026, 1, 5), 9, 4, 2)]
    assert found.part("profile").row(0, named=True)["account_id"] == "acme"
    assert [found.part(name).height for name in ("trials", "timeline", "days")] == [1, 2, 1]


@pytest.mark.parametrize(("asked", "guess"), [("acmee", "acme"), ("Bolt and Sons", "bolt")])
def test_an_unknown_account_names_the_nearest_id_or_name(published: Published, asked: str, guess: str) -> None:
    with pytest.raises(NotFoundError, match=f"no account '{asked}'; did you mean '{guess}'"):
        published(NOW, given()).account(asked)


def test_an_account_like_no_other_has_no_nearest(published: Published) -> None:
    with pytest.raises(NotFoundError) as error:
        published(NOW, given()).account("zzzzzz")
    assert "did you mean" not in error.value.message


def test_sql_answers_one_select(published: Published) -> None:
    results = published(NOW, given())
    frame = results.sql("SELECT count(*) AS n FROM marts.trials WHERE account_id = $id", {"id": "acme"})
    assert frame.rows() == [(1,)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DELETE FROM marts.trials", "expected one SELECT, found DELETE"),
        ("SELECT 1; SELECT 2", "found 2 statements"),
        ("SELEC 1 FROM", "parsed|expected one SELECT"),
        ("SELECT nothing FROM marts.trials", "the query fails"),
        ("SELECT * FROM read_csv('/etc/passwd')", "the query fails"),
    ],
)
def test_sql_refuses_anything_else(published: Published, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        published(NOW, given()).sql(text)


def test_sql_is_stopped_when_its_time_is_up(published: Published) -> None:
    endless = "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b WHERE a.range % 7 = b.range % 11"
    with pytest.raises(InputError, match=r"stopped after 0\.2 seconds"):
        published(NOW, given()).sql(endless, timeout_seconds=0.2)
