"""A run of the import: the account checked, then events and object lists as far as they are due."""

from __future__ import annotations

from datetime import datetime

from trialwise.errors import ConfigError, SourceError
from trialwise.sources.stripe.api import Missing, NotReadable
from trialwise.sources.stripe.events import read_events
from trialwise.sources.stripe.key import VARIABLE, Key
from trialwise.sources.stripe.kinds import EVENTS, KINDS
from trialwise.sources.stripe.lists import read_lists
from trialwise.sources.stripe.session import STALE, Session

AGAIN = "Run 'trialwise import stripe' again: it goes on where it stopped."


def run(session: Session, key: Key, *, since: datetime | None = None, reconcile: bool = False) -> None:
    """Import what is new: everything at first, later the events since the last run, and all objects to reconcile.

    since: objects created before it are left out (UTC, no zone); an earlier one than before brings the older ones in.
    Raises ConfigError when the key opens another account or mode than the one imported before, SourceError when Stripe
    stays out of reach: what was read by then is kept, and the next run goes on from there.
    """
    try:
        _import(session, key, since, reconcile)
    except SourceError as error:
        session.put(failure=error.message, failed_at=session.now())
        raise SourceError(error.message, f"{_kept(session)} {error.hint or AGAIN}") from error
    except ConfigError as error:
        session.put(failure=error.message, failed_at=session.now())
        raise
    if session.state.failure is not None:
        session.put(failure=None, failed_at=None)


def _import(session: Session, key: Key, since: datetime | None, reconcile: bool) -> None:
    _check_account(session, key)
    wider = _reach_back(session, since)
    if session.state.is_new:
        read_events(session)
        read_lists(session)
        read_events(session)
        return
    read_events(session, deep=reconcile)
    going = session.state.round
    if reconcile or wider or (going is not None and session.now() - going.began_at <= STALE):
        read_lists(session)


def _check_account(session: Session, key: Key) -> None:
    """Test and live data, and two accounts, never meet in one workspace."""
    state = session.state
    if state.livemode is not None and state.livemode != key.livemode:
        before = "live" if state.livemode else "test"
        raise ConfigError(
            f"{VARIABLE} holds a {key.mode} mode key, and this workspace holds {before} mode data",
            f"Use a {before} mode key, or make another workspace (trialwise init DIR) for {key.mode} mode.",
        )
    try:
        account = session.api.one("/v1/account").id or None
        session.readable("account")
    except (NotReadable, Missing) as error:
        account = None
        session.unreadable("account", error)
    if account is not None and state.account is not None and account != state.account:
        raise ConfigError(
            f"{VARIABLE} opens the account {account}, and this workspace holds data of {state.account}",
            "Use a key of that account, or make another workspace (trialwise init DIR) for this one.",
        )
    if (state.livemode, state.account) != (key.livemode, account or state.account):
        session.put(livemode=key.livemode, account=account or state.account)


def _reach_back(session: Session, since: datetime | None) -> bool:
    """Take a new `since`; whether older objects than before are now wanted."""
    state = session.state
    if since is None:
        return False
    if state.rounds == 0:
        session.put(since=since)
        return False
    if state.since is None or since >= state.since:
        return False
    session.state = state.reaching_back(since)
    session.keep(session.state)
    return True


def _kept(session: Session) -> str:
    counts = [
        (kind.title, session.tallies[kind.name].landed) for kind in (EVENTS, *KINDS) if kind.name in session.tallies
    ]
    said = ", ".join(f"{landed:,} {title}" for title, landed in counts if landed)
    return f"Kept by then: {said}." if said else "Nothing new had been read by then."
