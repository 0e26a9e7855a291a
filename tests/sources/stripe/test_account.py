"""The importer against a Stripe account that lives: trials end, cards are refused, events expire, answers go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe
from tests.fakes.stripe import LIVE_KEY, TEST_KEY, StripeFake

from trialwise import arrivals, pipeline, stripe_intake
from trialwise.errors import ConfigError, SourceError
from trialwise.sources.backoff import Backoff
from trialwise.stripe_intake import StripeImported
from trialwise.workspace import Workspace


class Company:
    """A workspace beside an account of Stripe; both go by the account's clock."""

    def __init__(self, fake: StripeFake, folder: Path, key: str = TEST_KEY) -> None:
        self.fake = fake
        self.client = stripe.StripeClient(TEST_KEY, base_addresses={"api": fake.url}, max_network_retries=0)
        (folder / "trialwise.toml").write_text(f'[stripe]\napi_base = "{fake.url}"\n')
        self.workspace = Workspace.open(folder)
        self.waits: list[float] = []
        product = self.client.v1.products.create({"name": "Team"})
        self.price = self.client.v1.prices.create(
            {"product": product.id, "currency": "eur", "unit_amount": 4900, "recurring": {"interval": "month"}}
        )

    def signs_up(self, account: str) -> tuple[str, str]:
        """(customer, subscription) of a new trial of 14 days with a card."""
        customer = self.client.v1.customers.create(
            {"email": f"{account}@ex.example", "metadata": {"account_id": account}}
        )
        card = self.client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        self.client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
        items = [{"price": self.price.id}]
        trial = self.client.v1.subscriptions.create({"customer": customer.id, "items": items, "trial_period_days": 14})
        return customer.id, trial.id

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.fake.clock.now, UTC).replace(tzinfo=None)

    def imports(self, **how: Any) -> StripeImported:
        """A run of the import."""
        door = stripe_intake.Door(
            load=lambda report: pipeline.load_landed(self.workspace, progress=report),
            quarantined=lambda reason: arrivals.quarantined(self.workspace, reason=reason),
            record=lambda name: arrivals.quarantined_record(self.workspace, name),
            retry=lambda name, mended: arrivals.retry_record(self.workspace, name, mended),
        )
        backoff = Backoff(tries=5, sleep=self.waits.append)
        return stripe_intake.import_api(self.workspace, door, backoff=backoff, now=self.now, **how)

    def latest(self) -> dict[tuple[str, str], Any]:
        """The latest snapshot of each object."""
        statement = "SELECT object_type, object_id, object FROM raw.stripe WHERE kind = 'object' ORDER BY load_order"
        rows = pipeline.owning(self.workspace, lambda store, _: store.rows(statement))
        return {(kind, name): json.loads(body) for kind, name, body in rows}

    def events(self) -> set[str]:
        rows = pipeline.owning(self.workspace, lambda store, _: store.rows("SELECT event_id FROM raw.stripe"))
        return {name for (name,) in rows if name is not None}


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", TEST_KEY)
    with StripeFake() as fake:
        yield Company(fake, tmp_path)


def everything(company: Company) -> dict[tuple[str, str], Any]:
    """All objects as the API shows them now, read by the SDK's own paging."""
    client, found = company.client.v1, {}
    lists: list[Any] = [client.customers, client.products, client.prices, client.invoices, client.charges,
                        client.payment_methods, client.invoice_payments, client.setup_intents]  # fmt: skip
    for service in lists:
        for thing in service.list({"limit": 100}).auto_paging_iter():
            found[thing.object, thing.id] = thing
    for thing in client.subscriptions.list({"limit": 100, "status": "all"}).auto_paging_iter():
        found[thing.object, thing.id] = thing
    return {name: json.loads(str(thing)) for name, thing in found.items()}


def same_as_the_api(company: Company) -> None:
    landed = company.latest()
    for name, thing in everything(company).items():
        assert landed[name] == thing, name


def test_everything_the_api_shows_is_landed_as_it_shows_it(company: Company) -> None:
    for number in range(4):
        company.signs_up(f"acc_{number}")
        company.fake.clock.advance(days=9)
    done = company.imports()
    assert done.loaded is not None
    assert (done.loaded.quarantined, done.loaded.duplicate) == (0, 0)
    same_as_the_api(company)
    assert company.events() == {event.id for event in company.client.v1.events.list({"limit": 100}).auto_paging_iter()}
    assert {count.kind for count in done.counts if count.read} >= {
        "event",
        "customer",
        "subscription",
        "invoice",
        "charge",
    }


@pytest.mark.parametrize("days", [1 / 24, 4, 29])
def test_what_happened_within_30_days_comes_by_the_events(company: Company, days: float) -> None:
    _, trial = company.signs_up("acc")
    company.imports()
    company.fake.clock.advance(hours=1)
    company.client.v1.subscriptions.update(trial, {"cancel_at_period_end": True})
    late, _ = company.signs_up("late")
    company.fake.clock.advance(days=days)
    done = company.imports()
    assert done.state.open_gaps == ()
    known = {event.id for event in company.client.v1.events.list({"limit": 100}).auto_paging_iter()}
    assert known <= company.events()
    assert late


def test_what_happened_longer_ago_comes_by_the_reconcile_and_the_gap_is_shown_until_then(company: Company) -> None:
    _, trial = company.signs_up("acc")
    company.imports()
    start = company.now()
    company.fake.clock.advance(hours=1)
    company.client.v1.subscriptions.update(trial, {"cancel_at_period_end": True})
    gone, _ = company.signs_up("late")
    company.client.v1.customers.delete(gone)
    company.fake.clock.advance(days=35)
    done = company.imports()
    [gap] = done.state.open_gaps
    assert (gap.begins, gap.ends) == (start, company.now() - timedelta(days=30))
    assert done.next_command == "trialwise import stripe --reconcile"
    assert company.latest()["subscription", trial]["status"] == "trialing"
    company.fake.clock.advance(minutes=5)
    healed = company.imports(reconcile=True)
    assert healed.state.open_gaps == ()
    assert f"healed by reconcile at {company.now():%Y-%m-%d %H:%M}Z" in "\n".join(stripe_intake.summary(healed))
    assert company.latest()["subscription", trial]["status"] == "canceled"
    same_as_the_api(company)


def test_a_deleted_customer_is_landed_as_deleted(company: Company) -> None:
    customer, trial = company.signs_up("acc")
    company.imports()
    company.fake.clock.advance(days=40)
    company.client.v1.customers.delete(customer)
    company.fake.clock.advance(days=40)
    company.imports(reconcile=True)
    assert company.latest()["customer", customer] == {"id": customer, "object": "customer", "deleted": True}
    assert company.latest()["subscription", trial]["status"] == "canceled"


def test_an_unchanged_account_is_reconciled_without_a_byte(company: Company) -> None:
    company.signs_up("acc")
    company.imports()
    size = sum(path.stat().st_size for path in company.workspace.landing.rglob("*.ndjson"))
    company.fake.clock.advance(hours=20)
    done = company.imports(reconcile=True)
    assert done.loaded is not None
    assert done.loaded.received == 0
    assert size == sum(path.stat().st_size for path in company.workspace.landing.rglob("*.ndjson"))


def test_trouble_on_the_way_changes_nothing_of_what_comes_in(company: Company) -> None:
    for number in range(3):
        company.signs_up(f"acc_{number}")
        company.fake.clock.advance(days=6)
    faults = company.fake.faults
    faults.add("status", path="/v1/events", status=429, retry_after="3")
    faults.add("status", path="/v1/customers", status=503, count=2)
    faults.add("cut", path="/v1/subscriptions")
    faults.add("reset", path="/v1/invoices")
    faults.add("lost", path="/v1/charges", count=2)
    faults.add("slow", path="/v1/prices", seconds=0.05)
    faults.add("silence", path="/v1/products", seconds=0.01)
    done = company.imports()
    assert done.loaded is not None
    assert (done.loaded.quarantined, done.loaded.duplicate) == (0, 0)
    assert any(3.0 <= wait <= 3.3 for wait in company.waits)
    assert len(company.waits) == 8
    same_as_the_api(company)


def test_a_run_that_gives_up_is_taken_up_where_it_stopped(company: Company) -> None:
    for number in range(3):
        company.signs_up(f"acc_{number}")
        company.fake.clock.advance(days=6)
    company.fake.faults.add("status", path="/v1/invoices", status=500, count=5)
    with pytest.raises(SourceError, match="500 to GET /v1/invoices, 5 times in a row"):
        company.imports()
    company.fake.api.calls.clear()
    company.imports()
    asked = [call.path for call in company.fake.api.calls]
    assert "/v1/customers" not in asked
    assert "/v1/invoices" in asked
    same_as_the_api(company)


def test_objects_that_come_and_go_while_paging(company: Company) -> None:
    customers = [company.client.v1.customers.create({"name": f"c{number}"}).id for number in range(230)]
    company.fake.clock.advance(days=31)
    stays = set(customers)

    def change(call: Any) -> None:
        if call.path == "/v1/customers" and call.method == "GET":
            company.fake.api.before_call.clear()
            for name in customers[125:132] + customers[5:8]:
                company.client.v1.customers.delete(name)
                stays.discard(name)
            company.client.v1.customers.create({"name": "new"})
            company.fake.api.before_call.append(change)

    company.fake.world.settings.customers_stay_cursors = False
    company.fake.api.before_call.append(change)
    try:
        company.imports()
    finally:
        company.fake.api.before_call.clear()
    assert {("customer", name) for name in stays} <= set(company.latest())


def test_live_and_test_mode_never_meet(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.signs_up("acc")
    company.imports()
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", LIVE_KEY)
    with pytest.raises(ConfigError, match="this workspace holds test mode data"):
        company.imports()
    restricted = company.fake.restrict("rk_test_fakefake", "customers", "events")
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", restricted)
    done = company.imports(reconcile=True)
    assert "subscription" in done.state.unreadable
    assert "customer" not in done.state.unreadable
