"""A company whose records arrive in any order: all that can happen to its workspace, and the proof after a refresh."""

from __future__ import annotations

import copy
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
import tomlkit

from tests.oracle.facts import from_seconds
from tests.oracle.ndjson import write_ndjson
from tests.oracle.segment_calls import iso
from tests.oracle.stripe_sim import DAY, seconds
from tests.oracle.stripe_stories import random_story
from tests.property.calls import (
    LIFE,
    MAILS,
    TRAITS,
    Call,
    account,
    call,
    checkout,
    envelope,
    track,
    user,
)
from tests.property.twin import differences, twin
from trialwise import forgetting
from trialwise.arrivals import quarantined, retry_record
from trialwise.errors import CheckFailed, InputError, NotFoundError
from trialwise.landing import compact, retention
from trialwise.landing.folder import Landing
from trialwise.pipeline import Refreshed, load_landed, owning, plan, refresh
from trialwise.shipped import packaged_sql
from trialwise.sources.files import open_file
from trialwise.subject import Kind
from trialwise.workspace import Workspace

MINUTE, HOUR = 60, 3_600
START = seconds("2026-01-28T09:30:00")
ACCOUNTS = 6
"""Accounts of the Stripe story; numbers beyond are accounts of the product alone."""
FIRST_OF_CROWD, CROWD = 20, 36

BASE: dict[str, Any] = {
    "trials": {"length_days": 14},
    "events": {
        "value": ["Query Run", "Report Created", "Data Source Connected"],
        "aliases": {"Report Made": "Report Created"},
    },
    "features": {"queries": ["Query Run"], "reports": ["Report Created"]},
    "attributes": {
        "company_size": {"trait": "employees", "type": "number"},
        "title": {"trait": "title", "subject": "user"},
    },
    "segments": [{"key": "busy", "enter": "active_days_7d >= 2"}],
}
EDITS: Mapping[str, Mapping[str, Any]] = {
    "value": {"events": {"value": "*"}},
    "fewer values": {"events": {"value": ["Query Run"]}},
    "aliases": {"events": {"aliases": {"Alert Sent": "Query Run"}}},
    "merge role": {"events": {"roles": {"account_merged": ["Account Joined"]}}},
    "kept properties": {"events": {"keep_properties": ["Query Run"]}},
    "milestones": {"milestones": {"demo_requested": ["Report Created", "Demo Requested"], "alerted": ["Alert Sent"]}},
    "features": {"features": {"alerts": ["Alert Sent"], "reports": ["Query Run"]}},
    "attributes": {"attributes": {"title": {"trait": "country"}, "land": {"trait": "country", "subject": "user"}}},
    "segments": {
        "segments": [
            {"key": "busy", "enter": "active_days_7d >= 1", "exit": "recency_days > 3"},
            {"key": "invited", "enter": "teammate_invited_on IS NOT NULL"},
        ]
    },
    "rules": {"score": {"rules": [{"key": "used", "points": 9, "when": "active_days_7d >= 1"}]}},
    "horizon": {"trials": {"horizon_days": 5}},
    "length": {"trials": {"length_days": 7}},
    "freemium": {"trials": {"freemium_plans": ["price_team"]}},
    "re-entry": {"trials": {"reentry_days": 0, "one_trial_hours": 0}},
    "grace": {"conversion": {"grace_days": 4, "collection_lag_hours": 0}},
    "refunds": {"conversion": {"refund_days": 90}},
    "usage": {"usage": {"events_per_day_cap": 2, "benchmark_events_per_day": 3, "band_light": 10, "streak_days": 2}},
    "internal": {"exclude": {"internal_domains": ["acme.test"]}},
    "excluded": {"exclude": {"users": ["user_1"], "titles": ["student"], "free_mail_domains": ["example.com"]}},
    "zone": {"workspace": {"timezone": "America/Los_Angeles"}},
    "other zone": {"workspace": {"timezone": "Pacific/Auckland"}},
    "metadata key": {"identity": {"account_metadata_key": "org"}},
    "customer map": {"identity": {"customer_map": "customers.csv"}},
    "live mode": {"stripe": {"livemode": True}},
}
"""What people change in trialwise.toml, by name; each is made and taken back."""

FEWER_EVENTS = "\nWHERE e.occurred_at >= TIMESTAMP '2026-01-15 00:00:00'\n"
PER_ACCOUNT = """/*
description: Events of an account, a model of the user's own that is brought up to date by account.
grain: one row per account with events
key: [account_key]
incremental: [account_key]
*/
SELECT
  CAST(e.account_key AS INTEGER) AS account_key, -- account as announced
  CAST(count(*) AS INTEGER) AS events -- how many
FROM staging.events AS e
CROSS JOIN config.clock AS c
WHERE e.occurred_at < c.as_of AND e.known_at < c.known_at
GROUP BY e.account_key
"""
OF_ALL = """/*
description: A model of the user's own that reads one of the user's own.
grain: one row per number of events
key: [events]
*/
SELECT
  CAST(o.events AS INTEGER) AS events, -- events of an account
  CAST(count(*) AS INTEGER) AS accounts -- accounts that have so many
FROM intermediate.own_events AS o
GROUP BY o.events
"""
FAILING = """/*
description: A model that promises what it does not keep.
grain: one row
key: [number]
not_null: [number]
*/
SELECT
  CAST(NULL AS INTEGER) AS number -- no number
FROM config.clock AS c
"""
FAILING_PATH = "marts/failing.sql"


def _shipped(path: str) -> str:
    return (packaged_sql() / path).read_text(encoding="utf-8")


OWN_MODELS: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "fewer events": lambda: {"staging/events.sql": _shipped("staging/events.sql").rstrip() + FEWER_EVENTS},
    "own marts": lambda: {"intermediate/own_events.sql": PER_ACCOUNT, "marts/own_counts.sql": OF_ALL},
    "half the weight": lambda: {
        "marts/account_days.sql": _shipped("marts/account_days.sql").replace("description: ", "description: Our own. ")
    },
}
"""Own SQL: a shipped model replaced, models added, a shipped model replaced by one that says the same."""

DEFECTS = ("null", '{"type": "track"}', '{"type": "track", "event": "", "userId": "u"}', "{broken")
"""Records that end in quarantine."""

VERSIONS = (("2026-01-12", 2), ("2026-02-01", 4), ("2026-06-01", 1))
"""Calibration a company brings along: valid from, events of an active day that count as full depth."""


def calibration() -> bytes:
    """The file beside the store, as an earlier store left it."""
    lines = []
    for version, (valid_from, events) in enumerate(VERSIONS, start=1):
        grid = [
            {"version": version, "trial_day": day, "card_type": card, "trials": 30}
            | {f"p{percent:02d}": percent * day * version // 40 for percent in range(5, 100, 5)}
            for day in range(1, 31)
            for card in ("card_required", "cardless", "unknown")
        ]
        entry = {"version": version, "valid_from": valid_from, "benchmark_events_per_day": events, "grid": grid}
        text = json.dumps(entry, separators=(",", ":"))
        lines.append(f'{{"sha256":"{sha256(text.encode()).hexdigest()[:32]}","entry":{text}}}\n')
    return "".join(lines).encode()


class Company:
    """A workspace that changes; `now` is its clock in seconds since 1970.

    seed: which lives its first accounts lead at Stripe, beside a crowd of others. is_calibrated: whether it brings
    versions of a calibration along: then none is due until July 2026, else one is from the second month on.
    """

    def __init__(self, folder: Path, seed: int = 1, *, is_calibrated: bool = True) -> None:
        self.folder = folder / "own"
        self.scratch = folder
        self.now = START
        self.known_at: int | None = None
        self.edits: list[str] = []
        self.own: list[str] = []
        self.actions: Counter[str] = Counter()
        self._count = 0
        story = random_story(seed, accounts=ACCOUNTS)
        self.pending = [*story.events, *story.product_calls]
        self.pending.sort(key=_instant)
        self.snapshots = list(story.snapshots)
        self.customers = sorted({e["data"]["object"]["id"] for e in story.events if e["type"] == "customer.created"})
        self.sent: list[Call] = []
        self.folder.mkdir(parents=True)
        self._write_config()
        lines = [f"{customer},{account(number + 3)}\n" for number, customer in enumerate(self.customers)]
        (self.folder / "customers.csv").write_text("customer_id,account_id\n" + "".join(lines), encoding="utf-8")
        if is_calibrated:
            (self.folder / "data").mkdir()
            (self.folder / "data" / "calibration.ndjson").write_bytes(calibration())
        self.crowd()

    @property
    def workspace(self) -> Workspace:
        """The workspace as its file is now."""
        return Workspace.open(self.folder)

    # ------------------------------------------------------------------ records

    def land(self, kind: str, records: Sequence[Mapping[str, Any] | str]) -> None:
        """Land records as one file now; nothing is loaded."""
        if not records:
            return
        path = self.scratch / f"{self._number()}-{kind}.ndjson"
        if any(isinstance(record, str) for record in records):
            path.write_text("".join(f"{record}\n" for record in records), encoding="utf-8")
        else:
            write_ndjson(path, [record for record in records if not isinstance(record, str)])
        landed_at = from_seconds(self.now)
        assert landed_at is not None
        Landing(self.workspace.landing).land(open_file(path, kind=kind), landed_at=landed_at)

    def say(self, calls: Sequence[Call]) -> None:
        """Land product calls, remembered for being sent again."""
        self.sent += calls
        self.land("events", calls)

    def use(
        self, who: int | None, where: int | None, name: str, day: int = 0, times: int = 1, late: int | None = None
    ) -> None:
        """Somebody uses the product `day` days from now, several times; known at once, or `late` days afterwards."""
        calls = []
        for turn in range(times):
            at = self.now + day * DAY - MINUTE * (turn + 1)
            received = None if late is None else at + late * DAY
            people = None if who is None else user(who), None if where is None else account(where)
            calls.append(track(self._number(), name, at, received, *people))
        self.say(calls)

    def life(self, who: int, where: int, step: int, day: int = 0, late: int | None = None) -> None:
        """The product announces the start or end of a trial or of a subscription."""
        at = self.now + day * DAY
        properties = {"amount_minor": 4_900, "currency": "usd"} if step == 2 else {}
        received = None if late is None else at + late * DAY
        self.say([track(self._number(), LIFE[step], at, received, user(who), account(where), **properties)])

    def mail(self, who: int, event: int, day: int = 0, by_address: bool = False) -> None:
        """A drip message is delivered, opened, answered."""
        properties = {"campaign_id": "c1", "email": "ann@example.com" if by_address else f"{user(who)}@example.com"}
        at = self.now + day * DAY
        self.say([track(self._number(), MAILS[event], at, None, None if by_address else user(who), None, **properties)])

    def identify(
        self, who: int, traits: int, where: int | None = None, day: int = 0, anonymous: int | None = None
    ) -> None:
        """What a user is said to be."""
        fields: dict[str, Any] = {"userId": user(who), "traits": dict(TRAITS[traits])}
        if where is not None:
            fields["context"] = {"groupId": account(where)}
        if anonymous is not None:
            fields["anonymousId"] = user(anonymous)
        self.say([call("identify", self._number(), self.now + day * DAY, None, **fields)])

    def group(self, who: int, where: int, traits: int, day: int = 0) -> None:
        """What an account is said to be, and who belongs to it."""
        fields = {"userId": user(who), "groupId": account(where), "traits": dict(TRAITS[traits])}
        self.say([call("group", self._number(), self.now + day * DAY, None, **fields)])

    def alias(self, previous: int, who: int, day: int = 0) -> None:
        """Two users turn out to be one."""
        at = self.now + day * DAY
        self.say([call("alias", self._number(), at, None, previousId=user(previous), userId=user(who))])

    def merge(self, previous: int, where: int, day: int = 0, late: int | None = None) -> None:
        """Two accounts are one from now on: the earlier-known merge of an account wins, a cycle merges nobody."""
        at = self.now + day * DAY
        received = None if late is None else at + late * DAY
        properties = {"previous_account_id": account(previous)}
        self.say([track(self._number(), "Account Merged", at, received, user(0), account(where), **properties)])

    def again(self, pick: int, how: str) -> None:
        """A call arrives once more: the same, known earlier, known later, or under its id another one."""
        late = [one for one in self.sent if one.get("receivedAt", "") > one["timestamp"]] if how == "earlier" else []
        known = late or self.sent
        if not known:
            return
        one = copy.deepcopy(known[pick % len(known)])
        at = seconds(one["timestamp"].removesuffix("Z"))
        if how == "earlier":
            one["receivedAt"] = iso(at - HOUR)
        elif how == "later":
            one["receivedAt"] = iso(at + 9 * DAY)
        elif how == "another instant":
            one["timestamp"] = iso(at - 2 * DAY)
        elif how == "another body":
            one["properties"] = {"other": self._number()}
        self.land("events", [one])

    def story(self, count: int, first: int = 0) -> None:
        """The next records of the Stripe story, or with `first` some that come before others that happened earlier."""
        chosen = self.pending[first : first + count]
        del self.pending[first : first + count]
        self.land("stripe", [record for record in chosen if record.get("object") == "event"])
        self.say([record for record in chosen if record.get("object") != "event"])

    def crowd(self) -> None:
        """Accounts of the product in trial or after it, beside whom what changes is little."""
        calls = []
        for number in range(FIRST_OF_CROWD, FIRST_OF_CROWD + CROWD):
            who, where, begin = user(number), account(number), self.now - (1 + number * 7 % 41) * DAY
            days = [begin + day * DAY + number * MINUTE for day in range(1, 30, 1 + number % 5)]
            calls.append(track(self._number(), LIFE[0], begin, None, who, where))
            calls += [track(self._number(), "Query Run", at, None, who, where) for at in days if at < self.now]
        self.land("events", calls)

    def catch_up(self) -> None:
        """All records of the story that have happened by now."""
        self.story(sum(1 for record in self.pending if _instant(record) < self.now))

    def objects(self, first: int, count: int) -> None:
        """Some of Stripe's objects as lists give them today."""
        if self.snapshots:
            begin = first % len(self.snapshots)
            self.land("stripe", self.snapshots[begin : begin + count])

    def customer(self, pick: int, change: str, where: int = 0, day: int = 0) -> None:
        """A Stripe customer names another account, gets another address, is deleted, or pays by a checkout."""
        one, at, number = self.customers[pick % len(self.customers)], self.now + day * DAY, self._number()
        body: dict[str, Any] = {"id": one, "object": "customer", "created": at - DAY, "livemode": True}
        body |= {"email": None, "name": None, "metadata": {}, "default_source": None}
        body["invoice_settings"] = {"default_payment_method": None}
        if change == "checkout":
            self.land("stripe", [checkout(number, at, one, account(where))])
            return
        if change == "deleted":
            body = {"id": one, "object": "customer", "deleted": True}
            self.land("stripe", [envelope(number, "customer.deleted", at, body, {})])
            return
        if change == "account":
            body["metadata"] = {"account_id": account(where), "org": account(where + 1)}
        elif change == "address":
            body["email"] = "ann@example.com"
        self.land("stripe", [envelope(number, "customer.updated", at, body, {"metadata": {}})])

    def defect(self, which: int) -> None:
        """A record that nobody can read; it waits in quarantine."""
        self.land("events", [DEFECTS[which], json.dumps(track(self._number(), "Query Run", self.now, None, "u", None))])

    def mend(self, pick: int, day: int = 0) -> None:
        """A record in quarantine is mended and landed again."""
        waiting = quarantined(self.workspace)
        if waiting.height:
            number = waiting.row(pick % waiting.height, named=True)["quarantine_id"]
            mended = track(self._number(), "Query Run", self.now + day * DAY, None, user(1), account(1))
            retry_record(self.workspace, number, json.dumps(mended).encode())

    # ------------------------------------------------------------------ the workspace

    def move(self, days: float = 0, known: float | None = None) -> None:
        """The clock goes on, or back; `known`: what was known that many days before it counts, and no more."""
        self.now += round(days * DAY)
        self.known_at = None if known is None else self.now - round(known * DAY)

    def define(self, edit: str) -> None:
        """Make a change of trialwise.toml, or take it back when it is made."""
        self.edits.remove(edit) if edit in self.edits else self.edits.append(edit)
        self._write_config()

    def model(self, name: str) -> None:
        """Put SQL of the user's own into the workspace, or take it out when it is there."""
        self.own.remove(name) if name in self.own else self.own.append(name)
        for known, files in OWN_MODELS.items():
            for path, text in files().items():
                self._own_file(path, text if known in self.own else None)

    def load(self) -> None:
        """Load what has landed; the results stay as they are."""
        load_landed(self.workspace)

    def fail(self) -> None:
        """A refresh whose check fails: nothing of it may stay, and the next one must know what it left undone."""
        self._own_file(FAILING_PATH, FAILING)
        with pytest.raises(CheckFailed):
            self._refresh()
        self._own_file(FAILING_PATH, None)

    def forget(self, kind: Kind, number: int) -> None:
        """An account or user is forgotten and all refreshed; not one nobody knows, or that customers.csv names."""
        instant, known_at = self._clock()
        self._write_config({"clock": {"as_of": instant, "known_at": known_at}})
        with suppress(NotFoundError, InputError):
            forgetting.forget(self.workspace, kind, [account(number) if kind == "account" else user(number)])
        self._write_config()

    def ids(self) -> set[str]:
        """The ids of accounts and users the store knows."""
        with duckdb.connect(str(self.workspace.store), read_only=True) as store:
            found = store.sql(
                "SELECT account_id FROM raw.dim_account UNION SELECT user_id FROM raw.dim_user"
            ).fetchall()
        return {one for (one,) in found}

    def drop(self, days: int) -> None:
        """Product events that landed so many days ago are dropped for good, and old segments compacted."""
        now = from_seconds(self.now)
        assert now is not None
        before, landing = now - timedelta(days=days), Landing(self.workspace.landing)
        self.load()
        owning(self.workspace, lambda *_: retention.drop(landing, landed_before=before, now=now))
        self.load()
        owning(self.workspace, lambda *_: compact.compact(landing, landed_before=before, now=now))

    def lose(self) -> None:
        """The store is gone; landing, calibration and the published results are there."""
        for path in (self.workspace.store, self.workspace.store.with_name(self.workspace.store.name + ".wal")):
            path.unlink(missing_ok=True)

    def unpublish(self) -> None:
        """The current generation is gone, or (every second time) changed by another hand."""
        current = self.workspace.published / self._generation()
        if self._number() % 2:
            current.unlink()
        else:
            with duckdb.connect(str(current)) as connection:
                connection.execute("DELETE FROM marts.trials")

    def plan(self) -> None:
        """Somebody asks what a refresh would do now, years from the clock: nothing of it may stay."""
        plan(self.workspace)

    def look(self, days: int) -> None:
        """Results for another moment are asked for; they go to a file of their own."""
        self._refresh(into=self.scratch / f"{self._number()}.duckdb", as_of=self.now - days * DAY)

    def copied(self, folder: Path) -> Company:
        """The same company in another folder."""
        shutil.copytree(self.scratch, folder, dirs_exist_ok=True)
        other = copy.deepcopy(self)
        other.scratch, other.folder = folder, folder / "own"
        return other

    def advance(self, *, full: bool = False) -> Counter[str]:
        """Refresh without a comparison; returns how often each action was taken."""
        taken = Counter(step.action for step in self._refresh(full=full).steps)
        self.actions += taken
        return taken

    def refresh(self, *, full: bool = False) -> Counter[str]:
        """Refresh, and compare every table with the twin's; returns how often each action was taken."""
        kept = self.workspace.calibration
        before = kept.read_bytes() if kept.exists() else None
        generation = self._generation()
        taken = self.advance(full=full)
        folder = self.scratch / "twin"
        shutil.rmtree(folder, ignore_errors=True)
        other = twin(self.workspace, folder, before, *self._clock())
        wrong = differences(self.workspace, other, is_published=self._generation() != generation)
        assert not wrong, "\n".join(wrong)
        assert self.workspace.calibration.read_bytes() == other.calibration.read_bytes()
        return taken

    def versions(self) -> list[str]:
        """The first days of the calibration's versions, as they are kept beside the store."""
        kept = self.workspace.calibration.read_text().splitlines()
        return [json.loads(line)["entry"]["valid_from"] for line in kept]

    # ------------------------------------------------------------------ inside

    def _refresh(self, full: bool = False, into: Path | None = None, as_of: int | None = None) -> Refreshed:
        instant, known_at = self._clock(as_of)
        return refresh(self.workspace, as_of=instant, known_at=known_at, full=full, into=into)

    def _clock(self, as_of: int | None = None) -> tuple[str, str]:
        moment = self.now if as_of is None else as_of
        return iso(moment), iso(moment if self.known_at is None else min(moment, self.known_at))

    def _generation(self) -> str:
        return (self.workspace.published / "CURRENT").read_text().strip()

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _write_config(self, more: Mapping[str, Any] | None = None) -> None:
        data = copy.deepcopy(BASE)
        for edit in (*(EDITS[name] for name in self.edits), more or {}):
            _put_over(data, edit)
        (self.folder / "trialwise.toml").write_text(tomlkit.dumps(data), encoding="utf-8")

    def _own_file(self, path: str, text: str | None) -> None:
        file = self.folder / "sql" / path
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def _put_over(data: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(data.get(key), dict):
            _put_over(data[key], value)
        else:
            data[key] = copy.deepcopy(value)


def _instant(record: Mapping[str, Any]) -> int:
    return int(record["created"]) if "created" in record else seconds(record["timestamp"].removesuffix("Z"))
