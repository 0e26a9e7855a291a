"""The event log: what changed, when, in which shape of the API, and for how long it is listed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.stripe import versions
from tests.fakes.stripe.clock import DAY
from tests.fakes.stripe.errors import missing
from tests.fakes.stripe.forms import Params
from tests.fakes.stripe.store import Object, Store, within

LISTED_FOR = 30 * DAY


@dataclass(frozen=True)
class Entry:
    """One event: the object before and after in the current shape, rendered when somebody looks."""

    envelope: Object
    after: Object
    before: Object | None

    def render(self, version: str, lookup: Callable[[str], Object | None]) -> Object:
        """The event as that version of the API shows it; old ones have no envelope fields they did not know."""
        shown = versions.render(self.after, version, lookup)
        data: Object = {"object": shown}
        if self.before is not None:
            data["previous_attributes"] = differences(versions.render(self.before, version, lookup), shown)
        return versions.envelope({**self.envelope, "api_version": version, "data": data}, version)


class EventLog:
    """Events of one mode, in order; `subscribe`d deliveries hear of each one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.entries: dict[str, Entry] = {}
        self.listeners: list[Callable[[Entry], None]] = []

    def record(self, envelope: Object, after: Object, before: Object | None) -> Entry:
        """Keep an event and tell the listeners."""
        entry = Entry(envelope, copy.deepcopy(after), copy.deepcopy(before))
        self.entries[envelope["id"]] = entry
        self._store.add({"id": envelope["id"], "object": "event", "created": envelope["created"]})
        for hear in self.listeners:
            hear(entry)
        return entry

    def rendered(self, id_: str) -> Object:
        """An event in the version of its creation."""
        entry = self.entries[id_]
        return entry.render(entry.envelope["api_version"], self._store.find)

    def all(self) -> list[Object]:
        """Every event ever, oldest first, in the version of its creation."""
        return [self.rendered(id_) for id_ in self.entries]

    def retrieve(self, id_: str, now: int) -> Object:
        """One event of the last 30 days."""
        if id_ not in self.entries or self.entries[id_].envelope["created"] < now - LISTED_FOR:
            raise missing("event", id_)
        return self.rendered(id_)

    def page(self, params: Params, now: int) -> Object:
        """A page of the events of the last 30 days, newest first."""
        wanted = params.get("types") or ([params["type"]] if params.get("type") else None)
        listed = [
            {"id": id_, "created": entry.envelope["created"]}
            for id_, entry in reversed(self.entries.items())
            if entry.envelope["created"] >= now - LISTED_FOR
            and (wanted is None or any(_fits(entry.envelope["type"], pattern) for pattern in wanted))
            and within(entry.envelope["created"], params.get("created"))
        ]
        listed.sort(key=lambda event: event["created"], reverse=True)
        page = self._store.cut("event", listed, "/v1/events", params)
        return {**page, "data": [self.rendered(event["id"]) for event in page["data"]]}


def _fits(name: str, pattern: str) -> bool:
    return pattern == "*" or name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))


def differences(before: Object, after: Object) -> Object:
    """`previous_attributes`: old values of what changed; of a hash only the changed keys, of a list all."""
    found: Object = {}
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        nested = isinstance(old, dict) and isinstance(new, dict) and old and new
        found[key] = differences(old, new) if nested else old  # type: ignore[arg-type]
    return found
