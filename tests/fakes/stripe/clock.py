"""The fake's own time: whole seconds since the epoch, moved by tests alone."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

HOUR = 3600
DAY = 24 * HOUR


class Clock:
    """Time that stands still until `advance`, which carries out every timer on its way, at its own second."""

    def __init__(self, now: int | datetime) -> None:
        self.now = seconds(now)
        self.after_step: list[Callable[[], None]] = []
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = count()

    def at(self, when: int, action: Callable[[], None]) -> None:
        """Carry out `action` when the clock passes `when`; timers of one second in the order they were set.

        A timer is never taken back: its action looks whether it is still due.
        """
        heapq.heappush(self._timers, (max(when, self.now), next(self._sequence), action))

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0, to: int | datetime = 0
    ) -> int:
        """Move the clock on, by a span or to an instant; returns the new time.

        Raises ValueError when the instant is behind the clock.
        """
        span = days * DAY + hours * HOUR + minutes * 60 + seconds
        end = _seconds(to) if to else self.now + round(span)
        if end < self.now:
            raise ValueError(f"the clock is at {self.now}, it cannot go back to {end}")
        while self._timers and self._timers[0][0] <= end:
            self.now = max(self.now, self._timers[0][0])
            self._step()
        self.now = end
        self._after()
        return self.now

    def settle(self) -> None:
        """Carry out what is due now."""
        self.advance()

    def _step(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            heapq.heappop(self._timers)[2]()
        self._after()

    def _after(self) -> None:
        for hook in self.after_step:
            hook()


def seconds(instant: int | datetime) -> int:
    """Epoch seconds of an instant; one without a zone is UTC."""
    if isinstance(instant, datetime):
        return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())
    return instant


_seconds = seconds  # `advance` has an argument of that name


def later(start: int, interval: str, times: int, anchor: int) -> int:
    """`start` plus `times` intervals; months and years keep the anchor's day where the month has it."""
    if interval in ("day", "week"):
        return start + times * DAY * (7 if interval == "week" else 1)
    at, kept = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(anchor, UTC)
    months = at.year * 12 + at.month - 1 + times * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    for day in range(kept.day, 0, -1):
        try:
            return int(at.replace(year=year, month=month + 1, day=day).timestamp())
        except ValueError:
            continue
    raise ValueError(f"no day of {year}-{month + 1} fits {kept}")
