"""One Stripe account: two modes that never mix, one clock, one lock."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from tests.fakes.stripe.clock import Clock
from tests.fakes.stripe.events import Entry, EventLog
from tests.fakes.stripe.ids import Ids
from tests.fakes.stripe.store import Object, Store
from tests.fakes.stripe.versions import CURRENT, render

TELLING = (".updated", "payment_method.detached", "charge.refunded")


@dataclass
class Settings:
    """What an account sets in its dashboard, and what Stripe's machinery takes for each step."""

    retry_days: tuple[int, ...] = (3, 5, 7)
    """Days after the first failed attempt at which a payment is tried again."""
    after_retries: str = "cancel"
    """What becomes of the subscription then: cancel, unpaid or past_due."""
    invoice_after_retries: str = "open"
    """What becomes of the invoice then: open or uncollectible."""
    finalize_after: int = 3600
    """Seconds that an automatic invoice stays a draft."""
    upcoming_days: int = 7
    """Days before a renewal at which `invoice.upcoming` is sent; 0 for never."""
    past_due_days: int = 30
    """Days after its due date at which an unpaid sent invoice ends the subscription by `after_retries`."""
    customers_stay_cursors: bool = True
    """A deleted customer still serves as `starting_after` (it can be retrieved, as a stub)."""


@dataclass
class Request:
    """The API call an event comes from; None of both for what the clock did."""

    id: str | None = None
    idempotency_key: str | None = None


class Mode:
    """Everything of live or of test mode."""

    def __init__(self, world: World, livemode: bool) -> None:
        self.world = world
        self.livemode = livemode
        self.ids = Ids(f"{world.seed}:{livemode}")
        self.store = Store()
        self.log = EventLog(self.store)
        self.request = Request()
        self.cards: dict[str, str] = {}
        """How a payment method's card behaves: a decline code, or `` for good."""
        self.deleted: dict[str, Object] = {}
        """Deleted customers that are no cursors any more; they can still be retrieved."""
        self.pending_lines: dict[str, list[Object]] = {}
        """Proration and manual lines that wait for a customer's next invoice."""

    @property
    def now(self) -> int:
        """The clock's second."""
        return self.world.clock.now

    @property
    def settings(self) -> Settings:
        """The account's settings."""
        return self.world.settings

    def make(self, kind: str, prefix: str, fields: Object, id_: str | None = None) -> Object:
        """Keep a new object with the fields that all have."""
        made: Object = {"id": id_ or self.ids.new(prefix), "object": kind, "created": self.now}
        return self.store.add({**made, "livemode": self.livemode, **fields})

    def emit(self, name: str, after: Object, before: Object | None = None) -> Entry:
        """Record an event about an object as it is now."""
        envelope = {
            "id": self.ids.new("evt"),
            "object": "event",
            "api_version": self.world.api_version,
            "created": self.now,
            "data": {},
            "livemode": self.livemode,
            "pending_webhooks": 0,
            "request": {"id": self.request.id, "idempotency_key": self.request.idempotency_key},
            "type": name,
        }
        if self.world.event_account is not None:
            envelope["account"] = self.world.event_account
        return self.log.record(envelope, after, before)

    @contextmanager
    def change(self, thing: Object, *types: str, always: bool = False) -> Iterator[Object]:
        """Change an object inside and record these events when something did change.

        Those that tell of a change (and payment_method.detached) carry `previous_attributes`.
        """
        before = copy.deepcopy(thing)
        yield thing
        if render(thing, CURRENT, self.store.find) != render(before, CURRENT, self.store.find) or always:
            for name in types:
                self.emit(name, thing, before if name.endswith(TELLING) else None)

    def get(self, kind: str, id_: Any, param: str = "id") -> Object:
        """One object or 404."""
        return self.store.get(kind, str(id_), param)


@dataclass
class World:
    """An account with its two modes."""

    clock: Clock
    seed: str = "fake"
    api_version: str = CURRENT
    """The account's version: that of events made from now on, and of requests that name none."""
    account_id: str = "acct_1Fake0000000000"
    event_account: str | None = None
    """The `account` of events made from now on (Connect); None for the own account."""
    settings: Settings = field(default_factory=Settings)
    lock: RLock = field(default_factory=RLock)  # type: ignore[valid-type]
    modes: dict[bool, Mode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.modes = {livemode: Mode(self, livemode) for livemode in (False, True)}
