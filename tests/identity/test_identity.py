"""Identity as a whole: no surrogate key decides anything, the cut is a truncation, restricted is full."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.identity.world import (
    START,
    STEPS,
    TARGETS,
    Record,
    build_world,
    identity_models,
    natural,
    random_world,
)
from trialwise.engines.duckdb import Engine
from trialwise.transform.keys import restrict
from trialwise.transform.model import Model

END = START + dt.timedelta(days=90)


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    """The shipped identity models."""
    return identity_models()


@pytest.mark.parametrize("seed", range(3))
def test_surrogate_keys_decide_nothing(models: dict[str, Model], seed: int) -> None:
    records = random_world(seed, 320)
    one = build_world(records, models, END, END, keys=1)
    other = build_world(list(reversed(records)), models, END, END, keys=2)
    for name in (*TARGETS, *STEPS):
        rows = natural(one, models, name)
        assert rows == natural(other, models, name), name
        assert rows or name.endswith("unresolved_customers"), f"{name} is empty, the test shows nothing"


@pytest.mark.parametrize("seed", range(3))
def test_the_known_cut_is_a_truncation_of_the_input(models: dict[str, Model], seed: int) -> None:
    records = random_world(seed)
    cut = START + dt.timedelta(days=random.Random(seed).randrange(15, 35))
    whole = build_world(records, models, END, cut)
    truncated = build_world([r for r in records if r.known < cut], models, END, END)
    for name in TARGETS:
        assert natural(whole, models, name) == natural(truncated, models, name), name


@pytest.mark.parametrize("seed", range(3))
def test_the_as_of_cut_is_a_truncation_of_the_input(models: dict[str, Model], seed: int) -> None:
    records = random_world(seed)
    cut = START + dt.timedelta(days=random.Random(seed).randrange(15, 35))
    whole = build_world(records, models, cut, END)
    truncated = build_world([r for r in records if r.at < cut], models, END, END)
    for name in TARGETS:
        assert natural(whole, models, name) == natural(truncated, models, name), name


@pytest.mark.parametrize("name", ["intermediate.account_users", "intermediate.email_days", *STEPS])
def test_restricted_to_keys_is_the_full_result_of_those_keys(models: dict[str, Model], name: str) -> None:
    engine = build_world(random_world(7, 400), models, END, END)
    model = models[name]
    keys = ", ".join(model.header.incremental)
    highest = f"account_key = (SELECT max(account_key) FROM {name})"
    engine.execute(f"CREATE TABLE changed AS SELECT DISTINCT {keys} FROM {name} WHERE {highest}")
    part = engine.rows(f"{restrict(model, models, 'changed').sql(dialect='duckdb')}")
    full = engine.rows(f"SELECT * FROM {name} SEMI JOIN changed USING ({keys})")
    assert 0 < len(full) < engine.rows(f"SELECT count(*) FROM {name}")[0][0]
    assert sorted(part, key=str) == sorted(full, key=str)


def test_steps_show_on_a_day_only_what_a_refresh_of_that_day_knew(models: dict[str, Model]) -> None:
    """Row k of today's steps equals row k of a refresh at the end of day k, but for what identity changed."""
    records = [r for r in random_world(11, 300) if r.kind not in ("alias", "stripe") and r.name != "Account Merged"]
    records = [_settled(r) for r in records]
    today = build_world(records, models, END, END)
    for day in range(1, 25, 4):
        end = START + dt.timedelta(days=day)
        then = build_world([r for r in records if r.known < end], models, END, END)
        for name in STEPS:
            values = f"SELECT * EXCLUDE (k_from, k_to, account_key) FROM {name}"
            here = f"{values} WHERE trial_id LIKE '%:0' AND {day} BETWEEN k_from AND k_to"
            assert sorted(today.rows(here), key=str) == sorted(then.rows(here), key=str), (name, day)


@pytest.mark.parametrize("seed", range(2))
def test_a_late_identify_changes_no_earlier_day(models: dict[str, Model], seed: int) -> None:
    """Whatever is said of people on day 25 (internal, competitor, free mail, title), earlier days stay as they are."""
    told = START + dt.timedelta(days=24, hours=9)
    records = [replace(r, body={"employees": 3}) if r.kind == "identify" else r for r in random_world(seed, 300)]
    plain, more = (build_world(given, models, END, END) for given in (records, records + _late(told)))
    for name in ("intermediate.user_days", "intermediate.account_marks", "intermediate.user_addresses"):
        before = f"m.known_date < DATE '{told.date()}'"
        assert natural(plain, models, name, before) == natural(more, models, name, before), name
    changed = []
    for day in range(60):
        date = (START + dt.timedelta(days=day)).date()
        if _standing(plain, models, date) != _standing(more, models, date):
            changed.append(date)
        for name in STEPS:
            same = _step_rows(plain, models, name, date) == _step_rows(more, models, name, date)
            assert same or date >= told.date(), (name, date)
    assert changed[0] == told.date()
    assert natural(plain, models, "intermediate.user_days") != natural(more, models, "intermediate.user_days")


def _late(told: dt.datetime) -> list[Record]:
    """Eight people give a new address and title; said on eight earlier days, known at `told`."""
    domains = ("us.example", "rival.example", "y.example", "own.example")
    return [
        Record(
            f"late{n}",
            "identify",
            START + dt.timedelta(days=n),
            told,
            user=f"u{n}",
            body={
                "email": f"late{n}@{domains[n % 4]}",
                "title": "CTO" if n < 4 else "Dev",
                "address": {"country": "IT"},
            },
        )
        for n in range(8)
    ]


def _standing(engine: Engine, models: dict[str, Model], day: dt.date) -> list[tuple[Any, ...]]:
    """Account, reason and company domain of a day."""
    rows = natural(engine, models, "intermediate.account_standing", f"DATE '{day}' BETWEEN m.known_from AND m.known_to")
    return [(row[0], row[3], row[4]) for row in rows]


def _step_rows(engine: Engine, models: dict[str, Model], name: str, day: dt.date) -> list[tuple[Any, ...]]:
    """The values that hold on a day, without the runs they are part of."""
    starts = "SELECT start_date FROM intermediate.trial_dates AS t WHERE t.trial_id = m.trial_id"
    rows = natural(engine, models, name, f"DATE '{day}' - ({starts}) + 1 BETWEEN m.k_from AND m.k_to")
    return sorted((row[:2] + row[4:] for row in rows), key=str)


def _settled(record: Record) -> Record:
    """The record with an account, and without anything that joins or excludes people."""
    body = {**record.body, "email": f"{record.user}@x.example"} if record.kind == "identify" else record.body
    user = "u1" if record.user == "u5" else record.user
    return Record(
        record.id, record.kind, record.at, record.known, record.account or "acc0", user, None, record.name, body
    )


def test_a_storm_of_aliases_stays_bounded(models: dict[str, Model]) -> None:
    """A chain of 16 steps is followed; from a longer one on, and in a cycle, everybody stays alone."""

    def chain(prefix: str, links: int, closed: bool) -> list[Record]:
        people = [f"{prefix}{n:03}" for n in range(links + 1)]
        pairs = list(pairwise(people)) + ([(people[-1], people[0])] if closed else [])
        at = START + dt.timedelta(days=1)
        return [Record(f"{a}-{b}", "alias", at, at, user=b, previous=a) for a, b in pairs]

    engine = build_world([*chain("s", 16, False), *chain("l", 40, False), *chain("c", 5, True)], models, END, END)
    joined = {row[0]: row[1] for row in natural(engine, models, "intermediate.user_aliases")}
    followed = {f"s{n:03}": "s016" for n in range(16)} | {f"l{n:03}": "l040" for n in range(24, 40)}
    assert joined == followed


def test_one_user_in_a_thousand_accounts_has_one_account_and_one_row_each(models: dict[str, Model]) -> None:
    records = [
        Record(
            f"r{n}",
            "group",
            START + dt.timedelta(seconds=n),
            START + dt.timedelta(seconds=n),
            account=f"acc{n:04}",
            user="u1",
        )
        for n in range(1000)
    ]
    engine = build_world(records, models, END, END)
    assert [row[2] for row in natural(engine, models, "intermediate.user_links")] == ["acc0000"]
    assert engine.rows("SELECT count(*), max(place) FROM intermediate.contacts") == [(1000, 1)]
