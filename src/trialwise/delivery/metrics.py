"""Metrics: each is one SELECT in sql/metrics, run on a published generation under a named definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from trialwise.delivery.reader import Reader
from trialwise.engines.duckdb import EngineError, cause_of
from trialwise.errors import InputError, ModelError, NotFoundError, nearest

if TYPE_CHECKING:
    import polars as pl

METRIC_COLUMNS = (
    "metric", "definition", "version", "as_of", "known_at", "generation", "period_start", "period_end", "split_key",
    "split_value", "numerator", "denominator", "pending", "excluded", "value", "unit", "currency", "wilson_low",
    "wilson_high", "bound_low", "bound_high", "estimate", "is_final",
)  # fmt: skip
"""The contract; a change is a breaking change."""

POPULATIONS = ("first", "repeat", "add_on", "all", "freemium")
UNITS = ("day", "week", "month", "all")
DEFAULT_SEGMENT = "pql"


@dataclass(frozen=True)
class Options:
    """What a metric may be asked for.

    definition: one of the metric's, or None for all of them side by side. by: day, week, month or all (one row).
    population: first (trials), repeat, add_on, all or freemium. split: a dimension of marts.trial_splits.
    segment, at_day: split by membership at the end of that trial day (default half the trial); for pql_conversion the
    segment that qualifies. within_days: start_cohort's window in days, or "ever". grace_days: end_cohort's grace.
    net: drop conversions refunded in full. since, until: first and last local day of the periods shown.
    """

    definition: str | None = None
    by: str = "month"
    population: str = "first"
    split: str | None = None
    segment: str | None = None
    at_day: int | None = None
    within_days: int | Literal["ever"] | None = None
    grace_days: int | None = None
    net: bool = False
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Metric:
    """A shipped metric.

    definitions: their ids. takes: the options it takes besides definition, by, since and until. version: of its
    definitions, raised whenever one of them changes a number. files: the query of a definition that has its own.
    """

    definitions: tuple[str, ...]
    takes: frozenset[str]
    version: str = "1"
    files: Mapping[str, str] = field(default_factory=dict)


_EVERY = frozenset({"definition", "by", "since", "until"})
_COUNT = frozenset({"population", "split"})
METRICS = {
    "trial_conversion": Metric(
        ("start_cohort", "end_cohort", "rolling_ended", "rolling_flow", "status", "ever"),
        _COUNT | {"segment", "at_day", "within_days", "grace_days", "net"},
        files=dict.fromkeys(("rolling_ended", "rolling_flow"), "trial_conversion_rolling"),
    ),
    "new_trials": Metric(("started",), _COUNT),
    "active_trials": Metric(("at_period_end",), _COUNT),
    "trial_outcomes": Metric(("by_start",), frozenset({"population"})),
    "time_to_convert": Metric(("",), _COUNT | {"net"}),
    "pql_conversion": Metric(("",), frozenset({"population", "segment", "net"})),
    "stickiness": Metric(("dau_mau_28d",), frozenset()),
}
_ONLY_FOR = {"within_days": "start_cohort", "grace_days": "end_cohort"}


def options(**given: Any) -> Options:
    """Options by keyword; InputError with the nearest name for one that does not exist."""
    known = [one.name for one in fields(Options)]
    for name in given:
        if name not in known:
            raise InputError(f"no metric option '{name}'{nearest(name, known)}", f"Options: {', '.join(known)}.")
    return Options(**given)


def metrics(reader: Reader, name: str, asked: Options) -> pl.DataFrame:
    """The rows of one metric, with exactly METRIC_COLUMNS for the shipped ones.

    Raises NotFoundError for an unknown metric, InputError for an option it does not take or a value that is not there,
    ModelError naming the file and the cause when its query fails.
    """
    import polars as pl

    queries, known = reader.queries(), names(reader)
    if name not in known:
        raise NotFoundError(f"no metric '{name}'{nearest(name, known)}", f"Metrics: {', '.join(known)}.")
    metric = METRICS.get(name, Metric(("",), frozenset(_ONLY_FOR) | {one.name for one in fields(Options)}))
    _check(reader, name, metric, asked)
    chosen = metric.definitions if asked.definition is None else (asked.definition,)
    if asked.segment is not None:
        chosen = tuple(definition for definition in chosen if definition not in metric.files)
    frames = []
    for definition in chosen:
        path = queries[metric.files.get(definition, name)]
        parameters = _parameters(reader, metric, definition, asked)
        try:
            frames.append(reader.frame(path.read_text(encoding="utf-8"), parameters))
        except EngineError as error:
            hint = f"See {path}; a metric reads the published tables."
            raise ModelError(f"metric {name}: {cause_of(error)}", hint) from error
    return pl.concat(frames)


def overview(reader: Reader) -> pl.DataFrame:
    """The metrics there are: metric, its definitions, the options it takes besides by, since and until."""
    import polars as pl

    rows = [
        (name, ", ".join(filter(None, metric.definitions)), ", ".join(sorted(metric.takes)))
        for name, metric in ((name, METRICS.get(name, Metric(("",), frozenset()))) for name in names(reader))
    ]
    return pl.DataFrame(rows, ("metric", "definitions", "options"), orient="row")


def names(reader: Reader) -> list[str]:
    """Every metric that can be asked for, the user's own too."""
    parts = {file for metric in METRICS.values() for file in metric.files.values()}
    return sorted(reader.queries().keys() - parts)


def definition_id(definition: str, asked: Options) -> str:
    """The definition with every option that differs from the default, as `start_cohort(within_days=14)`.

    A number under another population or window is another number and must not pass for this one.
    """
    default = Options()
    said = []
    for option in ("within_days", "grace_days", "population", "net"):
        value = getattr(asked, option)
        if value != getattr(default, option) and _ONLY_FOR.get(option, definition) == definition:
            said.append(option if value is True else f"{option}={value}")
    return f"{definition}({', '.join(said)})" if said else definition


def _parameters(reader: Reader, metric: Metric, definition: str, asked: Options) -> dict[str, Any]:
    qualifies = "at_day" not in metric.takes
    segment = asked.segment or (DEFAULT_SEGMENT if qualifies and "segment" in metric.takes else None)
    identifier = definition_id(definition, asked)
    if qualifies and segment not in (None, DEFAULT_SEGMENT):
        identifier = f"{identifier}(segment={segment})"
    label = asked.split
    if asked.segment is not None and not qualifies:
        label = f"segment:{segment}@{'half' if asked.at_day is None else f'day {asked.at_day}'}"
    only_days = isinstance(asked.within_days, int)
    return {
        "definition": definition,
        "definition_id": identifier,
        "version": _version(reader, metric, segment),
        "generation": reader.number,
        "by": asked.by,
        "population": asked.population,
        "split_key": asked.split,
        "split_label": label,
        "segment": segment,
        "at_day": asked.at_day,
        "within_days": asked.within_days if only_days and definition == "start_cohort" else None,
        "ever": asked.within_days == "ever" and definition == "start_cohort",
        "grace_days": asked.grace_days,
        "net": asked.net,
        "from_date": asked.since,
        "to_date": asked.until,
    }


def _version(reader: Reader, metric: Metric, segment: str | None) -> str:
    if segment is None:
        return metric.version
    found = reader.engine.rows("SELECT version FROM marts.segments WHERE segment = $segment", {"segment": segment})
    if not found:
        known = [str(row[0]) for row in reader.engine.rows("SELECT segment FROM marts.segments ORDER BY ordinal")]
        raise InputError(f"no segment '{segment}'{nearest(segment, known)}", f"Segments: {', '.join(known) or 'none'}.")
    return f"{metric.version}+{segment}:{found[0][0]}"


def _check(reader: Reader, name: str, metric: Metric, asked: Options) -> None:
    default = Options()
    for option in (one.name for one in fields(Options)):
        if getattr(asked, option) != getattr(default, option) and option not in metric.takes | _EVERY:
            raise InputError(f"{name} takes no {option}", f"It takes {', '.join(sorted(metric.takes | _EVERY))}.")
    if asked.definition is not None:
        _one_of("definition", asked.definition, metric.definitions)
    _one_of("by", asked.by, UNITS)
    _one_of("population", asked.population, POPULATIONS)
    for option, definition in _ONLY_FOR.items():
        if getattr(asked, option) is not None and asked.definition not in (None, definition):
            raise InputError(f"{option} belongs to the definition {definition}, not to {asked.definition}")
    for option in ("within_days", "grace_days", "at_day"):
        value = getattr(asked, option)
        least = 0 if option == "grace_days" else 1
        if value is not None and value != "ever" and (not isinstance(value, int) or value < least):
            raise InputError(f"{option} is {value!r}, expected a whole number of days from {least} on")
    if asked.at_day is not None and asked.segment is None:
        raise InputError("at_day says when membership is read, but no segment is given", "Give --segment as well.")
    if asked.segment is not None and asked.definition in metric.files:
        raise InputError(
            f"{asked.definition} counts trials of different trial days in one window, so it has no split by segment",
            f"Ask for one of {', '.join(one for one in metric.definitions if one not in metric.files)}.",
        )
    if asked.split is not None and asked.segment is not None:
        raise InputError("split and segment are two ways to split; give one of them")
    if asked.since is not None and asked.until is not None and asked.until < asked.since:
        raise InputError(f"the period ends on {asked.until}, before it starts on {asked.since}")
    if asked.split is not None:
        rows = reader.engine.rows("SELECT DISTINCT split_key FROM marts.trial_splits ORDER BY split_key")
        if rows:
            _one_of("split", asked.split, [str(row[0]) for row in rows])


def _one_of(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"no {option} '{value}'{nearest(value, known)}", f"Expected one of {', '.join(known)}.")
