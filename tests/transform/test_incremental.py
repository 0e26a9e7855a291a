"""A model is left alone, added to, worked out for changed keys, or built whole; the rows are those of a whole build."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from tests.transform.project import Project

from trialwise.engines.duckdb import Engine
from trialwise.errors import CheckFailed
from trialwise.transform import checked, incremental
from trialwise.transform.build import build, create_schemas
from trialwise.transform.changes import NONE, WHOLE, Change, difference, images
from trialwise.transform.graph import order
from trialwise.transform.incremental import Incremental, Step

EVENTS = "CREATE TABLE raw.events (id INTEGER, account INTEGER, person INTEGER, moment TIMESTAMP)\n"
PEOPLE = "CREATE TABLE raw.people (id INTEGER, person INTEGER, label VARCHAR)\n"
CLOCK = "CREATE TABLE config.clock (as_of TIMESTAMP, as_of_no INTEGER)\n"
BY_KEY = "incremental: [account]\n"
COUNTED = """SELECT CAST(e.account AS INTEGER) AS id, CAST(e.account AS INTEGER) AS account,
  CAST(count(*) AS INTEGER) AS events, CAST(count(p.label) AS INTEGER) AS labelled
FROM raw.events AS e LEFT JOIN raw.people AS p ON p.person = e.person CROSS JOIN config.clock AS c
WHERE e.moment < c.as_of
GROUP BY e.account
"""
NOON, LATER = datetime(2026, 3, 1, 12), datetime(2026, 3, 1, 13)


class Store:
    """Tables that are filled, built, changed and brought up to date."""

    def __init__(self, engine: Engine, project: Project) -> None:
        self.engine, self.project = engine, project
        project.write("raw.events", EVENTS)
        project.write("raw.people", PEOPLE)
        project.write("config.clock", CLOCK)
        self.models = project.models()
        self.clock = NOON

    def build(self) -> None:
        self.models = self.project.models()
        create_schemas(self.engine, self.models)
        self.engine.execute("DELETE FROM config.clock")
        self.engine.execute("INSERT INTO config.clock VALUES (?, 1)", [self.clock])
        build(self.engine, self.models)
        self.built = {name: model.fingerprint for name, model in self.models.items() if model.kind == "model"}

    def add(self, table: str, rows: list[tuple[Any, ...]], gone: list[int] | None = None) -> dict[str, Change]:
        """Add rows and take others away by id; what happened comes back."""
        ids = ", ".join(str(number) for number in gone or [-1])
        self.engine.execute(f"CREATE OR REPLACE TEMP TABLE away AS FROM {table} WHERE id IN ({ids})")
        self.engine.execute(f"DELETE FROM {table} WHERE id IN ({ids})")
        self.engine.execute(f"CREATE OR REPLACE TEMP TABLE added AS FROM {table} LIMIT 0")
        for row in rows:
            self.engine.execute(f"INSERT INTO added VALUES ({', '.join('?' * len(row))})", list(row))
        self.engine.execute(f"INSERT INTO {table} FROM added")
        columns = self.models[table].column_names
        return {table: images(self.engine, table, "FROM away", "FROM added", columns)}

    def bring(self, changes: dict[str, Change], clock: datetime = NOON) -> tuple[dict[str, Step], dict[str, Change]]:
        """Bring the models up to date; they have to be what a whole build makes of the same rows."""
        self.engine.execute("CREATE OR REPLACE TEMP TABLE shown AS FROM config.clock")
        self.engine.execute("UPDATE config.clock SET as_of = ?", [clock])
        self.models = self.project.models()
        moved = frozenset({"as_of"} if clock != self.clock else ())
        external = {name: NONE for name, model in self.models.items() if model.kind == "external"}
        external["config.clock"] = difference(
            self.engine, "config.clock", "shown", "config.clock", self.models["config.clock"].column_names
        )
        clocks = ({"as_of": self.clock, "as_of_no": 1}, {"as_of": clock, "as_of_no": 1})
        run = Incremental(
            self.engine, self.models, self.built, create_schemas(self.engine, self.models),
            {**external, **changes}, {"config.clock": moved}, clocks,
        )  # fmt: skip
        ordered = order(self.models)
        steps = {model.name: run.bring(model) for model in ordered}
        self.clock = clock
        found = {model.name: sorted(self.engine.rows(f"FROM {model.name}"), key=repr) for model in ordered}
        self.engine.execute("CREATE SCHEMA IF NOT EXISTS state")
        checked.check(self.engine, ordered, run.changes)
        self.build()
        whole = {model.name: sorted(self.engine.rows(f"FROM {model.name}"), key=repr) for model in ordered}
        assert found == whole
        return steps, run.changes


@pytest.fixture
def store(engine: Engine, project: Project) -> Store:
    made = Store(engine, project)
    project.write("marts.counted", COUNTED, BY_KEY)
    made.build()
    rows = [(n, n % 10, n % 7, datetime(2026, 3, 1, 6)) for n in range(100)]
    made.add("raw.events", rows)
    made.add("raw.people", [(n, n, "x") for n in range(3)])
    made.build()
    return made


def test_what_nothing_happened_to_is_left_alone(store: Store) -> None:
    steps, changes = store.bring({})
    assert steps["marts.counted"].action == "unchanged"
    assert changes["marts.counted"].is_none


def test_rows_that_come_and_go_change_their_keys_alone(store: Store) -> None:
    # Account 3 has events 3, 13, … 93: ten of them; 13 goes, 200 and 201 come. Account 4 loses event 4.
    early = datetime(2026, 3, 1, 7)
    steps, changes = store.bring(store.add("raw.events", [(200, 3, 0, early), (201, 3, 6, early)], gone=[13, 4]))
    assert (steps["marts.counted"].action, steps["marts.counted"].keys) == ("restricted", 2)
    assert changes["marts.counted"].rows == 4  # the row of each account went and came
    assert store.engine.rows("SELECT events FROM marts.counted WHERE account IN (3, 4) ORDER BY account") == [
        (11,),
        (9,),
    ]


def test_a_change_that_makes_no_difference_ends_there(store: Store) -> None:
    early = datetime(2026, 3, 1, 8)
    # Event 5 is of person 5, who has no label, as person 6 has none: the counts of account 5 stay.
    steps, changes = store.bring(store.add("raw.events", [(300, 5, 6, early)], gone=[5]))
    assert (steps["marts.counted"].action, steps["marts.counted"].rows) == ("restricted", 0)
    assert changes["marts.counted"].is_none


def test_a_table_joined_by_equality_changes_the_keys_it_meets(store: Store) -> None:
    # Person 3 gets a label: the events of person 3 are 3, 10, 17, … 94, of every account.
    store.add("raw.events", [(400, 77, 50, datetime(2026, 3, 1, 5))])
    store.build()
    steps, _ = store.bring(store.add("raw.people", [(50, 50, "new")]))
    assert (steps["marts.counted"].action, steps["marts.counted"].keys) == ("restricted", 1)


def test_the_clock_changes_the_keys_it_passes(store: Store) -> None:
    store.add("raw.events", [(500, 2, 0, datetime(2026, 3, 1, 12, 30)), (501, 9, 0, datetime(2026, 3, 1, 14))])
    store.build()
    steps, changes = store.bring({}, LATER)
    assert (steps["marts.counted"].action, steps["marts.counted"].keys) == ("restricted", 1)
    assert changes["marts.counted"].rows == 2
    back, _ = store.bring({}, NOON)
    assert back["marts.counted"].keys == 1
    still, _ = store.bring({}, datetime(2026, 3, 1, 12, 10))
    assert still["marts.counted"].action == "unchanged"


@pytest.mark.parametrize(("accounts", "action"), [(5, "restricted"), (6, "rebuilt")])
def test_a_change_of_more_than_half_of_the_rows_builds_whole(store: Store, accounts: int, action: str) -> None:
    early = datetime(2026, 3, 1, 9)
    steps, _ = store.bring(store.add("raw.events", [(600 + n, n, 0, early) for n in range(accounts)]))
    assert steps["marts.counted"].action == action


@pytest.mark.parametrize(("share", "cells", "rows"), [(9, 1_000, 2), (10, 1_000, None), (9, 40, None)])
def test_a_large_model_of_which_most_keys_are_touched_by_few_rows_tells_which_rows_differ(
    store: Store, monkeypatch: pytest.MonkeyPatch, share: int, cells: int, rows: int | None
) -> None:
    # One event comes; the model has ten rows of four columns, of which one goes and one comes.
    monkeypatch.setattr(incremental, "COMPARED", 0)
    monkeypatch.setattr(incremental, "MOST", 0)
    monkeypatch.setattr(incremental, "SLIGHT", share)
    monkeypatch.setattr(incremental, "CELLS", cells)
    steps, changes = store.bring(store.add("raw.events", [(200, 3, 6, datetime(2026, 3, 1, 7))]))
    assert (steps["marts.counted"].action, steps["marts.counted"].rows) == ("rebuilt", rows)
    assert changes["marts.counted"].is_whole is (rows is None)


def test_a_table_nothing_is_known_of_builds_whole(store: Store) -> None:
    steps, _ = store.bring({"raw.events": WHOLE})
    assert steps["marts.counted"].action == "rebuilt"
    assert steps["marts.counted"].rows == 0


def test_a_new_definition_builds_whole_and_what_reads_it_follows_the_rows(store: Store, project: Project) -> None:
    project.write(
        "marts.most",
        "SELECT CAST(max(c.events) AS INTEGER) AS id FROM marts.counted AS c",
    )
    store.build()
    project.write("marts.counted", COUNTED.replace("count(p.label)", "count(p.label) * 2"), BY_KEY)
    steps, _ = store.bring({})
    assert (steps["marts.counted"].action, steps["marts.counted"].why) == ("rebuilt", "its definition changed")
    assert steps["marts.most"].action == "rebuilt"


def test_rows_of_a_linear_model_are_added_and_taken_away(store: Store, project: Project) -> None:
    project.write(
        "staging.labels",
        "SELECT CAST(p.id AS INTEGER) AS id, CAST(upper(p.label) AS VARCHAR) AS label FROM raw.people AS p "
        "WHERE p.label <> 'none'",
        "materialized: table\n",
    )
    store.build()
    steps, changes = store.bring(store.add("raw.people", [(60, 60, "a"), (61, 61, "none")], gone=[1]))
    assert (steps["staging.labels"].action, steps["staging.labels"].rows) == ("added", 2)
    assert changes["staging.labels"].rows == 2
    assert store.engine.rows("SELECT label FROM staging.labels ORDER BY id") == [("X",), ("X",), ("A",)]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (datetime(2026, 3, 1, 12, 30), datetime(2026, 3, 1, 11, 30)),  # the clock goes from 12 to 13: passed, and over
        (datetime(2026, 3, 1, 12, 30), datetime(2026, 3, 1, 15)),
        (datetime(2026, 3, 1, 14), datetime(2026, 3, 1, 15)),
        (datetime(2026, 3, 1, 11), datetime(2026, 3, 1, 11, 30)),
    ],
)
def test_what_went_from_a_linear_model_is_what_the_clock_then_had_let_in(
    store: Store, project: Project, was: datetime, becomes: datetime
) -> None:
    project.write(
        "marts.ahead",
        "SELECT CAST(e.id AS INTEGER) AS id, CAST(e.moment AS TIMESTAMP) AS moment FROM raw.events AS e "
        "CROSS JOIN config.clock AS c WHERE e.moment > c.as_of",
    )
    store.add("raw.events", [(500, 1, 1, was)])
    store.build()
    store.build()
    steps, _changes = store.bring(store.add("raw.events", [(500, 1, 1, becomes)], gone=[500]), LATER)
    assert steps["marts.ahead"].action == "added"
    ahead = [(500, becomes)] if becomes > LATER else []
    assert store.engine.rows("FROM marts.ahead") == ahead


def test_columns_may_be_named_by_schema_and_table(store: Store, project: Project) -> None:
    project.write(
        "marts.labels",
        "SELECT CAST(raw.people.id AS INTEGER) AS id FROM raw.people WHERE raw.people.label <> 'none'",
    )
    project.write(
        "marts.accounts",
        "SELECT CAST(raw.events.account AS INTEGER) AS account, CAST(count(p.id) AS INTEGER) AS people "
        "FROM raw.events LEFT JOIN raw.people AS p ON p.person = raw.events.person GROUP BY raw.events.account",
        "key: [account]\nincremental: [account]\n",
    )
    store.build()
    steps, _changes = store.bring(store.add("raw.people", [(60, 77, "a"), (61, 78, "none")]))
    assert (steps["marts.labels"].action, steps["marts.labels"].rows) == ("added", 1)
    steps, _changes = store.bring(store.add("raw.events", [(600, 3, 77, NOON)]))
    assert (steps["marts.accounts"].action, steps["marts.accounts"].keys) == ("restricted", 1)
    # its events 3, 13, ..., 93 are of persons 3, 6, 2, 5, 1, 4, 0, 3, 6, 2, of whom 0, 1 and 2 are known; and 77's
    assert store.engine.rows("SELECT people FROM marts.accounts WHERE account = 3") == [(5,)]


def test_a_view_hands_on_which_rows_changed(store: Store, project: Project) -> None:
    project.write(
        "staging.seen",
        "SELECT CAST(e.id AS INTEGER) AS id, CAST(e.account AS INTEGER) AS account FROM raw.events AS e",
    )
    project.write(
        "marts.per_account",
        "SELECT CAST(s.account AS INTEGER) AS id, CAST(s.account AS INTEGER) AS account, "
        "CAST(count(*) AS INTEGER) AS n FROM staging.seen AS s GROUP BY s.account",
        BY_KEY,
    )
    store.build()
    steps, _ = store.bring(store.add("raw.events", [(700, 8, 0, NOON)]))
    assert (steps["staging.seen"].action, steps["marts.per_account"].keys) == ("added", 1)


def test_a_check_looks_at_the_rows_that_came(store: Store, project: Project) -> None:
    project.write("marts.counted", COUNTED, f"{BY_KEY}accepted: {{labelled: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}\n")
    store.build()
    early = datetime(2026, 3, 1, 10)
    with pytest.raises(CheckFailed, match=r"labelled is an accepted value.*labelled=12"):
        # Persons 0, 1 and 2 have labels; account 0 has events 0, 10, … 90 of persons 0, 3, 6, 2, 5, 1, 4, 0, 3, 6:
        # four of them are labelled, and eight more come.
        store.bring(store.add("raw.events", [(800 + n, 0, 1, early) for n in range(8)]))


@pytest.mark.parametrize("key", ["[account]", "[id]"])
def test_a_key_that_is_there_twice_is_found_among_the_rows_of_the_changed_keys(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    # An account has a second row once it has more than ten events; its first one stays as it was.
    capped = COUNTED.replace("count(*) AS INTEGER", "least(count(*), 10) AS INTEGER")
    body = capped + "HAVING count(*) > 0 UNION ALL " + capped.replace("count(p.label)", "99") + "HAVING count(*) > 10\n"
    path = project.write("marts.counted", body, BY_KEY)
    path.write_text(path.read_text("utf-8").replace("key: [id]", f"key: {key}"), encoding="utf-8")
    store.build()
    monkeypatch.setattr(store, "build", lambda: None)  # which would find it too
    early = datetime(2026, 3, 1, 10)
    with pytest.raises(CheckFailed, match=r"is unique' found 1 bad row: .*=3, copies=2"):
        store.bring(store.add("raw.events", [(200, 3, 6, early)]))


@pytest.mark.parametrize("spelled", ["growth.counted", "GROWTH.counted", '"growth"."counted"', "growth . counted"])
def test_a_check_follows_the_tables_it_reads_wherever_they_lie_and_however_they_are_spelled(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    project.write("growth.counted", COUNTED, BY_KEY)
    guard = f"checks: [{{name: few, level: fail, sql: 'SELECT * FROM {spelled} WHERE events > 10'}}]\n"
    project.write("growth.guard", "SELECT CAST(c.as_of_no AS INTEGER) AS id FROM config.clock AS c", guard)
    store.build()
    monkeypatch.setattr(store, "build", lambda: None)  # which would find it too
    with pytest.raises(CheckFailed, match=r"growth\.guard: check 'few' found 1 bad row"):
        store.bring(store.add("raw.events", [(200, 3, 0, datetime(2026, 3, 1, 10))]))


def test_rows_of_a_large_table_are_looked_for_by_their_keys_first(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incremental, "LARGE", 0)
    early = datetime(2026, 3, 1, 7)
    steps, changes = store.bring(store.add("raw.events", [(200, 3, 0, early)], gone=[4]))
    assert (steps["marts.counted"].action, changes["marts.counted"].rows) == ("restricted", 4)
    assert store.engine.rows('SELECT count(*) FROM temp.main."places marts.counted"') == [(2,)]


def test_a_limit_by_the_clock_changes_all_rows_it_still_holds_back(store: Store) -> None:
    # Events 0 to 89 are of the morning: the clock never was their limit. 400 is of the afternoon, 401 of a day to come.
    query = """SELECT CAST(e.id AS INTEGER) AS id, CAST(least(e.moment, c.as_of) AS TIMESTAMP) AS seen_at
    FROM raw.events AS e CROSS JOIN config.clock AS c WHERE e.id < 90 OR e.id >= 400"""
    store.project.write("marts.seen", query, "incremental: [id]\n")
    store.build()
    store.add("raw.events", [(400, 1, 1, datetime(2026, 3, 1, 12, 30)), (401, 1, 1, datetime(2026, 3, 2))])
    store.build()
    steps, _changes = store.bring({}, LATER)
    assert (steps["marts.seen"].action, steps["marts.seen"].keys) == ("restricted", 2)
    assert store.engine.rows("SELECT id, seen_at FROM marts.seen WHERE id >= 400 ORDER BY id") == [
        (400, datetime(2026, 3, 1, 12, 30)),
        (401, LATER),
    ]
    steps, _changes = store.bring({}, NOON)  # back again
    assert store.engine.rows("SELECT DISTINCT seen_at FROM marts.seen WHERE id >= 400") == [(NOON,)]


def test_what_is_looked_up_through_another_table_changes_the_keys_behind_it(store: Store) -> None:
    store.project.write("raw.teams", "CREATE TABLE raw.teams (id INTEGER, label VARCHAR, team VARCHAR)\n")
    query = """SELECT CAST(e.account AS INTEGER) AS account, CAST(count(t.team) AS INTEGER) AS teams
    FROM raw.events AS e LEFT JOIN raw.people AS p ON p.id = e.account LEFT JOIN raw.teams AS t ON t.label = p.label
    GROUP BY e.account"""
    store.project.write("marts.teams", query, "key: [account]\nincremental: [account]\n")
    store.build()
    store.add("raw.people", [(3, 3, "y")])
    store.build()
    steps, _changes = store.bring(store.add("raw.teams", [(1, "y", "blue")]))
    assert (steps["marts.teams"].action, steps["marts.teams"].keys) == ("restricted", 1)
    assert store.engine.rows("SELECT account, teams FROM marts.teams WHERE teams > 0") == [(3, 10)]
    # Account 3 loses its label, account 4 gets one, and the team of the label is another.
    both = {**store.add("raw.people", [(4, 4, "y")], gone=[3]), **store.add("raw.teams", [(2, "y", "red")], gone=[1])}
    steps, _changes = store.bring(both)
    assert steps["marts.teams"].keys == 2
    assert store.engine.rows("SELECT account, teams FROM marts.teams WHERE teams > 0") == [(4, 10)]


def test_a_clock_that_passes_rows_looked_up_changes_the_keys_behind_them(store: Store) -> None:
    store.project.write("raw.visits", "CREATE TABLE raw.visits (id INTEGER, person INTEGER, moment TIMESTAMP)\n")
    query = """SELECT CAST(e.account AS INTEGER) AS account, CAST(count(v.id) AS INTEGER) AS visits
    FROM raw.events AS e CROSS JOIN config.clock AS c
    LEFT JOIN raw.visits AS v ON v.person = e.person AND v.moment < c.as_of GROUP BY e.account"""
    store.project.write("marts.visits", query, "key: [account]\nincremental: [account]\n")
    store.build()
    store.add("raw.events", [(500, 77, 77, datetime(2026, 3, 1))])
    store.add("raw.visits", [(1, 77, datetime(2026, 3, 1, 12, 30)), (2, 78, datetime(2026, 3, 1, 12, 30))])
    store.build()
    steps, _changes = store.bring({}, LATER)
    assert (steps["marts.visits"].action, steps["marts.visits"].keys) == ("restricted", 1)
    assert store.engine.rows("SELECT visits FROM marts.visits WHERE account = 77") == [(1,)]
