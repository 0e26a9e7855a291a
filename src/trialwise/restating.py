"""Published numbers that are no longer the same: which of them were restated, and what explains it.

A number is restated when it was final and is another one now, or when it was not and leaves what its bounds promised:
the denominator stays, and of what is pending each one counts or does not. Moving inside of the bounds is what pending
numbers do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import isclose
from pathlib import Path
from typing import Any

from sqlglot import exp

from trialwise.delivery.metrics import DEFAULT_SEGMENT, METRICS
from trialwise.engines.duckdb import Engine, EngineError
from trialwise.history import Key, Last, Number, Record, Restated

TRIALS_NAMED = 20
"""Trials kept of what is behind a restated number."""
_NEVER_FINAL = frozenset({"ever"})
"""Definitions that any later payment may raise."""
_CHANGES_SHOWN = 4
_ROUNDING = 1e-12
"""Share of a value within which another one is the same number."""
LEFT_OUT = {
    "dropped": "product events were dropped, as [landing] keep_event_days asks",
    "forgotten": "somebody was forgotten",
}
"""Why records that were loaded once are no longer: cause and text."""
BY_DAY = "intermediate.trial_days"
"""The table that what follows is about: usage by day, scores, segments."""
STAYS = "marts.memberships"
"""The table of trials' stays in segments, which late usage moves while marts.trials stays as it is."""
_OF_DAYS = frozenset({"usage", "features", "milestones", "attributes", "segments", "score"})
"""Sections of the configuration that matter to that table alone."""


@dataclass(frozen=True)
class Basis:
    """What was published before: the last load of its records, what stands for the records left out until then (by the
    cause, as in LEFT_OUT), its definitions, and its file where it is still there; numbers it showed that are on no
    record, and what their record would be.
    """

    last_load: int | None = None
    left_out: Mapping[str, str] | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    generation: int | None = None
    unrecorded: Sequence[Number] = ()
    record: Record | None = None


@dataclass(frozen=True)
class Candidate:
    """A published number by its id, and the number in its place; is_recorded as in `Last`."""

    old_id: int
    old: Number
    new: Number
    is_recorded: bool = True


@dataclass(frozen=True)
class Compared:
    """New numbers against the published ones: those to be added as they are, those restated, and those that move inside
    of their bounds on a day that has a number of theirs.
    """

    plain: tuple[Number, ...]
    restated: tuple[Candidate, ...]
    unrecorded: tuple[Number, ...] = ()


def compare(
    numbers: Mapping[str, Sequence[Number]],
    published: Mapping[Key, Last],
    day: date,
    redefined: Collection[str] = (),
) -> Compared:
    """What of all numbers of some metrics is new, and what is no longer what was published.

    numbers: by metric. day: the reporting day they are of; a number that is not final is added once a day at most, and
    one that is there again after it was gone is held against what it was before. redefined: metrics whose definition is
    another one.
    """
    plain: list[Number] = []
    restated: list[Candidate] = []
    unrecorded: list[Number] = []
    there = {number.key: number for some in numbers.values() for number in some}
    for key, number in there.items():
        last = published.get(key)
        if last is None:
            plain.append(number)
            continue
        old = last.number
        if _is_as(old, number) and last.is_recorded and not last.is_gone:
            continue
        if is_restated(old, number, is_redefined=number.metric in redefined):
            restated.append(Candidate(last.number_id, old, number, last.is_recorded))
        elif number.is_final or old.is_final or last.is_gone or last.day < day:
            plain.append(number)
        else:
            unrecorded.append(number)
    for key, last in published.items():
        old = last.number
        if old.metric in numbers and key not in there and not last.is_gone:
            gone = Number(*key, old.version, None, None, None, None, old.unit, is_final=old.is_final, is_gone=True)
            if old.is_final or old.unit == "rate":
                restated.append(Candidate(last.number_id, old, gone, last.is_recorded))
            else:
                plain.append(gone)
    return Compared(tuple(plain), tuple(restated), tuple(unrecorded))


def with_unrecorded(recorded: Mapping[Key, Last], shown: Sequence[Number]) -> dict[Key, Last]:
    """What was published last: as recorded, or what was shown later the same day and is on no record."""
    later = {
        number.key: replace(last, number=number, is_recorded=False)
        for number in shown
        if (last := recorded.get(number.key)) is not None and not last.is_gone and not _is_as(last.number, number)
    }
    return {**recorded, **later}


def is_restated(old: Number, new: Number, *, is_redefined: bool = False) -> bool:
    """Whether a number is another one than what was published promised."""
    if (old.numerator, old.denominator) == (new.numerator, new.denominator) and _is_same(old.value, new.value):
        return False
    if old.is_final or is_redefined or old.version != new.version:
        return True
    if old.unit != "rate" or old.numerator is None or new.numerator is None:
        return False
    if old.denominator != new.denominator or new.numerator < old.numerator:
        return True
    if old.definition.partition("(")[0] in _NEVER_FINAL:
        return False
    return new.numerator > old.numerator + (old.pending or 0)


def _is_as(old: Number, new: Number) -> bool:
    return new.said == old.said or (
        _is_same(old.value, new.value) and replace(new, value=None).said == replace(old, value=None).said
    )


def _is_same(old: float | None, new: float | None) -> bool:
    """Whether two values are one: the last digits of a mean of fractions hang on the order they were added in."""
    return old == new or (old is not None and new is not None and isclose(old, new, rel_tol=_ROUNDING))


def explained(
    store: Engine,
    found: Sequence[Candidate],
    basis: Basis,
    context: Mapping[str, Any],
    *,
    left_out: Mapping[str, str],
    upstream: Mapping[str, Collection[str]],
) -> list[Restated]:
    """Why each number is another one, as far as it can be derived: definitions, trials that changed, late records.

    store: holds the tables as they are now, outside a transaction. left_out: what stands for the records left out by
    now, by the cause. upstream: of each metric, the tables behind it.
    Where several things changed at once all of them are told: what each did by itself is not worked out.
    """
    facts = _facts(store, found, basis, upstream)
    restated = []
    for place, one in enumerate(found):
        said = _definitions(one, basis.context, context, upstream.get(one.old.metric, ()))
        said += facts.said(place, said[-1][0] if said else None)
        if basis.left_out is not None:
            said += [(cause, text) for cause, text in LEFT_OUT.items() if left_out[cause] != basis.left_out[cause]]
        if not said:
            said.append(("unknown", "nothing was found that explains it"))
        causes = tuple(dict.fromkeys(cause for cause, _ in said))
        restated.append(
            Restated(one.new, one.old_id, causes, "; ".join(text for _, text in said), tuple(facts.trials[place]))
        )
    return restated


Said = list[tuple[str, str]]


def _definitions(one: Candidate, old: Mapping[str, Any], new: Mapping[str, Any], upstream: Collection[str]) -> Said:
    """What differs between the definitions of before and now, of what the number depends on."""
    said: Said = []
    if one.old.version != one.new.version and not one.new.is_gone:
        said.append(("definition", f"definition: version {one.old.version} -> {one.new.version}"))
    if not old:
        return said
    was, now = old.get("settings", {}), new.get("settings", {})
    settings = _settings(was, now, upstream)
    if settings:
        told = [f"{name} {was.get(name, 'unset')} -> {now.get(name, 'unset')}" for name in settings]
        said.append(("settings", f"settings: {_some(told)}"))
    models = [name for name in _different(old.get("models", {}), new.get("models", {})) if name in upstream]
    if old.get("metrics", {}).get(one.old.metric) != new.get("metrics", {}).get(one.old.metric):
        models.insert(0, f"metrics.{one.old.metric}")
    if models:
        said.append(("definition", f"models that changed: {_some(models)}"))
    versions = old.get("calibration"), new.get("calibration")
    if versions[0] != versions[1] and "config.calibration" in upstream:
        said.append(("calibration", f"calibration: version {versions[0]} -> {versions[1]}"))
    return said


def redefined(old: Mapping[str, Any], new: Mapping[str, Any], upstream: Mapping[str, Collection[str]]) -> set[str]:
    """The metrics behind which a definition changed."""
    if not old:
        return set()
    changed = set(_different(old.get("models", {}), new.get("models", {})))
    queries = set(_different(old.get("metrics", {}), new.get("metrics", {})))
    was, now = old.get("settings", {}), new.get("settings", {})
    return {
        metric
        for metric, tables in upstream.items()
        if metric in queries or changed & set(tables) or _settings(was, now, tables)
    }


def _settings(old: Mapping[str, str], new: Mapping[str, str], upstream: Collection[str]) -> list[str]:
    """The settings that changed, of those that can matter to what depends on these tables."""
    changed = _different(old, new)
    if BY_DAY in upstream:
        return changed
    return [name for name in changed if name.partition(".")[0] not in _OF_DAYS]


def _different(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _some(told: Sequence[str], most: int = _CHANGES_SHOWN) -> str:
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return f"{', '.join(told[:most])}{more}"


@dataclass
class _Facts:
    """By the place of a candidate: trials (the first few), how many changed in which way, and late records of them.

    loaded: records loaded since by source, of whomever. is_compared: whether the trials of before could be looked at.
    """

    trials: dict[int, list[tuple[str, str, str]]]
    changes: dict[int, dict[str, int]]
    late: dict[int, list[tuple[str, str, int]]]
    loaded: Mapping[str, int]
    is_compared: bool = False

    def said(self, place: int, cause: str | None) -> Said:
        """What facts explain; `cause` is the definitions' own, which trials that changed follow from."""
        said: Said = []
        changes = dict(self.changes[place])
        for change, name, text in (
            ("merged", "merge", "merged into another"),
            ("another account", "merge", "of another account now"),
            ("gone", "removed", "gone"),
        ):
            count = changes.pop(change, 0)
            if count:
                said.append((name, f"{_counted(count, 'trial')} {text}"))
        late = self.late[place]
        if late:
            by_source: dict[str, int] = defaultdict(int)
            for source, _, count in late:
                by_source[source] += count
            kinds = sorted({what for _, what, _ in late if what})
            told = _some([_counted(count, f"{source} record") for source, count in sorted(by_source.items())])
            said.append(("late_facts", f"late facts: {told}{f' ({_some(kinds)})' if kinds else ''}"))
        elif cause is None and (changes or not self.is_compared) and any(self.loaded.values()):
            told = _some([_counted(n, f"{source} record") for source, n in sorted(self.loaded.items()) if n])
            said.append(("late_facts", f"late facts, among {told} loaded since"))
        if changes:
            told = _some([f"{change} {count}x" for change, count in sorted(changes.items())])
            text = f"{_counted(sum(changes.values()), 'trial')} of it changed: {told}"
            if said:
                said.append((said[-1][0], text))
            else:
                said.append(("time", f"nothing was loaded since; {text}") if cause is None else (cause, text))
        return said


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


_BEFORE = "published_before"
_CHANGED = """
CREATE OR REPLACE TEMP TABLE changed_trials AS
SELECT coalesce(n.trial_id, o.trial_id) AS trial_id, coalesce(n.account_id, o.account_id) AS account_id,
    o.account_id AS old_account_id, coalesce(n.stripe_customer_id, o.stripe_customer_id) AS customer_id,
    o.start_date AS old_start, n.start_date AS new_start, o.effective_end_date AS old_end,
    n.effective_end_date AS new_end, o.converted_date AS old_converted, n.converted_date AS new_converted,
    o.outcome_date AS old_outcome, n.outcome_date AS new_outcome,
    CASE WHEN o.trial_id IS NULL THEN 'new'
        WHEN n.trial_id IS NULL THEN 'gone'
        WHEN n.outcome = 'merged' AND o.outcome <> 'merged' THEN 'merged'
        WHEN n.account_id <> o.account_id THEN 'another account'
        WHEN n.outcome <> o.outcome THEN concat(o.outcome, ' -> ', n.outcome)
        WHEN n.is_refunded AND NOT o.is_refunded THEN 'refunded'
        WHEN o.is_refunded AND NOT n.is_refunded THEN 'no longer refunded'
        WHEN n.population <> o.population THEN concat(o.population, ' -> ', n.population)
        WHEN n.start_date <> o.start_date THEN 'start moved'
        WHEN n.converted_at IS DISTINCT FROM o.converted_at THEN 'conversion moved'
        WHEN n.effective_end_at IS DISTINCT FROM o.effective_end_at THEN 'end moved'
        ELSE 'other facts' END AS change
FROM published_before.marts.trials AS o
FULL JOIN marts.trials AS n ON n.trial_id = o.trial_id
WHERE o.trial_id IS NULL OR n.trial_id IS NULL
    OR (n.account_id, n.outcome, n.population, n.start_date, n.converted_at, n.effective_end_at, n.is_refunded,
        n.outcome_at, n.active_status_at, n.ever_paid_at)
    IS DISTINCT FROM (o.account_id, o.outcome, o.population, o.start_date, o.converted_at, o.effective_end_at,
        o.is_refunded, o.outcome_at, o.active_status_at, o.ever_paid_at)
"""
_NO_TRIALS = """
CREATE OR REPLACE TEMP TABLE changed_trials AS
SELECT trial_id, account_id, account_id AS old_account_id, stripe_customer_id AS customer_id, start_date AS old_start,
    start_date AS new_start, start_date AS old_end, start_date AS new_end, start_date AS old_converted,
    start_date AS new_converted, start_date AS old_outcome, start_date AS new_outcome, 'new' AS change
FROM marts.trials LIMIT 0
"""
_TOUCHED = """
CREATE OR REPLACE TEMP TABLE touched_trials AS
SELECT r.place, c.trial_id, c.account_id, c.old_account_id, c.customer_id, c.change
FROM restated_numbers AS r
JOIN changed_trials AS c ON CASE r.kind
    WHEN 'start' THEN c.old_start BETWEEN r.first AND r.last OR c.new_start BETWEEN r.first AND r.last
    WHEN 'end' THEN c.old_end BETWEEN r.first AND r.last OR c.new_end BETWEEN r.first AND r.last
    WHEN 'ended' THEN c.old_converted BETWEEN r.first AND r.last OR c.new_converted BETWEEN r.first AND r.last
        OR c.old_outcome BETWEEN r.first AND r.last OR c.new_outcome BETWEEN r.first AND r.last
    WHEN 'flow' THEN c.old_converted BETWEEN r.first AND r.last OR c.new_converted BETWEEN r.first AND r.last
        OR c.old_start BETWEEN r.first AND r.last OR c.new_start BETWEEN r.first AND r.last
    WHEN 'running' THEN (c.old_start <= r.last AND coalesce(c.old_end >= r.last, TRUE))
        OR (c.new_start <= r.last AND coalesce(c.new_end >= r.last, TRUE))
    WHEN 'activity' THEN FALSE
    ELSE (c.old_start <= r.last AND coalesce(c.old_end >= r.first, TRUE))
        OR (c.new_start <= r.last AND coalesce(c.new_end >= r.first, TRUE)) END
"""
_MOVED = """
CREATE OR REPLACE TEMP TABLE moved_stays AS
WITH moved AS (  -- from the first to the last day on which a trial is in a segment by one generation alone
    SELECT coalesce(n.trial_id, o.trial_id) AS trial_id, coalesce(n.segment, o.segment) AS segment,
        max(n.account_id) AS account_id, max(o.account_id) AS old_account_id,
        min(CASE WHEN o.trial_id IS NULL OR n.trial_id IS NULL THEN coalesce(n.entered_on, o.entered_on)
            ELSE least(n.left_on, o.left_on) END) AS first,
        max(CASE WHEN (o.trial_id IS NOT NULL AND o.left_on IS NULL) OR (n.trial_id IS NOT NULL AND n.left_on IS NULL)
            THEN DATE 'infinity' ELSE greatest(n.left_on, o.left_on) END) AS last
    FROM published_before.marts.memberships AS o
    FULL JOIN marts.memberships AS n
        ON n.trial_id = o.trial_id AND n.segment = o.segment AND n.entered_on = o.entered_on
    WHERE o.trial_id IS NULL OR n.trial_id IS NULL OR n.left_on IS DISTINCT FROM o.left_on
    GROUP BY ALL
),
old_entries AS (
    SELECT trial_id, segment, min(entered_on) AS day FROM published_before.marts.memberships GROUP BY trial_id, segment
),
new_entries AS (SELECT trial_id, segment, min(entered_on) AS day FROM marts.memberships GROUP BY trial_id, segment)
SELECT m.trial_id, m.segment, coalesce(m.account_id, t.account_id, m.old_account_id) AS account_id, m.old_account_id,
    t.stripe_customer_id AS customer_id, t.start_date AS start, t.effective_end_date AS ends, m.first, m.last,
    o.day AS old_entry, n.day AS new_entry, o.day IS DISTINCT FROM n.day AS is_entry_moved,
    CASE WHEN t.trial_id IS NULL THEN 'gone' ELSE 'segment days moved' END AS change
FROM moved AS m
LEFT JOIN marts.trials AS t ON t.trial_id = m.trial_id
LEFT JOIN old_entries AS o ON o.trial_id = m.trial_id AND o.segment = m.segment
LEFT JOIN new_entries AS n ON n.trial_id = m.trial_id AND n.segment = m.segment
"""
_TOUCHED_BY_STAYS = """
INSERT INTO touched_trials
SELECT r.place, m.trial_id, max(m.account_id), max(m.old_account_id), max(m.customer_id), max(m.change)
FROM restated_numbers AS r
JOIN moved_stays AS m ON CASE r.stays
    WHEN 'entry' THEN m.segment = r.segment AND m.is_entry_moved
        AND (m.old_entry BETWEEN r.first AND r.last OR m.new_entry BETWEEN r.first AND r.last)
    WHEN 'until entry' THEN m.segment = r.segment AND m.is_entry_moved AND least(m.old_entry, m.new_entry) <= r.last
        AND (greatest(m.old_entry, m.new_entry) >= r.first
            OR ((m.old_entry IS NULL OR m.new_entry IS NULL) AND coalesce(m.ends >= r.first, TRUE)))
    WHEN 'any' THEN (m.first <= r.last AND m.last >= r.first)
        OR (m.start <= r.last AND coalesce(m.ends >= r.first, TRUE)) END
WHERE NOT EXISTS (SELECT 1 FROM touched_trials AS t WHERE t.place = r.place AND t.trial_id = m.trial_id)
GROUP BY r.place, m.trial_id
"""
_FIRST_TRIALS = """
SELECT place, trial_id, account_id, change
FROM (SELECT t.*, row_number() OVER (PARTITION BY place ORDER BY change = 'other facts', trial_id) AS n
    FROM touched_trials AS t WHERE t.change <> 'gone')  -- whoever was forgotten is not to be named again
WHERE n <= $most ORDER BY place, n
"""
_CHANGES = "SELECT place, change, count(*) FROM touched_trials GROUP BY place, change"
_LATE = """
WITH customers AS (SELECT DISTINCT trial_id, customer_id FROM touched_trials),
accounts AS (
    SELECT DISTINCT trial_id, account_id FROM touched_trials
    UNION SELECT DISTINCT trial_id, old_account_id FROM touched_trials WHERE old_account_id IS NOT NULL
),
found AS (
    SELECT c.trial_id, 'Stripe' AS source, coalesce(s.event_type, concat(s.object_type, ' object')) AS what,
        CAST(s.record_id AS VARCHAR) AS record
    FROM raw.stripe AS s
    JOIN customers AS c ON c.customer_id = coalesce(CASE WHEN s.object_type = 'customer' THEN s.object_id END,
        json_extract_string(s.object, '$.customer.id'), json_extract_string(s.object, '$.customer'))
    WHERE s.load_id > $load
    UNION ALL
    SELECT a.trial_id, 'event', '', CAST(e.event_id AS VARCHAR)
    FROM raw.events AS e
    JOIN raw.dim_account AS d ON d.account_key = e.account_key
    JOIN accounts AS a ON a.account_id = d.account_id
    WHERE e.load_id > $load
    UNION ALL
    SELECT a.trial_id, 'identity', i.kind, CAST(i.call_id AS VARCHAR)
    FROM raw.identities AS i
    JOIN raw.dim_account AS d ON d.account_key = i.account_key
    JOIN accounts AS a ON a.account_id = d.account_id
    WHERE i.load_id > $load
)
SELECT t.place, f.source, f.what, count(DISTINCT f.record)
FROM touched_trials AS t JOIN found AS f ON f.trial_id = t.trial_id
GROUP BY t.place, f.source, f.what
UNION ALL
SELECT r.place, 'event', '', count(*)
FROM restated_numbers AS r
JOIN raw.events AS e ON e.load_id > $load AND e.activity_date BETWEEN r.first - 28 AND r.last
WHERE r.kind = 'activity' GROUP BY r.place
ORDER BY ALL
"""
_LOADED = """
SELECT 'Stripe', (SELECT count(*) FROM raw.stripe WHERE load_id > $load) UNION ALL
SELECT 'event', (SELECT count(*) FROM raw.events WHERE load_id > $load) UNION ALL
SELECT 'identity', (SELECT count(*) FROM raw.identities WHERE load_id > $load)
"""
_KINDS = {
    "start_cohort": "start", "status": "start", "ever": "start", "started": "start", "by_start": "start",
    "end_cohort": "end", "rolling_ended": "ended", "rolling_flow": "flow", "at_period_end": "running",
    "dau_mau_28d": "activity",
}  # fmt: skip
"""What places a trial in a period, by definition."""
_STAYS_KINDS = {"first_qualified": "entry", "baseline": "until entry", "lift": "until entry"}
"""What places a trial whose stays moved, by definition of a shipped metric: the day it first was a member, or every day
that it was one to compare with by one of the two. Of other metrics nobody knows what they read of stays."""


def _facts(store: Engine, found: Sequence[Candidate], basis: Basis, upstream: Mapping[str, Collection[str]]) -> _Facts:
    """Compare the trials published before with those of now, and look for records that came since."""
    facts = _Facts(defaultdict(list), defaultdict(dict), defaultdict(list), {})
    if not found:
        return facts
    stays = [_stays_kind_of(one.old) if STAYS in upstream.get(one.old.metric, ()) else None for one in found]
    facts.is_compared, has_moved = _compare(store, basis.file, has_stays=any(stays))
    places = {
        "places": list(range(len(found))),
        "kinds": [_KINDS.get(one.old.definition.partition("(")[0], _kind_of(one.old)) for one in found],
        "stays": stays,
        "segment": DEFAULT_SEGMENT,
        "starts": [one.old.period_start for one in found],
        "ends": [one.old.period_end for one in found],
    }
    store.execute(
        "CREATE OR REPLACE TEMP TABLE restated_numbers AS SELECT unnest($places) AS place, unnest($kinds) AS kind,"
        " CAST(unnest($stays) AS VARCHAR) AS stays, $segment AS segment,"
        " CAST(unnest($starts) AS DATE) AS first, CAST(unnest($ends) AS DATE) - 1 AS last", places,
    )  # fmt: skip
    store.execute(_TOUCHED)
    if has_moved:
        store.execute(_TOUCHED_BY_STAYS)
    for place, trial_id, account_id, change in store.rows(_FIRST_TRIALS, {"most": TRIALS_NAMED}):
        facts.trials[place].append((trial_id, account_id, change))
    for place, change, count in store.rows(_CHANGES):
        facts.changes[place][change] = count
    newest = store.rows("SELECT coalesce(max(load_id), 0) FROM raw.loads")[0][0]
    if basis.last_load is not None and basis.last_load <= newest:
        for place, source, what, count in store.rows(_LATE, {"load": basis.last_load}):
            facts.late[place].append((source, what, count))
        facts.loaded = dict(store.rows(_LOADED, {"load": basis.last_load}))
    for table in ("changed_trials", "moved_stays", "restated_numbers", "touched_trials"):
        store.execute(f"DROP TABLE IF EXISTS temp.{table}")
    return facts


def _kind_of(number: Number) -> str:
    return "start" if number.definition.startswith("from_start") or number.definition.startswith("from_end") else ""


def _stays_kind_of(number: Number) -> str:
    return _STAYS_KINDS.get(number.definition, "any") if number.metric in METRICS else "any"


def _compare(store: Engine, file: Path | None, *, has_stays: bool) -> tuple[bool, bool]:
    """Fill changed_trials, with none where the generation before is gone or of another shape; and moved_stays where
    stays are asked for: whether each could be compared.
    """
    store.execute(_NO_TRIALS)
    if file is None:
        return False, False
    try:
        store.execute(f"ATTACH {exp.Literal.string(str(file)).sql('duckdb')} AS {_BEFORE} (READ_ONLY)")
    except EngineError:
        return False, False
    try:
        is_compared = _can(store, _CHANGED)
        if not is_compared:
            store.execute(_NO_TRIALS)
        return is_compared, has_stays and _can(store, _MOVED)
    finally:
        store.execute(f"DETACH {_BEFORE}")


def _can(store: Engine, statement: str) -> bool:
    """Whether a statement over the generation before could be carried out."""
    try:
        store.execute(statement)
    except EngineError:
        return False
    return True
