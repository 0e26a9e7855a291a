"""Documentation is run: every trialwise command of the README and the howtos, every TOML block, every Python block."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import run
from tests.conftest import ROOT
from tests.fakes.stripe import StripeFake
from tests.fakes.stripe.server import Key
from tests.sources.http.api import Api, serving
from trialwise.config import parse_config

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
EXPORTS = {
    "amplitude.json.gz": [
        {
            "event_type": "Report Built",
            "user_id": "u1",
            "event_time": "2026-03-01 10:00:00",
            "groups": {"company": "acme"},
        }
    ],
    "mixpanel.ndjson": [
        {"event": "Report Built", "properties": {"distinct_id": "u1", "time": 1772359200, "organization": "acme"}}
    ],
    "cloudevents.json": [
        {"specversion": "1.0", "id": "1", "source": "/app", "type": "Report Built", "subject": "account/acme"}
    ],
}
COPIED = 400  # lines of the demo company's files that stand in for the reader's own


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def steps(page: Path) -> list[tuple[str, str]]:
    """What the page tells its reader, in order: (kind, text).

    The kinds: run (a command), set (a variable), shell, segment and source (TOML), or a file's path.
    """
    text = page.read_text(encoding="utf-8")
    found = []
    for block in re.finditer(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        language, body = block.groups()
        named = re.findall(r"`(sql/[\w/]+\.sql)`", text[: block.start()].rsplit("```", 1)[-1])
        if language == "sh":
            kinds = {"trialwise": "run", "export": "set", "mkdir": "shell", "cp": "shell", "mv": "shell"}
            words = [(line.partition(" ")[0], line) for line in body.splitlines()]
            found += [(kinds[word], line) for word, line in words if word in kinds]
        elif language == "toml" and body.startswith("[[segments]]"):
            found.append(("segment", body))
        elif language == "toml" and body.startswith("[sources."):
            found.append(("source", body))
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
    (tmp_path / "mail.csv").write_text("action,member_id,at\nopen,u1,2026-03-01 10:00:00\n", encoding="utf-8")
    for name, records in EXPORTS.items():
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def admin() -> Iterator[Api]:
    """The reader's own API, of usage and of trials."""
    trial = {"id": 7, "started_at": "2026-02-01T09:00:00Z", "ends_at": "2026-02-15T09:00:00Z", "ended_at": None}
    usage = {"action": "Report Built", "company": {"id": "acme"}, "user": {"id": "ana"}, "plan": "pro", "trial": trial}
    with serving(
        Api([{"id": day, "at": f"2026-02-0{day}T10:00:00Z", **usage} for day in range(1, 6)], "cursor")
    ) as api:
        yield api


@pytest.fixture
def account(reader: Path) -> Iterator[StripeFake]:
    """The reader's Stripe account, where the workspace 'acme' looks for it."""
    with StripeFake() as fake:
        fake.api.keys["rk_live_your_key"] = Key(livemode=True)
        path = reader / "acme" / "trialwise.toml"
        if path.exists():
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("\n[stripe]\n", f'\n[stripe]\napi_base = "{fake.url}"\n'), encoding="utf-8")
        yield fake


@pytest.mark.parametrize("page", [page for page in PAGES if steps(page)], ids=lambda page: page.stem)
def test_what_the_page_tells_its_reader_works_in_order(
    page: Path, reader: Path, admin: Api, account: StripeFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = (reader / "trialwise.toml").read_text(encoding="utf-8")
    for kind, text in steps(page):
        if kind == "run":
            words = shlex.split(text, comments=True)[1:]
            ran = run(*words)
            assert ran.out or ran.err, text
        elif kind == "set":
            monkeypatch.setenv(*text.removeprefix("export ").split("=", 1))
        elif kind == "shell":
            subprocess.run(shlex.split(text), check=True)
        elif kind == "source":
            with (reader / "acme" / "trialwise.toml").open("a", encoding="utf-8") as file:
                file.write("\n" + text.replace("https://admin.example.com", admin.base))
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
