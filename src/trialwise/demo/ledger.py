"""The event envelopes Stripe sends, collected until they are written.

The webhook endpoint listens to customers, subscriptions, invoices, payments, set-up intents, checkout, refunds and
disputes. Nothing at or after the clock is written.
"""

from __future__ import annotations

import json
from random import Random

from trialwise.demo import shapes
from trialwise.demo.old_shapes import to_old_shape
from trialwise.demo.product import (
    API_VERSION,
    AS_OF,
    DAY,
    NEW_API_FROM,
    OLD_API_VERSION,
    OPENED,
    PRICES,
)
from trialwise.demo.shapes import Json

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PRICES_FROM = 1_740_000_000
"""When the price list was made, before the first sign-up."""
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Ledger:
    """Collects event envelopes as (created, order, line) and hands out ids."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.lines: list[tuple[int, int, str]] = []

    def new_id(self, prefix: str, length: int = 16) -> str:
        """A Stripe-like id such as `sub_1Abc...`."""
        return f"{prefix}_1{''.join(self.rng.choices(_ALPHABET, k=length))}"

    def emit(
        self,
        kind: str,
        at: int,
        rendered: Json,
        previous: Json | None = None,
        *,
        by_request: bool = False,
        livemode: bool = True,
        old_keys: Json | None = None,
    ) -> None:
        """Append the envelope of one event created at `at`, unless the clock has not reached it.

        `old_keys` are set on the object only where the older API version renders it.
        """
        if at >= AS_OF:
            return
        old = at < NEW_API_FROM
        data: Json = {"object": to_old_shape(rendered) | (old_keys or {}) if old else rendered}
        if previous is not None:
            data["previous_attributes"] = previous
        envelope = {
            "id": self.new_id("evt", 20),
            "object": "event",
            "api_version": OLD_API_VERSION if old else API_VERSION,
            "created": at,
            "data": data,
            "livemode": livemode,
            "pending_webhooks": 0,
            "request": {"id": self.new_id("req", 13) if by_request else None, "idempotency_key": None},
            "type": kind,
        }
        self.lines.append((at, len(self.lines), _encode(envelope)))

    def price_list(self) -> None:
        """Announce products, prices and coupons as changed on the first day, so that the file names every plan."""
        at = OPENED + 1
        seen = set()
        for price in PRICES.values():
            if price.product not in seen:
                seen.add(price.product)
                self.emit(
                    "product.updated", at, shapes.product_object(price, PRICES_FROM), {"updated": PRICES_FROM - DAY}
                )
            self.emit("price.updated", at, shapes.price_object(price, True, PRICES_FROM), {"lookup_key": None})
        self.emit(
            "coupon.updated",
            at,
            shapes.coupon_object("PARTNER100", 100.0, "forever", None, PRICES_FROM),
            {"name": None},
        )
        self.emit(
            "coupon.updated", at, shapes.coupon_object("SPRING20", 20.0, "repeating", 3, PRICES_FROM), {"name": None}
        )
