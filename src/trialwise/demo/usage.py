"""How people use the product: every Segment call of an account, from the first anonymous page view to the clock."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from trialwise.demo.people import Account, User
from trialwise.demo.product import (
    AS_OF,
    CAMPAIGN,
    CHANNELS,
    DAY,
    DRIP,
    FEATURE_WEIGHTS,
    HOUR,
    MINUTE,
    NEW_NAME,
    OLD_NAME,
    PAGES,
    RENAMED_AT,
    SOURCES,
    VALUE_EVENTS,
)
from trialwise.demo.propensity import Behaviour
from trialwise.demo.segment import BROWSER, SERVER, Calls, encode, iso

STAFF = "u-staff-1"
ROBOT = "u-monitor"
_OFFICE_HOUR = {"US": 15.5, "BR": 14.0, "JP": 4.0, "IN": 7.0, "BH": 9.0}
"""Mean hour of work in UTC; 11 where the country is not listed."""
_SIGNED_IN = '"event":"Signed In","properties":{"method":"password"}'


@dataclass(frozen=True, slots=True)
class Visit:
    """One user's use of the product on one day, `calls` many calls from the account's pool."""

    account: Account
    user: User
    day: int
    size: float


def announce_account(calls: Calls, account: Account, *, alias: bool = False) -> None:
    """Anonymous page views, sign-up, group, and the people who join; with `alias` an alias call comes first."""
    rng, contact, at = calls.rng, account.contact, account.signed_up_at * 1000
    _, referrer, campaign = CHANNELS[account.channel]
    utm = f',"campaign":{encode(campaign)}' if campaign else ""
    for number in range(rng.randrange(1, 4)):
        name = ("Home", "Pricing", "Docs")[number]
        page = encode({"path": f"/{name.lower()}", "referrer": referrer, "title": f"{name} - Harborloom"})
        body = (
            f'"anonymousId":"{contact.anonymous_id}","name":"{name}","properties":{page},"context":{{{BROWSER}{utm}}}'
        )
        calls.add(at - (40 - 9 * number) * MINUTE * 1000, "page", body)
    if alias:
        calls.add(
            at - 900,
            "alias",
            f'"userId":"{contact.user_id}","previousId":"{contact.anonymous_id}","context":{{{BROWSER}}}',
        )
    for user in account.users:
        join(calls, account, user)
    group(calls, account, contact, at + 1_500, account.employees, "trial")
    track(calls, account, contact, at + 2_000, "Account Created", {"account_name": account.name})


def join(calls: Calls, account: Account, user: User) -> None:
    """A user signs up or is added: identify with traits, group where invited, and the event of Segment's B2B spec."""
    at = user.joined_at * 1000
    _, referrer, campaign = CHANNELS[account.channel]
    traits = {
        "email": user.email,
        "firstName": user.first,
        "lastName": user.last,
        "name": f"{user.first} {user.last}",
        "title": user.title,
        "createdAt": user.joined_at,
        "country": account.country,
    }
    utm = f',"campaign":{encode(campaign)}' if campaign and user is account.contact else ""
    page = f',"page":{encode({"path": "/signup", "referrer": referrer})}' if user is account.contact else ""
    who = f'"userId":"{user.user_id}","anonymousId":"{user.anonymous_id}"'
    body = f'{who},"traits":{encode(traits)},"context":{{{BROWSER}{page}{utm}}}'
    calls.add(at, "identify", body)
    if user is account.contact:
        track(calls, account, user, at + 900, "Signed Up", {"type": "organic", "plan": "trial"})
    else:
        calls.add(
            at + 700,
            "group",
            f'"userId":"{user.user_id}","groupId":"{account.account_id}","traits":{{}},"context":{{{SERVER}}}',
        )
        track(calls, account, user, at + 900, "Account Added User", {"role": "member"})


def group(calls: Calls, account: Account, user: User, at: int, employees: int, plan: str) -> None:
    """The company traits of an account as of `at` (milliseconds)."""
    traits = {
        "name": account.name,
        "domain": account.domain,
        "industry": account.industry,
        "employees": employees,
        "plan": plan,
        "country": account.country,
        "channel": account.channel,
        "owner": account.owner,
        "createdAt": account.signed_up_at,
    }
    body = (
        f'"userId":"{user.user_id}","groupId":"{account.account_id}","traits":{encode(traits)},"context":{{{SERVER}}}'
    )
    calls.add(at, "group", body)


def track(calls: Calls, account: Account, user: User, at: int, event: str, properties: dict[str, object]) -> bool:
    """One track call from the server, naming the account in `context.groupId`."""
    body = (
        f'"userId":"{user.user_id}","event":"{event}","properties":{encode(properties)},'
        f'"context":{{"groupId":"{account.account_id}",{SERVER}}}'
    )
    return calls.add(at, "track", body)


def announce_trial(calls: Calls, account: Account, ends_at: int | None, *, name_end: bool) -> None:
    """The product's own Trial Started, seconds off Stripe's, and Trial Ended; `name_end` adds `trial_ends_at`."""
    at = account.signed_up_at * 1000 + 4_000
    properties: dict[str, object] = {"trial_start_date": account.signed_up_at, "trial_plan_name": "team"}
    if name_end and ends_at is not None:
        properties["trial_ends_at"] = instant(ends_at)
    track(calls, account, account.contact, at, "Trial Started", properties)
    if ends_at is not None:
        track(calls, account, account.contact, ends_at * 1000 + 2_000, "Trial Ended", {"trial_plan_name": "team"})


def instant(at: int) -> str:
    """ISO 8601 text of Unix seconds."""
    return iso(at * 1000)


def reach(calls: Calls, account: Account, doing: Behaviour) -> None:
    """The milestones of a trial, as track and page calls."""
    rng = calls.rng
    for at, name in doing.moments:
        user = account.contact
        ms = at * 1000
        if name == "Pricing":
            body = (
                f'"userId":"{user.user_id}","anonymousId":"{user.anonymous_id}","name":"Pricing",'
                f'"properties":{{"path":"/pricing"}},"context":{{"groupId":"{account.account_id}",{BROWSER}}}'
            )
            calls.add(ms, "page", body)
        elif name == "Data Source Connected":
            track(calls, account, user, ms, name, {"source": rng.choice(SOURCES)})
        elif name == "Invite Sent":
            for number in range(rng.randrange(1, 4)):
                track(calls, account, user, ms + number * 1_000, name, {"invitee_role": "member"})
        else:
            track(calls, account, user, ms, name, {"location": "app"})


def mail(calls: Calls, account: Account, doing: Behaviour) -> None:
    """The drip campaign by Segment's e-mail spec: delivered, opened, clicked, unsubscribed, bounced."""
    contact = account.contact
    start = f'"userId":"{contact.user_id}","event":"'
    library = '"library":{"name":"harborloom-mailer","version":"1.4.0"}'
    context = f'"context":{{"traits":{{"email":"{contact.email}"}},{library}}}'
    for sent in doing.mails:
        drip = DRIP[sent.index]
        about: dict[str, object] = {
            "campaign_id": CAMPAIGN,
            "campaign_name": "Trial onboarding",
            "email_id": f"{CAMPAIGN}-{drip.key}-{account.account_id}",
            "email_subject": drip.subject,
        }
        link = {**about, "link_url": drip.link, "link_id": drip.key}
        if sent.bounced:
            calls.add(sent.sent_at * 1000, "track", f'{start}Email Bounced","properties":{encode(about)},{context}')
            continue
        for at, event, properties in (
            (sent.sent_at, "Email Delivered", about),
            (sent.opened_at, "Email Opened", about),
            (sent.clicked_at, "Email Link Clicked", link),
            (sent.unsubscribed_at, "Unsubscribed", about),
        ):
            if at is not None:
                calls.add(at * 1000, "track", f'{start}{event}","properties":{encode(properties)},{context}')


def pool_of(rng: Random, account: Account, doing: Behaviour) -> list[tuple[str, str]]:
    """Some twenty ready call bodies (kind, fragment) an account's people draw from."""
    lean = account.engagement
    found = [0, 1] + [index for index in range(2, len(VALUE_EVENTS)) if rng.random() < 0.32 + 0.13 * lean]
    if doing.connected_at is None:
        found = [index for index in found if index != 1] or [0]
    pool = []
    for index in rng.choices(found, [FEATURE_WEIGHTS[index] for index in found], k=13) + found:
        event = VALUE_EVENTS[index]
        thing = f"{event.split()[0].lower()}-{account.number}-{rng.randrange(40)}"
        pool.append(
            ("track", f'"event":"{event}","properties":{{"object_id":"{thing}","source":"{rng.choice(SOURCES)}"}}')
        )
    pages = [(page, page.lower().replace(" ", "-")) for page in rng.choices(PAGES, k=5)]
    pool.extend(("page", f'"name":"{page}","properties":{{"path":"/{slug}"}}') for page, slug in pages)
    pool.append(("track", '"event":"Help Article Opened","properties":{"article":"getting-started"}'))
    return pool


def work(calls: Calls, visits: list[Visit], pools: dict[int, list[tuple[str, str]]], total: int) -> None:
    """Turn visits into `total` calls in proportion to their size; the fraction a visit leaves over is carried on."""
    share = total / max(sum(visit.size for visit in visits), 1e-9)
    owed = 0.0
    for visit in visits:
        owed += visit.size * share
        count = int(owed)
        owed -= count
        if count:
            spend_day(calls, visit, pools[visit.account.number], count)


def spend_day(calls: Calls, visit: Visit, pool: list[tuple[str, str]], count: int) -> None:
    """`count` calls of one user on one day, in one or two sittings around the office hours of the country."""
    rng = calls.rng
    account, user = visit.account, visit.user
    midnight = visit.day * DAY
    start = midnight + (min(max(rng.gauss(_OFFICE_HOUR.get(account.country, 11.0), 2.4), 0.3), 21.0)) * HOUR
    until = midnight + DAY - 1
    if midnight == AS_OF - AS_OF % DAY:
        start, until = midnight + rng.uniform(0.5, 6.0) * HOUR, AS_OF - 10
    step = min(95.0, (until - start) / (count + 1))
    named = f'"context":{{"groupId":"{account.account_id}",{SERVER}}}'
    unnamed = f'"context":{{{BROWSER}}}'
    in_browser = f'"context":{{"groupId":"{account.account_id}",{BROWSER}}}'
    who = f'"userId":"{user.user_id}",'
    both = f'{who}"anonymousId":"{user.anonymous_id}",'
    old_name = midnight + DAY <= RENAMED_AT
    at, random, size = start, rng.random, len(pool)
    for number in range(count):
        at += step * (0.3 + 1.4 * random()) if number else 0.0
        kind, fragment = ("track", _SIGNED_IN) if number == 0 and count > 2 else pool[int(random() * size)]
        if old_name and NEW_NAME in fragment:
            fragment = fragment.replace(NEW_NAME, OLD_NAME)
        ms = int(min(at, until) * 1000) + int(random() * 1000)
        if kind == "page":
            # One page call in four does not name the account: the browser had not yet asked which workspace is open.
            calls.add(ms, kind, f"{both}{fragment},{unnamed if random() < 0.25 else in_browser}")
        else:
            calls.add(ms, kind, f"{who}{fragment},{named}")
