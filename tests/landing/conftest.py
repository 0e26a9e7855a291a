from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.landing.kit import Kit


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path)
    yield made
    made.engine.close()
