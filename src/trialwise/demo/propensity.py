"""What a trial does and how likely it is to pay: the hidden truth behind the demo.

Behaviour comes first (from two hidden traits of the account, `engagement` and `fit`), the chance to pay follows from
behaviour and circumstance by the log-odds below, and the outcome is drawn from that chance. No score is consulted.
docs/demo.md holds the same table.

| Cause | Log-odds |
|---|---|
| start | -4.0 |
| a payment card was asked for at sign-up | +1.8 |
| data source connected in the first seven days | +1.1 |
| a teammate invited during the trial | +0.7 |
| each active day of the first week, at most five | +0.28 |
| pricing page seen | +0.3 |
| a drip mail's link clicked | +0.5 |
| 20 to 500 employees | +0.4 |
| under 6 employees | -0.4 |
| channel referral, partner, webinar | +0.5, +0.4, +0.2 |
| channel paid social | -0.6 |
| fit, per standard deviation (never seen in the data) | +0.35 |
| internal, competitor, free mail, student | -1.8 |
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from trialwise.demo.people import Account, weekday_share
from trialwise.demo.product import AS_OF, DAY, DRIP, HOUR, MINUTE

START = -4.0
CARD_REQUIRED = 1.8
CONNECTED = 1.1
INVITED = 0.7
ACTIVE_DAY = 0.28
PRICING = 0.3
CLICKED = 0.5
MIDDLE_SIZE = 0.4
TINY = -0.4
CHANNEL = {"referral": 0.5, "partner": 0.4, "webinar": 0.2, "paid_social": -0.6}
FIT = 0.35
UNDESIRABLE = -1.8


@dataclass(slots=True)
class Mail:
    """One drip mail: instants in Unix seconds, None where it did not happen."""

    index: int
    sent_at: int
    opened_at: int | None = None
    clicked_at: int | None = None
    unsubscribed_at: int | None = None
    bounced: bool = False


@dataclass(slots=True)
class Behaviour:
    """What an account does in its trial. `visits` are (user index, day number, relative number of calls)."""

    visits: list[tuple[int, int, float]] = field(default_factory=list)
    moments: list[tuple[int, str]] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    connected_at: int | None = None
    invited_at: int | None = None
    first_week_days: int = 0
    saw_pricing: bool = False
    clicked: bool = False


def chance(log_odds: float) -> float:
    """The logistic function."""
    return 1 / (1 + math.exp(-log_odds))


def behave(rng: Random, account: Account) -> Behaviour:
    """Draw the visits, milestones and mails of one trial from the account's hidden engagement."""
    doing = Behaviour()
    _visit(rng, account, doing)
    _reach_milestones(rng, account, doing)
    _read_mails(rng, account, doing)
    return doing


def _visit(rng: Random, account: Account, doing: Behaviour) -> None:
    first_day = account.signed_up_at // DAY
    fades_at = rng.randrange(2, account.trial_days) if rng.random() < 0.4 else account.trial_days + 1
    steady = account.engagement > 1.9
    random = rng.random
    days = set()
    base = 0.33 * math.exp(0.55 * account.engagement)
    for index, user in enumerate(account.users):
        for offset in range(max(0, user.joined_at // DAY - first_day), account.trial_days + 1):
            day = first_day + offset
            habit = base * user.weight * (1.4 if offset < 3 else 1.0) * (0.12 if offset > fades_at else 1.0)
            likely = 1.0 if steady and index == 0 else min(0.95, habit * weekday_share(day * DAY))
            if (offset == 0 and index == 0) or random() < likely:
                doing.visits.append((index, day, rng.lognormvariate(0.0, 0.6) * math.exp(0.3 * account.engagement)))
                if offset < 7:
                    days.add(day)
    doing.first_week_days = len(days)


def _reach_milestones(rng: Random, account: Account, doing: Behaviour) -> None:
    at, length = account.signed_up_at, account.trial_days
    lean = account.engagement

    def moment(first_day: float, last_day: float) -> int:
        return at + int(rng.uniform(first_day, last_day) * DAY) + 7 * MINUTE

    if rng.random() < chance(-0.1 + 0.9 * lean):
        doing.connected_at = moment(0.0, 1.0) if rng.random() < 0.6 else moment(1.0, length - 1.0)
        doing.moments.append((doing.connected_at, "Data Source Connected"))
    if rng.random() < chance(-1.1 + 0.6 * lean + 0.25 * math.log(account.employees)):
        doing.invited_at = moment(0.2, length * 0.7)
        doing.moments.append((doing.invited_at, "Invite Sent"))
    if rng.random() < chance(-0.9 + 0.4 * lean + 0.3 * account.fit):
        doing.saw_pricing = True
        doing.moments.append((moment(1.0, length - 0.5), "Pricing"))
    for name, odds in (
        ("Demo Requested", -2.9),
        ("Content Downloaded", -2.0),
        ("Webinar Registered", -2.6 + 2.0 * (account.channel == "webinar")),
        ("Form Submitted", -3.0),
        ("Contact Requested", -3.3),
        ("API Token Created", -2.8),
    ):
        if rng.random() < chance(odds + 0.4 * account.fit):
            when = moment(0.5, length - 1.0)
            doing.moments.append((when, name))
            if name == "Webinar Registered" and rng.random() < 0.55:
                doing.moments.append((when + 2 * DAY, "Webinar Attended"))


def _read_mails(rng: Random, account: Account, doing: Behaviour) -> None:
    bounces = rng.random() < 0.012
    for index, mail in enumerate(DRIP):
        sent = Mail(index, account.signed_up_at + mail.day * DAY + (5 * MINUTE if index == 0 else 2 * HOUR))
        doing.mails.append(sent)
        sent.bounced = bounces
        if bounces:
            break
        if rng.random() < chance(-0.1 + 0.5 * account.engagement):
            sent.opened_at = sent.sent_at + int(rng.expovariate(1 / (5 * HOUR))) + MINUTE
            if rng.random() < chance(-1.5 + 0.6 * account.engagement):
                sent.clicked_at = sent.opened_at + rng.randrange(10, 300)
                doing.clicked = True
            elif rng.random() < 0.025:
                sent.unsubscribed_at = sent.opened_at + rng.randrange(20, 200)
                break


def log_odds(account: Account, doing: Behaviour) -> float:
    """The hidden log-odds that the trial pays: the sum of the causes in the table above."""
    in_first_week = doing.connected_at is not None and doing.connected_at < account.signed_up_at + 7 * DAY
    middle, tiny = 20 <= account.employees <= 500, account.employees < 6
    return (
        START
        + CARD_REQUIRED * account.card_required
        + CONNECTED * in_first_week
        + INVITED * (doing.invited_at is not None)
        + ACTIVE_DAY * min(doing.first_week_days, 5)
        + PRICING * doing.saw_pricing
        + CLICKED * doing.clicked
        + MIDDLE_SIZE * middle
        + TINY * tiny
        + CHANNEL.get(account.channel, 0.0)
        + FIT * account.fit
        + UNDESIRABLE * (account.standing != "prospect")
    )


def go_on(rng: Random, account: Account, doing: Behaviour, until: int, *, paying: bool) -> None:
    """Add the visits after the trial: steady use of at most three people until `until`, or a few looks back."""
    first_day = account.signed_up_at // DAY + account.trial_days + 1
    last_day = min(until, AS_OF) // DAY
    random = rng.random
    if not paying:
        last_day = min(last_day, first_day + 25)
        for day in range(first_day, last_day + 1):
            if random() < 0.05 * weekday_share(day * DAY):
                doing.visits.append((0, day, 0.4))
        return
    base = 0.34 * math.exp(0.3 * account.engagement)
    for index, user in enumerate(account.users[:3]):
        likely = base * (1.0 if index == 0 else user.weight)
        for day in range(first_day, last_day + 1):
            if random() < likely * weekday_share(day * DAY):
                doing.visits.append((index, day, rng.lognormvariate(0.0, 0.5)))
