"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published payloads and expected results beside the repository.

    A missing folder is a skip that says how to get it; under CI_STRICT (set by .ci/run) a failure.
    """
    return need(ROOT.parent / "shared" / "data", "place the folder 'shared/data' beside the repository")


def need(path: Path, how: str) -> Path:
    """`path` when it exists, else a skip, or a failure where CI promised it."""
    if path.exists():
        return path
    message = f"{path} is missing: {how}"
    if os.environ.get("CI_STRICT") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo company, imported, refreshed and published; for reading alone."""
    from tests.command import run

    folder = tmp_path_factory.mktemp("company") / "demo"
    run("demo", folder, "--trials", "400", "--events", "25000")
    return folder
