"""Load, build, check, publish: the only module that knows all stages. They meet in tables."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trialwise import composition, parameters
from trialwise.clock import Clock, clock_for, to_local, utc_now
from trialwise.config import Config, declared_events
from trialwise.delivery.generation import Generation, open_generation, publish, write_generation
from trialwise.delivery.preview import Preview, preview
from trialwise.diagnosis import Finding, diagnose
from trialwise.engines.duckdb import Engine, connect
from trialwise.errors import CheckFailed, ConfigError, InputError, NotFoundError, StoreLocked
from trialwise.landing import quarantine
from trialwise.landing.folder import Landing
from trialwise.landing.load import load
from trialwise.landing.rehearsal import rehearsal, rehearse
from trialwise.landing.report import ImportReceipt, LoadReport
from trialwise.landing.settings import LoadSettings
from trialwise.scaffold import SeenEvent
from trialwise.scoring.calibrate import GRID, VERSIONS, Query, calibrate, months_due, set_prior, take_over
from trialwise.sources import guess
from trialwise.sources.files import FileSource, open_file
from trialwise.sources.formats import TRANSLATORS
from trialwise.transform.build import BuildReport, build_models, check_models, create_schemas, sketch
from trialwise.transform.columns import check_columns
from trialwise.transform.condition import parse_condition
from trialwise.transform.graph import downstream, order, upstream
from trialwise.transform.keys import check_incremental
from trialwise.transform.model import Model, find_files
from trialwise.workspace import CONFIG_NAME, Workspace

Progress = Callable[[str, int, int], None]
CALIBRATION = ("calibration.calibration", "calibration.calibration_grid")
"""The queries that make a version: the benchmark, then the grid."""
NEEDS_LENGTH = ("intermediate.event_trials", "announced_trials_have_an_end")
MOMENTS_KEPT = 20  # results of past moments that stay to be asked again
SEEN_EVENTS = """
SELECT d.event_name, count(*), count(DISTINCT nullif(e.account_key, 0)), count(DISTINCT nullif(e.user_key, 0))
FROM raw.events AS e JOIN raw.dim_event AS d ON d.event_key = e.event_key
GROUP BY d.event_name ORDER BY count(*) DESC, d.event_name
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
) -> Imported:
    """Land files durably, then load them when nobody else owns the store; else the owner's next refresh does.

    kind: 'events' or 'stripe'. Raises InputError for a file that cannot be read at all, or of Stripe objects where
    events are asked for, before anything is landed.
    """
    sources = _sources(paths, kind, file_format, mapping)
    landing = Landing(workspace.landing)
    receipts = tuple(
        landing.land(source, landed_at=utc_now(), progress=_step(progress, source.name)) for source in sources
    )
    try:
        with workspace.lock(), _open(workspace) as store:
            loaded = _load(workspace, store, progress)
    except StoreLocked:
        return Imported(receipts, None)
    return Imported(receipts, loaded)


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
    with workspace.lock(), _open(workspace) as store:
        loaded = _load(workspace, store, progress)
        if into is None:
            with _saying_what_to_set(workspace.config), store.transaction():
                built = _build(workspace, store, clock, models, ordered, progress)
            number = publish(store, workspace.published, published)
            store.execute("CHECKPOINT")
            path = workspace.published / f"{number:06d}.duckdb"
        else:
            path = into
            with store.beside(workspace.data / "scratch" / f"{os.getpid()}.duckdb", "raw") as scratch:
                _take_calibration(store, scratch, clock, models)
                with _saying_what_to_set(workspace.config):
                    built = _build(workspace, scratch, clock, models, ordered, progress)
                write_generation(scratch, path, published)
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
    roots = (workspace.models,)
    if as_of is None and known_at is None:
        return open_generation(workspace.published, roots)
    path = workspace.data / "moments" / f"{_fingerprint(workspace, as_of, known_at)}.duckdb"
    if not path.exists():
        refresh(workspace, as_of=as_of, known_at=known_at, into=path, progress=progress)
        for old in sorted(path.parent.glob("*.duckdb"), key=lambda kept: kept.stat().st_mtime)[:-MOMENTS_KEPT]:
            old.unlink(missing_ok=True)
    return open_generation(path, roots)


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
            guess.refuse_stripe(source, guess.glimpse(source))
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
    create_schemas(store, {name: model for name, model in models.items() if model.kind == "external"})
    create_schemas(scratch, models)
    known_date = to_local(clock.known_at - timedelta(microseconds=1), clock.timezone).date()
    take_over(store, scratch, min(clock.as_of_date, known_date))


def _fingerprint(workspace: Workspace, as_of: str | None, known_at: str | None) -> str:
    """Names the results of a moment: another one when configuration, models or landed data are others."""
    digest = hashlib.sha256(workspace.config.model_dump_json().encode())
    digest.update(repr((as_of, known_at, Landing(workspace.landing).manifest().last_segment)).encode())
    for name, path in sorted(find_files(composition.roots(workspace.models)).items()):
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def _load(workspace: Workspace, store: Engine, progress: Progress | None) -> LoadReport:
    if progress is not None:
        progress("loading", 0, 0)
    landing = Landing(workspace.landing)
    landing.seal(utc_now())
    return load(store, landing, load_settings(workspace), landed_at=utc_now(), translators=TRANSLATORS)


@contextmanager
def _open(workspace: Workspace) -> Iterator[Engine]:
    store = connect(workspace.store, memory_limit=workspace.config.workspace.memory_limit)
    try:
        yield store
    finally:
        store.close()


def _step(progress: Progress | None, name: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(name, done, total)

    return report


@contextmanager
def reading_store(workspace: Workspace) -> Iterator[Engine]:
    """The store for a look at raw tables, owned meanwhile. Raises StoreLocked when another process owns it."""
    with workspace.lock(), _open(workspace) as store:
        yield store


def retry_record(workspace: Workspace, quarantine_id: str, mended: bytes | None) -> Imported:
    """Land one refused record again and load it. Raises NotFoundError, InputError as quarantine.retry does."""
    landing = Landing(workspace.landing)
    with reading_store(workspace) as store:
        receipt = quarantine.retry(store, landing, quarantine_id, landed_at=utc_now(), mended=mended)
        return Imported((receipt,), _load(workspace, store, None))


def diagnosis(workspace: Workspace) -> list[Finding]:
    """What doctor finds in a workspace; what has landed is loaded first. Raises StoreLocked."""
    try:
        results = open_results(workspace)
    except NotFoundError:
        refresh(workspace)
        results = open_results(workspace)
    with reading_store(workspace) as store:
        return diagnose(workspace.config, store, results, workspace.data)


def models_at(folder: Path) -> dict[str, Model]:
    """The models of the workspace at `folder`, or the shipped ones where there is no workspace."""
    if (folder / CONFIG_NAME).exists():
        return workspace_models(Workspace.open(folder))
    return composition.models(Config())
