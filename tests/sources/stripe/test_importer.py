"""First import, poll and reconcile against a double of Stripe, with the official SDK."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.sources.stripe.conftest import NOW, Bench
from tests.sources.stripe.double import Fault, Seen

from trialwise.errors import ConfigError, SourceError
from trialwise.sources.stripe.kinds import KINDS


def at(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp())


def ago(**span: float) -> int:
    return at(NOW - timedelta(**span))


def test_the_first_import_reads_events_as_history_and_objects_as_of_now(bench: Bench) -> None:
    for number in range(250):
        bench.double.event(f"evt_{number:03}", ago(days=20) + number)
    for number in range(120):
        bench.double.add("customer", f"cus_{number:03}", ago(days=100) + number)
    bench.double.add("subscription", "sub_1", ago(days=100), status="canceled")
    bench.run()
    assert sorted(bench.ids("event")) == [f"evt_{number:03}" for number in range(250)]
    assert sorted(bench.ids("customer")) == [f"cus_{number:03}" for number in range(120)]
    assert {received for received, pieces in bench.landed if b'"event"' in pieces[0].data} == {None}
    assert {received for received, pieces in bench.landed if b'"customer"' in pieces[0].data[:60]} == {NOW}
    assert bench.state.last_event_created == NOW - timedelta(days=20) + timedelta(seconds=249)
    assert bench.state.last_reconciled_at == NOW
    assert bench.state.account == "acct_home"
    assert bench.state.livemode is False


def test_every_list_is_asked_for_100_with_canceled_subscriptions(bench: Bench) -> None:
    bench.run()
    asked = {seen.path: seen.query for seen in bench.double.seen if seen.path != "/v1/account"}
    assert set(asked) == {"/v1/events"} | {kind.path for kind in KINDS}
    assert {query["limit"][0] for query in asked.values()} == {"100"}
    assert asked["/v1/subscriptions"]["status"] == ["all"]


def test_records_are_landed_byte_for_byte(bench: Bench) -> None:
    entry = bench.double.add(
        "customer", "cus_1", name='Zoë\u2028 "é" <b>', balance=10**20, nested={"a": [1, {"b": None}]}
    )
    bench.run()
    [piece] = [piece for _, pieces in bench.landed for piece in pieces]
    page = json.dumps(
        {"object": "list", "url": "/v1/customers", "has_more": False, "data": [entry]}, indent=2, ensure_ascii=False
    )
    assert piece.data in page.encode()
    assert json.loads(piece.data) == entry
    assert piece.offset == page.encode().index(piece.data)


def test_a_poll_lands_only_what_is_new_and_dates_it_with_its_arrival(bench: Bench) -> None:
    bench.double.event("evt_old", ago(hours=2))
    bench.run()
    bench.later(minutes=15)
    bench.double.event("evt_new", at(bench.now) - 5)
    before = len(bench.landed)
    bench.run()
    assert bench.ids("event") == ["evt_old", "evt_new"]
    assert [received for received, _ in bench.landed[before:]] == [bench.now]
    asked = [
        seen.query["created[gte]"]
        for seen in bench.double.seen
        if seen.path == "/v1/events" and "created[gte]" in seen.query
    ]
    assert asked[-1] == [str(ago(hours=2, minutes=10))]


def test_events_of_the_same_second_and_ones_that_appear_late_are_found(bench: Bench) -> None:
    bench.double.event("evt_a", ago(minutes=5))
    bench.run()
    bench.later(minutes=1)
    bench.double.event("evt_tie", ago(minutes=5))
    bench.double.event("evt_late", ago(minutes=12))
    bench.run()
    assert sorted(bench.ids("event")) == ["evt_a", "evt_late", "evt_tie"]
    assert bench.state.last_event_created == NOW - timedelta(minutes=5)


def test_an_event_that_appears_hours_late_is_found_with_the_reconcile(bench: Bench) -> None:
    bench.double.event("evt_a", ago(minutes=5))
    bench.run()
    bench.later(hours=5)
    bench.double.event("evt_very_late", ago(minutes=50))
    bench.run()
    assert "evt_very_late" not in bench.ids("event")
    bench.run(reconcile=True)
    assert bench.ids("event").count("evt_very_late") == 1
    assert bench.ids("event").count("evt_a") == 1


def test_events_that_come_in_at_the_head_while_paging_are_read_too(bench: Bench) -> None:
    for number in range(300):
        bench.double.event(f"evt_{number:03}", ago(days=3) + number)
    fresh = iter(range(900, 999))

    def come_in(seen: object) -> None:
        if "events" in bench.double.seen[-1].path and len(bench.double.seen) < 8:
            number = next(fresh)
            bench.double.event(f"evt_{number}", ago(minutes=1) + number - 900)

    bench.double.before_answer = come_in
    bench.run()
    assert sorted(set(bench.ids("event"))) == sorted(one["id"] for one in bench.double.objects["event"])
    assert len(bench.ids("event")) == len(set(bench.ids("event")))


def test_an_unchanged_reconcile_lands_nothing_and_a_changed_object_is_landed_once(bench: Bench) -> None:
    for number in range(150):
        bench.double.add("invoice", f"in_{number:03}", status="paid")
    bench.run()
    bench.later(days=1)
    before = len(bench.records)
    bench.run(reconcile=True)
    assert len(bench.records) == before
    bench.double.objects["invoice"][7]["status"] = "void"
    bench.run(reconcile=True)
    [changed] = bench.records[before:]
    assert (changed["id"], changed["status"]) == ("in_007", "void")
    assert bench.state.last_reconciled_at == bench.now


def test_without_reconcile_the_lists_are_left_alone_after_the_first_run(bench: Bench) -> None:
    bench.run()
    bench.double.seen.clear()
    bench.run()
    assert set(bench.double.paths()) == {"/v1/account", "/v1/events"}


def test_a_customer_that_vanished_is_retrieved_as_deleted_and_only_once(bench: Bench) -> None:
    for name in ("cus_1", "cus_2"):
        bench.double.add("customer", name)
    bench.run()
    bench.double.remove("customer", "cus_1")
    bench.run(reconcile=True)
    assert bench.records[-1] == {"id": "cus_1", "object": "customer", "deleted": True}
    bench.double.seen.clear()
    bench.run(reconcile=True)
    assert bench.double.paths("/v1/customers/") == []


def test_a_customer_known_from_an_event_alone_is_looked_for(bench: Bench) -> None:
    bench.run()
    bench.double.event("evt_1", ago(minutes=1), "customer.created", id="cus_9", created=ago(minutes=1))
    bench.double.remove("customer", "cus_9")
    bench.run(reconcile=True)
    assert bench.records[-1] == {"id": "cus_9", "object": "customer", "deleted": True}


def test_a_customer_whose_deletion_came_as_an_event_is_not_looked_for(bench: Bench) -> None:
    bench.double.add("customer", "cus_1")
    bench.run()
    bench.double.remove("customer", "cus_1")
    bench.double.event("evt_1", ago(minutes=1), "customer.deleted", id="cus_1")
    bench.run(reconcile=True)
    assert bench.double.paths("/v1/customers/") == []


def test_what_stripe_knows_nothing_of_any_more_is_asked_for_once(bench: Bench) -> None:
    bench.double.add("invoice", "in_draft")
    bench.run()
    bench.double.objects["invoice"].clear()
    bench.run(reconcile=True)
    bench.run(reconcile=True)
    assert bench.double.paths("/v1/invoices/") == ["/v1/invoices/in_draft"]
    assert bench.ids("invoice") == ["in_draft"]


def test_a_payment_method_outside_of_the_list_is_landed_as_it_is_and_not_asked_for_every_night(bench: Bench) -> None:
    entry = bench.double.add("payment_method", "pm_1", customer="cus_1")
    bench.run()
    bench.double.objects["payment_method"].clear()
    bench.double.deleted["pm_1"] = {**entry, "customer": None}
    bench.run(reconcile=True)
    bench.run(reconcile=True)
    assert bench.records[-1] == {**entry, "customer": None}
    assert bench.double.paths("/v1/payment_methods/") == ["/v1/payment_methods/pm_1"]


def test_since_bounds_what_can_be_bounded_and_an_earlier_one_brings_the_older_ones_in(bench: Bench) -> None:
    old, new = at(datetime(2024, 6, 1)), at(datetime(2025, 6, 1))
    for created, tail in ((old, "old"), (new, "new")):
        for kind in ("customer", "subscription", "invoice", "payment_method", "price"):
            bench.double.add(kind, f"{kind}_{tail}", created)
    bench.run(since=datetime(2025, 1, 1))
    assert bench.ids("subscription") == ["subscription_new"]
    assert bench.ids("invoice") == ["invoice_new"]
    assert sorted(bench.ids("customer")) == ["customer_new", "customer_old"]
    assert sorted(bench.ids("price")) == ["price_new", "price_old"]
    assert [gap.why for gap in bench.state.open_gaps] == ["since"]
    bench.later(days=1)
    bench.run(since=datetime(2025, 3, 1))
    assert bench.state.since == datetime(2025, 1, 1)
    bench.run(since=datetime(2024, 1, 1))
    assert bench.ids("subscription") == ["subscription_new", "subscription_old"]
    assert [(gap.why, gap.ends) for gap in bench.state.open_gaps] == [("since", datetime(2024, 1, 1))]


def test_a_reconcile_bounded_by_since_does_not_look_for_what_lies_before_it(bench: Bench) -> None:
    bench.double.event(
        "evt_1", ago(hours=1), "invoice.updated", object="invoice", id="in_old", created=at(datetime(2020, 1, 1))
    )
    bench.double.add("invoice", "in_old", at(datetime(2020, 1, 1)))
    bench.run(since=datetime(2025, 1, 1))
    assert bench.double.paths("/v1/invoices/") == []


def test_invoice_lines_beyond_the_first_page_are_put_into_their_invoice(bench: Bench) -> None:
    lines = [{"id": f"il_{number:03}", "object": "line_item", "text": 'a "]}" b'} for number in range(230)]
    bench.double.inner["in_1"] = lines
    shown = {"object": "list", "data": lines[:10], "has_more": True, "url": "/v1/invoices/in_1/lines"}
    bench.double.add("invoice", "in_1", lines=shown, total=5)
    bench.double.add("invoice", "in_2", lines={**shown, "data": lines[:2], "has_more": False})
    bench.run()
    first, second = sorted(
        (record for record in bench.records if record["object"] == "invoice"), key=lambda one: one["id"]
    )
    assert first["lines"] == {**shown, "data": lines, "has_more": False}
    assert (first["id"], first["total"]) == ("in_1", 5)
    assert second["lines"]["data"] == lines[:2]
    bench.double.seen.clear()
    bench.run(reconcile=True)
    assert bench.double.paths("/v1/invoices/") == []


def test_items_of_a_subscription_beyond_the_first_page_are_put_into_it(bench: Bench) -> None:
    items = [{"id": f"si_{number:02}", "object": "subscription_item"} for number in range(18)]
    bench.double.inner["sub_1"] = items
    shown = {"object": "list", "has_more": True, "data": items[:10], "total_count": 18}
    bench.double.add("subscription", "sub_1", items=shown)
    bench.run()
    assert bench.records[-1]["items"] == {**shown, "has_more": False, "data": items}


def test_an_invoice_that_is_gone_before_its_lines_are_read_stays_as_it_came(bench: Bench) -> None:
    shown = {"object": "list", "data": [{"id": "il_1"}], "has_more": True}
    bench.double.add("invoice", "in_1", lines=shown)
    answer = bench.double.answer

    def gone(seen: Seen) -> tuple[int, Any]:
        if seen.path == "/v1/invoices/in_1/lines":
            return 404, {"error": {"code": "resource_missing", "param": "id"}}
        return answer(seen)

    bench.double.answer = gone
    bench.run()
    assert bench.records[-1]["lines"] == shown


def test_what_is_no_stripe_is_told(bench: Bench) -> None:
    bench.double.answer = lambda seen: (404, {"error": {"message": "not here"}})
    with pytest.raises(SourceError, match="none of Stripe's lists"):
        bench.run()
    assert bench.state.last_reconciled_at is None


def test_a_type_the_key_may_not_read_is_named_and_the_rest_goes_on(bench: Bench) -> None:
    bench.double.forbidden = {"setup_intent": "rak_setup_intent_read", "account": "rak_accounts_kyc_basic_read"}
    bench.double.add("checkout.session", "cs_1")
    bench.run()
    assert bench.state.unreadable == {
        "account": "the key lacks the permission rak_accounts_kyc_basic_read",
        "setup_intent": "the key lacks the permission rak_setup_intent_read",
    }
    assert bench.ids("checkout.session") == ["cs_1"]
    assert bench.state.account is None
    bench.double.forbidden = {}
    bench.double.add("setup_intent", "seti_1")
    bench.run(reconcile=True)
    assert bench.state.unreadable == {}
    assert bench.ids("setup_intent") == ["seti_1"]


def test_a_key_that_may_not_read_events_still_reads_the_objects(bench: Bench) -> None:
    bench.double.forbidden = {"event": "rak_event_read"}
    bench.double.add("customer", "cus_1")
    bench.run()
    assert bench.ids("customer") == ["cus_1"]
    assert bench.state.last_polled_at is None
    assert "event" in bench.state.unreadable


@pytest.mark.parametrize(("key", "account"), [("sk_live_Other0123", "acct_home"), ("sk_test_Other0123", "acct_other")])
def test_another_mode_or_account_is_refused_before_anything_is_landed(bench: Bench, key: str, account: str) -> None:
    bench.run()
    kept, landed = dict(bench.kept), len(bench.landed)
    bench.key, bench.double.account = key, account
    bench.double.add("customer", "cus_1")
    with pytest.raises(ConfigError, match="this workspace holds") as caught:
        bench.run(reconcile=True)
    assert key not in str(caught.value)
    assert "this workspace holds" in (bench.state.failure or "")
    assert ({**bench.kept, "failure": None, "failed_at": None}, len(bench.landed)) == (kept, landed)


def test_an_outage_of_35_days_is_a_gap_until_a_reconcile_that_began_after_it(bench: Bench) -> None:
    bench.run()
    assert [(gap.why, gap.healed_at) for gap in bench.state.gaps] == [("before_first_import", NOW)]
    bench.later(days=35)
    bench.run()
    [gap] = bench.state.open_gaps
    assert (gap.begins, gap.ends, gap.why) == (NOW, NOW + timedelta(days=5), "outage")
    assert "open" in gap.text
    bench.later(hours=1)
    bench.run(reconcile=True)
    assert bench.state.open_gaps == ()
    assert f"healed by reconcile at {bench.now:%Y-%m-%d %H:%M}Z" in bench.state.gaps[-1].text


@pytest.mark.parametrize("days", [1 / 24, 4, 29.9])
def test_an_outage_the_events_list_covers_is_no_gap(bench: Bench, days: float) -> None:
    bench.run()
    bench.double.event("evt_1", at(NOW) + 60)
    bench.later(days=days)
    bench.run()
    assert bench.state.open_gaps == ()
    assert bench.ids("event") == ["evt_1"]


def test_a_poll_that_waits_too_long_gives_up_and_says_what_was_kept(bench: Bench) -> None:
    bench.double.event("evt_1", ago(days=1))
    bench.double.add("customer", "cus_1")

    def fail(seen: object) -> None:
        if bench.double.seen[-1].path == "/v1/products":
            bench.double.faults = [Fault(503)]

    bench.double.before_answer = fail
    with pytest.raises(SourceError, match="503 to GET /v1/products, 4 times in a row") as caught:
        bench.run()
    assert "Kept by then: 1 events, 1 customers." in str(caught.value)
    assert "trialwise import stripe" in str(caught.value)
    assert len(bench.waits) == 3
    bench.double.before_answer = lambda seen: None
    bench.double.seen.clear()
    bench.run()
    assert "/v1/customers" not in bench.double.paths()
    assert bench.state.last_reconciled_at == NOW
