"""Published signatures and payloads, through the doors they would come in by.

What each payload comes to was worked out by reading it; instants by hand from its epoch or offset.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conformance.arrivals import Doors, deliver, opened
from tests.conformance.instances import everything, least
from tests.sources.webhooks.signing import NOW, compact
from trialwise.sources.webhooks import Refused, Request
from trialwise.sources.webhooks.stripe import Stripe


@pytest.fixture
def doors(tmp_path: Path) -> Iterable[Doors]:
    yield from opened(tmp_path)


def payloads(folder: Path) -> dict[str, Any]:
    """Case -> payload of a collection."""
    lines = (folder / "payloads.jsonl").read_text("utf-8").splitlines()
    return {record["case"].partition(".")[2]: record["payload"] for record in map(json.loads, lines)}


def test_stripe_signatures_are_judged_as_stripes_sdk_judges_them(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "stripe_signature_vectors" / "vectors.json").read_text("utf-8"))
    assert len(vectors) == 20
    for vector in vectors:
        seconds = vector["tolerance"]
        door = Stripe(tolerance=None if seconds is None else timedelta(seconds=seconds))
        request = Request(
            method="POST",
            url="https://trialwise.example/webhooks/stripe",
            headers={"stripe-signature": vector["header"]},
            body=vector["payload"].encode(),
            received_at=datetime.fromtimestamp(vector["clock"], UTC).replace(tzinfo=None),
        )
        if vector["expected"] == "accept":
            door.verify(request, [vector["secret"]])
            assert [piece.data for piece in door.pieces(request)] == [request.body], vector["name"]
        else:
            with pytest.raises(Refused):
                door.verify(request, [vector["secret"]])
                pytest.fail(f"{vector['name']} was taken")


def test_sendgrid(doors: Doors, shared_data: Path) -> None:
    cases = payloads(shared_data / "esp_webhooks_sendgrid")
    report = doors.take("sendgrid", *(compact(case) for case in cases.values()))
    # the processed and the delivered event are there twice, the second delivered one with another smtp-id
    assert (report.received, report.loaded, report.duplicate, report.quarantined) == (11, 9, 2, 0)
    at = datetime(2016, 4, 19, 19, 47, 30)
    first = "wrfRRvF7Q0GgwUo2CvDmEA.filter0425p1mdw1.13037.57168B4A1D.0"
    who = "recipient@example.com"
    assert doors.events("recipient", "message_id", "link_url", "bounce_type") == [
        ("Webhook: SendGrid Processed", datetime(2016, 4, 19, 19, 47, 26), None, None, None, None),
        ("Email Delivered", at, who, first, None, None),
        ("Webhook: SendGrid Dropped", at, None, None, None, None),
        ("Webhook: SendGrid Dropped", datetime(2017, 12, 15, 0, 59, 29), None, None, None, None),
        ("Webhook: SendGrid Dropped", at, None, None, None, None),
        ("Email Bounced", at, "noreply@example.com", "Lli-03HcQ5-JLybO9fXsJg.filter0077p1las1.21536.5717FC482.0",
         None, "bounce"),
        ("Webhook: SendGrid Deferred", datetime(2016, 4, 21, 1, 9, 50), None, None, None, None),
        ("Email Opened", at, who, first, None, None),
        ("Email Link Clicked", at, who, "_fjPjuJfRW-IPs5SuvYotg.filter0590p1mdw1.2098.57168CFC4B.0",
         "http://www.example.com", None),
    ]  # fmt: skip


def test_mandrill(doors: Doors, shared_data: Path) -> None:
    cases = payloads(shared_data / "esp_webhooks_mandrill")
    report = doors.take("mandrill", *(compact(case) for case in cases.values()))
    # the send event is there twice
    assert (report.received, report.loaded, report.duplicate, report.quarantined) == (5, 4, 1, 0)
    at, about = datetime(2016, 4, 19, 19, 47, 26), "abcdef012345789abcdef012345789"
    assert doors.events("recipient", "message_id", "campaign_name", "link_url", "bounce_type") == [
        ("Email Sent", at, "recipient@example.com", about, "tag1", None, None),
        ("Email Bounced", at, "bounce@example.com", about, None, None, "hard_bounce"),
        ("Email Link Clicked", at, "recipient@example.com", about, None, "http://example.com", None),
        # a list change names no time: it counts from its arrival
        ("Webhook: Mandrill Blacklist Add", datetime(2026, 3, 1, 12, 0, 3), None, None, None, None, None),
    ]


def test_postmark(doors: Doors, shared_data: Path) -> None:
    cases = payloads(shared_data / "esp_webhooks_postmark")
    report = doors.take("postmark", *(compact(case) for case in cases.values()))
    # the unsubscription told as a bounce names nobody
    assert (report.received, report.loaded, report.duplicate, dict(report.reasons)) == (9, 8, 0, {"no_subject": 1})
    assert doors.events("recipient", "message_id", "campaign_name", "link_url", "bounce_type") == [
        # -04:00, and a seventh digit that is dropped
        ("Email Bounced", datetime(2016, 4, 27, 20, 28, 50, 396393), "bounce@example.com",
         "2706ee8a-737c-4285-b032-ccd317af53ed", None, None, "HardBounce"),
        ("Email Delivered", datetime(2014, 8, 1, 17, 28, 10, 273539), "recipient@example.com",
         "883953f4-6105-42a2-a16a-77a8eac79483", "welcome-email", None, None),
        ("Email Opened", datetime(2016, 4, 27, 20, 21, 41, 249368), "recipient@example.com",
         "f4830d10-9c35-4f0c-bca3-3d9b459821f8", None, None, None),
        ("Email Link Clicked", datetime(2017, 10, 25, 15, 21, 11, 906561), "recipient@example.com",
         "f4830d10-9c35-4f0c-bca3-3d9b459821f8", "welcome-email", "https://example.com/click/me", None),
        ("Email Marked as Spam", datetime(2016, 4, 27, 20, 28, 50, 396393), "spam@example.com",
         "2706ee8a-737c-4285-b032-ccd317af53ed", "Test", None, None),
        ("Unsubscribed", datetime(2022, 6, 5, 17, 17, 32), "john@example.com",
         "a4909a96-73d7-4c49-b148-a54522d3f7ac", "welcome-email", None, None),
        ("Webhook: Postmark Subscription Change", datetime(2022, 6, 5, 17, 17, 32), None, None, None, None, None),
        ("Webhook: Postmark Subscription Change", datetime(2022, 6, 5, 17, 17, 32), None, None, None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("provider", ["sendgrid", "mandrill", "postmark"])
def test_a_whole_collection_sent_again_changes_nothing(doors: Doors, shared_data: Path, provider: str) -> None:
    bodies = [compact(case) for case in payloads(shared_data / f"esp_webhooks_{provider}").values()]
    first = doors.take(provider, *bodies)
    before = doors.events("recipient")
    again = doors.take(provider, *reversed(bodies), received_at=NOW + timedelta(days=1))
    assert (again.received, again.loaded, again.quarantined) == (first.received, 0, first.quarantined)
    # what names no time counts from its first arrival: the copy is known later, and stays out
    assert doors.events("recipient") == before


def _change(kind: str) -> dict[str, str]:
    return {"subscriptionType": f"{kind}.propertyChange"}


# Schema -> what is sent with an instance, and the event it becomes. The schemas describe payloads whose instants were
# rewritten as ISO 8601, and leave out the field that tells the kind.
SCHEMAS: dict[str, tuple[dict[str, Any], str]] = {
    "sendgrid__bounce": ({"event": "bounce"}, "Email Bounced"),
    "sendgrid__click": ({"event": "click"}, "Email Link Clicked"),
    "sendgrid__deferred": ({"event": "deferred"}, "Webhook: SendGrid Deferred"),
    "sendgrid__delivered": ({"event": "delivered"}, "Email Delivered"),
    "sendgrid__dropped": ({"event": "dropped"}, "Webhook: SendGrid Dropped"),
    "sendgrid__group_resubscribe": ({"event": "group_resubscribe"}, "Webhook: SendGrid Group Resubscribe"),
    "sendgrid__group_unsubscribe": ({"event": "group_unsubscribe"}, "Unsubscribed"),
    "sendgrid__open": ({"event": "open"}, "Email Opened"),
    "sendgrid__processed": ({"event": "processed"}, "Webhook: SendGrid Processed"),
    "sendgrid__spamreport": ({"event": "spamreport"}, "Email Marked as Spam"),
    "sendgrid__unsubscribe": ({"event": "unsubscribe"}, "Unsubscribed"),
    "mandrill__message_bounced": ({"event": "hard_bounce"}, "Email Bounced"),
    "mandrill__message_clicked": ({"event": "click"}, "Email Link Clicked"),
    "mandrill__message_delayed": ({"event": "deferral"}, "Webhook: Mandrill Deferral"),
    "mandrill__message_delivered": ({"event": "delivered"}, "Email Delivered"),
    "mandrill__message_marked_as_spam": ({"event": "spam"}, "Email Marked as Spam"),
    "mandrill__message_opened": ({"event": "open"}, "Email Opened"),
    "mandrill__message_rejected": ({"event": "reject"}, "Webhook: Mandrill Reject"),
    "mandrill__message_sent": ({"event": "send"}, "Email Sent"),
    "mandrill__message_soft_bounced": ({"event": "soft_bounce"}, "Email Bounced"),
    "mandrill__recipient_unsubscribed": ({"event": "unsub"}, "Unsubscribed"),
    "hubspot__company_change": (_change("company"), "Webhook: HubSpot Company Property Change"),
    "hubspot__company_creation": ({"subscriptionType": "company.creation"}, "Webhook: HubSpot Company Creation"),
    "hubspot__company_deletion": ({"subscriptionType": "company.deletion"}, "Webhook: HubSpot Company Deletion"),
    "hubspot__contact_change": (_change("contact"), "Webhook: HubSpot Contact Property Change"),
    "hubspot__contact_creation": ({"subscriptionType": "contact.creation"}, "Webhook: HubSpot Contact Creation"),
    "hubspot__contact_deletion": ({"subscriptionType": "contact.deletion"}, "Webhook: HubSpot Contact Deletion"),
    "hubspot__deal_change": (_change("deal"), "Webhook: HubSpot Deal Property Change"),
    "hubspot__deal_creation": ({"subscriptionType": "deal.creation"}, "Webhook: HubSpot Deal Creation"),
    "hubspot__deal_deletion": ({"subscriptionType": "deal.deletion"}, "Webhook: HubSpot Deal Deletion"),
    "mailchimp__campaign_sending_status": ({"type": "campaign"}, "Webhook: Mailchimp Campaign Status"),
    "mailchimp__cleaned_email": ({"type": "cleaned"}, "Email Bounced"),
    "mailchimp__email_address_change": ({"type": "upemail"}, "Webhook: Mailchimp Address Change"),
    "mailchimp__profile_update": ({"type": "profile"}, "Webhook: Mailchimp Profile Update"),
    "mailchimp__subscribe": ({"type": "subscribe"}, "Webhook: Mailchimp Subscribe"),
    "mailchimp__unsubscribe": ({"type": "unsubscribe"}, "Unsubscribed"),
}  # fmt: skip


def schemas(folder: Path) -> dict[str, dict[str, Any]]:
    """Schema name without vendor prefix and version -> the schema."""
    return {
        path.name.removeprefix("com.").rpartition("__")[0]: json.loads(path.read_text("utf-8"))
        for path in sorted(folder.glob("com.*.json"))
    }


def as_sent(provider: str, record: dict[str, Any]) -> bytes:
    """One record in the body its provider sends."""
    if provider != "mailchimp":
        return compact([record])
    data = [(f"data[{key}]", value) for key, value in record.get("data", {}).items() if key != "merges"]
    merges = [(f"data[merges][{key}]", value) for key, value in record.get("data", {}).get("merges", {}).items()]
    return urlencode([*((key, value) for key, value in record.items() if key != "data"), *data, *merges]).encode()


def test_an_instance_of_every_schema_becomes_its_event(doors: Doors, shared_data: Path) -> None:
    found = schemas(shared_data / "esp_jsonschemas")
    assert found.keys() == SCHEMAS.keys()
    expected = []
    for minute, (name, schema) in enumerate(found.items()):
        kind, event = SCHEMAS[name]
        provider = name.partition("__")[0]
        record = {**everything(schema, f"2026-03-01T12:{minute:02}:00Z"), **kind}
        own = {"sg_event_id": name} if provider == "sendgrid" else {}
        deliver(doors.landing, provider, as_sent(provider, {**record, **own}))
        about = "ann@acme.example" if not event.startswith("Webhook: ") else None
        expected.append((event, datetime(2026, 3, 1, 12, minute), about))
    report = doors.load()
    assert (report.received, report.loaded) == (36, 36), doors.refused()
    assert sorted(doors.events("recipient"), key=lambda row: row[1]) == expected


def test_the_least_of_every_schema_is_a_report_or_says_that_it_names_nobody(doors: Doors, shared_data: Path) -> None:
    loaded, refused = [], []
    for minute, (name, schema) in enumerate(schemas(shared_data / "esp_jsonschemas").items()):
        kind, event = SCHEMAS[name]
        provider, moment = name.partition("__")[0], datetime(2026, 3, 1, 12, minute)
        deliver(doors.landing, provider, as_sent(provider, {**least(schema), **kind}), received_at=moment)
        (loaded if event.startswith("Webhook: ") else refused).append((event, moment))
    report = doors.load()
    assert (report.received, dict(report.reasons)) == (36, {"no_subject": len(refused)})
    assert doors.events() == loaded  # without a time of their own they count from their arrival
    assert doors.engine.rows("SELECT landed_at FROM raw.quarantine ORDER BY ALL") == [(at,) for _, at in refused]
