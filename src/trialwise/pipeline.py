"""Load, build, check, publish: a refresh is all of them in turn. The stages meet in tables."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from trialwise import building, calibration, chronicle, composition, parameters, standstill, stripe_intake
from trialwise.building import Building
from trialwise.clock import AHEAD, Clock, day_start, utc_now
from trialwise.config import Config
from trialwise.config.milestones import declared_events
from trialwise.delivery import publishing
from trialwise.delivery.generation import open_generation
from trialwise.delivery.publishing import ALWAYS, Delta, Published, is_current, write_generation
from trialwise.engines.duckdb import Engine
from trialwise.errors import CheckFailed, ConfigError
from trialwise.landing import durable, screen, suppression
from trialwise.landing import load as loading
from trialwise.landing.folder import Landing
from trialwise.landing.report import LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.sources.formats import TRANSLATORS
from trialwise.standstill import Standstill, Warned
from trialwise.store import Store
from trialwise.transform import state
from trialwise.transform.build import BuildReport
from trialwise.transform.changes import drop_all
from trialwise.transform.graph import order
from trialwise.transform.horizon import horizon
from trialwise.transform.incremental import Step
from trialwise.transform.model import Model
from trialwise.workspace import CONFIG_NAME, Workspace

Progress = Callable[[str, int, int], None]
Done = TypeVar("Done")
CLOCK_TABLE = "marts.clock"
NEVER = datetime.fromisoformat("9999-12-31")
WRITTEN_WHOLE = timedelta(days=7)
"""How long what is published is a copy with changed rows in place of others, before all of it is written anew."""
NEEDS_LENGTH = ("intermediate.event_trials", "announced_trials_have_an_end")


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    generation: the published file; clock: the moment all was brought to; loaded: what was taken from landing;
    build: models and checks; steps: what was done to each model, and why; seconds: wall time of all of it; shown: the
    as_of its answers show, earlier than the clock's where nothing changed since they were published.
    """

    generation: Path
    clock: Clock
    loaded: LoadReport
    build: BuildReport
    steps: tuple[Step, ...]
    seconds: float
    shown: datetime


def refresh(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    into: Path | None = None,
    full: bool = False,
    progress: Progress | None = None,
) -> Refreshed:
    """Load what has landed, bring everything to one moment, check it, and publish it.

    full: build every model whole, also where it would be enough to bring it up to date: the results are the same.
    With `into` the results go to a file of their own and the published ones stay. Raises StoreLocked when another
    process owns the store, ModelError and CheckFailed when a model or check fails, ConfigError when the data needs a
    setting that is missing or a clock that is ahead: then nothing is published.
    """
    started = time.perf_counter()
    clock = workspace.clock(as_of, known_at)
    if into is None:
        _check_not_ahead(clock)
    fixed = workspace.config.clock
    defined, still = standstill.defined_by(workspace), list[_Still]()
    is_live = not any((as_of, known_at, fixed.as_of, fixed.known_at))  # else days pass only as somebody sets them
    models = composition.promised_models(workspace.config, workspace.models)
    ordered = order(models)
    published = {model.name: model.header.description for model in ordered if model.is_published}

    def task(store: Engine, filled: LoadReport) -> tuple[Path, LoadReport, Building, datetime]:
        loaded = filled + load(workspace, store, progress)
        landed = _landed(workspace)
        calibration.give_back(workspace, store, models)
        if into is None:
            with _saying_what_to_set(workspace.config), store.transaction():
                since = state.published(store)
                whole = "it was asked for" if full else None
                built = building.build(workspace, store, clock, models, ordered, progress, whole=whole)
                deltas = _deltas(built, models, published)
                if deltas:
                    state.note_published(store, None)
            calibration.keep(workspace, store)
            path = _publish(workspace, store, clock, models, published, built, deltas, since)
            store.execute("CHECKPOINT")
            if is_live:
                _fill_in(workspace, store, clock, models, ordered, published, progress)
            if landed is not None and not (as_of or known_at or (is_live and chronicle.missed(workspace, clock))):
                still.append(_Still(defined, landed, _until(store, clock, models)))
            return path, loaded, built, _shown(path)
        built = _build_moment(workspace, store, clock, models, ordered, published, into, progress)
        return into, loaded, built, clock.as_of

    def closed(done: tuple[Path, LoadReport, Building, datetime]) -> None:
        for one in still[-1:]:  # of a task that was repeated, the last
            _note_standstill(workspace, clock, models, done[2], one, done[3])

    path, loaded, built, shown = owning(workspace, task, progress, closed)
    return Refreshed(path, clock, loaded, built.report, built.steps, time.perf_counter() - started, shown)


def _check_not_ahead(clock: Clock) -> None:
    """What is published goes on record, and records go forward: one of a day to come would bar all until then."""
    now = utc_now()
    for name, moment in (("as_of", clock.as_of), ("known_at", clock.known_at)):
        if moment > now + AHEAD:
            raise ConfigError(
                f"{name} {moment:%Y-%m-%d %H:%M}Z is ahead of this machine's clock, {now:%Y-%m-%d %H:%M}Z",
                f"Mend [clock] {name} in {CONFIG_NAME}, or the machine's clock. To look ahead without publishing: "
                "trialwise refresh --as-of DATE --into FILE.",
            )


def _shown(generation: Path) -> datetime:
    with closing(open_generation(generation)) as results:
        as_of: datetime = results.moment.as_of
    return as_of


def _build_moment(
    workspace: Workspace,
    store: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    ordered: Sequence[Model],
    tables: Mapping[str, str],
    into: Path,
    progress: Progress | None,
) -> Building:
    """Build everything for another moment into a file of its own, beside the store."""
    with store.beside(workspace.data / "scratch" / f"{os.getpid()}.duckdb", "raw") as scratch:
        calibration.take(store, scratch, clock, models)
        with _saying_what_to_set(workspace.config):
            built = building.build(workspace, scratch, clock, models, ordered, progress, whole="another moment")
        write_generation(scratch, into, tables)
    return built


def _fill_in(
    workspace: Workspace,
    store: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    ordered: Sequence[Model],
    tables: Mapping[str, str],
    progress: Progress | None,
) -> None:
    """Record days that nobody refreshed on, the oldest first, from results of their ends.

    Each is recorded by itself: what is interrupted goes on with the next refresh.
    """
    into = workspace.data / "scratch" / f"{os.getpid()}.missed.duckdb"
    days = chronicle.missed(workspace, clock)[: chronicle.DAYS_AT_ONCE]
    if days:
        drop_all(store)  # else they go with the connection, which is cheaper
    for day in days:
        end = day_start(day + timedelta(days=1), clock.timezone)
        then = Clock(end, end, clock.timezone)
        try:
            _build_moment(workspace, store, then, models, ordered, tables, into, progress)
            chronicle.fill_in(workspace, day, then, into, models)
        finally:
            into.unlink(missing_ok=True)


def plan(workspace: Workspace, *, full: bool = False, progress: Progress | None = None) -> tuple[Step, ...]:
    """What a refresh would do to each model now, why, and for how many keys.

    What has landed is loaded; the models are worked out as a refresh does it and taken back, so that the answer is no
    guess. Raises as `refresh` does.
    """
    clock = workspace.clock()
    models = composition.promised_models(workspace.config, workspace.models)
    ordered = order(models)

    def task(store: Engine, _filled: LoadReport) -> tuple[Step, ...]:
        load(workspace, store, progress)
        calibration.give_back(workspace, store, models)
        store.execute("BEGIN TRANSACTION")
        try:
            with _saying_what_to_set(workspace.config):
                whole = "it was asked for" if full else None
                return building.build(workspace, store, clock, models, ordered, progress, whole=whole).steps
        finally:
            store.execute("ROLLBACK")

    return owning(workspace, task, progress)


def _until(store: Engine, clock: Clock, models: Mapping[str, Model]) -> dict[str, datetime]:
    """For as_of and known_at the first instant at which a clock that moves on changes a row: as_of's midnight does."""
    midnight = day_start(clock.as_of_date + timedelta(days=1), clock.timezone)
    until = {"as_of": midnight, "known_at": NEVER}
    return horizon(store, models, {"as_of": clock.as_of, "known_at": clock.known_at}, until)


def _landed(workspace: Workspace) -> str | None:
    """A digest of what has landed, where all of it has been loaded."""
    found, landing = standstill.landed_in(workspace), Landing(workspace.landing)
    known = landing.manifest()
    taken = known.loads[-1].last_segment if known.loads else 0
    return found if known.last_segment <= taken and not landing.has_waiting() else None


@dataclass(frozen=True)
class _Still:
    """What a refresh read, and until when its clock may move without a change."""

    defined: str
    landed: str
    until: Mapping[str, datetime]


def _note_standstill(
    workspace: Workspace, clock: Clock, models: Mapping[str, Model], built: Building, still: _Still, shown: datetime
) -> None:
    """Before anybody else can change what was left: for who owns the store."""
    manifest = Landing(workspace.landing).manifest()
    found = Standstill(
        defined=still.defined,
        landed=still.landed,
        left=standstill.left_by(workspace),
        as_of=clock.as_of,
        known_at=clock.known_at,
        as_of_until=still.until["as_of"],
        known_until=still.until["known_at"],
        generation=publishing.current_of(workspace.published),
        models=len(built.steps),
        watermark=manifest.loads[-1].load_id if manifest.loads else None,
        fingerprints=composition.fingerprints(workspace.config, models),
        warnings=tuple(Warned(one.model, one.check, one.bad_rows) for one in built.report.warnings),
        shown=shown,
    )
    standstill.note(workspace, found)


def _deltas(built: Building, models: Mapping[str, Model], tables: Mapping[str, str]) -> dict[str, Delta]:
    """What happened to the published tables that are not as they were; the clock's own move does not count."""
    found = {}
    for name in (*ALWAYS, *tables):
        change = built.changes.get(name)
        if change is None or change.is_none:
            continue
        if change.gone is None or change.came is None or name == CLOCK_TABLE:
            found[name] = Delta()
        else:
            found[name] = Delta(change.gone, change.came, models[name].header.key)
    return {} if found.keys() == {CLOCK_TABLE} else found


def _publish(
    workspace: Workspace,
    store: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    tables: Mapping[str, str],
    built: Building,
    deltas: Mapping[str, Delta],
    since: tuple[int, int, date] | None,
) -> Path:
    """Publish what changed since a generation; all of it without one, and once a week, so that a file does not fray.

    Nothing is published where nothing changed but the clock: what the results say is true of the later moment too.
    What is published goes on record with it. A table that is published no more is not to stay in a file's freed blocks.
    """
    before = None if since is None or built.whole else Published(since[0], since[1])
    if before is not None:
        current = workspace.published / f"{before.number:06d}.duckdb"
        if publishing.tables_in(current) - publishing.chosen(store, tables).keys():
            before = None
        elif (
            not deltas
            and is_current(workspace.published, before)
            and not chronicle.is_redefined(workspace, store, models, current)
        ):
            return current
    today = clock.as_of_date
    deltas = {**deltas, CLOCK_TABLE: Delta()}  # it may have moved in a refresh that published nothing
    written = today if before is None or since is None else since[2]
    is_brought = before is not None and timedelta(0) <= today - written < WRITTEN_WHOLE
    done = chronicle.publish(
        workspace,
        store,
        clock,
        models,
        tables,
        since=before if is_brought else None,
        deltas=deltas if is_brought else None,
        changed=None if before is None else deltas,
    )
    state.note_published(store, (done.number, done.checksum, written if is_brought else today))
    return workspace.published / f"{done.number:06d}.duckdb"


def load_landed(workspace: Workspace, *, since: int | None = None, progress: Progress | None = None) -> LoadReport:
    """Load what has landed since the last load. Raises StoreLocked when another process owns the store.

    The report is of this load; with `since`, a segment, of all from it on, also what an earlier load took.
    """

    def task(store: Engine, filled: LoadReport) -> LoadReport:
        report = filled + load(workspace, store, progress)
        told = report if since is None or report.rebuilt else loading.loaded_since(store, since)
        return told if told.loads else report

    return owning(workspace, task, progress)


def next_segment(workspace: Workspace) -> int:
    """The segment that what is landed from now on can begin with, as `load_landed` takes it."""
    return Landing(workspace.landing).manifest().last_segment + 1


def owning(
    workspace: Workspace,
    task: Callable[[Engine, LoadReport], Done],
    progress: Progress | None = None,
    closed: Callable[[Done], None] | None = None,
) -> Done:
    """Carry out a task on the store, owned meanwhile; a damaged store is recovered on the way (see `Store.work`).

    The task gets the store and what a recovery filled it with; `closed` what the task gave, when the store is closed
    and nobody else has it yet. Raises StoreLocked when another process owns it.
    """
    store = Store(
        workspace.store,
        workspace.landing,
        lambda engine: load(workspace, engine, progress),
        workspace.config.workspace.memory_limit,
    )
    with durable.room(), workspace.lock():
        _remove_unfinished(workspace.data)
        done = store.work(task)
        if closed is not None:
            closed(done)
        return done


def _remove_unfinished(data: Path) -> None:
    """Remove what an owner that was killed left of results it was building; for who owns the store."""
    if (data / "scratch").exists():
        shutil.rmtree(data / "scratch")
    for path in (data / "moments").glob(".*.unfinished*"):
        path.unlink(missing_ok=True)


def load(workspace: Workspace, store: Engine, progress: Progress | None) -> LoadReport:
    """Seal what was received and load it into a store that is owned already; of who was forgotten nothing is kept."""
    if progress is not None:
        progress("loading", 0, 0)
    landing = Landing(workspace.landing)
    landing.seal(utc_now())
    settings, limit = load_settings(workspace), workspace.config.workspace.memory_limit
    noted, before, kept = landing.manifest().last_loaded, LoadReport(), suppression.read(landing.folder)
    if kept and noted > loading.last_taken(store) and not screen.is_screened(landing, kept):
        # a store that is to be filled again knows whose a user is only once it is
        screen.screen(landing, settings, TRANSLATORS, now=utc_now(), until=noted, memory_limit=limit)
        before = loading.load(store, landing, settings, landed_at=utc_now(), translators=TRANSLATORS, only_noted=True)
    screen.screen(landing, settings, TRANSLATORS, now=utc_now(), store=store, memory_limit=limit)
    return before + loading.load(store, landing, settings, landed_at=utc_now(), translators=TRANSLATORS)


def workspace_models(workspace: Workspace) -> dict[str, Model]:
    """The shipped models with the workspace's own over them, composed with its lists."""
    return composition.models(workspace.config, workspace.models)


def models_at(folder: Path) -> dict[str, Model]:
    """The models of the workspace at `folder`, or the shipped ones where there is no workspace."""
    if (folder / CONFIG_NAME).exists():
        return workspace_models(Workspace.open(folder))
    return composition.models(Config())


def load_settings(workspace: Workspace) -> LoadSettings:
    """What of the configuration shapes the raw tables."""
    config = workspace.config
    return LoadSettings(
        timezone=config.workspace.timezone,
        declared_events=declared_events(config),
        account_metadata_key=config.identity.account_metadata_key,
        customer_map=parameters.customer_map(config, workspace.folder),
        livemode=config.stripe.livemode,
        stripe_account=stripe_intake.stripe_state(workspace).account,
    )


@contextmanager
def _saying_what_to_set(config: Config) -> Iterator[None]:
    """A check that fails for want of a setting names the setting instead."""
    try:
        yield
    except CheckFailed as error:
        if config.trials.length_days is None and NEEDS_LENGTH in error.checks:
            raise ConfigError(
                "the product announces trials that name no end, and trialwise.toml has no [trials] length_days",
                "Set length_days under [trials], in days, or send trial_ends_at with the event that starts a trial.",
            ) from error
        raise
