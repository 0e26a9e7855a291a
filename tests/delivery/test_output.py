"""The same rows as table, CSV, JSON and Parquet."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from trialwise.delivery.output import instant, render, to_csv, to_json, write
from trialwise.errors import InputError

FRAME = pl.DataFrame(
    {
        "id": ["0042", "=HYPERLINK(1)"],
        "at": [datetime(2026, 1, 2, 3, 4, 5), None],
        "day": [date(2026, 1, 2), None],
        "count": [-3, None],
        "share": [0.25, float("inf")],
        "yes": [True, False],
        "segments": [["pql", "went;quiet"], []],
        "reasons": [
            [{"key": "use", "text": "4 active days of the last 7; typical on day 7: 1.8", "points": 10.0}],
            [],
        ],
    },
    schema_overrides={"segments": pl.List(pl.String)},
)


def test_csv_joins_lists_prefixes_formulas_and_keeps_numbers() -> None:
    header, first, second = to_csv(FRAME).splitlines()
    assert header == "id,at,day,count,share,yes,segments,reasons"
    assert first == (
        '0042,2026-01-02T03:04:05Z,2026-01-02,-3,0.25,true,"pql;went,quiet",'
        '"4 active days of the last 7, typical on day 7: 1.8"'
    )
    assert second == "'=HYPERLINK(1),,,,,false,,"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@cmd", "\tx", "\rx"])
def test_every_start_of_a_formula_is_prefixed(text: str) -> None:
    body = to_csv(pl.DataFrame({"a": [text]})).split("\n", 1)[1]
    assert body.lstrip('"').startswith("'")


def test_json_keeps_nesting_ids_and_instants() -> None:
    first, second = json.loads(to_json(FRAME))
    assert (first["id"], first["at"], first["day"]) == ("0042", "2026-01-02T03:04:05Z", "2026-01-02")
    assert first["segments"] == ["pql", "went;quiet"]
    assert first["reasons"][0]["points"] == 10.0
    assert (second["at"], second["share"], second["reasons"]) == (None, None, [])


def test_json_of_nothing_is_an_empty_array() -> None:
    assert to_json(FRAME.head(0)) == "[]\n"


def test_fractions_of_a_second_are_kept_where_there_are_some() -> None:
    assert instant(datetime(2026, 1, 2, 3, 4, 5, 60)) == "2026-01-02T03:04:05.000060Z"


def test_parquet_has_native_lists_and_utc() -> None:
    back = pl.read_parquet(io.BytesIO(render(FRAME, "parquet")))
    assert back.schema["at"] == pl.Datetime("us", "UTC")
    assert back["segments"].to_list() == FRAME["segments"].to_list()
    assert back["reasons"].to_list() == FRAME["reasons"].to_list()


def test_unusual_values_have_a_form_too() -> None:
    frame = pl.DataFrame({"raw": [b"\xffok"], "pair": [{"a": 1}], "price": [pl.Series([1]).cast(pl.Decimal(10, 2))[0]]})
    row = json.loads(to_json(frame))[0]
    assert row == {"raw": "\ufffdok", "pair": {"a": 1}, "price": "1.00"}
    assert to_csv(frame).splitlines()[1] == '\ufffdok,"{""a"": 1}",1.00'


def test_write_goes_to_a_file_or_stdout(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    write(FRAME, "csv", tmp_path / "out.csv")
    write(FRAME, "csv")
    assert (tmp_path / "out.csv").read_bytes() == capsysbinary.readouterr().out == to_csv(FRAME).encode()


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write(FRAME, "csv", tmp_path / "no" / "folder.csv")
    with pytest.raises(InputError, match="did you mean 'json'"):
        render(FRAME, "jsn")
