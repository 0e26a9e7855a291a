"""Stripe's API goes on telling of who was forgotten: a poll and a reconcile land nothing of it, all of the others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.fakes.stripe import StripeFake
from tests.keeping import files
from tests.stripe import doors
from tests.stripe.cast import Cast, midnight
from trialwise import arrivals
from trialwise.owner.recording import outcome_of
from trialwise.workspace import Workspace


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(workspace, fake): two accounts were read on the second day, and one of them was forgotten."""
    with StripeFake(now=midnight()) as fake:
        folder = doors.workspace(tmp_path_factory.mktemp("left") / "a", api_base=fake.url)
        cast = Cast(fake, midnight())
        cast.catalogue()
        cast.enter("leaver-4711")
        cast.enter("stayer-0815")
        cast.go_to(2)
        with doors.the_fakes_time(fake):
            doors.by_api(folder)
        run("refresh", "-C", folder)
        run("forget", "account", "leaver-4711", "--yes", "-C", folder)
        cast.go_to(16)
        cast.enter("comer-2222")
        again = cast.api.customers.create({"email": "new@leaver.example", "metadata": {"account_id": "leaver-4711"}})
        cast.api.customers.update(again.id, {"name": "Lea Leaver"})
        yield folder, fake, (*theirs(fake, cast, "leaver-4711"), again.id, "new@leaver.example", "Lea Leaver")


def theirs(fake: StripeFake, cast: Cast, account: str) -> tuple[str, ...]:
    """Every id in Stripe that hangs on an account's subscription, with its name and address."""
    bought = cast.subscriptions[account]
    found = [thing["id"] for thing in doors.objects(fake) if thing.get("customer") == bought.customer]
    assert len(found) >= 4, "subscription, card, invoices, charge"
    return (account, f"{account}@example.com", account.title(), bought.customer, *found)


def landed(folder: Path, words: tuple[str, ...]) -> list[str]:
    """Which of these words stand in a file below the data folder."""
    text = b"".join(files(folder / "data" / "landing").values()).decode("utf-8", "replace")
    assert "stayer-0815" in text
    return [word for word in words if word in text]


@pytest.mark.parametrize("how", [(), ("--reconcile",)])
def test_nothing_of_them_is_landed_and_all_of_the_others(left: Any, how: tuple[str, ...]) -> None:
    folder, fake, words = left
    with doors.the_fakes_time(fake):
        said = doors.by_api(folder, *how).err
    assert landed(folder, words) == []
    [told] = re.findall(r"forgotten: (\d+) records left out", said)
    assert int(told) >= 4
    found = doors.trials(folder)
    assert {name: row["outcome"] for name, row in found.items()} == {
        "stayer-0815": "converted",
        "comer-2222": "pending",
    }


def test_what_a_run_left_out_is_on_its_record(left: Any) -> None:
    folder, fake, _ = left
    with doors.key(), doors.the_fakes_time(fake):
        done = arrivals.reconcile_stripe(Workspace.open(folder))
    assert done.forgotten >= 4
    assert outcome_of(Workspace.open(folder), done).details["forgotten"] == done.forgotten
