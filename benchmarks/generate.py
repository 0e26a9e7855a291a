"""Input of any size for the benchmarks: flat events as Parquet and NDJSON, and Stripe envelopes as NDJSON.

Imports nothing of the product. Events are skewed (the busiest account of 100,000 has about one event in a hundred), 2 %
are sent twice, 1 % arrive days late, and the rows stand in the order of arrival. There is one account, with one trial,
to 833 events unless another number is asked for. The same arguments give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb

AS_OF = datetime(2026, 3, 30, tzinfo=UTC)
"""A midnight with two days before the month ends: a new day is measured without a new version of the calibration."""
DAYS = 365
OPENED = AS_OF - timedelta(days=DAYS)
TRIAL = timedelta(days=14)
EVENTS_PER_ACCOUNT = 833
DUPLICATES = 0.02
LATE = 0.01
SITTING = 6
"""Events of one user within minutes: people come for a while, so a day of use holds several."""
OVERLAP = timedelta(minutes=20)
"""What is drawn for one instant arrives no later than this, duplicates included."""
SKEW = 2.5
"""Account = accounts * u ** SKEW, u uniform: the density falls with the number ** -0.6."""
KEPT = 0.2099
"""Share of the sittings drawn that are kept: the account has begun, and most use is in its first weeks."""
PIECE = 2_000_000
"""Events that are drawn and put in order at once: memory does not grow with their number."""

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

# Every draw of an event or account has a number of its own: hash() of two arguments would correlate the draws. Sittings
# are drawn in the order of arrival, and kept when their account has begun by then.
MACRO = """
CREATE OR REPLACE MACRO uniform(n, draw) AS (hash(n * 64 + draw + $seed * 1000000000000) >> 11) / 9007199254740992.0;
CREATE OR REPLACE MACRO share_of_start(account) AS uniform(-1 - account, 6);
CREATE OR REPLACE MACRO members(account) AS 1 + CAST(floor(-2 * ln(1 - uniform(-1 - account, 5))) AS INTEGER)
"""
EVENTS = """
SELECT
    n,
    account,
    CAST(floor(members(account) * user_draw * user_draw) AS INTEGER) AS member,
    CASE WHEN uniform(n, 3) < 0.01 THEN $milestones[1 + CAST(floor(event_draw * len($milestones)) AS INTEGER)]
        ELSE $names[1 + CAST(floor(event_draw * event_draw * len($names)) AS INTEGER)] END AS event,
    greatest(
        $opened + to_microseconds(CAST(share_of_start(account) * $span AS BIGINT)),
        first_received_at - to_milliseconds(CAST(
            CASE WHEN uniform(sitting, 7) < $late THEN 86400e3 * (1 + 29 * uniform(sitting, 8))
                ELSE 5000 * uniform(n, 8) END AS BIGINT))
    ) AS occurred_at,
    first_received_at + to_seconds(CAST(copy * (1 + 400 * uniform(n, 9)) AS BIGINT)) AS received_at
FROM (
    SELECT
        sitting,
        account,
        sitting * $sitting + step AS n,
        uniform(sitting, 1) AS user_draw,
        uniform(sitting * $sitting + step, 2) AS event_draw,
        $opened + to_microseconds(CAST(
            share * $span + step * 100e6 + 60e6 * uniform(sitting * $sitting + step, 11) AS BIGINT
        )) AS first_received_at
    FROM (
        SELECT
            range AS sitting,
            CAST(floor($accounts * pow(uniform(range, 0), $skew)) AS BIGINT) AS account,
            (range + uniform(range, 12)) / $sittings AS share
        FROM range($first, $last)
    )
    CROSS JOIN (SELECT range AS step FROM range($sitting))
    WHERE share >= share_of_start(account)
        AND uniform(sitting, 4) < 0.25 + 0.75 * exp(-8 * (share - share_of_start(account)))
)
CROSS JOIN (SELECT range AS copy FROM range(2))
WHERE (copy = 0 OR uniform(n, 10) < $duplicates) AND received_at >= $since AND received_at < $until
ORDER BY received_at, n
"""
TEXTS = f"""
SELECT
    CAST(CAST(md5('event' || n || $seed) AS UUID) AS VARCHAR) AS id,
    event,
    'acct-' || account AS account_id,
    'user-' || account || '-' || member AS user_id,
    occurred_at,
    received_at
FROM ({EVENTS})
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
    """What was written; `events` are the distinct ones, `rows` all, `ndjson` is None where it was not asked for."""

    parquet: Path
    ndjson: Path | None
    stripe: Path
    toml: Path
    events: int
    rows: int
    accounts: int


def generate(folder: Path, events: int, *, accounts: int | None = None, seed: int = 1, ndjson: bool = False) -> Inputs:
    """Write about `events` distinct events with their duplicates, Stripe's of every account, and a trialwise.toml.

    accounts: how many, each with a trial (default: one to 833 events). Raises ValueError for fewer than 10,000
    events, too few for a skew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stripe, toml, accounts = write_company(folder, events, accounts=accounts, seed=seed)
    connection = duckdb.connect(str(folder / "generate.duckdb"))
    try:
        connection.execute(MACRO.replace("$seed", str(seed)))
        connection.execute(
            "CREATE OR REPLACE TABLE events (id VARCHAR, event VARCHAR, account_id VARCHAR, user_id VARCHAR, "
            "occurred_at TIMESTAMP, received_at TIMESTAMP)"
        )
        for piece in pieces(events, accounts, seed):
            connection.execute(f"INSERT INTO events {TEXTS}", piece)
        rows, distinct = connection.execute("SELECT count(*), count(DISTINCT id) FROM events").fetchall()[0]
        for kind in ("parquet", "json") if ndjson else ("parquet",):
            path = folder / ("events.ndjson" if kind == "json" else "events.parquet")
            connection.execute(f"COPY (SELECT {_COLUMNS[kind]} FROM events) TO '{path}' (FORMAT {kind})")
    finally:
        connection.close()
        (folder / "generate.duckdb").unlink()
    return Inputs(
        parquet=folder / "events.parquet",
        ndjson=folder / "events.ndjson" if ndjson else None,
        stripe=stripe,
        toml=toml,
        events=distinct,
        rows=rows,
        accounts=accounts,
    )


def write_company(
    folder: Path, events: int, *, accounts: int | None = None, seed: int = 1, settings: str = ""
) -> tuple[Path, Path, int]:
    """Write Stripe's side of all accounts and the trialwise.toml; returns both files and the number of accounts.

    settings: more lines for [workspace]. Raises ValueError for fewer than 10,000 events.
    """
    if events < 10_000:
        raise ValueError(f"{events} events are too few to be skewed; at least 10,000 are needed")
    accounts = accounts or events // EVENTS_PER_ACCOUNT
    connection = duckdb.connect()
    connection.execute(MACRO.replace("$seed", str(seed)))
    starts = connection.execute(
        "SELECT share_of_start(range) FROM range($accounts) ORDER BY range", {"accounts": accounts}
    ).fetchall()
    connection.close()
    stripe, toml = folder / "stripe.ndjson", folder / "trialwise.toml"
    with stripe.open("w", encoding="utf-8") as file:
        file.writelines(stripe_lines([start for (start,) in starts], seed))
    toml.write_text(toml_text(settings), encoding="utf-8")
    return stripe, toml, accounts


def pieces(events: int, accounts: int, seed: int, size: int = PIECE) -> Iterator[dict[str, object]]:
    """Parameters of EVENTS for one stretch of time after the other, each of at most about `size` events."""
    sittings = round(events / SITTING / KEPT)
    number = max(1, -(-events * 3 // size))  # a young company is small: the last stretches hold up to thrice the mean
    span = timedelta(days=DAYS, hours=-1)
    start = OPENED.replace(tzinfo=None)
    for piece in range(number):
        since, until = start + span * piece / number, start + span * (piece + 1) / number
        if piece == number - 1:
            until += OVERLAP
        yield {
            "accounts": accounts,
            "skew": SKEW,
            "sitting": SITTING,
            "sittings": sittings,
            "seed": str(seed),
            "span": span / timedelta(microseconds=1),
            "late": LATE,
            "duplicates": DUPLICATES,
            "opened": start,
            "since": since,
            "until": until,
            "first": max(0, int((since - OVERLAP - start) / span * sittings)),
            "last": min(sittings, int((until - start) / span * sittings) + 1),
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


def toml_text(settings: str = "") -> str:
    """A trialwise.toml that fits the events, with a fixed clock at the end of the year; settings: of [workspace]."""
    values = ", ".join(f'"{name}"' for name in VALUE_EVENTS)
    features = "\n".join(f'{name.split()[0].lower()} = ["{name}"]' for name in VALUE_EVENTS)
    return f"""[workspace]
name = "benchmark"
{settings}

[clock]
as_of = "{AS_OF:%Y-%m-%dT%H:%M:%SZ}"

[events]
value = [{values}]

[features]
{features}
"""
