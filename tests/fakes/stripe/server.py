"""The HTTP side: keys, versions, idempotency, faults, errors in JSON."""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.stripe import forms, routes, versions
from tests.fakes.stripe.clock import DAY
from tests.fakes.stripe.errors import ApiError
from tests.fakes.stripe.expand import expanded
from tests.fakes.stripe.faults import Fault, Faults
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode, Request, World


@dataclass(frozen=True)
class Key:
    """An API key: its mode, and for a restricted one the resources it may read and write."""

    livemode: bool
    may: frozenset[str] | None = None


@dataclass
class Call:
    """One HTTP request as the tests see it afterwards."""

    method: str
    path: str
    params: forms.Params
    headers: dict[str, str]
    at: float
    status: int = 0


@dataclass
class Api:
    """The API of a world for whoever has a key."""

    world: World
    keys: dict[str, Key]
    faults: Faults = field(default_factory=Faults)
    calls: list[Call] = field(default_factory=list)
    before_call: list[Callable[[Call], None]] = field(default_factory=list)
    """Called before each call is answered (the lock is not held): a place to change the world while somebody pages."""
    bugs: list[Exception] = field(default_factory=list)
    """What the fake itself stumbled over."""
    _answers: dict[tuple[str, str], tuple[int, str, int, bytes]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    def handle(self, call: Call, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Status, JSON body and headers of one call; all of it under the world's lock."""
        with self.world.lock:
            id_ = f"req_{next(self._numbers):014d}"
            headers = {"request-id": id_, "stripe-version": call.headers.get("stripe-version", self.world.api_version)}
            try:
                status, answer = self._answer(call, body, id_, headers)
            except ApiError as error:
                status, answer = error.status, _json(error.body(id_))
            except Exception as bug:
                self.bugs.append(bug)
                status, answer = 500, _json({"error": {"type": "api_error", "message": f"the fake failed: {bug!r}"}})
            call.status = status
            return status, answer, headers

    def _answer(self, call: Call, body: bytes, id_: str, headers: dict[str, str]) -> tuple[int, bytes]:
        mode, key = self._mode(call)
        text = body.decode() if call.method == "POST" else ""
        params = {**call.params, **forms.parse(text)}
        call.params = params
        token = call.headers.get("idempotency-key") if call.method == "POST" else None
        if token:
            headers["idempotency-key"] = token
            kept = self._answers.get((key, token))
            if kept is not None and kept[0] > self.world.clock.now - DAY:
                if kept[1] != f"{call.path}?{text}":
                    message = "Keys for idempotent requests can only be used with the same parameters."
                    raise ApiError(400, message, kind="idempotency_error")
                headers["idempotent-replayed"] = "true"
                return kept[2], kept[3]
        mode.request = Request(id_, token)
        try:
            status, answer = 200, self._carry_out(mode, call, params, headers["stripe-version"])
        except ApiError as error:
            if error.status != 402 or not token:
                raise
            status, answer = 402, _json(error.body(id_))
        finally:
            mode.request = Request()
            self.world.clock.settle()
        if token:
            self._answers[key, token] = (self.world.clock.now, f"{call.path}?{text}", status, answer)
        return status, answer

    def _carry_out(self, mode: Mode, call: Call, params: forms.Params, version: str) -> bytes:
        answer = routes.answer(mode, call.method, call.path, params)
        found = expanded(mode, answer, params.get("expand"))
        if call.path.startswith("/v1/events"):
            return _json(found)
        return _json(versions.render(found, version, mode.store.find))

    def _mode(self, call: Call) -> tuple[Mode, str]:
        scheme, _, rest = call.headers.get("authorization", "").partition(" ")
        given = rest
        if scheme == "Basic":
            given = base64.b64decode(rest).decode().partition(":")[0]
        key = self.keys.get(given)
        if key is None:
            shown = f"{given[:8]}{'*' * 8}{given[-4:]}" if given else ""
            raise ApiError(401, f"Invalid API Key provided: {shown}" if given else "You did not provide an API key.")
        wanted = routes.resource(call.path)
        if key.may is not None and wanted not in key.may:
            message = f"The provided key does not have the required permissions for this endpoint ({wanted})."
            raise ApiError(403, message, code="more_permissions_required")
        return self.world.modes[key.livemode], given


def _json(value: Object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


class Handler(BaseHTTPRequestHandler):
    """One connection; `api` is set on the class that `serve` makes."""

    protocol_version = "HTTP/1.1"
    api: Api
    controls: Callable[[str, dict[str, Any]], Object]

    def do_GET(self) -> None:
        """A read."""
        self._call("GET")

    def do_POST(self) -> None:
        """A write."""
        self._call("POST")

    def do_DELETE(self) -> None:
        """A removal."""
        self._call("DELETE")

    def log_message(self, *args: Any) -> None:
        """Quiet: the calls are kept."""

    def _call(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        url = urlsplit(self.path)
        if url.path.startswith("/_fake/"):
            self._send(200, _json(type(self).controls(url.path[7:], json.loads(body or b"{}"))), {})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(method, url.path, forms.parse(url.query), headers, time.monotonic())
        self.api.calls.append(call)
        for hook in self.api.before_call:
            hook(call)
        fault = self.api.faults.hit(method, url.path)
        if fault and fault.kind in ("status", "reset", "silence"):
            self._fail(call, fault)
            return
        status, answer, extra = self.api.handle(call, body)
        if fault is None:
            self._send(status, answer, extra)
        elif fault.kind == "lost":
            self._reset()
        elif fault.kind == "cut":
            self._send(status, answer, extra, upto=len(answer) // 2)
            self._reset()
        else:
            self._send(status, answer, extra, upto=0)
            self._dribble(answer, fault.seconds)

    def _fail(self, call: Call, fault: Fault) -> None:
        call.status = fault.status if fault.kind == "status" else 0
        if fault.kind != "status":
            time.sleep(fault.seconds)
            self._reset()
            return
        limited = fault.status == 429
        error = {
            "message": "Too many requests" if limited else "An unknown error occurred",
            "type": "invalid_request_error" if limited else "api_error",
            **({"code": "rate_limit"} if limited else {}),
        }
        headers = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
        self._send(fault.status, _json({"error": error}), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str], upto: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if upto is None else body[:upto])
        self.wfile.flush()

    def _dribble(self, body: bytes, seconds: float) -> None:
        pieces = 10
        for at in range(pieces):
            time.sleep(seconds / pieces)
            try:
                self.wfile.write(body[len(body) * at // pieces : len(body) * (at + 1) // pieces])
            except OSError:
                self.close_connection = True
                return

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Server(ThreadingHTTPServer):
    """Daemon threads, quiet about connections that the other side gives up."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that the other side gives up are no news; bugs are kept where calls are carried out."""


def serve(api: Api, controls: Callable[[str, dict[str, Any]], Object], port: int = 0) -> Server:
    """A server on 127.0.0.1; the caller runs `serve_forever` and closes it."""
    handler = type("BoundHandler", (Handler,), {"api": api, "controls": staticmethod(controls)})
    return Server(("127.0.0.1", port), handler)
