"""Stripe's form encoding: `items[0][price]=price_1&expand[]=customer` to nested values, and typed readings."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.stripe.errors import ApiError, invalid, required

Params = dict[str, Any]


def parse(text: str) -> Params:
    """Query or body as nested dicts and lists; values stay text."""
    root: Params = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, _, tail = name.partition("[")
        path = [head, *re.findall(r"\[([^\]]*)\]", "[" + tail)] if tail else [head]
        here: Any = root
        for step, following in pairwise(path):
            fresh: Any = [] if following == "" else {}
            if isinstance(here, list):
                here.append(fresh)
                here = fresh
            else:
                here = here.setdefault(step, fresh)
        if isinstance(here, list):
            here.append(value)
        else:
            here[path[-1]] = value
    return _listed(root)


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        if value and all(key.isdigit() for key in value):
            return [_listed(value[key]) for key in sorted(value, key=int)]
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, list) else value


def known(params: Params, *names: str) -> Params:
    """The same parameters; 400 as Stripe answers when one is unknown (or not carried by this fake)."""
    for name in params:
        if name not in names and name != "expand":
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    return params


def whole(params: Params, name: str, default: int | None = None) -> int | None:
    """An integer parameter."""
    value = params.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer") from None


def flag(params: Params, name: str, default: bool = False) -> bool:
    """A boolean parameter."""
    value = params.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise invalid(name, f"Invalid boolean: {value}")
    return bool(value == "true")


def text(params: Params, name: str) -> str | None:
    """A text parameter; empty means unset."""
    value = params.get(name)
    return str(value) if value not in (None, "") else None


def needed(params: Params, name: str) -> Any:
    """A parameter that must be there."""
    if params.get(name) in (None, ""):
        raise required(name)
    return params[name]


def merged(metadata: dict[str, str], params: Params) -> dict[str, str]:
    """Metadata after an update: an empty value removes the key."""
    given = params.get("metadata")
    if given is None:
        return metadata
    if given == "":
        return {}
    after = {**metadata, **given}
    return {key: value for key, value in after.items() if value != ""}
