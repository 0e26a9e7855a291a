"""The whole company: who signs up, what they do, whether they pay, and the three files that tell of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from trialwise.demo.ledger import Ledger
from trialwise.demo.people import Account, User, make_accounts
from trialwise.demo.product import API_VERSION, AS_OF, DAY, DOMAIN, HOUR, MINUTE
from trialwise.demo.propensity import Behaviour, behave, chance, go_on, log_odds
from trialwise.demo.segment import SERVER, Calls, add_bad_records
from trialwise.demo.settings import toml_text
from trialwise.demo.tales import Teller, Urn
from trialwise.demo.usage import (
    ROBOT,
    STAFF,
    Visit,
    announce_account,
    announce_trial,
    group,
    mail,
    pool_of,
    reach,
    spend_day,
    track,
    work,
)

STRIPE_DUPLICATES = 0.02


@dataclass(frozen=True, slots=True)
class Company:
    """What was written: line counts, and how often each case occurs (the tales of `tales.URNS` and special ones)."""

    folder: Path
    accounts: int
    stripe_lines: int
    segment_lines: int
    segment_calls: int
    paying_trials: int
    card_required: int
    cases: dict[str, int]


def write_company(folder: Path, seed: int = 7, trials: int = 3_200, events: int = 500_000) -> Company:
    """Write `stripe.ndjson`, `segment.ndjson` and `trialwise.toml` into `folder` and say what is in them.

    `trials` is the number of accounts that sign up, `events` that of distinct Segment calls (never fewer than sign-ups,
    milestones and mails need, about 25 per account). The folder is made if absent. The same arguments give the same
    bytes. Raises ValueError for fewer than 200 trials, OSError where the folder cannot be written.
    """
    if trials < 200:
        raise ValueError(f"{trials} trials cannot hold every case; at least 200 are needed")
    folder.mkdir(parents=True, exist_ok=True)
    world = _World(seed, trials, events)
    world.live()
    stripe = _write(folder / "stripe.ndjson", world.stripe_lines())
    segment = _write(folder / "segment.ndjson", world.calls.in_order())
    (folder / "trialwise.toml").write_text(toml_text(), encoding="utf-8")
    cases = {**world.teller.cases, **world.calls.cases, **world.cases}
    return Company(
        folder=folder,
        accounts=len(world.accounts),
        stripe_lines=stripe,
        segment_lines=segment,
        segment_calls=world.calls.distinct,
        paying_trials=world.paying,
        card_required=sum(account.card_required for account in world.accounts),
        cases=dict(sorted(cases.items())),
    )


def _write(path: Path, lines: Iterable[str]) -> int:
    """Write lines, return how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as file:
        for line in lines:
            file.write(f"{line}\n")
            count += 1
    return count


class _World:
    """One run. Separate random streams keep billing the same when only the number of events changes."""

    def __init__(self, seed: int, trials: int, events: int) -> None:
        self.people = Random(f"{seed}:people")
        self.behaviour = Random(f"{seed}:behaviour")
        self.ledger = Ledger(Random(f"{seed}:stripe"))
        self.teller = Teller(self.ledger, Random(f"{seed}:tales"))
        self.urn = Urn(Random(f"{seed}:urn"))
        self.calls = Calls(Random(f"{seed}:segment"))
        self.faults = Random(f"{seed}:faults")
        self.events = events
        self.cases: Counter[str] = Counter()
        self.paying = 0
        self.accounts = make_accounts(self.people, trials)
        self.visits: list[Visit] = []
        self.pools: dict[int, list[tuple[str, str]]] = {}

    def live(self) -> None:
        """Live the year: announcements and outcomes first, then everyday use up to the wanted number of calls."""
        self.ledger.price_list()
        self._join_twins()
        for account in self.accounts:
            self._live_account(account)
        self._consultants()
        self._staff()
        add_bad_records(self.calls)
        self.visits.sort(key=lambda visit: (visit.day, visit.account.number, visit.user.user_id))
        work(self.calls, self.visits, self.pools, max(self.events - self.calls.distinct, 0))

    def _live_account(self, account: Account) -> None:
        number, calls = account.number, self.calls
        doing = behave(self.behaviour, account)
        announce_account(calls, account, alias=number % 20 == 9)
        reach(calls, account, doing)
        mail(calls, account, doing)
        self.pools[number] = pool_of(self.behaviour, account, doing)
        self.cases[f"standing_{account.standing}"] += 1
        until = self._bill(account, doing)
        go_on(self.behaviour, account, doing, until or AS_OF, paying=until is not None)
        for index, day, size in doing.visits:
            if day * DAY < AS_OF:
                today = day == AS_OF // DAY
                self.visits.append(Visit(account, account.users[index], day, size * 0.3 if today else size))
        if number % 70 == 33:
            self.cases["burst"] += 1
            day = account.signed_up_at // DAY + 3
            if day * DAY + DAY < AS_OF:
                spend_day(calls, Visit(account, account.contact, day, 0.0), self.pools[number], 130 + number % 90)

    def _bill(self, account: Account, doing: Behaviour) -> int | None:
        """Let the trial go its way in billing; returns until when the account pays, None if it never does."""
        number, teller = account.number, self.teller
        pays = self.behaviour.random() < chance(log_odds(account, doing))
        if number % 199 == 60:
            teller.test_mode(account)
        if number % 150 == 77:
            return teller.zero_length(account)
        if number % 33 == 30:
            account.card_required = False
            return teller.freemium(account, upgrades=pays)
        if number % 21 == 13:
            account.card_required = False
            return self._without_stripe(account, pays)
        course = teller.tell(account, self.urn.draw(pays, account.card_required))
        self.paying += pays
        ends_at = account.signed_up_at + account.trial_days * DAY
        if number % 5 < 3:
            self.cases["announced_twice"] += 1
            announce_trial(self.calls, account, ends_at, name_end=True)
        if course.paying_until is not None:
            grown = account.employees + account.employees // 4 if number % 4 == 0 else account.employees
            group(self.calls, account, account.contact, (ends_at + HOUR) * 1000, grown, teller.price_of(account))
        elif number % 83 == 30:
            teller.delete_customer(account, course.customer)
        return course.paying_until

    def _without_stripe(self, account: Account, pays: bool) -> int | None:
        """A trial only the product knows of (bought through a marketplace): every third does not name its end."""
        number, contact = account.number, account.contact
        self.cases["product_only"] += 1
        ends_at = account.signed_up_at + account.trial_days * DAY
        early = number % 4 == 1 and not pays
        named = number % 3 != 0 or account.trial_days != 14
        announce_trial(self.calls, account, ends_at - 5 * DAY if early else ends_at, name_end=named and not early)
        if not pays:
            return None
        self.cases["product_only_paid"] += 1
        self.paying += 1
        amount = {"amount": 0 if number % 11 == 0 else 9_900, "currency": "usd", "plan": "team"}
        track(self.calls, account, contact, (ends_at + 2 * HOUR) * 1000, "Subscription Started", dict(amount))
        if number % 5 == 0:
            stopped = ends_at + 60 * DAY
            track(self.calls, account, contact, stopped * 1000, "Subscription Ended", {"plan": "team"})
            return stopped
        return AS_OF

    def _join_twins(self) -> None:
        """Colleagues open a second workspace of one company; support merges it into the first three days later."""
        for account in self.accounts[160::160]:
            first = self.accounts[account.number - 1]
            for twin in (first, account):
                twin.trial_days = 14
            account.name, account.domain, account.employees = first.name, first.domain, first.employees
            account.standing = first.standing
            for user in account.users:
                user.email = f"{user.email.split('@')[0]}@{first.domain}"
            at = max(first.signed_up_at, account.signed_up_at) + 3 * DAY
            if track(
                self.calls,
                first,
                first.contact,
                at * 1000,
                "Account Merged",
                {"previous_account_id": account.account_id},
            ):
                self.cases["merged"] += 1

    def _consultants(self) -> None:
        """People who work in two accounts: their calls name the account they work in."""
        for account in self.accounts[95::90]:
            guest = self.accounts[account.number - 5].contact
            self.cases["user_in_two_accounts"] += 1
            for day in range(account.signed_up_at // DAY + 1, min(account.signed_up_at // DAY + 9, AS_OF // DAY), 2):
                spend_day(self.calls, Visit(account, guest, day, 0.0), self.pools[account.number], 6)

    def _staff(self) -> None:
        """Internal people inside customers' accounts: a support agent and an uptime monitor. They are no usage."""
        at = self.accounts[0].signed_up_at
        agent = User(
            STAFF, "5f7f8b0e-7d1c-4a54-a111-3e0d5a1b2c01", "Imke", "Vogel", f"imke@{DOMAIN}", "Support", at, 1.0
        )
        traits = f'{{"email":"{agent.email}","name":"Imke Vogel","title":"Support"}}'
        self.calls.add(at * 1000 + 60_000, "identify", f'"userId":"{STAFF}","traits":{traits},"context":{{{SERVER}}}')
        robot = User(ROBOT, "5f7f8b0e-7d1c-4a54-a111-3e0d5a1b2c02", "Uptime", "Monitor", "", "Monitor", at, 1.0)
        for account in self.accounts[20::40]:
            self.cases["internal_user"] += 1
            for user, offset, count in ((agent, 1, 5), (robot, 2, 8)):
                day = account.signed_up_at // DAY + offset
                if day < AS_OF // DAY:
                    spend_day(self.calls, Visit(account, user, day, 0.0), self.pools[account.number], count)

    def stripe_lines(self) -> list[str]:
        """Envelopes in the order of delivery: nearly that of creation, some late, some twice, ties in any order."""
        deliveries = []
        for at, order, line in self.ledger.lines:
            wait = self.faults.random() * 4
            if self.faults.random() < 0.01:
                wait = self.faults.uniform(10 * MINUTE, 2 * DAY)
                self.cases["stripe_late"] += 1
            deliveries.append((at + wait, order, line))
            if self.faults.random() < STRIPE_DUPLICATES:
                deliveries.append((at + wait + self.faults.uniform(1, 3 * HOUR), order, line))
                self.cases["stripe_duplicate"] += 1
        deliveries.sort()
        lines = [line for _, _, line in deliveries]
        for share, (case, bad) in enumerate(_broken_envelopes().items(), 1):
            lines.insert(len(lines) * share // 6, bad)
            self.cases[case] += 1
        return lines


def _broken_envelopes() -> dict[str, str]:
    """Lines of the Stripe file that are no usable envelope."""
    thin = {
        "id": "evt_test_65R9HLthinEvent0000",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-01-14T08:21:07.000Z",
        "livemode": True,
        "reason": None,
        "related_object": {"id": "mtr_1HLmeter", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1HLmeter"},
    }
    no_object = {
        "id": "evt_1HLnoobject000000000",
        "object": "event",
        "api_version": API_VERSION,
        "created": AS_OF - 30 * DAY,
        "data": {},
        "type": "invoice.paid",
    }
    bad_instant = {
        "id": "evt_1HLbadinstant0000000",
        "object": "event",
        "api_version": API_VERSION,
        "created": "soon",
        "data": {"object": {"id": "in_1HLbadinstant", "object": "invoice"}},
        "livemode": True,
        "type": "invoice.paid",
    }
    return {
        "stripe_thin_event": json.dumps(thin),
        "stripe_no_object": json.dumps(no_object),
        "stripe_bad_instant": json.dumps(bad_instant),
        "stripe_truncated": '{"id":"evt_1HLtruncated00000000","object":"event","created":17',
    }
