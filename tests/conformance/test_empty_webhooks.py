"""Bodies that say nothing, rightly signed: none is answered 2xx and then lost."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.conformance.arrivals import Doors
from tests.sources.webhooks.signing import SENDERS
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.sources.webhooks import PROVIDERS, Request

BODIES = [b"", b" ", b"{}", b"[]", b"[ ]", b"null", b"[{}]", b"[[]]", b"0", b'""']
ASKS = {("mandrill", b"[]"), ("mandrill", b"[ ]")}
"""How Mandrill asks whether the URL is there, says its documentation."""


@pytest.mark.parametrize("provider", sorted(SENDERS))
def test_what_says_nothing_stands_in_quarantine(provider: str, tmp_path: Path) -> None:
    bodies = [body for body in BODIES if (provider, body) not in ASKS]
    report = Doors(tmp_path).take(provider, *bodies)
    assert (report.received, report.quarantined) == (len(bodies), len(bodies))


def test_so_it_does_when_stripe_sends_it(tmp_path: Path) -> None:
    doors = Doors(tmp_path)
    at = datetime(2026, 3, 1)
    with Journal(doors.landing, Channel("stripe", "stripe", "webhook stripe"), "test") as journal:
        for body in BODIES:
            journal.append([Arrival(at, PROVIDERS["stripe"].pieces(Request("POST", "", {}, body, at)))])
    report = doors.load()
    assert (report.received, report.quarantined) == (len(BODIES), len(BODIES))


@pytest.mark.parametrize(("provider", "body"), sorted(ASKS))
def test_a_question_keeps_nothing(provider: str, body: bytes, tmp_path: Path) -> None:
    assert Doors(tmp_path).take(provider, body).received == 0
