"""Every type of call by every official client, unchanged, ends in the model that is made of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.clients.test_official_clients import NODE, need_node
from tests.command import run
from tests.serving import serving

COMMANDS = {
    "segment-python": [sys.executable, "-m", "tests.clients.python_calls", "segment"],
    "rudderstack-python": [sys.executable, "-m", "tests.clients.python_calls", "rudderstack"],
    "segment-node": ["node", str(NODE / "calls.mjs")],
}
CONFIG = """
[schedule]
load_seconds = 1
refresh_minutes = 1440

[attributes]
seats = { type = "number", trait = "seats" }
"""

EVENTS = """
SELECT d.event_name, u.user_id, nullif(a.account_id, '')
FROM raw.events AS e JOIN raw.dim_event AS d USING (event_key) JOIN raw.dim_user AS u USING (user_key)
LEFT JOIN raw.dim_account AS a ON a.account_key = e.account_key AND e.account_key > 0
ORDER BY d.event_name
"""
USERS = """
SELECT u.user_id, p.user_id, u.email, u.name, u.title
FROM intermediate.users AS u JOIN intermediate.users AS p ON p.user_key = u.canonical_user_key
WHERE u.user_id IS NOT NULL ORDER BY u.user_id
"""
MEMBERS = """
SELECT a.account_id, u.user_id
FROM intermediate.account_members AS m JOIN raw.dim_account AS a USING (account_key)
JOIN raw.dim_user AS u USING (user_key)
WHERE a.account_id = 'acme' ORDER BY u.user_id
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_type_of_call_ends_where_it_should(name: str, tmp_path: Path) -> None:
    if name == "segment-node":
        need_node()
    folder = tmp_path / "company"
    run("init", folder)
    (folder / "trialwise.toml").write_text(CONFIG)
    key = run("keys", "create", "product", "--scope", "ingest", "-C", folder).out.strip()
    with serving(folder) as server:
        sent = subprocess.run(
            [*COMMANDS[name], server.url, key],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert sent.returncode == 0, sent.stderr
    run("refresh", "-C", folder)
    store = duckdb.connect(str(folder / "data" / "store.duckdb"), read_only=True)
    assert store.execute(EVENTS).fetchall() == [
        ("Pricing Viewed", "anon:visit-7", None),
        ("Report Created", "ann", "acme"),
        ("Viewed Home Screen", "ann", None),
        ("Viewed Install Page", "ann", None),
    ]
    kinds = store.execute("SELECT kind, count(*) FROM raw.identities GROUP BY kind ORDER BY kind").fetchall()
    assert kinds == [("alias", 1), ("group", 1), ("identify", 1)]
    assert store.execute("SELECT count(*) FROM raw.quarantine").fetchone() == (0,)
    known = ("ann@acme.example", "Ann Ames", "CFO")
    assert store.execute(USERS).fetchall() == [("ann", "ann", *known), ("anon:visit-7", "ann", *known)]
    accounts = "SELECT account_name, domain, contact_email FROM intermediate.accounts WHERE account_id = 'acme'"
    assert store.execute(accounts).fetchall() == [("Acme GmbH", "acme.example", "ann@acme.example")]
    assert store.execute(MEMBERS).fetchall() == [("acme", "ann"), ("acme", "anon:visit-7")]
    seats = "SELECT attribute, value FROM intermediate.account_attributes WHERE attribute LIKE 'attr_%'"
    assert store.execute(seats).fetchall() == [("attr_seats", "12")]
