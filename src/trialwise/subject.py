"""Whose records an account's or a user's are, by identity as it is known now: the ids and addresses they have."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from trialwise import building, composition
from trialwise.clock import clock_for, utc_now
from trialwise.engines.duckdb import Engine
from trialwise.landing.suppression import ANONYMOUS, Names
from trialwise.workspace import Workspace

Kind = Literal["account", "user"]
OWN, OF_STRIPE = "user:", "stripe:"
"""How accounts of users and customers who never named one begin."""
_READ = ("intermediate.account_links", "intermediate.user_links", "intermediate.user_addresses",
         "intermediate.customer_accounts")  # fmt: skip
_ACCOUNTS = """
SELECT a.account_key, a.account_id FROM staging.accounts AS a WHERE list_contains($ids, a.account_id)
UNION
SELECT a.account_key, a.account_id
FROM intermediate.account_links AS l
JOIN staging.accounts AS a ON a.account_key = l.announced_key
JOIN staging.accounts AS s ON s.account_key = l.account_key
WHERE list_contains($ids, s.account_id)
"""
_MEMBERS = """
SELECT coalesce(l.canonical_user_key, p.user_key)
FROM intermediate.account_users AS p
LEFT JOIN intermediate.user_aliases AS l ON l.user_key = p.user_key
WHERE p.user_key <> 0 AND p.account_key <> 0
GROUP BY ALL
HAVING bool_and(list_contains($accounts, p.account_key))
"""
_PERSONS = """
SELECT coalesce(l.canonical_user_key, u.user_key)
FROM staging.users AS u
LEFT JOIN intermediate.user_aliases AS l ON l.user_key = u.user_key
WHERE list_contains($ids, u.user_id)
   OR u.user_key IN (
     SELECT a.user_key FROM intermediate.user_addresses AS a WHERE a.place = 1 AND list_contains($ids, a.email))
"""
_IDS = """
SELECT u.user_key, u.user_id
FROM staging.users AS u
LEFT JOIN intermediate.user_aliases AS l ON l.user_key = u.user_key
WHERE list_contains($persons, coalesce(l.canonical_user_key, u.user_key))
"""
_ADDRESSES = """
SELECT email FROM intermediate.user_addresses GROUP BY email HAVING bool_and(list_contains($users, user_key))
"""
_CUSTOMERS = """
SELECT c.customer_id FROM intermediate.customer_accounts AS c WHERE list_contains($accounts, c.account_id)
"""
_CUSTOMER_ADDRESSES = """
SELECT lower(trim(email)) AS address FROM staging.stripe_customers WHERE email IS NOT NULL
GROUP BY address HAVING bool_and(list_contains($customers, customer_id))
EXCEPT
SELECT email FROM intermediate.user_addresses WHERE NOT list_contains($users, user_key)
"""
_REFERENCES = """
CREATE OR REPLACE TEMP TABLE stripe_references AS
SELECT object_id, list_append(json_extract_string(object, [
  '$.id', '$.customer', '$.customer.id', '$.subscription', '$.subscription.id', '$.invoice', '$.invoice.id', '$.charge',
  '$.payment_intent', '$.payment_method', '$.setup_intent', '$.latest_charge', '$.source', '$.payment.payment_intent',
  '$.parent.subscription_details.subscription']), previous ->> '$.customer') AS leads_to
FROM raw.stripe
WHERE object_id IS NOT NULL AND object_type NOT IN ('product', 'price', 'plan', 'coupon')
"""
_THEIRS = "SELECT DISTINCT object_id FROM stripe_references WHERE list_has_any(leads_to, $known)"
_COUNTS = {
    "events": """
        SELECT count(*) FROM raw.events
        WHERE list_contains($accounts, account_key) OR list_contains($users, user_key)""",
    "identities": """
        SELECT count(*) FROM raw.identities
        WHERE list_contains($accounts, account_key) OR list_contains($users, user_key)
          OR list_contains($users, previous_user_key)""",
    "stripe_records": "SELECT count(*) FROM raw.stripe WHERE list_contains($stripe, object_id)",
}


@dataclass(frozen=True)
class Subject:
    """Who is meant. is_known: whether the store knows any of the ids that were named.

    events, identities, stripe_records: rows of theirs in the raw tables. people: how many; customers: of Stripe.
    """

    names: Names
    is_known: bool
    people: int
    customers: int
    events: int
    identities: int
    stripe_records: int


def named(kind: Kind, ids: Collection[str]) -> Names:
    """Ids of accounts, or ids and addresses of users, as whatever they may be on the list."""
    if kind == "user":
        either = {*ids, *(f"{ANONYMOUS}{one}" for one in ids)}
        return Names(users=frozenset(either), addresses=frozenset(one.strip().lower() for one in ids if "@" in one))
    return Names(
        frozenset(one for one in ids if not one.startswith((OWN, OF_STRIPE))),
        frozenset(one.removeprefix(OWN) for one in ids if one.startswith(OWN)),
        stripe=frozenset(one.removeprefix(OF_STRIPE) for one in ids if one.startswith(OF_STRIPE)),
    )


def find(workspace: Workspace, store: Engine, kind: Kind, ids: Collection[str]) -> Subject:
    """The subject that ids of accounts, or ids and addresses of users, name; the store is loaded.

    An account's users who were seen in another one as well are not part of it. A user's account is theirs alone where
    they never named one.
    """
    present = utc_now() + timedelta(days=1)
    moment = f"{present:%Y-%m-%dT%H:%M:%SZ}"
    clock = clock_for(workspace.config.workspace.timezone, moment, moment)  # whatever the results are fixed to
    models = composition.models(workspace.config, workspace.models)
    path = workspace.data / "scratch" / "subject.duckdb"
    with store.beside(path, "raw") as scratch:
        with scratch.transaction():
            building.build_some(workspace, scratch, clock, models, _READ)
        return _find(scratch, kind, ids)


def _find(engine: Engine, kind: Kind, ids: Collection[str]) -> Subject:
    own = {one.removeprefix(OWN) for one in ids if kind == "account" and one.startswith(OWN)}
    wanted = sorted(ids) if kind == "account" else []
    accounts = dict(engine.rows(_ACCOUNTS, {"ids": wanted}))
    called = sorted(
        {*ids, *(f"{ANONYMOUS}{one}" for one in ids), *(one.lower() for one in ids)} if kind == "user" else own
    )
    persons = set(_column(engine, _PERSONS, ids=called))
    if accounts:
        persons |= set(_column(engine, _MEMBERS, accounts=sorted(accounts)))
    users = dict(engine.rows(_IDS, {"persons": sorted(persons)}))
    addresses = set(_column(engine, _ADDRESSES, users=sorted(users)))
    theirs = sorted({*accounts.values(), *(f"{OWN}{user}" for user in users.values())})
    customers = set(_column(engine, _CUSTOMERS, accounts=theirs))
    addresses |= set(_column(engine, _CUSTOMER_ADDRESSES, customers=sorted(customers), users=sorted(users)))
    named = set(ids) if kind == "user" else own
    implied = {one.removeprefix(OF_STRIPE) for one in wanted if one.startswith(OF_STRIPE)}
    names = Names(
        frozenset(one for one in {*accounts.values(), *wanted} if not one.startswith((OWN, OF_STRIPE))),
        frozenset({*users.values(), *(one for one in named if kind == "user" or one)}),
        frozenset({*addresses, *(one.strip().lower() for one in named if "@" in one)}),
        frozenset(_stripe_ids(engine, customers) | implied),
    )
    keys = {"accounts": sorted(accounts), "users": sorted(users), "stripe": sorted(names.stripe)}
    counts = {name: int(engine.rows(sql, _of(sql, keys))[0][0]) for name, sql in _COUNTS.items()}
    return Subject(names, bool(accounts or users or customers), len(persons), len(customers), **counts)


def _stripe_ids(engine: Engine, customers: Iterable[str]) -> set[str]:
    """Customers with everything in Stripe that hangs on them alone."""
    known, before = set(customers), 0
    if known:
        engine.execute(_REFERENCES)
    while len(known) > before:
        before = len(known)
        known |= set(_column(engine, _THEIRS, known=sorted(known)))
    return known


def _column(engine: Engine, sql: str, **values: Any) -> list[Any]:
    return [row[0] for row in engine.rows(sql, values)]


def _of(sql: str, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f"${name}" in sql}
