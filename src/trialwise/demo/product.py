"""Harborloom, the invented product of the demo: a reporting workspace sold with a 14-day trial.

Everything here is fixed: the clock, the price list, the events its code sends and the drip campaign.
Instants are Unix seconds (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = 86_400
HOUR = 3_600
MINUTE = 60

AS_OF = int(datetime(2026, 3, 31, 9, 0, tzinfo=UTC).timestamp())
"""The fixed clock: a Tuesday morning, so that today is an incomplete day."""
OPENED = int(datetime(2025, 4, 1, tzinfo=UTC).timestamp())
"""Instant of the first sign-up, twelve months before the clock."""
NEW_API_FROM = int(datetime(2025, 5, 20, tzinfo=UTC).timestamp())
"""Until here the Stripe account was pinned to the older API version; earlier events keep that shape for ever."""
RENAMED_AT = int(datetime(2025, 9, 1, tzinfo=UTC).timestamp())
"""From here the product sends `Report Built` where it used to send `Chart Built`."""

API_VERSION = "2026-10-28.endive"
OLD_API_VERSION = "2024-06-20"

DOMAIN = "harborloom.test"
COMPETITOR_DOMAIN = "rivalgrid.test"
FREE_MAIL_DOMAIN = "freemail.test"


@dataclass(frozen=True, slots=True)
class Price:
    """One Stripe price; `amount` is in the minor unit of `currency` (JPY has none, BHD has three digits)."""

    key: str
    id: str
    product: str
    product_name: str
    amount: int
    currency: str = "usd"
    interval: str = "month"


PRICES = {
    price.key: price
    for price in (
        Price("starter", "price_1HLstarterMonthUSD0000", "prod_HLstarter00001", "Harborloom Starter", 2_900),
        Price("team", "price_1HLteamMonthUSD0000000", "prod_HLteam00000001", "Harborloom Team", 9_900),
        Price("business", "price_1HLbusinessMonthUSD000", "prod_HLbusiness0001", "Harborloom Business", 29_900),
        Price(
            "team_year", "price_1HLteamYearUSD00000000", "prod_HLteam00000001", "Harborloom Team", 99_000, "usd", "year"
        ),
        Price("team_eur", "price_1HLteamMonthEUR0000000", "prod_HLteam00000001", "Harborloom Team", 9_500, "eur"),
        Price("team_jpy", "price_1HLteamMonthJPY0000000", "prod_HLteam00000001", "Harborloom Team", 14_800, "jpy"),
        Price("team_bhd", "price_1HLteamMonthBHD0000000", "prod_HLteam00000001", "Harborloom Team", 37_500, "bhd"),
        Price("audit", "price_1HLauditMonthUSD000000", "prod_HLaudit0000001", "Harborloom Audit Log", 4_900),
        Price("free", "price_1HLfreeMonthUSD0000000", "prod_HLfree00000001", "Harborloom Free", 0),
    )
}
FREE_PRODUCT = PRICES["free"].product
SETUP_FEE = 25_000
COUPON_FREE = "PARTNER100"
COUPON_SPRING = "SPRING20"

TRIAL_DAYS = 14
LONG_TRIAL_DAYS = 30

VALUE_EVENTS = (
    "Report Built",
    "Query Run",
    "Dashboard Published",
    "Dashboard Shared",
    "Alert Created",
    "Schedule Created",
    "Export Downloaded",
    "Comment Posted",
)
OLD_NAME, NEW_NAME = "Chart Built", "Report Built"

FEATURES = {
    "reports": "Report Built",
    "queries": "Query Run",
    "dashboards": "Dashboard Published",
    "sharing": "Dashboard Shared",
    "alerts": "Alert Created",
    "schedules": "Schedule Created",
    "exports": "Export Downloaded",
    "comments": "Comment Posted",
    "sources": "Data Source Connected",
    "api": "API Token Created",
}
"""Feature -> the event that shows its use, commonest first."""
FEATURE_WEIGHTS = (30, 34, 12, 8, 4, 4, 5, 3)
"""How often each value event is sent by a user who has found every feature."""

PAGES = ("Home", "Reports", "Dashboards", "Data Sources", "Team", "Docs", "Billing")
SOURCES = ("postgres", "bigquery", "spreadsheet", "csv", "hubspot", "stripe")

CAMPAIGN = "trial-drip-1"


@dataclass(frozen=True, slots=True)
class DripMail:
    """One mail of the drip campaign, sent `day` days after sign-up."""

    key: str
    day: int
    subject: str
    link: str


DRIP = (
    DripMail("welcome", 0, "Your workspace is ready", "https://app.harborloom.test/welcome"),
    DripMail("connect", 2, "Connect your first data source", "https://app.harborloom.test/sources/new"),
    DripMail("invite", 6, "Reports are better with your team", "https://app.harborloom.test/team/invite"),
    DripMail("upgrade", 11, "Three days left of your trial", "https://app.harborloom.test/billing"),
)

CHANNELS = {
    "organic": (34, "https://www.search.test/", {}),
    "paid_search": (20, "https://www.search.test/", {"source": "search", "medium": "cpc", "name": "reporting-tools"}),
    "paid_social": (14, "https://social.test/", {"source": "social", "medium": "paid", "name": "dashboards-spring"}),
    "referral": (12, "https://blog.datafolk.test/", {"source": "datafolk", "medium": "referral", "name": "review"}),
    "partner": (8, "https://partners.harborloom.test/", {"source": "partner", "medium": "partner", "name": "agency"}),
    "webinar": (12, "https://events.harborloom.test/", {"source": "webinar", "medium": "event", "name": "live-demo"}),
}
"""Channel -> (share, referrer, utm campaign)."""


def start_of_day(at: int) -> int:
    """First second of the UTC day that holds the instant `at`."""
    return at - at % DAY


def add_months(at: int, months: int) -> int:
    """The same time of day `months` later, on the month's last day where that day does not exist (Stripe's rule)."""
    moment = datetime.fromtimestamp(at, UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    following = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC)
    last_day = (following - timedelta(days=1)).day
    return int(moment.replace(year=year, month=month + 1, day=min(moment.day, last_day)).timestamp())
