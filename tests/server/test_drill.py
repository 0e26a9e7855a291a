"""The drill: a company in full use, backed up while it is served, restored elsewhere, and served there."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from tests.command import run, write_lines
from tests.fakes.stripe.deliveries import sign
from tests.keeping import everything
from tests.landing.kit import envelope
from tests.serving import Served, serving

from trialwise import archive

CONFIG = """[workspace]
name = "drill"
[trials]
length_days = 14
[schedule]
load_seconds = 3600
refresh_minutes = 1440
[landing]
compact_after_days = 0
[backup]
folder = "copies"
"""
SECRET = "whsec_drill"
MODELS = "NOT IN ('state', 'main')"


def webhook(server: Served, event_id: str) -> None:
    """One delivery of Stripe's, acknowledged."""
    body = json.dumps(envelope(event_id)).encode()
    answer = server.post(
        "/webhooks/stripe", content=body, headers={"stripe-signature": sign(body, [SECRET], int(time.time()))}
    )
    assert answer.status_code == 200, answer.text


def test_a_restored_company_has_the_same_numbers_and_goes_on(tmp_path: Path) -> None:
    folder, new = tmp_path / "acme", tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "trialwise.toml").write_text(CONFIG, encoding="utf-8")
    env = {"TRIALWISE_WEBHOOK_STRIPE": SECRET}
    key = run("keys", "create", "website", "--scope", "ingest", "-C", folder).out.strip()
    bearer = {"headers": {"authorization": f"Bearer {key}"}}
    with serving(folder, env=env) as server:
        file = write_lines(
            tmp_path / "events.ndjson",
            [
                {"event": "Trial Started", "account_id": "acme", "user_id": "ana", "timestamp": "2026-02-01T09:00:00Z"},
                *(
                    {"id": f"file-{day}", "event": "Report Created", "account_id": "acme", "user_id": "ana",
                     "timestamp": f"2026-02-{day:02d}T10:00:00Z"}
                    for day in range(2, 9)
                ),
                {"event": "Report Created", "account_id": "acme", "user_id": "null"},
            ],
        )  # fmt: skip
        run("import", "events", file, "-C", folder)
        [refused] = run("quarantine", "list", "-f", "json", "-C", folder).rows()
        mended = write_lines(tmp_path / "mended.json", [{"event": "Report Created", "account_id": "b", "user_id": "u"}])
        run("quarantine", "retry", refused["quarantine_id"], "--mended", mended, "-C", folder)
        assert server.track("compacted", **bearer).status_code == 200
        webhook(server, "evt_1")
        assert "compacted" in run("compact", "-C", folder).err
        assert server.track("segment", **bearer).status_code == 200
        webhook(server, "evt_2")
        run("refresh", "-C", folder)
        shutil.copy(folder / "data" / "store.duckdb", tmp_path / "expected.duckdb")
        backed_up = run("backup", "-C", folder).err
        assert "backed up" in backed_up
        assert "backup" in [line["operation"] for line in server.log if line["event"] == "command"]

        assert server.track("later", **bearer).status_code == 200
        webhook(server, "evt_3")
        run("import", "events", mended, "-C", folder)
        run("compact", "-C", folder)

    [name] = archive.names(folder / "copies")
    restored = run("restore", folder / "copies" / name, new, "--refresh").err
    assert f"trialwise serve -C {new}" in restored
    expected = everything(tmp_path / "expected.duckdb", MODELS)
    assert len(expected["raw.events"]) == 11
    assert len(expected["raw.stripe"]) == 2
    assert len(expected["raw.quarantine"]) == 1
    assert len(expected["marts.trials"]) == 1
    found = everything(new / "data" / "store.duckdb", MODELS)
    assert found.keys() == expected.keys()
    for table, rows in expected.items():
        assert found[table] == rows, table
    assert (new / "data" / "keys.json").stat().st_mode & 0o777 == 0o600

    with serving(new, env=env) as server:
        assert server.track("new", **bearer).status_code == 200
        assert server.track("nobody").status_code == 401
        run("backup", "-C", new)
        assert "all as they were written" in run("backup", "verify", "-C", new).err
    run("restore", archive.find(new / "copies", None).folder, tmp_path / "third")
    assert len(everything(tmp_path / "third" / "data" / "store.duckdb")["raw.events"]) == 12
