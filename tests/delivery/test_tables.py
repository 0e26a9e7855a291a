"""Tables for people: what is shown, what is left out, and that nothing harmful reaches the terminal."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from trialwise.delivery.metrics import METRIC_COLUMNS
from trialwise.delivery.tables import table

METRIC = dict.fromkeys(METRIC_COLUMNS) | {
    "metric": "trial_conversion",
    "definition": "start_cohort",
    "period_start": dt.date(2026, 1, 1),
    "period_end": dt.date(2026, 2, 1),
    "numerator": 1,
    "denominator": 4,
    "pending": 2,
    "excluded": 3,
    "value": 0.25,
    "unit": "rate",
    "wilson_low": 0.0456,
    "wilson_high": 0.6994,
    "bound_low": 0.25,
    "bound_high": 0.75,
    "is_final": False,
}


def _trial(**more: object) -> pl.DataFrame:
    row = {
        "trial_id": "t",
        "account_id": "acme",
        "account_name": "Acme",
        "trial_day": 3,
        "ends_at": dt.datetime(2026, 3, 31, 10),
        "card_status": "none",
        "usage_band": "heavy",
        "usage_intensity": 71.4,
        "active_days_7d": 3,
        "score": 12.5,
        "contact_name": "Ada",
        "contact_email": "ada@example.com",
        "owner": "imke",
        "segments": ["pql", "heavy_usage"],
        "reasons": [{"text": "first reason"}, {"text": "second reason"}],
    }
    return pl.DataFrame([row | more])


def test_a_trial_is_one_line_with_whom_to_call_and_its_reasons_below() -> None:
    assert table(_trial(), 100).splitlines() == [
        "account      day  ends    card  use       7 d  score",
        "───────────  ───  ──────  ────  ────────  ───  ─────",
        "Acme (acme)    3  31 Mar  no    heavy 71    3   12.5",
        "    call Ada <ada@example.com>, owner imke",
        "    first reason",
        "    second reason",
        "    in pql, heavy_usage",
    ]


def test_a_trial_of_which_little_is_known_has_no_empty_words() -> None:
    frame = _trial(contact_name=None, contact_email=None, owner=None, segments=[], reasons=[], usage_intensity=None)
    assert table(frame, 100).splitlines()[2:] == ["Acme (acme)    3  31 Mar  no    heavy    3   12.5"]


def test_a_rate_stands_beside_its_fraction_interval_and_bounds() -> None:
    assert table(pl.DataFrame([METRIC]), 120).splitlines() == [
        "definition    period   num / den   value  95 % interval  pending        bounds  final  excluded",
        "────────────  ───────  ─────────  ──────  ─────────────  ───────  ────────────  ─────  ────────",
        "start_cohort  2026-01      1 / 4  25.0 %    4.6 to 69.9        2  25.0 to 75.0  no            3",
    ]


def test_splits_and_units_other_than_a_rate() -> None:
    rows = [
        METRIC | {"split_key": "plan", "split_value": "pro", "unit": "days", "value": 14.0, "pending": 0},
        METRIC | {"split_key": "plan", "split_value": None, "unit": "count", "value": 7.0, "denominator": None},
    ]
    lines = table(pl.DataFrame(rows), 140).splitlines()
    assert "pro" in lines[2]
    assert "14 days" in lines[2]
    assert "(none)" in lines[3]
    assert " 7 " in lines[3]


def test_what_does_not_fit_is_named() -> None:
    frame = pl.DataFrame({"first": ["x" * 30], "second": ["y" * 30], "third": [1]})
    text = table(frame, 50)
    assert "second" not in text.splitlines()[0]
    assert "left out for width: second" in text


def test_a_long_last_cell_is_cut_with_an_ellipsis() -> None:
    lines = table(pl.DataFrame({"n": [1], "text": ["z" * 90]}), 60).splitlines()
    assert len(lines[2]) == 60
    assert lines[2].endswith("z…")


def test_control_characters_are_shown_and_never_sent() -> None:
    text = table(pl.DataFrame({"name": ["bell\x07[bold]\x1b[31m", None], "share": [0.5, float("nan")]}), 60)
    assert "bell\\x07[bold]\\x1b[31m" in text
    assert "0.5" in text
    assert not {"\x07", "\x1b"} & set(text)


def test_values_as_people_write_them() -> None:
    frame = pl.DataFrame(
        {"yes": [True], "at": [dt.datetime(2026, 1, 2, 3, 4)], "raw": [b"abc"], "list": [["a", "b"]], "none": [None]}
    )
    assert table(frame, 100).splitlines()[2].split("  ") == ["yes", "2026-01-02 03:04", "3 bytes", "a, b"]


def test_an_empty_answer_says_so() -> None:
    assert table(pl.DataFrame({"a": []}), 80) == "nothing\n"


def _restated(**more: object) -> pl.DataFrame:
    row = {
        "metric": "trial_conversion", "definition": "start_cohort", "period_start": dt.date(2026, 3, 30),
        "period_end": dt.date(2026, 4, 6), "split_key": None, "split_value": None,
        "first": 0.5, "old": 0.5, "new": 0.75, "unit": "rate", "why": "late facts",
        "was_final": True, "trials": ["stripe:sub_1:1: expired -> converted"],
        "published_at": dt.datetime(2026, 5, 2, 8), "generation": 93,
    }  # fmt: skip
    return pl.DataFrame([row | more])


def test_a_restatement_shows_both_values_on_a_terminal_of_80_columns() -> None:
    page = table(_restated(), 80).splitlines()
    assert page[:5] == [
        "metric            period                       old     new  definition",
        "────────────────  ────────────────────────  ──────  ──────  ────────────",
        "trial_conversion  2026-03-30 to 2026-04-06  50.0 %  75.0 %  start_cohort",
        "    late facts",
        "    stripe:sub_1:1: expired -> converted",
    ]
    assert page[5].startswith("left out for width: published, generation (")


def test_what_was_said_first_is_shown_where_it_is_not_what_was_said_before() -> None:
    page = table(_restated(first=None, definition="by_deadline", period_end=dt.date(2026, 4, 30)), 140)
    assert "first" in page.splitlines()[0]
    assert " none " in page
    assert "first" not in table(_restated(), 140)


@pytest.mark.parametrize("room", [60, 100, 200])
def test_restatements_that_differ_by_their_split_are_told_apart_whatever_the_width(room: int) -> None:
    counts = {"old": 0.25, "new": 0.25, "old_numerator": 25, "old_denominator": 100,
              "new_numerator": 30, "new_denominator": 120}  # fmt: skip
    rows = [
        _restated(metric="trial_outcomes", split_key="outcome", split_value=outcome, **counts)
        for outcome in ("converted", "expired_without_payment")
    ]
    page = table(pl.concat(rows), room)
    assert "start_cohort" in page
    assert "converted" in page
    assert "expired_without_payment" in page
    assert "definition" not in page.partition("left out for width")[2]
    assert ("    start_cohort, converted\n" in page) == (room < 200)
    assert ("  start_cohort  converted  " in page) == (room == 200)


def test_values_that_look_alike_are_told_apart_by_their_counts() -> None:
    counts = {"old_numerator": 0, "old_denominator": 17, "new_numerator": 0, "new_denominator": 21}
    page = table(_restated(first=0.0, old=0.0, new=0.0, **counts), 140)
    assert "  0.0 % (0 / 17)  0.0 % (0 / 21)  " in page
    assert "first" not in page.splitlines()[0]
