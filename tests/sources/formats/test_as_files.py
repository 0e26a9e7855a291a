"""Files in other products' formats: plain, compressed, arrays, and request bodies with many events."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from trialwise.errors import InputError
from trialwise.sources.files import FileSource, open_file

ONE, TWO = {"event_type": "a", "user_id": "u1"}, {"event_type": "b", "user_id": "ü"}


def read(path: Path, file_format: str) -> tuple[FileSource, list[Any]]:
    source = open_file(path, file_format=file_format)
    return source, [json.loads(piece.data) for piece in source.pieces()]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ONE) + "\n" + json.dumps(TWO),
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=2),
        json.dumps({"api_key": "secret", "events": [ONE, TWO]}),
        json.dumps({"options": {"min_id_length": 1}, "events": [ONE, TWO], "api_key": "secret"}, indent=2),
        json.dumps({"events": [ONE]}) + "\n" + json.dumps({"events": []}) + "\n" + json.dumps(TWO),
        json.dumps([{"events": [ONE]}, {"events": [TWO]}]),
    ],
)
def test_amplitude_bodies_are_one_piece_per_event_without_the_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.json"
    path.write_text(text, encoding="utf-8")
    source, records = read(path, "amplitude")
    assert records == [ONE, TWO]
    assert (source.source, source.format) == ("events", "amplitude")
    assert all(b"secret" not in piece.data and piece.envelope is None for piece in source.pieces())


@pytest.mark.parametrize("file_format", ["amplitude", "cloudevents", "mixpanel"])
def test_compressed_files(tmp_path: Path, file_format: str) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in (ONE, TWO)).encode()
    for name, data in (("a.json.gz", gzip.compress(text)), ("a.ndjson.zst", zstandard.compress(text))):
        (tmp_path / name).write_bytes(data)
        assert read(tmp_path / name, file_format)[1] == [ONE, TWO]


def test_a_member_called_batch_or_events_is_no_reason_to_take_a_cloudevent_apart(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    records = [{"id": "1", "batch": [1, 2]}, {"id": "2", "events": [3]}]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert read(path, "cloudevents")[1] == records
    path.write_text(json.dumps(records))
    assert read(path, "cloudevents")[1] == records
    path.write_text(json.dumps({"event": "x", "batch": [1]}))
    assert read(path, "mixpanel")[1] == [{"event": "x", "batch": [1]}]


def test_what_is_no_json_is_refused_with_the_format_that_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"events.csv is csv, mixpanel is JSON"):
        open_file(path, file_format="mixpanel")


def test_a_mapping_stays_with_its_format(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(json.dumps(ONE))
    source = open_file(path, file_format="amplitude", mapping={"account_id": "groups.company"})
    assert (source.format, source.mapping) == ("amplitude", {"account_id": "groups.company"})
