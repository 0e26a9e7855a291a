"""A company's API to pull from: pages in every style, fails on demand, and changes while it is read."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Api:
    """Records in order of their `id`, served `size` at a time.

    style    none, page, offset, cursor, last_id, next_url, relative_url, link_header
    faults   what happens to the next requests instead of an answer, the first one first ('' = none)
    between  called after every page that was served
    shape    what the list of records is put into
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    style: str = "none"
    size: int = 2
    faults: list[str] = field(default_factory=list)
    between: Callable[[Api], None] = lambda _: None
    shape: Callable[[Any], Any] = lambda records: {"data": records}
    content_type: str = "application/json"
    asked: list[Asked] = field(default_factory=list)
    base: str = ""

    @property
    def url(self) -> str:
        return f"{self.base}/api/usage"

    def page(self, query: dict[str, str]) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, str]]:
        """(records, members beside them, headers) of the page a query means."""
        found = sorted(self.records, key=lambda record: record["id"])
        if "since" in query:
            found = [record for record in found if str(record.get("at", "")) >= query["since"]]
        if self.style == "page":
            start = (int(query["page"]) - 1) * self.size
            return found[start : start + self.size], {}, {}
        if self.style == "offset":
            start = int(query["offset"])
            return found[start : start + self.size], {"has_more": start + self.size < len(found)}, {}
        if self.style == "none":
            return found, {}, {}
        after = int(query.get("cursor", query.get("after", "0")))
        rest = [record for record in found if record["id"] > after]
        served = rest[: self.size]
        more = len(rest) > self.size
        cursor = served[-1]["id"] if more else None
        kept = {key: value for key, value in query.items() if key in ("since", "key", "limit")}
        address = f"{self.url}?{urlencode({**kept, 'after': cursor})}" if more else None
        if self.style == "link_header":
            return served, {}, {"Link": f'<{address}>; rel="next", <{self.url}>; rel="first"'} if more else {}
        if self.style == "relative_url":
            return served, {"links": {"next": f"usage?{urlencode({**kept, 'after': cursor})}" if more else None}}, {}
        if self.style == "next_url":
            return served, {"links": {"next": address}}, {}
        return served, {"meta": {"next": cursor}, "has_more": more}, {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Tests read `asked` instead."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        api = self.server.api
        parts = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"null")
        query = dict(parse_qsl(parts.query))
        headers = {name.lower(): value for name, value in self.headers.items()}
        api.asked.append(Asked(method, parts.path, query, headers, body))
        fault = api.faults.pop(0) if api.faults else ""
        meant = {key: str(value) for key, value in body.items()} if method == "POST" else query
        records, beside, extra = api.page(meant)
        whole = api.shape(records)
        if isinstance(whole, dict):
            whole = {**whole, **beside}
        data = whole if isinstance(whole, bytes) else json.dumps(whole).encode()
        self._fail(fault, data, extra) if fault else self._send(200, data, {"Content-Type": api.content_type, **extra})
        if not fault:
            api.between(api)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, fault: str, data: bytes, extra: dict[str, str]) -> None:
        kind, _, detail = fault.partition(" ")
        if kind.isdigit():
            headers = {"Retry-After": detail} if kind in ("429", "503", "403") and detail else {}
            headers |= {"Location": detail} if kind.startswith("3") else {}
            self._send(int(kind), b'{"error": "as asked for"}', headers)
        elif kind == "html":
            self._send(200, b"<html>maintenance</html>", {"Content-Type": "text/html"})
        elif kind == "invalid":
            self._send(200, data[:-1] + b",", {"Content-Type": "application/json"})
        elif kind == "gzip":
            packed = gzip.compress(data)
            self._send(200, packed, {"Content-Encoding": "gzip", "Content-Type": "application/json", **extra})
        elif kind == "bad_gzip":
            self._send(200, b"\x1f\x8b" + data, {"Content-Encoding": "gzip"})
        elif kind == "bomb":
            self._send(200, gzip.compress(b"[" + b" " * (8 << 20)), {"Content-Encoding": "gzip"})
        elif kind == "no_records":
            self._send(200, b"{}", {})
        elif kind == "empty":
            self._send(204, b"", {})
        else:
            self.close_connection = True
            if kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            self.send_response(200)
            if kind == "cut":
                self.send_header("Content-Length", str(len(data)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            if kind == "drip":
                for _ in range(20):
                    time.sleep(0.05)
                    self.wfile.write(b" ")
                    self.wfile.flush()
            elif kind == "stall":
                time.sleep(0.6)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: Api

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what the tests are about."""


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """The API at a free port of this machine while the block lasts."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.api = api
    api.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
