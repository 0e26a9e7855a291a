"""What happens in billing: one tale per trial, each a way a trial can go, told in Stripe's order.

`URNS` says how often each way occurs among those that pay and those that do not, with and without a card at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from trialwise.demo.customers import Customer
from trialwise.demo.invoices import bill
from trialwise.demo.leaving import Leaving
from trialwise.demo.ledger import Ledger
from trialwise.demo.paying import Paying
from trialwise.demo.people import Account
from trialwise.demo.product import AS_OF, COUPON_SPRING, DAY, HOUR, MINUTE, PRICES, SETUP_FEE
from trialwise.demo.subscriptions import Subscription

URNS: dict[tuple[bool, bool], dict[str, int]] = {
    (True, True): {
        "paid": 22,
        "early_upgrade": 4,
        "extended": 3,
        "shortened": 1,
        "cancel_taken_back": 1,
        "dunning_recovered": 3,
        "dunning_late": 1,
        "re_entry": 2,
        "second_trial": 1,
        "credit_balance": 1,
        "setup_fee": 1,
        "refund_full": 1,
        "refund_partial": 1,
        "dispute_lost": 1,
        "dispute_won": 1,
        "paid_on_free_coupon": 1,
    },
    (True, False): {
        "card_added_paid": 16,
        "early_upgrade": 3,
        "extended": 3,
        "paused_resumed": 4,
        "paused_resumed_late": 2,
        "successor": 3,
        "successor_other_customer": 1,
        "out_of_band": 1,
        "invoice_by_mail": 1,
    },
    (False, True): {
        "cancel_at_end": 12,
        "cancel_now": 6,
        "cancel_late": 3,
        "payment_failed": 6,
        "expired": 1,
        "extended_cancelled": 1,
        "card_removed_paused": 1,
    },
    (False, False): {
        "no_card_cancelled": 11,
        "no_card_paused": 9,
        "cancel_now": 3,
        "cancel_at_end": 2,
        "extended_paused": 2,
        "card_added_failed": 2,
        "paid_on_free_coupon": 1,
    },
}
"""(pays, card at the start) -> tale -> how many of them in one round of the urn."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a trial went; `paying_until` is None where no money came, the clock where the subscription still runs."""

    tale: str
    paying_until: int | None
    customer: Customer


class Urn:
    """Draws tales without replacement, so that even a small company holds every one."""

    def __init__(self, rng: Random) -> None:
        self._rounds = {key: self._deal(rng, tales) for key, tales in URNS.items()}

    @staticmethod
    def _deal(rng: Random, tales: dict[str, int]) -> Iterator[str]:
        while True:
            first = list(tales)
            rest = [tale for tale, count in tales.items() for _ in range(count - 1)]
            rng.shuffle(first)
            rng.shuffle(rest)
            round_ = first + rest
            rng.shuffle(round_)
            yield from round_

    def draw(self, pays: bool, card_required: bool) -> str:
        """The next tale of that kind."""
        return next(self._rounds[pays, card_required])


class Teller(Paying, Leaving):
    """Tells tales to a ledger and counts what it told in `cases`."""

    def __init__(self, ledger: Ledger, rng: Random) -> None:
        super().__init__(ledger, rng)
        self._tales: dict[str, Callable[[Subscription], int | None]] = {
            "paid": self._paid,
            "card_added_paid": self._paid,
            "early_upgrade": self._early_upgrade,
            "extended": self._extended,
            "shortened": self._shortened,
            "cancel_taken_back": self._cancel_taken_back,
            "dunning_recovered": self._dunning_recovered,
            "dunning_late": self._dunning_late,
            "re_entry": self._re_entry,
            "second_trial": self._second_trial,
            "credit_balance": self._credit_balance,
            "setup_fee": self._paid,
            "refund_full": self._refund_full,
            "refund_partial": self._refund_partial,
            "dispute_lost": self._dispute_lost,
            "dispute_won": self._dispute_won,
            "paid_on_free_coupon": self._free_coupon,
            "paused_resumed": self._paused_resumed,
            "paused_resumed_late": self._paused_resumed_late,
            "successor": self._successor,
            "successor_other_customer": self._successor_other_customer,
            "out_of_band": self._out_of_band,
            "invoice_by_mail": self._invoice_by_mail,
            "cancel_at_end": self._cancel_at_end,
            "cancel_now": self._cancel_now,
            "cancel_late": self._cancel_late,
            "payment_failed": self._payment_failed,
            "card_added_failed": self._payment_failed,
            "expired": self._expired,
            "extended_cancelled": self._extended_cancelled,
            "extended_paused": self._extended_paused,
            "card_removed_paused": self._card_removed_paused,
            "no_card_cancelled": self._no_card_cancelled,
            "no_card_paused": self._no_card_paused,
        }

    def tell(self, account: Account, tale: str) -> Course:
        """Tell the account's first trial, its side stories afterwards, and say how it went."""
        self._account = account
        self.cases[tale] += 1
        customer = self.new_customer(account, account.signed_up_at - 30)
        if account.card_required:
            customer.add_card(account.signed_up_at - 20)
        sub = self.begin(account, customer, tale)
        until = self._tales[tale](sub)
        if until is not None:
            self._after_paying(account, customer, until)
        elif account.number % 9 == 2:
            until = self.try_again(account, customer)
        return Course(tale, until, customer)

    def new_customer(self, account: Account, at: int) -> Customer:
        """A Stripe customer whose link to the account is one of five kinds, by the account's number."""
        contact, number = account.contact, account.number
        metadata, email = {"account_id": account.account_id}, contact.email
        if number % 41 == 9:
            metadata, email = {}, f"accounts{number}@payables.test"
            self.cases["unresolved_customer"] += 1
        elif number % 23 == 5:
            metadata = {}
            self.cases["customer_by_email"] += 1
        elif number % 37 == 6 or number % 19 == 4:
            metadata, email = {}, f"billing@{account.domain}"
        name = account.name if number % 7 else None
        return Customer(self.ledger, self.ledger.new_id("cus", 13), at, email, name, metadata).create()

    def price_of(self, account: Account) -> str:
        """The price the account tries: by country, then by size."""
        local = {"JP": "team_jpy", "BH": "team_bhd", "DE": "team_eur", "FR": "team_eur", "NL": "team_eur"}.get(
            account.country
        )
        if local is not None:
            return local
        if account.employees < 12:
            return "starter"
        if account.employees > 250:
            return "business"
        return "team_year" if account.number % 5 == 0 else "team"

    def begin(self, account: Account, customer: Customer, tale: str) -> Subscription:
        """Create the subscription in trial, its $0 invoice, and its checkout session where only that links it."""
        at = account.signed_up_at
        number = account.number
        mailed = tale in {"out_of_band", "invoice_by_mail"}
        pausing = tale in {
            "no_card_paused",
            "paused_resumed",
            "paused_resumed_late",
            "extended_paused",
            "card_removed_paused",
        }
        missing = "pause" if pausing else "cancel" if not account.card_required else "create_invoice"
        sub = Subscription(
            self.ledger,
            customer,
            PRICES[self.price_of(account)],
            at,
            at + account.trial_days * DAY,
            missing_payment_method=missing,
            collection_method="send_invoice" if mailed else "charge_automatically",
            card=customer.card,
            metadata={"account_id": account.account_id} if number % 37 == 6 and number % 41 != 9 else {},
        )
        sub.create()
        if number % 19 == 4 and number % 41 != 9:
            self._check_out(account, sub, at + 20, 0)
            self.cases["customer_by_checkout"] += 1
        self._zero_invoice(sub, SETUP_FEE if tale == "setup_fee" else 0)
        if number % 31 == 17:
            sub.give_discount(at + HOUR, COUPON_SPRING)
            self.cases["discount"] += 1
        return sub

    def _after_paying(self, account: Account, customer: Customer, until: int) -> None:
        """Add-on trials and further subscriptions of accounts that pay."""
        start = max(account.signed_up_at + self._days(55, 90), customer.card_since + 5 * DAY)
        if start + 30 * DAY < until and customer.card and account.number % 3 == 0:
            self.cases["add_on"] += 1
            extra = Subscription(
                self.ledger, customer, PRICES["audit"], start, start + 14 * DAY, card=customer.card
            ).create()
            self._zero_invoice(extra)
            if self.rng.random() < 0.6:
                self._paid(extra)
            else:
                self._cancel_at_end(extra)
            if account.number % 2 == 0:
                self.cases["three_subscriptions"] += 1
                third = Subscription(self.ledger, customer, PRICES["team"], start + 5 * DAY, None, card=customer.card)
                invoice = bill(third, third.created, third.created, third.period_end, "subscription_create")
                third.create()
                invoice.pay(third.created + 2)
                self._renew(third)

    def try_again(self, account: Account, customer: Customer) -> int | None:
        """A second trial, on a new subscription of the same customer months after the first; one in three pays."""
        at = account.signed_up_at + self._days(75, 140)
        if at >= AS_OF:
            return None
        self.cases["re_trial"] += 1
        again = Subscription(
            self.ledger,
            customer,
            PRICES["team"],
            at,
            at + 14 * DAY,
            missing_payment_method="cancel",
            card=customer.card,
        ).create()
        self._zero_invoice(again)
        if self.rng.random() < 0.33:
            return self._paid(again)
        if customer.card is None:
            self._no_card_cancelled(again)
        else:
            self._cancel_now(again)
        return None

    def zero_length(self, account: Account) -> int:
        """A subscription created with `trial_end = now`: no trial, it pays at once."""
        self.cases["zero_length_trial"] += 1
        customer = self.new_customer(account, account.signed_up_at - 30)
        customer.add_card(account.signed_up_at - 20)
        at = account.signed_up_at
        sub = Subscription(self.ledger, customer, PRICES["starter"], at, at, card=customer.card)
        sub.period_end = sub.next_period_end(at)
        invoice = bill(sub, at, at, sub.period_end, "subscription_create")
        sub.create()
        invoice.pay(at + 2)
        return self._renew(sub)

    def freemium(self, account: Account, *, upgrades: bool) -> int | None:
        """A subscription to the free plan; with `upgrades` it moves to a paid price weeks later."""
        self.cases["freemium"] += 1
        at = account.signed_up_at
        customer = self.new_customer(account, at - 30)
        sub = Subscription(self.ledger, customer, PRICES["free"], at, None)
        invoice = bill(sub, at, at, sub.period_end, "subscription_create")
        sub.create()
        invoice.pay(at)
        if not upgrades:
            return None
        self.cases["freemium_upgraded"] += 1
        later = at + self._days(12, 28)
        card = customer.add_card(later - MINUTE)
        end = later + 30 * DAY
        sub.change(later, by_request=True, price=PRICES["starter"], card=card, period_start=later, period_end=end)
        bill(sub, later, later, end, "subscription_update").announce().pay(later + 2)
        return self._renew(sub)

    def test_mode(self, account: Account) -> None:
        """A developer's trial in test mode; nothing of it is a customer."""
        self.cases["test_mode"] += 1
        at = account.signed_up_at
        name = self.ledger.new_id("cus", 13)
        customer = Customer(
            self.ledger, name, at - 30, "dev@harborloom.test", "Test", {"account_id": "ws-test"}, livemode=False
        ).create()
        sub = Subscription(self.ledger, customer, PRICES["team"], at, at + 14 * DAY).create()
        self._no_card_cancelled(sub)

    def delete_customer(self, account: Account, customer: Customer) -> None:
        """The customer record is deleted long after its trial."""
        at = account.signed_up_at + self._days(90, 150)
        if at < AS_OF:
            self.cases["customer_deleted"] += 1
            customer.delete(at)
