"""How fresh an answer is: the moment it is of, the last refresh that went well, and sources that have fallen behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from trialwise import intake
from trialwise.clock import utc_now
from trialwise.delivery.generation import CURRENT, Generation
from trialwise.errors import StoreError
from trialwise.runs import Ledger
from trialwise.stripe_intake import stripe_state
from trialwise.workspace import Workspace

REFRESH = "refresh"
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Freshness:
    """Of published results, and of the workspace around them; instants are UTC without zone.

    generation, as_of, known_at: of the results, None before the first; refreshed_at: the end of the last refresh that
    went well, whether or not it found anything to publish; failed_at: the begin of a later one that did not; stale:
    names of sources that failed or fell silent.
    """

    generation: int | None = None
    as_of: datetime | None = None
    known_at: datetime | None = None
    refreshed_at: datetime | None = None
    failed_at: datetime | None = None
    stale: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What follows the caption of results, which names their moment."""
        refreshed = "" if self.refreshed_at is None else f", refreshed {_minute(self.refreshed_at)}"
        failed = "" if self.failed_at is None else f"; the refresh of {_minute(self.failed_at)} failed"
        stale = f"; stale: {', '.join(self.stale)}" if self.stale else ""
        return f"{refreshed}{failed}{stale}"

    @property
    def details(self) -> dict[str, Any]:
        """As JSON has it; names of sources alone, and no texts."""
        moments = {name: getattr(self, name) for name in ("as_of", "known_at", "refreshed_at", "failed_at")}
        told = {name: None if moment is None else f"{moment.isoformat()}Z" for name, moment in moments.items()}
        return {"generation": self.generation, **told, "stale": list(self.stale)}

    def of(self, results: Generation) -> Freshness:
        """This, with the moment of published results; raises StoreError when they are damaged."""
        moment = results.moment
        return replace(self, generation=results.number, as_of=moment.as_of, known_at=moment.known_at)


def look(workspace: Workspace, now: datetime | None = None) -> Freshness:
    """How the workspace stands now, without opening its results; of files that cannot be read it tells nothing."""
    present = utc_now() if now is None else now
    return Freshness(
        refreshed_at=_readable(lambda: _refreshed_at(workspace), published_at(workspace)),
        failed_at=_readable(lambda: _failed_at(workspace), None),
        stale=_readable(lambda: _stale(workspace, present), ()),
    )


def published_at(workspace: Workspace) -> datetime | None:
    """When results were published last; None before the first time."""
    try:
        changed = (workspace.published / CURRENT).stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(changed, UTC).replace(tzinfo=None)


def _refreshed_at(workspace: Workspace) -> datetime | None:
    """A refresh with nothing new publishes nothing; one before the ledger is in no run."""
    last = Ledger(workspace.data).last_ok(REFRESH)
    known = [moment for moment in (published_at(workspace), None if last is None else last.ended_at) if moment]
    return max(known, default=None)


def _failed_at(workspace: Workspace) -> datetime | None:
    last = Ledger(workspace.data).last(REFRESH)
    return last.started_at if last is not None and last.status in ("failed", "killed") else None


def _stale(workspace: Workspace, now: datetime) -> tuple[str, ...]:
    """As doctor explains them."""
    names = [source.name for source in intake.standings(workspace, now) if source.level == "warning"]
    stripe = stripe_state(workspace)
    is_silent = stripe.last_polled_at is not None and now - stripe.last_polled_at > intake.STALE_AFTER
    if stripe.failure is not None or is_silent:
        names.append("stripe")
    return tuple(sorted(names))


def _readable(look: Callable[[], Seen], otherwise: Seen) -> Seen:
    try:
        return look()
    except StoreError:
        return otherwise


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
