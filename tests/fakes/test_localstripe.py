"""localstripe, another stand-in for Stripe, as an independent check of cursor paging and of webhook signatures.

The same calls of the official SDK go to both. It runs in a process of its own, bound to the loopback alone and kept
from writing its store to disk. What it cannot serve, and where it differs from Stripe's documentation: it lists the
oldest first, has no `ending_before`, `created` filters or upper limit of a page; its objects are of an old version; it
ignores `trial_period_days`, has no clock, no idempotency keys and signs with the event's own time. So it says nothing
about trials, shapes, order or retries.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest
import stripe

from tests.fakes.stripe import TEST_KEY, StripeFake

PROGRAM = """
import socket
from aiohttp import web
from localstripe import resources
from localstripe.server import app

resources.Store.dump_to_disk = lambda self: None
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
web.run_app(app, sock=listening, print=None)
"""
SECRET = "whsec_shared"
Delivery = tuple[bytes, str]


@pytest.fixture(scope="module")
def localstripe() -> Iterator[str]:
    """Its base URL."""
    words = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def fake() -> Iterator[StripeFake]:
    with StripeFake() as started:
        yield started


@pytest.fixture(params=["localstripe", "fake"])
def url(request: pytest.FixtureRequest, localstripe: str, fake: StripeFake) -> str:
    return localstripe if request.param == "localstripe" else fake.url


@pytest.fixture
def inbox() -> Iterator[tuple[str, Queue[Delivery]]]:
    """A webhook endpoint: its URL and what came."""
    came: Queue[Delivery] = Queue()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.put((body, self.headers["stripe-signature"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", came
    server.shutdown()
    server.server_close()


def client(url: str) -> Any:
    return stripe.StripeClient(TEST_KEY, base_addresses={"api": url}, max_network_retries=0).v1


def test_cursors_bring_each_object_once(url: str) -> None:
    products = client(url).products
    made = [products.create({"name": f"p{number}"}).id for number in range(11)]
    whole = [found.id for found in products.list({"limit": 100}).data if found.id in made]
    assert sorted(whole) == sorted(made)
    for limit in (1, 3, 10, 11, 12):
        assert [found.id for found in products.list({"limit": limit}).auto_paging_iter() if found.id in made] == whole
    page = products.list({"limit": 4})
    assert (len(page.data), page.has_more) == (4, True)
    following = products.list({"limit": 100, "starting_after": page.data[-1].id})
    assert (page.data + following.data)[: len(page.data) + 1] == [*page.data, following.data[0]]
    assert not following.has_more
    assert products.list({"limit": 5, "starting_after": following.data[-1].id}).data == []
    assert len(products.list().data) == 10


def test_the_sdk_accepts_the_signatures_of_both(
    localstripe: str, fake: StripeFake, inbox: tuple[str, Queue[Delivery]]
) -> None:
    url, came = inbox
    body = json.dumps({"url": url, "secret": SECRET, "events": ["product.created"]}).encode()
    request = urllib.request.Request(f"{localstripe}/_config/webhooks/test", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    fake.webhooks.add(url, secrets=[SECRET], types=("product.created",))
    names = set()
    for base in (localstripe, fake.url):
        name = f"of {base}"
        client(base).products.create({"name": name})
        payload, header = came.get(timeout=30)
        event = stripe.Webhook.construct_event(payload, header, SECRET, tolerance=60)
        names.add(event.data.object.name)
        assert name in names
        for changed, secret in ((payload, "whsec_other"), (payload + b" ", SECRET)):
            with pytest.raises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(changed, header, secret, tolerance=60)
