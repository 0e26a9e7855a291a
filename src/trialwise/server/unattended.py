"""`trialwise schedule`: the owner and its jobs without doors, for machines that receive nothing over HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import structlog

from trialwise import deliveries, logs
from trialwise.config.secrets import Secrets
from trialwise.errors import TrialwiseError
from trialwise.jobs import jobs_of
from trialwise.owner.service import Owner
from trialwise.scheduler import Schedule
from trialwise.server.holding import finish, only_one, owned
from trialwise.server.stop import Stop
from trialwise.server.teller import Teller
from trialwise.workspace import Workspace

log = structlog.get_logger("trialwise.server")


def schedule(folder: Path, *, is_once: bool = False) -> None:
    """Do what is due until SIGTERM or SIGINT, or once; commands are carried out meanwhile, as a server does.

    Raises ConfigError where [delivery] names what is no list, StoreLocked when the workspace has a server or scheduler
    already, or the store another owner; after one round TrialwiseError naming the jobs that failed.
    """
    workspace = Workspace.open(folder)
    deliveries.check(workspace)
    secrets = Secrets()
    logs.configure(logs.secrets_of(secrets), process="scheduler")
    stop = Stop.by_signals()
    failed: list[str] = []
    with ExitStack() as held:
        held.enter_context(only_one(workspace))
        mine = held.enter_context(owned(workspace, stop))
        if mine is None:
            log.info("ended")
            if is_once:
                raise TrialwiseError("asked to end while a command had the store: nothing was done", "Run it again.")
            return
        teller = Teller(mine)
        owner = Owner(mine, teller.worked)
        commands = owner.serve(workspace.socket)
        jobs = jobs_of(workspace.config, secrets)
        at_work = Schedule(owner, jobs, teller.begins, is_once=is_once)
        try:
            teller.plans(jobs)
            if is_once:
                failed = at_work.do_due(lambda: stop.is_asked)
            else:
                at_work.start()
                logs.say(f"at work on {workspace.folder}: {', '.join(job.name for job in jobs)}")
                stop.wait(lambda: None)
        finally:
            log.info("ending")
            at_work.stop()
            owner.stop()
            commands.join()
            finish(owner)
    if failed:
        raise TrialwiseError(f"failed: {', '.join(failed)}", "See 'trialwise runs --status failed'.")
