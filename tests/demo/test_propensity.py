"""The hidden truth: causes add up, and the company shows them."""

from random import Random

import pytest

from trialwise.demo.people import make_accounts, sign_up_instants, weekday_share
from trialwise.demo.product import AS_OF, DAY, add_months
from trialwise.demo.propensity import Behaviour, chance, log_odds


@pytest.fixture
def account():
    first = make_accounts(Random(1), 20)[0]
    first.employees, first.channel, first.fit, first.standing, first.card_required = (
        10,
        "organic",
        0.0,
        "prospect",
        False,
    )
    return first


def test_start_alone(account):
    assert log_odds(account, Behaviour()) == -4.0
    assert chance(-4.0) == pytest.approx(0.01799, abs=1e-5)


def test_causes_add_up(account):
    account.employees, account.channel, account.card_required = 100, "referral", True
    doing = Behaviour(
        connected_at=account.signed_up_at + DAY,
        invited_at=account.signed_up_at + 3 * DAY,
        first_week_days=7,
        saw_pricing=True,
        clicked=True,
    )
    # -4.0 + 1.8 card + 1.1 connected + 0.7 invited + 5 * 0.28 + 0.3 pricing + 0.5 clicked + 0.4 size + 0.5 referral
    assert log_odds(account, doing) == pytest.approx(2.7)


def test_connecting_after_the_first_week_does_not_count(account):
    late = Behaviour(connected_at=account.signed_up_at + 8 * DAY)
    assert log_odds(account, late) == log_odds(account, Behaviour())


def test_sign_ups_grow_and_rest_at_weekends():
    instants = sign_up_instants(Random(2), 20_000)
    middle = (instants[0] + AS_OF) // 2
    assert sum(at > middle for at in instants) > 1.15 * sum(at <= middle for at in instants)
    weekend = sum((at // DAY + 3) % 7 >= 5 for at in instants)
    assert 0.07 < weekend / len(instants) < 0.14
    assert weekday_share(0) == 1.02  # 1970-01-01 was a Thursday


def test_months_end_where_they_end():
    assert add_months(1_738_281_600, 1) == 1_740_700_800  # 31 January 2025 -> 28 February 2025
    assert add_months(1_733_011_200, 1) == 1_735_689_600  # 1 December 2024 -> 1 January 2025


def test_connected_trials_pay_more_often(written):
    connected = {call["context"]["groupId"] for call in written.calls if call.get("event") == "Data Source Connected"}
    paid = set()
    for line in written.envelopes:
        if line["type"] == "customer.created":
            account = line["data"]["object"]["metadata"].get("account_id")
            if account:
                paid.add((line["data"]["object"]["id"], account))
    by_customer = dict(paid)
    payers = {
        by_customer.get(line["data"]["object"]["customer"])
        for line in written.envelopes
        if line["type"] == "invoice.paid" and line["data"]["object"]["total"] > 0
    } - {None}
    known = set(by_customer.values())
    with_source, without = known & connected, known - connected
    assert len(with_source & payers) / len(with_source) > 1.5 * len(without & payers) / len(without)
