"""Random worlds of people and accounts: raw rows in, identity models built, results read back under natural ids."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from trialwise.clock import Clock
from trialwise.config import Config, parse_config
from trialwise.engines.duckdb import Engine, connect
from trialwise.parameters import tables
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.build import materialise
from trialwise.transform.expand import item
from trialwise.transform.graph import order, upstream
from trialwise.transform.model import Model, load_model

START = dt.datetime(2026, 1, 1)
TARGETS = (
    "intermediate.user_links",
    "intermediate.account_links",
    "intermediate.users",
    "intermediate.customer_accounts",
    "intermediate.unresolved_customers",
    "intermediate.user_addresses",
    "intermediate.contacts",
    "intermediate.account_members",
    "intermediate.account_marks",
    "intermediate.account_standing",
    "intermediate.accounts",
    "intermediate.account_attributes",
    "intermediate.milestone_days",
    "intermediate.email_days",
    "intermediate.user_days",
)
STEPS = ("intermediate.attribute_steps", "intermediate.milestone_steps", "intermediate.email_steps")
EVENTS = ("Report Created", "Demo Requested", "Email Link Clicked", "Email Opened", "Account Merged", "Lead Accepted")
CONFIG: Config = parse_config(
    {
        "attributes": {
            "size": {"trait": "employees", "type": "number"},
            "country": {"trait": "address.country", "subject": "user"},
        },
        "events": {"value": ["Report Created"]},
        "exclude": {
            "internal_domains": ["us.example"],
            "competitor_domains": ["rival.example"],
            "free_mail_domains": ["y.example"],
            "users": ["u5"],
            "titles": ["Dev"],
        },
    }
)
EXPANSION = {
    "each_milestone": [item("each_milestone", "card_added"), item("each_milestone", "demo_requested")],
    "each_attribute": [
        item("each_attribute", "attr_size", type="DOUBLE"),
        item("each_attribute", "attr_country", type="VARCHAR"),
    ],
}


@dataclass(frozen=True)
class Record:
    """One call or Stripe event, by natural ids; `kind` is track, identify, group, alias or stripe."""

    id: str
    kind: str
    at: dt.datetime
    known: dt.datetime
    account: str | None = None
    user: str | None = None
    previous: str | None = None
    name: str | None = None
    body: dict[str, Any] = field(default_factory=dict)


def random_world(seed: int, size: int = 160) -> list[Record]:
    """Calls of 8 users, 4 anonymous visitors, 5 accounts and 4 Stripe customers over 40 days; a tenth known late."""
    dice = random.Random(seed)
    return [_record(dice, number) for number in range(size)]


def _record(dice: random.Random, number: int) -> Record:
    at = START + dt.timedelta(seconds=dice.randrange(40 * 86_400))
    late = dt.timedelta(days=dice.randrange(1, 15)) if dice.random() < 0.1 else dt.timedelta(seconds=1)
    user = dice.choice([*(f"u{n}" for n in range(8)), *(f"anon:a{n}" for n in range(4))])
    account = dice.choice([None, *(f"acc{n}" for n in range(5))])
    kind = dice.choice(["track"] * 5 + ["identify"] * 3 + ["group", "group", "alias", "stripe", "stripe"])
    rest: dict[str, Any] = {"account": account, "user": user}
    if kind == "track":
        name = dice.choice(EVENTS)
        rest |= {"name": name, "body": {"owner": dice.choice(["kim", "lee"])}}
        if name == "Account Merged":
            rest |= {
                "account": f"acc{dice.randrange(3)}",
                "body": {"previous_account_id": f"acc{dice.randrange(2, 5)}"},
            }
    elif kind == "identify":
        domain = dice.choice(["x.example", "y.example", "us.example", "rival.example"])
        body = {"email": f"{user.removeprefix('anon:')}@{domain}", "title": dice.choice(["CTO", "Dev"])}
        rest["body"] = {
            **body,
            "utm_medium": dice.choice(["cpc", "email"]),
            "address": {"country": dice.choice(["DE", "FR"])},
        }
        rest["previous"] = dice.choice([None, None, f"anon:a{dice.randrange(4)}"]) if user.startswith("u") else None
    elif kind == "group":
        rest |= {
            "account": account or "acc0",
            "body": {"name": dice.choice(["A", "B"]), "employees": dice.randrange(50)},
        }
    elif kind == "alias":
        rest |= {"account": None, "previous": f"anon:a{dice.randrange(4)}"}
    else:
        rest = {"name": dice.choice(["customer.created", "payment_method.attached"]), "account": None}
        rest["body"] = _stripe_body(dice, rest["name"], account)
    return Record(f"r{number}", kind, at, at + late, **rest)


def _stripe_body(dice: random.Random, name: str, account: str | None) -> dict[str, Any]:
    customer = f"cus_{dice.randrange(4)}"
    if name == "payment_method.attached":
        return {"object": "payment_method", "id": f"pm_{dice.randrange(9)}", "customer": customer, "type": "card"}
    metadata = {} if account is None else {"account_id": account}
    email = f"u{dice.randrange(8)}@x.example"
    return {"object": "customer", "id": customer, "email": email, "name": customer.upper(), "metadata": metadata}


def identity_models() -> dict[str, Model]:
    """The shipped identity models with everything they read."""
    files = find_files([packaged_sql()])
    everything = {
        n: load_model(p, n, EXPANSION) for n, p in files.items() if n.split(".")[0] in ("raw", "config", "staging")
    }
    for name in files:
        if name.startswith("intermediate."):
            everything[name] = load_model(files[name], name, EXPANSION)
    wanted = set(TARGETS).union(*(upstream(everything, name) for name in TARGETS), STEPS, {"intermediate.trial_dates"})
    return {name: everything[name] for name in sorted(wanted)} | {
        name: model for name, model in everything.items() if model.kind == "external"
    }


def build_world(
    records: Sequence[Record], models: dict[str, Model], as_of: dt.datetime, known_at: dt.datetime, keys: int = 0
) -> Engine:
    """All identity models over the records; `keys` seeds the order in which surrogate keys are given."""
    engine = connect(threads=2)
    for schema in ("raw", "config", "staging", "intermediate"):
        engine.execute(f"CREATE SCHEMA {schema}")
    for model in models.values():
        if model.kind == "external":
            engine.execute(model.sql)
    accounts, names = _fill_raw(engine, records, keys)
    for table, frame in tables(CONFIG, Clock(as_of, known_at, "UTC"), list(enumerate(names, start=1)), Path()).items():
        engine.append(table, frame)
    trials = models["intermediate.trial_dates"]
    engine.execute(f"CREATE TABLE {trials.name} ({', '.join(f'{c.name} {c.type}' for c in trials.columns)})")
    _fill_trials(engine, {name: key for name, key in accounts.items() if name.startswith("acc")})
    built = {n: m for n, m in models.items() if n != trials.name}
    for model in order({**built, trials.name: _external(trials)}):
        materialise(engine, model)
    return engine


def _external(trials: Model) -> Model:
    """The trials as a table that is simply there: identity does not depend on how they are made."""
    return Model(trials.name, trials.path, trials.source, trials.header, trials.columns, (), "external", None)


def _fill_trials(engine: Engine, accounts: dict[str, int]) -> None:
    rows = [
        {
            "trial_id": f"{name}:{n}",
            "account_key": key,
            "start_date": (START + dt.timedelta(days=20 * n)).date(),
            "start_no": (START + dt.timedelta(days=20 * n) - dt.datetime(1970, 1, 1)).days,
            "days_kept": 25,
        }
        for name, key in accounts.items()
        for n in (0, 1)
    ]
    if rows:
        engine.append("intermediate.trial_dates", pl.DataFrame(rows))


def _fill_raw(engine: Engine, records: Sequence[Record], keys: int) -> tuple[dict[str, int], list[str]]:
    dice = random.Random(keys)
    calls = [r for r in records if r.kind != "stripe"]
    people = sorted({u for r in calls for u in (r.user, r.previous) if u})
    customers = {r.body.get("customer") or r.body["id"] for r in records if r.kind == "stripe"}
    named = {a for r in records for a in (r.account, r.body.get("metadata", {}).get("account_id")) if a}
    places = sorted(named | {f"user:{u}" for u in people} | {f"stripe:{c}" for c in customers})
    names = sorted({r.name for r in calls if r.name})
    for ids in (people, places, names):
        dice.shuffle(ids)
    users = {name: key for key, name in enumerate(people, start=1)}
    accounts = {name: key for key, name in enumerate(places, start=1)}
    events = {name: key for key, name in enumerate(names, start=1)}
    engine.execute("INSERT INTO raw.dim_account VALUES (0, NULL); INSERT INTO raw.dim_user VALUES (0, NULL)")
    for table, ids, column in (
        ("account", accounts, "account_id"),
        ("user", users, "user_id"),
        ("event", events, "event_name"),
    ):
        frame = pl.DataFrame(
            {f"{table}_key": list(ids.values()), column: list(ids)}, schema_overrides={column: pl.String}
        )
        engine.append(f"raw.dim_{table}", frame)
    for record in records:
        _insert(engine, record, accounts, users, events)
    return accounts, names


def _insert(engine: Engine, r: Record, accounts: dict[str, int], users: dict[str, int], events: dict[str, int]) -> None:
    uuid = str(UUID(hashlib.md5(r.id.encode(), usedforsecurity=False).hexdigest()))
    body = json.dumps(r.body)
    account, user, previous = (
        accounts.get(r.account or "", 0),
        users.get(r.user or "", 0),
        users.get(r.previous or "", 0),
    )
    known_date = max(r.at.date(), r.known.date())
    if r.kind == "track":
        row = [uuid, account, user, events[r.name or ""], r.at, r.known, r.at.date(), known_date]
        engine.execute("INSERT INTO raw.events VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, NULL)", row)
        engine.execute("INSERT INTO raw.event_properties VALUES (?, ?)", [uuid, body])
    elif r.kind == "stripe":
        sql = """INSERT INTO raw.stripe (record_id, kind, event_id, event_type, object_type, object_id, livemode,
          created_at, known_at, landed_at, object, load_order, load_id)
          VALUES (?, 'event', ?, ?, ?, ?, true, ?, ?, ?, ?, 1, 1)"""
        row = [uuid, r.id, r.name, r.body["object"], r.body["id"], r.at, r.known, r.known, body]
        engine.execute(sql, row)
    else:
        row = [uuid, r.kind, user, account, previous, r.at, r.known, known_date, body]
        engine.execute("INSERT INTO raw.identities VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, NULL)", row)


def natural(engine: Engine, models: dict[str, Model], name: str, where: str = "TRUE") -> list[tuple[Any, ...]]:
    """The rows of a model (`m`) with every surrogate key replaced by the id it stands for, sorted."""
    selected, joins = [], []
    for number, column in enumerate(models[name].column_names):
        if column.endswith("user_key"):
            joins.append(f"LEFT JOIN raw.dim_user AS j{number} ON j{number}.user_key = m.{column}")
            selected.append(f"j{number}.user_id")
        elif column.endswith(("account_key", "announced_key")):
            joins.append(f"LEFT JOIN raw.dim_account AS j{number} ON j{number}.account_key = m.{column}")
            selected.append(f"j{number}.account_id")
        else:
            selected.append(f"m.{column}")
    return sorted(
        engine.rows(f"SELECT {', '.join(selected)} FROM {name} AS m {' '.join(joins)} WHERE {where}"), key=str
    )
