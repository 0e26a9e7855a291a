"""Valid instances of a JSON Schema as webhook schemas are written: the least one may hold, and one of everything."""

from __future__ import annotations

from typing import Any

_NAMED = {"email": "ann@acme.example", "new_email": "bob@acme.example"}


def least(schema: dict[str, Any]) -> Any:
    """An instance with what is required alone."""
    return _instance(schema, "", "", required=schema.get("required", ()))


def everything(schema: dict[str, Any], moment: str) -> Any:
    """An instance with every property, each list with one element, each instant `moment`."""
    return _instance(schema, "", moment, required=None)


def _instance(schema: dict[str, Any], name: str, moment: str, required: Any) -> Any:
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else next(one for one in kinds if one != "null")
    if kind == "object":
        properties = schema.get("properties", {})
        chosen = properties if required is None else {key: properties[key] for key in required}
        return {key: _instance(inner, key, moment, required) for key, inner in chosen.items()}
    if kind == "array":
        return [_instance(schema.get("items", {}), name, moment, required)]
    return {
        "string": _NAMED.get(name) or (moment if schema.get("format") == "date-time" else f"{name} text"),
        "integer": 7,
        "number": 7.5,
        "boolean": True,
    }[kind]
