"""Load, build, check, publish: the only module that knows all stages. They meet in tables."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trialwise import composition, intake, parameters, stripe_intake
from trialwise.clock import Clock, clock_for, to_local, utc_now
from trialwise.config import Config, declared_events
from trialwise.delivery.generation import CURRENT, Generation, open_generation, publish, write_generation
from trialwise.delivery.preview import Preview, preview
from trialwise.diagnosis import Finding, diagnose, diagnose_without_store
from trialwise.engines.duckdb import Engine
from trialwise.errors import CheckFailed, ConfigError, InputError, NotFoundError, StoreError, StoreLocked
from trialwise.intake import Fetched, Pulled, Watched
from trialwise.landing import compact as compaction
from trialwise.landing import durable, quarantine, retention, seal
from trialwise.landing.compact import CompactReport
from trialwise.landing.folder import Landing
from trialwise.landing.load import load
from trialwise.landing.rehearsal import rehearsal, rehearse
from trialwise.landing.report import ImportReceipt, LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.scaffold import SeenEvent
from trialwise.scoring import versions
from trialwise.scoring.calibrate import GRID, VERSIONS, Query, calibrate, months_due, set_prior, take_over
from trialwise.sources import guess
from trialwise.sources.files import FileSource, open_file
from trialwise.sources.formats import TRANSLATORS
from trialwise.store import Recovery, Store, recoveries, writing
from trialwise.stripe_intake import Door, StripeImported
from trialwise.transform.build import BuildReport, build_models, check_models, create_schemas, sketch
from trialwise.transform.columns import check_columns
from trialwise.transform.condition import parse_condition
from trialwise.transform.graph import downstream, order, upstream
from trialwise.transform.keys import check_incremental
from trialwise.transform.model import Model, find_files
from trialwise.workspace import CONFIG_NAME, Workspace

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str, int, int], None]
Done = TypeVar("Done")
CALIBRATION = ("calibration.calibration", "calibration.calibration_grid")
"""The queries that make a version: the benchmark, then the grid."""
NEEDS_LENGTH = ("intermediate.event_trials", "announced_trials_have_an_end")
MOMENTS_KEPT = 20  # results of past moments that stay to be asked again
SEEN_EVENTS = """
SELECT d.event_name, count(*), count(DISTINCT nullif(e.account_key, 0)), count(DISTINCT nullif(e.user_key, 0))
FROM raw.events AS e JOIN raw.dim_event AS d ON d.event_key = e.event_key
GROUP BY d.event_name ORDER BY count(*) DESC, d.event_name
"""
FIRST_EVENTS = """
SELECT d.event_name, a.account_id, u.user_id, e.occurred_at, e.known_at, p.properties
FROM raw.events AS e
JOIN raw.dim_event AS d ON d.event_key = e.event_key
LEFT JOIN raw.dim_account AS a ON a.account_key = e.account_key AND e.account_key > 0
LEFT JOIN raw.dim_user AS u ON u.user_key = e.user_key AND e.user_key > 0
LEFT JOIN raw.event_properties AS p ON p.event_id = e.event_id
ORDER BY e.rowid LIMIT 5
"""
IS_BUILT = """
SELECT count(*) > 0 FROM information_schema.tables
WHERE table_schema = 'intermediate' AND table_name = 'customer_accounts'
"""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    generation: the published file; clock: the moment it was computed for; loaded: what was taken from landing;
    build: models and checks; seconds: wall time of all of it.
    """

    generation: Path
    clock: Clock
    loaded: LoadReport
    build: BuildReport
    seconds: float


@dataclass(frozen=True)
class Imported:
    """One receipt per file, and the load that followed; None while another process owns the store."""

    receipts: tuple[ImportReceipt, ...]
    loaded: LoadReport | None


def import_files(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    kind: str,
    file_format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    load: Callable[[Progress | None], LoadReport] | None = None,
) -> Imported:
    """Land files durably, then load them when nobody else owns the store; else the owner's next load does.

    kind: 'events' or 'stripe'; load: who loads, this process where nobody is named. Raises InputError for a file that
    cannot be read at all, or of Stripe objects where events are asked for, before anything is landed.
    """
    sources = _sources(paths, kind, file_format, mapping)
    landing = Landing(workspace.landing)
    receipts = tuple(
        landing.land(source, landed_at=utc_now(), progress=_step(progress, source.name)) for source in sources
    )
    try:
        return Imported(receipts, load_landed(workspace, progress=progress) if load is None else load(progress))
    except StoreLocked:
        return Imported(receipts, None)


def load_landed(workspace: Workspace, *, progress: Progress | None = None) -> LoadReport:
    """Load what has landed since the last load. Raises StoreLocked when another process owns the store."""
    return _owning(workspace, lambda store, filled: filled + _load(workspace, store, progress), progress)


def import_stripe_api(
    workspace: Workspace,
    *,
    since: str | None = None,
    reconcile: bool = False,
    progress: Progress | None = None,
    door: Door | None = None,
) -> StripeImported:
    """Read Stripe by its API and load what came: everything at first, then the events since; all objects to reconcile.

    since: a day (2025-01-01) before which created objects are left out; door: who has the store, this process where
    nobody is named. Raises as stripe_intake.import_api does.
    """
    door = door or Door(
        load=lambda report: load_landed(workspace, progress=report),
        quarantined=lambda reason: quarantined(workspace, reason=reason),
        record=lambda quarantine_id: quarantined_record(workspace, quarantine_id),
        retry=lambda quarantine_id, mended: retry_record(workspace, quarantine_id, mended),
    )
    return stripe_intake.import_api(workspace, door, since=since, reconcile=reconcile, progress=progress)


def reconcile_stripe(workspace: Workspace, *, progress: Progress | None = None) -> StripeImported:
    """Read all object lists again, for what got lost on the way. Raises as import_stripe_api does."""
    return import_stripe_api(workspace, reconcile=True, progress=progress)


def pull_http(
    workspace: Workspace, name: str | None = None, *, again: bool = False, progress: Progress | None = None
) -> Fetched[Pulled]:
    """Pull [sources.http.NAME], or all of them, and load what came. Raises as intake.pull_all does."""

    def load(report: Progress | None) -> LoadReport:
        return load_landed(workspace, progress=report)

    return intake.pull_all(workspace, name, load, progress, again=again)


def watch_folders(
    workspace: Workspace, name: str | None = None, *, progress: Progress | None = None
) -> Fetched[Watched]:
    """Import the files of [sources.files.NAME], or of all, and load them. Raises as intake.watch_all does."""
    return intake.watch_all(workspace, name, lambda report: load_landed(workspace, progress=report), progress)


def rehearse_pull(workspace: Workspace, name: str) -> tuple[LoadReport, pl.DataFrame]:
    """What the first page of an API would become, and its first events as they would be read; nothing is kept.

    Raises SourceError, ConfigError and NotFoundError as intake.first_page does.
    """
    import polars as pl

    page = intake.first_page(workspace, name)
    settings = load_settings(workspace)
    with rehearsal([page], settings, landed_at=utc_now(), translators=TRANSLATORS) as (engine, report):
        names = ("event", "account_id", "user_id", "occurred_at", "known_at", "properties")
        return report, pl.DataFrame(engine.rows(FIRST_EVENTS), names, orient="row")


def rehearse_files(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    kind: str,
    file_format: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> LoadReport:
    """What importing these files into an empty workspace would come to; nothing is kept.

    Raises InputError as `import_files` does.
    """
    sources = _sources(paths, kind, file_format, mapping)
    return rehearse(list(sources), load_settings(workspace), landed_at=utc_now(), translators=TRANSLATORS)


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


def workspace_models(workspace: Workspace) -> dict[str, Model]:
    """The shipped models with the workspace's own over them, composed with its lists."""
    return composition.models(workspace.config, workspace.models)


def workspace_clock(workspace: Workspace, as_of: str | None = None, known_at: str | None = None) -> Clock:
    """The clock of an answer: what was asked for, else the file's fixed clock, else now.

    A fixed as_of without a known_at knows everything, as every as_of does.
    """
    fixed = workspace.config.clock
    return clock_for(workspace.config.workspace.timezone, as_of or fixed.as_of, known_at or fixed.known_at)


def refresh(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    into: Path | None = None,
    progress: Progress | None = None,
) -> Refreshed:
    """Load what has landed, compute everything for one moment, check it, and publish it.

    With `into` the results go to a file of their own and the published ones stay. Raises StoreLocked when another
    process owns the store, ModelError and CheckFailed when a model or check fails, ConfigError when the data needs a
    setting that is missing: then nothing is published.
    """
    started = time.perf_counter()
    clock = workspace_clock(workspace, as_of, known_at)
    models = workspace_models(workspace)
    ordered = order(models)
    _check_promises(models)
    published = {model.name: model.header.description for model in ordered if model.is_published}

    def task(store: Engine, filled: LoadReport) -> tuple[Path, LoadReport, BuildReport]:
        loaded = filled + _load(workspace, store, progress)
        _give_back_calibration(workspace, store, models)
        if into is None:
            with _saying_what_to_set(workspace.config), store.transaction():
                built = _build(workspace, store, clock, models, ordered, progress)
            _keep_calibration(workspace, store)
            number = publish(store, workspace.published, published)
            store.execute("CHECKPOINT")
            return workspace.published / f"{number:06d}.duckdb", loaded, built
        with store.beside(workspace.data / "scratch" / f"{os.getpid()}.duckdb", "raw") as scratch:
            _take_calibration(store, scratch, clock, models)
            with _saying_what_to_set(workspace.config):
                built = _build(workspace, scratch, clock, models, ordered, progress)
            write_generation(scratch, into, published)
        return into, loaded, built

    path, loaded, built = _owning(workspace, task, progress)
    return Refreshed(path, clock, loaded, built, time.perf_counter() - started)


def open_results(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    progress: Progress | None = None,
) -> Generation:
    """The published results; for another moment, results computed for it once and kept.

    Raises NotFoundError when nothing has been published yet.
    """
    if as_of is None and known_at is None:
        return open_generation(workspace.published, (workspace.models,))
    return open_generation(
        results_of(workspace, as_of=as_of, known_at=known_at, progress=progress), (workspace.models,)
    )


def results_of(
    workspace: Workspace,
    *,
    as_of: str | None = None,
    known_at: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """The file with the results of a moment: computed once, kept until `MOMENTS_KEPT` newer ones are there."""
    path = workspace.data / "moments" / f"{_fingerprint(workspace, as_of, known_at)}.duckdb"
    if not _opens(path):
        refresh(workspace, as_of=as_of, known_at=known_at, into=path, progress=progress)
        for old in sorted(path.parent.glob("*.duckdb"), key=lambda kept: kept.stat().st_mtime)[:-MOMENTS_KEPT]:
            old.unlink(missing_ok=True)
    return path


def _opens(path: Path) -> bool:
    try:
        open_generation(path).close()
    except (NotFoundError, StoreError):
        return False
    return True


def preview_segment(workspace: Workspace, expression: str, results: Generation, *, everyone: bool = False) -> Preview:
    """Try a condition on the published trial days.

    It is parsed and type-checked against the catalogue before it meets any data. Raises ConfigError naming the place
    and the nearest column.
    """
    columns = composition.catalogue(workspace.config, workspace.models)
    return preview(results.reader, parse_condition(expression, columns), every=everyone)


def seen_events(path: Path, file_format: str | None, mapping: Mapping[str, str]) -> list[SeenEvent]:
    """The event names of a file with their counts, for `init --from`.

    Raises InputError for a file that is unreadable, or in which there is no event: then with what to try.
    """
    [source] = _sources([path], "events", file_format, mapping)
    with rehearsal([source], LoadSettings(), landed_at=utc_now(), translators=TRANSLATORS) as (engine, report):
        seen = [SeenEvent(*row) for row in engine.rows(SEEN_EVENTS)]
    if not seen:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(report.reasons.items()))
        raise InputError(
            f"{path.name}: no event could be read of {report.received:,} records{f' ({reasons})' if reasons else ''}",
            guess.advice(guess.glimpse(source), mapping)
            or "See what is wrong: trialwise import events FILE --dry-run.",
        )
    return seen


def proposed_mapping(path: Path, mapping: Mapping[str, str]) -> dict[str, str]:
    """Which columns of a flat file seem to be ours, besides those of `mapping`. Raises InputError as `import_files`."""
    [source] = _sources([path], "events", None, mapping)
    seen = guess.glimpse(source)
    return guess.propose_mapping(seen.columns, mapping) if seen.is_flat else {}


def mapping_advice(paths: Sequence[Path], file_format: str | None, mapping: Mapping[str, str]) -> list[str]:
    """For each file of flat records without a column of events: which columns it has, and what to try."""
    found = []
    for source in _sources(paths, "events", file_format, mapping):
        advice = guess.advice(guess.glimpse(source), mapping)
        if advice is not None:
            found.append(f"{source.name}: {advice}")
    return found


def _sources(
    paths: Sequence[Path], kind: str, file_format: str | None, mapping: Mapping[str, str] | None
) -> list[FileSource]:
    sources = [open_file(path, kind=kind, file_format=file_format, mapping=mapping) for path in paths]
    if kind == "events" and not mapping:
        for source in sources:
            seen = guess.glimpse(source)
            guess.refuse_stripe(source, seen)
            guess.refuse_format(source, seen)
    return sources


def _check_promises(models: Mapping[str, Model]) -> None:
    """What the queries alone can show, before anything is built: incremental keys kept, columns of metrics there."""
    for model in models.values():
        check_incremental(model, models)
        if model.schema == "metrics":
            check_columns(model, models)


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


def _build(
    workspace: Workspace,
    engine: Engine,
    clock: Clock,
    models: Mapping[str, Model],
    ordered: list[Model],
    progress: Progress | None,
) -> BuildReport:
    """Fill the config tables, build and check; where a version of the calibration is due, make it on the way.

    What calibration reads is built first, of the tables it reads itself only the columns it names; then what a new
    version touches of that again, and everything else once.
    """
    kinds = create_schemas(engine, models)
    _fill_config(workspace, engine, clock)
    read = {table for query in CALIBRATION for table in models[query].reads}
    before: set[str] = set().union(*(upstream(models, table) for table in read))
    first = [model for model in ordered if model.name in before]
    built = build_models(engine, first, kinds, progress)
    if _calibrate(engine, clock, models, read - before, kinds):
        touched = downstream(models, VERSIONS) | downstream(models, GRID)
        built += build_models(engine, [model for model in first if model.name in touched], kinds, progress)
    built += build_models(engine, [model for model in ordered if model.name not in before], kinds, progress)
    return BuildReport(tuple(built), tuple(check_models(engine, ordered, progress)))


def _fill_config(workspace: Workspace, engine: Engine, clock: Clock) -> None:
    """Configuration and clock as rows; calibration alone is kept."""
    config = workspace.config
    names = engine.rows("SELECT event_key, event_name FROM raw.dim_event")
    for table, frame in composition.settings_tables(config, clock, names, workspace.folder).items():
        engine.clear(table)
        engine.append(table, frame)
    set_prior(engine, config.usage.benchmark_events_per_day)


def _calibrate(
    engine: Engine, clock: Clock, models: Mapping[str, Model], read: Collection[str], kinds: dict[str, str]
) -> int:
    """Append the versions that are due, from the tables `read` as they come out without them; returns how many."""
    months = months_due(engine, clock.as_of_date)
    if not months:
        return 0
    named = {column for name in CALIBRATION for column in models[name].columns_named}
    for name in sorted(read):
        sketch(engine, models[name], named, kinds)

    def query(name: str) -> Query:
        return lambda version, day: engine.frame(models[name].sql, {"version": version, "valid_from": day})

    return calibrate(engine, months, query(CALIBRATION[0]), query(CALIBRATION[1]))


def _take_calibration(store: Engine, scratch: Engine, clock: Clock, models: Mapping[str, Model]) -> None:
    """Give a build for another moment the versions that were valid by then."""
    create_schemas(scratch, models)
    known_date = to_local(clock.known_at - timedelta(microseconds=1), clock.timezone).date()
    take_over(store, scratch, min(clock.as_of_date, known_date))


def _give_back_calibration(workspace: Workspace, store: Engine, models: Mapping[str, Model]) -> None:
    """Put back versions that were kept beside the store and that it has lost."""
    create_schemas(store, {name: model for name, model in models.items() if model.kind == "external"})
    if workspace.calibration.exists():
        with store.transaction():
            versions.unpack(store, workspace.calibration.read_bytes())


def _keep_calibration(workspace: Workspace, store: Engine) -> None:
    """Keep the versions beside the store before anything that rests on them is published."""
    packed = versions.pack(store)
    if not workspace.calibration.exists() or workspace.calibration.read_bytes() != packed:
        with writing(workspace.data):
            durable.replace(workspace.calibration, packed)


def _fingerprint(workspace: Workspace, as_of: str | None, known_at: str | None) -> str:
    """Names the results of a moment: another one when configuration, models or landed data are others."""
    digest = hashlib.sha256(workspace.config.model_dump_json().encode())
    known = Landing(workspace.landing).manifest()
    digest.update(repr((as_of, known_at, known.last_segment, known.drops)).encode())
    for name, path in sorted(find_files(composition.roots(workspace.models)).items()):
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def _load(workspace: Workspace, store: Engine, progress: Progress | None) -> LoadReport:
    if progress is not None:
        progress("loading", 0, 0)
    landing = Landing(workspace.landing)
    landing.seal(utc_now())
    return load(store, landing, load_settings(workspace), landed_at=utc_now(), translators=TRANSLATORS)


def _owning(workspace: Workspace, task: Callable[[Engine, LoadReport], Done], progress: Progress | None = None) -> Done:
    """Carry out a task on the store, owned meanwhile; a damaged store is recovered on the way (see `Store.work`).

    The task gets the store and what a recovery filled it with. Raises StoreLocked when another process owns it.
    """
    store = Store(
        workspace.store,
        workspace.landing,
        lambda engine: _load(workspace, engine, progress),
        workspace.config.workspace.memory_limit,
    )
    with durable.room(), workspace.lock():
        return store.work(task)


def has_landed(workspace: Workspace) -> bool:
    """Whether anything waits to be loaded; needs no store."""
    manifest = Landing(workspace.landing).manifest()
    loaded = manifest.loads[-1].last_segment if manifest.loads else 0
    return manifest.last_segment > loaded or seal.waiting(workspace.landing)


def published_at(workspace: Workspace) -> datetime | None:
    """When results were published last, UTC without zone; None before the first time."""
    current = workspace.published / CURRENT
    return datetime.fromtimestamp(current.stat().st_mtime, UTC).replace(tzinfo=None) if current.exists() else None


def recovered(workspace: Workspace) -> tuple[Recovery, ...]:
    """Every time the store proved damaged and was filled again, the oldest first; needs no store."""
    return recoveries(workspace.data)


def _step(progress: Progress | None, name: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(name, done, total)

    return report


def quarantined(
    workspace: Workspace, *, reason: str | None = None, waiting: bool = True, most: int = 1000
) -> pl.DataFrame:
    """Refused records, newest first, as `quarantine.listing` has them. Raises StoreLocked."""
    return _owning(workspace, lambda store, _: quarantine.listing(store, reason=reason, waiting=waiting, most=most))


def quarantined_record(workspace: Workspace, quarantine_id: str) -> quarantine.Quarantined:
    """One refused record; raises NotFoundError as `quarantine.show` does, StoreLocked."""
    return _owning(workspace, lambda store, _: quarantine.show(store, quarantine_id))


def retry_record(workspace: Workspace, quarantine_id: str, mended: bytes | None) -> Imported:
    """Land one refused record again and load it. Raises NotFoundError, InputError as quarantine.retry does."""
    landing = Landing(workspace.landing)

    def land(store: Engine, _filled: LoadReport) -> ImportReceipt:
        return quarantine.retry(store, landing, quarantine_id, landed_at=utc_now(), mended=mended)

    receipt = _owning(workspace, land)
    try:
        return Imported((receipt,), load_landed(workspace))
    except StoreLocked:
        return Imported((receipt,), None)


def compact(workspace: Workspace, *, progress: Progress | None = None) -> CompactReport:
    """Drop product events beyond [landing] keep_event_days, and put loaded segments older than compact_after_days
    into Parquet files.

    Where records are dropped the raw tables are filled anew without them; results follow at the next refresh. Raises
    StoreLocked, StoreError when the disk fails: what was landed is still there then.
    """
    config = workspace.config
    landing = Landing(workspace.landing)

    def task(store: Engine, _filled: LoadReport) -> CompactReport:
        _load(workspace, store, progress)
        now = utc_now()
        dropped = 0
        if config.landing.keep_event_days is not None:
            kept_since = now - timedelta(days=config.landing.keep_event_days)
            dropped = retention.drop(landing, landed_before=kept_since, now=now)
        if dropped:
            _load(workspace, store, progress)
        report = compaction.compact(
            landing,
            landed_before=now - timedelta(days=config.landing.compact_after_days),
            now=now,
            memory_limit=config.workspace.memory_limit,
            progress=_step(progress, "compacting"),
        )
        return replace(report, dropped=dropped)

    return _owning(workspace, task, progress)


def diagnosis(workspace: Workspace) -> list[Finding]:
    """What doctor finds in a workspace, made ready where it has to be; what is left to tell where the disk is full or
    the store cannot be filled. Raises StoreLocked.
    """
    try:
        return _diagnosis(workspace)
    except StoreLocked:
        raise
    except StoreError as error:
        try:
            results = open_results(workspace)
        except (NotFoundError, StoreError):
            results = None
        return diagnose_without_store(error, results, workspace.data, intake.standings(workspace, utc_now()))


def _diagnosis(workspace: Workspace) -> list[Finding]:
    results = _readable_results(workspace)

    def look(store: Engine, _filled: LoadReport) -> list[Finding] | None:
        if not store.rows(IS_BUILT)[0][0]:
            return None
        fetched = intake.standings(workspace, utc_now())
        return diagnose(workspace.config, store, results, workspace.data, recovered(workspace), fetched)

    found = _owning(workspace, look)
    if found is None:  # a store that was recovered, and not refreshed since
        refresh(workspace)
        results = open_results(workspace)
        found = _owning(workspace, look)
    return found or []


def _readable_results(workspace: Workspace) -> Generation:
    """The published results, published anew where there are none or they are damaged."""
    try:
        results = open_results(workspace)
        if results.moment:
            return results
    except (NotFoundError, StoreError):
        refresh(workspace)
    return open_results(workspace)


def models_at(folder: Path) -> dict[str, Model]:
    """The models of the workspace at `folder`, or the shipped ones where there is no workspace."""
    if (folder / CONFIG_NAME).exists():
        return workspace_models(Workspace.open(folder))
    return composition.models(Config())
