"""Stripe payloads and Segment calls as raw tables, the shipped models from staging to the trials on top of them."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import polars as pl

from trialwise.clock import EPOCH, Clock
from trialwise.config import Config
from trialwise.engines.duckdb import Engine, connect
from trialwise.parameters import calendar, parameter_row
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.build import build
from trialwise.transform.graph import upstream
from trialwise.transform.model import Model, load_model

Json = Mapping[str, Any]
ROLES = {
    "Trial Started": "trial_started",
    "Trial Ended": "trial_ended",
    "Subscription Started": "subscription_started",
    "Subscription Ended": "subscription_ended",
    "Account Merged": "account_merged",
}
FACTS = "intermediate.trial_fact_steps"
LAST = ("intermediate.trials", FACTS)


@functools.cache
def shipped() -> Mapping[str, Model]:
    """The models from raw tables to the trials and their facts."""
    files = find_files([packaged_sql()])
    models: dict[str, Model] = {}
    waiting = list(LAST)
    while waiting:
        name = waiting.pop()
        if name not in models:
            models[name] = load_model(files[name], name)
            waiting += models[name].reads
    assert {*LAST}.union(*(upstream(models, name) for name in LAST)) >= set(models)
    return models


def trials(
    records: Iterable[Json],
    as_of: dt.datetime,
    known_at: dt.datetime | None = None,
    *,
    landed_at: dt.datetime = dt.datetime(2026, 4, 2),
    parameters: Json | None = None,
    trial_plans: Sequence[str] = (),
    timezone: str = "UTC",
) -> Engine:
    """A database in which the models ran over `records`: event envelopes, objects landed at `landed_at`, track calls.

    `known_at` defaults to everything being known. Accounts are the `account_id` of a customer's metadata and the
    `groupId` of calls.
    """
    engine = connect(threads=1)
    world = _Raw(landed_at)
    for record in records:
        world.add(record)
    for schema in ("raw", "config"):
        engine.execute(f"CREATE SCHEMA {schema}")
    for model in shipped().values():
        if model.kind == "external":
            engine.execute(model.sql)
    plans = [{"plan_id": plan} for plan in trial_plans]
    _settings(engine, Clock(as_of, known_at or dt.datetime(9000, 1, 1), timezone), parameters or {})
    for table, rows in {"config.trial_plans": plans, **world.tables()}.items():
        if rows:
            columns = engine.columns(f"SELECT * FROM {table}")
            known = [name for name, _ in columns if any(row.get(name) is not None for row in rows)]
            frame = pl.DataFrame([{name: row.get(name) for name in known} for row in rows], infer_schema_length=None)
            engine.append(table, frame)
    build(engine, shipped())
    return engine


def rows(engine: Engine, table: str = "intermediate.trials", order: str = "trial_id") -> list[dict[str, Any]]:
    """All rows of a table as dictionaries, ordered."""
    return engine.frame(f"SELECT * FROM {table} ORDER BY {order}").to_dicts()


class _Raw:
    """What the loader would write, without the loader."""

    def __init__(self, landed_at: dt.datetime) -> None:
        self._landed_at = landed_at
        self._stripe: dict[str, dict[str, Any]] = {}
        self._calls: dict[str, Json] = {}
        self._accounts: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._names: dict[str, int] = {}

    def add(self, record: Json) -> None:
        """One envelope, object or call; a second copy changes nothing."""
        if "messageId" in record:
            self._calls.setdefault(str(record["messageId"]), record)
            return
        is_event = record.get("object") == "event"
        obj: Json = record["data"]["object"] if is_event else record
        at = _instant(record["created"]) if is_event else self._landed_at
        text = json.dumps(obj, sort_keys=True)
        key = str(record["id"]) if is_event else text
        for customer in (obj.get("customer"), obj["id"] if obj["object"] == "customer" else None):
            if customer is not None:
                customer_id = customer if isinstance(customer, str) else customer["id"]
                self._key(self._accounts, f"stripe:{customer_id}")
        named = (obj.get("metadata") or {}).get("account_id")
        if named:
            self._key(self._accounts, named)
        previous = record["data"].get("previous_attributes") if is_event else None
        self._stripe.setdefault(
            key,
            {
                "record_id": str(UUID(bytes=hashlib.md5(key.encode()).digest())),
                "kind": "event" if is_event else "object",
                "event_id": record["id"] if is_event else None,
                "event_type": record["type"] if is_event else None,
                "object_type": obj["object"],
                "object_id": obj.get("id"),
                "livemode": obj.get("livemode", True),
                "created_at": at if is_event else _instant(obj.get("created")),
                "known_at": at,
                "landed_at": self._landed_at,
                "object": text,
                "previous": None if previous is None else json.dumps(previous),
                "load_order": len(self._stripe),
                "load_id": 1,
            },
        )

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Rows by table, dimensions and catalogue among them."""
        events, properties = [], []
        for message, call in self._calls.items():
            at, known = _iso(call["timestamp"]), _iso(call["receivedAt"])
            account = (call.get("context") or {}).get("groupId") or call.get("groupId")
            body = call.get("properties") or {}
            if "previous_account_id" in body:
                self._key(self._accounts, body["previous_account_id"])
            self._key(self._accounts, f"user:{call['userId']}")
            events.append(
                {
                    "event_id": message,
                    "account_key": self._key(self._accounts, account) if account else 0,
                    "user_key": self._key(self._users, call["userId"]),
                    "event_key": self._key(self._names, call["event"]),
                    "occurred_at": at,
                    "known_at": known,
                    "activity_date": at.date(),
                    "known_date": max(at, known).date(),
                    "load_id": 1,
                }
            )
            properties.append({"event_id": message, "properties": json.dumps(body)})
        catalogue = [
            {"event_key": key, "event_name": name, "canonical_name": name, "is_value": False, "feature_bit": 0}
            | {"role": ROLES.get(name), "is_notable": name in ROLES or name == "Card Added"}
            for name, key in self._names.items()
        ]
        cards = [key for name, key in self._names.items() if name == "Card Added"]
        return {
            "raw.stripe": list(self._stripe.values()),
            "raw.events": events,
            "raw.event_properties": properties,
            "raw.dim_account": _dimension("account", self._accounts),
            "raw.dim_user": _dimension("user", self._users),
            "config.event_catalogue": catalogue,
            "config.event_milestones": [{"event_key": key, "milestone": "card_added"} for key in cards],
        }

    @staticmethod
    def _key(dimension: dict[str, int], value: str) -> int:
        return dimension.setdefault(value, len(dimension) + 1)


def _dimension(name: str, keys: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{f"{name}_key": key, f"{name}_id": value} for value, key in keys.items()]


def _instant(seconds: Any) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(int(seconds), dt.UTC).replace(tzinfo=None)


def _iso(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).replace(tzinfo=None)


def _settings(engine: Engine, clock: Clock, parameters: Json) -> None:
    engine.append("config.calendar", calendar(clock.timezone, dt.date(2028, 12, 31)))
    row = {key: value for key, value in {**parameter_row(Config()), **parameters}.items() if value is not None}
    engine.append("config.parameters", pl.DataFrame([row]))
    now: dict[str, Any] = {"as_of": clock.as_of, "known_at": clock.known_at, "as_of_date": clock.as_of_date}
    as_of_no = (clock.as_of_date - EPOCH).days
    complete_no = as_of_no if clock.is_day_complete else as_of_no - 1
    now |= {"as_of_no": as_of_no, "complete_no": complete_no, "is_day_complete": clock.is_day_complete}
    engine.append("config.clock", pl.DataFrame([now]))
