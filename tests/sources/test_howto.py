"""docs/howto/add-a-source.md, followed to the letter in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "howto" / "add-a-source.md"
COPIED = ("src", "sql", "tests/command.py", "tests/__init__.py", "conftest.py", "pyproject.toml")


def files() -> dict[str, str]:
    """What the page writes: the file named last before a block -> the block."""
    text = PAGE.read_text(encoding="utf-8")
    found = {}
    for block in re.finditer(r"^```(ndjson|python|sql|yaml)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        before = text[: block.start()].rsplit("\n```", 1)[-1]
        found[re.findall(r"`((?:src|sql|tests|fixtures)/[\w/.]+)`", before)[-1]] = block.group(2)
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which somebody has done what the page says."""
    folder = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for name, text in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert not (folder / name).exists(), f"{name} is there already"
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, *command: str) -> str:
    """A command of the copy's own; what it says."""
    environment = {**os.environ, "PYTHONPATH": f"{folder / 'src'}:{folder}"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_page_writes_a_reader_a_raw_table_a_staging_model_and_fixtures() -> None:
    assert list(files()) == [
        "fixtures/helpdesk/tickets.ndjson",
        "src/trialwise/sources/formats/helpdesk.py",
        "sql/raw/tickets.sql",
        "sql/load/into_tickets.sql",
        "sql/staging/tickets.sql",
        "sql/staging/tickets.test.yaml",
        "tests/sources/formats/test_helpdesk.py",
    ]


def test_its_records_go_from_the_fixture_to_the_staging_model(copy: Path) -> None:
    tests = ("tests/sources/formats/test_helpdesk.py", "sql/staging/tickets.test.yaml")
    said = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert "2 passed" in said


def test_its_models_keep_the_rules_and_its_code_the_layers(copy: Path) -> None:
    assert "0 findings" in run(copy, "-m", "trialwise", "lint")
    run(copy, "-m", "ruff", "check", "--no-cache", "src/trialwise/sources/formats/helpdesk.py")


def test_a_store_that_was_there_before_is_filled_anew(copy: Path, tmp_path: Path) -> None:
    lines = (copy / "fixtures" / "helpdesk" / "tickets.ndjson").read_text(encoding="utf-8")
    (tmp_path / "trialwise.toml").write_text('[sources.files.t]\nfolder = "t"\nformat = "helpdesk"\n', encoding="utf-8")
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "one.ndjson").write_text(lines, encoding="utf-8")
    run(copy, "-m", "trialwise", "import", "folder", "-C", str(tmp_path))
    statement = copy / "sql" / "load" / "into_tickets.sql"
    text = statement.read_text(encoding="utf-8")
    statement.write_text(text.replace("that are news", "that are news, told otherwise"), encoding="utf-8")
    (tmp_path / "t" / "two.ndjson").write_text(lines.splitlines()[0].replace("81", "99"), encoding="utf-8")
    said = run(copy, "-m", "trialwise", "import", "folder", "-C", str(tmp_path))
    assert "filled anew from landing" in said
    count = (
        "from trialwise.engines.duckdb import connect; import sys; print(connect(sys.argv[1]).rows('FROM raw.tickets'))"
    )
    assert run(copy, "-c", count, str(tmp_path / "data" / "store.duckdb")).count("UUID") == 4
