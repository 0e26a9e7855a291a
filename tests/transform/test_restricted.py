"""The proof behind `incremental`: for random inputs and random key sets, restricted = full WHERE keys IN changed."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from sqlglot import exp

from trialwise.composition import models as composed
from trialwise.config import parse_config
from trialwise.engines.duckdb import Engine
from trialwise.shipped import find_files, packaged_sql
from trialwise.transform.cases import Case, Catalogue, set_up
from trialwise.transform.expand import Expansion
from trialwise.transform.keys import restrict
from trialwise.transform.model import Column, Model

PROMISING = sorted(
    name
    for name, path in find_files([packaged_sql()]).items()
    if re.search(r"^incremental:", path.read_text(encoding="utf-8"), re.MULTILINE)
)
FIRST_DAY = dt.date(2026, 1, 1)
FIRST_NO = (FIRST_DAY - dt.date(1970, 1, 1)).days
ROWS = 150
ACCOUNTS = 12


@dataclass(frozen=True)
class Loaded(Catalogue):
    """A catalogue of models already read."""

    models: Mapping[str, Model] = field(default_factory=dict)

    def model(self, name: str, expansion: Expansion) -> Model:
        return self.models[name]


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    """The shipped models under the default configuration."""
    return composed(parse_config({}))


NATURAL = ("config.clock", "config.calendar", "config.numbers", "config.parameters")
"""Tables a case fills by itself."""


JSON = ("traits", "metadata")
"""Columns whose text is an object."""


def named(model: Model) -> dict[str, tuple[object, ...]]:
    """The texts a model compares columns with, or columns that equal them, by the columns' names."""
    assert model.query is not None
    found: dict[str, set[str]] = defaultdict(set)
    for node in model.query.find_all(exp.EQ, exp.In, exp.Case):
        values = [node.expression] if isinstance(node, exp.EQ) else node.expressions
        if isinstance(node, exp.Case):
            values = [branch.this for branch in node.args["ifs"]]
        for value in values:
            if isinstance(node.this, exp.Column) and isinstance(value, exp.Literal) and value.is_string:
                found[node.this.name].add(value.this)
    for node in model.query.find_all(exp.EQ):
        if isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column):
            both = found[node.this.name] | found[node.expression.name]
            found[node.this.name], found[node.expression.name] = set(both), both
    return {name: tuple(sorted(texts)) for name, texts in found.items() if texts}


def cell(
    column: Column, row: int, account: int, accepted: Mapping[str, tuple[object, ...]], dice: random.Random
) -> object:
    """A plausible value: keys tie trials and users to their account, days and day numbers lie close together."""
    day = dice.randrange(25)
    if column.name in accepted:
        return dice.choice(accepted[column.name])
    if column.name in JSON:
        return f'{{"{dice.choice("abc")}": "{dice.choice("abc")}"}}'
    if column.name == "account_key":
        return account
    if column.name in ("account_id", "own_account_id"):
        return f"id-{account}"
    if column.name == "customer_id":
        return f"id-{account}-{dice.randrange(3)}"
    if column.name == "user_key":
        return account * 10 + dice.randrange(3)
    if column.name == "trial_id":
        return f"trial-{account}-{dice.randrange(2)}"
    if column.name.endswith("_no"):
        return FIRST_NO + day
    if column.name in ("k_from", "trial_day", "known_day"):
        return 1 + day
    if column.name in ("k_to", "n_days"):
        return 1 + day + dice.randrange(20)
    if column.name.startswith("active_days_"):
        return min(int(column.name.removeprefix("active_days_").removesuffix("d")), row % 29)
    if column.name.endswith("_id") and column.type == "VARCHAR":
        return f"id-{dice.randrange(40)}"
    return {
        "BOOLEAN": dice.random() < 0.5,
        "DATE": FIRST_DAY + dt.timedelta(days=day),
        "TIMESTAMP": dt.datetime.combine(FIRST_DAY, dt.time.min) + dt.timedelta(days=day, seconds=row),
        "VARCHAR": dice.choice("abc"),
        "DOUBLE": float(dice.randrange(20)),
    }.get(column.type, dice.randrange(20))


def rows_of(model: Model, texts: Mapping[str, tuple[object, ...]], dice: random.Random) -> list[dict[str, object]]:
    """Rows that keep the header's promises: key unique, not null, accepted, determined; `texts` by column elsewhere."""
    header = model.header
    accepted = {**texts, **header.accepted}
    firm = {*header.key, *header.not_null, *header.incremental, "account_key", "trial_id"}
    firm |= {name for name in model.column_names if name.startswith("active_days_")}  # they are never unknown
    kept: dict[object, dict[str, object]] = {}
    for row in range(ROWS):
        account = 1 + dice.randrange(ACCOUNTS)
        made = {column.name: cell(column, row, account, accepted, dice) for column in model.columns}
        made = {k: v if k in firm or dice.random() > 0.1 else None for k, v in made.items()}
        kept.setdefault(tuple(made[name] for name in header.key or model.column_names[:1]), made)
    return list(kept.values())


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
@pytest.mark.parametrize("name", PROMISING)
def test_restricted_equals_full(name: str, seed: int, engine: Engine, models: dict[str, Model]) -> None:
    dice = random.Random(f"{name} {seed}")
    model = models[name]
    case = Case(
        model=name,
        name=f"{name} {seed}",
        line=1,
        as_of=dt.datetime.combine(FIRST_DAY, dt.time(12)) + dt.timedelta(days=40),
        known_at=dt.datetime.combine(FIRST_DAY, dt.time(12)) + dt.timedelta(days=40),
        parameters={"features_total": 4, "grace_days": 30, "events_per_day_cap": 5},
        expansion={},
        given={t: rows_of(models[t], named(model), dice) for t in model.reads if t not in NATURAL},
        expect=[],
    )
    set_up(case, model, Loaded((), models), engine)
    keys = ", ".join(model.header.incremental)
    engine.execute(f"CREATE TABLE whole AS {model.sql}")
    found = engine.rows(f"SELECT DISTINCT {keys} FROM whole ORDER BY {keys}")
    engine.execute(f"CREATE TABLE changed AS SELECT {keys} FROM whole LIMIT 0")
    for key in dice.sample(found, (len(found) + 1) // 2):
        engine.execute(f"INSERT INTO changed VALUES ({', '.join('?' * len(key))})", key)
    engine.execute(f"CREATE TABLE part AS {restrict(model, models, 'changed').sql(dialect='duckdb')}")
    expected = f"SELECT w.* FROM whole AS w SEMI JOIN changed USING ({keys})"
    assert engine.rows(f"SELECT count(*) FROM ({expected} EXCEPT ALL SELECT * FROM part) AS d") == [(0,)]
    assert engine.rows(f"SELECT count(*) FROM (SELECT * FROM part EXCEPT ALL {expected}) AS d") == [(0,)]
    assert engine.rows("SELECT count(*) > 0 FROM part") == [(True,)]
