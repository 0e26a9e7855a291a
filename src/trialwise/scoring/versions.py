"""Calibration versions as text: append-only, they cannot be made again once the data behind them has changed, so a
copy lies beside the store and outlives it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from typing import Any

from trialwise.engines.duckdb import Engine
from trialwise.scoring.calibrate import GRID, VERSIONS

_VERSIONS = "SELECT * FROM config.calibration WHERE version > 0 ORDER BY version"
_GRID = "SELECT * FROM config.calibration_grid ORDER BY version, trial_day, card_type"
_FORGET = (
    "DELETE FROM config.calibration_grid WHERE version = $version",
    "DELETE FROM config.calibration WHERE version = $version",
)


def pack(engine: Engine) -> bytes:
    """Every version but the configured prior with its grid, one line of JSON each, with its checksum."""
    lines = [_line(entry) for entry in _stored(engine)]
    return "".join(lines).encode()


def unpack(engine: Engine, packed: bytes) -> int:
    """Put back the versions of `packed` that the store lacks or holds otherwise; returns how many.

    Versions of the store that are not in it stay. A damaged line is passed over: its version stays as the store has
    it, or is made again.
    """
    import polars as pl

    stored = {entry["version"]: entry for entry in _stored(engine)}
    done = 0
    for entry in _read(packed):
        if stored.get(entry["version"]) == entry:
            continue
        for statement in _FORGET:
            engine.execute(statement, {"version": entry["version"]})
        row = {**entry, "valid_from": date.fromisoformat(entry["valid_from"])}
        grid = row.pop("grid")
        engine.append(VERSIONS, pl.DataFrame([row]))
        engine.append(GRID, pl.DataFrame(grid))
        done += 1
    return done


def _stored(engine: Engine) -> Iterator[dict[str, Any]]:
    grids: dict[int, list[dict[str, Any]]] = {}
    for cell in engine.frame(_GRID).iter_rows(named=True):
        grids.setdefault(cell["version"], []).append(cell)
    for row in engine.frame(_VERSIONS).iter_rows(named=True):
        yield {**row, "valid_from": row["valid_from"].isoformat(), "grid": grids.get(row["version"], [])}


def _line(entry: dict[str, Any]) -> str:
    text = json.dumps(entry, separators=(",", ":"))
    return f'{{"sha256":"{_digest(text)}","entry":{text}}}\n'


def _read(packed: bytes) -> Iterator[dict[str, Any]]:
    for line in packed.splitlines():
        try:
            whole = json.loads(line)
        except ValueError:
            continue
        if isinstance(whole, dict) and isinstance(whole.get("entry"), dict):
            entry: dict[str, Any] = whole["entry"]
            if whole.get("sha256") == _digest(json.dumps(entry, separators=(",", ":"))):
                yield entry


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
