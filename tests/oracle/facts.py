"""What the payloads prove: subscription versions, invoices, cards, refunds and product announcements, under a cut.

Every instant is a naive UTC datetime. A fact counts when it occurred before `as_of` and was known before `known_at`
(both strictly). An event is known at its `created`, a Segment call at its `receivedAt`; a snapshot proves its dated
fields from their own dates on and everything else from `landed_at` on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, pairwise, permutations
from typing import Any

Json = Mapping[str, Any]

STATUS_RANK = {
    "incomplete": 0,
    "trialing": 1,
    "paused": 2,
    "active": 3,
    "past_due": 4,
    "unpaid": 5,
    "canceled": 6,
    "incomplete_expired": 6,
}
_LONG_AGO = datetime(1, 1, 1)
FOREVER = datetime(9999, 12, 31)


def from_seconds(value: Any) -> datetime | None:
    """Seconds since 1970 as a naive UTC datetime, None for null and absent values."""
    return None if value is None else datetime.fromtimestamp(int(value), UTC).replace(tzinfo=None)


def from_iso(value: str) -> datetime:
    """An ISO 8601 instant as a naive UTC datetime; without an offset it is read as UTC."""
    parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo is None else parsed.astimezone(UTC).replace(tzinfo=None)


def _id_of(value: Any) -> str | None:
    """The id of an expandable field: the text itself or the expanded object's id."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return None if value is None else str(value)


@dataclass(frozen=True)
class Version:
    """One full state of a subscription, in force from `at` on."""

    subscription_id: str
    customer_id: str
    at: datetime
    type_rank: int
    source_id: str
    history: str
    status: str
    created: datetime
    trial_start: datetime | None
    trial_end: datetime | None
    cancel_at_period_end: bool
    cancel_at: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    default_payment_method: str | None
    cancel_reason: str | None

    @property
    def order(self) -> tuple[Any, ...]:
        """Position among the versions of one subscription; arrival plays no part."""
        return (self.at, self.type_rank, STATUS_RANK.get(self.status, 7), self.trial_end or _LONG_AGO, self.source_id)

    @property
    def in_trial(self) -> bool:
        """Trialing, with an end later than its start."""
        return (
            self.status == "trialing"
            and self.trial_start is not None
            and self.trial_end is not None
            and self.trial_end > self.trial_start
        )


@dataclass(frozen=True)
class InvoiceLine:
    """One line; `is_subscription` is false for invoice items (set-up fees, one-off charges)."""

    amount: int
    start: datetime
    end: datetime
    is_subscription: bool


@dataclass
class InvoiceFact:
    """Everything known about one invoice under the cut."""

    invoice_id: str
    customer_id: str
    subscription_id: str | None
    created: datetime
    currency: str
    total: int
    lines: list[InvoiceLine]
    status: str
    paid_at: datetime | None
    settlement: str | None
    has_failed: bool
    payment_ids: set[str] = field(default_factory=set)

    @property
    def service_lines(self) -> list[InvoiceLine]:
        """Lines of a subscription that ask for money."""
        return [line for line in self.lines if line.is_subscription and line.amount > 0]


@dataclass(frozen=True)
class GivenBack:
    """Money taken back from a charge: `amount` so far at `at`, by `refund`s (parts) or a lost dispute (all of it)."""

    at: datetime
    amount: int
    is_dispute: bool
    ids: frozenset[str]
    source_id: str


@dataclass(frozen=True)
class Announcement:
    """A product event that says something about a trial or a subscription."""

    event_id: str
    account_id: str
    role: str
    at: datetime
    ends_at: datetime | None = None
    amount_minor: int | None = None
    currency: str | None = None
    previous_account_id: str | None = None


@dataclass
class Facts:
    """All facts of an input under one cut."""

    as_of: datetime
    versions: dict[str, list[Version]] = field(default_factory=dict)
    invoices: dict[str, InvoiceFact] = field(default_factory=dict)
    customer_account: dict[str, str] = field(default_factory=dict)
    cards: dict[str, list[datetime]] = field(default_factory=dict)
    given_back: list[GivenBack] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)

    def account_of(self, customer_id: str) -> str:
        """The account a customer names, or an account of its own."""
        return self.customer_account.get(customer_id, f"stripe:{customer_id}")

    def account_of_subscription(self, subscription_id: str) -> str:
        """The account of a subscription's customer."""
        return self.account_of(self.versions[subscription_id][0].customer_id)


DEFAULT_ROLES = {
    "Trial Started": "trial_started",
    "Trial Ended": "trial_ended",
    "Subscription Started": "subscription_started",
    "Subscription Ended": "subscription_ended",
    "Account Merged": "account_merged",
}


def read_facts(
    records: Iterable[Json],
    as_of: datetime,
    known_at: datetime,
    *,
    landed_at: datetime | None = None,
    roles: Mapping[str, str] = DEFAULT_ROLES,
) -> Facts:
    """Facts of Stripe envelopes, Stripe objects and Segment track calls in any order, with duplicates.

    `landed_at` is when the object snapshots among the records landed; it is required when there are any.
    """
    facts = Facts(as_of)
    events: dict[str, Json] = {}
    objects: dict[str, Json] = {}
    calls: dict[str, Json] = {}
    for record in records:
        if record.get("object") == "event":
            events[str(record["id"])] = record
        elif "messageId" in record:
            calls[str(record["messageId"])] = record
        else:
            objects[str(record["id"])] = record
    if objects and landed_at is None:
        raise ValueError("object snapshots need landed_at: their undated fields count from then on")
    cut = min(as_of, known_at)
    for event in sorted(events.values(), key=lambda e: (int(e["created"]), str(e["id"]))):
        created = from_seconds(event["created"])
        assert created is not None
        if created < cut:
            _read_event(facts, event, created)
    for call in sorted(calls.values(), key=lambda c: str(c["messageId"])):
        _read_call(facts, call, as_of, known_at, roles)
    if landed_at is not None:
        _read_snapshots(facts, objects, cut, landed_at)
    for versions in facts.versions.values():
        versions.sort(key=lambda version: version.order)
        _put_in_chain(versions, events)
    return facts


def _put_in_chain(versions: list[Version], events: dict[str, Json]) -> None:
    """Changes of one second stand in the order their previous_attributes tell: each has those of the one before.

    Where they end where they began, any of them could be the first. It is the one that follows what stood before this
    second, else one whose previous_attributes hold no instant of this very second.
    """
    for _, group in groupby(list(enumerate(versions)), key=lambda item: (item[1].at, item[1].type_rank)):
        places = list(group)
        told = [version for _, version in places if version.source_id in events]
        if not 1 < len(told) == len(places) <= 6:
            continue
        before = versions[places[0][0] - 1] if places[0][0] else None
        standing = events[before.source_id]["data"] if before and before.source_id in events else None

        def follows(earlier: Json, later: Json) -> bool:
            told_before = later.get("previous_attributes")
            return told_before is not None and all(earlier["object"].get(k) == v for k, v in told_before.items())

        chains = [
            order
            for order in permutations([(version, events[version.source_id]) for version in told])
            if all(follows(a["data"], b["data"]) for (_, a), (_, b) in pairwise(order))
        ]
        if chains:
            best = min(
                chains,
                key=lambda order: (
                    not (standing and follows(standing, order[0][1]["data"])),
                    order[0][1]["created"] in (order[0][1]["data"].get("previous_attributes") or {}).values(),
                ),
            )
            for (place, _), (version, _) in zip(places, best, strict=True):
                versions[place] = version


# ---------------------------------------------------------------------------------------------- envelopes


def _read_event(facts: Facts, event: Json, at: datetime) -> None:
    obj: Json = event["data"]["object"]
    kind = str(event["type"])
    source = str(event["id"])
    if obj["object"] == "subscription":
        rank = 0 if kind.endswith(".created") else 2 if kind.endswith(".deleted") else 1
        version = _version(obj, at, rank, source, "event")
        facts.versions.setdefault(version.subscription_id, []).append(version)
    elif obj["object"] == "invoice":
        _merge_invoice(facts, _invoice(obj, failed=kind == "invoice.payment_failed", cut=None))
    elif obj["object"] == "customer":
        _read_customer(facts, obj)
    elif kind in ("setup_intent.succeeded", "payment_method.attached"):
        facts.cards.setdefault(str(_id_of(obj["customer"])), []).append(at)
    elif kind in ("charge.refunded", "refund.created", "refund.updated", "charge.dispute.closed"):
        _read_given_back(facts, obj, at)


def _read_customer(facts: Facts, obj: Json) -> None:
    account_id = (obj.get("metadata") or {}).get("account_id")
    if account_id:
        facts.customer_account[str(obj["id"])] = str(account_id)


def _version(obj: Json, at: datetime, rank: int, source: str, history: str) -> Version:
    created = from_seconds(obj["created"])
    assert created is not None
    return Version(
        subscription_id=str(obj["id"]),
        customer_id=str(_id_of(obj["customer"])),
        at=at,
        type_rank=rank,
        source_id=source,
        history=history,
        status=str(obj["status"]),
        created=created,
        trial_start=from_seconds(obj.get("trial_start")),
        trial_end=from_seconds(obj.get("trial_end")),
        cancel_at_period_end=bool(obj.get("cancel_at_period_end")),
        cancel_at=from_seconds(obj.get("cancel_at")),
        canceled_at=from_seconds(obj.get("canceled_at")),
        ended_at=from_seconds(obj.get("ended_at")),
        default_payment_method=_id_of(obj.get("default_payment_method")),
        cancel_reason=(obj.get("cancellation_details") or {}).get("reason"),
    )


def _subscription_of(obj: Json) -> str | None:
    parent = obj.get("parent") or {}
    details = parent.get("subscription_details") or {}
    return _id_of(details.get("subscription")) or _id_of(obj.get("subscription"))


def _invoice_lines(obj: Json) -> list[InvoiceLine]:
    lines = []
    for line in obj["lines"]["data"]:
        parent = line.get("parent") or {}
        is_subscription = (
            parent.get("type") == "subscription_item_details" if parent else line.get("type") == "subscription"
        )
        start, end = from_seconds(line["period"]["start"]), from_seconds(line["period"]["end"])
        assert start is not None
        assert end is not None
        lines.append(InvoiceLine(int(line["amount"]), start, end, is_subscription))
    return lines


def _settlement(obj: Json, payments: list[Json]) -> str:
    if int(obj["total"]) == 0:
        return "free"
    off_stripe = obj.get("paid_out_of_band") or obj.get("amount_paid_off_stripe")
    if off_stripe or any(payment.get("type") == "payment_record" for payment in payments):
        return "out_of_band"
    return "credit_balance" if int(obj["amount_due"]) == 0 else "card"


def _invoice(obj: Json, *, failed: bool, cut: datetime | None) -> InvoiceFact:
    """One state of an invoice; with `cut` (snapshots) the status is rebuilt from the dated transitions before it."""
    moves = obj.get("status_transitions") or {}
    paid_at = from_seconds(moves.get("paid_at"))
    status = str(obj["status"])
    if cut is not None:
        if paid_at is not None and paid_at >= cut:
            paid_at = None
        dated = [("void", "voided_at"), ("uncollectible", "marked_uncollectible_at"), ("open", "finalized_at")]
        status = "paid" if paid_at is not None else "draft"
        for name, key in dated:
            instant = from_seconds(moves.get(key))
            if status == "draft" and instant is not None and instant < cut:
                status = name
    payments = [row.get("payment") or {} for row in (obj.get("payments") or {}).get("data", [])]
    ids = {_id_of(obj.get("payment_intent")), _id_of(obj.get("charge"))}
    for payment in payments:
        ids |= {_id_of(payment.get("payment_intent")), _id_of(payment.get("charge"))}
    created = from_seconds(obj["created"])
    assert created is not None
    return InvoiceFact(
        invoice_id=str(obj["id"]),
        customer_id=str(_id_of(obj["customer"])),
        subscription_id=_subscription_of(obj),
        created=created,
        currency=str(obj["currency"]),
        total=int(obj["total"]),
        lines=_invoice_lines(obj),
        status=status,
        paid_at=paid_at if status == "paid" else None,
        settlement=_settlement(obj, payments) if status == "paid" else None,
        has_failed=failed or (int(obj.get("attempt_count") or 0) > 0 and status != "paid" and cut is None),
        payment_ids={value for value in ids if value is not None} | {str(obj["id"])},
    )


_INVOICE_RANK = {"draft": 0, "open": 1, "uncollectible": 2, "void": 3, "paid": 4}


def _merge_invoice(facts: Facts, new: InvoiceFact) -> None:
    """Keep the state furthest along draft, open, uncollectible, void, paid; a failure once seen stays seen."""
    old = facts.invoices.get(new.invoice_id)
    if old is not None:
        new.has_failed |= old.has_failed
        new.payment_ids |= old.payment_ids
        if _INVOICE_RANK[old.status] > _INVOICE_RANK[new.status]:
            old.has_failed, old.payment_ids = new.has_failed, new.payment_ids
            return
    facts.invoices[new.invoice_id] = new


def _read_given_back(facts: Facts, obj: Json, at: datetime) -> None:
    is_dispute = obj["object"] == "dispute"
    if is_dispute and obj["status"] != "lost":
        return
    if obj["object"] == "refund" and obj["status"] != "succeeded":
        return
    is_charge = obj["object"] == "charge"
    ids = {_id_of(obj.get("payment_intent")), _id_of(obj.get("charge")), _id_of(obj.get("invoice"))}
    if is_charge:
        ids.add(str(obj["id"]))
    amount = int(obj["amount_refunded"] if is_charge else obj["amount"])
    named = frozenset(value for value in ids if value is not None)
    # a charge tells the sum so far, a refund its own part: `charge:` and `refund:` keep the two tellings apart
    facts.given_back.append(GivenBack(at, amount, is_dispute, named, f"{obj['object']}:{obj['id']}"))


# ---------------------------------------------------------------------------------------------- snapshots


def _read_snapshots(facts: Facts, objects: Mapping[str, Json], cut: datetime, landed_at: datetime) -> None:
    for obj in objects.values():
        kind = obj["object"]
        if kind == "customer":
            _read_customer(facts, obj)  # identity is no dated fact: it joins, it proves nothing about a day
        created = from_seconds(obj.get("created"))
        if created is None or created >= cut:
            continue
        if kind == "subscription":
            _snapshot_versions(facts, obj, cut, landed_at)
        elif kind == "invoice":
            _merge_invoice(facts, _invoice(obj, failed=False, cut=cut if cut <= landed_at else None))
        elif kind == "refund":
            _read_given_back(facts, obj, created)
        elif kind in ("dispute", "charge") and landed_at < cut:
            _read_given_back(facts, obj, landed_at)  # how a dispute went, or how much is back, has no date of its own


def _snapshot_versions(facts: Facts, obj: Json, cut: datetime, landed_at: datetime) -> None:
    name = str(obj["id"])
    have = facts.versions.setdefault(name, [])
    full = _version(obj, landed_at, 1, name, "snapshot")
    if full.trial_start is not None and full.trial_start < cut:
        is_told = any(
            v.history == "event" and v.status == "trialing" and v.trial_start == full.trial_start for v in have
        )
        if not is_told:
            have.append(_dated(obj, full.trial_start, "trialing", cut))
    if full.ended_at is not None and full.ended_at < cut:
        have.append(_dated(obj, full.ended_at, "canceled", cut))
    if landed_at < cut:
        have.append(full)
    if not have:
        del facts.versions[name]


def _dated(obj: Json, at: datetime, status: str, cut: datetime) -> Version:
    """A version with nothing but the dated fields of a snapshot that lie before the cut."""
    canceled_at, ended_at = from_seconds(obj.get("canceled_at")), from_seconds(obj.get("ended_at"))
    bare = {key: obj[key] for key in ("id", "customer", "created", "trial_start", "trial_end") if key in obj}
    version = _version(bare | {"status": status}, at, 0 if status == "trialing" else 2, str(obj["id"]), "snapshot")
    values = dict(vars(version))
    values["canceled_at"] = canceled_at if canceled_at is not None and canceled_at < cut else None
    values["ended_at"] = ended_at if status == "canceled" else None
    return Version(**values)


# ---------------------------------------------------------------------------------------------- product events


def _read_call(facts: Facts, call: Json, as_of: datetime, known_at: datetime, roles: Mapping[str, str]) -> None:
    if call.get("type") != "track" or call.get("event") not in roles:
        return
    at, received = from_iso(str(call["timestamp"])), from_iso(str(call["receivedAt"]))
    if at >= as_of or received >= known_at:
        return
    properties: Json = call.get("properties") or {}
    end = properties.get("trial_ends_at")
    amount = properties.get("amount_minor")
    facts.announcements.append(
        Announcement(
            event_id=str(call["messageId"]),
            account_id=str((call.get("context") or {}).get("groupId") or call.get("groupId")),
            role=roles[str(call["event"])],
            at=at,
            ends_at=None if end is None else from_iso(str(end)),
            amount_minor=None if amount is None else int(amount),
            currency=properties.get("currency"),
            previous_account_id=properties.get("previous_account_id"),
        )
    )
