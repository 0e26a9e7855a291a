"""The rules and segments every workspace starts with. A company's own definitions replace them (docs: segments)."""

from __future__ import annotations

from collections.abc import Mapping

from trialwise.scoring.definitions import Rule, Segment

BEHAVIOURS = ("data_source_connected", "teammate_invited")
"""Milestones that together make `completed_behaviours`."""

RULES: tuple[Rule, ...] = (
    Rule(
        "data_source_connected",
        20,
        "activation",
        "engagement",
        "Connected a data source",
        milestone="data_source_connected",
        lifespan_days=60,
    ),
    Rule(
        "teammate_invited",
        15,
        "activation",
        "engagement",
        "Invited a teammate",
        milestone="teammate_invited",
        lifespan_days=60,
    ),
    Rule("heavy_usage", 30, "usage", "engagement", "Uses the product heavily", condition="usage_band = 'heavy'"),
    Rule(
        "moderate_usage", 15, "usage", "engagement", "Uses the product regularly", condition="usage_band = 'moderate'"
    ),
    Rule("steady_use", 10, "usage", "engagement", "Active on most days of the week", condition="active_days_7d >= 4"),
    Rule("long_streak", 10, "usage", "engagement", "Keeps a long streak of active days", condition="is_streak_reached"),
    Rule("several_users", 10, "usage", "engagement", "Several people use it", condition="active_users_7d >= 3"),
    Rule("rising_use", 5, "usage", "engagement", "Use is rising", condition="trend_hundredths >= 58"),
    Rule("card_added", 20, "intent", "engagement", "Added a card", milestone="card_added", lifespan_days=60),
    Rule(
        "demo_requested", 15, "intent", "engagement", "Asked for a demo", milestone="demo_requested", lifespan_days=14
    ),
    Rule(
        "contact_requested",
        15,
        "intent",
        "engagement",
        "Asked to be contacted",
        milestone="contact_requested",
        lifespan_days=14,
    ),
    Rule(
        "pricing_viewed",
        10,
        "intent",
        "engagement",
        "Looked at the pricing page",
        milestone="pricing_viewed",
        lifespan_days=7,
    ),
    Rule(
        "webinar_attended",
        10,
        "intent",
        "engagement",
        "Attended a webinar",
        milestone="webinar_attended",
        lifespan_days=14,
    ),
    Rule("email_replied", 10, "email", "engagement", "Replied to an e-mail", condition="emails_replied > 0"),
    Rule("email_clicked", 5, "email", "engagement", "Clicked in an e-mail", condition="emails_clicked > 0"),
    Rule("cancel_requested", -30, "risk", "engagement", "Asked to cancel", condition="cancel_requested"),
    Rule(
        "gone_quiet",
        -15,
        "risk",
        "engagement",
        "Stopped using the product",
        condition="quiet_days >= quiet_after_days",
    ),
    Rule("company_domain", 20, "profile", "fit", "Signed up with a company domain", condition="has_company_domain"),
    Rule("undesirable", -100, "exclusion", "fit", "Is excluded", condition="undesirable_reason IS NOT NULL"),
)

CAPS: Mapping[str, int] = {"activation": 35, "usage": 45, "intent": 40, "email": 10}
"""Most points the built-in rules of a group give together."""

SEGMENTS: tuple[Segment, ...] = (
    Segment(
        "data_source_connected",
        "data_source_connected_on IS NOT NULL",
        "Connected a data source",
        "Connected a data source at any time since sign-up.",
    ),
    Segment(
        "completed_behaviours",
        " AND ".join(f"{milestone}_on IS NOT NULL" for milestone in BEHAVIOURS),
        "Completed the key behaviours",
        "Reached every milestone that makes a product useful: connected a data source and invited a teammate.",
    ),
    Segment("heavy_usage", "usage_band = 'heavy'", "Heavy usage", "Usage intensity in the highest band."),
    Segment(
        "streak_14",
        "is_streak_reached",
        "Long streak",
        "Active on as many consecutive days as [usage] streak_days says, 14 by default.",
    ),
    Segment("card_on_file", "card_on_file", "Card on file", "A payment method is on file."),
    Segment(
        "cancelled_before_payment",
        "is_late_cancel",
        "Cancelled just before payment",
        "Asked to cancel in the last hours before the first payment, 72 by default, and has not taken it back.",
    ),
    Segment(
        "drip_responder",
        "emails_clicked > 0 OR emails_replied > 0",
        "Responds to e-mail",
        "Clicked or replied to an e-mail since the trial began; opening is no response.",
    ),
    Segment(
        "pql",
        "usage_band IN ('moderate', 'heavy') AND active_days_7d >= 3 AND fit_score_hundredths >= 0",
        "Product-qualified lead",
        "Uses the product at least moderately on at least three days of the week, and nothing speaks against the fit.",
        exit="usage_band IN ('none', 'light') OR fit_score_hundredths < 0",
    ),
    Segment(
        "likely_to_convert",
        "engagement_grade = '1' AND fit_score_hundredths >= 0",
        "Likely to convert",
        "Reached the best engagement grade and has not fallen to the worst; nothing speaks against the fit.",
        exit="engagement_grade = '3' OR fit_score_hundredths < 0",
    ),
    Segment(
        "went_quiet",
        "peak_usage_band IN ('moderate', 'heavy') AND quiet_days >= quiet_after_days",
        "Went quiet",
        "Was moderate or heavy, then max(2, a fifth of the trial's length) completed days without use.",
    ),
    Segment(
        "upgraded_last_week",
        "coalesce(days_since_conversion <= 6, FALSE)",
        "Upgraded last week",
        "The first payment became known within the last seven days.",
    ),
)
