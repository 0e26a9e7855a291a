"""Cases as pytest tests: what passes, what fails, and how the failure reads."""

import datetime as dt
from pathlib import Path

import pytest
from tests.transform.project import Project

from trialwise.engines.duckdb import Engine
from trialwise.errors import ModelError
from trialwise.shipped import packaged_sql
from trialwise.transform.cases import PARAMETERS, CaseMismatch, Catalogue, coerce, diff, read_cases, run_case
from trialwise.transform.model import load_model

pytest_plugins = ["pytester"]

SIZES = """SELECT
  CAST(i.id AS BIGINT) AS id, -- the item
  CAST(sum(i.size) AS BIGINT) AS size, -- total size
  CAST(max(CASE WHEN 'each_milestone' = 'card' THEN i.size END) AS BIGINT) AS each_milestone_size -- of each_milestone
FROM raw.items AS i
GROUP BY i.id
"""


@pytest.fixture
def sizes(project: Project) -> Project:
    project.write("marts.sizes", SIZES)
    return project


def write_cases(project: Project, text: str, table: str = "marts/sizes") -> Path:
    path = project.root / "sql" / f"{table}.test.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run(path: Path, engine: Engine, number: int = 0) -> None:
    run_case(read_cases(path)[number], Catalogue.of(path), engine)


def test_cases_are_collected_with_their_names_and_rows(sizes: Project, pytester: pytest.Pytester) -> None:
    path = write_cases(
        sizes,
        """
cases:
  - name: sizes add up
    given: {raw.items: [{id: 1, size: 2}, {id: 1, size: 3}]}
    expect: [{id: 1, size: 5}]
  - name: wrong on purpose
    given: {raw.items: [{id: 1, size: 2}, {id: 2, size: 2}]}
    expect: [{id: 1, size: 3}, {id: 2, size: 2}]
  - name: misspelt
    given: {raw.items: [{idd: 1}]}
    expect: []
""",
    )
    result = pytester.runpytest_inprocess(
        "-p", "trialwise.transform.testing", "-v", "-p", "no:cacheprovider", str(path)
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*sizes.test.yaml::sizes add up PASSED*",
            "*sizes.test.yaml:6: wrong on purpose",
            "1 rows as expected, 1 missing (-), 1 not expected (+)",
            "   id  size",
            "-  1   3",
            "+  1   2",
            "misspelt: raw.items has no column idd; did you mean 'id'?",
        ]
    )


def test_a_bad_case_file_fails_the_collection(sizes: Project, pytester: pytest.Pytester) -> None:
    path = write_cases(sizes, "cases: [{nam: x, expect: []}]")
    result = pytester.runpytest_inprocess("-p", "trialwise.transform.testing", "-p", "no:cacheprovider", str(path))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unknown key 'nam'; did you mean 'name'?*"])


def test_an_error_that_is_no_mismatch_keeps_its_traceback(
    sizes: Project, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_cases(sizes, "cases: [{name: a, expect: []}]")
    monkeypatch.setattr("trialwise.transform.testing.connect", lambda **_: 1 / 0)
    result = pytester.runpytest_inprocess("-p", "trialwise.transform.testing", "-p", "no:cacheprovider", str(path))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_other_files_are_not_collected(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", plain="cases: []")
    result = pytester.runpytest_inprocess("-p", "trialwise.transform.testing", "-p", "no:cacheprovider")
    result.assert_outcomes()


def test_rows_are_a_multiset(sizes: Project, engine: Engine) -> None:
    project = sizes
    project.write("marts.all", "SELECT\n  CAST(i.size AS INTEGER) AS size -- size\nFROM raw.items AS i\n")
    path = write_cases(
        project,
        "cases: [{name: a, given: {raw.items: [{size: 1}, {size: 1}]}, expect: [{size: 1}]}]",
        "marts/all",
    )
    with pytest.raises(CaseMismatch, match=r"1 rows as expected, 0 missing \(-\), 1 not expected"):
        run(path, engine)


def test_expand_names_items_and_defaults_are_shared(sizes: Project, engine: Engine) -> None:
    path = write_cases(
        sizes,
        """
defaults: {given: {raw.items: [{id: 1, size: 7}]}}
cases:
  - {name: a, expand: {milestone: [card, demo]}, expect: [{id: 1, card_size: 7, demo_size: null}]}
""",
    )
    run(path, engine)


def test_without_items_the_columns_of_a_list_are_not_there(sizes: Project, engine: Engine) -> None:
    with pytest.raises(ModelError, match=r"marts.sizes has no column card_size"):
        run(write_cases(sizes, "cases: [{name: a, expect: [{card_size: 1}]}]"), engine)


def test_replacements_of_an_item_may_be_sql_and_numbers(project: Project, engine: Engine) -> None:
    project.write(
        "marts.points",
        "SELECT\n  CAST(i.id AS BIGINT) AS id, -- the item\n"
        "  CAST(least(i.each_rule_value, each_rule_limit) AS BIGINT) AS each_rule_points -- points\n"
        "FROM raw.items AS i\n",
    )
    path = write_cases(
        project,
        """
cases:
  - name: a
    expand: {each_rule: [{each_rule: big, each_rule_value: size * 2, each_rule_limit: 50}]}
    given: {raw.items: [{id: 1, size: 10}, {id: 2, size: 40}]}
    expect: [{id: 1, points_big: 20}, {id: 2, points_big: 50}]
""",
        "marts/points",
    )
    run(path, engine)


CONFIG = {
    "clock": (
        "as_of TIMESTAMP, known_at TIMESTAMP, as_of_date DATE, as_of_no INTEGER, complete_no INTEGER, "
        "is_day_complete BOOLEAN"
    ),
    "numbers": "n INTEGER",
    "calendar": (
        "day DATE, day_no INTEGER, starts_at TIMESTAMP, ends_at TIMESTAMP, week_start DATE, month_start DATE, "
        "iso_dow INTEGER, is_business_day BOOLEAN"
    ),
    "parameters": (
        "trial_length_days INTEGER, grace_days INTEGER, collection_lag_hours INTEGER, horizon_days INTEGER, "
        "one_trial_hours INTEGER, reentry_days INTEGER, card_at_start_minutes INTEGER, refund_days INTEGER, "
        "cancelled_before_payment_hours INTEGER, freemium_days INTEGER, streak_days INTEGER, "
        "events_per_day_cap INTEGER, features_total INTEGER, benchmark_events_per_day INTEGER, band_light INTEGER, "
        "band_moderate INTEGER, account_metadata_key VARCHAR"
    ),
}


@pytest.mark.parametrize(
    ("setting", "row"),
    [
        (
            "",
            (
                "as_of: 2026-07-01, known_at: 2026-07-01, as_of_date: 2026-06-30, as_of_no: 20634, complete_no: 20634, "
                "is_day_complete: true"
            ),
        ),
        (
            "clock: {as_of: 2026-03-01}",
            (
                "as_of: 2026-03-02, known_at: 2026-03-02, as_of_date: 2026-03-01, as_of_no: 20513, complete_no: 20513, "
                "is_day_complete: true"
            ),
        ),
        (
            "clock: {as_of: 2026-03-01T10:00:00+02:00, known_at: 2026-03-04}",
            (
                "as_of: 2026-03-01 08:00:00, known_at: 2026-03-05, as_of_date: 2026-03-01, as_of_no: 20513, "
                "complete_no: 20512, is_day_complete: false"
            ),
        ),
    ],
)
def test_the_clock(project: Project, engine: Engine, setting: str, row: str) -> None:
    columns = CONFIG["clock"]
    project.write("config.clock", f"CREATE TABLE config.clock ({columns})\n")
    selected = ",\n".join(f"CAST(c.{name} AS {kind}) AS {name}" for name, kind in map(str.split, columns.split(", ")))
    project.write("marts.now", f"SELECT {selected} FROM config.clock AS c\n")
    case = f"cases:\n  - name: a\n    {setting}\n    expect: [{{{row}}}]\n"
    run(write_cases(project, case, "marts/now"), engine)


def test_calendar_numbers_and_parameters_have_rows(project: Project, engine: Engine) -> None:
    for table, columns in CONFIG.items():
        project.write(f"config.{table}", f"CREATE TABLE config.{table} ({columns})\n")
    project.write(
        "marts.counts",
        "SELECT\n  CAST(count(*) AS BIGINT) AS days, -- days\n"
        "  CAST(sum(CASE WHEN c.is_business_day THEN 0 ELSE 1 END) AS BIGINT) AS weekend, -- days off\n"
        "  CAST(max(n.n) AS BIGINT) AS numbers, -- last number\n"
        "  CAST(max(p.grace_days) AS BIGINT) AS grace, -- days\n"
        "  CAST(max(p.trial_length_days) AS BIGINT) AS length -- days\n"
        "FROM config.calendar AS c\nCROSS JOIN config.numbers AS n\nCROSS JOIN config.parameters AS p\n"
        "WHERE n.n = 400 AND c.week_start = DATE '2026-02-23' AND c.month_start = DATE '2026-03-01'\n",
    )
    # the week of Monday 23 February 2026 has one day in March, a Sunday
    path = write_cases(
        project,
        "cases: [{name: a, parameters: {grace_days: 5}, "
        "expect: [{days: 1, weekend: 1, numbers: 400, grace: 5, length: null}]}]",
        "marts/counts",
    )
    run(path, engine)
    assert engine.rows("SELECT count(*), max(day) FROM config.calendar") == [(365 * 5 + 1, dt.date(2027, 12, 31))]


def test_the_default_parameters_are_those_of_the_table() -> None:
    table = load_model(packaged_sql() / "config" / "parameters.sql")
    assert set(PARAMETERS) == set(table.column_names)


def test_arguments_are_the_parameters_of_a_query(project: Project, engine: Engine) -> None:
    project.write(
        "metrics.above", "SELECT\n  CAST(i.id AS BIGINT) AS id -- item\nFROM raw.items AS i\nWHERE i.size > $least\n"
    )
    path = write_cases_for_metric(project)
    run(path, engine)


def write_cases_for_metric(project: Project) -> Path:
    return write_cases(
        project,
        "cases: [{name: a, arguments: {least: 3}, "
        "given: {raw.items: [{id: 1, size: 3}, {id: 2, size: 4}]}, expect: [{id: 2}]}]",
        "metrics/above",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cases: [", "no YAML"),
        ("[]", "expected `cases:` with a list of cases"),
        ("defaults: {givn: {}}\ncases: []", "defaults: unknown key 'givn'; did you mean 'given'?"),
        ("cases: [{name: a, expect: [], clock: {asof: 2026-01-01}}]", "a: clock: unknown key 'asof'"),
        ("cases: [{name: a, expect: []}, {name: a, expect: []}]", "two cases are named 'a'"),
        ("cases: [{name: a, expect: 3}]", "case 'a': expect: Input should be a valid list"),
    ],
)
def test_a_bad_file_says_why(sizes: Project, text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_cases(write_cases(sizes, text))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "{name: a, given: {raw.item: []}, expect: []}",
            "a: marts.sizes does not read raw.item; did you mean 'raw.items'?",
        ),
        ("{name: a, expect: [{sise: 1}]}", "a: expect: marts.sizes has no column sise; did you mean 'size'?"),
        ("{name: a, given: {raw.items: [{id: many}]}, expect: []}", "a: a given row of raw.items does not fit: "),
    ],
)
def test_a_bad_case_says_why(sizes: Project, engine: Engine, case: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        run(write_cases(sizes, f"cases: [{case}]"), engine)
    assert caught.value.message.startswith(message)


def test_models_that_cannot_be_tested(project: Project, engine: Engine) -> None:
    with pytest.raises(ModelError, match=r"raw.items is an external table and has no query to test"):
        run(write_cases(project, "cases: [{name: a, expect: []}]", "raw/items"), engine)
    (project.root / "sql" / "marts").mkdir()
    with pytest.raises(ModelError, match=r"no model marts.nothing"):
        run(write_cases(project, "cases: [{name: a, expect: []}]", "marts/nothing"), engine)
    project.write("marts.loose", "SELECT i.id FROM raw.items AS i\n")
    project.write("marts.x", "SELECT\n  CAST(l.id AS BIGINT) AS id -- item\nFROM marts.loose AS l\n")
    with pytest.raises(ModelError, match=r"marts.loose: column id has no CAST in the last SELECT"):
        run(write_cases(project, "cases: [{name: a, expect: []}]", "marts/x"), engine)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, "UUID", None),
        (7, "UUID", "00000000-0000-0000-0000-000000000007"),
        ({"a": [1]}, "VARCHAR", '{"a": [1]}'),
        ("2026-01-31T10:00:00+01:00", "TIMESTAMP", dt.datetime.fromisoformat("2026-01-31T09:00:00")),
        (dt.date(2026, 1, 31), "TIMESTAMP", dt.datetime.fromisoformat("2026-01-31T00:00:00")),
        ("x", "VARCHAR", "x"),
    ],
)
def test_values_take_the_type_of_their_column(value: object, kind: str, expected: object) -> None:
    found = coerce(value, kind)
    assert (str(found) if kind == "UUID" and found is not None else found) == expected


def test_floats_are_compared_to_nine_digits() -> None:
    assert diff(["x"], [(0.3,)], [(0.1 + 0.2,)]) == ""
    assert diff(["x"], [(0.3,)], [(0.3001,)]) != ""
