"""What a run of the importer works with: the API, where records go, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trialwise.errors import SourceError
from trialwise.sources.piece import Piece
from trialwise.sources.stripe.api import Api, Missing, NotReadable, Page, Record
from trialwise.sources.stripe.kinds import EVENTS, KINDS, Kind
from trialwise.sources.stripe.known import Known
from trialwise.sources.stripe.state import State

Land = Callable[[datetime | None, Sequence[Piece]], None]
"""Keeps one answer's records; they are durable when it returns. The instant (UTC, no zone) is None for back-fill."""
Report = Callable[[str, int, int], None]
"""Called with what is being read, how many types are done, and how many there are."""
STALE = timedelta(days=1)
"""What was begun longer ago than this is begun anew: its first pages are too old to go on after."""
MOST_RESTARTS = 20


@dataclass
class Tally:
    """Records of one type in this run: read from the API, and landed because they were new or changed."""

    read: int = 0
    landed: int = 0


@dataclass
class Session:
    """One run. `keep` makes the state durable; `now` is a UTC instant without zone; `is_forgotten` tells records of
    accounts that were forgotten, and `forgotten` counts them.
    """

    api: Api
    land: Land
    known: Known
    keep: Callable[[State], None]
    state: State
    now: Callable[[], datetime]
    report: Report
    tallies: dict[str, Tally] = field(default_factory=dict)
    restarts: int = 0
    is_forgotten: Callable[[bytes], bool] = lambda _: False
    forgotten: int = 0

    def wanted(self, records: Sequence[Record]) -> list[Record]:
        """Those of an answer that are about nobody who was forgotten: of these nothing is landed, nor noted."""
        kept, before = list(records), -1
        while len(kept) != before:  # one may be known by another that comes after it
            before = len(kept)
            kept = [record for record in kept if not self.is_forgotten(record.piece.data)]
        self.forgotten += len(records) - len(kept)
        return kept

    def put(self, **changes: Any) -> None:
        """Change the state, durably."""
        self.state = replace(self.state, **changes)
        self.keep(self.state)

    def tally(self, kind: Kind) -> Tally:
        """The counts of a type."""
        return self.tallies.setdefault(kind.name, Tally())

    def progress(self, kind: Kind) -> None:
        """Tell how far the reading is."""
        place = 0 if kind is EVENTS else KINDS.index(kind) + 1
        self.report(f"{kind.title} {self.tally(kind).read:,}", place, len(KINDS) + 1)

    def follow(self, path: str, params: Mapping[str, Any], after: Sequence[str]) -> Page:
        """The page behind the last of `after` that Stripe still knows; the first page when it knows none of them.

        An object that is deleted between two pages is no place to go on from, but those before it are: what they are
        followed by is read again, and nothing is left out.
        """
        for anchor in reversed(after):
            try:
                page = self.api.page(path, {**params, "starting_after": anchor})
            except Missing as error:
                if not error.is_cursor:
                    raise
                continue
            if page.records and page.records[-1].id == anchor:
                raise SourceError(f"the list {path} does not go on after {anchor}: it shows the same page again")
            return page
        if after:
            self.restarts += 1
            if self.restarts > MOST_RESTARTS:
                raise SourceError(f"the list {path} knows none of the ids it gave, {MOST_RESTARTS} times over")
        return self.api.page(path, params)

    def readable(self, kind: str) -> None:
        """The key can read this type (again)."""
        if kind in self.state.unreadable:
            self.put(unreadable={name: why for name, why in self.state.unreadable.items() if name != kind})

    def unreadable(self, kind: str, error: NotReadable | Missing) -> None:
        """Remember a type that is left out, with the reason."""
        if isinstance(error, Missing):
            why = "the API has no such list"
        elif error.permission is None:
            why = "the key has no permission"
        else:
            why = f"the key lacks the permission {error.permission}"
        self.put(unreadable={**self.state.unreadable, kind: why})


def anchors(page: Page) -> tuple[str, ...]:
    """Some ids of a page to go on after, in its order: the last ones, and ever fewer before them."""
    names = [record.id for record in page.records if record.id]
    places = sorted({max(0, len(names) - (1 << step)) for step in range(8)}) if names else []
    return tuple(names[place] for place in places)


def epoch(moment: datetime) -> int:
    """Seconds since 1970 of a UTC instant without zone."""
    return int(moment.replace(tzinfo=UTC).timestamp())


def instant(seconds: int) -> datetime:
    """The UTC instant without zone."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
