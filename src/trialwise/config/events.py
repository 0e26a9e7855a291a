"""[events]: product events and their roles; the names trialwise itself gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from trialwise.section import Name, Section

# The names e-mail events get when a provider's webhook brings them; they have their role whatever the file says.
EMAIL_ROLES: Mapping[str, str] = {
    "Email Sent": "email_sent",
    "Email Delivered": "email_delivered",
    "Email Opened": "email_opened",
    "Email Link Clicked": "email_clicked",
    "Email Replied": "email_replied",
    "Unsubscribed": "email_unsubscribed",
    "Email Bounced": "email_bounced",
    "Email Marked as Spam": "email_complained",
}

# Begins the names of what providers report by webhook besides e-mail; such a report is no use of the product.
REPORT_PREFIX = "Webhook: "


class RolesSection(Section):
    """[events.roles]: which of your events say something about a trial (Segment's B2B names by default)."""

    trial_started: tuple[Name, ...] = ("Trial Started",)
    trial_ended: tuple[Name, ...] = ("Trial Ended",)
    subscription_started: tuple[Name, ...] = ("Subscription Started",)
    subscription_ended: tuple[Name, ...] = ("Subscription Ended", "Subscription Cancelled")
    account_merged: tuple[Name, ...] = ("Account Merged",)
    sales_action: tuple[Name, ...] = ("Lead Accepted", "Lead Rejected", "Lead Contacted", "Lead Status Changed")
    email_sent: tuple[Name, ...] = ("Email Sent",)
    email_delivered: tuple[Name, ...] = ("Email Delivered",)
    email_opened: tuple[Name, ...] = ("Email Opened",)
    email_clicked: tuple[Name, ...] = ("Email Link Clicked", "Email Clicked")
    email_replied: tuple[Name, ...] = ("Email Replied",)
    email_unsubscribed: tuple[Name, ...] = ("Unsubscribed", "Email Unsubscribed")
    email_bounced: tuple[Name, ...] = ("Email Bounced",)
    email_complained: tuple[Name, ...] = ("Email Marked as Spam",)


class EventsSection(Section):
    """[events]: your product events. value = "*" counts every event that has no other role."""

    value: tuple[Name, ...] | Literal["*"] = "*"
    keep_properties: tuple[Name, ...] = ()
    aliases: Mapping[Name, Name] = Field(default_factory=dict)
    roles: RolesSection = RolesSection()
