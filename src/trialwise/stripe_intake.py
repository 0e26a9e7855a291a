"""Stripe by its API, into landing, and what of it can be seen afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from trialwise.clock import day_start, utc_now
from trialwise.config.secrets import Secrets
from trialwise.errors import InputError, SourceBusy, StoreLocked
from trialwise.landing.cursors import Cursors
from trialwise.landing.folder import Landing
from trialwise.landing.journal import Arrival, Channel, Journal
from trialwise.landing.refusal import Refusal
from trialwise.landing.report import LoadReport
from trialwise.sources.backoff import Backoff
from trialwise.sources.stripe.key import Key, read_key
from trialwise.sources.stripe.kinds import EVENTS, KINDS
from trialwise.sources.stripe.known import Known
from trialwise.sources.stripe.state import State, read_state, written
from trialwise.workspace import Claimed, Workspace, claim

if TYPE_CHECKING:
    import polars as pl

    from trialwise.landing.quarantine import Quarantined
    from trialwise.sources.stripe.api import Api

CURSOR = "stripe"
CHANNEL = Channel("stripe", "stripe", "stripe api")
THIN_AT_ONCE = 50
RECONCILE_WAITS = 600
"""Seconds: the one of the night must not fall out because a poll is on its way."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Count:
    """Records of one type in a run: read from the API, and of these landed because they were new or had changed."""

    kind: str
    title: str
    read: int
    landed: int


@dataclass(frozen=True)
class StripeImported:
    """What a run brought.

    counts: by type, in the order of reading; state: how far the import has come; loaded: the load that followed, None
    while another process owns the store; followed: thin events whose object was fetched; forgotten: records that were
    read and not landed, of accounts and users that were forgotten.
    """

    counts: tuple[Count, ...]
    state: State
    loaded: LoadReport | None
    followed: int = 0
    forgotten: int = 0

    @property
    def next_command(self) -> str:
        """What to do next: close a gap that a reading of all objects closes, else compute the results."""
        healable = any(gap.why != "since" for gap in self.state.open_gaps)
        return "trialwise import stripe --reconcile" if healable else "trialwise refresh"


@dataclass(frozen=True)
class Door:
    """The ways to the store an import needs, as `arrivals` has them here and `owner.asking` through a live owner."""

    load: Callable[[Progress | None], LoadReport]
    quarantined: Callable[[str], pl.DataFrame]
    record: Callable[[str], Quarantined]
    retry: Callable[[str, bytes], Any]


def has_key() -> bool:
    """Whether there is a key to read Stripe with."""
    return bool((Secrets().stripe_key or "").strip())


def stripe_state(workspace: Workspace) -> State:
    """How far the import has come: last polled, last event, last reconciled, gaps, types that are not read."""
    return read_state(Cursors(Landing(workspace.landing).folder).get(CURSOR))


def since_of(text: str | None, workspace: Workspace, now: datetime) -> datetime | None:
    """The instant (UTC, no zone) a day of the workspace's zone begins; raises InputError for anything else."""
    if text is None:
        return None
    try:
        start = day_start(date.fromisoformat(text), workspace.config.workspace.timezone)
    except (ValueError, OverflowError) as error:
        raise InputError(f"--since '{text}' is no date", "Write it as 2025-01-01.") from error
    if start > now:
        raise InputError(f"--since {text} lies in the future", "Name the day from which objects are wanted.")
    return start


def import_api(
    workspace: Workspace,
    door: Door,
    *,
    since: str | None = None,
    reconcile: bool = False,
    progress: Progress | None = None,
    backoff: Backoff | None = None,
    now: Callable[[], datetime] = utc_now,
) -> StripeImported:
    """Read what is new into landing, load it, and fetch the objects of thin events that wait in quarantine.

    A reconcile waits for another import to end, any other run does not. Raises ConfigError for a key that is missing
    or another account's, SourceError when Stripe stays out of reach (what was read by then is kept, and the next run
    goes on from there), SourceBusy when another import is at it, InputError for a `since` that is no day.
    """
    with _alone(workspace, RECONCILE_WAITS if reconcile else 0, progress or _silent):
        pulled = _pull(workspace, since_of(since, workspace, now()), reconcile, progress, backoff, now)
        try:
            loaded = door.load(progress)
        except StoreLocked:
            return pulled
        followed = _follow_thin_events(workspace, door, progress, backoff, now)
    return replace(pulled, loaded=loaded, followed=followed)


def _pull(
    workspace: Workspace,
    since: datetime | None,
    reconcile: bool,
    progress: Progress | None,
    backoff: Backoff | None,
    now: Callable[[], datetime],
) -> StripeImported:
    from trialwise.sources.stripe import importer
    from trialwise.sources.stripe.session import Session

    landing = Landing(workspace.landing)
    cursors = Cursors(landing.folder)
    key = read_key(Secrets().stripe_key, workspace.config.stripe.livemode)
    report = progress or _silent
    refusal = Refusal(landing, workspace.config.identity.account_metadata_key)
    with closing(_known(landing)) as known, Journal(landing, CHANNEL, "stripe_api") as journal:
        session = Session(
            api=_api(workspace, key, report, backoff, now),
            land=lambda received_at, pieces: journal.append([Arrival(received_at, pieces)]),
            known=known,
            keep=lambda state: cursors.put(CURSOR, written(state)),
            state=read_state(cursors.get(CURSOR)),
            now=now,
            report=report,
            is_forgotten=refusal,
        )
        try:
            importer.run(session, key, since=since, reconcile=reconcile)
        finally:
            refusal.keep(utc_now())  # whenever Stripe says it is: what came lately, by our clock
    counts = tuple(
        Count(kind.name, kind.title, session.tallies[kind.name].read, session.tallies[kind.name].landed)
        for kind in (EVENTS, *KINDS)
        if kind.name in session.tallies
    )
    return StripeImported(counts, session.state, None, forgotten=session.forgotten)


def _api(workspace: Workspace, key: Key, report: Progress, backoff: Backoff | None, now: Callable[[], datetime]) -> Api:
    from trialwise.sources.stripe.api import TRIES, Api

    def wait(seconds: float) -> None:
        report(f"no good answer from Stripe, asking again in {seconds:.0f} s", 0, 0)
        time.sleep(seconds)

    return Api(key, workspace.config.stripe.api_base, backoff=backoff or replace(TRIES, sleep=wait), now=now)


def _follow_thin_events(
    workspace: Workspace, door: Door, progress: Progress | None, backoff: Backoff | None, now: Callable[[], datetime]
) -> int:
    """Land the object in the place of each thin event that waits; those that lead nowhere stay in quarantine."""
    waiting = door.quarantined("thin_event")
    if not waiting.height:
        return 0
    from trialwise.sources.stripe.api import NotReadable
    from trialwise.sources.stripe.thin import LeadsNowhere, fetch, related

    landing = Landing(workspace.landing)
    key = read_key(Secrets().stripe_key, workspace.config.stripe.livemode)
    api = _api(workspace, key, progress or _silent, backoff, now)
    account = stripe_state(workspace).account
    fetched: dict[str, bytes] = {}
    followed = 0
    with closing(_known(landing)) as known:
        names = [name for name in waiting["quarantine_id"] if not known.leads_nowhere(name)]
        for name in names[:THIN_AT_ONCE]:
            try:
                about = related(door.record(name).raw or b"")
                if about.path not in fetched:
                    fetched[about.path] = fetch(api, about, account)
            except NotReadable:
                continue  # the permission may come
            except LeadsNowhere as reason:
                with known.change():
                    known.note_nowhere(name, str(reason))
                continue
            door.retry(name, fetched[about.path])
            followed += 1
    return followed


def _silent(step: str, done: int, total: int) -> None:
    """Progress nobody watches."""


def _known(landing: Landing) -> Known:
    return Known(landing.folder / "cursors" / "stripe-known.sqlite")


@contextmanager
def _alone(workspace: Workspace, patience: int, report: Progress) -> Iterator[None]:
    """One import at a time; raises SourceBusy when another one is still at it after so many seconds."""
    with ExitStack() as held:
        for waited in range(patience + 1):
            try:
                held.enter_context(claim(workspace.data / "claims" / "stripe.lock"))
                break
            except Claimed as error:
                if waited == patience:
                    said = f"Stripe is being read by process {error.holder}"
                    raise SourceBusy(said, "Wait for it to end.") from None
                report(f"waiting for process {error.holder}, which reads Stripe", 0, 0)
                time.sleep(1)
        yield


def summary(done: StripeImported) -> list[str]:
    """A run for people, a line each: account, counts by type, how far it is, what is missing."""
    state = done.state
    mode = "live" if state.livemode else "test"
    lines = [f"account {state.account or 'unknown (the key may not read it)'}, {mode} mode"]
    lines += [
        f"{count.title}: {count.landed:,} new or changed of {count.read:,} read" for count in done.counts if count.read
    ]
    if not any(count.read for count in done.counts):
        lines.append("nothing new")
    if done.forgotten:
        lines.append(f"forgotten: {done.forgotten:,} records left out")
    if done.followed:
        lines.append(f"thin events: {done.followed:,} followed to their object")
    return [*lines, *standing(state)]


def standing(state: State) -> list[str]:
    """How far the import is and what is missing, a line each."""
    moments: Mapping[str, datetime | None] = {
        "last polled at": state.last_polled_at,
        "last event of": state.last_event_created,
        "last reconciled at": state.last_reconciled_at,
    }
    lines = [", ".join(f"{what} {'never' if at is None else f'{at:%Y-%m-%d %H:%M}Z'}" for what, at in moments.items())]
    lines += [f"not read: {title_of(kind)} ({why})" for kind, why in sorted(state.unreadable.items())]
    lines += [f"gap: {gap.text}" for gap in state.gaps]
    return lines


def title_of(kind: str) -> str:
    """Several objects of a type, for people."""
    titles = {known.name: known.title for known in (EVENTS, *KINDS)}
    return titles.get(kind, kind)
