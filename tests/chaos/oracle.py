"""What the client's log says was sent and acknowledged, against what a store holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

SHOWN = 5


@dataclass
class Sent:
    """One sending: how often it reached the server, how often it was acknowledged, and what was in it."""

    kind: str
    events: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    stripe: list[str] = field(default_factory=list)
    bad: Mapping[str, str] = field(default_factory=dict)
    tried: int = 0
    acknowledged: int = 0

    @property
    def records(self) -> int:
        return len(self.events) + len(self.identities) + len(self.stripe) + len(self.bad)


def read_log(path: Path) -> tuple[dict[str, Sent], list[dict[str, Any]]]:
    """(the sendings by name, the refusals no client should meet)."""
    sent: dict[str, Sent] = {}
    refused = []
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if name := told.pop("sending", None):
            sent[name] = Sent(**told)
        elif name := told.get("tried"):
            sent[name].tried += 1
        elif name := told.get("acknowledged"):
            sent[name].acknowledged += 1
        else:
            refused.append(told)
    return sent, refused


@dataclass
class Verdict:
    """The counts, and every way in which log and store disagree."""

    acknowledged_requests: int = 0
    repeated_requests: int = 0
    acknowledged_records: int = 0
    received: int = 0
    loaded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    pending: int = 0
    lost: int = 0
    doubled: int = 0
    never_sent: int = 0
    problems: list[str] = field(default_factory=list)

    def wrong(self, what: str, which: Iterable[Any]) -> int:
        """Note a disagreement; how many it concerns."""
        found = list(which)
        if found:
            self.problems.append(f"{len(found)} {what}, such as {found[:SHOWN]}")
        return len(found)


def judge(log: Path, data: Path) -> Verdict:
    """Compare the log with the store of a data folder that nobody owns and in which everything has been loaded."""
    sent, refused = read_log(log)
    verdict = Verdict()
    verdict.wrong("sendings refused", refused)
    with duckdb.connect(str(data / "store.duckdb"), read_only=True) as store:
        for name, query in (
            ("events", "SELECT CAST(event_id AS VARCHAR) FROM raw.events"),
            ("identities", "SELECT CAST(call_id AS VARCHAR) FROM raw.identities"),
            ("stripe", "SELECT event_id FROM raw.stripe"),
        ):
            _compare(verdict, name, sent.values(), Counter(row[0] for row in store.execute(query).fetchall()))
        refusals = store.execute("SELECT raw, reason FROM raw.quarantine").fetchall()
        totals = store.execute(
            "SELECT sum(received), sum(loaded), sum(duplicate), sum(quarantined), max(last_segment) FROM raw.loads"
        ).fetchone()
        rows = store.execute(
            "SELECT (SELECT count(*) FROM raw.events) + (SELECT count(*) FROM raw.identities)"
            " + (SELECT count(*) FROM raw.stripe)"
        ).fetchone()
    assert totals is not None
    assert rows is not None
    verdict.received, verdict.loaded, verdict.duplicate, verdict.quarantined, last = totals
    verdict.pending = _landed(data / "landing") - verdict.received
    _compare_quarantine(verdict, sent.values(), refusals)
    verdict.acknowledged_requests = sum(one.acknowledged > 0 for one in sent.values())
    verdict.acknowledged_records = sum(one.records for one in sent.values() if one.acknowledged)
    verdict.repeated_requests = sum(max(0, one.tried - 1) for one in sent.values())
    least = sum(one.records * one.acknowledged for one in sent.values())
    most = sum(one.records * one.tried for one in sent.values())
    if not least <= verdict.received <= most:
        verdict.problems.append(f"received {verdict.received}, acknowledged {least}, sent {most}")
    if verdict.received != verdict.loaded + verdict.duplicate + verdict.quarantined:
        verdict.problems.append(f"received is not loaded + duplicate + quarantined: {totals}")
    if verdict.loaded != rows[0]:
        verdict.problems.append(f"loads say {verdict.loaded} loaded, the tables have {rows[0]}")
    if verdict.quarantined != len(refusals):
        verdict.problems.append(f"loads say {verdict.quarantined} quarantined, the table has {len(refusals)}")
    if verdict.pending:
        verdict.problems.append(f"{verdict.pending} records are landed and not loaded, up to segment {last}")
    verdict.wrong("journals not sealed", [path.name for path in (data / "landing" / "live").glob("*.ndjson*")])
    return verdict


def _compare(verdict: Verdict, name: str, sent: Iterable[Sent], found: Counter[str]) -> None:
    acknowledged = {key for one in sent if one.acknowledged for key in getattr(one, name)}
    possible = {key for one in sent if one.tried for key in getattr(one, name)}
    verdict.lost += verdict.wrong(f"acknowledged {name} lost", acknowledged - found.keys())
    verdict.doubled += verdict.wrong(f"{name} doubled", [key for key, count in found.items() if count != 1])
    verdict.never_sent += verdict.wrong(f"{name} that nobody sent", found.keys() - possible)


def _compare_quarantine(verdict: Verdict, sent: Iterable[Sent], refusals: list[tuple[bytes, str]]) -> None:
    """Every record sent broken is there once for each time it was acknowledged, under its reason, and no other is.

    An attempt without an answer may have been kept too.
    """
    owners = {marker.encode(): one for one in sent for marker in one.bad}
    found: Counter[tuple[bytes, str]] = Counter()
    strange = []
    for raw, reason in refusals:
        for key in (b'"messageId": "', b'"id": "'):
            if (marker := bytes(raw).partition(key)[2][:36]) in owners:
                found[marker, reason] += 1
                break
        else:
            strange.append((bytes(raw)[:200], reason))
    verdict.never_sent += verdict.wrong("records in quarantine that were not sent broken", strange)
    for marker, one in owners.items():
        reason = one.bad[marker.decode()]
        count = found.pop((marker, reason), 0)
        if count < one.acknowledged:
            verdict.lost += one.acknowledged - count
            verdict.problems.append(f"{marker!r} is {count} times in quarantine, {one.acknowledged} acknowledged")
        elif count > one.tried:
            verdict.doubled += count - one.tried
            verdict.problems.append(f"{marker!r} is {count} times in quarantine, {one.tried} times sent")
    verdict.wrong("records in quarantine for another reason", found)


def _landed(landing: Path) -> int:
    """Records in all segments that the manifest names."""
    entries = [json.loads(line)["entry"] for line in (landing / "manifest.ndjson").read_bytes().splitlines()]
    return sum(segment["records"] for entry in entries if "import" in entry for segment in entry["import"]["segments"])


NATURAL = {
    "events": "SELECT * EXCLUDE (account_key, user_key, event_key, body_hash), {account}, {user}, {event},"
    " body_hash FROM {db}.raw.events AS t",
    "identities": "SELECT * EXCLUDE (account_key, user_key, previous_user_key), {account}, {user},"
    " {previous} FROM {db}.raw.identities AS t",
    "stripe": "SELECT * FROM {db}.raw.stripe",
    "quarantine": "SELECT * FROM {db}.raw.quarantine",
    "loads": "SELECT * FROM {db}.raw.loads",
    "event_properties": "SELECT * FROM {db}.raw.event_properties",
}
NAMES = {
    "account": "(SELECT account_id FROM {db}.raw.dim_account AS d WHERE d.account_key = t.account_key)",
    "user": "(SELECT user_id FROM {db}.raw.dim_user AS d WHERE d.user_key = t.user_key)",
    "previous": "(SELECT user_id FROM {db}.raw.dim_user AS d WHERE d.user_key = t.previous_user_key)",
    "event": "(SELECT event_name FROM {db}.raw.dim_event AS d WHERE d.event_key = t.event_key)",
}


def differences(before: Path, after: Path) -> dict[str, int]:
    """Rows of the raw tables that only one of two stores has, with natural ids in the place of keys."""
    found = {}
    with duckdb.connect() as engine:
        engine.execute(f"ATTACH '{before}' AS one (READ_ONLY); ATTACH '{after}' AS two (READ_ONLY)")
        for table, query in NATURAL.items():
            one, two = (
                query.format(db=db, **{name: text.format(db=db) for name, text in NAMES.items()})
                for db in ("one", "two")
            )
            row = engine.execute(
                f"SELECT (SELECT count(*) FROM ({one} EXCEPT ALL {two}))"
                f" + (SELECT count(*) FROM ({two} EXCEPT ALL {one}))"
            ).fetchone()
            assert row is not None
            if row[0]:
                found[table] = row[0]
    return found
