"""Plots are plain text that shows the numbers it was given."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from trialwise.delivery.plots import activity, conversion


def cohorts(*rates: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"definition": "start_cohort", "period_start": date(2026, 1 + n, 1), "value": rate,
             "bound_high": None if rate is None else min(1.0, rate + 0.3 * n)}
            for n, rate in enumerate(rates)
        ],
        infer_schema_length=None,
    )  # fmt: skip


def test_conversion_marks_each_cohort_and_its_bounds() -> None:
    drawn = conversion(cohorts(0.2, 0.25, 0.3), width=70)
    assert "start_cohort: percent converted" in drawn
    assert "Jan 2026" in drawn
    assert "Mar 2026" in drawn
    canvas = [line[5:] for line in drawn.splitlines() if line.endswith("│")]
    assert sum(line.count("o") for line in canvas) == 3
    assert any("|" in line for line in canvas)
    assert "\x1b" not in drawn


def test_conversion_of_nothing_is_no_plot() -> None:
    assert conversion(cohorts(None)) == ""


def test_weeks_are_labelled_by_their_day() -> None:
    frame = cohorts(0.2).with_columns(pl.lit(date(2026, 1, 5)).alias("period_start"))
    assert "05 Jan" in conversion(frame)


def test_activity_shows_the_days_up_to_the_clock() -> None:
    days = pl.DataFrame({"activity_date": [date(2026, 1, 3), date(2026, 1, 5)], "value_events": [4, 8]})
    drawn = activity(days, date(2026, 1, 6), width=60)
    assert "03 Jan" in drawn
    assert "06 Jan" in drawn
    assert "█" in drawn


def test_activity_is_cut_to_its_span_and_silent_without_use() -> None:
    days = pl.DataFrame({"activity_date": [date(2025, 1, 3)], "value_events": [4]})
    assert activity(days, date(2026, 1, 6), span=30) == ""
    empty = days.head(0)
    assert activity(empty, date(2026, 1, 6)) == ""
    long = pl.DataFrame(
        {"activity_date": [date(2026, 1, 1) + timedelta(days=n) for n in range(90)], "value_events": [1] * 90}
    )
    assert "01 Jan" not in activity(long, date(2026, 3, 31), span=30)
