"""Payloads as the files an import reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_ndjson(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write one compact JSON object a line, in the given order; returns `path`."""
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records), encoding="utf-8")
    return path
