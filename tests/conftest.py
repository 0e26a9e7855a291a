"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "tests" / "server"
"""Tests whose processes note the lines they ran. It makes Python three times as slow, and the others start the same."""
MEASURING = "COVERAGE_PROCESS_CONFIG"
"""What coverage gives to processes that a test starts, so that they do."""
_measuring = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the test's own fixtures: they start processes too."""
    if MEASURING in os.environ:
        item.config.stash[_measuring] = os.environ.pop(MEASURING)
    if _measuring in item.config.stash and item.path.is_relative_to(MEASURED):
        os.environ[MEASURING] = item.config.stash[_measuring]


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
