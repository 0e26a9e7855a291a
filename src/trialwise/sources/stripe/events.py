"""The events list: everything it has at first, then what is newer than the newest seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from trialwise.sources.stripe.api import Missing, NotReadable, Page, Record
from trialwise.sources.stripe.kinds import BY_NAME, EVENTS
from trialwise.sources.stripe.session import STALE, Session, anchors, epoch, instant
from trialwise.sources.stripe.state import Window

OVERLAP = timedelta(minutes=10)
"""Read again before the newest event: some show up in the list minutes after the instant they carry."""
DEEP_OVERLAP = timedelta(days=2)
"""The same with a reconcile, for the rare ones that come later still."""
REMEMBERED = timedelta(days=3)
"""How long before the newest event ids are kept, so that reading those events again lands nothing."""


def read_events(session: Session, *, deep: bool = False) -> None:
    """Read what an earlier run left unfinished to its end, then what is new since it began.

    A key that may not read events leaves a note in the state.
    """
    left = session.state.window
    try:
        if left is not None and session.now() - left.began_at <= STALE:
            _read_window(session, left)
        _read_window(session, _new_window(session, deep))
        session.readable(EVENTS.name)
    except (NotReadable, Missing) as error:
        session.unreadable(EVENTS.name, error)
        session.put(window=None)


def _read_window(session: Session, window: Window) -> None:
    """Pages come newest first: the newest event counts as seen only when the oldest of the window has been landed."""
    params: dict[str, Any] = {}
    if window.created_from is not None:
        params["created"] = {"gte": epoch(window.created_from)}
    while True:
        page = session.follow(EVENTS.path, params, window.after)
        newest = max((instant(record.created) for record in page.records if record.created is not None), default=None)
        if newest is not None and (window.newest is None or newest > window.newest):
            window = replace(window, newest=newest)
        window = replace(window, after=anchors(page) or window.after)
        _keep(session, page, window)
        session.put(window=window)
        session.progress(EVENTS)
        if not page.has_more:
            break
    session.state = session.state.covered(window.began_at, session.now(), window.newest)
    session.keep(session.state)
    if session.state.last_event_created is not None:
        with session.known.change():
            session.known.forget_events(session.state.last_event_created - REMEMBERED)


def _new_window(session: Session, deep: bool) -> Window:
    state, now = session.state, session.now()
    if state.last_polled_at is None:
        return Window(now, None, is_live=False)
    begin = state.last_polled_at - STALE if state.last_event_created is None else state.last_event_created - OVERLAP
    return Window(now, min(begin, now - DEEP_OVERLAP) if deep else begin, is_live=True)


def _keep(session: Session, page: Page, window: Window) -> None:
    """Land the events not landed before, then note them: killed in between, they are landed twice and load once."""
    tally = session.tally(EVENTS)
    new = session.known.new_events([record.id for record in page.records])
    fresh = session.wanted([record for record in page.records if record.id in new or not record.id])
    if fresh:
        session.land(session.now() if window.is_live else None, [record.piece for record in fresh])
    keep_from = epoch((window.newest or session.now()) - REMEMBERED)
    with session.known.change():
        session.known.note_events(
            [(r.id, r.created) for r in fresh if r.created is not None and r.created >= keep_from]
        )
        for record in fresh:
            _mention(session, record)
    tally.read += len(page.records)
    tally.landed += len(fresh)


def _mention(session: Session, event: Record) -> None:
    """Note which object the event is about, so that a reconcile looks for it should no list show it."""
    data = event.body.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(about, Mapping):
        return
    kind, name, created = BY_NAME.get(str(about.get("object"))), about.get("id"), about.get("created")
    if kind is None or not kind.is_watched or not isinstance(name, str):
        return
    deletion = event.body.get("type") == f"{kind.name}.deleted"
    session.known.mentioned(kind.name, name, created if isinstance(created, int) else None, is_deletion=deletion)
