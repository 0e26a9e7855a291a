"""The collector as an ASGI application: routes, and the way of a request from its head to the answer.

Plain ASGI rather than a framework: the hot routes look at a few headers, read bytes and wait for a future. Single calls
per CPU second, with uvicorn's parser and a sink that does nothing: an application that only reads the body and waits
28,000, this one 20,000, a FastAPI route without key, limits or check 8,000. A call in a batch costs 4 to 6 us.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from trialwise.errors import StoreError
from trialwise.sources.collector import cloudevents, flat, segment
from trialwise.sources.collector.access import check_host, check_origin, check_scope, preflight, token_of
from trialwise.sources.collector.answer import ANY_ORIGIN, Answer, Gone, Receive, Refusal, Scope, Send
from trialwise.sources.collector.body import Body, Load
from trialwise.sources.collector.doors import Doors, Limits
from trialwise.sources.collector.durable import RETRY_WHEN_BROKEN, Durable
from trialwise.sources.collector.openapi import document
from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.protocol import Refused, Request

App = Callable[[Scope, Receive, Send], Awaitable[None]]

SHORT = {"t": "track", "i": "identify", "g": "group", "p": "page", "s": "screen", "a": "alias", "b": "batch"}
"""The paths Segment's browser client uses."""

_log = logging.getLogger("trialwise.collector")
_TAKEN = Answer.json(200, {"success": True}, [ANY_ORIGIN])
_ALIVE = Answer.json(200, {"status": "alive"})
_JSON = (b"", b"application/json", b"text/plain")  # browsers send text/plain, which needs no preflight
_LINES = (b"application/x-ndjson", b"application/ndjson", b"application/jsonl", b"application/x-jsonlines")
_FORM = b"application/x-www-form-urlencoded"  # also what RudderStack's Node client calls its gzipped JSON
_READ = ("GET", "HEAD")


class _Call(NamedTuple):
    """One request on its way."""

    scope: Scope
    headers: dict[bytes, bytes]
    body: Body


class _Route(NamedTuple):
    """name: as counted; methods: those answered besides OPTIONS; is_ingest: answered as Segment's clients expect."""

    name: str
    methods: tuple[str, ...]
    handler: Callable[[_Call], Awaitable[Answer]]
    is_ingest: bool = False


def build_app(doors: Doors, limits: Limits | None = None) -> App:
    """The application that serves events, webhooks, /healthz, /readyz, /metrics and /openapi.json."""
    return _Collector(doors, limits or Limits())


class _Collector:
    def __init__(self, doors: Doors, limits: Limits) -> None:
        self._doors = doors
        self._limits = limits
        self._load = Load(limits)
        self._durable = Durable(doors.land, limits.landing_seconds)
        self._document = Answer.json(200, document(doors, limits))
        self._routes = self._table()

    def _table(self) -> dict[str, _Route]:
        routes = {f"/v1/{kind}": self._segment(f"/v1/{kind}", kind) for kind in (*segment.KINDS, "batch")}
        for short, kind in SHORT.items():
            routes[f"/v1/{short}"] = routes[f"/v1/{kind}"]
        routes["/v1/events"] = _Route("/v1/events", ("POST",), self._events, is_ingest=True)
        for path, handler in (
            ("/healthz", self._healthz),
            ("/readyz", self._readyz),
            ("/metrics", self._metrics),
            ("/openapi.json", self._openapi),
        ):
            routes[path] = _Route(path, _READ, handler)
        for provider in self._doors.webhooks:
            routes[f"/webhooks/{provider}"] = self._webhook(provider)
        return routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a client that leaves gets no answer."""
        if scope["type"] != "http":
            await _other(scope, receive, send)
            return
        route = self._routes.get(scope["path"]) or self._unknown(scope["path"])
        headers = dict(scope["headers"])
        body = Body(headers, receive, self._load, self._limits.body_seconds)
        call = _Call(scope, headers, body)
        entered = False
        try:
            check_host(headers, self._doors.allowed_hosts)
            self._load.enter()
            entered = True
            answer = await self._dispatch(route, call)
        except Refusal as refusal:
            answer = self._refused(route, refusal)
        except Gone:
            return
        except StoreError as error:
            answer = self._refused(route, self._unusable(route, error))
        except Exception as error:
            answer = self._refused(route, _unexpected(route, error))
        finally:
            if entered:
                self._load.leave(body.held)
        self._doors.count("requests", {"route": route.name, "status": str(answer.status)}, 1)
        await send(answer.start)
        await send(answer.body)

    async def _dispatch(self, route: _Route, call: _Call) -> Answer:
        method = call.scope["method"]
        if method in route.methods:
            return await route.handler(call)
        if method == "OPTIONS" and route.is_ingest:
            consent = cloudevents.consent(call.headers) if route.name == "/v1/events" else []
            return Answer.of(200 if consent else 204, b"", headers=[*preflight(call.headers), *consent])
        allowed = ", ".join((*route.methods, *(("OPTIONS",) if route.is_ingest else ())))
        if not allowed:
            raise Refusal(404, "not_found", "there is nothing at this path; /openapi.json lists what there is")
        raise Refusal(405, "bad_method", f"this path answers {allowed}", headers=[(b"allow", allowed.encode())])

    def _segment(self, name: str, kind: str) -> _Route:
        is_batch = kind == "batch"
        ceiling = self._limits.batch if is_batch else self._limits.call

        async def handler(call: _Call) -> Answer:
            token = self._admitted(call)
            media = _media(call.headers)
            if media not in (*_JSON, _FORM) and not media.endswith(b"+json"):
                raise _unknown_media("application/json")
            is_open = token is not None or self._doors.authorize(None, "ingest")
            body = await call.body.read(ceiling if is_open else min(ceiling, self._limits.keyless))
            pieces, written = segment.calls_of(body, self._limits) if is_batch else segment.call_of(body, kind)
            if not is_open:
                check_scope(self._doors.authorize, written, "ingest")
            await self._put(name, "segment", pieces, len(body))
            return _TAKEN

        return _Route(name, ("POST",), handler, is_ingest=True)

    async def _events(self, call: _Call) -> Answer:
        if self._admitted(call) is None:
            check_scope(self._doors.authorize, None, "ingest")
        media = _media(call.headers)
        if media.startswith(cloudevents.ANY):
            if media not in (cloudevents.STRUCTURED, cloudevents.BATCH):
                raise _unknown_media("application/cloudevents+json or application/cloudevents-batch+json")
        elif (
            not cloudevents.is_binary(call.headers)
            and media not in (*_JSON, *_LINES, _FORM)
            and not media.endswith(b"+json")
        ):
            raise _unknown_media(
                "application/json, application/x-ndjson, application/x-www-form-urlencoded or a CloudEvent's"
            )
        limits = self._limits
        body = await call.body.read(limits.events)
        form = "cloudevents"
        if media == cloudevents.STRUCTURED:
            pieces = cloudevents.structured(body, limits)
        elif media == cloudevents.BATCH:
            pieces = cloudevents.batched(body, limits)
        elif cloudevents.is_binary(call.headers):
            pieces = cloudevents.binary(call.scope["headers"], body, limits)
        else:
            form = "flat"
            if media == _FORM:
                pieces = flat.form_of(body, limits)
            else:
                pieces = flat.records_of(body, limits, is_lines=media in _LINES)
        await self._put("/v1/events", form, pieces, len(body))
        return Answer.json(200, {"success": True, "accepted": len(pieces)}, [ANY_ORIGIN])

    def _admitted(self, call: _Call) -> str | None:
        """The key of the request when it may send events, None when it brought none. Raises Refusal."""
        if b"origin" in call.headers:
            check_origin(call.headers, self._doors.authorize, self._doors.allowed_hosts)
        token = token_of(call.headers)
        if token is not None:
            check_scope(self._doors.authorize, token, "ingest")
        return token

    async def _put(self, route: str, form: str, pieces: list[Piece], size: int) -> None:
        if pieces:
            await self._durable.put("events", form, "collector", self._doors.now(), pieces)
        self._doors.count("records", {"route": route, "format": form}, len(pieces))
        self._doors.count("received_bytes", {"route": route}, size)

    def _webhook(self, provider: str) -> _Route:
        webhook = self._doors.webhooks[provider]
        name = f"/webhooks/{provider}"

        async def handler(call: _Call) -> Answer:
            secrets = self._doors.secrets.get(provider)
            if not secrets:
                raise Refusal(
                    404,
                    "not_configured",
                    f"{provider} has no secret: set the environment variable TRIALWISE_WEBHOOK_{provider.upper()}",
                )
            if call.scope["method"] != "POST":
                return Answer.json(200, {"webhook": provider, "signed_by": webhook.signed_by})
            body = await call.body.read(webhook.max_bytes)
            received_at = self._doors.now()
            request = self._request(call, body, received_at)
            try:
                webhook.verify(request, secrets)
                pieces = webhook.pieces(request)
            except Refused as refused:
                self._doors.count("webhooks_refused", {"provider": provider, "reason": refused.reason}, 1)
                raise Refusal(refused.status, "refused", f"not taken: {refused.reason}") from None
            if not pieces:
                self._doors.count("webhooks_asked", {"provider": provider}, 1)
            else:
                await self._durable.put(webhook.source, webhook.format, f"webhook {provider}", received_at, pieces)
            self._doors.count("records", {"route": name, "format": webhook.format}, len(pieces))
            self._doors.count("received_bytes", {"route": name}, len(body))
            return Answer.json(200, {"success": True, "accepted": len(pieces)})

        return _Route(name, ("POST", *_READ), handler)

    def _request(self, call: _Call, body: bytes, received_at: datetime) -> Request:
        scope = call.scope
        host = call.headers.get(b"host", b"").decode("latin-1")
        base = self._doors.public_url or f"{scope.get('scheme', 'http')}://{host}"
        query = scope.get("query_string", b"").decode("latin-1")
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()}
        return Request(scope["method"], f"{base}{path}{'?' if query else ''}{query}", headers, body, received_at)

    async def _healthz(self, _call: _Call) -> Answer:
        return _ALIVE

    async def _readyz(self, _call: _Call) -> Answer:
        health = self._doors.health()
        if health.is_ready:
            return Answer.json(200, {"status": "ready", **health.details})
        raise Refusal(503, "not_ready", health.reason or "events cannot be stored", retry_after=RETRY_WHEN_BROKEN)

    async def _metrics(self, call: _Call) -> Answer:
        check_scope(self._doors.authorize, token_of(call.headers), "read")
        body, content_type = self._doors.metrics_text()
        return Answer.of(200, body, content_type.encode())

    async def _openapi(self, _call: _Call) -> Answer:
        return self._document

    def _unknown(self, path: str) -> _Route:
        if path.startswith("/webhooks/"):
            return _Route("/webhooks/*", (*_READ, "POST"), self._no_webhook)
        if path.endswith("/") and path[:-1] in self._routes:
            return self._routes[path[:-1]]
        return _Route("*", (), self._healthz)

    async def _no_webhook(self, _call: _Call) -> Answer:
        known = ", ".join(sorted(self._doors.webhooks)) or "none"
        raise Refusal(404, "unknown_webhook", f"no webhook has this name; there are: {known}")

    def _refused(self, route: _Route, refusal: Refusal) -> Answer:
        self._doors.count("refused", {"route": route.name, "code": refusal.code}, 1)
        return refusal.answer(is_ingest=route.is_ingest)

    def _unusable(self, route: _Route, error: StoreError) -> Refusal:
        """503 for what is wrong on this side and can be mended, such as a damaged file of keys."""
        _log.error("%s: %s", route.name, error.message)
        return Refusal(
            503, "unavailable", "the server cannot take this now; send it again", retry_after=RETRY_WHEN_BROKEN
        )


def _unexpected(route: _Route, error: Exception) -> Refusal:
    """500, and a log of where, never of what: messages of exceptions quote what was being read."""
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[::-1])
    _log.error("%s: unexpected %s at %s", route.name, type(error).__name__, where)
    return Refusal(500, "unexpected", "the server failed on this request and stored nothing of it; it is logged")


def _media(headers: dict[bytes, bytes]) -> bytes:
    return _without_parameters(headers.get(b"content-type", b""))


@lru_cache(256)
def _without_parameters(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _unknown_media(expected: str) -> Refusal:
    return Refusal(415, "unknown_content_type", f"Content-Type must be {expected}")


async def _other(scope: Scope, receive: Receive, send: Send) -> None:
    """Lifespan has nothing to do; there are no web sockets."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
