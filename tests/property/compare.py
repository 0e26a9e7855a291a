"""What the models say against what the oracles say; every difference names trial, fact and both values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.conversion_oracle import DEFINITIONS, Rate, conversion
from tests.oracle.trial import FACTS, Rules, Trial
from tests.property.world import World

Asked = Mapping[str, Any]
RATES: tuple[Asked, ...] = (
    *({"definition": name, "population": one} for name in DEFINITIONS for one in ("first", "all")),
    {"definition": "start_cohort", "population": "repeat"},
    {"definition": "end_cohort", "population": "add_on"},
    {"definition": "rolling_ended", "population": "repeat"},
    {"definition": "start_cohort", "by": "week", "population": "all"},
    {"definition": "rolling_flow", "by": "week", "population": "all"},
    {"definition": "start_cohort", "within_days": 3, "population": "all"},
    {"definition": "start_cohort", "within_days": 20},
    {"definition": "start_cohort", "within_days": "ever", "population": "all"},
    {"definition": "end_cohort", "grace_days": 0, "population": "all"},
    {"definition": "start_cohort", "net": True, "population": "all"},
    {"definition": "end_cohort", "net": True},
    {"definition": "rolling_ended", "net": True, "population": "all"},
)
"""Every definition by month, and its options and populations."""

TOLERANCE = 1e-9


def published_facts(trial: Trial) -> dict[str, object]:
    """The oracle's facts as they are published: ISO codes are upper case, a merged trial has no place."""
    facts = trial.facts()
    if trial.currency is not None:
        facts["currency"] = trial.currency.upper()
    if trial.outcome == "merged":
        facts["trial_number"] = None
    return facts


def fact_differences(world: World, trials: Iterable[Trial], facts: Iterable[str] = FACTS) -> list[str]:
    """Every cell of every trial that differs from intermediate.trials."""
    wanted = {trial.trial_id: published_facts(trial) for trial in trials}
    found = {row["trial_id"]: row for row in world.rows("intermediate.trials")}
    wrong = [f"{one} is missing" for one in wanted.keys() - found.keys()]
    wrong += [f"{one} is no trial" for one in found.keys() - wanted.keys()]
    for one in sorted(wanted.keys() & found.keys()):
        wrong += [
            f"{one} {name}: {found[one][name]} instead of {wanted[one][name]}"
            for name in facts
            if found[one][name] != wanted[one][name]
        ]
    return wrong


def rate_differences(
    world: World, trials: list[Trial], as_of: datetime, asked: Iterable[Asked] = RATES, rules: Rules | None = None
) -> list[str]:
    """Every cell of trial_conversion that differs: counts, value, interval, bounds, estimate, finality."""
    rules = rules or Rules()
    wrong = []
    for options in asked:
        definition = options["definition"]
        rates = {
            (rate.period_start, rate.period_end): rate
            for rate in conversion(trials, as_of=as_of, rules=rules, **options)
        }
        rows = {(row["period_start"], row["period_end"]): row for row in world.rates(**options)}
        name = ", ".join(f"{key}={value}" for key, value in options.items())
        wrong += [f"{name} {period} is missing" for period in rates.keys() - rows.keys()]
        for period, row in rows.items():
            rate = rates.get(period) or _empty(definition, period)
            for column, value in _expected(rate, as_of, rules).items():
                if not _same(row[column], value):
                    wrong.append(f"{name} {period[0]} {column}: {row[column]} instead of {value}")
    return wrong


def _empty(definition: str, period: tuple[date, date]) -> Rate:
    nobody: frozenset[str] = frozenset()
    return Rate(definition, period[0], period[1], nobody, nobody, nobody, nobody)


def _expected(rate: Rate, as_of: datetime, rules: Rules) -> dict[str, Any]:
    is_flow = rate.definition == "rolling_flow"
    low, high = rate.wilson or (None, None)
    bound_low, bound_high = (None, None) if is_flow else rate.bounds or (None, None)
    is_over = rules.end_of_day(rate.period_end - timedelta(days=1)) <= as_of
    return {
        "numerator": len(rate.numerator),
        "denominator": len(rate.denominator),
        "pending": len(rate.pending),
        "excluded": len(rate.excluded),
        "value": rate.value,
        "wilson_low": low,
        "wilson_high": high,
        "bound_low": bound_low,
        "bound_high": bound_high,
        "estimate": rate.estimate,
        "is_final": rate.is_final and is_over and rate.definition != "ever",
    }


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(found - wanted) < TOLERANCE
    return bool(found == wanted)


def sum_differences(world: World, trials: Iterable[Trial]) -> list[str]:
    """Months and populations in which the outcomes do not add up to the new trials, or not to the oracle's."""
    started: dict[date, int] = {}
    for trial in trials:
        month = trial.started_at.date().replace(day=1)
        started[month] = started.get(month, 0) + (trial.outcome != "merged")
    wrong = []
    for population in ("first", "repeat", "add_on", "all"):
        new = {row["period_start"]: row for row in world.metric("new_trials", population=population)}
        outcomes: dict[date, int] = {}
        for row in world.metric("trial_outcomes", population=population):
            outcomes[row["period_start"]] = outcomes.get(row["period_start"], 0) + row["numerator"]
        for month, row in new.items():
            if outcomes.get(month, 0) != row["numerator"]:
                wrong.append(f"{population} {month}: outcomes {outcomes.get(month, 0)}, new trials {row['numerator']}")
            if population == "all" and row["numerator"] != started.get(month, 0):
                wrong.append(f"{month}: {row['numerator']} new trials instead of {started.get(month, 0)}")
        wrong += [f"{population} {month} has outcomes and no new trials" for month in outcomes.keys() - new.keys()]
    return wrong
