"""A pull: page after page, with a state that is saved behind each one, so that any interruption costs one page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from trialwise.clock import utc_now
from trialwise.connections import HttpSection, steps
from trialwise.errors import SourceError
from trialwise.sources.http.answer import Answer, PageRefused
from trialwise.sources.http.paging import Request, first_request, next_request, param_of
from trialwise.sources.http.path import find
from trialwise.sources.http.records import is_lines, of_document, of_lines, text_of
from trialwise.sources.http.since import Value, greatest, is_before, stepped_back
from trialwise.sources.json_text import Unbalanced
from trialwise.sources.piece import Piece

if TYPE_CHECKING:
    from trialwise.sources.http.client import Client


@dataclass(frozen=True)
class Running:
    """A pull that is not done: what to ask next, and what it has seen.

    reading: a digest of how its pages are read; greatest: of the field `since`; digest: of the last page's records;
    pages, records: so far, over all runs.
    """

    request: Request
    reading: str
    greatest: Value | None
    digest: str
    pages: int
    records: int
    started_at: str


@dataclass(frozen=True)
class State:
    """What is kept of a source between pulls.

    definition   of the section's parts that say what is asked for; another one begins anew
    since        greatest value of finished pulls
    completed_at when the last pull was finished, ISO 8601 in UTC; None before the first
    history_until when the first one was; what happened later came as news, and stays so when all is read anew
    running      a pull that was interrupted
    failed_at, failure, failures   the last failure, when there was no success since
    """

    definition: str = ""
    since: Value | None = None
    completed_at: str | None = None
    history_until: str | None = None
    running: Running | None = None
    failed_at: str | None = None
    failure: str | None = None
    failures: int = 0

    def to_json(self) -> dict[str, Any]:
        """As it is saved."""
        data = {key: getattr(self, key) for key in self.__dataclass_fields__}
        if self.running is not None:
            data["running"] = {**vars(self.running), "request": self.running.request.to_json()}
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> State:
        """The state `to_json` told of; a new one of {}."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        running = known.pop("running", None)
        if running is not None and running.keys() == Running.__dataclass_fields__.keys():  # else of another version
            known["running"] = Running(**{**running, "request": Request.from_json(running["request"])})
        return cls(**known)


@dataclass(frozen=True)
class Page:
    """One page's records, and the state to save once they are durable.

    history: those known from the instants they name themselves; news: those known since they were read; read: how many
    records the page had, those whose event has not happened yet included; is_backfill: whether the source is read from
    its beginning.
    """

    history: tuple[Piece, ...]
    news: tuple[Piece, ...]
    read: int
    state: State
    is_backfill: bool

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All that are to be landed."""
        return self.history + self.news


def definition(section: HttpSection) -> str:
    """A digest of what makes a source the one it is: where and what is asked."""
    since = None if section.since is None else [section.since.field, section.since.param, section.since.initial]
    parts = [section.url, section.method, dict(section.params), since]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _reading(section: HttpSection) -> str:
    """A digest of how the pages of a pull follow each other and are read: a pull begun otherwise is begun again."""
    parts = section.model_dump(include={"paging", "records", "format", "mapping", "event", "properties"})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def failed(state: State, message: str, now: datetime) -> State:
    """The state after a failure."""
    return replace(state, failed_at=_stamp(now), failure=message, failures=state.failures + 1)


def pages(
    client: Client,
    section: HttpSection,
    state: State,
    *,
    envelope: str | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[Page]:
    """The pages of a pull from where `state` stands, at most max_pages of them.

    The caller makes a page's records durable and saves its state before it asks for the next one. The last page's
    state has `running` None, unless max_pages stopped it. Raises SourceError as Client.ask does, and when the API
    gives the same page again and again.
    """
    if state.definition != definition(section):
        state = State(definition(section), history_until=state.history_until, failures=state.failures)
    if state.running is not None and state.running.reading != _reading(section):
        state = replace(state, running=None)
    is_backfill, history_until = state.completed_at is None, state.history_until
    resumed = state.running is not None
    running = state.running or _begin(section, state, now())
    asked: set[str] = set()
    for _ in range(section.max_pages):
        if running.request.fingerprint in asked:
            raise SourceError(
                f"{client.where} names a page as the next one that was read before: it would never end",
                "Check paging in trialwise.toml, or ask its owner.",
            )
        asked.add(running.request.fingerprint)
        try:
            answer, text = _ask(client, running.request)
        except PageRefused:
            if not resumed:
                raise
            running = _begin(section, state, now())  # the address kept has run out: from the start
            asked = {running.request.fingerprint}
            answer, text = _ask(client, running.request)
        resumed = False
        pieces = _records(client, section, answer, text, envelope)
        following = next_request(section.paging, running.request, text or "", answer.link, pieces)
        if following is not None and following.url != running.request.url:
            following = replace(following, url=client.absolute(following.url, answer.url))
        running = _onward(client, section, running, following, pieces, now())
        if following is None:
            done = _stamp(now())
            state = State(state.definition, running.greatest, done, state.history_until or done)
        else:
            state = replace(state, running=running)
        landed = [piece for piece in pieces if _has_happened(piece, section)]
        history = [piece for piece in landed if is_backfill and _is_history(piece, section, history_until)]
        news = [piece for piece in landed if piece not in history] if len(history) < len(landed) else []
        yield Page(tuple(history), tuple(news), len(pieces), state, is_backfill)
        if following is None:
            return


def _begin(section: HttpSection, state: State, now: datetime) -> Running:
    since = None
    if section.since is not None:
        since = (
            section.since.initial if state.since is None else stepped_back(state.since, section.since.overlap_minutes)
        )
    return Running(first_request(section, since), _reading(section), state.since, "", 0, 0, _stamp(now))


def _ask(client: Client, request: Request) -> tuple[Answer, str | None]:
    """The answer and its text, which is one whole JSON document; None for one document a line."""
    texts: list[str | None] = []

    def understand(answer: Answer) -> None:
        texts.append(None if is_lines(answer.content_type) else text_of(answer.body, answer.content_type, client.where))

    answer = client.ask(request, understand)
    return answer, texts[-1]


def _records(
    client: Client, section: HttpSection, answer: Answer, text: str | None, envelope: str | None
) -> list[Piece]:
    if text is None:
        return [piece._replace(envelope=envelope) for piece in of_lines(answer.body)]
    return of_document(text, steps(section.records), envelope, client.where)


def _has_happened(piece: Piece, section: HttpSection) -> bool:
    """False for a thing whose event has not happened: it has no instant yet, and comes again with a later pull."""
    if section.event is None:
        return True
    record = piece.data.decode("utf-8", "surrogateescape")
    try:
        place = find(record, steps(section.mapping["timestamp"]))
    except Unbalanced:
        return True  # no record at all: that is for quarantine to say
    return not record.startswith("{") or (
        place is not None and record[place[0] : place[1]].strip() not in ("null", '""')
    )


def _is_history(piece: Piece, section: HttpSection, until: str | None) -> bool:
    """Whether a record of a pull from the beginning was there before the first pull was done; all are in that one."""
    if until is None:
        return True
    place = section.mapping.get("timestamp", "timestamp")
    return is_before(piece, steps(place), datetime.fromisoformat(until).replace(tzinfo=None))


def _onward(
    client: Client,
    section: HttpSection,
    running: Running,
    following: Request | None,
    pieces: list[Piece],
    now: datetime,
) -> Running:
    """The pull after this page; raises SourceError when the page repeats the one before and another is to come."""
    digest = hashlib.sha256(b"\n".join(piece.data for piece in pieces)).hexdigest()[:32] if pieces else ""
    if following is not None and digest and digest == running.digest:
        told = (
            f"the parameter {param_of(section.paging)}" if section.paging.kind in ("page", "offset") else "its paging"
        )
        raise SourceError(
            f"{client.where} answers two different pages with the same records",
            f"Check paging in trialwise.toml: does the API read {told}?",
        )
    best = running.greatest
    if section.since is not None:
        best = greatest(pieces, steps(section.since.field), best, now)
    return Running(
        running.request if following is None else following,
        running.reading,
        best,
        digest,
        running.pages + 1,
        running.records + len(pieces),
        running.started_at,
    )


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="seconds") + "Z"
