"""The demo company's trialwise.toml."""

from __future__ import annotations

from trialwise.demo.product import (
    AS_OF,
    COMPETITOR_DOMAIN,
    DOMAIN,
    FEATURES,
    FREE_MAIL_DOMAIN,
    NEW_NAME,
    OLD_NAME,
    PRICES,
    TRIAL_DAYS,
    VALUE_EVENTS,
)
from trialwise.demo.segment import iso
from trialwise.demo.usage import ROBOT


def toml_text() -> str:
    """The whole file, commented, ending in a newline."""
    features = "\n".join(f'{key} = ["{event}"]' for key, event in FEATURES.items())
    values = ",\n  ".join(f'"{event}"' for event in VALUE_EVENTS)
    return f'''# Harborloom, the invented company of the demo. Change anything here, then run `trialwise refresh`.

[workspace]
name = "Harborloom"
timezone = "UTC"

# The clock of this company stands still, so that its trials stay live for ever; every answer says so.
[clock]
as_of = "{iso(AS_OF * 1000)[:19]}Z"

[trials]
length_days = {TRIAL_DAYS}            # for trials only the product announces, without an end
freemium_plans = ["{PRICES["free"].id}"]

[conversion]
grace_days = 30

[usage]
benchmark_events_per_day = 6

[events]
value = [
  {values},
]

# The product renamed this event in September.
[events.aliases]
"{OLD_NAME}" = "{NEW_NAME}"

[features]
{features}

# The standard milestones (pricing_viewed, demo_requested, ...) are there already; these are Harborloom's own names.
[milestones]
api_token_created = ["API Token Created"]
first_report = ["Report Built"]
first_share = ["Dashboard Shared"]

[attributes]
employees = {{ trait = "employees", type = "number" }}
industry = {{ trait = "industry" }}
country = {{ trait = "country" }}
plan = {{ trait = "plan" }}
title = {{ trait = "title", subject = "user" }}

[identity]
account_metadata_key = "account_id"

[exclude]
internal_domains = ["{DOMAIN}"]
competitor_domains = ["{COMPETITOR_DOMAIN}"]
free_mail_domains = ["{FREE_MAIL_DOMAIN}"]
users = ["{ROBOT}"]
titles = ["Student"]

[stripe]
livemode = true

# A segment is a condition over the columns of one trial on one day (see docs/models.md, intermediate.trial_days).
[[segments]]
key = "team_adoption"
title = "A team is at work"
enter = "active_users_7d >= 3 AND features_used >= 3"
owner = "growth"
description = "At least three people used at least three features this week."

[[segments]]
key = "mid_market_ready"
title = "Mid-market, connected, in use"
enter = "data_source_connected_on IS NOT NULL AND attr_employees BETWEEN 20 AND 500 AND active_days_7d >= 2"
exit = "active_days_7d = 0"
owner = "sales"
description = "The companies Harborloom is made for, with their own data in it and in use."

[[segments]]
key = "price_shopper"
title = "Looked at prices, no card"
enter = "pricing_viewed_on IS NOT NULL AND card_added_on IS NULL"
owner = "growth"
description = "Knows what it costs and has not put a card on file."

# Points for what a trial has done (fading over lifespan_days) or is like. Caps keep one habit from deciding alone.
[score]
caps = {{ setup = 40, usage = 35, interest = 25, company = 30 }}

[[score.rules]]
key = "connected"
milestone = "data_source_connected"
points = 25
group = "setup"
lifespan_days = 45
text = "connected a data source"

[[score.rules]]
key = "invited"
milestone = "teammate_invited"
points = 15
group = "setup"
lifespan_days = 45
text = "invited a teammate"

[[score.rules]]
key = "regular"
when = "active_days_7d >= 3"
points = 20
group = "usage"
text = "used it on three days of the last seven"

[[score.rules]]
key = "broad"
when = "features_used >= 4"
points = 10
group = "usage"
text = "uses four features or more"

[[score.rules]]
key = "together"
when = "active_users_7d >= 2"
points = 10
group = "usage"
text = "two people or more were active this week"

[[score.rules]]
key = "saw_pricing"
milestone = "pricing_viewed"
points = 8
group = "interest"
lifespan_days = 14
text = "looked at the pricing page"

[[score.rules]]
key = "asked_for_demo"
milestone = "demo_requested"
points = 15
group = "interest"
lifespan_days = 30
text = "asked for a demo"

[[score.rules]]
key = "answered_mail"
milestone = "drip_responded"
points = 8
group = "interest"
lifespan_days = 14
text = "clicked a link in an onboarding mail"

[[score.rules]]
key = "idle"
when = "active_days_7d = 0 AND trial_day > 5"
points = -15
group = "idle"
text = "has not used it for a week"

[[score.rules]]
key = "right_size"
when = "attr_employees BETWEEN 20 AND 500"
points = 20
group = "company"
axis = "fit"
text = "20 to 500 employees"

[[score.rules]]
key = "decider"
when = "attr_title IN ('Head of Analytics', 'Founder', 'Finance Lead')"
points = 10
group = "company"
axis = "fit"
text = "the contact can decide"

[[score.rules]]
key = "very_small"
when = "attr_employees < 6"
points = -10
group = "small"
axis = "fit"
text = "under six employees"
'''
