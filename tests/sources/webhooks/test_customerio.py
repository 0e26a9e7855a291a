"""Customer.io: one event a request, naming the person by the company's own id."""

from __future__ import annotations

import pytest
from tests.sources.webhooks.translating import call_of, told

OPENED = {
    "event_id": "01E4C4CT6YDC7Y5M7FE1GWWPQJ",
    "object_type": "email",
    "metric": "opened",
    "timestamp": 1772366400,
    "data": {
        "customer_id": "u42",
        "identifiers": {"id": "u42", "email": "ann@acme.example", "cio_id": "d9c106000001"},
        "delivery_id": "RPILAgUBcRhI",
        "recipient": "ann@acme.example",
        "campaign_id": 23,
        "action_id": 38,
        "subject": "Day 2",
        "proxied": True,
        "prefetched": False,
    },
}


def changed(**data: object) -> dict[str, object]:
    return {**OPENED, "data": {**OPENED["data"], **data}}


def test_an_opening_through_a_proxy() -> None:
    assert call_of("customerio", OPENED) == {
        "type": "track",
        "event": "Email Opened",
        "messageId": "customerio:01E4C4CT6YDC7Y5M7FE1GWWPQJ",
        "timestamp": "1772366400",
        "userId": "u42",
        "properties": {
            "recipient": "ann@acme.example",
            "campaign_id": "23",
            "message_id": "RPILAgUBcRhI",
            "is_privacy_proxy": True,
            "provider": "customerio",
        },
    }


def test_a_person_known_by_address_alone_has_no_id_of_the_companys() -> None:
    nobody = changed(customer_id="cio_d9c106", identifiers={"id": None, "email": "b@x.example", "cio_id": "d9c106"})
    assert "userId" not in call_of("customerio", nobody)
    assert call_of("customerio", changed(identifiers=None))["userId"] == "u42"


def test_a_prefetched_click_is_a_robots() -> None:
    click = {**changed(href="https://app.example", prefetched=True, proxied=False), "metric": "clicked"}
    event, said = told("customerio", click)
    assert event == "Email Link Clicked"
    assert (said["link_url"], said["is_bot"]) == ("https://app.example", True)
    assert "is_bot" not in told("customerio", changed(prefetched=True))[1]


@pytest.mark.parametrize(
    ("kind", "metric", "event"),
    [
        ("email", "sent", "Email Sent"),
        ("email", "delivered", "Email Delivered"),
        ("email", "bounced", "Email Bounced"),
        ("email", "spammed", "Email Marked as Spam"),
        ("email", "unsubscribed", "Unsubscribed"),
        ("email", "drafted", "Webhook: Customer.io Email Drafted"),
        ("email", "converted", "Webhook: Customer.io Email Converted"),
        ("email", "human_opened", "Webhook: Customer.io Email Human Opened"),
        ("sms", "clicked", "Webhook: Customer.io Sms Clicked"),
        ("in_app", "opened", "Webhook: Customer.io In App Opened"),
        ("customer", "unsubscribed", "Webhook: Customer.io Customer Unsubscribed"),
    ],
)
def test_what_happened_has_one_name(kind: str, metric: str, event: str) -> None:
    assert told("customerio", {**OPENED, "object_type": kind, "metric": metric})[0] == event


def test_a_report_keeps_what_it_says_but_not_the_message() -> None:
    report = {**changed(body="<html>", headers={"x": "y"}, failure_message="quota"), "metric": "failed"}
    event, said = told("customerio", report)
    assert event == "Webhook: Customer.io Email Failed"
    assert said["failure_message"] == "quota"
    assert {"body", "headers", "identifiers"}.isdisjoint(said)
