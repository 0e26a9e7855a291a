"""Published signatures and payloads, through the doors they would come in by."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trialwise.sources.webhooks import Refused, Request
from trialwise.sources.webhooks.stripe import Stripe


def stripe_vectors(folder: Path) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((folder / "stripe_signature_vectors" / "vectors.json").read_text("utf-8"))
    return vectors


def test_stripe_signatures_are_judged_as_stripes_sdk_judges_them(shared_data: Path) -> None:
    vectors = stripe_vectors(shared_data)
    assert len(vectors) == 20
    for vector in vectors:
        seconds = vector["tolerance"]
        door = Stripe(tolerance=None if seconds is None else timedelta(seconds=seconds))
        request = Request(
            method="POST",
            url="https://trialwise.example/webhooks/stripe",
            headers={"stripe-signature": vector["header"]},
            body=vector["payload"].encode(),
            received_at=datetime.fromtimestamp(vector["clock"], UTC).replace(tzinfo=None),
        )
        if vector["expected"] == "accept":
            door.verify(request, [vector["secret"]])
            assert [piece.data for piece in door.pieces(request)] == [request.body], vector["name"]
        else:
            with pytest.raises(Refused):
                door.verify(request, [vector["secret"]])
                pytest.fail(f"{vector['name']} was taken")
