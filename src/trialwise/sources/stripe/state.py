"""How far the import of a Stripe account has come, as it is kept between runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from trialwise.errors import StoreError

KEPT_BY_STRIPE = timedelta(days=30)
"""How long Stripe lists an event."""
Why = Literal["before_first_import", "since", "outage"]


@dataclass(frozen=True)
class Gap:
    """Time in which events may be missing: [begins, ends), UTC without zone; begins None is the account's beginning.

    `healed_at`: start of the reading of all object lists that closed it. The states are right again from then on;
    what happened in between, and when, stays unknown where no record tells.
    """

    begins: datetime | None
    ends: datetime
    why: Why
    healed_at: datetime | None = None

    @property
    def text(self) -> str:
        """For people, in one line."""
        begins = "the beginning" if self.begins is None else f"{self.begins:%Y-%m-%d %H:%M}Z"
        reason = {
            "before_first_import": "Stripe lists events for 30 days",
            "since": "older objects were left out by --since",
            "outage": "not polled for more than 30 days",
        }[self.why]
        state = "open" if self.healed_at is None else f"healed by reconcile at {self.healed_at:%Y-%m-%d %H:%M}Z"
        return f"events from {begins} to {self.ends:%Y-%m-%d %H:%M}Z may be missing ({reason}): {state}"


@dataclass(frozen=True)
class Window:
    """Events being read, newest first.

    created_from: no older ones are asked for, None for all there are; newest: the newest one met so far; after: ids to
    go on after, the last one first choice; is_live: they became known when they were fetched, not when they happened.
    """

    began_at: datetime
    created_from: datetime | None
    is_live: bool
    newest: datetime | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Round:
    """All object lists being read once: `done` are the types read to the end, `after` where `current` goes on."""

    number: int
    began_at: datetime
    since: datetime | None
    done: tuple[str, ...] = ()
    current: str | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """All of it. Instants are UTC without zone.

    account, livemode     whose data this workspace holds; account is None where the key may not read it
    since                 objects created before it are left out
    last_polled_at        events are complete up to here, but for what `gaps` say
    last_event_created    the newest event seen
    last_reconciled_at    start of the last reading of all object lists that came to its end
    unreadable            object type -> why it is not read
    window, round         what is being read, None between runs that came to their end
    rounds                readings of all object lists begun so far
    failure, failed_at    what stopped the last run, None when it came to its end
    """

    account: str | None = None
    livemode: bool | None = None
    since: datetime | None = None
    last_polled_at: datetime | None = None
    last_event_created: datetime | None = None
    last_reconciled_at: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    round: Round | None = None
    rounds: int = 0
    failure: str | None = None
    failed_at: datetime | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing has been imported to its end yet."""
        return self.last_reconciled_at is None

    @property
    def open_gaps(self) -> tuple[Gap, ...]:
        """Gaps no reconcile has closed."""
        return tuple(gap for gap in self.gaps if gap.healed_at is None)

    def covered(self, began_at: datetime, finished_at: datetime, newest: datetime | None) -> State:
        """After a reading of events that came to its end: complete up to `began_at`, but for what was out of reach."""
        reaches = finished_at - KEPT_BY_STRIPE
        gaps = self.gaps
        if self.last_polled_at is None:
            gaps += _before(self.since, reaches)
        elif self.last_polled_at < reaches:
            gaps += (Gap(self.last_polled_at, reaches, "outage"),)
        seen = max((moment for moment in (self.last_event_created, newest) if moment is not None), default=None)
        return replace(self, gaps=gaps, last_polled_at=began_at, last_event_created=seen, window=None)

    def reconciled(self, began_at: datetime) -> State:
        """After a reading of all object lists that began then: it closes every gap that had ended."""
        healed = tuple(
            replace(gap, healed_at=began_at)
            if gap.healed_at is None and gap.why != "since" and gap.ends <= began_at
            else gap
            for gap in self.gaps
        )
        return replace(self, gaps=healed, last_reconciled_at=began_at, round=None)

    def reaching_back(self, since: datetime | None) -> State:
        """With objects from `since` on (None: all): what was left out until now becomes a gap like any other."""
        gaps: list[Gap] = []
        for gap in self.gaps:
            if gap.why != "since":
                gaps.append(gap)
            elif since is None or since < gap.ends:
                gaps += [part for part in _before(since, gap.ends) if part.begins != part.ends]
            else:
                gaps.append(gap)
        return replace(self, since=since, gaps=tuple(gaps))


def _before(since: datetime | None, ends: datetime) -> tuple[Gap, ...]:
    """What lies before the first events: with `since`, the part that is left out apart from the rest."""
    if since is None:
        return (Gap(None, ends, "before_first_import"),)
    if since >= ends:
        return (Gap(None, ends, "since"),)
    return Gap(None, since, "since"), Gap(since, ends, "before_first_import")


_STATES = TypeAdapter(State)


def read_state(kept: Mapping[str, Any]) -> State:
    """The state as `written` made it, an empty one where nothing is kept. Raises StoreError for anything else."""
    try:
        return _STATES.validate_python(dict(kept))
    except ValidationError as error:
        raise StoreError(
            f"the cursor of Stripe cannot be read: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}",
            "Restore landing/cursors/stripe.json from a backup, or remove it: the next import begins anew, and records "
            "that are there already count as duplicates.",
        ) from error


def written(state: State) -> dict[str, Any]:
    """The state as JSON values."""
    kept: dict[str, Any] = _STATES.dump_python(state, mode="json")
    return kept
