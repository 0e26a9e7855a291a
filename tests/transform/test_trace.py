"""What a query shows of itself; where it cannot be told, nothing is claimed."""

from datetime import datetime

import pytest
from tests.transform.project import Project

from trialwise.transform.trace import Crossing, Lookup, Origin, Trace

EVENTS = "CREATE TABLE raw.events (id INTEGER, person INTEGER, at TIMESTAMP, name VARCHAR)\n"
PEOPLE = "CREATE TABLE raw.people (id INTEGER, person INTEGER, label VARCHAR)\n"
CLOCK = "CREATE TABLE config.clock (as_of TIMESTAMP, as_of_no INTEGER)\n"
AT = Origin("raw.events", "at")


def trace(project: Project, query: str) -> Trace:
    project.write("raw.events", EVENTS)
    project.write("raw.people", PEOPLE)
    project.write("config.clock", CLOCK)
    project.write("marts.x", query)
    models = project.models()
    return Trace(models["marts.x"], models)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e CROSS JOIN config.clock AS c WHERE e.at < c.as_of",
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e JOIN config.clock AS c ON c.as_of > e.at",
        """WITH k AS (SELECT s.* FROM raw.events AS s)
        SELECT CAST(k.id AS INTEGER) AS id, CAST(count(CASE WHEN k.at < c.as_of THEN 1 END) AS BIGINT) AS n
        FROM k CROSS JOIN config.clock AS c GROUP BY k.id""",
        """WITH k AS (SELECT s.id, s.at AS moment FROM raw.events AS s)
        SELECT CAST(k.id AS INTEGER) AS id FROM k CROSS JOIN config.clock AS c WHERE k.moment <= c.as_of""",
    ],
)
def test_a_plain_comparison_with_the_clock_is_a_crossing(project: Project, query: str) -> None:
    assert trace(project, query).clock_uses("config.clock") == ({"as_of"}, [Crossing(AT, "as_of")])


@pytest.mark.parametrize(
    "condition",
    [
        "e.at + INTERVAL 1 DAY < c.as_of",
        "coalesce(e.at, c.as_of) < c.as_of",
        "e.at < c.as_of - INTERVAL 1 MONTH",
        "e.at < c.as_of + INTERVAL 1 DAY",
        "e.at < c.as_of - (e.id * INTERVAL 1 DAY)",
        "e.at = c.as_of",
        "e.at < greatest(c.as_of, e.at)",
        "e.at < least(c.as_of, e.at, e.at)",
        "e.at < least(c.as_of, e.at + INTERVAL 1 DAY)",
    ],
)
def test_any_other_use_of_the_clock_tells_nothing(project: Project, condition: str) -> None:
    query = f"SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e CROSS JOIN config.clock AS c WHERE {condition}"
    assert trace(project, query).clock_uses("config.clock") == ({"as_of"}, None)


@pytest.mark.parametrize(
    "query",
    [
        # in the subquery e is another table, with an id of its own
        """SELECT CAST(EXISTS (SELECT 1 FROM raw.events AS e WHERE e.id < c.as_of_no) AS BOOLEAN) AS is_there
        FROM raw.people AS e CROSS JOIN config.clock AS c""",
        # the CTE's at is the id
        """WITH k (at, id) AS (SELECT s.id, s.at FROM raw.events AS s)
        SELECT CAST(k.id AS TIMESTAMP) AS id FROM k CROSS JOIN config.clock AS c WHERE k.at < c.as_of_no""",
        """SELECT CAST(k.id AS TIMESTAMP) AS id FROM raw.events AS k (at, person, id)
        CROSS JOIN config.clock AS c WHERE k.at < c.as_of_no""",
        """WITH k AS (SELECT e.id, e.at AS as_of FROM raw.events AS e)
        SELECT CAST(k.id AS INTEGER) AS id FROM k JOIN config.clock USING (as_of)""",
        """WITH k AS (SELECT e.id, e.at AS as_of FROM raw.events AS e)
        SELECT CAST(k.id AS INTEGER) AS id FROM k NATURAL JOIN config.clock""",
    ],
)
def test_names_that_mean_something_else_where_they_stand_tell_nothing(project: Project, query: str) -> None:
    read, crossings = trace(project, query).clock_uses("config.clock")
    assert read
    assert crossings is None


def test_nothing_is_followed_through_an_alias_that_renames_columns(project: Project) -> None:
    found = trace(
        project,
        """SELECT CAST(k.id AS INTEGER) AS id FROM raw.events AS k (person, id)
        JOIN raw.people AS p ON p.id = k.id""",
    )
    assert found.columns_read("raw.events") == {"id", "person", "at", "name"}
    assert found.lookup("raw.people", frozenset({"raw.events"})) is None
    assert not found.is_linear_in("raw.events")


def test_a_comparison_with_so_long_before_the_clock_is_a_crossing_too(project: Project) -> None:
    query = (
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e CROSS JOIN config.clock AS c "
        "WHERE e.at < c.as_of - INTERVAL 2 DAY"
    )
    crossing = Crossing(AT, "as_of", before="INTERVAL '2' DAY")
    assert trace(project, query).clock_uses("config.clock") == ({"as_of"}, [crossing])
    assert crossing.of(datetime(2026, 3, 1)) == "(CAST('2026-03-01 00:00:00' AS TIMESTAMP) - INTERVAL '2' DAY)"


@pytest.mark.parametrize("least", ["least(e.at, c.as_of)", "least(c.as_of, e.at)"])
def test_the_least_of_a_column_and_the_clock_is_a_limit(project: Project, least: str) -> None:
    query = (
        f"SELECT CAST(e.id AS INTEGER) AS id, CAST({least} AS TIMESTAMP) AS seen_at "
        "FROM raw.events AS e CROSS JOIN config.clock AS c"
    )
    assert trace(project, query).clock_uses("config.clock") == ({"as_of"}, [Crossing(AT, "as_of", is_limit=True)])


def test_a_comparison_made_twice_is_one_crossing(project: Project) -> None:
    query = (
        "SELECT CAST(e.id AS INTEGER) AS id, CAST(e.at < c.as_of AS BOOLEAN) AS is_past "
        "FROM raw.events AS e CROSS JOIN config.clock AS c WHERE e.at < c.as_of OR e.id = 1"
    )
    assert trace(project, query).clock_uses("config.clock") == ({"as_of"}, [Crossing(AT, "as_of")])


def test_a_column_worked_out_in_a_cte_is_no_column_of_the_table(project: Project) -> None:
    query = (
        "WITH k AS (SELECT s.id, max(s.at) AS at FROM raw.events AS s GROUP BY s.id) "
        "SELECT CAST(k.id AS INTEGER) AS id FROM k CROSS JOIN config.clock AS c WHERE k.at < c.as_of"
    )
    assert trace(project, query).clock_uses("config.clock") == ({"as_of"}, None)


def test_columns_read_of_a_table(project: Project) -> None:
    named = (
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e CROSS JOIN config.clock AS c WHERE e.id < c.as_of_no"
    )
    assert trace(project, named).columns_read("config.clock") == {"as_of_no"}
    starred = "WITH k AS (SELECT c.* FROM config.clock AS c) SELECT CAST(k.as_of_no AS INTEGER) AS id FROM k"
    assert trace(project, starred).columns_read("config.clock") == {"as_of", "as_of_no"}


JOINED = "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e {} JOIN raw.people AS p ON {}"


@pytest.mark.parametrize("side", ["", "LEFT"])
def test_a_table_joined_by_equality_is_a_lookup(project: Project, side: str) -> None:
    found = trace(project, JOINED.format(side, "p.label = e.name AND p.person = e.person AND p.id > e.id"))
    assert found.lookup("raw.people", frozenset({"raw.events"})) == [Lookup("label", Origin("raw.events", "name"))]


@pytest.mark.parametrize("condition", ["p.person > e.person", "p.person = e.person OR p.id = e.id", "p.id = p.person"])
def test_a_table_joined_in_another_way_is_none(project: Project, condition: str) -> None:
    assert trace(project, JOINED.format("LEFT", condition)).lookup("raw.people", frozenset({"raw.events"})) is None


@pytest.mark.parametrize(("kind", "is_one"), [("INTEGER", True), ("BIGINT", True), ("VARCHAR", False), ("DATE", False)])
def test_values_of_another_type_are_looked_up_nowhere(project: Project, kind: str, *, is_one: bool) -> None:
    """A comparison turns one into the other, a search among values does not."""
    project.write("raw.teams", f"CREATE TABLE raw.teams (person {kind})\n")
    query = "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e LEFT JOIN raw.teams AS t ON t.person = e.person"
    found = trace(project, query).lookup("raw.teams", frozenset({"raw.events"}))
    assert found == ([Lookup("person", Origin("raw.events", "person"))] if is_one else None)


def test_a_lookup_into_a_table_outside_is_none(project: Project) -> None:
    found = trace(project, JOINED.format("LEFT", "p.person = e.person"))
    assert found.lookup("raw.people", frozenset({"raw.other"})) is None


CHAINED = """SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e
JOIN raw.people AS p ON p.person = e.person LEFT JOIN raw.teams AS t ON {}"""


def test_a_table_joined_to_a_lookup_is_looked_up_through_it(project: Project) -> None:
    project.write("raw.teams", "CREATE TABLE raw.teams (label VARCHAR, team VARCHAR)\n")
    (found,) = trace(project, CHAINED.format("t.label = p.label")).lookup("raw.teams", frozenset({"raw.events"})) or []
    through = Lookup("person", Origin("raw.events", "person"))
    assert found == Lookup("label", Origin("raw.people", "label"), (through,))
    assert found.touched("SELECT 1", "id") == [
        'SELECT id FROM raw.events WHERE "person" IN (SELECT "person" FROM raw.people WHERE "label" IN (SELECT 1))'
    ]


def test_the_straight_way_is_taken_where_there_is_one(project: Project) -> None:
    project.write("raw.teams", "CREATE TABLE raw.teams (label VARCHAR, team VARCHAR)\n")
    query = CHAINED.format("t.label = p.label AND t.team = e.name")
    assert trace(project, query).lookup("raw.teams", frozenset({"raw.events"})) == [
        Lookup("team", Origin("raw.events", "name"))
    ]


def test_a_way_through_a_table_read_otherwise_is_none(project: Project) -> None:
    project.write("raw.teams", "CREATE TABLE raw.teams (label VARCHAR, team VARCHAR)\n")
    query = CHAINED.format("t.label = p.label") + " WHERE e.id IN (SELECT q.id FROM raw.people AS q)"
    assert trace(project, query).lookup("raw.teams", frozenset({"raw.events"})) is None


def test_tables_joined_to_each_other_alone_are_no_lookups(project: Project) -> None:
    project.write("raw.teams", "CREATE TABLE raw.teams (label VARCHAR, team VARCHAR)\n")
    query = (
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e JOIN raw.people AS p ON p.label = t.label "
        "JOIN raw.teams AS t ON t.label = p.label"
    )
    assert trace(project, query).lookup("raw.teams", frozenset({"raw.events"})) is None


def test_every_reading_of_a_table_has_to_be_a_lookup(project: Project) -> None:
    query = JOINED.format("", "p.person = e.person") + " WHERE e.id IN (SELECT q.id FROM raw.people AS q)"
    assert trace(project, query).lookup("raw.people", frozenset({"raw.events"})) is None


@pytest.mark.parametrize(
    "query",
    [
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e WHERE e.name <> 'x'",
        JOINED.format("", "p.person = e.person"),
        JOINED.format("LEFT", "p.person = e.person"),
        "WITH k AS (SELECT e.id, lower(e.name) AS name FROM raw.events AS e) SELECT CAST(k.id AS INTEGER) AS id FROM k",
    ],
)
def test_a_row_of_these_results_comes_of_one_row(project: Project, query: str) -> None:
    assert trace(project, query).is_linear_in("raw.events")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT CAST(e.id AS INTEGER) AS id, CAST(count(*) AS BIGINT) AS n FROM raw.events AS e GROUP BY e.id",
        "SELECT DISTINCT CAST(e.id AS INTEGER) AS id FROM raw.events AS e",
        "SELECT CAST(e.id AS INTEGER) AS id, CAST(row_number() OVER (ORDER BY e.at) AS INTEGER) AS n FROM raw.events e",
        "SELECT CAST(p.id AS INTEGER) AS id FROM raw.people AS p LEFT JOIN raw.events AS e ON e.person = p.person",
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e JOIN raw.events AS f ON f.person = e.person",
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.people AS e WHERE e.id IN (SELECT f.id FROM raw.events AS f)",
        """SELECT CAST(p.id AS INTEGER) AS id FROM raw.people AS p
        WHERE NOT EXISTS (SELECT 1 FROM raw.events AS e WHERE e.person = p.person)""",
        """WITH k AS (SELECT e.id FROM raw.events AS e)
        SELECT CAST(a.id AS INTEGER) AS id FROM k AS a JOIN k AS b ON b.id = a.id""",
        # the other side's rows would come with every addition
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events e UNION ALL SELECT CAST(p.id AS INTEGER) FROM raw.people p",
        "SELECT CAST(e.id AS INTEGER) AS id FROM raw.events AS e LIMIT 3",
        "SELECT CAST(unheard_of(e.id) AS INTEGER) AS id FROM raw.events AS e",
    ],
)
def test_a_row_of_these_results_may_come_of_more(project: Project, query: str) -> None:
    assert not trace(project, query).is_linear_in("raw.events")


@pytest.mark.parametrize(
    "told",
    [
        "CAST(hash(c.*) AS VARCHAR)",
        "CAST(hash(*COLUMNS(*)) AS VARCHAR)",
        "CAST(to_json(c) AS VARCHAR)",
        "CAST(c AS VARCHAR)",
        "CAST(struct_extract(c, 'as_of_no') AS VARCHAR)",
    ],
)
def test_a_row_read_as_a_value_is_all_of_its_columns(project: Project, told: str) -> None:
    found = trace(project, f"SELECT CAST(1 AS INTEGER) AS id, {told} AS told FROM config.clock AS c")
    assert found.clock_uses("config.clock") == ({"as_of", "as_of_no"}, None)
    assert found.columns_read("config.clock") == {"as_of", "as_of_no"}


@pytest.mark.parametrize("star", ["*", "c.*", "c.* EXCLUDE (as_of)"])
def test_a_star_may_stand_for_every_column_of_the_clock(project: Project, star: str) -> None:
    query = f"WITH k AS (SELECT {star} FROM config.clock AS c) SELECT CAST(k.as_of_no AS INTEGER) AS id FROM k"
    assert trace(project, query).clock_uses("config.clock") == ({"as_of", "as_of_no"}, None)


def test_counting_rows_reads_no_column_of_them(project: Project) -> None:
    assert trace(project, "SELECT CAST(count(*) AS INTEGER) AS id FROM config.clock AS c").clock_uses(
        "config.clock"
    ) == (set(), [])
