"""From landing to the raw tables: all waiting segments in one transaction, validated in bulk by SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from trialwise.engines.duckdb import Engine
from trialwise.errors import StoreError
from trialwise.landing import damage, fields, frames, translate
from trialwise.landing.folder import Landing
from trialwise.landing.manifest import Import, LoadRange, Manifest, Segment
from trialwise.landing.report import LoadReport
from trialwise.landing.rescue import Rescue
from trialwise.landing.schema import create_raw
from trialwise.landing.settings import LoadSettings
from trialwise.landing.statements import needs, own_tables, rows, run
from trialwise.landing.translate import Translate, Translators

if TYPE_CHECKING:
    import polars as pl

_TABLES = (
    "segments", "declared", "retried", "mapped_accounts", "damaged", "translated",
    "calls", "stripe_records", "contested", "taken",
)  # fmt: skip
TOGETHER_BYTES = 256 << 20
"""Recorded loads are carried out together, as far as that comes to the same, up to this size of their segments."""


def load(
    engine: Engine,
    landing: Landing,
    settings: LoadSettings,
    *,
    landed_at: datetime,
    translators: Translators | None = None,
    only_noted: bool = False,
) -> LoadReport:
    """Bring the raw tables up to everything that is in a sealed segment; only_noted: to what loads took before.

    One transaction, with a row of raw.loads for each load. When the store has lost loads, or settings that shape raw
    have changed, the tables are filled anew in the recorded order. `landed_at` (UTC, no zone) stamps the load;
    `translators` read the formats that SQL does not.
    Raises StoreError when store and landing do not belong together.
    """
    manifest = landing.manifest()
    with frames.reading(landing), Rescue(landing) as rescue, engine.transaction():
        create_raw(engine)
        stored = rows(engine, "loads")
        shape = settings.fingerprint + manifest.drops
        rebuilt = _reason_to_rebuild(stored, manifest, shape)
        if rebuilt is not None:
            run(engine, "empty")
            for table in own_tables():
                engine.execute(f"TRUNCATE raw.{table}")
            run(engine, "nobody")
            stored = []
        ranges = _ranges(stored, manifest, landed_at, only_noted=only_noted)
        report = LoadReport(rebuilt=rebuilt)
        for together in _together(ranges, manifest):
            report += _load_ranges(engine, landing, manifest, settings, together, translators or {}, rescue)
        if not ranges and settings.customer_map:
            _add_mapped_accounts(engine, settings)
        _drop(engine)
    noted = len(manifest.loads)  # the store's are the same as far as these go
    for taken in [*(LoadRange(*row[:4]) for row in stored[noted:]), *ranges[max(0, noted - len(stored)) :]]:
        landing.note_load(taken)
    return report


def loaded_since(engine: Engine, segment: int) -> LoadReport:
    """What became of everything in a segment and the later ones, in one load or several; nothing waits."""
    ((received, loaded, duplicate, quarantined, loads, forgotten),) = rows(engine, "loads_since", {"since": segment})
    reasons = dict(rows(engine, "reasons_since", {"since": segment}))
    return LoadReport(received, loaded, duplicate, quarantined, 0, loads, None, reasons, forgotten)


def last_taken(engine: Engine) -> int:
    """The last segment of which the store holds the records, 0 when it holds none."""
    with engine.transaction():
        create_raw(engine)
        stored = rows(engine, "loads")
    return int(stored[-1][2]) if stored else 0


def pending(engine: Engine, landing: Landing) -> int:
    """Records that wait for the next load."""
    return sum(entry.records for entry in landing.manifest().after(last_taken(engine)))


def _reason_to_rebuild(stored: Sequence[tuple[Any, ...]], manifest: Manifest, shape: str) -> str | None:
    """Why the tables must be filled anew, or None."""
    if stored and stored[-1][2] > manifest.last_segment:
        raise StoreError(
            f"the store has loaded segment {stored[-1][2]}, landing ends with {manifest.last_segment}",
            "They do not belong together: restore both from one backup.",
        )
    if any(row[:3] != known for row, known in zip(stored, manifest.ranges(), strict=False)):
        return "the store's loads are not those of landing"
    if len(stored) < len(manifest.loads):
        return f"the store has {len(stored)} of {len(manifest.loads)} loads"
    if stored and stored[-1][4] != shape:
        if manifest.drops and not stored[-1][4].endswith(manifest.drops):
            return "records have been dropped, as [landing] keep_event_days asks"
        return "settings that shape the raw tables have changed"
    return None


def _ranges(
    stored: Sequence[tuple[Any, ...]], manifest: Manifest, landed_at: datetime, *, only_noted: bool
) -> list[LoadRange]:
    """The loads to carry out: the recorded ones the store lacks, then one for what nobody has loaded."""
    ranges = list(manifest.loads[len(stored) :])
    taken = max([row[2] for row in stored] + [known.last_segment for known in ranges], default=0)
    if manifest.last_segment > taken and not only_noted:
        ranges.append(LoadRange(len(stored) + len(ranges) + 1, taken + 1, manifest.last_segment, landed_at))
    return ranges


def _together(ranges: Sequence[LoadRange], manifest: Manifest) -> Iterator[list[LoadRange]]:
    """Successive loads in groups of bounded size: the server loads every half minute, and a store is filled anew with
    many small loads. What is noted as their number, instant and counts stays each one's own.
    """
    if any(needs(f"into_{table}", "load_id") for table in own_tables()):
        yield from ([taken] for taken in ranges)
        return
    group: list[LoadRange] = []
    size = 0
    for taken in ranges:
        entries = manifest.between(taken.first_segment, taken.last_segment)
        its = sum(segment.bytes for entry in entries for segment in entry.segments)
        if group and size + its > TOGETHER_BYTES:
            yield group
            group, size = [], 0
        group.append(taken)
        size += its
    if group:
        yield group


def _load_ranges(
    engine: Engine,
    landing: Landing,
    manifest: Manifest,
    settings: LoadSettings,
    together: Sequence[LoadRange],
    translators: Translators,
    rescue: Rescue,
) -> LoadReport:
    """Carry out loads at once where that comes to the same as one after the other, else each half of them so."""
    imports = {
        taken.load_id: [
            replace(entry, segments=manifest.kept(entry))
            for entry in manifest.between(taken.first_segment, taken.last_segment)
        ]
        for taken in together
    }
    entries = [entry for some in imports.values() for entry in some]
    values: dict[str, Any] = {
        "load_id": together[0].load_id,
        "timezone": settings.timezone,
        "livemode": settings.livemode_text,
        "stripe_account": settings.stripe_account or "",
        "metadata_path": settings.metadata_path,
        "declared": settings.fingerprint + manifest.drops,
    }
    _check_there(landing, entries)
    _prepare(engine, settings, together, imports)
    _read(engine, landing, entries, values, translators, rescue)
    damage.collect(engine, landing, rescue)
    run(engine, "number_repeats")
    if len(together) > 1 and rows(engine, "entangled")[0][0]:
        middle = len(together) // 2
        return _load_ranges(engine, landing, manifest, settings, together[:middle], translators, rescue) + _load_ranges(
            engine, landing, manifest, settings, together[middle:], translators, rescue
        )
    run(engine, "contested_calls")
    run(engine, "judge_calls")
    run(engine, "judge_stripe_events")
    run(engine, "judge_stripe_objects")
    if rows(engine, "late_refusals")[0][0]:
        segments = [segment for entry in entries for segment in entry.segments]
        for _ in frames.shown(engine, landing, segments, rescue):
            run(engine, "fill_raw_calls", values)
            run(engine, "fill_raw_stripe", values)
    run(engine, "resolve_aliases")
    for step in (
        "add_users", "add_events", "add_accounts",
        "drop_replaced_events", "drop_replaced_identities", "drop_replaced_stripe",
        "insert_events", "insert_event_properties", "insert_identities", "insert_stripe",
        *(f"into_{table}" for table in own_tables()),
        "insert_quarantine", "mark_retried",
    ):  # fmt: skip
        run(engine, step, values)
    report = LoadReport(reasons=dict(rows(engine, "reasons", values)))
    for load_id, loaded, duplicate, quarantined, forgotten in rows(engine, "counts"):
        counts = {"loaded": loaded, "duplicate": duplicate, "quarantined": quarantined, "forgotten": forgotten}
        received = loaded + duplicate + quarantined + forgotten
        run(engine, "insert_load", {**values, **counts, "load_id": load_id, "received": received})
        report += LoadReport(received, loaded, duplicate, quarantined, 0, 1, forgotten=forgotten)
    return report


def _prepare(
    engine: Engine, settings: LoadSettings, together: Sequence[LoadRange], imports: Mapping[int, Sequence[Import]]
) -> None:
    """Fresh working tables, with what Python knows: loads, segments, declared names, retries, mapped accounts."""
    import polars as pl

    run(engine, "macros")
    for table in ("taken", "segments", "declared", "retried", "damaged", "translated", "calls", "stripe_records"):
        run(engine, table)
    loads = [(taken.load_id, taken.first_segment, taken.last_segment, taken.landed_at) for taken in together]
    engine.append(
        "taken", pl.DataFrame(loads, schema=["load_id", "first_segment", "last_segment", "landed_at"], orient="row")
    )
    entries = [entry for some in imports.values() for entry in some]
    segments = [
        (s.number, entry.number, entry.source, entry.file, s.records, entry.landed_at, s.live is not None, load_id)
        for load_id, some in imports.items()
        for entry in some
        for s in entry.segments
    ]
    names = ("segment", "import_no", "source", "file", "records", "landed_at", "is_live", "load_id")
    engine.append("segments", pl.DataFrame(segments, schema=list(names), orient="row"))
    engine.append(
        "declared", pl.DataFrame({"event_name": sorted(settings.declared_events)}, schema={"event_name": pl.String})
    )
    retried = [(key, entry.landed_at) for entry in entries for key in entry.retries]
    engine.append("retried", _retried(retried))
    _fill_mapped_accounts(engine, settings)


def _retried(pairs: Sequence[tuple[str, datetime]]) -> pl.DataFrame:
    import polars as pl

    schema: dict[str, Any] = {"quarantine_id": pl.String, "retried_at": pl.Datetime("us")}
    return pl.DataFrame(pairs, schema=schema, orient="row")


def _fill_mapped_accounts(engine: Engine, settings: LoadSettings) -> None:
    import polars as pl

    run(engine, "mapped_accounts")
    accounts = sorted({*settings.customer_map.values(), *(f"stripe:{customer}" for customer in settings.customer_map)})
    engine.append("mapped_accounts", pl.DataFrame({"account_id": accounts}, schema={"account_id": pl.String}))


def _add_mapped_accounts(engine: Engine, settings: LoadSettings) -> None:
    """Keys for the mapping file's accounts when there is nothing else to load."""
    for table in ("macros", "segments", "calls", "stripe_records"):
        run(engine, table)
    _fill_mapped_accounts(engine, settings)
    run(engine, "add_accounts", {"metadata_path": settings.metadata_path})


def _read(
    engine: Engine,
    landing: Landing,
    imports: Iterable[Import],
    values: dict[str, Any],
    translators: Translators,
    rescue: Rescue,
) -> None:
    """Read segments in groups that are read alike."""

    def alike(entry: Import) -> tuple[str, str, list[tuple[str, str]]]:
        return entry.source, entry.format, sorted(entry.mapping.items())

    for (source, form, mapping), group in groupby(sorted(imports, key=alike), key=alike):
        segments = [segment for entry in group for segment in entry.segments]
        if not segments:
            continue
        for _ in _translated(engine, landing, segments, source, translators.get(form), rescue):
            read_frames(engine, source, form, dict(mapping), values, translators)


def _translated(
    engine: Engine,
    landing: Landing,
    segments: Iterable[Segment],
    source: str,
    translator: Translate | None,
    rescue: Rescue,
) -> Iterator[None]:
    """Show the frames of segments, those of another system's format once their translations are there."""
    if source == "events" and translator is not None:
        for segment in segments:
            for _ in frames.shown(engine, landing, [segment], rescue):
                translate.fill(engine, translator)
    yield from frames.shown(engine, landing, segments, rescue)


def read_frames(
    engine: Engine,
    source: str,
    form: str,
    mapping: Mapping[str, str],
    values: Mapping[str, Any],
    translators: Translators,
) -> None:
    """Read the view `frames`, records of one source, format and mapping, into `calls` or `stripe_records`.

    What has to be translated is in `translated`. values: what the statements need of `LoadSettings`.
    """
    translator = translators.get(form)
    run(
        engine,
        "read_stripe" if source == "stripe" else "read_calls",
        {
            **values,
            "format": form if translator is None else "segment",
            "translated": translator is not None,
            "readable": translator is not None or form in translate.PLAIN,
            "fields": fields.paths(mapping),
            "columns": fields.columns(mapping),
        },
    )


def _check_there(landing: Landing, imports: Sequence[Import]) -> None:
    """Every segment has its file; one whose import was cut short by a crash gets its name now. Raises StoreError."""
    holders = landing.manifest().holders
    paths = [
        landing.compacted / holders[s.number] if s.number in holders else landing.path(s.number)
        for entry in imports
        for s in entry.segments
    ]
    if not all(path.exists() for path in paths):
        landing.mend()
    for path in paths:
        if not path.exists():
            raise StoreError(
                f"the landing segment {path} is missing",
                "Restore it from a backup of the landing folder, then run 'trialwise refresh'.",
            )


def _drop(engine: Engine) -> None:
    for table in _TABLES:
        engine.execute(f"DROP TABLE IF EXISTS temp.{table}")
