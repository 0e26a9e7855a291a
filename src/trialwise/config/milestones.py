"""Milestones that are in force, and the events whose properties they and others need."""

from __future__ import annotations

from collections.abc import Mapping

from trialwise.config import Config
from trialwise.config.events import EMAIL_ROLES

# Milestones that are there without configuration: Stripe and e-mail facts, and Segment's B2B events.
STANDARD_MILESTONES: Mapping[str, tuple[str, ...]] = {
    "data_source_connected": ("Data Source Connected",),
    "card_added": ("Card Added",),
    "teammate_invited": ("Invite Sent", "Teammate Invited"),
    "drip_responded": (),
    "demo_requested": ("Demo Requested",),
    "pricing_viewed": ("Pricing Viewed", "Viewed Pricing Page"),
    "content_downloaded": ("Content Downloaded",),
    "form_submitted": ("Form Submitted",),
    "webinar_registered": ("Webinar Registered",),
    "webinar_attended": ("Webinar Attended",),
    "contact_requested": ("Contact Requested",),
}


def milestones(config: Config) -> dict[str, tuple[str, ...]]:
    """The standard milestones with the user's own put over them: key -> event names, in a stable order."""
    return {**STANDARD_MILESTONES, **config.milestones}


def declared_events(config: Config) -> frozenset[str]:
    """Event names whose properties are kept: e-mail, roles, milestones, those asked for, with their aliases."""
    names = {*config.events.keep_properties, *EMAIL_ROLES}
    for section in (config.events.roles.model_dump().values(), milestones(config).values()):
        for group in section:
            names.update(group)
    names.update(old for old, new in config.events.aliases.items() if new in names)
    return frozenset(names)
