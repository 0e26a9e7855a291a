"""[attributes], [identity], [exclude]: what is known of accounts, and who is none of them."""

from __future__ import annotations

from typing import Literal

from trialwise.section import Name, Section


class AttributeSection(Section):
    """[attributes.NAME]: a trait of accounts or users that segments may use as attr_NAME."""

    trait: Name
    subject: Literal["account", "user"] = "account"
    type: Literal["text", "number", "boolean"] = "text"


class IdentitySection(Section):
    """[identity]: how a Stripe customer becomes an account."""

    account_metadata_key: Name = "account_id"
    customer_map: str | None = None


class ExcludeSection(Section):
    """[exclude]: who is no trial of yours, each with its reason."""

    internal_domains: tuple[Name, ...] = ()
    competitor_domains: tuple[Name, ...] = ()
    free_mail_domains: tuple[Name, ...] = ()
    users: tuple[Name, ...] = ()
    titles: tuple[Name, ...] = ()
