"""Lists that change while they are read: nothing that was there throughout is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.stripe.conftest import NOW, Bench

from trialwise.errors import SourceError
from trialwise.sources.piece import Piece
from trialwise.sources.stripe import importer
from trialwise.sources.stripe.api import Missing, Page, Record
from trialwise.sources.stripe.key import read_key
from trialwise.sources.stripe.known import Known
from trialwise.sources.stripe.session import Session, anchors
from trialwise.sources.stripe.state import State, read_state, written

KEY = read_key("sk_test_Canary01", "any")


class Mutable:
    """Lists newest first, pages of two, changed by a script before every page."""

    def __init__(self, customers: int, events: int, script: Sequence[tuple[str, int]], page: int = 2) -> None:
        self.lists: dict[str, list[int]] = {
            "/v1/customers": list(range(100, 100 + customers)),
            "/v1/events": list(range(100, 100 + events)),
        }
        self.throughout = {path: set(names) for path, names in self.lists.items()}
        self.script = list(script)
        self.page_size = page
        self.next = 500

    def page(self, path: str, params: Mapping[str, Any]) -> Page:
        names = self.lists.setdefault(path, [])
        if self.script and path in self.throughout:
            self._change(path, *self.script.pop(0))
        shown = sorted(names, key=lambda number: (-(number // 3), number))  # threes share a second
        if "starting_after" in params:
            after = int(str(params["starting_after"]).split("_")[1])
            if after not in names:
                raise Missing(path, is_cursor=True)
            shown = shown[shown.index(after) + 1 :]
        if "created" in params:
            shown = [number for number in shown if second(number) >= params["created"]["gte"]]
        records = tuple(record(path, number) for number in shown[: self.page_size])
        return Page(records, len(shown) > self.page_size)

    def one(self, path: str) -> Record:
        if path == "/v1/account":
            return Record(Piece(1, 0, b"{}"), "account", "acct_1", None, {})
        name = path.rsplit("/", 1)[1]
        body = {"id": name, "object": "customer", "deleted": True}
        return Record(Piece(1, 0, json.dumps(body).encode()), "customer", name, None, body)

    def _change(self, path: str, what: str, which: int) -> None:
        names = self.lists[path]
        if what == "add":
            names.append(self.next)
            self.next += 1
        elif what == "tie" and names:
            names.append(max(names) // 3 * 3 + 2 if max(names) // 3 * 3 + 2 not in names else self.next)
            self.next += 1
        elif what == "remove" and names:
            gone = names.pop(which % len(names))
            self.throughout[path].discard(gone)


def second(number: int) -> int:
    return 1_772_000_000 + number // 3


def record(path: str, number: int) -> Record:
    kind = {"/v1/customers": "customer", "/v1/events": "event"}.get(path, "other")
    name = f"{'evt' if kind == 'event' else 'cus'}_{number}"
    body = {"id": name, "object": kind, "created": second(number), "type": "customer.updated"}
    return Record(Piece(1, 0, json.dumps(body).encode()), kind, name, second(number), body)


class Killed(BaseException):
    """The process ends here."""


def run(
    api: Mutable,
    folder: Path,
    kept: dict[str, Any],
    landed: list[dict[str, Any]],
    *,
    reconcile: bool = False,
    now: datetime = NOW,
    step: Callable[[str], None] = lambda what: None,
) -> None:
    """A run of its own process; `kept` and `landed` are what is on disk."""

    def land(received_at: datetime | None, pieces: Sequence[Piece]) -> None:
        step("before landing")
        landed.extend({**json.loads(piece.data), "at": received_at} for piece in pieces)
        step("landed")

    def keep(state: State) -> None:
        step("before the cursor")
        kept.clear()
        kept.update(json.loads(json.dumps(written(state))))
        step("cursor saved")

    known = Known(folder / "known.sqlite")
    try:
        session = Session(api, land, known, keep, read_state(kept), lambda: now, lambda what, done, total: None)
        importer.run(session, KEY, reconcile=reconcile)
    finally:
        known.close()


CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "tie", "remove", "remove", "nothing"]), st.integers(0, 30)), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 14), st.integers(0, 14), CHANGES, st.integers(2, 4))
def test_nothing_that_existed_throughout_is_missed(
    customers: int, events: int, script: list[tuple[str, int]], page: int
) -> None:
    with TemporaryDirectory() as folder:
        api = Mutable(customers, events, script, page)
        kept: dict[str, Any] = {}
        landed: list[dict[str, Any]] = []
        run(api, Path(folder), kept, landed)
        landed_ids = {entry["id"] for entry in landed}
        assert {f"cus_{number}" for number in api.throughout["/v1/customers"]} <= landed_ids
        assert {f"evt_{number}" for number in api.throughout["/v1/events"]} <= landed_ids


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), CHANGES, st.lists(st.integers(1, 40), max_size=4))
def test_killed_at_any_moment_it_goes_on_without_a_loss(
    customers: int, events: int, script: list[tuple[str, int]], deaths: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        api = Mutable(customers, events, script)
        kept: dict[str, Any] = {}
        landed: list[dict[str, Any]] = []
        for death in deaths:
            left = [death]

            def step(what: str, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] <= 0:
                    raise Killed

            try:
                run(api, Path(folder), kept, landed, step=step)
            except Killed:
                continue
        run(api, Path(folder), kept, landed, reconcile=True)
        names = {entry["id"] for entry in landed}
        assert {f"cus_{number}" for number in api.throughout["/v1/customers"]} <= names
        assert {f"evt_{number}" for number in api.throughout["/v1/events"]} <= names


def test_killed_anywhere_at_most_one_page_is_read_twice(tmp_path: Path) -> None:
    total = 0
    for death in range(1, 200, 3):
        api = Mutable(11, 9, [])
        kept: dict[str, Any] = {}
        landed: list[dict[str, Any]] = []
        folder = tmp_path / str(death)
        left = [death]

        def step(what: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        try:
            run(api, folder, kept, landed, step=step)
            total = death
            break
        except Killed:
            run(api, folder, kept, landed)
        names = [entry["id"] for entry in landed]
        assert len(set(names)) == 20
        assert len(names) - len(set(names)) <= api.page_size
    assert total > 20


def test_anchors_thin_out_towards_the_head() -> None:
    page = Page(tuple(record("/v1/customers", number) for number in range(100)), True)
    names = [int(name.split("_")[1]) for name in anchors(page)]
    assert names == [0, 36, 68, 84, 92, 96, 98, 99]
    assert anchors(Page((), False)) == ()


def test_a_list_that_shows_the_same_page_again_is_no_endless_loop(bench: Bench) -> None:
    for number in range(150):
        bench.double.add("customer", f"cus_{number:03}")
    answer = bench.double.answer

    def stuck(seen: Any) -> tuple[int, Any]:
        seen.query.pop("starting_after", None)
        return answer(seen)

    bench.double.answer = stuck
    with pytest.raises(SourceError, match="shows the same page again"):
        bench.run()


def test_a_list_that_knows_none_of_its_own_ids_is_no_endless_loop(bench: Bench) -> None:
    for number in range(150):
        bench.double.add("customer", f"cus_{number:03}")
    answer = bench.double.answer

    def forgetful(seen: Any) -> tuple[int, Any]:
        if "starting_after" in seen.query:
            seen.query["starting_after"] = ["cus_unknown"]
        return answer(seen)

    bench.double.answer = forgetful
    with pytest.raises(SourceError, match="knows none of the ids it gave"):
        bench.run()
