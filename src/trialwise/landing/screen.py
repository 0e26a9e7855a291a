"""Records of who was forgotten, taken out of segments: their bytes go, their places stay.

A file of segments is written anew beside the old one and renamed over it, so that a crash leaves one or the other; a
compacted one gets another name, and the manifest says which counts.

landing/screened.json   which list the segments were held against, and up to which one
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from trialwise.engines.duckdb import Engine, EngineError, cause_of, connect
from trialwise.errors import DiskFull, StoreError
from trialwise.landing import compact, durable, frames, suppression, translate
from trialwise.landing.folder import Landing
from trialwise.landing.frame import checksum, read_frame
from trialwise.landing.learning import Called, Learning, users_of
from trialwise.landing.load import read_frames
from trialwise.landing.manifest import Import, Segment
from trialwise.landing.redact import LEAST, Content, Mentions, erased, masked, masked_words, words
from trialwise.landing.rescue import Rescue
from trialwise.landing.settings import LoadSettings
from trialwise.landing.statements import rows, run
from trialwise.landing.suppression import Names, Suppression, is_word, patterns
from trialwise.landing.translate import Translators

NAME = "screened.json"
TOGETHER_BYTES = 256 << 20  # of segments that are looked at in one step
ROUNDS = 8  # of what leads from one Stripe object to the next
_ITEM = re.compile(rb'\{"crc":"[0-9a-f]{16}","i":(\d+),')
_HALF_DONE = ".scrubbed"
Progress = Callable[[int, int], None]
"""Called with (bytes of segments looked at, bytes of all)."""


@dataclass(frozen=True)
class Screened:
    """What a look at segments found, and took out unless it was only to look.

    erased: records of which nothing is left. masked: records about others that mentioned them, which stay without
    that. segments, compacted: files written anew. learned: ids that were found on the way.
    """

    erased: int = 0
    masked: int = 0
    segments: int = 0
    compacted: int = 0
    learned: Names = field(default_factory=Names)

    def __add__(self, other: Screened) -> Screened:
        return Screened(
            self.erased + other.erased,
            self.masked + other.masked,
            self.segments + other.segments,
            self.compacted + other.compacted,
            self.learned | other.learned,
        )


def is_screened(landing: Landing, kept: Suppression) -> bool:
    """Whether every segment was held against this list."""
    digest, last = _state(landing.folder)
    return digest == kept.digest and last >= landing.manifest().last_segment


def screen(
    landing: Landing,
    settings: LoadSettings,
    translators: Translators,
    *,
    now: datetime,
    names: Names | None = None,
    former: Suppression | None = None,
    store: Engine | None = None,
    until: int | None = None,
    memory_limit: str | None = None,
    progress: Progress | None = None,
    note: Callable[[Screened], None] | None = None,
) -> Screened:
    """Take out what is left of who is on the list: from segments that came since, from all when the list is another.

    names: who was put on the list just now, in plain; former: the list without them. Segments that were held against
    that one are searched for these names alone, which is quicker than holding every word against the list. until: the
    last segment to look at. store: the owned one, with every load that was noted: it tells which ids found on the way
    are somebody else's, and whether it holds records of theirs by now; then the forget is to be done once more.
    note: told what was found before it is noted that all were looked at: nobody could find it a second time.
    For the process that owns the store. Raises DiskFull, StoreError: what is done stays done, the next call goes on.
    """
    kept = suppression.read(landing.folder)
    if not kept:
        return Screened()
    digest, last = _state(landing.folder)
    end = landing.manifest().last_segment if until is None else until
    if digest == kept.digest and last >= end:
        return Screened()
    parts: list[tuple[int, int, Names | None]] = [(last + 1 if digest == kept.digest else 1, end, None)]
    if names is not None and former is not None and (not former or digest == former.digest):
        held = last if former else end
        parts = [(1, held, names), (held + 1, end, None)]
    learning = Learning(landing.folder, store, kept, now)
    work = _Work(landing, settings, translators, now, memory_limit, learning)
    try:
        found = Screened()
        for first, up_to, meant in parts:
            found += work.over(first, up_to, meant, kept, progress)
        if learning.is_in_store(found.learned):
            found += work.over(1, end, found.learned, kept, progress)
    except OSError as error:
        kind = DiskFull if error.errno in durable.NO_ROOM else StoreError
        raise kind(f"{landing.folder} cannot be written: {error}", _AGAIN) from error
    except EngineError as error:
        raise StoreError(f"{landing.folder} cannot be searched: {cause_of(error)}", _AGAIN) from error
    if note is not None:
        note(found)
    _keep_state(landing.folder, learning.kept.digest, end)
    return found


def learn(landing: Landing, learned: Sequence[tuple[Names, Names]], *, since: datetime) -> None:
    """Put ids on the list that were found outside of landing: each with what they were found through.

    What landed since an instant (UTC without zone) is held against the list by the next load, what came earlier is not.
    Raises DiskFull, StoreError.
    """

    def with_learned(kept: Suppression) -> Suppression:
        for names, through in learned:
            kept = kept.with_learned(names, through)
        return kept

    entries = landing.manifest().imports
    early = [one.segments[-1].number for one in entries if one.segments and one.landed_at < since]
    change(landing.folder, with_learned, max(early, default=0))


def change(folder: Path, changed: Callable[[Suppression], Suppression], last: int | None = None) -> Suppression:
    """Change the list so that no segment has to be held against it once more but those after `last`.

    Returns what it is then. Raises DiskFull, StoreError.
    """
    before: list[str] = []

    def noting(kept: Suppression) -> Suppression:
        before.append(kept.digest)
        return changed(kept)

    kept = suppression.change(folder, noting)
    digest, held = _state(folder)
    if digest == before[0]:
        _keep_state(folder, kept.digest, held if last is None else min(held, last))
    return kept


def look(
    landing: Landing,
    settings: LoadSettings,
    translators: Translators,
    names: Names,
    *,
    now: datetime,
    memory_limit: str | None = None,
    progress: Progress | None = None,
) -> Screened:
    """What `screen` would take out of all segments for these names; nothing is changed."""
    learning = Learning(landing.folder, None, Suppression(), now)
    work = _Work(landing, settings, translators, now, memory_limit, learning, is_look=True)
    return work.over(1, landing.manifest().last_segment, names, Suppression(), progress)


_AGAIN = "Make room or mend the disk, and run it again: it goes on where it stopped."


def _keep_state(folder: Path, digest: str, last: int) -> None:
    durable.replace(folder / NAME, json.dumps({"list": digest, "segments": last}).encode() + b"\n")


def _state(folder: Path) -> tuple[str, int]:
    try:
        told = json.loads((folder / NAME).read_bytes())
        return str(told["list"]), int(told["segments"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return "", 0


@dataclass(frozen=True)
class _Work:
    """One search through a landing folder."""

    landing: Landing
    settings: LoadSettings
    translators: Translators
    now: datetime
    memory_limit: str | None
    learning: Learning
    is_look: bool = False

    def over(
        self, first: int, last: int, names: Names | None, kept: Suppression, progress: Progress | None
    ) -> Screened:
        """Search the segments from `first` to `last`, for names or for everybody on the list."""
        engine = connect(memory_limit=self.memory_limit)
        found = Screened()
        try:
            run(engine, "macros")
            is_name = _is_name(names, kept)
            if not self.is_look:
                self._sweep()
            entries = self._entries(first, last)
            total = sum(segment.bytes for entry in entries for segment in entry.segments)
            done = 0
            with frames.reading(self.landing), Rescue(self.landing) as rescue:
                for group in _groups(entries):
                    segments = [segment for entry in group for segment in entry.segments]
                    meant = names if names is not None else self._listed(engine, segments, kept, rescue)
                    broken = self._broken(engine, segments, rescue)
                    if meant or broken:
                        found += self._group(engine, group, meant, rescue, broken, is_name)
                    done += sum(segment.bytes for segment in segments)
                    if progress is not None:
                        progress(done, total)
            mentioned = self._file_names(first, is_name)
            if not self.is_look:
                compact.remove_unneeded(self.landing)
        finally:
            engine.close()
        return found + Screened(masked=mentioned)

    def _sweep(self) -> None:
        """Remove what a crash left half written."""
        for path in self.landing.folder.glob(f"*{_HALF_DONE}"):
            path.unlink()
        durable.make_folder(self.landing.compacted)
        for path in self.landing.compacted.glob(".*.open"):
            path.unlink()

    def _entries(self, first: int, last: int) -> list[Import]:
        known = self.landing.manifest()
        found = [replace(entry, segments=known.kept(entry)) for entry in known.between(first, last)]
        return [entry for entry in found if entry.segments]

    def _listed(self, engine: Engine, segments: Sequence[Segment], kept: Suppression, rescue: Rescue) -> Names:
        """Who of the list is spoken of in these segments."""
        import polars as pl

        run(engine, "listed")
        told = [(one, kind) for kind, some in kept.entries.items() for one in some]
        engine.append("listed", pl.DataFrame(told, schema=["hash", "kind"], orient="row"))
        found: list[tuple[str, str]] = []
        for _ in frames.shown(engine, self.landing, segments, rescue):
            found += [(kind, word) for word, kind in
                      rows(engine, "found_words", {"salt": kept.salt, "odd": kept.odd})]  # fmt: skip
        return suppression.named(found)

    def _broken(self, engine: Engine, segments: Sequence[Segment], rescue: Rescue) -> set[int]:
        """Segments that lie there as lines, not all of which are what was written."""
        holders = self.landing.manifest().holders
        lines = [one for one in segments if one.number not in holders]
        whole: dict[int, int] = {}
        for _ in frames.shown(engine, self.landing, lines, rescue):
            whole |= dict(rows(engine, "whole_frames"))
        return {one.number for one in lines if whole.get(one.number, 0) < one.records}

    def _group(
        self, engine: Engine, group: Sequence[Import], names: Names, rescue: Rescue, broken: set[int], is_name: IsName
    ) -> Screened:
        """Search some segments for names, and for what these lead to."""
        segments = [segment for entry in group for segment in entry.segments]
        learned = Names()
        others: set[str] = set()
        for turn in range(ROUNDS):
            self._match(engine, segments, names | learned, rescue)
            more, called = self._judge(engine, group)
            if turn + 1 == ROUNDS:
                break
            learned |= more
            if met := self.learning.users(called, names | learned, others):
                others |= self._seen_elsewhere(engine, group, met, names, rescue)
                learned |= users_of(self.learning.users(called, names | learned, others))
            elif not more:
                break
        changes = _changes(engine, Mentions(names | learned))
        if not self.is_look:
            self.learning.note(learned, names, {segment for segment, _ in changes})
        counts = Screened(
            sum(is_theirs for _, is_theirs, _ in changes.values()),
            sum(not is_theirs for _, is_theirs, _ in changes.values()),
            learned=learned,
        )
        return counts + self._files(engine, group, changes, broken, is_name)

    def _match(self, engine: Engine, segments: Sequence[Segment], names: Names, rescue: Rescue) -> None:
        import polars as pl

        run(engine, "meant")
        told = [
            *(("account", one) for one in names.accounts),
            *(("user", one) for one in names.users),
            *(("stripe", one) for one in names.stripe),
        ]
        engine.append("meant", pl.DataFrame(told, schema={"kind": pl.String, "name": pl.String}, orient="row"))
        spelt = sorted(names.addresses)
        telling = [word for word in names.words if len(word) >= LEAST]
        run(engine, "set_words", {"names": sorted(names.words), "telling": telling, "addresses": spelt})
        odd = any(not is_word(word) for word in names.words)
        is_made = False
        for _ in frames.shown(engine, self.landing, segments, rescue):
            if not is_made:
                run(engine, "matched")
                is_made = True
            for pattern in patterns(names):
                run(engine, "add_matched", {"pattern": pattern, "odd": odd})
        if not is_made:
            engine.execute("DROP TABLE IF EXISTS temp.matched")

    def _judge(self, engine: Engine, group: Sequence[Import]) -> tuple[Names, Called]:
        """Say of each match whether it is theirs; Stripe's ids that are theirs and were not known, and the users that
        calls of theirs name.
        """
        found: set[str] = set()
        called: Called = set()
        for source in self._read_matched(engine, group):
            if source == "stripe":
                run(engine, "their_stripe", {"metadata_path": self.settings.metadata_path})
                found |= {one for (one,) in rows(engine, "stripe_ids_of_theirs")}
            else:
                run(engine, "their_calls")
                called |= {frozenset(one for one in ids if one is not None) for ids in rows(engine, "users_of_theirs")}
        return Names(stripe=frozenset(found)), called

    def _seen_elsewhere(
        self, engine: Engine, group: Sequence[Import], users: Collection[str], names: Names, rescue: Rescue
    ) -> set[str]:
        """Which of these users calls of the group, or the store, name with an account that is not to be forgotten."""
        found = self.learning.elsewhere(users)
        self._match(engine, [segment for entry in group for segment in entry.segments], users_of(users), rescue)
        for source in self._read_matched(engine, group):
            if source != "stripe":
                values = {"users": sorted(users), "accounts": sorted(names.accounts)}
                found |= {one for (one,) in rows(engine, "users_elsewhere", values)}
        return found

    def _read_matched(self, engine: Engine, group: Sequence[Import]) -> Iterator[str]:
        """Show the matches of each source and format, calls as they are read; the source of each."""
        if not engine.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'matched'"):
            return
        for (source, form, mapping), some in groupby(sorted(group, key=_alike), key=_alike):
            entries = list(some)
            numbers = [segment.number for entry in entries for segment in entry.segments]
            run(engine, "set_segments", {"segments": numbers})
            run(engine, "frames_matched")
            if source != "stripe":
                self._read(engine, entries, source, form, dict(mapping))
            yield source

    def _read(self, engine: Engine, entries: Sequence[Import], source: str, form: str, mapping: dict[str, str]) -> None:
        import polars as pl

        for table in ("segments", "declared", "translated", "calls"):
            run(engine, table)
        known = [
            (s.number, entry.number, source, entry.file, s.records, entry.landed_at, s.live is not None, 1)
            for entry in entries
            for s in entry.segments
        ]
        columns = ("segment", "import_no", "source", "file", "records", "landed_at", "is_live", "load_id")
        engine.append("segments", pl.DataFrame(known, schema=list(columns), orient="row"))
        translator = self.translators.get(form)
        if translator is not None:
            translate.fill(engine, translator)
        read_frames(engine, source, form, mapping, {}, self.translators)

    def _files(
        self, engine: Engine, group: Sequence[Import], changes: _Changes, broken: set[int], is_name: IsName
    ) -> Screened:
        """Write the files anew that hold what is to go; broken lines too, of which nobody knows whose they are."""
        import polars as pl

        holders = self.landing.manifest().holders
        numbers = [segment.number for entry in group for segment in entry.segments]
        touched = {segment for segment, _ in changes}
        own: dict[int, dict[int, Content]] = {}
        for (number, item), change in changes.items():
            own.setdefault(number, {})[item] = change[2]
        rewritten = 0
        for number in numbers:
            if number not in holders and number in touched | broken:
                looked_for = is_name if number in broken else None
                rewritten += _rewrite(self.landing.path(number), own.get(number, {}), looked_for, is_look=self.is_look)
        files = sorted({holders[number] for number in touched if number in holders})
        if self.is_look:
            return Screened(segments=rewritten, compacted=len(files))
        run(engine, "scrubbed")
        told = [(number, item, new.raw, new.env, new.detail, new.b64) for (number, item), (_, _, new) in changes.items()
                if number in holders]  # fmt: skip
        schema: dict[str, Any] = {"segment": pl.Int32, "i": pl.Int64}
        schema |= dict.fromkeys(("raw", "env", "detail", "b64"), pl.String)
        engine.append("scrubbed", pl.DataFrame(told, schema=schema, orient="row"))
        for name in files:
            compact.scrub(self.landing, engine, name, self.now)
        return Screened(segments=rewritten, compacted=len(files))

    def _file_names(self, first: int, is_name: IsName) -> int:
        """Names of files are told with their records; those that hold a name lose it. How many there were."""

        def masked_name(file: str) -> str:
            return masked_words(file, is_name)

        if self.is_look:
            return sum(masked_name(one.file) != one.file for one in self.landing.manifest().files())
        return self.landing.rename_files(masked_name, first)


_Changes = dict[tuple[int, int], tuple[int, bool, Content]]
"""(segment, item) -> (segment, whether it is theirs, what is left)."""


IsName = Callable[[str], bool]
"""Whether a word is a name that no other word looks like."""


def _is_name(names: Names | None, kept: Suppression) -> IsName:
    mentions = None if names is None else Mentions(names)

    def is_name(word: str) -> bool:
        if len(word) < LEAST:
            return False
        return mentions.has_word(word) if mentions else bool(kept.kinds_of(word) or kept.kinds_of(word.lower()))

    return is_name


def _alike(entry: Import) -> tuple[str, str, list[tuple[str, str]]]:
    return entry.source, entry.format, sorted(entry.mapping.items())


def _groups(entries: Iterable[Import]) -> Iterator[list[Import]]:
    """Imports in groups of bounded size, a large one by its segments."""
    group: list[Import] = []
    size = 0
    for entry in entries:
        for segment in entry.segments:
            if group and size + segment.bytes > TOGETHER_BYTES:
                yield group
                group, size = [], 0
            if group and group[-1].number == entry.number:
                group[-1] = replace(group[-1], segments=(*group[-1].segments, segment))
            else:
                group.append(replace(entry, segments=(segment,)))
            size += segment.bytes
    if group:
        yield group


def _changes(engine: Engine, mentions: Mentions) -> _Changes:
    """What becomes of every match that is to change."""
    found: _Changes = {}
    if not engine.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'matched'"):
        return found
    query = (
        "SELECT segment, i, is_theirs, raw, env, detail, b64 FROM matched WHERE is_theirs OR is_telling ORDER BY ALL"
    )
    for number, item, is_theirs, *held in engine.rows(query):
        content = Content(*held)
        new = erased(content) if is_theirs else masked(content, mentions)
        if new is not None:
            found[number, item] = (number, is_theirs or new.is_erased, new)
    return found


def _rewrite(path: Path, changes: dict[int, Content], is_name: IsName | None, *, is_look: bool) -> bool:
    """Write a segment anew, of the same size; whether anything in it is another.

    is_name: what lines that are broken are searched for.
    """
    fresh = path.with_name(f"{path.name}{_HALF_DONE}")
    is_changed = False
    with path.open("rb") as source, (Path(os.devnull) if is_look else fresh).open("wb") as target:
        for line in source:
            new = _line(line, changes, is_name)
            is_changed |= new != line
            target.write(new)
        target.flush()
        if not is_look:
            os.fsync(target.fileno())
    if is_look:
        return is_changed
    if is_changed:
        fresh.rename(path)
        durable.sync_folder(path.parent)
    else:
        fresh.unlink()
    return is_changed


def _line(line: bytes, changes: dict[int, Content], is_name: IsName | None) -> bytes:
    found = _ITEM.match(line)
    change = None if found is None else changes.get(int(found[1]))
    if change is not None and read_frame(line) is not None:
        return _framed(line, change)
    if is_name is None or line.startswith(b'{"channel"') or read_frame(line) is not None:
        return line
    if any(map(is_name, words(line.decode("utf-8", "replace")))):
        return b" " * len(line.rstrip(b"\n")) + line[len(line.rstrip(b"\n")) :]
    return line


def _framed(line: bytes, change: Content) -> bytes:
    """A line with other contents under its checksum; as many bytes."""
    values: dict[str, Any] = json.loads(line)
    for key, value in (("raw", change.raw), ("env", change.env), ("detail", change.detail), ("b64", change.b64)):
        if values.get(key) is not None:
            values[key] = value
    told = " ".join(
        "" if values.get(key) is None else str(values[key])
        for key in ("i", "n", "o", "r", "at", "bad", "detail", "b64", "env", "raw")
    )
    values["crc"] = checksum(told.encode())
    new = orjson.dumps(values) + b"\n"
    if len(new) != len(line):
        raise StoreError("a record could not be taken out of its segment in place", "Report this, please.")
    return new
