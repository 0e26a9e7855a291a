"""Configuration and clock as rows of the config.* tables, the only form in which models see them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialwise.clock import EPOCH, Clock, day_start
from trialwise.config import Config
from trialwise.config.events import EMAIL_ROLES, REPORT_PREFIX
from trialwise.config.milestones import milestones
from trialwise.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

FIRST_DAY = date(2000, 1, 1)
DAYS_AHEAD = 800  # a trial of 400 days and its horizon, seen from the clock
LAST_NUMBER = 400
# Never value events under value = "*": page and screen calls, and what e-mail and CRM services report by webhook.
PREFIXES = ("Viewed ", REPORT_PREFIX)


def tables(
    config: Config,
    clock: Clock,
    event_names: Iterable[tuple[int, str | None]],
    folder: Path,
) -> dict[str, pl.DataFrame]:
    """Rows of every config.* table that follows from trialwise.toml alone, by full table name.

    event_names: (event_key, event_name) as the loader gave them; folder: where relative paths of the file start.
    Segments, score rules and calibration have tables of their own making. Raises ConfigError.
    """
    import polars as pl

    names = [(key, name) for key, name in event_names if name is not None]
    features = [
        {"feature": key, "feature_bit": 1 << ordinal, "ordinal": ordinal} for ordinal, key in enumerate(config.features)
    ]
    reached = milestones(config)
    excluded = [
        {"domain": domain.lower().removeprefix("@"), "reason": reason}
        for reason, domains in (
            ("internal", config.exclude.internal_domains),
            ("competitor", config.exclude.competitor_domains),
            ("free_mail", config.exclude.free_mail_domains),
        )
        for domain in domains
    ]
    text = pl.String
    return {
        "config.clock": pl.DataFrame(
            [_clock_row(clock)], schema_overrides={"as_of_no": pl.Int32, "complete_no": pl.Int32}
        ),
        "config.calendar": calendar(clock.timezone, last_day(clock.as_of_date)),
        "config.numbers": pl.DataFrame({"n": list(range(LAST_NUMBER + 1))}, schema={"n": pl.Int32}),
        "config.parameters": pl.DataFrame([parameter_row(config)], infer_schema_length=1),
        "config.event_catalogue": _frame(
            _event_rows(config, names),
            {
                "event_key": pl.Int32,
                "event_name": text,
                "canonical_name": text,
                "is_value": pl.Boolean,
                "feature_bit": pl.Int64,
                "is_notable": pl.Boolean,
                "role": text,
            },
        ),
        "config.features": _frame(features, {"feature": text, "feature_bit": pl.Int64, "ordinal": pl.Int32}),
        "config.milestones": _frame(
            [{"milestone": key, "ordinal": ordinal} for ordinal, key in enumerate(reached)],
            {"milestone": text, "ordinal": pl.Int32},
        ),
        "config.event_milestones": _frame(
            [
                {"event_key": key, "milestone": milestone}
                for key, name in names
                for milestone, events in reached.items()
                if config.events.aliases.get(name, name) in events
            ],
            {"event_key": pl.Int32, "milestone": text},
        ),
        "config.attributes": _frame(
            [
                {"attribute": f"attr_{key}", "trait": item.trait, "subject": item.subject, "type": item.type}
                for key, item in config.attributes.items()
            ],
            {"attribute": text, "trait": text, "subject": text, "type": text},
        ),
        "config.excluded_domains": _frame(excluded, {"domain": text, "reason": text}),
        "config.excluded_users": _frame([{"user_id": user} for user in config.exclude.users], {"user_id": text}),
        "config.excluded_titles": _frame(
            [{"title": title.lower()} for title in config.exclude.titles], {"title": text}
        ),
        "config.customer_map": _frame(
            [{"customer_id": key, "account_id": value} for key, value in customer_map(config, folder).items()],
            {"customer_id": text, "account_id": text},
        ),
        "config.trial_plans": _frame([{"plan_id": plan} for plan in config.trials.freemium_plans], {"plan_id": text}),
    }


def parameter_row(config: Config) -> dict[str, int | str | None]:
    """The one row of config.parameters."""
    return {
        "trial_length_days": config.trials.length_days,
        "grace_days": config.conversion.grace_days,
        "collection_lag_hours": config.conversion.collection_lag_hours,
        "horizon_days": config.trials.horizon_days,
        "one_trial_hours": config.trials.one_trial_hours,
        "reentry_days": config.trials.reentry_days,
        "card_at_start_minutes": config.trials.card_at_start_minutes,
        "refund_days": config.conversion.refund_days,
        "cancelled_before_payment_hours": config.trials.cancelled_before_payment_hours,
        "freemium_days": config.trials.freemium_days,
        "streak_days": config.usage.streak_days,
        "events_per_day_cap": config.usage.events_per_day_cap,
        "features_total": len(config.features),
        "benchmark_events_per_day": config.usage.benchmark_events_per_day,
        "band_light": config.usage.band_light,
        "band_moderate": config.usage.band_moderate,
        "account_metadata_key": config.identity.account_metadata_key,
    }


def customer_map(config: Config, folder: Path) -> dict[str, str]:
    """The explicit customer -> account mapping, from the CSV that [identity] customer_map names, or empty.

    Raises ConfigError when the file is missing or lacks the columns customer_id and account_id.
    """
    if config.identity.customer_map is None:
        return {}
    path = folder / config.identity.customer_map
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"customer_id", "account_id"} - set(reader.fieldnames or ())
            if missing:
                raise ConfigError(
                    f"{path.name} has the columns {reader.fieldnames}, expected customer_id and account_id",
                    "Mend the header line of the file named by [identity] customer_map.",
                )
            return {row["customer_id"]: row["account_id"] for row in reader}
    except OSError as error:
        raise ConfigError(f"[identity] customer_map: {path} cannot be read: {error.strerror}") from error


def last_day(as_of_date: date) -> date:
    """The last day of the calendar: the end of a year, so that what follows from the calendar changes once a year."""
    return date((as_of_date + timedelta(days=DAYS_AHEAD)).year, 12, 31)


@cache
def calendar(timezone: str, until: date) -> pl.DataFrame:
    """Rows of config.calendar from 2000-01-01 up to and including `until`."""
    import polars as pl

    days = [FIRST_DAY + timedelta(days=n) for n in range((until - FIRST_DAY).days + 1)]
    starts = [day_start(day, timezone) for day in days] + [day_start(until + timedelta(days=1), timezone)]
    frame = pl.DataFrame({"day": days, "starts_at": starts[:-1], "ends_at": starts[1:]})
    return frame.select(
        "day",
        (pl.col("day") - pl.lit(EPOCH)).dt.total_days().cast(pl.Int32).alias("day_no"),
        "starts_at",
        "ends_at",
        pl.col("day").dt.truncate("1w").alias("week_start"),
        pl.col("day").dt.truncate("1mo").alias("month_start"),
        pl.col("day").dt.weekday().cast(pl.Int32).alias("iso_dow"),
        (pl.col("day").dt.weekday() <= 5).alias("is_business_day"),
    )


def _clock_row(clock: Clock) -> dict[str, Any]:
    as_of_no = (clock.as_of_date - EPOCH).days
    return {
        "as_of": clock.as_of,
        "known_at": clock.known_at,
        "as_of_date": clock.as_of_date,
        "as_of_no": as_of_no,
        "complete_no": as_of_no if clock.is_day_complete else as_of_no - 1,
        "is_day_complete": clock.is_day_complete,
    }


def _event_rows(config: Config, names: list[tuple[int, str]]) -> list[dict[str, Any]]:
    roles = {name: role for role, events in config.events.roles.model_dump().items() for name in events}
    bits: dict[str, int] = {}
    for ordinal, events in enumerate(config.features.values()):
        for event in events:
            bits[event] = bits.get(event, 0) | 1 << ordinal
    reaching = {event for events in milestones(config).values() for event in events}
    rows = []
    for key, name in names:
        canonical = config.events.aliases.get(name, name)
        role = EMAIL_ROLES.get(name) or roles.get(canonical)
        rows.append(
            {
                "event_key": key,
                "event_name": name,
                "canonical_name": canonical,
                "is_value": _is_value(config, canonical, role),
                "feature_bit": bits.get(canonical, 0),
                "is_notable": role is not None or canonical in reaching,
                "role": role,
            }
        )
    return rows


def _is_value(config: Config, name: str, role: str | None) -> bool:
    if config.events.value == "*":
        return role is None and not name.startswith(PREFIXES)
    return name in config.events.value


def _frame(rows: list[dict[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, schema=dict(schema), orient="row")
