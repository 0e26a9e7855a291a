"""Input of any size for the benchmarks: flat events as Parquet and NDJSON, and Stripe envelopes as NDJSON.

Imports nothing of the product. Events are skewed (the busiest account of 100,000 has about one event in a hundred), 2 %
are sent twice, 1 % arrive days late, and the rows stand in the order of arrival. There is one account, with one trial,
to a hundred events unless another number is asked for. The same arguments give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb

AS_OF = datetime(2026, 3, 31, tzinfo=UTC)
DAYS = 365
OPENED = AS_OF - timedelta(days=DAYS)
TRIAL = timedelta(days=14)
EVENTS_PER_ACCOUNT = 100
DUPLICATES = 0.02
LATE = 0.01
SITTING = 6
"""Events of one user within minutes: people come for a while, so a day of use holds several."""
SKEW = 2.5
"""Account rank = accounts * u ** SKEW, u uniform: the density falls with rank ** -0.6."""

VALUE_EVENTS = (
    "Query Run",
    "Report Built",
    "Dashboard Published",
    "Export Downloaded",
    "Alert Created",
    "Comment Posted",
)
OTHER_EVENTS = ("Signed In", "Settings Changed", "Help Article Opened", "Page Scrolled")
MILESTONES = ("Data Source Connected", "Invite Sent", "Demo Requested")

# Every draw of an event or account has a number of its own: hash() of two arguments would correlate the draws.
_EVENTS = """
CREATE OR REPLACE MACRO uniform(n, draw) AS (hash(n * 64 + draw + $seed * 1000000000000) >> 11) / 9007199254740992.0;
CREATE OR REPLACE TABLE events AS
WITH drawn AS (
    SELECT
        range AS n,
        -- a prime scatters the busy accounts over the numbers
        (CAST(floor($accounts * pow(uniform(range // $sitting, 0), $skew)) AS BIGINT) * 1000003 + 17)
            % $accounts AS account,
        uniform(range // $sitting, 1) AS user_draw,
        uniform(range, 2) AS event_draw,
        uniform(range, 3) AS rare_draw,
        pow(uniform(range // $sitting, 4), 1.7) AS since_start
    FROM range($events)
), timed AS (
    SELECT
        n,
        account,
        CAST(floor((1 + floor(-2 * ln(1 - uniform(-1 - account, 5)))) * user_draw * user_draw) AS INTEGER) AS member,
        CASE WHEN rare_draw < 0.01 THEN $milestones[1 + CAST(floor(event_draw * len($milestones)) AS INTEGER)]
            ELSE $names[1 + CAST(floor(event_draw * event_draw * len($names)) AS INTEGER)] END AS event,
        $opened + to_microseconds(CAST(
            (uniform(-1 - account, 6) + (1 - uniform(-1 - account, 6)) * since_start)
            * ($days * 86400e6 - 3600e6) + (n % $sitting) * 100e6 + 60e6 * uniform(n, 11) AS BIGINT
        )) AS occurred_at
    FROM drawn
), sent AS (
    SELECT
        *,
        CASE WHEN uniform(n // $sitting, 7) < $late
            THEN least(
                occurred_at + to_seconds(CAST(86400 * (1 + 29 * uniform(n // $sitting, 8)) AS BIGINT)),
                $as_of - INTERVAL 1 SECOND
            )
            ELSE occurred_at + to_milliseconds(CAST(5000 * uniform(n, 8) AS BIGINT)) END AS received_at
    FROM timed
)
SELECT
    CAST(CAST(md5('event' || n || $seed) AS UUID) AS VARCHAR) AS id,
    event,
    'acct-' || account AS account_id,
    'user-' || account || '-' || member AS user_id,
    occurred_at,
    received_at
FROM sent
UNION ALL
SELECT
    CAST(CAST(md5('event' || n || $seed) AS UUID) AS VARCHAR),
    event,
    'acct-' || account,
    'user-' || account || '-' || member,
    occurred_at,
    received_at + to_seconds(CAST(1 + 400 * uniform(n, 9) AS BIGINT))
FROM sent
WHERE uniform(n, 10) < $duplicates
"""
_COLUMNS = {
    "parquet": "id, event, account_id, user_id, occurred_at AS timestamp, received_at",
    "json": (
        "id, event, account_id, user_id, strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS timestamp, "
        "strftime(received_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS received_at"
    ),
}


@dataclass(frozen=True)
class Inputs:
    """What was written; `rows` counts the duplicates too, `ndjson` is None where it was not asked for."""

    parquet: Path
    ndjson: Path | None
    stripe: Path
    toml: Path
    rows: int
    accounts: int


def generate(folder: Path, events: int, *, accounts: int | None = None, seed: int = 1, ndjson: bool = False) -> Inputs:
    """Write `events` distinct events with their duplicates, the Stripe events of every account, and a trialwise.toml.

    accounts: how many, each with a trial (default: one to a hundred events). Raises ValueError for fewer than 10,000
    events, too few for a skew.
    """
    if events < 10_000:
        raise ValueError(f"{events} events are too few to be skewed; at least 10,000 are needed")
    folder.mkdir(parents=True, exist_ok=True)
    accounts = accounts or events // EVENTS_PER_ACCOUNT
    connection = duckdb.connect(str(folder / "generate.duckdb"))
    try:
        macro, table = _EVENTS.split(";\n", 1)
        connection.execute(macro.replace("$seed", str(seed)))
        connection.execute(table, _parameters(events, accounts, seed))
        rows = connection.execute("SELECT count(*) FROM events").fetchall()[0][0]
        for kind in ("parquet", "json") if ndjson else ("parquet",):
            path = folder / ("events.ndjson" if kind == "json" else "events.parquet")
            ordered = f"SELECT {_COLUMNS[kind]} FROM events ORDER BY events.received_at, id"
            connection.execute(f"COPY ({ordered}) TO '{path}' (FORMAT {kind})")
        starts = connection.execute(
            "SELECT uniform(-1 - range, 6) FROM range($accounts) ORDER BY range", {"accounts": accounts}
        ).fetchall()
    finally:
        connection.close()
        (folder / "generate.duckdb").unlink()
    with (folder / "stripe.ndjson").open("w", encoding="utf-8") as file:
        file.writelines(stripe_lines([start for (start,) in starts], seed))
    (folder / "trialwise.toml").write_text(toml_text(), encoding="utf-8")
    return Inputs(
        parquet=folder / "events.parquet",
        ndjson=folder / "events.ndjson" if ndjson else None,
        stripe=folder / "stripe.ndjson",
        toml=folder / "trialwise.toml",
        rows=rows,
        accounts=accounts,
    )


def _parameters(events: int, accounts: int, seed: int) -> dict[str, object]:
    return {
        "events": events,
        "accounts": accounts,
        "skew": SKEW,
        "sitting": SITTING,
        "seed": str(seed),
        "days": DAYS,
        "late": LATE,
        "duplicates": DUPLICATES,
        "opened": OPENED.replace(tzinfo=None),
        "as_of": AS_OF.replace(tzinfo=None),
        "names": [*VALUE_EVENTS, *OTHER_EVENTS],
        "milestones": list(MILESTONES),
    }


def stripe_lines(starts: list[float], seed: int) -> Iterator[str]:
    """Event envelopes of one trial per account in the order of accounts: a fifth pays, the rest ends in three ways.

    `starts` are the shares of the year at which the accounts start.
    """
    rng = Random(seed)
    clock = int(AS_OF.timestamp())
    for number, share in enumerate(starts):
        at = int(OPENED.timestamp() + share * (DAYS * 86_400 - 3_600))
        end = at + int(TRIAL.total_seconds())
        customer, subscription = f"cus_{number:010d}", f"sub_{number:010d}"
        pays, card = rng.random() < 0.2, rng.random() < 0.4
        method = f"pm_{number:010d}" if card or pays else None
        first = _subscription(subscription, customer, at, end, "trialing", method if card else None)
        events = [
            (at - 30, "customer.created", _customer(customer, number, at)),
            (at, "customer.subscription.created", first),
        ]
        if method:
            added = at - 20 if card else end - rng.randrange(3_600, 10 * 86_400)
            events.append((added, "payment_method.attached", _card(method, customer, added)))
        ended = _subscription(subscription, customer, at, end, "active" if pays else "paused", method)
        if pays:
            events.append((end, "customer.subscription.updated", ended))
            events.append((end + 3_600, "invoice.paid", _invoice(number, customer, subscription, end)))
        elif number % 3 == 0:
            events.append((end, "customer.subscription.updated", ended))
        else:
            left = end if number % 3 == 1 else at + rng.randrange(86_400, 13 * 86_400)
            gone = _subscription(subscription, customer, at, end, "canceled", method, left)
            events.append((left, "customer.subscription.deleted", gone))
        for order, (created, kind, body) in enumerate(events):
            if created < clock:
                yield (
                    f'{{"id":"evt_{number:010d}{order}","object":"event","created":{created},'
                    f'"api_version":"2026-10-28.endive","livemode":true,"pending_webhooks":0,"request":{{"id":null,"idempotency_key":null}},"type":"{kind}",'
                    f'"data":{{"object":{body}}}}}\n'
                )


def _text(value: str | int | None) -> str:
    return "null" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


def _customer(customer: str, number: int, at: int) -> str:
    return (
        f'{{"id":"{customer}","object":"customer","created":{at - 30},'
        f'"email":"user{number}@example.com","livemode":true,"metadata":{{"account_id":"acct-{number}"}},"name":null,"invoice_settings":{{"default_payment_method":null}}}}'
    )


def _card(method: str, customer: str, at: int) -> str:
    return (
        f'{{"id":"{method}","object":"payment_method","created":{at},"customer":"{customer}","livemode":true,'
        f'"metadata":{{}},"type":"card"}}'
    )


def _subscription(
    subscription: str, customer: str, at: int, end: int, status: str, method: str | None, left: int | None = None
) -> str:
    start, until = (at, end) if status != "active" else (end, end + 30 * 86_400)
    price = (
        '{"id":"price_team","object":"price","currency":"usd","product":"prod_team","type":"recurring",'
        '"recurring":{"interval":"month","interval_count":1,"usage_type":"licensed"},"unit_amount":9900}'
    )
    return (
        f'{{"id":"{subscription}","object":"subscription","customer":"{customer}","status":"{status}","created":{at},'
        f'"start_date":{at},"trial_start":{at},"trial_end":{end},"cancel_at":null,"cancel_at_period_end":false,'
        f'"canceled_at":{_text(left)},"ended_at":{_text(left)},"collection_method":"charge_automatically","currency":"usd",'
        f'"default_payment_method":{_text(method)},"discounts":[],"livemode":true,"metadata":{{}},"pause_collection":null,'
        f'"cancellation_details":{{"comment":null,"feedback":null,"reason":null}},"items":{{"object":"list","data":[{{'
        f'"id":"si{subscription[3:]}","object":"subscription_item","created":{at},"current_period_start":{start},'
        f'"current_period_end":{until},"quantity":1,"subscription":"{subscription}","price":{price}}}],"has_more":false}}}}'
    )


def _invoice(number: int, customer: str, subscription: str, at: int) -> str:
    parent = (
        f'{{"type":"subscription_item_details","subscription_item_details":{{"subscription":"{subscription}",'
        f'"subscription_item":"si{subscription[3:]}","proration":false}},"invoice_item_details":null}}'
    )
    return (
        f'{{"id":"in_{number:010d}","object":"invoice","customer":"{customer}","status":"paid","created":{at},'
        f'"currency":"usd","total":9900,"subtotal":9900,"amount_due":9900,"amount_paid":9900,"amount_remaining":0,'
        f'"attempt_count":1,"attempted":true,"billing_reason":"subscription_cycle","collection_method":"charge_automatically","livemode":true,'
        f'"starting_balance":0,"status_transitions":{{"finalized_at":{at + 3_600},"paid_at":{at + 3_600},'
        f'"voided_at":null,"marked_uncollectible_at":null}},"parent":{{"type":"subscription_details",'
        f'"subscription_details":{{"subscription":"{subscription}","metadata":{{}}}}}},"lines":{{"object":"list","data":[{{"id":"il_{number:010d}","object":"line_item",'
        f'"amount":9900,"currency":"usd","period":{{"start":{at},"end":{at + 30 * 86_400}}},"quantity":1,'
        f'"parent":{parent},"pricing":{{"type":"price_details","price_details":{{"price":"price_team","product":"prod_team"}}}}}}],'
        f'"has_more":false}}}}'
    )


def toml_text() -> str:
    """A trialwise.toml that fits the events, with a fixed clock at the end of the year."""
    values = ", ".join(f'"{name}"' for name in VALUE_EVENTS)
    features = "\n".join(f'{name.split()[0].lower()} = ["{name}"]' for name in VALUE_EVENTS)
    return f"""[workspace]
name = "benchmark"

[clock]
as_of = "{AS_OF:%Y-%m-%dT%H:%M:%SZ}"

[events]
value = [{values}]

[features]
{features}
"""
