"""What is about to be published, held against what was: the pages of the history are written here.

A draft is made of the tables before they are published, noted when the new generation lies there whole, and kept once
it is the current one. A day that nobody refreshed on is filled in from results of that day's end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from trialwise.clock import Clock, utc_now
from trialwise.config import Config
from trialwise.delivery import publishing, shown
from trialwise.delivery.generation import open_generation
from trialwise.delivery.metrics import METRICS
from trialwise.delivery.metrics import names as metric_names
from trialwise.delivery.publishing import Delta, Published
from trialwise.delivery.reader import Reader
from trialwise.engines.duckdb import Engine
from trialwise.history import History, News, Number, Record, Scored, Shown
from trialwise.landing import suppression
from trialwise.landing.folder import Landing
from trialwise.restating import BY_DAY, Basis, Candidate, compare, explained, redefined, with_unrecorded
from trialwise.transform.model import Model
from trialwise.workspace import Workspace

DAYS_AT_ONCE = 7
"""Missed days filled in by one refresh; those that are left come with the next ones."""
DEFINING = ("trials", "conversion", "usage", "events", "features", "milestones", "attributes", "identity", "exclude",
            "segments", "score")  # fmt: skip
"""Sections of the configuration that define numbers."""
TRIALS = "marts.trials"
CLOCK = "marts.clock"
OF_USE = frozenset({
    "trial_day", "active_days_7d", "active_days_14d", "active_days_28d", "current_streak_days", "longest_streak_days",
    "value_events_7d", "features_used", "last_active_at", "usage_intensity", "usage_band", "score", "score_hundredths",
    "probability", "scored_by", "fit_grade", "engagement_grade", "lifecycle", "recency_days", "account_name",
    "contact_name", "contact_email", "contact_title", "owner", "lead_status",
})  # fmt: skip
"""Columns of marts.trials no shipped metric reads: use, scores, people."""
_LAST_LOAD = "SELECT coalesce(max(load_id), 0) FROM raw.loads"
_CALIBRATION = "SELECT coalesce(max(version), 0) FROM config.calibration"


@dataclass(frozen=True)
class Draft:
    """What one publishing adds to the history; None for `record` where it has nothing to add.

    about: what the generation's file says of itself, for the next publishing to compare with. held_against: the
    generation the next one is compared with, where that is not this one.
    """

    history: History
    record: Record | None
    news: News
    about: str
    least: int
    held_against: int | None = None

    def note(self, generation: int) -> None:
        """Write it down, before the generation becomes the current one."""
        if self.record is not None:
            record = self.record
            numbered = Record(
                generation, record.day, record.as_of, record.known_at, record.published_at, record.last_load,
                record.context, record.is_backfilled,
            )  # fmt: skip
            self.history.note(numbered, self.news)

    def keep(self, generation: int) -> None:
        """Keep it, once the generation is the current one."""
        if self.record is not None:
            self.history.keep(generation)


def draft(
    workspace: Workspace,
    store: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    changed: Mapping[str, Delta] | None,
    current: int,
) -> Draft:
    """Work out what publishing the tables of the store adds to the history.

    changed: what happened to the published tables that are not as they were published last, None for anything. current:
    the number of the current generation, 0 for none. For a moment before the newest record, nothing: history goes
    forward.
    """
    history = History(workspace.data)
    history.settle(current)
    definitions = context(workspace, models, store)
    left_out = {
        "dropped": Landing(workspace.landing).manifest().drops,
        "forgotten": suppression.read(workspace.landing).ever.digest,
    }
    last_load = int(store.rows(_LAST_LOAD)[0][0])
    about = {"last_load": last_load, "left_out": left_out, "context": definitions}
    least = history.greatest_generation()
    day = clock.as_of_date
    reader = Reader(store, current + 1, (workspace.models,))
    scored = shown.scores(reader)
    known = history.known(day, [one.trial_id for one in scored])
    before = known.record
    basis = _basis(workspace, history, current)
    if before is not None and (clock.as_of < before.as_of or clock.known_at < before.known_at):
        # what is recorded next is held against what was recorded last: all that came since explains it
        recorded = {
            "last_load": basis.last_load, "left_out": basis.left_out, "context": basis.context,
            "recorded": basis.generation, "metrics": definitions["metrics"],
        }  # fmt: skip
        if basis.record is not None:
            recorded["unrecorded"] = _unrecorded(basis.record, basis.unrecorded)
        return Draft(history, None, News(), json.dumps(recorded, sort_keys=True), least, basis.generation)
    behind = {name: _behind(reader, models, name) for name in reader.queries()}
    others = redefined(basis.context, definitions, behind)
    metrics, lists = set(metric_names(reader)), _lists(models)
    if changed is not None and known.has_day:
        metrics = metrics_of(reader, changed) | others
        lists = [name for name in lists if name in changed]
    numbers = shown.numbers(reader, metrics)
    compared = compare(numbers, with_unrecorded(known.numbers, basis.unrecorded), day, others)
    same = [one for one in basis.unrecorded if one.metric not in numbers]
    record = Record(None, day, clock.as_of, clock.known_at, utc_now(), last_load, definitions)
    said = json.dumps({**about, "unrecorded": _unrecorded(record, (*same, *compared.unrecorded))}, sort_keys=True)
    news = News(
        compared.plain,
        explained(
            store, _recorded(history, compared.restated, basis), basis, definitions, left_out=left_out, upstream=behind
        ),
        [one for one in shown.lists(reader, lists) if (one.list, one.trial_id) not in known.listed],
        [one for one in scored if known.scores.get(one.trial_id) != (one.score_hundredths, one.grade, one.scored_by)],
    )
    if news.is_none and known.has_day:
        return Draft(history, None, News(), said, least)
    return Draft(history, record, news, said, least)


def publish(
    workspace: Workspace,
    store: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    tables: Mapping[str, str],
    *,
    since: Published | None = None,
    deltas: Mapping[str, Delta] | None = None,
    changed: Mapping[str, Delta] | None = None,
) -> Published:
    """Publish tables of the store, as `publishing.publish` does, and put on record what they show, both or neither.

    changed: as in `draft`.
    """
    page = draft(workspace, store, clock, models, changed, publishing.current_of(workspace.published))
    done = publishing.publish(
        store, workspace.published, tables, since=since, deltas=deltas, about=page.about, least=page.least,
        announce=page.note, spared=page.held_against,
    )  # fmt: skip
    page.keep(done.number)
    return done


def missed(workspace: Workspace, clock: Clock) -> list[date]:
    """Days since the first record that have none, the clock's own left out, the oldest first."""
    days = History(workspace.data).days()
    if not days:
        return []
    first, past = min(days), clock.as_of_date
    between = (first + timedelta(days=n) for n in range(1, (past - first).days))
    return [day for day in between if day not in days]


def fill_in(workspace: Workspace, day: date, clock: Clock, results: Path, models: Mapping[str, Model]) -> None:
    """Record what the lists of a missed day would have shown, from results of its end (`clock`).

    Its numbers are not recorded: nobody was shown any.
    """
    with closing(open_generation(results)) as generation:
        reader = generation.reader
        listed: list[Shown] = shown.lists(reader, _lists(models))
        scored: list[Scored] = shown.scores(reader)
        history = History(workspace.data)
        record = Record(
            None, day, clock.as_of, clock.known_at, utc_now(), None,
            {"settings": _settings(workspace.config), "models": _fingerprints(models)}, is_backfilled=True,
        )  # fmt: skip
        history.note(record, News(listed=listed, scored=scored), is_kept=True)


def is_redefined(workspace: Workspace, store: Engine, models: Mapping[str, Model], path: Path) -> bool:
    """Whether metrics, which are worked out when they are asked for, are defined otherwise than a generation says."""
    said = publishing.about(path) or {}
    shown_by = said.get("metrics", said.get("context", {}).get("metrics"))
    return bool(shown_by != context(workspace, models, store)["metrics"])


def context(workspace: Workspace, models: Mapping[str, Model], store: Engine) -> dict[str, Any]:
    """The definitions numbers are made by: of models, metrics, settings, and the version of the calibration."""
    reader = Reader(store, 0, (workspace.models,))
    queries = reader.queries()
    return {
        "models": _fingerprints(models),
        "metrics": {
            name: _digest("".join(queries[file].read_text(encoding="utf-8") for file in sorted(shown.files_of(name))))
            for name in metric_names(reader)
        },
        "settings": _settings(workspace.config),
        "calibration": int(store.rows(_CALIBRATION)[0][0]),
    }


def _basis(workspace: Workspace, history: History, current: int) -> Basis:
    """What was published before: as its file tells, else as the history does."""
    file = workspace.published / f"{current:06d}.duckdb"
    told = publishing.about(file) if current else None
    if told is not None:
        definitions = told.get("context", {})
        recorded = told.get("recorded") or current  # an earlier one, where this one was of a clock that was behind
        numbers, record = _shown_last(told, recorded, definitions)
        before = workspace.published / f"{recorded:06d}.duckdb"
        return Basis(
            told.get("last_load"), told.get("left_out"), definitions, before if before.exists() else None, recorded,
            numbers, record,
        )  # fmt: skip
    newest = history.newest()
    return Basis() if newest is None else Basis(newest.last_load, None, newest.context, None, newest.generation)


def _unrecorded(record: Record, numbers: Sequence[Number]) -> dict[str, Any]:
    """As a generation's file has it. Of what a metric of one's own splits by, nothing: that may name somebody."""
    return {
        "day": record.day.isoformat(),
        **{name: getattr(record, name).isoformat() for name in ("as_of", "known_at", "published_at")},
        "numbers": [
            {**asdict(one), "period_start": one.period_start.isoformat(), "period_end": one.period_end.isoformat()}
            for one in numbers
            if one.split_value is None
        ],
    }


def _shown_last(
    about: Mapping[str, Any], generation: int, definitions: Mapping[str, Any]
) -> tuple[list[Number], Record | None]:
    """The numbers a generation showed that are on no record, and what their record would be."""
    told = about.get("unrecorded")
    if told is None:
        return [], None
    as_of, known_at, published_at = (
        datetime.fromisoformat(told[name]) for name in ("as_of", "known_at", "published_at")
    )
    day, load = date.fromisoformat(told["day"]), about.get("last_load")
    days = ("period_start", "period_end")
    numbers = [Number(**{**one, **{name: date.fromisoformat(one[name]) for name in days}}) for one in told["numbers"]]
    return numbers, Record(generation, day, as_of, known_at, published_at, load, definitions)


def _recorded(history: History, found: Sequence[Candidate], basis: Basis) -> list[Candidate]:
    """With every published number on record, also those that were shown later the same day."""
    late = [one.old for one in found if not one.is_recorded]
    if not late or basis.record is None:
        return list(found)
    ids = iter(history.add(basis.record, late))
    return [one if one.is_recorded else replace(one, old_id=next(ids), is_recorded=True) for one in found]


def metrics_of(reader: Reader, changed: Mapping[str, Delta]) -> set[str]:
    """The metrics that may say something else now of a period that is over; what the clock's move does is seen daily.

    Most refreshes change what trials used and no more: then the shipped metrics of marts.trials alone stay as they are.
    """
    tables = changed.keys() - {CLOCK}
    found = shown.reading(reader, tables)
    trials = changed.get(TRIALS)
    if trials is None or not (trials.gone and trials.came):
        return found
    told = [name for name, _ in reader.engine.columns(f"FROM {TRIALS}") if name not in OF_USE]
    columns = ", ".join(f'"{name}"' for name in told)
    same = f"FROM (SELECT {columns} {{}} EXCEPT ALL SELECT {columns} {{}}) LIMIT 1"
    gone, came = f"FROM {trials.gone}", f"FROM {trials.came}"
    if reader.engine.rows(same.format(gone, came)) or reader.engine.rows(same.format(came, gone)):
        return found
    return shown.reading(reader, tables - {TRIALS}) | (found - METRICS.keys())


def _behind(reader: Reader, models: Mapping[str, Model], metric: str) -> frozenset[str]:
    """Every table a metric depends on.

    The shipped ones read of marts.trials what happened to a trial, never its usage or score: what stands behind those
    is behind them only where they read memberships too.
    """
    paths = reader.queries()
    waiting = [
        table for file in shown.files_of(metric) if file in paths for table in shown.read_by(metric, paths[file])
    ]
    found: set[str] = set()
    while waiting:
        table = waiting.pop()
        if table in found:
            continue
        found.add(table)
        if table in models:
            is_cut = table == TRIALS and metric in METRICS
            waiting += [name for name in models[table].reads if not (is_cut and name == BY_DAY)]
    return frozenset(found)


def _lists(models: Mapping[str, Model]) -> list[str]:
    return [name for name, model in models.items() if model.schema == "lists" and model.kind == "model"]


def _fingerprints(models: Mapping[str, Model]) -> dict[str, str]:
    return {name: model.fingerprint[:12] for name, model in models.items() if model.kind == "model"}


def _settings(config: Config) -> dict[str, str]:
    """Dotted keys of what defines numbers. Of lists and tables a digest: they may name people."""
    sections = config.model_dump(mode="json", include=set(DEFINING))
    found = dict(_flat(sections))
    return {**found, "workspace.timezone": config.workspace.timezone}


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        elif isinstance(inner, list):
            yield f"{prefix}{name}", f"list {_digest(json.dumps(inner, sort_keys=True))[:6]}"
        else:
            yield f"{prefix}{name}", str(inner)


@lru_cache(maxsize=256)
def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
