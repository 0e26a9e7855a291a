"""Stripe: the official SDK judges the raw bytes, at the time they arrived; thin events pass like all others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.sources.webhooks.signing import NOW, compact, stripe

from trialwise.sources.webhooks import PROVIDERS, Refused

DOOR = PROVIDERS["stripe"]
THIN = compact({"id": "evt_thin", "object": "v2.core.event", "type": "v1.billing.meter.error", "created": "2026-03-01"})


def test_a_thin_event_is_landed_as_it_came() -> None:
    request = stripe("whsec_a", THIN, NOW)
    DOOR.verify(request, ["whsec_a"])
    [piece] = DOOR.pieces(request)
    assert piece.data == THIN
    assert (DOOR.source, DOOR.format) == ("stripe", "stripe")


def test_one_right_signature_of_several_is_enough() -> None:
    request = stripe("whsec_a", THIN, NOW)
    signed = request.headers["stripe-signature"]
    both = f"{signed.split(',')[0]},v1={'0' * 64},{signed.split(',')[1]}"
    DOOR.verify(replace(request, headers={"stripe-signature": both}), ["whsec_b", "whsec_a"])


def test_the_time_of_arrival_counts_not_that_of_checking() -> None:
    request = replace(stripe("whsec_a", THIN, NOW), received_at=NOW + timedelta(seconds=300))
    DOOR.verify(request, ["whsec_a"])
    with pytest.raises(Refused, match="too_old"):
        DOOR.verify(replace(request, received_at=NOW + timedelta(seconds=301)), ["whsec_a"])


def test_bytes_that_are_no_text_are_refused_not_broken_by() -> None:
    request = replace(stripe("whsec_a", THIN, NOW), body=b"\xff\xfe")
    with pytest.raises(Refused, match="wrong_signature"):
        DOOR.verify(request, ["whsec_a"])
