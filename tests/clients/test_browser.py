"""A page in a real browser sends to a server of another origin: in the shapes of analytics.js, and by its client."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.clients.test_official_clients import NODE
from tests.command import run
from tests.conftest import need
from tests.serving import samples, serving, until
from trialwise.engines.duckdb import connect
from trialwise.pipeline import load_landed
from trialwise.workspace import Workspace

CONFIG = "[schedule]\nload_seconds = 86400\nrefresh_minutes = 1440\n"
CLIENT = NODE / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd"


@pytest.fixture
def chromium() -> Path:
    """Debian's browser. Without it a skip that says how to get it, in CI a failure."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return need(Path(found or "/usr/bin/chromium"), "apt-get install --no-install-recommends chromium")


class Site(SimpleHTTPRequestHandler):
    """The company's site: the page, the client's script, and where the page tells what it saw."""

    def __init__(self, told: queue.Queue[dict[str, Any]], *request: Any) -> None:
        self._told = told
        super().__init__(*request)

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0].removeprefix("/")
        return str(CLIENT / Path(name).name if name.startswith("umd/") else Path(__file__).with_name("page.html"))

    def do_POST(self) -> None:
        self._told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@contextmanager
def site() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """Where the site is, and what its page tells."""
    told: queue.Queue[dict[str, Any]] = queue.Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, told)) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}", told
        served.shutdown()


@contextmanager
def opened(chromium: Path, url: str, profile: Path) -> Iterator[None]:
    """A page in a browser of its own, without a window."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
    browser = subprocess.Popen(
        [chromium, *options, "--remote-debugging-port=0", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        browser.terminate()
        browser.wait(30)


def test_a_page_of_another_origin_sends_what_analytics_js_sends(chromium: Path, tmp_path: Path) -> None:
    need(CLIENT / "index.js", "run 'make clients'")
    folder = tmp_path / "company"
    run("init", folder)
    (folder / "trialwise.toml").write_text(CONFIG)
    key = run("keys", "create", "website", "--scope", "ingest", "-C", folder).out.strip()
    reader = run("keys", "create", "grafana", "--scope", "read", "-C", folder).out.strip()
    with serving(folder) as server, site() as (address, told):
        url = f"{address}/?{urlencode({'server': server.url, 'key': key})}"
        with opened(chromium, url, tmp_path / "profile"):
            seen = told.get(timeout=120)

            def taken() -> float:
                text = server.get("/metrics", headers={"x-api-key": reader}).raise_for_status().text
                return sum(value for name, value in samples(text).items() if name.startswith("trialwise_records_total"))

            until(lambda: taken() >= 5 + 2 * 4)  # the beacon and the last batch are not waited for by the page
    assert seen == {
        "text": [200, "taken"],
        "batch": [200, "taken"],
        "asked first": [200, "taken"],
        "wrong key": [401, "unauthorized"],
        "beacon": True,
    }
    workspace = Workspace.open(folder)
    load_landed(workspace)  # what the refresh at the server's start did not take
    store = connect(workspace.store, read_only=True)
    events = store.rows(
        "SELECT d.event_name, u.user_id, count(*) FROM raw.events AS e JOIN raw.dim_event AS d USING (event_key) "
        "JOIN raw.dim_user AS u USING (user_key) GROUP BY ALL ORDER BY ALL"
    )
    calls = store.rows("SELECT kind, count(*) FROM raw.identities GROUP BY kind ORDER BY kind")
    refused = store.rows("SELECT reason, detail FROM raw.quarantine")
    store.close()
    assert events == [
        ("Asked", "ann", 1),
        ("Batch", "ann", 2),
        ("Batching", "ann", 1),
        ("Beacon", "ann", 1),
        ("Standard", "ann", 1),
        ("Text", "ann", 1),
        ("Viewed Batching Page", "ann", 1),
        ("Viewed Standard Page", "ann", 1),
    ]
    assert calls == [("group", 2), ("identify", 2)]
    assert refused == []
