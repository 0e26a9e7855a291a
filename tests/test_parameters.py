from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from trialwise.clock import clock_for
from trialwise.config import parse_config
from trialwise.config.milestones import declared_events
from trialwise.engines.duckdb import connect
from trialwise.errors import ConfigError
from trialwise.parameters import calendar, last_day, tables
from trialwise.transform.model import load_models

CLOCK = clock_for("UTC", "2026-01-31", "2026-02-05")


def test_every_table_fits_its_create_statement(tmp_path: Path) -> None:
    config = parse_config(
        {
            "events": {"value": ["Report Made"], "aliases": {"Report Built": "Report Made"}},
            "features": {"reports": ["Report Made"], "exports": ["Export", "Report Made"]},
            "attributes": {"size": {"trait": "employees", "type": "number"}},
            "exclude": {"internal_domains": ["@Example.com"], "titles": ["Student"], "users": ["u1"]},
            "trials": {"freemium_plans": ["price_free"]},
        }
    )
    names = [(0, None), (1, "Report Built"), (2, "Trial Started"), (3, "Viewed Pricing Page"), (4, "Export")]
    engine = connect()
    engine.execute("CREATE SCHEMA config")
    for model in load_models().values():
        if model.schema == "config":
            engine.execute(model.sql)
    for table, frame in tables(config, CLOCK, names, tmp_path).items():
        engine.append(table, frame)
    assert engine.rows("SELECT * FROM config.clock") == [
        (datetime(2026, 2, 1), datetime(2026, 2, 6), date(2026, 1, 31), 20484, 20484, True)
    ]
    assert engine.rows(
        "SELECT event_key, canonical_name, is_value, feature_bit, is_notable, role FROM config.event_catalogue "
        "ORDER BY event_key"
    ) == [
        (1, "Report Made", True, 3, False, None),
        (2, "Trial Started", False, 0, True, "trial_started"),
        (3, "Viewed Pricing Page", False, 0, True, None),
        (4, "Export", False, 2, False, None),
    ]
    assert engine.rows("SELECT * FROM config.event_milestones") == [(3, "pricing_viewed")]
    assert engine.rows("SELECT * FROM config.excluded_domains") == [("example.com", "internal")]
    assert engine.rows("SELECT attribute, type FROM config.attributes") == [("attr_size", "number")]
    assert engine.rows("SELECT features_total, trial_length_days, grace_days FROM config.parameters") == [(2, None, 30)]


def test_value_star_counts_what_has_no_other_role_and_is_no_page(tmp_path: Path) -> None:
    names = [(1, "Report Made"), (2, "Trial Started"), (3, "Viewed Home Page")]
    rows = tables(parse_config({}), CLOCK, names, tmp_path)["config.event_catalogue"]
    assert rows.get_column("is_value").to_list() == [True, False, False]


def test_what_a_webhook_reports_is_no_use_and_e_mail_events_have_their_role_whatever_the_file_says(
    tmp_path: Path,
) -> None:
    config = parse_config({"events": {"roles": {"email_clicked": ["Mail Clicked"], "sales_action": ["Email Replied"]}}})
    names = [
        (1, "Email Link Clicked"),
        (2, "Mail Clicked"),
        (3, "Email Replied"),
        (4, "Webhook: HubSpot Deal Creation"),
    ]
    rows = tables(config, CLOCK, names, tmp_path)["config.event_catalogue"]
    assert rows.get_column("role").to_list() == ["email_clicked", "email_clicked", "email_replied", None]
    assert rows.get_column("is_value").to_list() == [False, False, False, False]
    assert {"Email Link Clicked", "Mail Clicked", "Unsubscribed"} <= declared_events(config)


def test_the_last_complete_day_is_the_one_before_while_a_day_is_not_over(tmp_path: Path) -> None:
    rows = tables(parse_config({}), clock_for("UTC", "2026-01-31T10:00:00Z", None), [], tmp_path)["config.clock"]
    assert rows.select("as_of_no", "complete_no", "is_day_complete").row(0) == (20484, 20483, False)


@pytest.mark.parametrize(
    ("as_of_date", "last"),
    [
        (date(2026, 1, 1), date(2028, 12, 31)),  # 800 days on: 11 March 2028
        (date(2026, 10, 22), date(2028, 12, 31)),  # 30 December 2028
        (date(2026, 10, 24), date(2029, 12, 31)),  # 1 January 2029
    ],
)
def test_the_calendar_grows_by_whole_years(as_of_date: date, last: date) -> None:
    assert last_day(as_of_date) == last


def test_calendar_days_of_a_zone_meet_without_gap_or_overlap() -> None:
    frame = calendar("Europe/Berlin", date(2026, 12, 31))
    assert frame.get_column("starts_at").to_list()[1:] == frame.get_column("ends_at").to_list()[:-1]
    monday = frame.filter(frame.get_column("day") == date(2026, 3, 30)).row(0, named=True)
    assert monday == {
        "day": date(2026, 3, 30),
        "day_no": 20542,
        "starts_at": datetime(2026, 3, 29, 22),
        "ends_at": datetime(2026, 3, 30, 22),
        "week_start": date(2026, 3, 30),
        "month_start": date(2026, 3, 1),
        "iso_dow": 1,
        "is_business_day": True,
    }


def test_the_customer_map_is_read_and_its_faults_named(tmp_path: Path) -> None:
    config = parse_config({"identity": {"customer_map": "map.csv"}})
    with pytest.raises(ConfigError, match=r"customer_map: .*map\.csv cannot be read"):
        tables(config, CLOCK, [], tmp_path)
    (tmp_path / "map.csv").write_text("customer,account\ncus_1,acc_1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected customer_id and account_id"):
        tables(config, CLOCK, [], tmp_path)
    (tmp_path / "map.csv").write_text("\ufeffcustomer_id,account_id\ncus_1,acc_1\n", encoding="utf-8")
    assert tables(config, CLOCK, [], tmp_path)["config.customer_map"].rows() == [("cus_1", "acc_1")]
