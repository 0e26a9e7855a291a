"""Objects by id in the order of their making, and Stripe's lists over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.fakes.stripe.errors import ApiError, invalid, missing
from tests.fakes.stripe.forms import Params, whole

Object = dict[str, Any]


class Store:
    """All objects of one mode; the newest is listed first, objects of one second by order of making."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._order: dict[str, int] = {}
        self._kinds: dict[str, list[str]] = {}

    def add(self, thing: Object) -> Object:
        """Keep a new object."""
        if thing["id"] in self._objects:
            raise ApiError(
                400,
                f"{thing['object'].title()} already exists.",
                code="resource_already_exists",
                param="id",
            )
        self._objects[thing["id"]] = thing
        self._order[thing["id"]] = len(self._order)
        self._kinds.setdefault(thing["object"], []).append(thing["id"])
        return thing

    def find(self, id_: str | None) -> Object | None:
        """Any object by id."""
        return self._objects.get(id_) if id_ else None

    def get(self, kind: str, id_: str, param: str = "id") -> Object:
        """One object; 404 `resource_missing` when there is none (400 when the id came in `param`)."""
        found = self._objects.get(id_)
        if found is None or found["object"] != kind:
            raise missing(kind, id_, param)
        return found

    def of(self, kind: str) -> list[Object]:
        """Objects of one kind, oldest first."""
        return [self._objects[id_] for id_ in self._kinds.get(kind, ()) if id_ in self._objects]

    def remove(self, thing: Object) -> None:
        """Forget an object: it vanishes from lists and is no cursor any more."""
        del self._objects[thing["id"]]

    def page(self, kind: str, url: str, params: Params, keep: Callable[[Object], bool]) -> Object:
        """One page of a list, newest first."""
        listed = [thing for thing in self.of(kind) if keep(thing) and within(thing["created"], params.get("created"))]
        listed.sort(key=lambda thing: (thing["created"], self._order[thing["id"]]), reverse=True)
        return self.cut(kind, listed, url, params)

    def cut(self, kind: str, listed: list[Object], url: str, params: Params) -> Object:
        """The page that limit and cursor ask for, out of all that matches."""
        limit = whole(params, "limit", 10)
        if limit is None or not 1 <= limit <= 100:
            raise invalid("limit", "This value must be between 1 and 100.", "parameter_invalid_integer")
        after, before = params.get("starting_after"), params.get("ending_before")
        if after and before:
            raise ApiError(400, "Received both ending_before and starting_after parameters.", param="ending_before")
        if after:
            rank = self._rank(kind, after, "starting_after")
            tail = [thing for thing in listed if self._key(thing) < rank]
            return sheet(tail[:limit], len(tail) > limit, url)
        if before:
            rank = self._rank(kind, before, "ending_before")
            head = [thing for thing in listed if self._key(thing) > rank]
            return sheet(head[-limit:], len(head) > limit, url)
        return sheet(listed[:limit], len(listed) > limit, url)

    def _key(self, thing: Object) -> tuple[int, int]:
        return thing["created"], self._order.get(thing["id"], -1)

    def _rank(self, kind: str, id_: str, param: str) -> tuple[int, int]:
        return self._key(self.get(kind, id_, param))


def sheet(data: Iterable[Object], has_more: bool, url: str) -> Object:
    """A list object."""
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def within(created: int, bound: Any) -> bool:
    """Does `created` satisfy the filter `created` or `created[gte]` and so on?"""
    if bound in (None, ""):
        return True
    if not isinstance(bound, dict):
        return created == _instant(bound)
    tests: dict[str, Callable[[int, int], bool]] = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }
    for name, value in bound.items():
        if name not in tests:
            raise ApiError(400, f"Received unknown parameter: created[{name}]", code="parameter_unknown")
        if not tests[name](created, _instant(value)):
            return False
    return True


def _instant(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise invalid("created", f"Invalid timestamp: {value}", "parameter_invalid_integer") from None
