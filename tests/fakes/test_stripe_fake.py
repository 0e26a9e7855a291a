"""The official SDK against the fake: what it is asked, what the clock does, what it answers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import stripe
from stripe._object_classes import get_object_class

from tests.fakes.stripe import LIVE_KEY, TEST_KEY, StripeFake
from tests.fakes.stripe.versions import CURRENT, render

DAY = 86400


@pytest.fixture
def fake() -> Iterator[StripeFake]:
    with StripeFake() as started:
        yield started


@pytest.fixture
def api(fake: StripeFake) -> Any:
    return client(fake)


def client(fake: StripeFake, key: str = TEST_KEY, retries: int = 0) -> Any:
    return stripe.StripeClient(key, base_addresses={"api": fake.url}, max_network_retries=retries).v1


def buyer(api: Any, card: str | None = "pm_card_visa", **fields: Any) -> Any:
    """A customer, with this card as the default."""
    customer = api.customers.create({"email": "a@example.com", **fields})
    if card:
        method = api.payment_methods.attach(card, {"customer": customer.id})
        api.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    return customer


def price(api: Any, amount: int = 4900, currency: str = "usd", **fields: Any) -> Any:
    product = api.products.create({"name": "Pro"})
    given = {"product": product.id, "currency": currency, "unit_amount": amount, "recurring": {"interval": "month"}}
    return api.prices.create({**given, **fields})


def trial(api: Any, card: str | None = "pm_card_visa", missing: str = "create_invoice", **fields: Any) -> Any:
    settings = {"end_behavior": {"missing_payment_method": missing}}
    asked = {"customer": buyer(api, card).id, "items": [{"price": price(api).id}], "trial_period_days": 14}
    return api.subscriptions.create({**asked, "trial_settings": settings, **fields})


def types(api: Any, since: int = 0) -> list[str]:
    """Types of the events since then, oldest first."""
    listed = api.events.list({"limit": 100, "created": {"gte": since}}).auto_paging_iter()
    return [event.type for event in listed][::-1]


class TestTrials:
    def test_a_trial_starts_with_a_paid_invoice_of_nothing(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        invoice = api.invoices.retrieve(sub.latest_invoice)
        assert (sub.status, sub.trial_end - sub.trial_start) == ("trialing", 14 * DAY)
        assert sub["items"].data[0].current_period_end == sub.trial_end
        assert (invoice.status, invoice.total, invoice.billing_reason) == ("paid", 0, "subscription_create")
        assert invoice.parent.subscription_details.subscription == sub.id
        assert types(api)[-6:] == [
            "customer.subscription.created",
            "invoice.updated",
            "invoice.finalized",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
        ]

    def test_the_end_is_active_then_billed_an_hour_later(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(to=sub.trial_end - 1)
        assert api.subscriptions.retrieve(sub.id).status == "trialing"
        fake.clock.advance(seconds=1)
        sub = api.subscriptions.retrieve(sub.id)
        invoice = api.invoices.retrieve(sub.latest_invoice)
        assert (sub.status, invoice.status, invoice.amount_due) == ("active", "draft", 4900)
        assert invoice.lines.data[0].period.start == sub.trial_end
        assert invoice.lines.data[0].pricing.price_details.price == sub["items"].data[0].price.id
        fake.clock.advance(minutes=59)
        assert api.invoices.retrieve(invoice.id).status == "draft"
        fake.clock.advance(minutes=1)
        invoice = api.invoices.retrieve(invoice.id, {"expand": ["payments.data.payment.payment_intent"]})
        assert (invoice.status, invoice.amount_paid) == ("paid", 4900)
        assert invoice.status_transitions.paid_at == sub.trial_end + 3600
        assert invoice.payments.data[0].payment.payment_intent.status == "succeeded"

    def test_the_reminder_comes_three_days_before(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(days=20)
        event = api.events.list({"type": "customer.subscription.trial_will_end"}).data
        assert [found.created for found in event] == [sub.trial_end - 3 * DAY]

    def test_a_short_trial_is_reminded_at_once(self, fake: StripeFake, api: Any) -> None:
        trial(api, trial_period_days=2)
        assert types(api)[-1] == "customer.subscription.trial_will_end"

    @pytest.mark.parametrize(
        ("after", "status"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
    )
    def test_a_refused_card_is_tried_again_then_given_up(
        self, fake: StripeFake, api: Any, after: str, status: str
    ) -> None:
        fake.world.settings.after_retries = after
        sub = trial(api, "pm_card_chargeCustomerFail")
        fake.clock.advance(to=sub.trial_end + 3600)
        sub = api.subscriptions.retrieve(sub.id)
        invoice = api.invoices.retrieve(sub.latest_invoice)
        assert (sub.status, invoice.status, invoice.attempt_count) == ("past_due", "open", 1)
        assert invoice.next_payment_attempt == sub.trial_end + 3600 + 3 * DAY
        fake.clock.advance(days=7)
        sub, invoice = api.subscriptions.retrieve(sub.id), api.invoices.retrieve(invoice.id)
        assert (sub.status, invoice.attempt_count, invoice.next_payment_attempt) == (status, 4, None)
        assert sub.cancellation_details.reason == ("payment_failed" if after == "cancel" else None)
        assert len(api.charges.list({"customer": sub.customer}).data) == 4
        assert types(api).count("invoice.payment_failed") == 4

    def test_a_retry_that_succeeds_makes_it_active(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, "pm_card_chargeCustomerFail")
        fake.clock.advance(to=sub.trial_end + 3600)
        fake.decline(api.payment_methods.list({"customer": sub.customer}).data[0].id, "")
        fake.clock.advance(days=3)
        sub = api.subscriptions.retrieve(sub.id)
        assert (sub.status, api.invoices.retrieve(sub.latest_invoice).status) == ("active", "paid")

    def test_without_a_card_it_is_canceled_at_its_end(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, None, "cancel")
        fake.clock.advance(days=14)
        ended = api.subscriptions.retrieve(sub.id)
        assert (ended.status, ended.ended_at, ended.canceled_at) == ("canceled", sub.trial_end, sub.trial_end)
        assert types(api, sub.trial_end) == ["customer.subscription.deleted"]

    def test_without_a_card_it_pauses_and_can_be_resumed(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, None, "pause")
        fake.clock.advance(days=20)
        paused = api.subscriptions.retrieve(sub.id)
        assert (paused.status, paused.status_details.paused.transitioned_at) == ("paused", sub.trial_end)
        assert paused.status_details.paused.subscription.type == "trial_end_without_payment_method"
        assert types(api, sub.trial_end) == ["customer.subscription.updated", "customer.subscription.paused"]
        method = api.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
        api.customers.update(sub.customer, {"invoice_settings": {"default_payment_method": method.id}})
        resumed = api.subscriptions.resume(sub.id)
        invoice = api.invoices.retrieve(resumed.latest_invoice)
        assert (resumed.status, resumed.status_details, invoice.status) == ("active", None, "paid")
        assert invoice.lines.data[0].period.start == fake.clock.now
        assert "customer.subscription.resumed" in types(api, fake.clock.now)

    def test_a_resumption_can_wait_for_its_payment(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, None, "pause")
        fake.clock.advance(days=20)
        assert api.subscriptions.resume(sub.id, {"payment_behavior": "resume_on_payment_success"}).status == "paused"
        invoice = api.subscriptions.retrieve(sub.id).latest_invoice
        method = api.payment_methods.attach("pm_card_visa", {"customer": sub.customer})
        assert api.invoices.pay(invoice, {"payment_method": method.id}).status == "paid"
        assert api.subscriptions.retrieve(sub.id).status == "active"

    def test_without_a_card_an_invoice_fails(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, None)
        fake.clock.advance(days=14, hours=1)
        sub = api.subscriptions.retrieve(sub.id)
        assert (sub.status, api.invoices.retrieve(sub.latest_invoice).status) == ("past_due", "open")
        assert api.charges.list().data == []

    def test_cancelled_before_the_end(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(days=5)
        asked = api.subscriptions.update(sub.id, {"cancel_at_period_end": True})
        assert (asked.status, asked.cancel_at, asked.canceled_at) == ("trialing", sub.trial_end, fake.clock.now)
        assert asked.cancellation_details.reason == "cancellation_requested"
        fake.clock.advance(days=9)
        ended = api.subscriptions.retrieve(sub.id)
        assert (ended.status, ended.ended_at, ended.canceled_at) == ("canceled", sub.trial_end, sub.trial_end - 9 * DAY)
        assert len(api.invoices.list({"subscription": sub.id}).data) == 1

    def test_a_cancellation_taken_back(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        api.subscriptions.update(sub.id, {"cancel_at_period_end": True})
        kept = api.subscriptions.update(sub.id, {"cancel_at_period_end": False})
        assert (kept.cancel_at, kept.canceled_at) == (None, None)
        fake.clock.advance(days=15)
        assert api.subscriptions.retrieve(sub.id).status == "active"

    def test_cancelled_at_once(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(days=5)
        ended = api.subscriptions.cancel(sub.id, {"cancellation_details": {"feedback": "too_complex"}})
        assert (ended.status, ended.ended_at) == ("canceled", fake.clock.now)
        assert ended.cancellation_details.feedback == "too_complex"
        assert [found.id for found in api.subscriptions.list().data] == []
        assert [found.id for found in api.subscriptions.list({"status": "all"}).data] == [sub.id]

    def test_extended(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(days=13)
        longer = api.subscriptions.update(sub.id, {"trial_end": sub.trial_end + 7 * DAY})
        assert (longer.status, longer.trial_end, longer.trial_start) == (
            "trialing",
            sub.trial_end + 7 * DAY,
            sub.trial_start,
        )
        event = api.events.list({"type": "customer.subscription.updated"}).data[0]
        assert event.data.previous_attributes.trial_end == sub.trial_end
        fake.clock.advance(days=7, minutes=30)
        assert api.subscriptions.retrieve(sub.id).status == "trialing"
        fake.clock.advance(hours=12)
        fake.clock.advance(days=1)
        assert api.subscriptions.retrieve(sub.id).status == "active"
        reminders = api.events.list({"type": "customer.subscription.trial_will_end"}).data
        assert [found.created for found in reminders] == [longer.trial_end - 3 * DAY, sub.trial_end - 3 * DAY]

    def test_a_trial_again_after_it_had_ended(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(days=14)
        again = api.subscriptions.update(sub.id, {"trial_end": fake.clock.now + 5 * DAY})
        assert (again.status, again.trial_start) == ("trialing", fake.clock.now)
        fake.clock.advance(days=6)
        assert api.subscriptions.retrieve(sub.id).status == "active"

    def test_ended_early_by_its_buyer(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(days=3)
        early = api.subscriptions.update(sub.id, {"trial_end": "now"})
        invoice = api.invoices.retrieve(early.latest_invoice)
        assert (early.status, early.trial_end, invoice.status) == ("active", fake.clock.now, "paid")
        assert types(api, fake.clock.now).count("customer.subscription.trial_will_end") == 1

    def test_a_sent_invoice_is_paid_outside(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, None, collection_method="send_invoice", days_until_due=30)
        fake.clock.advance(days=14, hours=1)
        sub = api.subscriptions.retrieve(sub.id)
        invoice = api.invoices.retrieve(sub.latest_invoice)
        assert (sub.status, invoice.status, invoice.due_date) == ("active", "open", fake.clock.now + 30 * DAY)
        fake.clock.advance(days=31)
        assert api.subscriptions.retrieve(sub.id).status == "past_due"
        paid = api.invoices.pay(invoice.id, {"paid_out_of_band": True})
        assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 4900)

    def test_renewals_keep_the_day_of_the_month(self, fake: StripeFake, api: Any) -> None:
        fake.clock.advance(days=16)  # 17 January; the trial ends on the 31st
        sub = trial(api)
        fake.clock.advance(days=14 + 28 + 31 + 1)
        starts = [invoice.lines.data[0].period.start for invoice in api.invoices.list({"subscription": sub.id}).data]
        days = [stripe_day(start) for start in starts]
        assert days == ["2026-03-31", "2026-02-28", "2026-01-31", "2026-01-17"]

    def test_without_a_trial_the_first_payment_decides(self, fake: StripeFake, api: Any) -> None:
        asked = {"customer": buyer(api).id, "items": [{"price": price(api).id}]}
        assert api.subscriptions.create(asked).status == "active"
        asked["customer"] = buyer(api, "pm_card_chargeCustomerFail").id
        sub = api.subscriptions.create(asked)
        assert sub.status == "incomplete"
        with pytest.raises(stripe.CardError):
            api.subscriptions.create({**asked, "payment_behavior": "error_if_incomplete"})
        fake.clock.advance(days=1)
        assert api.subscriptions.retrieve(sub.id).status == "incomplete_expired"
        assert api.invoices.retrieve(sub.latest_invoice).status == "void"

    def test_an_upgrade_is_prorated(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, trial_period_days=1)
        fake.clock.advance(days=1, hours=1)
        dear = price(api, 9800)
        sub = api.subscriptions.retrieve(sub.id)
        item = sub["items"].data[0]
        fake.clock.advance(to=(item.current_period_start + item.current_period_end) // 2)
        change = {"items": [{"id": item.id, "price": dear.id}], "proration_behavior": "always_invoice"}
        sub = api.subscriptions.update(sub.id, change)
        invoice = api.invoices.retrieve(sub.latest_invoice)
        assert [line.amount for line in invoice.lines.data] == [-2450, 4900]
        assert all(line.parent.invoice_item_details.proration for line in invoice.lines.data)
        assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_update")


def stripe_day(instant: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(instant, UTC).date().isoformat()


class TestMoney:
    def test_currencies_of_zero_and_three_decimals(self, fake: StripeFake, api: Any) -> None:
        for currency, amount in (("jpy", 4900), ("bhd", 12500)):
            sub = api.subscriptions.create(
                {"customer": buyer(api).id, "items": [{"price": price(api, amount, currency).id}]}
            )
            assert api.invoices.retrieve(sub.latest_invoice).amount_paid == amount

    def test_tiers_and_fractions_have_no_unit_amount(self, fake: StripeFake, api: Any) -> None:
        tiers = [{"up_to": 5, "unit_amount": 1000}, {"up_to": "inf", "unit_amount": 500, "flat_amount": 100}]
        product = api.products.create({"name": "Seats"})
        shared = {"product": product.id, "currency": "usd", "recurring": {"interval": "month"}}
        tiered = api.prices.create({**shared, "billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": tiers})
        fraction = api.prices.create({**shared, "unit_amount_decimal": "0.5"})
        assert (tiered.unit_amount, fraction.unit_amount) == (None, None)
        assert "tiers" not in tiered.to_dict()
        assert len(api.prices.retrieve(tiered.id, {"expand": ["tiers"]}).tiers) == 2
        items = [{"price": tiered.id, "quantity": 7}, {"price": fraction.id, "quantity": 3}]
        sub = api.subscriptions.create({"customer": buyer(api).id, "items": items})
        lines = api.invoices.retrieve(sub.latest_invoice).lines.data
        assert [line.amount for line in lines] == [5 * 1000 + 2 * 500 + 100, 2]

    def test_a_full_discount_makes_an_invoice_of_nothing(self, fake: StripeFake, api: Any) -> None:
        coupon = api.coupons.create({"percent_off": 100, "duration": "forever"})
        sub = trial(api, discounts=[{"coupon": coupon.id}])
        fake.clock.advance(days=15)
        sub = api.subscriptions.retrieve(sub.id, {"expand": ["discounts"]})
        invoice = api.invoices.retrieve(sub.latest_invoice)
        assert (invoice.status, invoice.subtotal, invoice.total, invoice.amount_paid) == ("paid", 4900, 0, 0)
        assert sub.discounts[0].source.coupon == coupon.id
        assert invoice.total_discount_amounts[0].amount == 4900

    def test_a_credit_balance_pays(self, fake: StripeFake, api: Any) -> None:
        customer = api.customers.create({"balance": -6000})
        sub = api.subscriptions.create({"customer": customer.id, "items": [{"price": price(api).id}]})
        invoice = api.invoices.retrieve(sub.latest_invoice)
        assert (sub.status, invoice.status, invoice.total, invoice.amount_due) == ("active", "paid", 4900, 0)
        assert api.customers.retrieve(customer.id).balance == -1100

    def test_refunds_and_disputes(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        fake.clock.advance(days=15)
        charge = api.charges.list({"customer": sub.customer}).data[0]
        api.refunds.create({"charge": charge.id, "amount": 900})
        assert not api.charges.retrieve(charge.id).refunded
        api.refunds.create({"charge": charge.id})
        refunded = api.charges.retrieve(charge.id, {"expand": ["refunds"]})
        assert (refunded.refunded, [found.amount for found in refunded.refunds.data]) == (True, [4000, 900])
        with pytest.raises(stripe.InvalidRequestError):
            api.refunds.create({"charge": charge.id})
        dispute = fake.dispute(charge.id)
        fake.decide_dispute(dispute["id"], "lost")
        assert api.disputes.list({"charge": charge.id}).data[0].status == "lost"
        assert types(api)[-4:] == [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.dispute.closed",
        ]

    def test_checkout_names_the_account(self, fake: StripeFake, api: Any) -> None:
        asked = {"mode": "subscription", "client_reference_id": "acme", "line_items": [{"price": price(api).id}]}
        session = api.checkout.sessions.create({**asked, "subscription_data": {"trial_period_days": 14}})
        fake.complete_checkout(session.id, email="b@example.com")
        done = api.checkout.sessions.retrieve(session.id)
        assert (done.status, done.client_reference_id) == ("complete", "acme")
        sub = api.subscriptions.retrieve(done.subscription)
        assert (sub.status, sub.customer, sub.default_payment_method[:3]) == ("trialing", done.customer, "pm_")
        left = api.checkout.sessions.create(asked)
        fake.clock.advance(days=2)
        assert api.checkout.sessions.retrieve(left.id).status == "expired"

    def test_a_setup_intent_brings_the_card(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api, None, payment_behavior="default_incomplete")
        api.setup_intents.confirm(sub.pending_setup_intent, {"payment_method": "pm_card_visa"})
        assert api.subscriptions.retrieve(sub.id).default_payment_method is not None
        with pytest.raises(stripe.CardError):
            api.setup_intents.create({"payment_method": "pm_card_visa_chargeDeclined", "confirm": True})
        assert "setup_intent.succeeded" in types(api)


class TestLists:
    def test_paging_gives_each_once_newest_first(self, fake: StripeFake, api: Any) -> None:
        made = []
        for number in range(25):
            made.append(api.customers.create({"name": f"c{number}"}).id)
            fake.clock.advance(seconds=number % 2)
        page = api.customers.list()
        assert ([found.id for found in page.data], page.has_more) == (made[::-1][:10], True)
        assert [found.id for found in api.customers.list({"limit": 3}).auto_paging_iter()] == made[::-1]
        before = api.customers.list({"limit": 3, "ending_before": made[10]})
        assert [found.id for found in before.data] == [made[13], made[12], made[11]]
        bounds = {"created": {"gte": fake.clock.now - 2, "lt": fake.clock.now}}
        assert [found.id for found in api.customers.list(bounds).auto_paging_iter()] == made[23:19:-1]

    @pytest.mark.parametrize("limit", [0, 101])
    def test_limits(self, api: Any, limit: int) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            api.customers.list({"limit": limit})

    def test_a_deleted_customer_is_a_stub_and_listed_no_more(self, fake: StripeFake, api: Any) -> None:
        sub = trial(api)
        assert api.customers.delete(sub.customer).deleted
        assert api.customers.retrieve(sub.customer).to_dict() == {
            "id": sub.customer,
            "object": "customer",
            "deleted": True,
        }
        assert api.customers.list().data == []
        assert api.subscriptions.retrieve(sub.id).status == "canceled"

    def test_events_are_listed_for_thirty_days(self, fake: StripeFake, api: Any) -> None:
        trial(api)
        first = api.events.list({"limit": 1}).data[0].id
        fake.clock.advance(days=29)
        assert api.events.retrieve(first).id == first
        fake.clock.advance(days=2)
        with pytest.raises(stripe.InvalidRequestError):
            api.events.retrieve(first)
        assert min(event.created for event in api.events.list({"limit": 100}).data) >= fake.clock.now - 30 * DAY
        kinds = api.events.list({"types": ["invoice.paid", "charge.succeeded"]}).data
        assert {event.type for event in kinds} == {"invoice.paid", "charge.succeeded"}

    def test_modes_never_mix(self, fake: StripeFake, api: Any) -> None:
        live = client(fake, LIVE_KEY)
        customer = live.customers.create({"name": "real"})
        assert customer.livemode
        assert [found.id for found in live.customers.list().data] == [customer.id]
        assert api.customers.list().data == []
        with pytest.raises(stripe.InvalidRequestError):
            api.customers.retrieve(customer.id)

    def test_ids_depend_on_the_seed_alone(self) -> None:
        found = []
        for seed in ("a", "a", "b"):
            with StripeFake(seed=seed) as fake:
                found.append(client(fake).customers.create({}).id)
        assert found[0] == found[1] != found[2]


class TestErrors:
    def test_what_is_wrong_is_told_in_stripes_words(self, fake: StripeFake, api: Any) -> None:
        with pytest.raises(stripe.AuthenticationError) as refused:
            client(fake, "sk_test_wrong").customers.list()
        assert refused.value.http_status == 401
        with pytest.raises(stripe.InvalidRequestError) as unknown:
            api.customers.retrieve("cus_none")
        assert (unknown.value.http_status, unknown.value.code) == (404, "resource_missing")
        with pytest.raises(stripe.InvalidRequestError) as strange:
            api.customers.list({"colour": "red"})
        assert (strange.value.http_status, strange.value.code) == (400, "parameter_unknown")
        with pytest.raises(stripe.InvalidRequestError) as cursor:
            api.customers.list({"starting_after": "cus_none"})
        assert (cursor.value.http_status, cursor.value.param) == (400, "starting_after")

    def test_restricted_keys(self, fake: StripeFake, api: Any) -> None:
        limited = client(fake, fake.restrict("rk_test_reader", "customers"))
        assert limited.customers.list().data == []
        with pytest.raises(stripe.PermissionError):
            limited.invoices.list()

    def test_idempotency(self, fake: StripeFake, api: Any) -> None:
        key = {"idempotency_key": "once"}
        first, again = (api.customers.create({"name": "x"}, key) for _ in range(2))
        assert first.id == again.id
        assert again.last_response.headers["idempotent-replayed"] == "true"
        with pytest.raises(stripe.IdempotencyError):
            api.customers.create({"name": "y"}, key)
        fake.clock.advance(days=1, seconds=1)
        assert api.customers.create({"name": "y"}, key).id != first.id

    def test_a_lost_answer_is_repeated_not_doubled(self, fake: StripeFake) -> None:
        fake.faults.add("lost", method="POST")
        customer = client(fake, retries=1).customers.create({"name": "x"})
        assert [found.id for found in client(fake).customers.list().data] == [customer.id]

    @pytest.mark.parametrize(
        ("status", "error"), [(429, stripe.RateLimitError), (500, stripe.APIError), (503, stripe.APIError)]
    )
    def test_statuses_on_demand(self, fake: StripeFake, api: Any, status: int, error: type[Exception]) -> None:
        fake.faults.add("status", path="/v1/cust", status=status, after=1, retry_after="7")
        assert api.customers.list().data == []
        assert api.products.list().data == []
        with pytest.raises(error) as met:
            api.customers.list()
        assert met.value.headers["retry-after"] == "7"  # type: ignore[attr-defined]
        assert api.customers.list().data == []

    @pytest.mark.parametrize("kind", ["cut", "reset", "silence"])
    def test_broken_connections_on_demand(self, fake: StripeFake, api: Any, kind: str) -> None:
        api.customers.create({"name": "x"})
        fake.faults.add(kind, method="GET")
        with pytest.raises(stripe.APIConnectionError):
            api.customers.list()
        assert len(api.customers.list().data) == 1

    def test_slow_bodies_on_demand(self, fake: StripeFake, api: Any) -> None:
        fake.faults.add("slow", seconds=0.05)
        assert api.customers.list().data == []


class TestWebhooks:
    def test_deliveries_are_signed_with_every_secret(self, fake: StripeFake, api: Any) -> None:
        got: list[tuple[bytes, dict[str, str]]] = []
        fake.webhooks.add(lambda body, headers: got.append((body, headers)) or 200, secrets=["whsec_old", "whsec_new"])
        trial(api)
        for secret in ("whsec_old", "whsec_new"):
            events = [
                stripe.Webhook.construct_event(body, headers["stripe-signature"], secret) for body, headers in got
            ]
            assert [event.id for event in events] == [event["id"] for event in fake.test.log.all()]
        body, headers = got[0]
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body + b" ", headers["stripe-signature"], "whsec_new")

    def test_failures_are_retried_until_three_days_are_over(self, fake: StripeFake, api: Any) -> None:
        answers: list[int] = []
        fake.webhooks.add(lambda body, headers: answers.append(500) or 500)
        api.customers.create({})
        fake.clock.advance(days=10)
        assert len(answers) == 12
        assert fake.webhooks.waiting == []

    def test_an_endpoint_that_was_down_gets_all_later(self, fake: StripeFake, api: Any) -> None:
        got: list[str] = []
        fake.webhooks.add(lambda body, headers: got.append(json.loads(body)["id"]) or 200)
        fake.webhooks.down(hours=1)
        trial(api)
        assert got == []
        fake.clock.advance(hours=3)
        assert sorted(got) == sorted(event["id"] for event in fake.test.log.all())

    def test_lost_events_never_come(self, fake: StripeFake, api: Any) -> None:
        got: list[str] = []
        fake.webhooks.add(lambda body, headers: got.append(json.loads(body)["type"]) or 200)
        fake.webhooks.lose(hours=1)
        api.customers.create({})
        fake.clock.advance(days=4)
        api.products.create({"name": "later"})
        assert got == ["product.created"]

    def test_shuffled_and_twice(self, fake: StripeFake, api: Any) -> None:
        got: list[str] = []
        fake.webhooks.add(lambda body, headers: got.append(json.loads(body)["id"]) or 200, shuffle=Random(3), twice=1.0)
        trial(api)
        fake.clock.advance(days=15)
        sent = [event["id"] for event in fake.test.log.all()]
        assert sorted(got) == sorted(sent * 2)
        assert got[::2] != sent


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "holds", "lacks"),
        [
            ("2018-11-08", {"start", "billing", "current_period_end", "plan"}, {"start_date", "status_details"}),
            ("2020-08-27", {"current_period_end", "plan", "start_date"}, {"trial_settings", "status_details"}),
            ("2022-11-15", {"current_period_end", "trial_settings", "discount"}, {"status_details", "billing_mode"}),
            ("2025-03-31.basil", {"trial_settings", "billing_mode"}, {"current_period_end", "status_details"}),
            (CURRENT, {"status_details"}, {"current_period_end", "plan"}),
        ],
    )
    def test_subscriptions(self, fake: StripeFake, api: Any, version: str, holds: set[str], lacks: set[str]) -> None:
        fake.world.api_version = version
        sub = trial(api)
        event = next(found for found in fake.test.log.all() if found["type"] == "customer.subscription.created")
        shown = event["data"]["object"]
        assert event["api_version"] == version
        assert holds <= set(shown)
        assert not lacks & set(shown)
        assert ("current_period_end" in shown["items"]["data"][0]) == (version >= "2025-03-31")
        assert api.subscriptions.retrieve(sub.id).status_details is None

    def test_one_back_fill_mixes_shapes(self, fake: StripeFake, api: Any) -> None:
        fake.world.api_version = "2020-08-27"
        sub = trial(api)
        fake.clock.advance(days=10)
        fake.world.api_version = CURRENT
        fake.clock.advance(days=5)
        shapes = {
            (event.api_version, "subscription" in event.data.object)
            for event in api.events.list({"type": "invoice.paid"}).data
        }
        assert shapes == {("2020-08-27", True), (CURRENT, False)}
        assert sub.id

    def test_old_invoices_name_charge_intent_and_price(self, fake: StripeFake, api: Any) -> None:
        fake.world.api_version = "2020-08-27"
        sub = trial(api)
        fake.clock.advance(days=15)
        paid = [event["data"]["object"] for event in fake.test.log.all() if event["type"] == "invoice.paid"][-1]
        assert (paid["subscription"], paid["paid"]) == (sub.id, True)
        assert (paid["charge"][:3], paid["payment_intent"][:3]) == ("ch_", "pi_")
        line = paid["lines"]["data"][0]
        assert (line["price"]["unit_amount"], line["plan"]["amount"], line["type"]) == (4900, 4900, "subscription")
        assert "parent" not in paid
        assert "parent" not in line

    def test_nothing_of_the_fakes_own_is_shown(self, fake: StripeFake, api: Any) -> None:
        trial(api)
        fake.clock.advance(days=15)
        for kind in fake.test.store._kinds:
            for thing in fake.test.store.of(kind):
                assert '"_' not in json.dumps(render(thing, CURRENT, fake.test.store.find))


EXPLAINED: dict[str, tuple[set[str], set[str]]] = {
    # The published samples are older than the current version (they lack fields that the SDK's classes have), or
    # show parts that Stripe sends on request alone (`expand`) or for other kinds of payment.
    "subscription": ({"status_details"}, set()),
    "subscription_item": (set(), set()),
    "invoice": ({"amount_paid_off_stripe"}, {"subscription"}),
    "line_item": (set(), set()),
    "charge": (set(), {"refunds"}),
    "price": (set(), set()),
    "product": (set(), set()),
    "coupon": (set(), set()),
    "payment_intent": (set(), {"managed_payments"}),
    "payment_method": (set(), set()),
    "setup_intent": ({"customer_account"}, set()),
    "refund": (set(), set()),
    "customer": ({"customer_account"}, set()),
    "invoice_payment": (set(), set()),
    "event": (set(), set()),
    "dispute": (set(), set()),
}
"""Per kind: keys that the fake has and the sample lacks; keys of the sample that the fake lacks."""


class TestShapes:
    @pytest.fixture
    def objects(self, fake: StripeFake, api: Any) -> dict[str, dict[str, Any]]:
        """One object of each kind after a story that makes them all."""
        coupon = api.coupons.create({"percent_off": 10, "duration": "once"})
        sub = trial(api, discounts=[{"coupon": coupon.id}], payment_behavior="default_incomplete")
        api.setup_intents.create({"customer": sub.customer, "payment_method": "pm_card_visa", "confirm": True})
        fake.clock.advance(days=15)
        charge = api.charges.list().data[0]
        api.refunds.create({"charge": charge.id, "amount": 100})
        fake.dispute(charge.id)
        store = fake.test.store
        found = {kind: render(store.of(kind)[-1], CURRENT, store.find) for kind in EXPLAINED if store.of(kind)}
        found["subscription_item"] = found["subscription"]["items"]["data"][0]
        found["line_item"] = found["invoice"]["lines"]["data"][0]
        found["event"] = fake.test.log.all()[0]
        return found

    def test_every_key_is_one_of_stripes(self, shared_data: Path, objects: dict[str, dict[str, Any]]) -> None:
        samples = json.loads((shared_data / "stripe_openapi_fixtures" / "fixtures3.json").read_text())["resources"]
        differing = {}
        for kind, thing in objects.items():
            more, fewer = set(thing) - set(samples[kind]), set(samples[kind]) - set(thing)
            if (more, fewer) != EXPLAINED[kind]:
                differing[kind] = (more, fewer)
        assert differing == {}

    def test_the_sdks_classes_know_every_key(self, objects: dict[str, dict[str, Any]]) -> None:
        strange = {}
        for kind, thing in objects.items():
            known = {
                name for parent in get_object_class("V1", kind).__mro__ for name in inspect.get_annotations(parent)
            }
            if not set(thing) <= known:
                strange[kind] = set(thing) - known
        assert strange == {}
