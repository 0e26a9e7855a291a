"""What was published and when, as it was: appended to, never changed, kept apart from everything a refresh can rebuild.

data/history.sqlite
  records        one row per publishing that brought something new, or per missed day that was filled in afterwards
  contexts       the definitions a record was published under, once each
  numbers        one row per number (metric, definition, period, split) as first shown, and each time it was another one
  restatements   those of them that put another number in place of a published one, and why
  listed         one row per day, list and trial: as that day's list showed it first
  first_listed   one row per list and trial: the record that showed it first
  scores         one row per trial and record that showed another score of it

A record is noted before its generation becomes the current one, and kept afterwards; whoever comes next after a crash
keeps or takes away what was noted by what CURRENT names (`settle`). So a generation and its record come together.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from trialwise.sqlite_file import SqliteFile

NAME = "history.sqlite"
Key = tuple[str, str, str, date, date, str | None, str | None]
"""(metric, definition, by, period_start, period_end, split_key, split_value)"""
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS contexts (
    context_id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS records (
    record_id INTEGER PRIMARY KEY AUTOINCREMENT,
    generation INTEGER,
    day TEXT NOT NULL,
    as_of TEXT NOT NULL,
    known_at TEXT NOT NULL,
    published_at TEXT NOT NULL,
    is_backfilled INTEGER NOT NULL,
    is_kept INTEGER NOT NULL,
    last_load INTEGER,
    context_id INTEGER NOT NULL REFERENCES contexts
) STRICT;
CREATE TABLE IF NOT EXISTS numbers (
    number_id INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id INTEGER NOT NULL REFERENCES records,
    metric TEXT NOT NULL,
    definition TEXT NOT NULL,
    by TEXT NOT NULL,
    period_start TEXT NOT NULL,
    period_end TEXT NOT NULL,
    split_key TEXT,
    split_value TEXT,
    version TEXT,
    numerator INTEGER,
    denominator INTEGER,
    pending INTEGER,
    value REAL,
    unit TEXT,
    is_final INTEGER NOT NULL,
    is_gone INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS numbers_key
    ON numbers (metric, definition, by, period_start, period_end, split_key, split_value, number_id);
CREATE TABLE IF NOT EXISTS restatements (
    number_id INTEGER PRIMARY KEY REFERENCES numbers,
    old_number_id INTEGER NOT NULL REFERENCES numbers,
    causes TEXT NOT NULL,
    why TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS trials (
    trial_no INTEGER PRIMARY KEY,
    trial_id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS restated_trials (
    number_id INTEGER NOT NULL REFERENCES restatements,
    trial_no INTEGER NOT NULL REFERENCES trials,
    change TEXT NOT NULL,
    PRIMARY KEY (number_id, trial_no)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lists (list_no INTEGER PRIMARY KEY, list TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS listed (
    day TEXT NOT NULL,
    list_no INTEGER NOT NULL REFERENCES lists,
    trial_no INTEGER NOT NULL REFERENCES trials,
    position INTEGER,
    score_hundredths INTEGER,
    record_id INTEGER NOT NULL REFERENCES records,
    PRIMARY KEY (day, list_no, trial_no)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS first_listed (
    list_no INTEGER NOT NULL REFERENCES lists,
    trial_no INTEGER NOT NULL REFERENCES trials,
    record_id INTEGER NOT NULL REFERENCES records,
    PRIMARY KEY (list_no, trial_no)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
    trial_no INTEGER NOT NULL REFERENCES trials,
    record_id INTEGER NOT NULL REFERENCES records,
    score_hundredths INTEGER NOT NULL,
    grade TEXT,
    scored_by TEXT,
    PRIMARY KEY (trial_no, record_id)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"""
_TAKE_AWAY = (
    "DELETE FROM restated_trials WHERE number_id IN (SELECT number_id FROM numbers WHERE record_id = ?)",
    "DELETE FROM restatements WHERE number_id IN (SELECT number_id FROM numbers WHERE record_id = ?)",
    "DELETE FROM numbers WHERE record_id = ?",
    "DELETE FROM first_listed WHERE record_id = ?",
    "DELETE FROM listed WHERE record_id = ?",
    "DELETE FROM scores WHERE record_id = ?",
    "DELETE FROM records WHERE record_id = ?",
)
_FORGET_TRIAL = (
    "DELETE FROM restated_trials WHERE trial_no = ?",
    "DELETE FROM listed WHERE trial_no = ?",
    "DELETE FROM first_listed WHERE trial_no = ?",
    "DELETE FROM scores WHERE trial_no = ?",
    "DELETE FROM trials WHERE trial_no = ?",
)


_FORGET_SPLIT = (
    "DELETE FROM restated_trials WHERE number_id IN (SELECT number_id FROM numbers WHERE split_value = ?)",
    "DELETE FROM restatements WHERE number_id IN (SELECT number_id FROM numbers WHERE split_value = ?)",
    "DELETE FROM numbers WHERE split_value = ?",
)


@dataclass(frozen=True)
class Number:
    """One number as published: of a metric under a definition, for a period and, where it is split, a value of that."""

    metric: str
    definition: str
    by: str
    period_start: date
    period_end: date
    split_key: str | None
    split_value: str | None
    version: str | None
    numerator: int | None
    denominator: int | None
    pending: int | None
    value: float | None
    unit: str | None
    is_final: bool
    is_gone: bool = False

    @property
    def key(self) -> Key:
        """What it is a number of."""
        return (
            self.metric, self.definition, self.by, self.period_start, self.period_end, self.split_key, self.split_value,
        )  # fmt: skip

    @property
    def said(self) -> tuple[object, ...]:
        """All of it that can change."""
        return (self.numerator, self.denominator, self.pending, self.value, self.version, self.is_final, self.is_gone)


@dataclass(frozen=True)
class Shown:
    """A trial as a list showed it; score in hundredths of a point."""

    list: str
    trial_id: str
    account_id: str
    position: int | None
    score_hundredths: int | None


@dataclass(frozen=True)
class Scored:
    """The score of a trial as published, in hundredths of a point, with its place in the grid."""

    trial_id: str
    account_id: str
    score_hundredths: int
    grade: str | None
    scored_by: str | None


@dataclass(frozen=True)
class Restated:
    """A number in place of a published one: the id of that, short names of the causes, a sentence, trials behind it."""

    number: Number
    old_id: int
    causes: tuple[str, ...]
    why: str
    trials: tuple[tuple[str, str, str], ...] = ()
    """(trial_id, account_id, what happened to it)"""


@dataclass(frozen=True)
class Record:
    """A publishing, or a missed day filled in; instants are UTC without zone.

    generation: None of a day that was filled in. day: the reporting day it shows. context: the definitions.
    """

    generation: int | None
    day: date
    as_of: datetime
    known_at: datetime
    published_at: datetime
    last_load: int | None
    context: Mapping[str, Any]
    is_backfilled: bool = False


@dataclass(frozen=True)
class News:
    """What a record adds."""

    numbers: Sequence[Number] = ()
    restated: Sequence[Restated] = ()
    listed: Sequence[Shown] = ()
    scored: Sequence[Scored] = ()

    @property
    def is_none(self) -> bool:
        """Whether there is nothing to add."""
        return not (self.numbers or self.restated or self.listed or self.scored)


@dataclass(frozen=True)
class Last:
    """A number as it was shown last, by its id; is_gone: whether it is recorded since that it is no longer there.

    day: of the newest record that says something of it. is_recorded: whether the number is what the id stands for, not
    one that was shown later the same day.
    """

    number_id: int
    number: Number
    day: date
    is_gone: bool = False
    is_recorded: bool = True


@dataclass(frozen=True)
class Known:
    """What the history says last, for comparing with what is about to be published.

    record: the newest, None before the first. numbers: what was said last of each, by key. listed:
    (list, trial_id) of a day. scores: (score_hundredths, grade, scored_by) of the trials asked for. has_day: whether
    the day has a record.
    """

    record: Record | None = None
    numbers: Mapping[Key, Last] = field(default_factory=dict)
    has_day: bool = False
    listed: frozenset[tuple[str, str]] = frozenset()
    scores: Mapping[str, tuple[int, str | None, str | None]] = field(default_factory=dict)


class History:
    """The history of one data folder; its file is made by the first record.

    current: the number of the current generation, whose record counts also where a crash came before it was kept.
    Every method raises StoreError when the file cannot be read or written. A damaged one is set aside, never removed,
    and begun anew: what it held is in backups alone.
    """

    def __init__(self, data: Path, current: int = 0) -> None:
        self.path = data / NAME
        self._current = current
        self._file = SqliteFile(self.path, "history", _SCHEMA, _VERSION)

    @property
    def is_there(self) -> bool:
        """Whether anything has been recorded."""
        return self.path.exists()

    def check(self) -> None:
        """Look at the whole file, which a transaction reads a part of; a damaged one is set aside."""
        self._file.check()

    def set_aside(self) -> tuple[Path, ...]:
        """Histories that proved damaged, the oldest first."""
        return self._file.set_aside()

    def settle(self, published: int) -> None:
        """Keep what was noted for a generation that was published, up to number `published`, and take away the rest.

        For the owner of the store alone, beside whom nobody notes anything.
        """
        if not self.is_there:
            return
        open_ones = "SELECT record_id, generation FROM records WHERE is_kept = 0"
        if not self._file.work(lambda file: file.execute(open_ones).fetchall(), "BEGIN"):
            return

        def settle(file: sqlite3.Connection) -> None:
            for record_id, generation in file.execute(open_ones).fetchall():
                if generation is not None and generation <= published:
                    file.execute("UPDATE records SET is_kept = 1 WHERE record_id = ?", (record_id,))
                else:
                    _take_away(file, record_id)

        self._file.work(settle)

    def known(self, day: date, trial_ids: Collection[str] = ()) -> Known:
        """What was published last, and what `day` has shown so far."""
        if not self.is_there:
            return Known()

        def look(file: sqlite3.Connection) -> Known:
            numbers = {
                (found := _number(row)).key: Last(
                    int(row["number_id"]), found, date.fromisoformat(row["day"]), bool(row["is_gone_since"])
                )
                for row in file.execute(_LAST_NUMBERS)
            }
            listed = file.execute(
                "SELECT l.list, t.trial_id FROM listed AS d JOIN lists AS l USING (list_no) JOIN trials AS t"
                " USING (trial_no) WHERE d.day = ?", (day.isoformat(),)
            )  # fmt: skip
            has_day = file.execute("SELECT 1 FROM records WHERE day = ? LIMIT 1", (day.isoformat(),)).fetchone()
            return Known(
                _newest(file),
                numbers,
                has_day is not None,
                frozenset((row[0], row[1]) for row in listed),
                _scores(file, trial_ids),
            )

        return self._file.work(look, "BEGIN")

    def newest(self) -> Record | None:
        """The newest record of a generation; None before the first."""
        if not self.is_there:
            return None
        return self._file.work(_newest, "BEGIN")

    def greatest_generation(self) -> int:
        """The greatest number of a generation it knows of; 0 before the first."""
        if not self.is_there:
            return 0
        query = "SELECT coalesce(max(generation), 0) FROM records"
        return int(self._file.work(lambda file: file.execute(query).fetchone()[0], "BEGIN"))

    def days(self) -> frozenset[date]:
        """The days that have a record."""
        if not self.is_there:
            return frozenset()
        rows = self._file.work(lambda file: file.execute("SELECT DISTINCT day FROM records").fetchall(), "BEGIN")
        return frozenset(date.fromisoformat(day) for (day,) in rows)

    def metrics(self) -> list[str]:
        """The metrics numbers are recorded of."""
        return self._names("SELECT DISTINCT metric FROM numbers ORDER BY metric")

    def list_names(self) -> list[str]:
        """The lists that were ever shown with a trial on them."""
        return self._names("SELECT list FROM lists ORDER BY list")

    def _names(self, query: str) -> list[str]:
        if not self.is_there:
            return []
        return [str(row[0]) for row in self._file.work(lambda file: file.execute(query).fetchall(), "BEGIN")]

    def note(self, record: Record, news: News, *, is_kept: bool = False) -> None:
        """Append what a record adds. It counts from the moment it is kept, or its generation is the current one."""
        self._file.work(lambda file: _append(file, record, news, is_kept=is_kept))

    def add(self, record: Record, numbers: Sequence[Number]) -> list[int]:
        """Put numbers on record that a published generation showed and nobody noted; their ids."""

        def add(file: sqlite3.Connection) -> list[int]:
            query = "SELECT record_id FROM records WHERE generation = ?"
            found = file.execute(query, (record.generation,)).fetchone()
            record_id = _insert_record(file, record, is_kept=True) if found is None else found[0]
            return [_insert_number(file, record_id, number) for number in numbers]

        return self._file.work(add)

    def keep(self, generation: int) -> None:
        """Keep what was noted for a generation that is the current one now."""
        self._file.work(lambda file: file.execute("UPDATE records SET is_kept = 1 WHERE generation = ?", (generation,)))

    def restatements(self, *, metric: str | None = None, since: date | None = None) -> list[dict[str, Any]]:
        """Published numbers that later changed, the newest change first; columns as in `RESTATEMENT_COLUMNS`."""
        query = _RESTATEMENTS.format(kept=_KEPT)
        given = {
            "metric": metric, "since": None if since is None else since.isoformat(), "current": self._current,
        }  # fmt: skip

        def look(file: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = [dict(row) for row in file.execute(query, given)]
            for row in rows:
                trials = file.execute(
                    "SELECT t.trial_id, r.change FROM restated_trials AS r JOIN trials AS t USING (trial_no)"
                    " WHERE r.number_id = ? ORDER BY t.trial_id", (row.pop("number_id"),)
                )  # fmt: skip
                row["trials"] = [f"{trial_id}: {change}" for trial_id, change in trials]
                row["causes"] = json.loads(row["causes"])
                row["was_final"] = bool(row["was_final"])
                for name in ("period_start", "period_end"):
                    row[name] = date.fromisoformat(row[name])
                for name in [name for name in row if name.endswith(("_at", "as_of"))]:
                    row[name] = datetime.fromisoformat(row[name])
            return rows

        return self._file.work(look, "BEGIN") if self.is_there else []

    def lists(self, *, day: date | None = None, name: str | None = None) -> list[dict[str, Any]]:
        """What a day's lists showed (the last recorded day when None), in their order; columns as `LISTED_COLUMNS`."""
        query = _LISTED.format(kept=_KEPT)
        given = {"day": None if day is None else day.isoformat(), "list": name, "current": self._current}

        def look(file: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = []
            for found in file.execute(query, given):
                row = dict(found)
                row["day"] = date.fromisoformat(row["day"])
                row["is_backfilled"] = bool(row["is_backfilled"])
                for moment in ("first_listed_at", "published_at"):
                    row[moment] = None if row[moment] is None else datetime.fromisoformat(row[moment])
                rows.append(row)
            return rows

        return self._file.work(look, "BEGIN") if self.is_there else []

    def scores(self, identifier: str) -> list[dict[str, Any]]:
        """Every score that was published of a trial, or of an account's trials, the newest first.

        Columns as `SCORE_COLUMNS`.
        """
        query = _SCORES.format(kept=_KEPT)

        def look(file: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = []
            for found in file.execute(query, {"identifier": identifier, "current": self._current}):
                row = dict(found)
                row["day"] = date.fromisoformat(row["day"])
                row["is_backfilled"] = bool(row["is_backfilled"])
                row["published_at"] = datetime.fromisoformat(row["published_at"])
                rows.append(row)
            return rows

        return self._file.work(look, "BEGIN") if self.is_there else []

    def forget(self, is_account: Callable[[str], bool], is_trial: Callable[[str], bool]) -> int:
        """Take away all that names these accounts and trials, from the bytes of the file too; how many that were.

        is_account, is_trial: whether an id is one of them. A number that is split by an account goes with it; other
        numbers stay: they name nobody.
        """
        if not self.is_there:
            return 0

        def erase(file: sqlite3.Connection) -> int:
            file.execute("PRAGMA secure_delete = ON")
            trials = [
                number
                for number, trial_id, account_id in file.execute("SELECT trial_no, trial_id, account_id FROM trials")
                if is_trial(trial_id) or is_account(account_id)
            ]
            for statement in _FORGET_TRIAL:
                file.executemany(statement, [(number,) for number in trials])
            split = file.execute("SELECT DISTINCT split_value FROM numbers WHERE split_value IS NOT NULL").fetchall()
            values = [(value,) for (value,) in split if is_account(value)]
            for statement in _FORGET_SPLIT:
                file.executemany(statement, values)
            return len(trials) + len(values)

        erased = self._file.work(erase)
        if erased:
            self._file.compact()
        return erased


_NEW_NUMBER = """
INSERT INTO numbers VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number_id
"""
_LAST_NUMBERS = """
SELECT n.*, r.day, newest.is_gone AS is_gone_since
FROM (SELECT max(number_id) AS newest_id, max(number_id) FILTER (WHERE NOT is_gone) AS shown_id FROM numbers
    GROUP BY metric, definition, by, period_start, period_end, split_key, split_value) AS last
JOIN numbers AS n ON n.number_id = last.shown_id
JOIN numbers AS newest ON newest.number_id = last.newest_id
JOIN records AS r ON r.record_id = newest.record_id
"""
_KEPT = "(SELECT * FROM records WHERE is_kept = 1 OR generation <= :current)"
RESTATEMENT_COLUMNS = (
    "metric", "definition", "by", "period_start", "period_end", "split_key", "split_value", "old", "new", "unit",
    "why", "causes", "old_numerator", "old_denominator", "new_numerator", "new_denominator", "was_final", "trials",
    "old_version", "new_version", "first", "first_published_at", "first_generation", "first_as_of",
    "old_published_at", "old_generation", "old_as_of", "published_at", "generation", "as_of",
)  # fmt: skip
_RESTATEMENTS = """
SELECT s.number_id, n.metric, n.definition, n.by, n.period_start, n.period_end, n.split_key, n.split_value,
    o.value AS old, n.value AS new, coalesce(n.unit, o.unit) AS unit, s.why, s.causes,
    o.numerator AS old_numerator, o.denominator AS old_denominator,
    n.numerator AS new_numerator, n.denominator AS new_denominator, o.is_final AS was_final,
    o.version AS old_version, n.version AS new_version,
    f.value AS first, fr.published_at AS first_published_at, fr.generation AS first_generation,
    fr.as_of AS first_as_of, r.published_at AS old_published_at, r.generation AS old_generation,
    r.as_of AS old_as_of, nr.published_at, nr.generation, nr.as_of
FROM restatements AS s
JOIN numbers AS n ON n.number_id = s.number_id
JOIN {kept} AS nr ON nr.record_id = n.record_id
JOIN numbers AS o ON o.number_id = s.old_number_id
JOIN records AS r ON r.record_id = o.record_id
JOIN numbers AS f ON f.number_id = (
    SELECT min(k.number_id) FROM numbers AS k
    WHERE k.metric = n.metric AND k.definition = n.definition AND k.by = n.by AND k.period_start = n.period_start
        AND k.period_end = n.period_end AND k.split_key IS n.split_key AND k.split_value IS n.split_value)
JOIN records AS fr ON fr.record_id = f.record_id
WHERE (:metric IS NULL OR n.metric = :metric) AND (:since IS NULL OR nr.published_at >= :since)
ORDER BY s.number_id DESC
"""
LISTED_COLUMNS = (
    "day", "list", "position", "trial_id", "account_id", "score", "first_listed_at", "published_at", "generation",
    "is_backfilled", "definitions",
)  # fmt: skip
_LISTED = """
SELECT d.day, l.list, d.position, t.trial_id, t.account_id, d.score_hundredths / 100.0 AS score,
    CASE WHEN r.is_backfilled = 0 THEN f.published_at END AS first_listed_at, r.published_at, r.generation,
    r.is_backfilled, c.digest AS definitions
FROM listed AS d
JOIN {kept} AS r ON r.record_id = d.record_id
JOIN contexts AS c ON c.context_id = r.context_id
JOIN lists AS l ON l.list_no = d.list_no
JOIN trials AS t ON t.trial_no = d.trial_no
LEFT JOIN first_listed AS i ON i.list_no = d.list_no AND i.trial_no = d.trial_no
LEFT JOIN {kept} AS f ON f.record_id = i.record_id
WHERE d.day = coalesce(:day, (SELECT max(k.day) FROM {kept} AS k)) AND (:list IS NULL OR l.list = :list)
ORDER BY l.list, d.position IS NULL, d.position, t.trial_id
"""
SCORE_COLUMNS = (
    "trial_id", "account_id", "day", "score", "grade", "scored_by", "published_at", "generation", "is_backfilled",
    "definitions",
)  # fmt: skip
_SCORES = """
SELECT t.trial_id, t.account_id, r.day, s.score_hundredths / 100.0 AS score, s.grade, s.scored_by, r.published_at,
    r.generation, r.is_backfilled, c.digest AS definitions
FROM scores AS s
JOIN trials AS t ON t.trial_no = s.trial_no
JOIN {kept} AS r ON r.record_id = s.record_id
JOIN contexts AS c ON c.context_id = r.context_id
WHERE t.trial_id = :identifier OR t.account_id = :identifier
ORDER BY r.day DESC, s.record_id DESC, t.trial_id
"""


def _append(file: sqlite3.Connection, record: Record, news: News, *, is_kept: bool) -> None:
    record_id = _insert_record(file, record, is_kept=is_kept)
    for number in news.numbers:
        _insert_number(file, record_id, number)
    shown = [(one.trial_id, one.account_id) for one in news.listed]
    scored = [(one.trial_id, one.account_id) for one in news.scored]
    behind = [(trial_id, account_id) for one in news.restated for trial_id, account_id, _ in one.trials]
    file.executemany("INSERT OR IGNORE INTO trials (trial_id, account_id) VALUES (?, ?)", (*shown, *scored, *behind))
    for one in news.restated:
        number_id = _insert_number(file, record_id, one.number)
        file.execute(
            "INSERT INTO restatements VALUES (?, ?, ?, ?)", (number_id, one.old_id, json.dumps(one.causes), one.why)
        )
        file.executemany(
            "INSERT INTO restated_trials SELECT ?, trial_no, ? FROM trials WHERE trial_id = ?",
            [(number_id, change, trial_id) for trial_id, _, change in one.trials],
        )
    file.executemany("INSERT OR IGNORE INTO lists (list) VALUES (?)", {(shown.list,) for shown in news.listed})
    file.executemany(
        "INSERT INTO listed SELECT ?, (SELECT list_no FROM lists WHERE list = ?), trial_no, ?, ?, ? FROM trials"
        " WHERE trial_id = ?",
        [
            (record.day.isoformat(), shown.list, shown.position, shown.score_hundredths, record_id, shown.trial_id)
            for shown in news.listed
        ],
    )
    if not record.is_backfilled:
        file.execute(
            "INSERT OR IGNORE INTO first_listed SELECT list_no, trial_no, record_id FROM listed WHERE record_id = ?"
            " AND day = ?",
            (record_id, record.day.isoformat()),
        )
    file.executemany(
        "INSERT INTO scores SELECT trial_no, ?, ?, ?, ? FROM trials WHERE trial_id = ?",
        [(record_id, s.score_hundredths, s.grade, s.scored_by, s.trial_id) for s in news.scored],
    )


def _insert_record(file: sqlite3.Connection, record: Record, *, is_kept: bool) -> int:
    query = (
        "INSERT INTO records (generation, day, as_of, known_at, published_at, is_backfilled, is_kept, last_load,"
        " context_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING record_id"
    )
    values = (
        record.generation, record.day.isoformat(), _text(record.as_of), _text(record.known_at),
        _text(record.published_at), record.is_backfilled, is_kept, record.last_load, _context(file, record.context),
    )  # fmt: skip
    return int(file.execute(query, values).fetchone()[0])


def _insert_number(file: sqlite3.Connection, record_id: int, number: Number) -> int:
    values = (
        record_id, number.metric, number.definition, number.by, number.period_start.isoformat(),
        number.period_end.isoformat(), number.split_key, number.split_value, number.version, number.numerator,
        number.denominator, number.pending, number.value, number.unit, number.is_final, number.is_gone,
    )  # fmt: skip
    return int(file.execute(_NEW_NUMBER, values).fetchone()[0])


def _take_away(file: sqlite3.Connection, record_id: int) -> None:
    """Take away what was noted and never published."""
    for statement in _TAKE_AWAY:
        file.execute(statement, (record_id,))


def _context(file: sqlite3.Connection, content: Mapping[str, Any]) -> int:
    text = json.dumps(content, sort_keys=True)
    digest = digest_of(content)
    file.execute("INSERT OR IGNORE INTO contexts (digest, content) VALUES (?, ?)", (digest, text))
    return int(file.execute("SELECT context_id FROM contexts WHERE digest = ?", (digest,)).fetchone()[0])


def digest_of(content: Mapping[str, Any]) -> str:
    """What names a set of definitions."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _scores(file: sqlite3.Connection, trial_ids: Collection[str]) -> dict[str, tuple[int, str | None, str | None]]:
    """The last published score of each trial."""
    rows = file.execute(
        "SELECT t.trial_id, s.score_hundredths, s.grade, s.scored_by FROM trials AS t JOIN scores AS s ON"
        " s.trial_no = t.trial_no AND s.record_id = (SELECT max(record_id) FROM scores AS k JOIN records AS r"
        " USING (record_id) WHERE k.trial_no = t.trial_no AND NOT r.is_backfilled)"
        " WHERE t.trial_id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(trial_ids)),),
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _number(row: sqlite3.Row) -> Number:
    return Number(
        row["metric"], row["definition"], row["by"], date.fromisoformat(row["period_start"]),
        date.fromisoformat(row["period_end"]), row["split_key"], row["split_value"], row["version"], row["numerator"],
        row["denominator"], row["pending"], row["value"], row["unit"], bool(row["is_final"]), bool(row["is_gone"]),
    )  # fmt: skip


def _newest(file: sqlite3.Connection) -> Record | None:
    """The newest record of a generation."""
    query = "SELECT r.* FROM records AS r WHERE NOT is_backfilled ORDER BY r.record_id DESC LIMIT 1"
    row = file.execute(query).fetchone()
    return None if row is None else _record(file, row)


def _record(file: sqlite3.Connection, row: sqlite3.Row) -> Record:
    content = file.execute("SELECT content FROM contexts WHERE context_id = ?", (row["context_id"],)).fetchone()[0]
    return Record(
        row["generation"], date.fromisoformat(row["day"]), datetime.fromisoformat(row["as_of"]),
        datetime.fromisoformat(row["known_at"]), datetime.fromisoformat(row["published_at"]), row["last_load"],
        json.loads(content), bool(row["is_backfilled"]),
    )  # fmt: skip


def _text(moment: datetime) -> str:
    """A UTC instant without zone, so that texts sort as instants do."""
    return moment.isoformat(timespec="microseconds")
