"""What was published is never rewritten; numbers that change are listed with what was said before and why."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlglot import exp, parse_one

from tests.book import Book, content, january, lead, on_trial, paid, unpaid
from tests.crash import crash_at_every_step
from tests.delivery.conftest import at
from trialwise import chronicle
from trialwise.delivery import past, publishing, shown
from trialwise.delivery.publishing import Delta
from trialwise.delivery.reader import Reader
from trialwise.engines.duckdb import connect
from trialwise.errors import InputError, NotFoundError
from trialwise.history import History, Last, News, Number, Record, Restated, Shown
from trialwise.landing import suppression
from trialwise.landing.manifest import Manifest
from trialwise.landing.suppression import Names
from trialwise.restating import TRIALS_NAMED, Compared, compare, is_restated
from trialwise.shipped import packaged_sql

APRIL = "2026-04-01"
RATE = {"metric": "trial_conversion", "definition": "start_cohort", "by": "month"}
STRIPE = (
    "INSERT INTO raw.loads VALUES (1), (2); "
    "INSERT INTO raw.stripe VALUES (1, 'customer.created', 'customer', 'cus_c', '{\"id\":\"cus_c\"}', 1),"
    "(2, 'invoice.paid', 'invoice', 'in_1', '{\"customer\":\"cus_c\"}', 2),"
    "(3, 'charge.succeeded', 'charge', 'ch_1', '{\"customer\":{\"id\":\"cus_c\"}}', 2),"
    "(4, 'charge.succeeded', 'charge', 'ch_2', '{\"customer\":\"cus_d\"}', 2)"
)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def history(book: Book) -> History:
    return past.history_of(book.workspace)


def restated(book: Book, **where: Any) -> list[dict[str, Any]]:
    """Restated numbers that have these values."""
    return [row for row in history(book).restatements() if all(row[name] == value for name, value in where.items())]


# ── restatements ─────────────────────────────────────────────────────────────


def test_records_that_are_left_out_are_a_cause(book: Book) -> None:
    """Of January one of two converted; then one is gone, and of the one left all did not."""
    book.publish("2026-03-01", [paid("a"), unpaid("b")])
    with patch.object(Manifest, "drops", "other segments"):
        book.publish("2026-03-02", [unpaid("b")])
        request = suppression.Request("key", "account", datetime(2026, 3, 2), datetime(2026, 3, 2))
        listed = suppression.fresh().with_request(request, Names(accounts=frozenset({"acme-77"})))
        suppression.change(book.data / "landing", lambda _: listed)
        book.publish("2026-03-03", [paid("b")])
        again = listed.undoing("account", ["acme-77"], Names(accounts=frozenset({"acme-77"})), datetime(2026, 3, 4))
        assert not suppression.change(book.data / "landing", lambda _: again)
        book.publish("2026-03-04", [unpaid("b")])
    rows = past.restatements(history(book)).filter(by="month", definition="start_cohort").to_dicts()
    assert [(row["old"], row["new"]) for row in rows] == [(1.0, 0.0), (0.0, 1.0), (0.5, 0.0)]
    assert [("forgotten" in row["causes"], "dropped" in row["causes"]) for row in rows] == [
        (False, False),  # somebody is taken off the list: nothing goes by that
        (True, False),
        (False, True),
    ]
    assert "; somebody was forgotten" in rows[1]["why"]
    assert "acme" not in rows[1]["why"]


def test_no_shipped_metric_reads_what_counts_as_use_alone() -> None:
    """Else a refresh that changes nothing but use could change a number, and nobody would look."""
    files = sorted((packaged_sql() / "metrics").glob("*.sql"))
    assert len(files) == 8
    for file in files:
        query = parse_one(file.read_text(encoding="utf-8"), dialect="duckdb")
        named = {column.name for column in query.find_all(exp.Column)}  # `t.*` hands on what is named further out
        assert not named & chronicle.OF_USE, file.name


def test_a_late_payment_restates_a_final_rate_once(book: Book) -> None:
    """January: 2 of 4 converted, published as final on 1 April; then a payment of 25 January arrives: 3 of 4."""
    book.publish(APRIL, [paid("a"), paid("b"), unpaid("c"), unpaid("d")])
    assert history(book).restatements() == []
    book.publish("2026-04-02", [paid("a"), paid("b"), paid("c", "2026-01-25"), unpaid("d")], raw=STRIPE)
    [row] = restated(book, **RATE)
    assert (row["period_start"], row["period_end"]) == (date(2026, 1, 1), date(2026, 2, 1))
    assert (row["first"], row["old"], row["new"]) == (0.5, 0.5, 0.75)
    assert (row["old_numerator"], row["old_denominator"]) == (2, 4)
    assert (row["new_numerator"], row["new_denominator"]) == (3, 4)
    assert row["was_final"]
    assert (row["first_generation"], row["old_generation"], row["generation"]) == (1, 1, 2)
    assert (row["old_as_of"], row["as_of"]) == (at(APRIL), at("2026-04-02"))
    assert row["causes"] == ["late_facts"]
    assert row["why"] == (
        "late facts: 2 Stripe records (charge.succeeded, invoice.paid); 1 trial of it changed: expired -> converted 1x"
    )
    assert row["trials"] == ["stripe:c:1: expired -> converted"]
    book.publish("2026-04-03", [paid("a"), paid("b"), paid("c", "2026-01-25"), unpaid("d")], raw=STRIPE)
    assert len(restated(book, **RATE)) == 1


def test_a_refund_restates_the_net_rate_alone(book: Book) -> None:
    """Of two conversions one is refunded: gross stays 2 of 2, net falls to 1 of 2."""
    book.publish(APRIL, [paid("a"), paid("b")])
    book.publish("2026-04-02", [paid("a"), {**paid("b"), "is_refunded": True}])
    assert restated(book, **RATE) == []
    [row] = restated(book, **{**RATE, "definition": "start_cohort(net)"})
    assert (row["old"], row["new"], row["trials"]) == (1.0, 0.5, ["stripe:b:1: refunded"])


def test_what_is_pending_may_move_inside_its_bounds(book: Book) -> None:
    """On 10 February two of four are undecided: 1 of 4, at most 3 of 4. Both outcomes are inside of that."""
    undecided = [january("c", "pending"), january("d", "pending")]
    book.publish("2026-02-10", [paid("a"), unpaid("b"), *undecided])
    book.publish("2026-02-11", [paid("a"), unpaid("b"), paid("c", "2026-02-10 12:00"), undecided[1]])
    book.publish("2026-03-01", [paid("a"), unpaid("b"), paid("c", "2026-02-10 12:00"), unpaid("d")])
    assert restated(book, **RATE) == []
    book.publish("2026-03-02", [paid("a"), unpaid("b"), unpaid("c"), unpaid("d")])
    [row] = restated(book, **RATE)
    assert (row["first"], row["old"], row["new"]) == (0.25, 0.5, 0.25)
    assert row["first_as_of"] == at("2026-02-10")


@pytest.mark.parametrize(
    ("numerator", "denominator", "is_final", "told"),
    [(3, 10, False, False), (5, 10, False, False), (6, 10, False, True), (1, 10, False, True), (2, 11, False, True),
     (3, 10, True, True)],
    ids=["one of three pending", "all of them", "more than was pending", "fewer", "another denominator", "final"],
)  # fmt: skip
def test_the_bounds_of_two_of_ten_with_three_pending(
    numerator: int, denominator: int, *, is_final: bool, told: bool
) -> None:
    old = _number(2, 10, pending=0 if is_final else 3, is_final=is_final)
    assert is_restated(old, _number(numerator, denominator)) is told


def test_ever_may_rise_for_it_promises_no_end() -> None:
    old = replace(_number(2, 10, is_final=False), definition="ever")
    assert not is_restated(old, replace(_number(9, 10, is_final=False), definition="ever"))
    assert is_restated(old, replace(_number(1, 10, is_final=False), definition="ever"))


def test_a_number_that_is_not_final_is_added_once_a_day() -> None:
    old, day = _number(2, 10, pending=3, is_final=False), date(2026, 2, 10)
    new = _number(3, 10, pending=2, is_final=False)
    published = {old.key: Last(7, old, day)}
    assert compare({"trial_conversion": [new]}, published, day) == Compared((), (), (new,))
    assert compare({"trial_conversion": [new]}, published, day + timedelta(days=1)).plain == (new,)
    final = _number(3, 10, pending=0)
    assert compare({"trial_conversion": [final]}, published, day).plain == (final,)


@pytest.mark.parametrize("last", ["2026-02-10 15:00", "2026-02-11 09:00"])
def test_a_number_that_leaves_its_bounds_of_noon_is_restated(book: Book, last: str) -> None:
    """Of two that are undecided in the morning one has paid at noon: 1 of 2, no less. Then it is 0 of 2."""
    undecided = [january("a", "pending"), january("b", "pending")]
    book.publish("2026-02-10 09:00", undecided)
    morning = len(content(book.data)["numbers"])
    book.publish("2026-02-10 12:00", [paid("a", "2026-02-10 10:00"), undecided[1]])
    book.publish("2026-02-10 13:00", [paid("a", "2026-02-10 10:00"), undecided[1]], changed={"marts.clock": Delta()})
    assert len(content(book.data)["numbers"]) == morning, "inside of the bounds one number a day is enough"
    book.publish(last, [unpaid("a"), undecided[1]])
    [row] = restated(book, **RATE)
    assert (row["first"], row["old"], row["new"]) == (0.0, 0.5, 0.0)
    assert (row["old_numerator"], row["old_denominator"], row["was_final"]) == (1, 2, False)
    assert (row["first_generation"], row["old_generation"], row["generation"]) == (1, 3, 4), "the last that said so"
    assert (row["old_as_of"], row["as_of"]) == (at("2026-02-10 13:00"), at(last))
    assert row["trials"] == ["stripe:a:1: converted -> expired"]
    book.publish("2026-02-11 15:00", [unpaid("a"), undecided[1]])
    assert len(restated(book, **RATE)) == 1
    assert _open_records(book) == []


def test_what_was_shown_at_noon_is_put_on_record_once(book: Book) -> None:
    """Also when what puts another number in its place fails to be published at first."""
    undecided = [january("a", "pending"), january("b", "pending")]
    book.publish("2026-02-10 09:00", undecided)
    book.publish("2026-02-10 12:00", [paid("a", "2026-02-10 10:00"), undecided[1]])
    with patch.object(publishing, "publish", side_effect=OSError("disk full")), pytest.raises(OSError, match="full"):
        book.publish("2026-02-10 15:00", [unpaid("a"), undecided[1]])
    assert restated(book) == []
    noon = content(book.data)["numbers"]
    book.publish("2026-02-10 15:00", [unpaid("a"), undecided[1]])
    [row] = restated(book, **RATE)
    assert (row["old"], row["new"], row["old_generation"]) == (0.5, 0.0, 2)
    assert [one for one in content(book.data)["numbers"] if one[1] == 2] == [one for one in noon if one[1] == 2]


@pytest.mark.parametrize(("value", "is_another"), [(1.8583495776478234, False), (1.8583495776578234, True)])
def test_the_last_digit_of_a_mean_restates_nothing(value: float, *, is_another: bool) -> None:
    old = replace(_number(2, 10), metric="pql_conversion", unit="ratio", value=1.8583495776478236)
    new = replace(old, value=value)
    assert is_restated(old, new) is is_another
    found = compare({"pql_conversion": [new]}, {old.key: Last(7, old, date(2026, 3, 1))}, date(2026, 3, 2))
    assert (found.plain, len(found.restated)) == ((), int(is_another))


def test_a_number_that_is_no_longer_there_is_restated_to_none() -> None:
    old = _number(2, 10)
    published = {old.key: Last(7, old, date(2026, 3, 1))}
    [found] = compare({"trial_conversion": []}, published, date(2026, 3, 2)).restated
    assert (found.old_id, found.new.value, found.new.is_gone) == (7, None, True)
    assert compare({"new_trials": []}, published, date(2026, 3, 2)).restated == ()


@pytest.mark.parametrize(("numerator", "is_restated"), [(2, False), (7, True)])
def test_a_number_that_is_there_again_is_held_against_what_it_was(
    tmp_path: Path, numerator: int, *, is_restated: bool
) -> None:
    """2 of 10 was final, then it was gone: 2 of 10 again takes that back, 7 of 10 is another number than published."""
    book = History(tmp_path)
    old, day = _number(2, 10), datetime(2026, 4, 1)
    key = {"trial_conversion": [old]}

    def record(generation: int, found: Compared) -> None:
        moment = day + timedelta(days=generation)
        restated = [Restated(one.new, one.old_id, ("unknown",), "") for one in found.restated]
        book.note(
            Record(generation, moment.date(), moment, moment, moment, 1, {}), News(found.plain, restated), is_kept=True
        )

    def compared(generation: int, numbers: dict[str, list[Number]]) -> Compared:
        today = (day + timedelta(days=generation)).date()
        return compare(numbers, book.known(today).numbers, today)

    for generation, numbers in enumerate((key, {"trial_conversion": []}), 1):
        record(generation, compared(generation, numbers))
    again = _number(numerator, 10)
    found = compared(3, {"trial_conversion": [again]})
    assert [(one.old.value, one.new.value) for one in found.restated] == ([(0.2, 0.7)] if is_restated else [])
    assert found.plain == (() if is_restated else (again,))
    record(3, found)
    assert compared(4, {"trial_conversion": [again]}) == Compared((), ())
    assert [(row["old"], row["new"]) for row in book.restatements()] == [(0.2, 0.7), (0.2, None)][not is_restated :]


def test_a_query_that_fails_for_a_while_says_of_no_number_that_it_is_gone(book: Book) -> None:
    """January is 1 of 2, a day later nobody can tell, then it is 2 of 2."""
    book.publish(APRIL, [paid("a"), unpaid("b")])
    before = content(book.data)["numbers"]
    frame = Reader.frame

    def failing(reader: Reader, sql: str, params: dict[str, Any]) -> Any:
        if params["net"]:  # the last of what is kept of it, when some is worked out
            reader.engine.rows("SELECT error('Out of Memory Error')")
        return frame(reader, sql, params)

    with patch.object(Reader, "frame", failing):
        book.publish("2026-04-02", [paid("a"), paid("b")])
    assert content(book.data)["numbers"] == before
    book.publish("2026-04-03", [paid("a"), paid("b")])
    [row] = restated(book, **RATE)
    assert (row["old"], row["new"], row["old_generation"], row["generation"]) == (0.5, 1.0, 1, 3)


def _number(numerator: int, denominator: int, *, pending: int = 0, is_final: bool = True) -> Number:
    return Number(
        "trial_conversion", "start_cohort", "month", date(2026, 1, 1), date(2026, 2, 1), None, None, "1", numerator,
        denominator, pending, numerator / denominator, "rate", is_final,
    )  # fmt: skip


def test_a_setting_that_changes_a_final_number_is_named(tmp_path: Path) -> None:
    book = Book(tmp_path, {"conversion": {"grace_days": 30}})
    book.publish(APRIL, [paid("a"), unpaid("b")])
    book.config = {"conversion": {"grace_days": 3}, "score": {"rules": []}}
    late = {**paid("a"), "outcome": "converted_late", "deadline_at": at("2026-01-19 09:00")}
    book.publish(APRIL, [late, unpaid("b")])
    [row] = restated(book, **RATE)
    assert (row["old"], row["new"], row["causes"]) == (0.5, 0.0, ["settings"])
    assert row["why"] == (
        "settings: conversion.grace_days 30 -> 3; 1 trial of it changed: converted -> converted_late 1x"
    )


def test_a_record_of_somebody_else_is_no_cause_beside_a_setting(tmp_path: Path) -> None:
    book = Book(tmp_path, {"conversion": {"grace_days": 30}})
    book.publish(APRIL, [paid("a"), unpaid("b")])
    book.config = {"conversion": {"grace_days": 3}}
    late = {**paid("a"), "outcome": "converted_late", "deadline_at": at("2026-01-19 09:00")}
    event = "INSERT INTO raw.loads VALUES (1), (2); INSERT INTO raw.events VALUES (1, 9, DATE '2026-04-01', 2)"
    book.publish(APRIL, [late, unpaid("b")], raw=event)
    [row] = restated(book, **RATE)
    assert row["causes"] == ["settings"]


def test_models_behind_a_number_are_named(book: Book) -> None:
    book.publish(APRIL, [paid("a"), unpaid("b")])
    changed = book.models["marts.trials"]
    otherwise = changed.header.model_copy(update={"description": "Otherwise."})
    book.models = {**book.models, "marts.trials": replace(changed, header=otherwise)}
    book.publish("2026-04-02", [paid("a"), paid("b")])
    [row] = restated(book, **RATE)
    assert row["causes"] == ["definition"]
    assert row["why"].startswith("models that changed: marts.trials; 1 trial of it changed")


def test_a_merge_and_a_trial_that_is_gone_are_told_apart(book: Book) -> None:
    book.publish(APRIL, [paid("a"), unpaid("b"), unpaid("c"), unpaid("d")])
    merged = {**unpaid("d"), "outcome": "merged", "population": "merged"}
    book.publish("2026-04-02", [paid("a"), unpaid("b"), merged])
    [row] = restated(book, **RATE)
    assert (row["old_denominator"], row["new_denominator"]) == (4, 2)
    assert row["causes"] == ["merge", "removed"]
    assert row["why"] == "1 trial merged into another; 1 trial gone"
    assert row["trials"] == ["stripe:d:1: merged"], "one that is gone may have been forgotten"


def test_late_events_restate_stickiness(book: Book) -> None:
    """31 days of 2 of 10 people, then one more on one day: the mean of January rises."""
    book.metrics = ("stickiness",)
    days = [{"activity_date": date(2026, 1, 1) + timedelta(days=n), "active_users": 2, "active_users_28d": 10}
            for n in range(31)]  # fmt: skip
    book.publish(APRIL, [paid("a")], more={"marts.active_users": days})
    more = [{**days[0], "active_users": 3}, *days[1:]]
    late = (
        "INSERT INTO raw.loads VALUES (2);"
        "INSERT INTO raw.events VALUES (1, 1, '2026-01-01', 2), (2, 1, '2026-03-01', 2)"
    )
    book.publish("2026-04-02", [paid("a")], more={"marts.active_users": more}, raw=late)
    [row] = restated(book, metric="stickiness", by="month")
    assert row["period_start"] == date(2026, 1, 1)
    assert row["new"] > row["old"]
    assert row["why"] == "late facts: 1 event record"


# ── late usage, by the segments it moves trials in and out of ────────────────


def stay(name: str, day: str, left: str | None = None, segment: str = "pql") -> dict[str, Any]:
    """A stay of a trial in a segment."""
    return {"trial_id": f"stripe:{name}:1", "account_id": name, "segment": segment,
            "entered_on": date.fromisoformat(day), "left_on": left and date.fromisoformat(left)}  # fmt: skip


def stays(*rows: dict[str, Any], version: str = "1") -> dict[str, Any]:
    """Tables a workspace with the segment pql has more."""
    return {"marts.memberships": rows, "marts.segments": [{"segment": "pql", "version": version}]}


JANUARY = [paid("a"), unpaid("b"), unpaid("c"), paid("d")]
LATE_EVENTS = (
    "INSERT INTO raw.loads VALUES (1), (2); INSERT INTO raw.dim_account VALUES (1, 'a'), (2, 'b'), (3, 'c');"
    "INSERT INTO raw.events VALUES (1, 3, '2026-01-08', 1), (2, 3, '2026-01-08', 2), (3, 3, '2026-01-09', 2),"
    "(4, 2, '2026-01-10', 2), (5, 1, '2026-01-10', 2)"
)
SEGMENT_DAYS = "1 trial of it changed: segment days moved 1x"


@pytest.fixture
def leads(tmp_path: Path) -> Book:
    """Of a and d, which pay, and b and c, which do not, a qualifies on 7 January, day 3 of all four."""
    book = Book(tmp_path, metrics=("pql_conversion", "new_trials"), units=("week", "month"))
    book.publish(APRIL, JANUARY, more=stays(stay("a", "2026-01-07"), stay("b", "2026-01-15", segment="quiet")))
    return book


def test_late_usage_explains_pql_conversion(leads: Book) -> None:
    """Then c is found to have qualified on the 9th, day 5. Compared with on day 3: b, c, d; on day 5: b, d."""
    quiet = stay("b", "2026-01-10", segment="quiet")  # another segment, which pql_conversion does not read
    again = [stay("a", "2026-01-07", "2026-01-12"), stay("a", "2026-01-14")]  # who qualified once stays it
    leads.publish("2026-04-02", JANUARY, more=stays(*again, stay("c", "2026-01-09"), quiet), raw=LATE_EVENTS)
    rows = {row["definition"]: row for row in restated(leads, by="month")}
    assert {name: (row["old"], row["new"]) for name, row in rows.items()} == {
        "first_qualified": (1.0, 0.5),  # a; a of a and c
        "baseline": (pytest.approx(1 / 3), pytest.approx((1 / 3 + 1 / 2) / 2)),
        "lift": (pytest.approx(3.0), pytest.approx(1.2)),
    }
    for row in rows.values():
        assert row["period_start"] == date(2026, 1, 1)
        assert row["causes"] == ["late_facts"]
        assert row["why"] == f"late facts: 2 event records; {SEGMENT_DAYS}"
        assert row["trials"] == ["stripe:c:1: segment days moved"]


def test_a_trial_counts_where_it_qualified_and_where_it_could_be_compared_with(leads: Book) -> None:
    """c qualifies on the 14th in place of nowhere: as a lead in its week, as no other from then to its end on the 19th.

    Of the week from the 12th nothing was known: nobody had qualified. In that from the 5th it is one of three still.
    """
    leads.publish("2026-04-02", JANUARY, more=stays(stay("a", "2026-01-07"), stay("c", "2026-01-14")), raw=LATE_EVENTS)
    weeks = {(row["definition"], row["period_start"]): row for row in restated(leads, by="week")}
    twelfth = date(2026, 1, 12)
    assert weeks.keys() == {("first_qualified", twelfth), ("baseline", twelfth), ("lift", twelfth)}
    assert (weeks["baseline", twelfth]["old"], weeks["baseline", twelfth]["new"]) == (None, 0.5)
    assert all(row["trials"] == ["stripe:c:1: segment days moved"] for row in weeks.values())


def test_one_that_qualified_earlier_moves_the_weeks_of_both_days(leads: Book) -> None:
    """a qualified on the 14th, not the 7th: it leaves the week from the 5th and comes into that from the 12th."""
    leads.publish("2026-04-02", JANUARY, more=stays(stay("a", "2026-01-14")), raw=LATE_EVENTS)
    rows = restated(leads, by="week", definition="first_qualified")
    assert {row["period_start"]: (row["old"], row["new"]) for row in rows} == {
        date(2026, 1, 5): (1.0, None),
        date(2026, 1, 12): (None, 1.0),
    }
    assert [row["why"] for row in rows] == [f"late facts: 1 event record; {SEGMENT_DAYS}"] * 2


def test_segment_days_explain_no_metric_that_reads_none(leads: Book) -> None:
    """e is a trial nobody knew of; that it is new explains both metrics, what c did only the one of segments."""
    trials = [*JANUARY, unpaid("e")]
    leads.publish("2026-04-02", trials, more=stays(stay("a", "2026-01-07"), stay("c", "2026-01-09")), raw=LATE_EVENTS)
    [started] = restated(leads, metric="new_trials", by="month")
    assert started["trials"] == ["stripe:e:1: new"]
    assert started["why"].endswith("; 1 trial of it changed: new 1x")
    [first] = restated(leads, definition="first_qualified", by="month")
    assert first["trials"] == ["stripe:c:1: segment days moved", "stripe:e:1: new"]


def test_a_trial_that_is_gone_is_not_named_by_its_segment_days(leads: Book) -> None:
    """c, which ended in January, qualified on 10 February; then it is gone, as somebody forgotten is."""
    leads.publish("2026-04-02", JANUARY, more=stays(stay("a", "2026-01-07"), stay("c", "2026-02-10")))
    left = [row for row in JANUARY if row["account_id"] != "c"]
    leads.publish("2026-04-03", left, more=stays(stay("a", "2026-01-07")))
    [row] = restated(leads, definition="first_qualified", period_start=date(2026, 2, 1), by="month", new=None)
    assert (row["old"], row["causes"], row["why"], row["trials"]) == (0.0, ["removed"], "1 trial gone", [])


def test_a_segment_that_is_defined_otherwise_is_the_first_cause(leads: Book) -> None:
    leads.publish(APRIL, JANUARY, more=stays(stay("a", "2026-01-07"), stay("c", "2026-01-09"), version="2"))
    [row] = restated(leads, definition="first_qualified", by="month")
    assert row["causes"] == ["definition"]
    assert row["why"] == f"definition: version 1+pql:1 -> 1+pql:2; {SEGMENT_DAYS}"


def test_a_few_of_many_trials_are_named(tmp_path: Path) -> None:
    book = Book(tmp_path, metrics=("pql_conversion",))
    names = [f"t{n:02d}" for n in range(TRIALS_NAMED + 5)]
    trials = [unpaid(name) for name in names]
    book.publish(APRIL, trials, more=stays())
    book.publish("2026-04-02", trials, more=stays(*(stay(name, "2026-01-07") for name in names)))
    [row] = restated(book, definition="first_qualified", by="month")
    assert row["why"] == "nothing was loaded since; 25 trials of it changed: segment days moved 25x"
    assert row["trials"] == [f"stripe:{name}:1: segment days moved" for name in names[:TRIALS_NAMED]]


@pytest.mark.parametrize(
    "change", ["DROP TABLE marts.memberships", "ALTER TABLE marts.memberships RENAME COLUMN entered_on TO since"]
)
def test_a_generation_before_without_segment_days_costs_nothing_else(leads: Book, change: str) -> None:
    with_other = connect(leads.data / "published" / "000001.duckdb")
    with_other.execute(change)
    with_other.close()
    trials = [paid("a"), unpaid("b"), paid("c"), paid("d")]
    leads.publish("2026-04-02", trials, more=stays(stay("a", "2026-01-07"), stay("b", "2026-01-09")), raw=LATE_EVENTS)
    [row] = restated(leads, definition="first_qualified", by="month")
    assert row["trials"] == ["stripe:c:1: expired -> converted"]


def test_a_metric_of_ones_own_that_reads_segment_days_is_explained_by_any(tmp_path: Path) -> None:
    """Days in a segment, per month: b is quiet for two days of January, then found to have been for three."""
    (tmp_path / "sql" / "metrics").mkdir(parents=True)
    (tmp_path / "sql" / "metrics" / "quiet_days.sql").write_text(QUIET_DAYS, encoding="utf-8")
    book = Book(tmp_path, metrics=("quiet_days",))
    book.publish(APRIL, JANUARY, more=stays(stay("b", "2026-01-15", "2026-01-17", "quiet")))
    book.publish("2026-04-02", JANUARY, more=stays(stay("b", "2026-01-15", "2026-01-18", "quiet")), raw=LATE_EVENTS)
    [row] = restated(book, by="month")
    assert (row["old"], row["new"], row["trials"]) == (2, 3, ["stripe:b:1: segment days moved"])
    assert row["why"] == f"late facts: 1 event record; {SEGMENT_DAYS}"


@pytest.mark.parametrize(("counted", "kept"), [("HUGEINT", [(2, 2.0)]), ("DECIMAL(9, 1)", [(2, 2.0)]), ("1.75 *", [])])
def test_numbers_of_ones_own_may_be_of_any_type_and_count_whole_things(
    tmp_path: Path, counted: str, kept: list[tuple[int, float]]
) -> None:
    (tmp_path / "sql" / "metrics").mkdir(parents=True)
    days = "CAST(sum(m.left_on - m.entered_on) AS BIGINT)"
    told = f"1.75 * {days}" if counted == "1.75 *" else days.replace("BIGINT", counted)
    text = QUIET_DAYS.replace(days, told).replace("AS DOUBLE", f"AS {'DOUBLE' if counted == '1.5 *' else counted}")
    (tmp_path / "sql" / "metrics" / "quiet_days.sql").write_text(text, encoding="utf-8")
    book = Book(tmp_path, metrics=("quiet_days",))
    book.publish(APRIL, JANUARY, more=stays(stay("b", "2026-01-15", "2026-01-17", "quiet")))
    known = history(book).known(date(2026, 4, 1)).numbers.values()
    found = [last.number for last in known if last.number.metric == "quiet_days" and last.number.by == "month"]
    assert [(one.numerator, one.value) for one in found] == kept


@pytest.mark.parametrize("final", ["TRUE", "FALSE"])
def test_a_metric_defined_otherwise_during_a_day_is_restated_at_once(tmp_path: Path, final: str) -> None:
    """Though no table it reads is another one: of 2 days in January it makes 4."""
    (tmp_path / "sql" / "metrics").mkdir(parents=True)
    query = tmp_path / "sql" / "metrics" / "quiet_days.sql"
    text = QUIET_DAYS.replace("TRUE AS is_final", f"{final} AS is_final")
    query.write_text(text, encoding="utf-8")
    book = Book(tmp_path, metrics=("quiet_days",))
    tables = stays(stay("b", "2026-01-15", "2026-01-17", "quiet"))
    book.publish("2026-04-01 09:00", JANUARY, more=tables)
    query.write_text(text.replace("sum(", "2 * sum("), encoding="utf-8")
    book.publish("2026-04-01 12:00", JANUARY, more=tables, changed={"marts.clock": Delta()})
    [row] = restated(book, by="month")
    assert (row["old"], row["new"], row["causes"]) == (2, 4, ["definition"])
    assert row["why"] == "models that changed: metrics.quiet_days"
    book.publish("2026-04-02 09:00", JANUARY, more=tables)
    assert len(restated(book, by="month")) == 1


QUIET_DAYS = """
SELECT 'quiet_days' AS metric, '' AS definition, p.period_start, p.period_end, CAST(NULL AS VARCHAR) AS split_key,
    CAST(NULL AS VARCHAR) AS split_value, '1' AS version,
    CAST(sum(m.left_on - m.entered_on) AS BIGINT) AS numerator, NULL AS denominator, NULL AS pending,
    CAST(sum(m.left_on - m.entered_on) AS DOUBLE) AS value, 'days' AS unit, TRUE AS is_final
FROM (SELECT DISTINCT period_start, period_end FROM marts.periods WHERE unit = $by) AS p
JOIN marts.memberships AS m ON m.entered_on >= p.period_start AND m.entered_on < p.period_end
GROUP BY ALL
"""


# ── what is recorded ─────────────────────────────────────────────────────────


def test_a_moment_before_the_last_record_is_not_recorded(book: Book) -> None:
    book.publish(APRIL, [paid("a"), unpaid("b")])
    before = content(book.data)
    book.publish("2026-03-01", [paid("a"), paid("b")])
    assert content(book.data) == before


def test_what_came_while_the_clock_was_behind_explains_the_next_number(book: Book) -> None:
    """January: 1 of 2, then 2 of 2, which a day of March shows first and is on no record of."""
    book.publish(APRIL, [paid("a"), unpaid("c")])
    both = [paid("a"), paid("c", "2026-01-25")]
    book.publish("2026-03-01", both, raw=STRIPE)
    book.publish("2026-03-02", both, raw=STRIPE)
    book.publish("2026-04-02", both, raw=STRIPE)
    [row] = restated(book, **RATE)
    assert (row["old"], row["new"], row["old_generation"], row["generation"]) == (0.5, 1.0, 1, 4)
    assert row["causes"] == ["late_facts"]
    assert row["why"] == (
        "late facts: 2 Stripe records (charge.succeeded, invoice.paid); 1 trial of it changed: expired -> converted 1x"
    )


def test_what_was_shown_at_noon_counts_after_a_clock_that_was_behind(book: Book) -> None:
    """The morning's number is on record, noon's (1 of 2) in its generation alone: 0 of 2 on the 11th restates it."""
    undecided = [january("a", "pending"), january("b", "pending")]
    book.publish("2026-02-10 09:00", undecided)
    noon = [paid("a", "2026-02-10 10:00"), undecided[1]]
    book.publish("2026-02-10 12:00", noon)
    book.publish("2026-02-08", noon)
    book.publish("2026-02-11", [unpaid("a"), undecided[1]])
    [row] = restated(book, **RATE)
    assert (row["first"], row["old"], row["new"]) == (0.0, 0.5, 0.0)
    assert (row["old_generation"], row["generation"]) == (2, 4)


def test_what_was_recorded_last_stays_as_long_as_the_clock_is_behind(book: Book) -> None:
    """However often a day of March is published: then the trials of April are compared, and the file may go."""
    book.publish(APRIL, [paid("a"), unpaid("c")])
    both = [paid("a"), paid("c", "2026-01-25")]
    for day in (1, 2, 3, 4, 5):
        book.publish(f"2026-03-0{day}", [unpaid("a"), both[1]], raw=STRIPE)
    assert generations(book) == [1, 4, 5, 6]
    book.publish("2026-04-02", both, raw=STRIPE)
    [row] = restated(book, **RATE)
    assert (row["old"], row["new"], row["old_generation"]) == (0.5, 1.0, 1)
    assert row["trials"] == ["stripe:c:1: expired -> converted"]
    assert generations(book) == [5, 6, 7]


def test_without_what_was_recorded_last_what_was_loaded_since_is_told(book: Book) -> None:
    """As a forget leaves it: no trials are named, not those that moved since a day of March."""
    book.publish(APRIL, [paid("a"), unpaid("c")])
    both = [paid("a"), paid("c", "2026-01-25")]
    book.publish("2026-03-01", [unpaid("a"), both[1]], raw=STRIPE)
    publishing.keep_current(book.data / "published")
    book.publish("2026-04-02", both, raw=STRIPE)
    [row] = restated(book, **RATE)
    assert (row["old"], row["new"], row["old_generation"], row["trials"]) == (0.5, 1.0, 1, [])
    assert (row["causes"], row["why"]) == (["late_facts"], "late facts, among 3 Stripe records loaded since")


def generations(book: Book) -> list[int]:
    """The numbers of the generations there are files of."""
    return sorted(int(path.stem) for path in (book.data / "published").glob("*.duckdb"))


def test_nothing_changed_leaves_every_byte(book: Book) -> None:
    rows = [paid("a"), unpaid("b"), on_trial("z", 12.5)]
    book.publish(APRIL, rows, leads=[lead(rows[2], 1)])
    before = (book.data / "history.sqlite").read_bytes()
    done = book.publish(APRIL, rows, leads=[lead(rows[2], 1)])
    assert done.number == 2
    assert (book.data / "history.sqlite").read_bytes() == before


def test_generations_go_on_counting_where_the_published_ones_are_lost(book: Book) -> None:
    book.publish(APRIL, [paid("a"), unpaid("b")])
    book.publish(APRIL, [paid("a"), paid("b")])
    for path in (book.data / "published").iterdir():
        path.unlink()
    assert book.publish("2026-04-02", [paid("a"), paid("b")]).number == 3
    assert len(restated(book, **RATE)) == 1


# ── lists and scores ─────────────────────────────────────────────────────────


def test_a_day_keeps_what_its_list_showed_first(book: Book) -> None:
    book.metrics = ()
    x, y = on_trial("x", 50.0), on_trial("y", 40.0)
    book.publish("2026-03-10 08:00", [x, y], leads=[lead(x, 1)])
    book.publish("2026-03-10 12:00", [x, y], leads=[lead(y, 1)])  # x is not on it any more
    book.publish("2026-03-11 08:00", [x, y], leads=[lead(y, 1), lead(x, 2)])
    found = history(book)
    tenth = found.lists(day=date(2026, 3, 10))
    assert [(row["trial_id"], row["position"], row["score"], row["generation"]) for row in tenth] == [
        ("stripe:x:1", 1, 50.0, 1),
        ("stripe:y:1", 1, 40.0, 2),
    ]
    eleventh = found.lists()
    assert [(row["day"], row["trial_id"], row["position"]) for row in eleventh] == [
        (date(2026, 3, 11), "stripe:y:1", 1),
        (date(2026, 3, 11), "stripe:x:1", 2),
    ]
    first = {row["trial_id"]: row["first_listed_at"] for row in tenth}
    assert {row["trial_id"]: row["first_listed_at"] for row in eleventh} == first, "the first time stays the first"
    assert found.lists(day=date(2026, 3, 10), name="hot_trials") == tenth


def test_a_day_that_is_filled_in_shows_nobody_for_the_first_time(tmp_path: Path) -> None:
    """On the list of the 11th alone, which nobody refreshed on, and again on that of the 15th, which was published."""
    held, hot = History(tmp_path), Shown("hot_trials", "t", "acme", 1, 5000)
    for day, is_backfilled in (("2026-03-11", True), ("2026-03-15", False)):
        record = Record(None if is_backfilled else 1, date.fromisoformat(day), at(day), at(day), at("2026-03-15 09:00"),
                        1, {}, is_backfilled=is_backfilled)  # fmt: skip
        held.note(record, News(listed=[hot]), is_kept=True)
    assert [one["first_listed_at"] for one in held.lists(day=date(2026, 3, 11))] == [None]
    [row] = held.lists(day=date(2026, 3, 15))
    assert row["first_listed_at"] == at("2026-03-15 09:00")
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as file:
        query = "SELECT r.day FROM first_listed AS f JOIN records AS r USING (record_id)"
        assert file.execute(query).fetchall() == [("2026-03-15",)]


def test_a_score_is_kept_whenever_another_one_was_published(book: Book) -> None:
    book.metrics = ()
    for day, score in (("2026-03-10", 50.0), ("2026-03-11", 50.0), ("2026-03-12", 47.5), ("2026-03-13", 50.0)):
        book.publish(day, [on_trial("x", score)])
    told = [(row["day"], row["score"], row["grade"], row["generation"]) for row in history(book).scores("stripe:x:1")]
    assert told == [  # as of the begin of a day is the day before it
        (date(2026, 3, 12), 50.0, "B1", 4),
        (date(2026, 3, 11), 47.5, "B1", 3),
        (date(2026, 3, 9), 50.0, "B1", 1),
    ]


def test_the_forgotten_are_in_no_byte_of_it(book: Book) -> None:
    x, y = on_trial("secret-x", 50.0), on_trial("y", 40.0)
    book.publish(APRIL, [x, y, paid("secret-a"), unpaid("b")], leads=[lead(x, 1), lead(y, 2)])
    book.publish("2026-04-02", [x, y, unpaid("secret-a"), unpaid("b")], leads=[lead(x, 1), lead(y, 2)])

    def bytes_with(word: bytes) -> int:
        return sum(path.read_bytes().count(word) for path in book.data.glob("history.sqlite*"))

    assert bytes_with(b"secret-") > 0
    [before] = restated(book, **RATE)
    assert History(book.data).forget({"secret-x"}.__contains__, {"stripe:secret-a:1"}.__contains__) == 2
    assert bytes_with(b"secret-") == 0
    [row] = restated(book, **RATE)
    assert (before["trials"], row["trials"]) == (["stripe:secret-a:1: converted -> expired"], [])
    assert (row["old"], row["new"]) == (0.5, 0.0)
    assert [found["trial_id"] for found in history(book).lists()] == ["stripe:y:1"]


# ── crashes ──────────────────────────────────────────────────────────────────


def _rows(folder: Path) -> Book:
    return Book(folder, metrics=("new_trials",), units=("month",))


def _first(folder: Path) -> None:
    x = on_trial("x", 50.0)
    _rows(folder).publish(APRIL, [paid("a"), paid("b"), x], leads=[lead(x, 1)])


def act(folder: Path) -> None:
    """A refresh that restates a number and lists another trial; each statement of SQLite is a step of its own."""
    x, y = on_trial("x", 45.0), on_trial("y", 60.0)
    open_file = sqlite3.connect

    def traced(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = open_file(*arguments, **named)
        connection.set_trace_callback(lambda _: os.truncate(folder / "trialwise.toml", 0))  # a step that does nothing
        return connection

    with patch.object(sqlite3, "connect", traced):
        _rows(folder).publish(
            "2026-04-02", [paid("a"), paid("b"), paid("c", "2026-01-25"), x, y], leads=[lead(y, 1), lead(x, 2)]
        )


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
def test_a_crash_between_publishing_and_record_neither_loses_nor_doubles(tmp_path: Path, every: int) -> None:
    (tmp_path / "first").mkdir()
    _first(tmp_path / "first")

    def prepare(folder: Path) -> None:
        shutil.copytree(tmp_path / "first", folder, dirs_exist_ok=True)

    prepare(tmp_path / "whole")
    before = content(tmp_path / "whole" / "data")
    act(tmp_path / "whole")
    after = content(tmp_path / "whole" / "data")
    assert len(after["restatements"]) > len(before["restatements"]) == 0
    seen = set()
    for folder in crash_at_every_step(tmp_path, prepare, act, every=every):
        book = _rows(folder)
        current = (book.data / "published" / "CURRENT").read_text()
        is_new = current == "000002.duckdb\n"
        # Whoever reads now sees a generation and its record, or neither.
        assert len(history(book).restatements()) == (len(after["restatements"]) if is_new else 0)
        seen.add((is_new, len(_open_records(book))))
        act(folder)
        found = content(book.data)
        if is_new or current == "000001.duckdb\n":
            assert _without_generation(found) == _without_generation(after)
    if every == 1:
        assert seen == {(False, 0), (False, 1), (True, 1), (True, 0)}, "killed before, between and after"


def _open_records(book: Book) -> list[Any]:
    file = sqlite3.connect(book.data / "history.sqlite")
    try:
        return file.execute("SELECT record_id FROM records WHERE is_kept = 0").fetchall()
    finally:
        file.close()


def _without_generation(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """A refresh repeated after a crash may have given its generation another number."""
    return {name: sorted((tuple(2 if value == 3 else value for value in row) for row in rows), key=repr)
            for name, rows in found.items()}  # fmt: skip


def test_a_damaged_history_is_set_aside_and_costs_no_results(book: Book) -> None:
    book.publish(APRIL, [paid("a"), unpaid("b")])
    path = book.data / "history.sqlite"
    for beside in book.data.glob("history.sqlite-*"):
        beside.unlink()
    path.write_bytes(b"no database" * 1000)
    done = book.publish("2026-04-02", [paid("a"), paid("b")])
    assert done.number == 2
    assert (book.data / "history.sqlite.damaged-1").read_bytes().startswith(b"no database")
    assert history(book).restatements() == [], "begun anew: nothing is known of what was said before"
    [kept] = history(book).set_aside()
    assert kept.name == "history.sqlite.damaged-1"
    book.publish("2026-04-03", [paid("a"), unpaid("b")])
    assert [(row["old"], row["new"]) for row in restated(book, **RATE)] == [(1.0, 0.5)]


@pytest.mark.parametrize(
    ("change", "told"),
    [("score = 1.0, active_days_7d = 3", []), ("outcome = 'expired'", ["new_trials", "trial_conversion"])],
)
def test_use_and_scores_alone_bring_no_metric_of_trials(book: Book, change: str, told: list[str]) -> None:
    store = book.store("2026-03-10", [on_trial("x", 50.0)], [], {}, "INSERT INTO raw.loads VALUES (1)")
    store.execute(f"CREATE TABLE gone AS FROM marts.trials; CREATE TABLE came AS FROM gone; UPDATE came SET {change}")
    changed = {"marts.trials": Delta("gone", "came", ("trial_id",)), "marts.clock": Delta()}
    names = ["new_trials", "trial_conversion", "stickiness"]
    with patch.object(shown, "names", lambda _: names):
        assert sorted(chronicle.metrics_of(Reader(store, 1, ()), changed)) == told
    store.close()


# ── asking ───────────────────────────────────────────────────────────────────


def test_asking_before_the_first_refresh_makes_no_file(book: Book) -> None:
    found = history(book)
    assert past.restatements(found).height == 0
    assert past.lists(found).height == 0
    with pytest.raises(NotFoundError, match="no score of a trial or account 'x' was published"):
        past.scores(found, "x")
    assert not found.path.exists()


def test_names_that_are_not_there_are_told_with_the_nearest(book: Book) -> None:
    x = on_trial("x", 50.0)
    book.publish("2026-03-10", [x], leads=[lead(x, 1)])
    found = history(book)
    with pytest.raises(NotFoundError, match="no metric 'trial_conversoin'; did you mean 'trial_conversion'"):
        past.restatements(found, metric="trial_conversoin")
    with pytest.raises(NotFoundError, match="no list 'hot_trails'; did you mean 'hot_trials'"):
        past.lists(found, name="hot_trails")
    with pytest.raises(InputError, match="no record of 2026-03-01"):
        past.lists(found, day=date(2026, 3, 1))


def test_since_and_metric_choose(book: Book) -> None:
    book.metrics = ("trial_conversion", "trial_outcomes")
    book.publish(APRIL, [paid("a"), unpaid("b")])
    book.publish("2026-04-02", [paid("a"), paid("b")])
    found = history(book)
    published: datetime = found.restatements()[0]["published_at"]
    assert past.restatements(found, since=published.date() + timedelta(days=1)).height == 0
    every = past.restatements(found, since=published.date())
    one = past.restatements(found, metric="trial_conversion")
    assert 0 < one.height < every.height
    assert set(one["metric"]) == {"trial_conversion"}


def test_metrics_are_marked_where_they_were_restated(book: Book, tmp_path: Path) -> None:
    from trialwise.delivery.generation import open_generation

    book.publish(APRIL, [paid("a"), unpaid("b")])
    book.publish("2026-04-02", [paid("a"), paid("b")])
    results = open_generation(book.data / "published")
    frame = results.metrics("trial_conversion", definition="start_cohort", by="month")
    marked = past.marked(frame, "month", history(book))
    assert dict(zip(marked["period_start"], marked["restated"], strict=True))[date(2026, 1, 1)] == 1
    assert marked["restated"].sum() == 1
    results.close()
