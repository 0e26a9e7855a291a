"""The fake as tests hold it: a world with its API on a port, its webhooks and the acts no API has."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Thread
from types import TracebackType
from typing import Any, Self

from tests.fakes.stripe import cards, checkout, payments
from tests.fakes.stripe.clock import Clock
from tests.fakes.stripe.deliveries import Deliveries
from tests.fakes.stripe.server import Api, Key, serve
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode, World

TEST_KEY, LIVE_KEY = "sk_test_fakefakefake", "sk_live_fakefakefake"
START = datetime(2026, 1, 1, tzinfo=UTC)


class StripeFake:
    """A Stripe account that lives in this process: `with StripeFake() as fake: ... fake.url`.

    Its clock stands still until `fake.clock.advance(days=14)`.
    """

    def __init__(self, *, seed: str = "fake", now: datetime = START, port: int = 0, **world: Any) -> None:
        self.world = World(Clock(now), seed, **world)
        self.api = Api(self.world, {TEST_KEY: Key(False), LIVE_KEY: Key(True)})
        self.faults = self.api.faults
        self._webhooks = {livemode: Deliveries(mode) for livemode, mode in self.world.modes.items()}
        self._server = serve(self.api, self._control, port)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    # ---- the server

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        if kind is None and self.api.bugs:
            raise AssertionError("the fake itself failed") from self.api.bugs[0]

    # ---- the world

    @property
    def clock(self) -> _LockedClock:
        """The clock, advanced under the world's lock."""
        return _LockedClock(self.world)

    @property
    def test(self) -> Mode:
        """Test mode."""
        return self.world.modes[False]

    @property
    def live(self) -> Mode:
        """Live mode."""
        return self.world.modes[True]

    @property
    def webhooks(self) -> Deliveries:
        """Webhook endpoints of test mode."""
        return self._webhooks[False]

    @property
    def live_webhooks(self) -> Deliveries:
        """Webhook endpoints of live mode."""
        return self._webhooks[True]

    def restrict(self, key: str, *resources: str) -> str:
        """A restricted test key that may touch these resources alone."""
        self.api.keys[key] = Key("_live_" in key, frozenset(resources))
        return key

    # ---- what people and banks do

    def decline(self, payment_method: str, code: str = "generic_decline") -> None:
        """The card is refused from now on; an empty code makes it good."""
        with self.world.lock:
            cards.decline(self._holder(payment_method), payment_method, code)

    def complete_checkout(self, session: str, card: str | None = "pm_card_visa", email: str | None = None) -> Object:
        """The visitor completes a checkout session."""
        with self.world.lock:
            return checkout.complete(self._holder(session), session, card, email)

    def dispute(self, charge: str, reason: str = "fraudulent") -> Object:
        """The cardholder disputes a charge."""
        with self.world.lock:
            return payments.dispute(self._holder(charge), charge, reason)

    def decide_dispute(self, dispute: str, status: str) -> Object:
        """The bank decides: `won` or `lost`."""
        with self.world.lock:
            return payments.decide(self._holder(dispute), dispute, status)

    def _holder(self, id_: str) -> Mode:
        return self.live if self.live.store.find(id_) else self.test

    def _control(self, name: str, given: dict[str, Any]) -> Object:
        """POST /_fake/NAME for a fake in a process of its own: advance, fault, clear, webhook, lose."""
        if name == "advance":
            return {"now": self.clock.advance(**given)}
        if name == "fault":
            self.faults.add(**given)
        elif name == "clear":
            self.faults.clear()
        elif name == "webhook":
            self.webhooks.add(**given)
        elif name == "lose":
            self.webhooks.lose(**given)
        elif name == "decline":
            self.decline(**given)
        elif name == "checkout":
            self.complete_checkout(**given)
        else:
            return {"error": f"no control '{name}'"}
        return {"now": self.world.clock.now}


class _LockedClock:
    """`advance` and `now` for tests."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def now(self) -> int:
        """Epoch seconds."""
        return self._world.clock.now

    def advance(self, **span: Any) -> int:
        """Move on: days, hours, minutes, seconds, or `to` an instant."""
        with self._world.lock:
            return self._world.clock.advance(**span)
