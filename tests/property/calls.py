"""What arrives at a company, record by record: product calls, e-mail reports, changes of Stripe customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.oracle.segment_calls import iso, message_id

Call = dict[str, Any]

NAMES = (
    "Query Run",
    "Report Created",
    "Report Made",
    "Alert Sent",
    "Data Source Connected",
    "Invite Sent",
    "Help Opened",
)
"""Value events, one of them under an older name, milestones, and one that is no use."""
LATER_NAMES = ("Dashboard Shared", "Export Downloaded", "Demo Requested")
"""Names that nobody has sent at first."""
LIFE = ("Trial Started", "Trial Ended", "Subscription Started", "Subscription Ended")
MAILS = ("Email Sent", "Email Opened", "Email Link Clicked", "Email Replied", "Unsubscribed")
TRAITS: tuple[Mapping[str, Any], ...] = (
    {},
    {"email": "ann@example.com", "name": "Ann"},
    {"email": "boss@acme.test", "title": "Founder"},
    {"title": "Student", "country": "FR"},
    {"employees": 12, "name": "Orchard", "website": "https://orchard.example"},
    {"employees": 900, "domain": "acme.test", "country": "DE"},
    {"plan": "team", "utm_source": "newsletter"},
)


def account(number: int) -> str:
    """The first ones are those of the Stripe stories."""
    return f"acct_{number}"


def user(number: int) -> str:
    """Two belong to each of the first accounts; any may work anywhere."""
    return f"user_{number}"


def call(kind: str, number: int, at: int, received: int | None, **fields: Any) -> Call:
    """One Segment call with an id of its own; without `received` it is known when it happened."""
    made: Call = {"type": kind, "messageId": message_id("call", number), "timestamp": iso(at), **fields}
    if received is not None:
        made["receivedAt"] = iso(received)
    return made


def track(
    number: int, name: str, at: int, received: int | None, who: str | None, where: str | None, **properties: Any
) -> Call:
    """Somebody, or nobody named, did something somewhere, or nowhere named."""
    fields: dict[str, Any] = {"event": name, "properties": properties}
    if who is not None:
        fields["userId"] = who
    if where is not None:
        fields["context"] = {"groupId": where}
    return call("track", number, at, received, **fields)


def envelope(number: int, kind: str, at: int, body: Mapping[str, Any], previous: Mapping[str, Any]) -> Call:
    """A Stripe event about an object."""
    data: dict[str, Any] = {"object": dict(body)}
    if previous:
        data["previous_attributes"] = dict(previous)
    return {
        "id": f"evt_extra_{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": at,
        "data": data,
        "livemode": True,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def checkout(number: int, at: int, customer: str, reference: str) -> Call:
    """A checkout session that says which account the customer is."""
    session = {
        "id": f"cs_extra_{number}",
        "object": "checkout.session",
        "created": at,
        "client_reference_id": reference,
        "customer": customer,
        "customer_details": {"email": f"payer{number}@example.com"},
        "customer_email": None,
        "livemode": True,
        "metadata": {},
        "mode": "subscription",
        "payment_status": "paid",
        "status": "complete",
        "subscription": None,
    }
    return envelope(number, "checkout.session.completed", at, session, {})
