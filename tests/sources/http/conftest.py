"""An API and a workspace that pulls from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.sources.http.api import Api, serving

from trialwise.config import parse_config
from trialwise.intake import Pulled, pull
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.sources.backoff import Backoff
from trialwise.workspace import Workspace

NOW = datetime(2026, 3, 1, 12)


@dataclass
class Puller:
    """A workspace with one source, `usage`, that pulls from an API; waits are written down, not waited."""

    folder: Path
    api: Api
    settings: dict[str, Any] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    now: datetime = NOW

    @property
    def workspace(self) -> Workspace:
        section = {"url": self.api.url, "records": "data", "timeout_seconds": 5, **self.settings}
        return Workspace(self.folder, parse_config({"sources": {"http": {"usage": section}}}))

    @property
    def backoff(self) -> Backoff:
        return Backoff(tries=4, sleep=self.waits.append, chance=lambda: 0.0)

    def pull(self, **settings: Any) -> Pulled:
        """One pull, with these settings from now on."""
        self.settings |= settings
        return pull(self.workspace, "usage", backoff=self.backoff, now=lambda: self.now)

    def landed(self) -> list[dict[str, Any]]:
        """Every frame landed so far, in order."""
        landing = Landing(self.workspace.landing)
        landing.seal(self.now)
        frames = []
        for path in sorted(landing.folder.glob("*.ndjson")):
            if path.name != "manifest.ndjson":
                frames += [json.loads(line) for line in path.read_bytes().splitlines()]
        return [frame for frame in frames if "crc" in frame]

    def ids(self) -> list[int]:
        """The ids of the records landed so far."""
        return [json.loads(frame["raw"])["id"] for frame in self.landed()]

    def state(self) -> dict[str, Any]:
        return Cursors(self.workspace.landing).get("http-usage")


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as served:
        yield served


@pytest.fixture
def puller(tmp_path: Path, api: Api) -> Puller:
    return Puller(tmp_path, api)


def record(number: int, **more: Any) -> dict[str, Any]:
    """A usage record of an API."""
    at = f"2026-02-{1 + number % 28:02d}T10:00:00Z"
    return {"id": number, "at": at, "action": "Report Built", "account": {"id": f"a{number % 3}"}, **more}
