"""Documentation is run: every trialwise command of the README and the howtos, every TOML block, every Python block."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.command import run
from tests.conftest import ROOT
from trialwise.config import parse_config

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
COPIED = 400  # lines of the demo company's files that stand in for the reader's own


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def steps(page: Path) -> list[tuple[str, str]]:
    """What the page tells its reader, in order: ("run", command), ("segment", TOML) or (a file's path, its text)."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in re.finditer(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        language, body = block.groups()
        named = re.findall(r"`(sql/[\w/]+\.sql)`", text[: block.start()].rsplit("```", 1)[-1])
        if language == "sh":
            found += [("run", line) for line in body.splitlines() if line.startswith("trialwise ")]
        elif language == "toml" and body.startswith("[[segments]]"):
            found.append(("segment", body))
        elif language == "sql" and named and body.startswith("/*"):
            found.append((named[-1], body))
    return found


@pytest.fixture
def reader(company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Where a reader stands: a workspace, the demo's folder, a workspace 'acme', and files of their own."""
    shutil.copytree(company, tmp_path, dirs_exist_ok=True)
    shutil.copytree(company, tmp_path / "demo")
    if "product" not in request.node.name:  # that page makes it itself
        run("init", tmp_path / "acme")
    for source, targets in (
        ("segment.ndjson", ("events.ndjson", "events.ndjson.gz")),
        ("stripe.ndjson", ("stripe-events.ndjson", "customers.ndjson")),
    ):
        lines = (company / source).read_bytes().splitlines(keepends=True)[:COPIED]
        for target in targets:
            opener = gzip.open if target.endswith(".gz") else open
            with opener(tmp_path / target, "wb") as file:
                file.write(b"".join(lines))
    (tmp_path / "usage.csv").write_text(
        "at,when,action,person,who,company\n2026-03-01T10:00:00Z,2026-03-01T10:00:00Z,Report Built,u1,u1,acme\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if steps(page)], ids=lambda page: page.stem)
def test_what_the_page_tells_its_reader_works_in_order(page: Path, reader: Path) -> None:
    config = (reader / "trialwise.toml").read_text(encoding="utf-8")
    for kind, text in steps(page):
        if kind == "run":
            words = shlex.split(text, comments=True)[1:]
            ran = run(*words)
            assert ran.out or ran.err, text
        elif kind == "segment":
            (reader / "trialwise.toml").write_text(f"{config}\n{text}", encoding="utf-8")
        else:
            (reader / kind).parent.mkdir(parents=True, exist_ok=True)
            (reader / kind).write_text(text, encoding="utf-8")


def test_the_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        word
        for page in [*PAGES, ROOT / "CONTRIBUTING.md"]
        for word in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_toml_block_is_a_valid_configuration(page: Path) -> None:
    for block in blocks(page, "toml"):
        parse_config(tomllib.loads(block))


def test_the_python_of_the_readme_runs(reader: Path) -> None:
    for block in blocks(ROOT / "README.md", "python"):
        names: dict[str, object] = {}
        exec(compile(block, "README.md", "exec"), names)
        assert names["live"].height > 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "DECISIONS.md"], ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
