"""The object lists, all of them: at the first import, and at every reconcile for what has changed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote

from trialwise.errors import SourceError
from trialwise.sources.json_text import elements, members, skip_space
from trialwise.sources.stripe.api import Api, Missing, NotReadable, Record
from trialwise.sources.stripe.kinds import KINDS, Kind
from trialwise.sources.stripe.known import GONE, UNLISTED, digest
from trialwise.sources.stripe.session import STALE, Session, anchors, epoch
from trialwise.sources.stripe.state import Round

AT_ONCE = 50  # objects retrieved one by one are landed together


def read_lists(session: Session) -> None:
    """Read every list to its end, going on where an earlier run stopped; land the objects that are new or have changed.

    A type the key may not read is noted and left out. Objects of before that no list shows any more are retrieved one
    by one: Stripe answers {id, deleted: true} for a deleted customer.
    """
    _begin(session)
    absent = 0
    for kind in KINDS:
        current = session.state.round
        if current is None or kind.name in current.done:
            continue
        if current.current != kind.name:
            current = replace(current, current=kind.name, after=())
        try:
            _read(session, kind, current)
            session.readable(kind.name)
        except (NotReadable, Missing) as error:
            session.unreadable(kind.name, error)
            absent += isinstance(error, Missing)
        if absent == len(KINDS):
            raise SourceError("what answers there has none of Stripe's lists", "Check [stripe] api_base.")
        session.put(round=replace(current, done=(*current.done, kind.name), current=None, after=()))
    if session.state.round is not None:
        session.state = session.state.reconciled(session.state.round.began_at)
        session.keep(session.state)


def _begin(session: Session) -> None:
    """A round of its own, unless one of the same reach is on its way and not too old to go on."""
    state, now = session.state, session.now()
    going = state.round
    if going is None or going.since != state.since or now - going.began_at > STALE:
        number = state.rounds + 1
        session.put(round=Round(number, now, state.since), rounds=number)


def _read(session: Session, kind: Kind, current: Round) -> None:
    params: dict[str, Any] = dict(kind.params)
    if kind.is_bounded and current.since is not None:
        params["created"] = {"gte": epoch(current.since)}
    while True:
        page = session.follow(kind.path, params, current.after)
        _keep(session, kind, session.wanted(page.records), current.number)
        current = replace(current, after=anchors(page) or current.after)
        session.put(round=current)
        session.progress(kind)
        if not page.has_more:
            break
    if kind.can_vanish:
        _look_for_missing(session, kind, current)


def _keep(session: Session, kind: Kind, records: Sequence[Record], number: int) -> None:
    """Land what changed, then note it: killed in between, it is landed once more and loads as a duplicate."""
    digests = {record.id: digest(record.piece.data) for record in records}
    changed = session.known.changed(kind.name, digests.items())
    fresh = [record for record in records if record.id in changed]
    pieces = [record.piece._replace(data=_completed(session.api, kind, record)) for record in fresh]
    if pieces:
        session.land(session.now(), pieces)
    with session.known.change():
        session.known.saw(kind.name, [(r.id, r.created, digests[r.id]) for r in records], number)
    tally = session.tally(kind)
    tally.read += len(records)
    tally.landed += len(fresh)


def _look_for_missing(session: Session, kind: Kind, current: Round) -> None:
    since = epoch(current.since) if kind.is_bounded and current.since is not None else None
    names = iter(session.known.missing(kind.name, current.number, since))
    while batch := list(islice(names, AT_ONCE)):
        answers = [(name, _retrieved(session.api, kind, name)) for name in batch]
        digests = {name: digest(found.piece.data) for name, found in answers if found is not None}
        changed = session.known.changed(kind.name, digests.items())
        fresh = session.wanted([found for name, found in answers if found is not None and name in changed])
        if fresh:
            session.land(session.now(), [found.piece for found in fresh])
        with session.known.change():
            for name, found in answers:
                standing = GONE if found is None or found.body.get("deleted") is True else UNLISTED
                session.known.settle(kind.name, name, standing, digests.get(name), current.number)
        tally = session.tally(kind)
        tally.read += len(digests)
        tally.landed += len(fresh)
        session.progress(kind)


def _retrieved(api: Api, kind: Kind, name: str) -> Record | None:
    """The object, {id, deleted: true} of a deleted customer, or None where Stripe knows nothing of it any more."""
    try:
        return api.one(f"{kind.path}/{quote(name, safe='')}")
    except Missing:
        return None


def _completed(api: Api, kind: Kind, record: Record) -> bytes:
    """The object with its inner lists whole: an answer shows the first few lines of an invoice alone.

    Every part stays byte for byte as Stripe sent it; has_more of a list made whole becomes false.
    """
    data = record.piece.data
    for name, path in kind.inner.items():
        inner = record.body.get(name)
        if not isinstance(inner, dict) or not inner.get("has_more") or not inner.get("data"):
            continue
        try:
            last = inner["data"][-1]["id"]
            more = [item.piece.data.decode() for item in _rest(api, path.format(id=quote(record.id, safe="")), last)]
        except Missing:
            continue  # gone since the page was made: the object stays as it came
        data = _spliced(data.decode(), name, more).encode()
    return data


def _rest(api: Api, path: str, last: str) -> Iterator[Record]:
    while True:
        page = api.page(path, {"starting_after": last})
        yield from page.records
        if not page.has_more:
            return
        last = page.records[-1].id


def _spliced(text: str, name: str, more: Sequence[str]) -> str:
    """The JSON text of an object with `more` put at the end of the list `name`."""
    start, end = next((first, last) for key, first, last in members(text, skip_space(text, 0)) if key == name)
    inner = text[start:end]
    parts = {key: (first, last) for key, first, last in members(inner, 0)}
    items = list(elements(inner, parts["data"][0]))
    changes = [(items[-1][1], items[-1][1], "".join(f",{item}" for item in more)), (*parts["has_more"], "false")]
    for first, last, put in sorted(changes, reverse=True):
        inner = inner[:first] + put + inner[last:]
    return text[:start] + inner + text[end:]
