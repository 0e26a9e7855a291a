"""The collector's OpenAPI document: every route, what it takes and everything it may answer."""

from __future__ import annotations

from typing import Any

from trialwise.sources.collector.doors import Doors, Limits
from trialwise.sources.collector.segment import KINDS

_Doc = dict[str, Any]

_TELLS = {
    "track": "something a user did",
    "identify": "who a user is",
    "group": "which account a user belongs to, and what is known of it",
    "page": "a page a user saw",
    "screen": "a screen a user saw",
    "alias": "two ids of one user",
}
_STATUSES = {
    "400": "The body, or the request, is not what is expected; sending it again changes nothing.",
    "401": "No key, or one nobody knows.",
    "403": "The key has another scope.",
    "404": "There is nothing at this path, or the webhook has no secret configured.",
    "405": "The path answers other methods; Allow lists them.",
    "408": "The body did not arrive in time; send it again.",
    "413": "Larger than the limits say.",
    "415": "Another Content-Type or Content-Encoding than is taken.",
    "421": "The server does not answer to this Host name.",
    "429": "Too much waits to be stored; send it again after Retry-After seconds.",
    "500": "A failure of the server; nothing was stored.",
    "503": "Nothing can be stored now; send it again after Retry-After seconds.",
    "507": "The disk is full and nothing was stored; send it again after Retry-After seconds.",
}
_BODY = ("400", "408", "413", "415", "421", "429", "500", "503", "507")
_KEYS: list[_Doc] = [{"basic": []}, {"bearer": []}, {"header": []}]


def document(doors: Doors, limits: Limits) -> _Doc:
    """The document of an application built with these doors and limits."""
    paths: _Doc = {f"/v1/{kind}": _call(kind, limits) for kind in KINDS}
    paths["/v1/batch"] = _batch(limits)
    paths["/v1/events"] = _events(limits)
    for provider, webhook in sorted(doors.webhooks.items()):
        paths[f"/webhooks/{provider}"] = _webhook(provider, webhook.signed_by, webhook.max_bytes)
    paths |= {
        "/healthz": _read("Whether the process lives", "alive"),
        "/readyz": _read("Whether events can be stored now", "ready", ("503",)),
        "/metrics": _metrics(),
        "/openapi.json": _read("This document", "document", schema={"type": "object"}),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "trialwise collector",
            "version": "1",
            "description": (
                "Takes product events and webhooks. An answer of 2xx means that what was sent is durable: it is in the "
                "results once, or in quarantine with a reason. Without any key the server takes events from its own "
                "machine; as soon as one exists, every request needs one."
            ),
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, no password."},
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
            "schemas": {
                "Taken": _object(success={"const": True}),
                "Counted": _object(success={"const": True}, accepted={"type": "integer", "minimum": 0}),
                "Refused": _object(success={"const": False}, code={"type": "string"}, message={"type": "string"}),
                "Error": _object(error=_object(code={"type": "string"}, message={"type": "string"})),
            },
        },
    }


def _call(kind: str, limits: Limits) -> _Doc:
    text = (
        f"One {kind} call of Segment's HTTP API. `type` may be missing: the path says it. Also taken as text/plain, as "
        f"browsers send it, gzipped, and at /v1/{kind[0]}. At most {limits.call:,} bytes."
    )
    return _ingest(f"{kind.capitalize()}: {_TELLS[kind]}", text, {"application/json": {"type": "object"}}, "Taken")


def _batch(limits: Limits) -> _Doc:
    schema = {
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": {"type": "array", "maxItems": limits.calls, "items": {"description": "a call, with its `type`"}},
            "sentAt": {"description": "when the client sent the batch, by its clock"},
            "context": {"description": "context of every call of the batch"},
        },
    }
    text = (
        f"Calls of Segment's HTTP API, at most {limits.calls:,} in {limits.batch:,} bytes. A bad call costs the others "
        f"nothing: it goes to quarantine, as does one of more than {limits.call:,} bytes."
    )
    return _ingest("A batch of calls", text, {"application/json": schema}, "Taken")


def _events(limits: Limits) -> _Doc:
    text = {"type": "string", "minLength": 1}
    event = {
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {"specversion": {"enum": ["1.0", "1.0.2"]}, "id": text, "source": text, "type": text},
    }
    several = {"type": "array", "maxItems": limits.calls, "items": {}}
    media: dict[str, _Doc] = {
        "application/json": {"anyOf": [{"type": "object"}, several]},
        "application/x-ndjson": {**several, "contains": {"type": "object"}, "description": "a value a line"},
        "application/x-www-form-urlencoded": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 500,
            "additionalProperties": {"type": "string"},
        },
        "application/cloudevents+json": event,
        "application/cloudevents-batch+json": several,
    }
    told = (
        "Flat records (event, account_id, user_id, timestamp, and properties beside them) as one object, a list, one "
        "object a line or a form; or CloudEvents 1.x, structured, batched, or binary with ce- headers. At most "
        f"{limits.calls:,} records of {limits.event:,} bytes in {limits.events:,} bytes."
    )
    doc = _ingest("Flat events and CloudEvents", told, media, "Counted")
    doc["options"]["summary"] = "CORS preflight, and the handshake of CloudEvents' webhooks"
    doc["options"]["responses"]["200"] = {
        "description": "To a request with WebHook-Request-Origin: that sender may deliver events here.",
        "headers": {
            name: {"schema": {"type": "string"}} for name in ("WebHook-Allowed-Origin", "WebHook-Allowed-Rate", "Allow")
        },
    }
    return doc


def _ingest(summary: str, text: str, media: dict[str, _Doc], taken: str) -> _Doc:
    statuses = (*_BODY, "401", "403")
    return {
        "post": {
            "summary": summary,
            "description": text,
            "security": _KEYS,
            "requestBody": {"required": True, "content": {name: {"schema": schema} for name, schema in media.items()}},
            "responses": {"200": _response("Durable.", taken), **_refusals(statuses, "Refused")},
        },
        "options": {
            "summary": "CORS preflight",
            "responses": {
                "204": {"description": "Pages of any site may send events."},
                **_refusals(("421", "429"), "Refused"),
            },
        },
    }


def _webhook(provider: str, signed_by: str, max_bytes: int) -> _Doc:
    missing = ("404", "421", "429", "500")
    return {
        "post": {
            "summary": f"Webhook of {provider}",
            "description": f"{signed_by} At most {max_bytes:,} bytes. Needs TRIALWISE_WEBHOOK_{provider.upper()}.",
            "requestBody": {"content": {"*/*": {}}},
            "responses": {"200": _response("Durable.", "Counted"), **_refusals((*_BODY, "404"), "Error")},
        },
        "get": {
            "summary": f"Whether the webhook of {provider} is there, for providers that ask",
            "responses": {
                "200": _response("It is.", _object(webhook={"const": provider}, signed_by={"type": "string"})),
                **_refusals(missing, "Error"),
            },
        },
    }


def _read(summary: str, status: str, more: tuple[str, ...] = (), schema: _Doc | None = None) -> _Doc:
    body = schema or _object(status={"const": status})
    return {
        "get": {
            "summary": summary,
            "responses": {"200": _response("Yes.", body), **_refusals(("421", "429", "500", *more), "Error")},
        }
    }


def _metrics() -> _Doc:
    answer = {"description": "Counters and gauges.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "get": {
            "summary": "Metrics in Prometheus' text format; a key needs the scope read",
            "security": _KEYS,
            "responses": {"200": answer, **_refusals(("401", "403", "421", "429", "500", "503"), "Error")},
        }
    }


def _refusals(statuses: tuple[str, ...], schema: str) -> _Doc:
    every = sorted({*statuses, "405"})
    return {status: _response(_STATUSES[status], schema) for status in every}


def _response(text: str, schema: str | _Doc) -> _Doc:
    told = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    return {"description": text, "content": {"application/json": {"schema": told}}}


def _object(**properties: _Doc) -> _Doc:
    return {"type": "object", "required": list(properties), "properties": properties}
