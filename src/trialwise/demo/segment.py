"""Segment calls as its HTTP API and warehouse deliver them, one JSON line each, with the faults a real network adds.

Every instant here is in Unix milliseconds. `timestamp = receivedAt - (sentAt - originalTimestamp)`, as Segment computes
it, so a device whose clock is wrong and a device that was offline for days both get a true `timestamp`; the second kind
is the late event.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from random import Random

from trialwise.demo.product import AS_OF, DAY, OPENED

AS_OF_MS = AS_OF * 1000
DAY_MS = DAY * 1000
LATE_SHARE = 0.01
DUPLICATE_SHARE = 0.02
SKEWED_SHARE = 0.005

SERVER = '"library":{"name":"analytics-python","version":"2.3.4"}'
BROWSER = '"library":{"name":"analytics.js","version":"2.11.1"}'

_DAYS: dict[int, str] = {}
_CLOCK = [f"T{s // 3600:02d}:{s % 3600 // 60:02d}:{s % 60:02d}." for s in range(DAY)]
encode = json.JSONEncoder(separators=(",", ":")).encode


def iso(ms: int) -> str:
    """ISO 8601 with milliseconds and Z."""
    day, rest = divmod(ms, DAY_MS)
    text = _DAYS.get(day)
    if text is None:
        # Civil date from days since 1970 (Hinnant's algorithm): datetime would cost more than the whole line.
        z = day + 719_468
        era, doe = divmod(z, 146_097)
        yoe = (doe - doe // 1_460 + doe // 36_524 - doe // 146_096) // 365
        doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
        mp = (5 * doy + 2) // 153
        month = mp + 3 if mp < 10 else mp - 9
        year = yoe + era * 400 + (month <= 2)
        text = _DAYS[day] = f"{year:04d}-{month:02d}-{doy - (153 * mp + 2) // 5 + 1:02d}"
    return f"{text}{_CLOCK[rest // 1000]}{rest % 1000:03d}Z"


class Calls:
    """Collects call lines as (receivedAt, order, line); `kinds` counts them by type, `cases` the faults put in."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.lines: list[tuple[int, int, str]] = []
        self.kinds: Counter[str] = Counter()
        self.cases: Counter[str] = Counter()
        self.distinct = 0

    def new_id(self) -> str:
        """A random UUID as Segment's server libraries make it."""
        text = f"{self.rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-9{text[17:20]}-{text[20:]}"

    def add(self, at: int, kind: str, body: str, message_id: str | None = None) -> bool:
        """Append one call that happened at `at`; `body` is its JSON but type, id and instants ('"userId":"u-1",...').

        Returns False, and appends nothing, when the clock stands before the call could have arrived.
        """
        random = self.rng.random
        if at < OPENED * 1000 or at + 5_000 >= AS_OF_MS:
            return False
        wait, skew = int(20 + 1_500 * random()), 0
        fate = random()
        if fate < LATE_SHARE:
            wait = int((0.3 + self.rng.expovariate(0.4)) * DAY_MS)
            if at + wait + 5_000 >= AS_OF_MS:
                wait = 500
            else:
                self.cases["late"] += 1
        elif fate < LATE_SHARE + SKEWED_SHARE:
            skew = int((random() - 0.5) * 30 * 3_600_000)
            self.cases["wrong_clock"] += 1
        name = message_id or self.new_id()
        start = f'{{"type":"{kind}","messageId":"{name}",{body},"timestamp":"'
        self._append(at, start, at + skew, wait, int(30 + 300 * random()))
        self.kinds[kind] += 1
        self.distinct += 1
        if random() < DUPLICATE_SHARE:
            # A retry: same id and body, sent again, so the corrected timestamp shifts by the difference of latencies.
            again = wait + int(1_000 + 30_000 * random())
            latency = int(30 + 300 * random())
            if at + again + latency < AS_OF_MS:
                self._append(at, start, at + skew, again, latency)
                self.cases["duplicate"] += 1
        return True

    def _append(self, at: int, start: str, original: int, wait: int, latency: int) -> None:
        received = at + wait + latency
        line = (
            f'{start}{iso(at + latency)}","originalTimestamp":"{iso(original)}",'
            f'"sentAt":"{iso(original + wait)}","receivedAt":"{iso(received)}"}}'
        )
        self.lines.append((received, len(self.lines), line))

    def add_raw(self, at: int, line: str, case: str) -> None:
        """Append a line as it is (for what a correct client would not send)."""
        self.lines.append((at, len(self.lines), line))
        self.cases[case] += 1

    def in_order(self) -> Iterable[str]:
        """The lines in the order of their arrival."""
        self.lines.sort()
        return (line for _, _, line in self.lines)


def add_bad_records(calls: Calls) -> None:
    """A handful of records a reader must refuse with a reason, and some odd ones it must accept."""
    at = AS_OF_MS - 40 * DAY_MS
    when = f'"timestamp":"{iso(at)}","receivedAt":"{iso(at + 300)}"'
    context = f'"context":{{"groupId":"ws-1003",{SERVER}}}'

    def track(number: int, ids: str, rest: str) -> str:
        return f'{{"type":"track","messageId":"0badf00d-0000-4000-9000-{number:012d}"{ids}{rest},{context},{when}}}'

    event = ',"event":"Query Run","properties":{}'
    refused = {
        "truncated_line": '{"type":"track","messageId":"0badf00d-0000-4000-9000-000000000001","userId":"u-10003","ev',
        "no_json": "<html><body>502 Bad Gateway</body></html>",
        "no_user": track(2, "", event).replace('"groupId":"ws-1003",', ""),
        "placeholder_user": track(3, ',"userId":"null"', event),
        "zero_uuid_user": track(4, ',"anonymousId":"00000000-0000-0000-0000-000000000000"', event),
        "no_event_name": track(5, ',"userId":"u-10003"', ',"properties":{}'),
        "unknown_type": track(6, ',"userId":"u-10003"', event).replace('"track"', '"purge"', 1),
        "bad_timestamp": track(7, ',"userId":"u-10003"', event).replace(when, '"timestamp":"yesterday"'),
        "long_message_id": track(8, ',"userId":"u-10003"', event).replace("0badf00d", "x" * 100),
    }
    for offset, (case, line) in enumerate(refused.items()):
        calls.add_raw(at + offset, line, case)
    reused = track(9, ',"userId":"u-10003"', event)
    calls.add_raw(at + 20, reused, "id_reuse")
    calls.add_raw(at + 21, reused.replace("Query Run", "Alert Created"), "id_reuse")
    without_id = track(10, ',"userId":"u-10003"', event).replace(
        '"messageId":"0badf00d-0000-4000-9000-000000000010",', ""
    )
    calls.add_raw(at + 30, without_id, "no_message_id")
    calls.add_raw(at + 30, without_id, "no_message_id")
