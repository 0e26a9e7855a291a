"""What shapes the raw tables besides the records: another value means that they are filled anew from landing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trialwise.landing.statements import own_tables, statement

READING = 4
"""Another number where the loader itself tells records apart otherwise: older stores are then filled anew."""


@dataclass(frozen=True)
class LoadSettings:
    """Configuration the load depends on.

    timezone              reporting zone: activity_date and known_date are its days
    declared_events       names of events whose properties are kept
    account_metadata_key  metadata key of Stripe customers and subscriptions that holds the account id
    customer_map          Stripe customer id -> account id, as the user's mapping file says
    livemode              which Stripe mode is taken
    stripe_account        id of the Stripe account whose data this is; events of others are refused. None: not known
    """

    timezone: str = "UTC"
    declared_events: frozenset[str] = frozenset()
    account_metadata_key: str = "account_id"
    customer_map: Mapping[str, str] = field(default_factory=dict)
    livemode: bool | Literal["any"] = "any"
    stripe_account: str | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for equal raw tables. The mapping file is not in it: its accounts are added at every load."""
        parts = [READING, self.timezone, sorted(self.declared_events), self.account_metadata_key, self.livemode]
        if self.stripe_account is not None:
            parts.append(self.stripe_account)
        parts += [statement(f"into_{table}") for table in own_tables()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @property
    def metadata_path(self) -> str:
        """JSON path of the account id in a Stripe object."""
        return f"$.metadata.{quoted_key(self.account_metadata_key)}"

    @property
    def livemode_text(self) -> str:
        """'true', 'false' or 'any'."""
        return str(self.livemode).lower()


def quoted_key(key: str) -> str:
    """A key as one step of a JSON path."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
