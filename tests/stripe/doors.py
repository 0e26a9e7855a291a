"""The ways in: each takes what a fake knows and lands it in a fresh workspace, by the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from tests.command import Ran, run, write_lines
from tests.fakes.stripe import TEST_KEY, StripeFake
from tests.fakes.stripe.lists import LISTS
from tests.fakes.stripe.versions import CURRENT, render
from trialwise import stripe_intake
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.sources.piece import Piece

CHANNEL = Channel("stripe", "stripe", "webhook stripe")
IMPORTED = (
    "customers",
    "products",
    "prices",
    "coupons",
    "subscriptions",
    "invoices",
    "charges",
    "refunds",
    "disputes",
    "payment_methods",
    "setup_intents",
    "invoice_payments",
)
"""Lists whose objects a data export holds."""


def workspace(folder: Path, **stripe: Any) -> Path:
    """A workspace whose `[stripe]` section says this."""
    run("init", folder)
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in stripe.items())
    path = folder / "trialwise.toml"
    text = path.read_text(encoding="utf-8")
    assert text.count("\n[stripe]\n") == 1
    path.write_text(text.replace("\n[stripe]\n", f"\n[stripe]\n{lines}"), encoding="utf-8")
    return folder


@contextmanager
def key(given: str = TEST_KEY) -> Iterator[None]:
    """The API key in the environment."""
    with patch.dict(os.environ, {"TRIALWISE_STRIPE_KEY": given}):
        yield


def by_api(folder: Path, *arguments: str, code: int = 0, given: str = TEST_KEY) -> Ran:
    """`trialwise import stripe`."""
    with key(given):
        return run("import", "stripe", *arguments, "-C", folder, code=code)


def by_file(folder: Path, records: list[dict[str, Any]]) -> Ran:
    """`trialwise import stripe --from FILE`."""
    path = write_lines(folder / f"export-{len(list(folder.glob('export-*')))}.ndjson", records)
    return run("import", "stripe", "--from", path, "-C", folder)


def objects(fake: StripeFake) -> list[dict[str, Any]]:
    """Every object as it is now, as the lists show it."""
    store = fake.test.store
    kinds = [LISTS[name].kind for name in IMPORTED]
    return [render(thing, CURRENT, store.find) for kind in kinds for thing in store.of(kind)]


class Post:
    """A webhook endpoint that lands what comes as the running server does: raw body, the time of its arrival."""

    def __init__(self, folder: Path, fake: StripeFake, shuffle: int | None = None) -> None:
        self._fake = fake
        self._journal = Journal(Landing(folder / "data" / "landing"), CHANNEL, "test")
        fake.webhooks.add(self._receive, shuffle=Random(shuffle) if shuffle is not None else None, twice=0.3)

    def _receive(self, body: bytes, headers: dict[str, str]) -> int:
        now = datetime.fromtimestamp(self._fake.clock.now, UTC).replace(tzinfo=None)
        self._journal.append([Arrival(now, [Piece(1, 0, body)])])
        return 200

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()


def trials(folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Refresh, then the rows of marts.trials by account."""
    run("refresh", *arguments, "-C", folder)
    found = run("sql", "SELECT * FROM marts.trials", "--format", "json", "-C", folder).rows()
    rows = {row["account_id"]: row for row in found}
    assert len(rows) == len(found), "one trial an account"
    return rows


@contextmanager
def the_fakes_time(fake: StripeFake) -> Iterator[None]:
    """Let the importer read the fake's clock instead of the wall's: days pass between two of its runs."""
    now = {"now": lambda: datetime.fromtimestamp(fake.clock.now, UTC).replace(tzinfo=None)}
    with patch.dict(stripe_intake.import_api.__kwdefaults__, now):
        yield
