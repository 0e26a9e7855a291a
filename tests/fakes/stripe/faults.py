"""Faults on demand: what goes wrong on the wire, for which calls, how often."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import Lock

KINDS = ("status", "cut", "slow", "reset", "silence", "lost")


@dataclass
class Fault:
    """One kind of trouble.

    `status`: answer `status` (with `retry_after` seconds when given) instead of doing anything.
    `reset`: the connection is reset before anything is done. `silence`: no answer for `seconds`, then a reset.
    `lost`: the call is carried out and the connection reset instead of an answer.
    `cut`: carried out; the body ends in the middle. `slow`: carried out; the body dribbles for `seconds`.
    """

    kind: str
    path: str = ".*"
    count: int = 1
    after: int = 0
    status: int = 500
    retry_after: str | None = None
    seconds: float = 0.0
    method: str = ".*"
    hits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault '{self.kind}', there are {', '.join(KINDS)}")


class Faults:
    """The faults that are set; each hits `count` matching calls after sparing the first `after`."""

    def __init__(self) -> None:
        self._set: list[Fault] = []
        self._lock = Lock()

    def add(self, kind: str, **fields: object) -> Fault:
        """Set a fault."""
        fault = Fault(kind, **fields)  # type: ignore[arg-type]
        with self._lock:
            self._set.append(fault)
        return fault

    def clear(self) -> None:
        """All is well."""
        with self._lock:
            self._set.clear()

    def hit(self, method: str, path: str) -> Fault | None:
        """The fault that this call meets."""
        with self._lock:
            for fault in list(self._set):
                if not re.fullmatch(fault.method, method) or not re.match(fault.path, path):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.hits < fault.count:
                    fault.hits += 1
                    return fault
        return None
