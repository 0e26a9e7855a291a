"""Segments: built-in definitions on hand-made rows, and a company's own."""

from __future__ import annotations

from typing import Any

import pytest
from sqlglot import exp

from tests.usage.chain import expansion
from trialwise.config import Config, parse_config
from trialwise.config.scoring import MAX_BITS
from trialwise.engines.duckdb import connect
from trialwise.errors import ConfigError
from trialwise.scoring.builtin import SEGMENTS
from trialwise.scoring.definitions import Segment
from trialwise.scoring.segments import segment_bit, segment_expansion, segment_rows, segments_in_force
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.condition import parse_condition
from trialwise.transform.model import load_model

KEYS = [
    "data_source_connected",
    "completed_behaviours",
    "heavy_usage",
    "streak_14",
    "card_on_file",
    "cancelled_before_payment",
    "drip_responder",
    "pql",
    "likely_to_convert",
    "went_quiet",
    "upgraded_last_week",
]


def _catalogue() -> dict[str, str]:
    name = "intermediate.trial_days"
    model = load_model(find_files([packaged_sql()])[name], name, expansion(Config()))
    return {column.name: column.type for column in model.columns}


CATALOGUE = _catalogue()


def _parse(text: str) -> exp.Expr:
    return parse_condition(text, CATALOGUE)


def _verdict(segment: str, row: dict[str, Any]) -> tuple[bool | None, bool | None]:
    """(enter, exit) of a built-in segment on a row whose other columns are NULL."""
    item = next(one for one in segment_expansion(SEGMENTS, _parse)["each_segment"] if one["each_segment"] == segment)
    enter, leave = item["each_segment_enter"], item["each_segment_exit"]
    assert isinstance(enter, exp.Expr)
    assert isinstance(leave, exp.Expr)
    columns = ", ".join(f"CAST(${name} AS {kind}) AS {name}" for name, kind in CATALOGUE.items())
    engine = connect(threads=1)
    sql = f"SELECT {enter.sql(dialect='duckdb')}, {leave.sql(dialect='duckdb')} FROM (SELECT {columns})"
    found = engine.rows(sql, {name: row.get(name) for name in CATALOGUE})[0]
    engine.close()
    return found[0], found[1]


def test_the_built_in_segments_are_all_there() -> None:
    assert [segment.key for segment in segments_in_force(Config())] == KEYS
    assert [row["bit"] for row in segment_rows(SEGMENTS)] == [1 << place for place in range(len(KEYS))]
    assert all(segment.title and segment.description and segment.version for segment in SEGMENTS)


@pytest.mark.parametrize(
    ("segment", "row", "verdict"),
    [
        ("data_source_connected", {"data_source_connected_on": "2026-03-01"}, (True, False)),
        ("data_source_connected", {}, (False, True)),
        (
            "completed_behaviours",
            {"data_source_connected_on": "2026-03-01", "teammate_invited_on": "2026-03-02"},
            (True, False),
        ),
        ("completed_behaviours", {"data_source_connected_on": "2026-03-01"}, (False, True)),
        ("heavy_usage", {"usage_band": "heavy"}, (True, False)),
        ("heavy_usage", {"usage_band": "moderate"}, (False, True)),
        ("streak_14", {"is_streak_reached": True}, (True, False)),
        ("card_on_file", {"card_on_file": None}, (None, None)),
        ("card_on_file", {"card_on_file": False}, (False, True)),
        ("cancelled_before_payment", {"is_late_cancel": True}, (True, False)),
        ("drip_responder", {"emails_opened": 9, "emails_clicked": 0, "emails_replied": 0}, (False, True)),
        ("drip_responder", {"emails_clicked": 0, "emails_replied": 1}, (True, False)),
        ("pql", {"usage_band": "moderate", "active_days_7d": 3, "fit_score_hundredths": 0}, (True, False)),
        ("pql", {"usage_band": "moderate", "active_days_7d": 2, "fit_score_hundredths": 0}, (False, False)),
        ("pql", {"usage_band": "heavy", "active_days_7d": 7, "fit_score_hundredths": -1}, (False, True)),
        ("pql", {"usage_band": "light", "active_days_7d": 3, "fit_score_hundredths": 0}, (False, True)),
        ("likely_to_convert", {"engagement_grade": "1", "fit_score_hundredths": 0}, (True, False)),
        ("likely_to_convert", {"engagement_grade": "2", "fit_score_hundredths": 0}, (False, False)),
        ("likely_to_convert", {"engagement_grade": "3", "fit_score_hundredths": 0}, (False, True)),
        ("went_quiet", {"peak_usage_band": "heavy", "quiet_days": 3, "quiet_after_days": 3}, (True, False)),
        ("went_quiet", {"peak_usage_band": "heavy", "quiet_days": 2, "quiet_after_days": 3}, (False, True)),
        ("went_quiet", {"peak_usage_band": "light", "quiet_days": 9, "quiet_after_days": 3}, (False, True)),
        ("went_quiet", {"peak_usage_band": "none", "quiet_days": None, "quiet_after_days": 3}, (False, True)),
        ("upgraded_last_week", {"days_since_conversion": 6}, (True, False)),
        ("upgraded_last_week", {"days_since_conversion": 7}, (False, True)),
        ("upgraded_last_week", {"days_since_conversion": None}, (False, True)),
    ],
)
def test_built_in_conditions(segment: str, row: dict[str, Any], verdict: tuple[bool | None, bool | None]) -> None:
    assert _verdict(segment, row) == verdict


def test_an_own_segment_takes_the_place_of_a_built_in_one_or_comes_last() -> None:
    config = parse_config(
        {
            "segments": [
                {"key": "big_teams", "enter": "active_users_7d >= 5"},
                {
                    "key": "pql",
                    "enter": "active_days_7d >= 5",
                    "exit": "active_days_7d = 0",
                    "owner": "growth",
                    "version": "2",
                },
            ]
        }
    )
    segments = segments_in_force(config)
    assert [segment.key for segment in segments] == [*KEYS, "big_teams"]
    assert segments[KEYS.index("pql")] == Segment(
        "pql",
        "active_days_7d >= 5",
        "Product-qualified lead",
        "",
        exit="active_days_7d = 0",
        owner="growth",
        version="2",
    )
    row = segment_rows(segments)[-1]
    assert row["title"] == "Big teams"
    assert (row["segment"], row["bit"], row["enter_condition"], row["exit_condition"]) == (
        "big_teams",
        segment_bit(11),
        "active_users_7d >= 5",
        None,
    )


def test_a_misspelt_column_names_its_segment() -> None:
    own = Segment("big_teams", "active_user_7d >= 5", "Big teams", "")
    with pytest.raises(ConfigError, match=r"segment 'big_teams': .*active_user_7d.*did you mean 'active_users_7d'"):
        segment_expansion([own], _parse)


def test_more_segments_than_bits_are_refused() -> None:
    own = [{"key": f"s{number}", "enter": "true"} for number in range(MAX_BITS - len(KEYS) + 1)]
    assert len(segments_in_force(parse_config({"segments": own[1:]}))) == MAX_BITS
    with pytest.raises(ConfigError, match=f"{MAX_BITS + 1} segments are defined, 11 of them built in"):
        segments_in_force(parse_config({"segments": own}))
