"""Trying again: waits that grow and scatter, and a server's own word on when to come back."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

Answer = TypeVar("Answer")
_CHANCE = random.SystemRandom().random


class Transient(Exception):
    """An attempt failed in a way that may pass: overload, a cut connection, a server error.

    retry_after: seconds the server asked to wait, None when it said nothing. No error for people: whoever makes the
    attempts turns the last one into an error of theirs.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutOfPatience(Transient):
    """A run lost all the time it may lose; no attempt follows in it. The message names the last failure."""


@dataclass(frozen=True)
class Backoff:
    """How often an attempt is made, and how long is waited in between.

    tries             attempts in all
    first_seconds     the first wait at most; it doubles with every attempt
    most_seconds      no own wait is longer
    patience_seconds  the longest Retry-After that is waited for; a longer one ends the attempts at once
    run_seconds       what failed attempts and the waits after them may take in one run, all its answers together
    sleep, chance     waiting, and a number in [0, 1); `sleep` may raise to end the attempts
    now               seconds of a clock that is never set
    """

    tries: int = 6
    first_seconds: float = 1.0
    most_seconds: float = 60.0
    patience_seconds: float = 300.0
    run_seconds: float = 900.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = _CHANCE
    now: Callable[[], float] = time.monotonic

    def run(self) -> Run:
        """A run of its own, which has lost nothing yet."""
        return Run(self)

    def wait(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failures in a row: between half of the growing wait and all of it.

        A server's Retry-After is waited out in full, and up to a tenth longer, so that those it turned away do not
        come back in the same moment.
        """
        if retry_after is not None:
            return retry_after * (1 + self.chance() / 10)
        grown: float = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return grown * (0.5 + self.chance() / 2)


class Run:
    """The attempts of one run of a source. Not for several threads at a time."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._lost = 0.0

    def call(self, attempt: Callable[[], Answer]) -> Answer:
        """The answer of the first attempt that does not raise Transient; raises the last one when none is left.

        Raises OutOfPatience instead of a wait that the run has no time for.
        """
        backoff = self._backoff
        for number in range(1, backoff.tries):
            began = backoff.now()
            try:
                return attempt()
            except Transient as error:
                if error.retry_after is not None and error.retry_after > backoff.patience_seconds:
                    raise
                wait = backoff.wait(number, error.retry_after)
                self._lost += backoff.now() - began + wait
                if self._lost > backoff.run_seconds:
                    raise OutOfPatience(
                        f"{error}; failures and waits of this run would take more than {backoff.run_seconds:,.0f} s"
                    ) from None
                backoff.sleep(wait)
        return attempt()


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds a Retry-After header asks for: whole seconds or an HTTP date; None when there is none or it is neither.

    `now` is a UTC instant without zone.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= 9 else 1e9
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return max(0.0, (moment - now).total_seconds())
