"""One story, told through every door Stripe's records come in by: the same trials (METRICS 1, RELIABILITY row 12)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stripe import StripeFake
from tests.fakes.stripe.versions import CURRENT
from tests.stripe import doors
from tests.stripe.cast import Cast, midnight, play
from tests.stripe.tables import raw

HOUR = 1 / 24
OLD = "2020-08-27"

# By hand, in days after the start: outcome, when the trial ends, when it converted, when the user asked to cancel, when
# the subscription ended. A trial is 14 days, an invoice is charged an hour after its draft, retries come 3, 5 and 7
# days after the first attempt.
EXPECTED: dict[str, tuple[str, float, float | None, float | None, float | None]] = {
    "paid": ("converted", 14, 14 + HOUR, None, None),
    "kyoto": ("converted", 14, 14 + HOUR, None, None),
    "refunded": ("converted", 14, 14 + HOUR, None, None),
    "mended": ("converted", 14, 17 + HOUR, None, None),
    "extended": ("converted", 21, 21 + HOUR, None, None),
    "declined": ("payment_failed", 14, None, None, 21 + HOUR),
    "canceller": ("cancelled", 14, None, 5, 14),
    "quitter": ("cancelled", 14, None, 3, 3),
    "paused": ("no_payment_method", 14, None, None, None),
    "cardless": ("no_payment_method", 14, None, None, 14),
    "running": ("pending", 34, None, None, None),
}

# What an object shows is what it is now. METRICS 0: undated fields count from the landing on; METRICS 1: that a trial
# was longer or shorter is seen only in events or successive snapshots.
UNSEEN_IN_OBJECTS = {
    "history": "says that it rests on snapshots",
    "original_ends_at": "the end before an extension is in `previous_attributes` alone",
    "half_day": "counts from original_ends_at",
    "card_type": "whether there was a card ten minutes after the start: the default is undated",
    "card_added_at": "an attachment is dated by its event alone",
    "card_status": "not known of a customer without a card: nothing says that there never was one",
    "active_status_at": "a status is undated: it counts from the landing on, and not at all when it has ended",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    """The rows of marts.trials by door and account."""
    folder = tmp_path_factory.mktemp("doors")
    start = midnight()
    found = {}
    with StripeFake(now=start) as fake:
        hooked = doors.workspace(folder / "webhooks")
        post = doors.Post(hooked, fake, shuffle=7)
        cast = play(Cast(fake, start))
        post.close()
        asked = doors.workspace(folder / "api", api_base=fake.url)
        doors.by_api(asked)
        listed = doors.workspace(folder / "objects", api_base=fake.url)
        fake.test.log.entries.clear()  # as if all of it were older than 30 days
        doors.by_api(listed)
    with StripeFake(now=start, api_version=OLD) as fake:
        mixed = doors.workspace(folder / "two versions", api_base=fake.url)
        cast = Cast(fake, start)
        cast.on_day(13, lambda: setattr(fake.world, "api_version", CURRENT))
        play(cast)
        doors.by_file(mixed, fake.test.log.all())
    for name in ("webhooks", "api", "objects", "two versions"):
        found[name] = doors.trials(folder / name)
    return found


def at(day: float | None) -> datetime | None:
    """The instant of a day of the story."""
    return None if day is None else midnight().replace(tzinfo=None) + timedelta(days=day)


def instant(text: str | None) -> datetime | None:
    """A time of the output, without zone."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=None)


@pytest.mark.parametrize("door", ["webhooks", "api", "objects", "two versions"])
def test_every_door_tells_what_happened(told: dict[str, dict[str, dict[str, Any]]], door: str) -> None:
    trials = told[door]
    assert set(trials) == set(EXPECTED)
    for account, (outcome, ends, converted, asked, ended) in EXPECTED.items():
        row = trials[account]
        shown = [instant(row[name]) for name in ("ends_at", "converted_at", "cancel_requested_at", "ended_at")]
        assert (account, row["outcome"], *shown) == (account, outcome, *map(at, (ends, converted, asked, ended)))
        money = (None, None) if converted is None else (4900, "JPY" if account == "kyoto" else "USD")
        assert (row["amount_minor"], row["currency"]) == money
        assert (row["is_refunded"], row["is_paused"]) == (account == "refunded", account == "paused")
        assert row["is_active"] == (account == "running")
        assert row["is_inferred"] == (account == "cardless")
        assert row["population"] == "first"


@pytest.mark.parametrize("door", ["api", "two versions"])
def test_events_tell_the_same_however_they_come(told: dict[str, dict[str, dict[str, Any]]], door: str) -> None:
    assert neutral(told[door]) == neutral(told["webhooks"])


def test_objects_tell_all_but_what_they_cannot_show(told: dict[str, dict[str, dict[str, Any]]]) -> None:
    differing: set[str] = set()
    for account, row in neutral(told["webhooks"]).items():
        other = neutral(told["objects"])[account]
        differing |= {name for name in row if row[name] != other[name]}
    assert differing == set(UNSEEN_IN_OBJECTS)
    assert {row["history"] for row in told["objects"].values()} == {"snapshot"}


def test_files_bring_the_records_that_the_api_brings(tmp_path: Path) -> None:
    with StripeFake(now=midnight()) as fake:
        play(Cast(fake, midnight()))
        asked = doors.workspace(tmp_path / "api", api_base=fake.url)
        doors.by_api(asked)
        filed = doors.workspace(tmp_path / "files")
        doors.by_file(filed, fake.test.log.all())
        doors.by_file(filed, doors.objects(fake))
    assert raw(filed) == raw(asked)
    assert len(raw(asked)) > 300


def test_events_show_the_original_end_and_the_card(told: dict[str, dict[str, dict[str, Any]]]) -> None:
    rows = told["webhooks"]
    assert instant(rows["extended"]["original_ends_at"]) == at(14)
    assert {account for account, row in rows.items() if row["card_type"] == "cardless"} == {"paused", "cardless"}
    assert {row["card_type"] for row in rows.values()} == {"cardless", "card_required"}
    assert {row["history"] for row in rows.values()} == {"event"}


def neutral(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows without the ids of another fake's objects, which say nothing about the door."""
    return {
        account: {**row, "trial_id": None, "stripe_customer_id": None, "stripe_url": None}
        for account, row in rows.items()
    }
