"""The whole way: `trialwise import stripe` from an API into the tables, and what it says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.command import run
from tests.sources.stripe.conftest import KEY
from tests.sources.stripe.double import Double, Fault

from trialwise import arrivals, pipeline, stripe_intake
from trialwise.clock import utc_now
from trialwise.config.secrets import Secrets
from trialwise.errors import ConfigError, InputError, SourceError
from trialwise.jobs import jobs_of
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.runs import Skipped
from trialwise.sources.backoff import Backoff
from trialwise.sources.stripe.session import epoch
from trialwise.sources.stripe.state import Gap, written
from trialwise.workspace import Workspace, claim

NOW = utc_now().replace(microsecond=0)


@pytest.fixture
def workspace(double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("TRIALWISE_STRIPE_KEY", KEY)
    (tmp_path / "trialwise.toml").write_text(f'[stripe]\napi_base = "{double.base}"\n')
    return Workspace.open(tmp_path)


def rows(workspace: Workspace, statement: str) -> list[tuple[Any, ...]]:
    return pipeline.owning(workspace, lambda store, _: store.rows(statement))


def fill(double: Double) -> None:
    start = epoch(NOW - timedelta(days=3))
    double.add("customer", "cus_1", start, email="ann@acme.example", metadata={"account_id": "acme"})
    trial = {"status": "trialing", "customer": "cus_1", "trial_start": start, "trial_end": start + 99}
    double.add("subscription", "sub_1", start, **trial)
    double.event("evt_1", start, "customer.created", id="cus_1")
    double.event("evt_2", start, "customer.subscription.created", id="sub_1", object="subscription", **trial)


def test_history_is_known_when_it_happened_and_the_rest_when_it_came(workspace: Workspace, double: Double) -> None:
    fill(double)
    done = arrivals.import_stripe_api(workspace)
    assert done.loaded is not None
    assert (done.loaded.received, done.loaded.loaded) == (4, 4)
    double.event("evt_3", epoch(NOW) - 3600, "customer.updated", id="cus_1")
    later = arrivals.import_stripe_api(workspace)
    assert later.loaded is not None
    assert later.loaded.loaded == 1
    kinds = rows(
        workspace, "SELECT event_id, object_id, created_at, known_at, landed_at FROM raw.stripe ORDER BY load_order"
    )
    by_name = {event or name: (created, known, landed) for event, name, created, known, landed in kinds}
    assert by_name["evt_1"][1] == by_name["evt_1"][0] == NOW - timedelta(days=3)
    assert by_name["evt_3"][0] == NOW - timedelta(hours=1)
    assert by_name["evt_3"][1] == by_name["evt_3"][2] > NOW - timedelta(minutes=1)
    assert by_name["cus_1"][1] == by_name["cus_1"][2]
    state = stripe_intake.stripe_state(workspace)
    assert state.account == "acct_home"
    double.objects["event"].clear()
    assert "nothing new" in stripe_intake.summary(arrivals.import_stripe_api(workspace))
    assert state.last_event_created == NOW - timedelta(hours=1)


def test_the_bodies_in_the_table_are_those_of_the_answer(workspace: Workspace, double: Double) -> None:
    entry = double.add("customer", "cus_1", note='a "b" \\ é \u2028', amount=12345678901234567890, nothing=None)
    arrivals.import_stripe_api(workspace)
    [(body,)] = rows(workspace, "SELECT object FROM raw.stripe WHERE object_id = 'cus_1'")
    assert json.loads(body) == entry
    shown = json.dumps(
        {"object": "list", "url": "/v1/customers", "has_more": False, "data": [entry]}, indent=2, ensure_ascii=False
    )
    assert body in shown


def test_a_webhook_and_the_poll_bring_one_event(workspace: Workspace, double: Double) -> None:
    fill(double)
    arrivals.import_stripe_api(workspace)
    event = double.event("evt_9", epoch(NOW) - 60, "customer.updated", id="cus_1")
    with Journal(Landing(workspace.landing), Channel("stripe", "stripe", "webhook stripe"), "w") as journal:
        journal.append([Arrival(NOW, [(1, 0, json.dumps(event).encode(), None, None, None)])])
    done = arrivals.import_stripe_api(workspace)
    assert done.loaded is not None
    assert (done.loaded.received, done.loaded.loaded, done.loaded.duplicate) == (2, 1, 1)
    assert rows(workspace, "SELECT known_at FROM raw.stripe WHERE event_id = 'evt_9'") == [(NOW,)]


def test_events_of_other_accounts_are_refused_also_those_that_were_loaded_before(
    workspace: Workspace, double: Double
) -> None:
    theirs = {**double.event("evt_theirs", epoch(NOW) - 60), "account": "acct_other"}
    ours = {**double.event("evt_ours", epoch(NOW) - 60), "account": "acct_home"}
    double.objects["event"].clear()
    with Journal(Landing(workspace.landing), Channel("stripe", "stripe", "webhook stripe"), "w") as journal:
        journal.append([Arrival(NOW, [(1, 0, json.dumps(one).encode(), None, None, None) for one in (theirs, ours)])])
    pipeline.load_landed(workspace)
    assert len(rows(workspace, "SELECT event_id FROM raw.stripe")) == 2
    arrivals.import_stripe_api(workspace)
    assert rows(workspace, "SELECT event_id FROM raw.stripe") == [("evt_ours",)]
    assert rows(workspace, "SELECT reason, detail FROM raw.quarantine") == [
        ("other_account", "account acct_other, this workspace holds acct_home")
    ]


def thin(name: str, url: str) -> bytes:
    about = {"id": "x", "type": "customer", "url": url}
    return json.dumps(
        {"id": name, "object": "v2.core.event", "type": "v1.x", "livemode": False, "related_object": about}
    ).encode()


def test_a_thin_event_is_followed_to_its_object_once_and_one_that_leads_nowhere_stays(
    workspace: Workspace, double: Double
) -> None:
    fill(double)
    arrivals.import_stripe_api(workspace)
    double.objects["customer"][0]["name"] = "Ann"
    bodies = [
        thin("evt_t1", "/v1/customers/cus_1"),
        thin("evt_t2", "/v1/customers/cus_none"),
        thin("evt_t3", "https://e/v1/x/y"),
    ]
    with Journal(Landing(workspace.landing), Channel("stripe", "stripe", "webhook stripe"), "w") as journal:
        journal.append([Arrival(NOW, [(number, 0, body, None, None, None) for number, body in enumerate(bodies)])])
    done = arrivals.import_stripe_api(workspace)
    assert done.followed == 1
    assert rows(workspace, "SELECT count(*) FROM raw.quarantine WHERE retried_at IS NULL") == [(2,)]
    [(name,)] = rows(
        workspace,
        "SELECT object ->> '$.name' FROM raw.stripe WHERE kind = 'object' ORDER BY load_order DESC LIMIT 1",
    )
    assert name == "Ann"
    double.seen.clear()
    assert arrivals.import_stripe_api(workspace).followed == 0
    assert double.paths("/v1/customers/") == []


def test_a_thin_event_waits_for_the_permission_to_read_its_object(workspace: Workspace, double: Double) -> None:
    fill(double)
    double.forbidden = {"customer": "rak_customer_read"}
    arrivals.import_stripe_api(workspace)
    with Journal(Landing(workspace.landing), Channel("stripe", "stripe", "webhook stripe"), "w") as journal:
        journal.append([Arrival(NOW, [(1, 0, thin("evt_t1", "/v1/customers/cus_1"), None, None, None)])])
    assert arrivals.import_stripe_api(workspace).followed == 0
    double.forbidden = {}
    done = arrivals.import_stripe_api(workspace)
    assert done.followed == 1
    assert "thin events: 1 followed to their object" in stripe_intake.summary(done)


def test_the_store_may_be_busy(workspace: Workspace, double: Double) -> None:
    fill(double)
    with workspace.lock():
        done = arrivals.import_stripe_api(workspace)
    assert done.loaded is None
    report = pipeline.load_landed(workspace)
    assert report.loaded == 4


def test_two_imports_at_a_time_are_one_too_many(workspace: Workspace, double: Double) -> None:
    seen: list[Exception] = []

    def second(request: object) -> None:
        double.before_answer = lambda request: None
        try:
            arrivals.import_stripe_api(workspace)
        except SourceError as error:
            seen.append(error)

    double.before_answer = second
    arrivals.import_stripe_api(workspace)
    assert "Stripe is being read by process" in str(seen[0])


def test_a_reconcile_waits_for_the_import_before_it(
    workspace: Workspace, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals.import_stripe_api(workspace)
    waits: list[float] = []
    with ExitStack() as other:
        other.enter_context(claim(workspace.data / "claims" / "stripe.lock"))

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                other.close()

        monkeypatch.setattr("trialwise.stripe_intake.time.sleep", wait)
        done = arrivals.reconcile_stripe(workspace)
    assert waits == [1, 1, 1]
    assert done.state.last_reconciled_at is not None


def test_a_scheduled_poll_skips_while_a_reconcile_runs_and_the_next_one_catches_up(
    workspace: Workspace, double: Double
) -> None:
    [poll] = [job for job in jobs_of(workspace.config, Secrets()) if job.name == "stripe poll"]
    poll.task(workspace)
    during: list[object] = []

    def meanwhile(_: object) -> None:
        double.before_answer = lambda _: None
        during.append(poll.task(workspace))

    double.before_answer = meanwhile
    arrivals.reconcile_stripe(workspace)
    assert during == [Skipped(f"Stripe is being read by process {os.getpid()}")]
    assert stripe_intake.stripe_state(workspace).failure is None
    double.event("evt_9", epoch(NOW) - 60, "customer.created", id="cus_9")
    assert poll.task(workspace).loaded.loaded == 1


def test_what_was_landed_before_a_failure_is_loaded_and_counted_once(
    workspace: Workspace, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(double)
    monkeypatch.setattr("trialwise.sources.stripe.api.TRIES", Backoff(tries=2, sleep=lambda seconds: None))
    monkeypatch.setattr("trialwise.stripe_intake.time.sleep", lambda seconds: None)

    def fail(request: Any) -> None:
        if request.path == "/v1/subscriptions":
            double.faults = [Fault(500)]

    double.before_answer = fail
    with pytest.raises(SourceError, match="Kept by then: 2 events, 1 customers"):
        arrivals.import_stripe_api(workspace)
    assert stripe_intake.stripe_state(workspace).failure is not None
    assert pipeline.load_landed(workspace).loaded == 3
    double.before_answer = lambda request: None
    done = arrivals.import_stripe_api(workspace)
    assert done.loaded is not None
    assert (done.loaded.loaded, done.loaded.duplicate) == (1, 0)
    assert stripe_intake.stripe_state(workspace).failure is None


@pytest.mark.parametrize("text", ["yesterday", "2025-13-01", "9999-12-31", "0001-01-01x"])
def test_since_has_to_be_a_day_that_has_been(workspace: Workspace, double: Double, text: str) -> None:
    with pytest.raises(InputError, match="--since"):
        arrivals.import_stripe_api(workspace, since=text)
    assert double.seen == []


def test_without_a_key_nothing_is_asked(workspace: Workspace, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stripe_intake.has_key()
    monkeypatch.delenv("TRIALWISE_STRIPE_KEY")
    assert not stripe_intake.has_key()
    with pytest.raises(ConfigError, match="TRIALWISE_STRIPE_KEY is not set"):
        arrivals.import_stripe_api(workspace)
    assert double.seen == []


def test_the_key_is_in_no_file_of_the_workspace(workspace: Workspace, double: Double) -> None:
    fill(double)
    double.forbidden = {"charge": "rak_charge_read"}
    arrivals.import_stripe_api(workspace)
    arrivals.reconcile_stripe(workspace)
    files = [path for path in workspace.folder.rglob("*") if path.is_file()]
    assert any(path.name == "stripe.json" for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_the_command_says_what_came_how_far_it_is_and_what_is_next(workspace: Workspace, double: Double) -> None:
    fill(double)
    double.forbidden = {"charge": "rak_charge_read"}
    said = run("import", "stripe", "--since", "2025-01-01", "-C", workspace.folder).err
    for line in (
        "account acct_home, test mode",
        "events: 2 new or changed of 4 read",
        "subscriptions: 1 new or changed of 1 read",
        "not read: charges (the key lacks the permission rak_charge_read)",
        "received 4 = loaded 4 + duplicate 0 + quarantined 0 + pending 0",
        "(older objects were left out by --since): open",
        "(Stripe lists events for 30 days): healed by reconcile at",
        "next: trialwise refresh",
    ):
        assert line in said
    assert f"last event of {NOW - timedelta(days=3):%Y-%m-%d %H:%M}Z, last reconciled at {utc_now():%Y-%m-%d}" in said
    again = run("import", "stripe", "--reconcile", "-C", workspace.folder).err
    assert "customers: 0 new or changed of 1 read" in again
    assert "received" not in again


def test_the_command_tells_its_two_ways_apart(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text('{"id": "cus_1", "object": "customer", "livemode": false}')
    assert "--dry-run needs files" in run("import", "stripe", "--dry-run", "-C", tmp_path, code=1).err
    said = run("import", "stripe", "--from", file, "--reconcile", "-C", tmp_path, code=1).err
    assert "--since and --reconcile are about Stripe's API" in said
    assert "received 1 = loaded 1" in run("import", "stripe", "--from", file, "-C", tmp_path).err


def test_a_failing_command_exits_with_one_and_names_what_was_kept(
    workspace: Workspace, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trialwise.stripe_intake.time.sleep", lambda seconds: None)
    fill(double)
    double.faults = [Fault(500)] * 99
    said = run("import", "stripe", "-C", workspace.folder, code=1).err
    assert "Stripe answered 500 to GET /v1/account, 8 times in a row" in said
    assert "trialwise import stripe" in said
    assert KEY not in said


def test_doctor_says_how_far_the_import_is(workspace: Workspace, double: Double) -> None:
    def findings() -> list[dict[str, Any]]:
        rows = run("doctor", "-f", "json", "-C", workspace.folder).rows()
        return [row for row in rows if row["topic"].startswith("stripe")]

    assert [row["found"] for row in findings()] == ["a key is set and nothing was imported yet"]
    fill(double)
    double.forbidden = {"charge": "rak_charge_read"}
    arrivals.import_stripe_api(workspace, since="2025-01-01")
    shown = {row["topic"]: row for row in findings()}
    assert shown["stripe permissions"]["found"] == "charges: the key lacks the permission rak_charge_read"
    assert shown["stripe gap"]["level"] == "note"
    assert shown["stripe api"]["level"] == "ok"
    assert "last reconciled at" in shown["stripe api"]["found"]
    cursors = Cursors(workspace.landing)
    old = replace(stripe_intake.stripe_state(workspace), failure="it broke", failed_at=NOW)
    gap = Gap(NOW - timedelta(days=40), NOW - timedelta(days=30), "outage")
    long_ago = NOW - timedelta(days=40)
    cursors.put("stripe", written(replace(old, gaps=(gap,), last_polled_at=long_ago, last_reconciled_at=long_ago)))
    told = [(row["level"], row["topic"], row["advice"]) for row in findings()]
    assert ("warning", "stripe gap", "trialwise import stripe --reconcile") in told
    assert [topic for level, topic, _ in told if level == "warning"].count("stripe api") == 2
    cursors.put("stripe", written(replace(old, failure=None, failed_at=None, last_reconciled_at=long_ago)))
    assert {row["topic"]: row["advice"] for row in findings()}["stripe api"] == "trialwise import stripe --reconcile"
