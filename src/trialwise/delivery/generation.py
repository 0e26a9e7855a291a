"""Published generations, as readers open them: never locked, never changed.

folder/000123.duckdb   one generation, complete
folder/CURRENT         the name of the one readers open
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trialwise.delivery import account as accounts
from trialwise.delivery import explain as explanations
from trialwise.delivery import leads as lists
from trialwise.delivery import metrics as numbers
from trialwise.delivery import trials as trial_rows
from trialwise.delivery.query import query
from trialwise.delivery.reader import Moment, Reader
from trialwise.engines.duckdb import EngineError, connect
from trialwise.errors import NotFoundError, StoreError

if TYPE_CHECKING:
    import polars as pl

CURRENT = "CURRENT"
NUMBER = re.compile(r"(\d{6,})\.duckdb")


@dataclass(frozen=True)
class Generation:
    """One consistent set of published results, read-only; every answer comes as a polars frame or a value.

    note: what follows its caption: how fresh it is.
    """

    reader: Reader
    path: Path
    note: str = ""

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
        return f"as of {_instant(moment.as_of)}{known} ({name}){self.note}"

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
        return Generation(self.reader.cursor(), self.path, self.note)

    def close(self) -> None:
        """Close the file."""
        self.reader.engine.close()


def open_generation(path: Path, roots: tuple[Path, ...] = ()) -> Generation:
    """Open the current generation of a folder, or one generation file, read-only and shut off from other files.

    roots: more `sql/` folders whose metrics/ may be asked for. Raises NotFoundError when nothing is published there,
    StoreDamaged for a file that is not as it was written (also later, when a part of it is read), StoreError for one
    that is no generation.
    """
    file = path
    remedy: str | None = "Delete it and ask again: it is computed anew."
    if path.is_dir() or not path.exists():
        number = current_number(path)
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


def current_number(folder: Path) -> int | None:
    """The number CURRENT names, None before the first. Raises StoreError where it names none."""
    try:
        match = NUMBER.fullmatch((folder / CURRENT).read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    if match is None:
        raise StoreError(f"{folder / CURRENT} names no generation", "Run 'trialwise refresh': it names a new one.")
    return int(match.group(1))


def _instant(moment: datetime) -> str:
    return f"{moment.isoformat(sep=' ', timespec='minutes')}Z"
