"""One small company for all tests of the generator."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trialwise.demo import Company, write_company


@dataclass(frozen=True)
class Written:
    """A company with its files read back: usable Stripe envelopes by creation, usable Segment calls by arrival."""

    company: Company
    envelopes: list[dict[str, Any]]
    calls: list[dict[str, Any]]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file that are JSON objects."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("company")
    company = write_company(folder, seed=11, trials=1_200, events=60_000)
    envelopes = [line for line in read_lines(folder / "stripe.ndjson") if line["object"] == "event" and line["data"]]
    usable = [line for line in envelopes if isinstance(line["created"], int)]
    return Written(company, sorted(usable, key=lambda line: line["created"]), read_lines(folder / "segment.ndjson"))
