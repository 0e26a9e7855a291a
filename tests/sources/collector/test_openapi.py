"""The OpenAPI document is true: requests made from it, valid and broken, are answered as it says, never by 5xx."""

from __future__ import annotations

import json
from collections.abc import Callable

import schemathesis
from tests.sources.collector.kit import HOST, KEYS, Collector

from trialwise.sources.collector import Limits

COLLECTOR = Collector(keys=KEYS)


@schemathesis.serializer("application/x-ndjson")
def ndjson(context: schemathesis.SerializationContext, value: object) -> bytes:
    """A line for each element; what is no list has no lines."""
    return b"\n".join(json.dumps(one).encode() for one in value) if isinstance(value, list) else b""


@schemathesis.serializer("application/cloudevents+json", "application/cloudevents-batch+json")
def cloudevents(context: schemathesis.SerializationContext, value: object) -> bytes:
    return json.dumps(value).encode()


REFUSALS = {"expected-statuses": ["400", "401", "403", "404", "405", "413", "415"]}
CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {"mode": "all", "max-examples": 20, "database": "none"},
        "checks": {"negative_data_rejection": REFUSALS},
    }
)
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", COLLECTOR.app, config=CONFIG, headers={"Host": HOST})


def answers_are_as_described(path: str, method: str) -> Callable[..., object]:
    """Valid and invalid requests to one route: no 5xx, and status, headers and body as the document says."""

    @SCHEMA.include(path=path, method=method).parametrize()
    def test(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"Host": HOST, "Authorization": f"Bearer {KEYS['admin']}", "X-Sign": "new"})

    return test


# A test of its own for each route: those of one parametrized test share an id, of which pytest-xdist runs one.
for path, item in COLLECTOR.ask("GET", "/openapi.json").json()["paths"].items():
    for method in item:
        name = f"test_{method}_{path.strip('/').replace('/', '_').replace('.', '_')}_answers_as_described"
        globals()[name] = answers_are_as_described(path, method.upper())


def test_every_route_is_described() -> None:
    document = COLLECTOR.ask("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    for method, path in described:
        assert COLLECTOR.ask(method, path, b"{}").status_code not in (404, 405) or path == "/webhooks/other"
    assert {path for _, path in described} >= {f"/v1/{kind}" for kind in ("track", "batch", "events")}
    assert {"/webhooks/hook", "/healthz", "/readyz", "/metrics", "/openapi.json"} <= {path for _, path in described}


def test_limits_are_told() -> None:
    document = Collector(limits=Limits(call=12_345)).ask("GET", "/openapi.json").json()
    assert "12,345 bytes" in document["paths"]["/v1/track"]["post"]["description"]
