"""The tables of the store, brought to one moment: whole, or as far as something changed since they were built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trialwise import calibration, composition
from trialwise.clock import Clock
from trialwise.engines.duckdb import Engine
from trialwise.scoring.calibrate import GRID, VERSIONS, latest_version, months_due, set_prior
from trialwise.transform import checked, inputs, state
from trialwise.transform.build import BuildReport, Built, build_models, check_models, create_schemas, run
from trialwise.transform.changes import NONE, WHOLE, Change, difference, images, relation
from trialwise.transform.graph import downstream, order, upstream
from trialwise.transform.incremental import CLOCK, ONE_ROW, Incremental, Step
from trialwise.transform.model import Model
from trialwise.workspace import Workspace

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Building:
    """What was done to every model, and what happened to its table.

    removed: models there were before and are no more. whole: why everything was built whole, None where it was brought
    up to date.
    """

    report: BuildReport
    steps: tuple[Step, ...]
    changes: Mapping[str, Change] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    whole: str | None = None


def build(
    workspace: Workspace,
    engine: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    ordered: Sequence[Model],
    progress: Progress | None = None,
    *,
    whole: str | None = None,
) -> Building:
    """Fill the config tables, build and check, inside a transaction of the caller.

    whole: why everything has to be built, None to leave it to what the store says of itself. Raises ModelError and
    CheckFailed as `build_models` and `check_models` do.
    """
    known = state.read(engine)
    kinds = create_schemas(engine, models)
    removed = frozenset[str]() if known is None else frozenset(known.models.keys() - models.keys())
    for name in sorted(removed & kinds.keys()):
        engine.execute(f"DROP {'VIEW' if kinds.pop(name) == 'VIEW' else 'TABLE'} {name}")
    before = _row(engine, CLOCK)
    filled = _fill_config(workspace, engine, clock, models, {} if known is None else known.inputs)
    if known is None or before is None:
        whole = whole or "nothing has been built of these records yet"
    if whole is not None or known is None or before is None:
        built, checks = _build_whole(engine, clock, models, ordered, kinds, progress)
        steps = tuple(Step(one.name, "rebuilt", whole or "", None, None, one.seconds) for one in built)
        changes: Mapping[str, Change] = {model.name: WHOLE for model in ordered}
    else:
        now = inputs.marks(engine, models, filled.marks)
        incremental = Incremental(
            engine, models, known.models, kinds, inputs.changes(engine, models, known, now, filled.changes),
            filled.columns, (before, _row(engine, CLOCK) or {}),
        )  # fmt: skip
        steps, changes = _bring(incremental, ordered, clock, progress)
        if progress is not None:
            progress("checks", len(ordered), len(ordered))
        checks = checked.check(engine, ordered, changes)
        built = [Built(step.model, step.rows, step.seconds) for step in steps if step.action != "unchanged"]
    state.write(
        engine, {model.name: model.fingerprint for model in ordered}, inputs.marks(engine, models, filled.marks)
    )
    checked.keep(engine, checks)
    inputs.let_go(engine)
    return Building(BuildReport(tuple(built), tuple(checks)), steps, changes, removed, whole)


def _bring(
    incremental: Incremental, ordered: Sequence[Model], clock: Clock, progress: Progress | None
) -> tuple[tuple[Step, ...], Mapping[str, Change]]:
    """Bring every model up to date, then those a new version of the calibration touches once more.

    A version is looked for where the days it is made of have changed, or a month has begun.
    """
    steps, changes = incremental.run(ordered, progress), incremental.changes
    engine, models, (before, now) = incremental.engine, incremental.models, incremental.clocks
    has_begun = before["as_of_date"].replace(day=1) != now["as_of_date"].replace(day=1)
    if not has_begun and all(changes[table].is_none for table in calibration.tables_read(models)):
        return steps, changes
    last = latest_version(engine)
    if not calibration.make_due(engine, clock, models):
        return steps, changes
    made = {
        table: images(
            engine, table, f"FROM {table} LIMIT 0", f"FROM {table} WHERE version > {last}", models[table].column_names
        )
        for table in (VERSIONS, GRID)
    }
    again = replace(
        incremental,
        built={model.name: model.fingerprint for model in ordered},
        changes={**dict.fromkeys(changes, NONE), **made},
        columns={table: frozenset[str]() for table in ONE_ROW},
        clocks=(now, now),
    )
    found, both = list(steps), {**changes, **made}
    for place, step in enumerate(again.run(ordered, progress)):
        if step.action != "unchanged":
            found[place] = replace(step, seconds=step.seconds + steps[place].seconds)
            both[step.model] = again.changes[step.model] if changes[step.model].is_none else WHOLE
    return tuple(found), both


def build_some(
    workspace: Workspace, engine: Engine, clock: Clock, models: Mapping[str, Model], names: Sequence[str]
) -> None:
    """Build some models and what they read, without checks, for a look: nothing is noted of it."""
    kinds = create_schemas(engine, models)
    _fill_config(workspace, engine, clock, models, {})
    wanted = set(names).union(*(upstream(models, name) for name in names))
    build_models(engine, [model for model in order(models) if model.name in wanted], kinds, None, models)


def _build_whole(
    engine: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    ordered: Sequence[Model],
    kinds: dict[str, str],
    progress: Progress | None,
) -> tuple[list[Built], list[Any]]:
    """Build every model; where a version of the calibration is due, make it on the way.

    What calibration reads is built first, of the tables it reads itself only the columns it names; then what a new
    version touches of that again, and everything else once.
    """
    read = calibration.tables_read(models)
    before: set[str] = set().union(*(upstream(models, table) for table in read))
    first = [model for model in ordered if model.name in before]
    built = build_models(engine, first, kinds, progress, models)
    if months_due(engine, clock.as_of_date):
        calibration.outline(engine, models, kinds)
        if calibration.make_due(engine, clock, models):
            touched = downstream(models, VERSIONS) | downstream(models, GRID)
            built += build_models(engine, [model for model in first if model.name in touched], kinds, progress, models)
    built += build_models(engine, [model for model in ordered if model.name not in before], kinds, progress, models)
    return built, check_models(engine, ordered, progress)


@dataclass(frozen=True)
class _Filled:
    """What filling the config tables did: a mark of the rows each has now, what happened to each, and of those of one
    row which columns changed.
    """

    marks: Mapping[str, int]
    changes: Mapping[str, Change]
    columns: dict[str, frozenset[str]]


def _fill_config(
    workspace: Workspace, engine: Engine, clock: Clock, models: Mapping[str, Model], known: Mapping[str, int]
) -> _Filled:
    """Configuration and clock as rows, where the marks known say that they are others; calibration alone is kept."""
    config = workspace.config
    names = engine.rows("SELECT event_key, event_name FROM raw.dim_event")
    tables = composition.settings_tables(config, clock, names, workspace.folder)
    marks = {table: inputs.mark_of(frame) for table, frame in tables.items()}
    changes, columns = dict.fromkeys(tables, NONE), {table: frozenset[str]() for table in ONE_ROW if table in tables}
    for table, frame in tables.items():
        names_before = tuple(name for name, _ in engine.columns(f"FROM {table}"))
        if known.get(table) == marks[table] and names_before == models[table].column_names:
            continue
        old, row = relation("old", table), _row(engine, table) if table in ONE_ROW else None
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {old} AS FROM {table}")
        if names_before == models[table].column_names:
            engine.clear(table)
            engine.append(table, frame)
            changes[table] = difference(engine, table, old, table, names_before)
        else:  # a store of another version
            engine.execute(f"DROP TABLE {table}")
            run(engine, models[table], models[table].sql)
            engine.append(table, frame)
            changes[table] = WHOLE
        if table in ONE_ROW:
            after = _row(engine, table) or {}
            columns[table] = frozenset(name for name in after if row is None or row.get(name) != after[name])
    set_prior(engine, config.usage.benchmark_events_per_day)
    return _Filled(marks, changes, columns)


def _row(engine: Engine, table: str) -> dict[str, Any] | None:
    names = [name for name, _ in engine.columns(f"FROM {table}")]
    rows = engine.rows(f"FROM {table}")
    return dict(zip(names, rows[0], strict=True)) if rows else None
