"""The Stripe file: envelopes as the API sends them, whose states follow from each other."""

from collections import Counter

import pytest

from trialwise.demo.product import AS_OF, NEW_API_FROM

MOVED_TO_ITEMS = ("current_period_start", "current_period_end")


def objects(written, kind):
    return [line["data"]["object"] for line in written.envelopes if line["type"] == kind]


def test_envelope(written):
    for line in written.envelopes:
        assert line.keys() == {
            "id",
            "object",
            "api_version",
            "created",
            "data",
            "livemode",
            "pending_webhooks",
            "request",
            "type",
        }
        assert line["id"].startswith("evt_")
        assert line["created"] < AS_OF
        assert line["data"]["object"]["id"]
        assert line["api_version"] == ("2024-06-20" if line["created"] < NEW_API_FROM else "2026-10-28.endive")


def test_every_event_type_of_a_trial_is_there(written):
    kinds = Counter(line["type"] for line in written.envelopes)
    assert {
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.refunded",
        "charge.succeeded",
        "checkout.session.completed",
        "coupon.updated",
        "customer.created",
        "customer.deleted",
        "customer.discount.created",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.created",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.sent",
        "invoice.voided",
        "invoice_payment.paid",
        "payment_method.attached",
        "payment_method.detached",
        "price.updated",
        "product.updated",
        "refund.created",
        "setup_intent.succeeded",
    } == set(kinds)


def test_periods_stand_where_the_version_puts_them(written):
    old = [line for line in written.envelopes if line["api_version"] == "2024-06-20"]
    new = [line for line in written.envelopes if line["api_version"] != "2024-06-20"]
    for lines, on_subscription in ((old, True), (new, False)):
        subscriptions = [line["data"]["object"] for line in lines if line["data"]["object"]["object"] == "subscription"]
        assert subscriptions
        for subscription in subscriptions:
            item = subscription["items"]["data"][0]
            for key in MOVED_TO_ITEMS:
                assert (key in subscription) is on_subscription
                assert (key in item) is not on_subscription


def test_invoice_names_its_subscription_where_the_version_puts_it(written):
    for line in written.envelopes:
        invoice = line["data"]["object"]
        if invoice["object"] != "invoice":
            continue
        if line["api_version"] == "2024-06-20":
            assert invoice["subscription"].startswith("sub_")
            assert {"paid", "charge", "payment_intent", "tax"} <= invoice.keys()
            assert "parent" not in invoice
            assert {"price", "plan", "proration", "type"} <= invoice["lines"]["data"][0].keys()
        else:
            assert invoice["parent"]["subscription_details"]["subscription"].startswith("sub_")
            assert "subscription" not in invoice
            assert "paid" not in invoice
            assert invoice["lines"]["data"][0]["pricing"]["price_details"]["price"].startswith("price_")


def test_paused_says_since_when_and_why(written):
    paused = [
        line["data"]["object"]
        for line in written.envelopes
        if line["type"] == "customer.subscription.paused" and line["api_version"] != "2024-06-20"
    ]
    assert paused
    for subscription in paused:
        assert subscription["status"] == "paused"
        assert subscription["status_details"]["paused"]["subscription"] == {"type": "trial_end_without_payment_method"}


def test_previous_attributes_lead_from_one_state_to_the_next(written):
    """Undoing an update gives the state before it: no event shows what had not happened yet."""
    keys = ("status", "trial_end", "trial_start", "cancel_at_period_end", "canceled_at", "default_payment_method")
    last, seen, checked = {}, {}, 0
    for line in written.envelopes:
        subscription = line["data"]["object"]
        if subscription["object"] != "subscription" or line["id"] in seen:
            continue
        seen[line["id"]] = True
        name = subscription["id"]
        before = last.get(name)
        tie = before is not None and before[1] == line["created"]
        if before is not None and not tie and line["type"] == "customer.subscription.updated":
            previous = line["data"]["previous_attributes"]
            undone = {key: previous.get(key, subscription[key]) for key in keys}
            assert undone == {key: before[0][key] for key in keys}, line["id"]
            checked += 1
        last[name] = (subscription, line["created"])
    assert checked > 1_000


def test_a_card_is_attached_before_it_is_used(written):
    attached = {}
    for line in written.envelopes:
        thing = line["data"]["object"]
        if line["type"] == "payment_method.attached":
            attached.setdefault(thing["id"], line["created"])
        elif thing["object"] == "subscription" and thing["default_payment_method"]:
            assert attached[thing["default_payment_method"]] <= line["created"]


def test_invoice_amounts_add_up(written):
    for invoice in objects(written, "invoice.paid"):
        assert invoice["total"] == invoice["subtotal"] - sum(
            item["amount"] for item in invoice["total_discount_amounts"]
        )
        assert invoice["amount_due"] == invoice["amount_paid"] + invoice["amount_remaining"]
        assert invoice["subtotal"] == sum(line["amount"] for line in invoice["lines"]["data"])


@pytest.mark.parametrize("currency", ["usd", "eur", "jpy", "bhd"])
def test_currencies(written, currency):
    assert any(invoice["currency"] == currency and invoice["total"] > 0 for invoice in objects(written, "invoice.paid"))


def test_credit_balance_and_money_outside_stripe(written):
    paid = objects(written, "invoice.paid")
    assert any(
        invoice["total"] > 0 and invoice["amount_due"] == 0 and invoice["starting_balance"] < 0 for invoice in paid
    )
    payments = [payment["payment"]["type"] for payment in objects(written, "invoice_payment.paid")]
    assert {"payment_intent", "payment_record"} == set(payments)


def test_setup_fee_is_a_one_off_line_inside_the_trial(written):
    fees = [
        line
        for invoice in objects(written, "invoice.paid")
        for line in invoice["lines"]["data"]
        if line["amount"] == 25_000
    ]
    assert fees
    assert all(line["period"]["start"] == line["period"]["end"] for line in fees)


def test_zero_length_trial_never_trials(written):
    subscriptions = [
        subscription
        for subscription in objects(written, "customer.subscription.created")
        if subscription["trial_end"] is not None and subscription["trial_end"] == subscription["trial_start"]
    ]
    assert subscriptions
    assert {subscription["status"] for subscription in subscriptions} == {"active"}


def test_live_and_test_mode_are_told_apart(written):
    modes = Counter(line["livemode"] for line in written.envelopes)
    assert modes[False] > 0
    assert all(
        line["livemode"] == line["data"]["object"].get("livemode", line["livemode"]) for line in written.envelopes
    )


def test_ways_to_find_the_account(written):
    customers = objects(written, "customer.created")
    assert any(customer["metadata"] for customer in customers)
    assert any(not customer["metadata"] for customer in customers)
    assert all(session["client_reference_id"] for session in objects(written, "checkout.session.completed"))
    assert any(item["metadata"] for item in objects(written, "customer.subscription.created"))
