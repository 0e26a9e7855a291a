"""Who signs up: accounts with company traits and the people in them.

All names and addresses are invented (`.test`, `example.com`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from trialwise.demo.product import (
    AS_OF,
    CHANNELS,
    COMPETITOR_DOMAIN,
    DAY,
    DOMAIN,
    FREE_MAIL_DOMAIN,
    HOUR,
    LONG_TRIAL_DAYS,
    OPENED,
    TRIAL_DAYS,
)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "Ada Amir Anouk Bao Bea Carlo Chidi Dana Eero Elif Emeka Farah Finn Gita Hana Ines Ivo Jonas Jun Kaia "
    "Lars Leila Lior Mara Mei Milo Nadia Nils Noor Olga Omar Paz Priya Quinn Rafa Rosa Sami Sana Theo Uma "
    "Vera Wanda Xenia Yara Yusuf Zane Zofia "
)
_LAST = _words(
    "Abara Aoki Berg Bianchi Castro Dahl Dube Ekholm Farouk Fischer Garza Haddad Ito Jansen Kaya Keller "
    "Lindt Marsh Mbeki Moreau Nair Novak Okafor Orlov Park Pereira Quist Rahman Reyes Rossi Sato Silva "
    "Stein Tanaka Toth Ueda Vance Weber Wolff Yilmaz Zhou "
)
_HEAD = _words(
    "Alder Amber Basalt Birch Brook Cedar Cinder Clover Copper Coral Delta Ember Fjord Flint Gale Garnet "
    "Hazel Iris Juniper Kestrel "
)
_TAIL = _words(
    "bay bridge cove crest dale field forge gate grove haven hill lane mark mere point ridge shore stead stone vale "
)
_FORM = _words("Labs Works Group Freight Foods Health Studio Retail Energy Media ")
_INDUSTRIES = ("software", "retail", "logistics", "health", "media", "manufacturing", "education", "finance")
_COUNTRIES = (("US", 38), ("GB", 14), ("DE", 12), ("FR", 8), ("JP", 6), ("IN", 9), ("BR", 6), ("BH", 2), ("NL", 5))
_SIZES = ((3, 26), (8, 26), (20, 18), (60, 14), (180, 9), (600, 5), (2500, 2))
_TITLES = (
    ("Data Analyst", 22),
    ("Head of Analytics", 10),
    ("Operations Manager", 16),
    ("Founder", 14),
    ("Software Engineer", 14),
    ("Finance Lead", 8),
    ("Marketing Manager", 10),
    ("Consultant", 4),
    ("Student", 2),
)
_OWNERS = ("imke@harborloom.test", "tomas@harborloom.test", "ruth@harborloom.test")
_WEEKDAY = (1.0, 1.12, 1.1, 1.02, 0.86, 0.34, 0.3)
"""Relative sign-ups and use from Monday to Sunday."""


@dataclass(slots=True)
class User:
    """One person; `joined_at` in Unix seconds, `weight` the share of the account's use."""

    user_id: str
    anonymous_id: str
    first: str
    last: str
    email: str
    title: str
    joined_at: int
    weight: float


@dataclass(slots=True)
class Account:
    """One workspace. `standing` tells normal prospects from those sales must not see.

    `engagement` and `fit` are hidden traits, standard normal; instants in Unix seconds.
    """

    number: int
    account_id: str
    name: str
    domain: str
    employees: int
    industry: str
    country: str
    channel: str
    owner: str
    standing: str
    signed_up_at: int
    trial_days: int
    card_required: bool
    engagement: float
    fit: float
    users: list[User] = field(default_factory=list)

    @property
    def contact(self) -> User:
        """The person who signed up."""
        return self.users[0]


def pick(rng: Random, table: tuple[tuple[str, int], ...]) -> str:
    """One name drawn by weight."""
    return rng.choices([name for name, _ in table], [weight for _, weight in table])[0]


def weekday_share(at: int) -> float:
    """Relative activity of the weekday that holds the instant `at` (1970-01-01 was a Thursday)."""
    return _WEEKDAY[(at // DAY + 3) % 7]


def sign_up_instants(rng: Random, count: int) -> list[int]:
    """`count` instants over the year in order: growing by two thirds, fewer at weekends, mostly in office hours.

    None lies in the last two hours before the clock, so that every sign-up has arrived.
    """
    days = range(OPENED // DAY, AS_OF // DAY + 1)
    span = len(days)
    weights = [(0.75 + 0.5 * index / span) * weekday_share(day * DAY) for index, day in enumerate(days)]
    weights[-1] *= 0.3
    instants = []
    for day in rng.choices(days, weights, k=count):
        at = day * DAY + int(min(max(rng.gauss(13.5, 3.5), 0.2), 23.8) * HOUR)
        if at > AS_OF - 2 * HOUR:
            at = day * DAY + int(rng.uniform(0.5, 6.5) * HOUR)
        instants.append(at)
    return sorted(instants)


def company_names(rng: Random) -> list[tuple[str, str]]:
    """Every (name, domain) the lists give, in random order, without repetition."""
    names = [
        (f"{head}{tail} {form}", f"{head}{tail}-{form}.test".lower())
        for head in _HEAD
        for tail in _TAIL
        for form in _FORM
    ]
    rng.shuffle(names)
    return names


def make_user(rng: Random, number: int, account: Account, joined_at: int, weight: float) -> User:
    """A person of the account with an address at its domain."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    title = "Student" if account.standing == "student" else pick(rng, _TITLES[:-1])
    email = f"{first}.{last}{number % 97}@{account.domain}".lower()
    anonymous = f"{rng.getrandbits(128):032x}"
    anonymous_id = f"{anonymous[:8]}-{anonymous[8:12]}-4{anonymous[13:16]}-a{anonymous[17:20]}-{anonymous[20:]}"
    return User(f"u-{10_000 + number}", anonymous_id, first, last, email, title, joined_at, weight)


def _standing(number: int) -> str:
    if number % 211 == 40:
        return "internal"
    if number % 131 == 20:
        return "competitor"
    if number % 29 == 7:
        return "free_mail"
    return "student" if number % 61 == 11 else "prospect"


def make_accounts(rng: Random, count: int) -> list[Account]:
    """`count` accounts in the order of their sign-up, each with one to about a dozen users.

    At most 4,000 distinct company names exist; further accounts get a numbered one.
    """
    names = company_names(rng)
    special_domain = {
        "internal": DOMAIN,
        "competitor": COMPETITOR_DOMAIN,
        "free_mail": FREE_MAIL_DOMAIN,
        "student": "example.com",
    }
    accounts = []
    user_number = 0
    channels = tuple((name, share) for name, (share, _, _) in CHANNELS.items())
    for number, at in enumerate(sign_up_instants(rng, count)):
        name, domain = names[number % len(names)]
        if number >= len(names):
            series = number // len(names) + 1
            name, domain = f"{name} {series}", f"{domain[:-5]}-{series}.test"
        standing = _standing(number)
        size = int(pick(rng, tuple((str(size), weight) for size, weight in _SIZES)))
        channel = pick(rng, channels)
        account = Account(
            number=number,
            account_id=f"ws-{1000 + number}",
            name=name,
            domain=special_domain.get(standing, domain),
            employees=max(1, int(size * rng.uniform(0.6, 1.6))),
            industry=rng.choice(_INDUSTRIES),
            country=pick(rng, _COUNTRIES),
            channel=channel,
            owner=rng.choice(_OWNERS),
            standing=standing,
            signed_up_at=at,
            trial_days=LONG_TRIAL_DAYS if number % 16 == 3 else TRIAL_DAYS,
            card_required=rng.random() < 0.34,
            engagement=rng.gauss(0.0, 1.0),
            fit=rng.gauss(0.0, 1.0),
        )
        team = 1 + min(
            11,
            int(rng.expovariate(1 / (0.6 + 0.35 * len(str(account.employees)) + 0.25 * max(0.0, account.engagement)))),
        )
        for index in range(team):
            joined = at if index == 0 else at + int(rng.uniform(0.2, 0.8) * account.trial_days * DAY * rng.random())
            weight = 1.0 if index == 0 else rng.uniform(0.15, 0.8)
            account.users.append(make_user(rng, user_number, account, joined, weight))
            user_number += 1
        accounts.append(account)
    return accounts
