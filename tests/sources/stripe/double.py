"""A very small Stripe: lists that can be changed while they are read, and answers that go wrong on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LISTS = {
    "customer": "/v1/customers",
    "product": "/v1/products",
    "price": "/v1/prices",
    "coupon": "/v1/coupons",
    "subscription": "/v1/subscriptions",
    "invoice": "/v1/invoices",
    "invoice_payment": "/v1/invoice_payments",
    "charge": "/v1/charges",
    "refund": "/v1/refunds",
    "dispute": "/v1/disputes",
    "payment_method": "/v1/payment_methods",
    "setup_intent": "/v1/setup_intents",
    "checkout.session": "/v1/checkout/sessions",
    "event": "/v1/events",
}
_BY_PATH = {path: name for name, path in LISTS.items()}


@dataclass
class Fault:
    """An answer that goes wrong: a status with body and headers, or a connection that breaks."""

    status: int = 500
    body: bytes = b'{"error": {"type": "api_error", "message": "boom"}}'
    headers: dict[str, str] = field(default_factory=dict)
    breaks: str = ""  # '', 'reset', 'cut', 'silent', 'slow'


@dataclass
class Seen:
    """A request as it came."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class Double:
    """Objects by type, oldest first; listed newest first, ties by place."""

    def __init__(self) -> None:
        self.account = "acct_home"
        self.objects: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS}
        self.deleted: dict[str, dict[str, Any]] = {}
        self.inner: dict[str, list[dict[str, Any]]] = {}
        self.forbidden: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.before_answer: Callable[[Seen], None] = lambda seen: None
        self.release = threading.Event()
        self.base = ""

    def add(self, kind: str, id_: str, created: int = 1_767_225_600, /, **body: Any) -> dict[str, Any]:
        """A new object at the end, which is the head of the list."""
        entry = {"id": id_, "object": kind, "created": created, "livemode": False, **body}
        self.objects[kind].append(entry)
        self.objects[kind].sort(key=lambda one: one["created"])
        return entry

    def event(self, id_: str, created: int, kind: str = "customer.updated", /, **about: Any) -> dict[str, Any]:
        """A new event."""
        about = {"id": "cus_1", "object": "customer", "created": 1_767_225_600, **about}
        return self.add("event", id_, created, type=kind, api_version="2024-06-20", data={"object": about})

    def remove(self, kind: str, name: str) -> None:
        """Delete an object as Stripe deletes a customer."""
        self.objects[kind] = [one for one in self.objects[kind] if one["id"] != name]
        self.deleted[name] = {"id": name, "object": kind, "deleted": True}

    def paths(self, path: str = "/v1/") -> list[str]:
        """Paths asked for, those that begin so."""
        return [seen.path for seen in self.seen if seen.path.startswith(path)]

    def answer(self, seen: Seen) -> tuple[int, Any]:
        """(status, body) of a request that goes well."""
        if seen.path == "/v1/account":
            if "account" in self.forbidden:
                return _refused(self.forbidden["account"])
            return 200, {"id": self.account, "object": "account"}
        if seen.path == "/v1/subscription_items":
            return self._page(self.inner[seen.query["subscription"][0]], seen)
        if seen.path in _BY_PATH:
            name = _BY_PATH[seen.path]
            if name in self.forbidden:
                return _refused(self.forbidden[name])
            return self._page(list(reversed(self.objects[name])), seen)
        for name, path in LISTS.items():
            if not seen.path.startswith(path + "/"):
                continue
            if name in self.forbidden:
                return _refused(self.forbidden[name])
            wanted, _, rest = seen.path.removeprefix(path + "/").partition("/")
            if rest:
                return self._page(self.inner[wanted], seen)
            found = next((one for one in self.objects[name] if one["id"] == wanted), None)
            found = found or self.deleted.get(wanted)
            if found is not None:
                return 200, found
            return _missing("id", wanted)
        return _missing("path", seen.path)

    def _page(self, items: list[dict[str, Any]], seen: Seen) -> tuple[int, Any]:
        limit = int(seen.query.get("limit", ["10"])[0])
        if "created[gte]" in seen.query:
            items = [one for one in items if one["created"] >= int(seen.query["created[gte]"][0])]
        if "starting_after" in seen.query:
            after = seen.query["starting_after"][0]
            place = next((number for number, one in enumerate(items) if one["id"] == after), None)
            if place is None:
                return _missing("starting_after", after)
            items = items[place + 1 :]
        return 200, {"object": "list", "url": seen.path, "has_more": len(items) > limit, "data": items[:limit]}


def _refused(permission: str) -> tuple[int, Any]:
    message = f"The provided key 'rk_test_*****abc' does not have the permission '{permission}'."
    return 403, {"error": {"type": "invalid_request_error", "message": message}}


def _missing(param: str, name: str) -> tuple[int, Any]:
    error = {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "param": param,
        "message": f"No such: '{name}'",
    }
    return 404, {"error": error}


@contextmanager
def running(double: Double) -> Iterator[Double]:
    """Serve it on a free port of this machine while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves in one piece

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(parts.path, parse_qs(parts.query), headers)
            double.seen.append(seen)
            double.before_answer(seen)
            if double.faults:
                self._fault(double.faults.pop(0))
                return
            status, body = double.answer(seen)
            self._send(status, json.dumps(body, indent=2, ensure_ascii=False).encode(), {})

        def _fault(self, fault: Fault) -> None:
            if fault.breaks == "reset":
                self.close_connection = True
            elif fault.breaks == "cut":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"object": "list", "da')
                self.close_connection = True
            elif fault.breaks in ("silent", "slow"):
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.flush()
                while fault.breaks == "slow" and not double.release.wait(0.005):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                double.release.wait(10)
                self.close_connection = True
            else:
                self._send(fault.status, fault.body, fault.headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Silent."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    double.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        double.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
