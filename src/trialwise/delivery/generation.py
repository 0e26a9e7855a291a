"""Published generations: written beside the store, switched by rename, read without ever locking it.

folder/000123.duckdb   one generation, complete and never changed
folder/CURRENT         the name of the one readers open

A crash leaves CURRENT at the old generation; what the crash left behind is removed by the next publish.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from trialwise.delivery import account as accounts
from trialwise.delivery import explain as explanations
from trialwise.delivery import leads as lists
from trialwise.delivery import metrics as numbers
from trialwise.delivery import trials as trial_rows
from trialwise.delivery.query import query
from trialwise.delivery.reader import Moment, Reader
from trialwise.engines.duckdb import Engine, EngineError, cause_of, connect
from trialwise.errors import NotFoundError, StoreError

if TYPE_CHECKING:
    import polars as pl

CURRENT = "CURRENT"
ALWAYS = ("intermediate.trial_days",)
"""Published besides marts and lists: explanations, previews and back-tests read the one feature row."""

_NUMBER = re.compile(r"(\d{6,})\.duckdb")
_ALIAS = "generation_being_written"
_NUMBERED = "CREATE TABLE generation_being_written.main.generation AS SELECT CAST($number AS BIGINT) AS number"
_TABLES = "SELECT concat(schema_name, '.', table_name) FROM duckdb_tables() WHERE database_name = current_database()"


@dataclass(frozen=True)
class Generation:
    """One consistent set of published results, read-only; every answer comes as a polars frame or a value."""

    reader: Reader
    path: Path

    @property
    def number(self) -> int:
        """Number of the generation; 0 for a file of its own."""
        return self.reader.number

    @cached_property
    def moment(self) -> Moment:
        """The clock the results were computed for."""
        return self.reader.moment

    @property
    def caption(self) -> str:
        """One line that says what the answers are of."""
        moment = self.moment
        name = f"generation {self.number}" if self.number else "computed for this moment"
        known = "" if moment.known_at == moment.as_of else f", known by {_instant(moment.known_at)}"
        return f"as of {_instant(moment.as_of)}{known} ({name})"

    def trials(self, *, every: bool = False, segment: str | None = None, limit: int | None = None) -> pl.DataFrame:
        """Running trials, or with `every` all of them; columns as in `trials.TRIAL_COLUMNS`, the next to end first.

        segment: only its members at the clock. Raises NotFoundError for an unknown segment.
        """
        return trial_rows.trials(self.reader, every=every, segment=segment, limit=limit)

    def metrics(self, name: str, **options: Any) -> pl.DataFrame:
        """One metric, columns as in `metrics.METRIC_COLUMNS`; options as in `metrics.Options`.

        Raises InputError for an unknown option or value, NotFoundError for an unknown metric.
        """
        return numbers.metrics(self.reader, name, numbers.options(**options))

    def metric_names(self) -> pl.DataFrame:
        """The metrics there are: metric, definitions, description."""
        return numbers.overview(self.reader)

    def leads(self, name: str | None = None, *, limit: int | None = None) -> pl.DataFrame:
        """One list, best first; without a name the lists there are. Raises NotFoundError for an unknown one."""
        return lists.overview(self.reader) if name is None else lists.leads(self.reader, name, limit=limit)

    def segments(self) -> pl.DataFrame:
        """Every segment with its size, owner and definition."""
        return lists.segments(self.reader)

    def account(self, account_id: str) -> accounts.Account:
        """Profile, trials, timeline and daily use of one account. Raises NotFoundError."""
        return accounts.account(self.reader, account_id)

    def explain(
        self, identifier: str, *, since: str | None = None, before: Generation | None = None
    ) -> explanations.Explanation:
        """Why a trial (or an account's latest trial) has its score; with `since` also what changed since that day.

        before: an older generation, to tell definition changes and data corrections from news. Raises NotFoundError,
        InputError for a day without a row.
        """
        return explanations.explain(self.reader, identifier, since, None if before is None else before.reader)

    def sql(self, text: str, params: Mapping[str, Any] | None = None, *, timeout_seconds: float = 60.0) -> pl.DataFrame:
        """Rows of one SELECT over the published tables. Raises InputError for anything else, or after the time."""
        return query(self.reader, text, params, timeout_seconds)

    def cursor(self) -> Generation:
        """The same generation for another thread."""
        return Generation(self.reader.cursor(), self.path)

    def close(self) -> None:
        """Close the file."""
        self.reader.engine.close()


def publish(store: Engine, folder: Path, tables: Mapping[str, str], *, keep: int = 3) -> int:
    """Copy tables of the store into a new generation and make it the current one; its number comes back.

    store: a connection outside any transaction. tables: `schema.table` -> description; intermediate.trial_days is
    added when the store has it. keep: how many generations stay, for readers that still hold an older one.
    Until the last rename readers see the old generation; calling it again after a crash is safe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder, keep=None)
    try:
        current = _current_number(folder) or 0
    except StoreError:  # damaged; it is about to be replaced
        current = 0
    number = max([*_numbers(folder), current]) + 1
    path = folder / f"{number:06d}.duckdb"
    write_generation(store, path, tables, number=number)
    _replace(folder / CURRENT, path.name)
    _sweep(folder, keep=keep)
    return number


def write_generation(store: Engine, path: Path, tables: Mapping[str, str], *, number: int = 0) -> None:
    """Copy tables of the store into a generation file of its own, complete or not at all.

    A file already at `path` is replaced. Raises StoreError naming the table that could not be copied.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    for leftover in (unfinished, Path(f"{unfinished}.wal")):
        leftover.unlink(missing_ok=True)
    have = {name for (name,) in store.rows(_TABLES)}
    chosen = {**{name: "" for name in ALWAYS if name in have}, **tables}
    store.execute(f"ATTACH {exp.Literal.string(str(unfinished)).sql('duckdb')} AS {_ALIAS}")
    try:
        for name, description in chosen.items():
            _copy(store, name, description)
        if chosen.keys() >= trial_rows.ROWS_NEED:
            store.execute(trial_rows.BUILD_ROWS)
        store.execute(_NUMBERED, {"number": number})
        store.execute(f"CHECKPOINT {_ALIAS}")
    finally:
        store.execute(f"DETACH {_ALIAS}")
    _sync(unfinished)
    unfinished.replace(path)
    _sync(path.parent)


def open_generation(path: Path, roots: tuple[Path, ...] = ()) -> Generation:
    """Open the current generation of a folder, or one generation file, read-only and shut off from other files.

    roots: more `sql/` folders whose metrics/ may be asked for. Raises NotFoundError when nothing is published there,
    StoreDamaged for a file that is not as it was written (also later, when a part of it is read), StoreError for one
    that is no generation.
    """
    file = path
    remedy: str | None = "Delete it and ask again: it is computed anew."
    if path.is_dir() or not path.exists():
        number = _current_number(path)
        if number is None:
            raise NotFoundError(f"nothing is published in {path}", "Run 'trialwise refresh' first.")
        file = path / f"{number:06d}.duckdb"
        remedy = None
        if not file.exists():
            raise NotFoundError(f"{path / CURRENT} names {file.name}, which is not there", "Run 'trialwise refresh'.")
    engine = connect(file, read_only=True, external_access=False, remedy=remedy)
    try:
        number = int(engine.rows("SELECT number FROM main.generation")[0][0])
    except (EngineError, IndexError) as error:
        engine.close()
        raise StoreError(f"{file} is no generation of trialwise", "Name one that refresh wrote.") from error
    return Generation(Reader(engine, number, roots), file)


def _copy(store: Engine, name: str, description: str) -> None:
    schema, _, table = name.partition(".")
    target = exp.table_(table, db=schema, catalog=_ALIAS, quoted=True).sql("duckdb")
    source = exp.table_(table, db=schema, quoted=True).sql("duckdb")
    schema_name = exp.to_identifier(schema, quoted=True).sql("duckdb")
    try:
        store.execute(f"CREATE SCHEMA IF NOT EXISTS {_ALIAS}.{schema_name}")
        store.execute(f"CREATE TABLE {target} AS FROM {source}")
        if description:
            store.execute(f"COMMENT ON TABLE {target} IS {exp.Literal.string(description).sql('duckdb')}")
    except EngineError as error:
        raise StoreError(
            f"{name} cannot be published: {cause_of(error)}", "The generation published before stays."
        ) from error


def _numbers(folder: Path) -> list[int]:
    found = [_NUMBER.fullmatch(path.name) for path in folder.iterdir()]
    return sorted(int(match.group(1)) for match in found if match is not None)


def _current_number(folder: Path) -> int | None:
    try:
        match = _NUMBER.fullmatch((folder / CURRENT).read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    if match is None:
        raise StoreError(f"{folder / CURRENT} names no generation", "Run 'trialwise refresh': it names a new one.")
    return int(match.group(1))


def _sweep(folder: Path, keep: int | None) -> None:
    """Remove what a crash left and, with `keep`, generations that are older than the newest `keep`."""
    for leftover in folder.glob(".*.unfinished*"):
        leftover.unlink(missing_ok=True)
    if keep is None:
        return
    current = _current_number(folder)
    old = [number for number in _numbers(folder) if current is not None and number <= current][: -max(keep, 1)]
    for number in old:
        (folder / f"{number:06d}.duckdb").unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    """Write a small file so that readers see the old text or the new, and a crash leaves one of both."""
    fresh = path.with_name(f".{path.name}.unfinished")
    fresh.write_text(text + "\n", encoding="ascii")
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _instant(moment: datetime) -> str:
    return f"{moment.isoformat(sep=' ', timespec='minutes')}Z"
