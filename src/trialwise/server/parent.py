"""`trialwise serve`: the process that owns the workspace, and everything that lives and ends with it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from math import inf
from pathlib import Path

import structlog

from trialwise import deliveries, logs
from trialwise.config.secrets import Secrets
from trialwise.errors import ConfigError
from trialwise.jobs import jobs_of
from trialwise.keys import Keys
from trialwise.owner.service import Owner
from trialwise.scheduler import Schedule
from trialwise.server import binding
from trialwise.server.children import Children
from trialwise.server.holding import finish, only_one, owned
from trialwise.server.stop import Stop
from trialwise.server.teller import Teller
from trialwise.sources.webhooks import check_providers
from trialwise.workspace import Workspace

log = structlog.get_logger("trialwise.server")


def serve(folder: Path, *, host: str | None = None, port: int | None = None, workers: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT; host, port and workers stand in place of those of [server].

    Raises ConfigError for an address that cannot be, or must not be, listened on, StoreLocked when the workspace has a
    server already, StartFailed when a collector cannot be started.
    """
    workspace = Workspace.open(folder)
    secrets = Secrets()
    check_providers(secrets.webhooks)
    section = workspace.config.server
    host = section.host if host is None else host
    binding.check_exposed(host, section.public_url, Keys(workspace.keys))
    logs.configure(logs.secrets_of(secrets), process="server")
    stop = Stop.by_signals()
    jobs = jobs_of(workspace.config, secrets)
    with ExitStack() as held:
        held.enter_context(only_one(workspace))
        listening = held.enter_context(binding.bind(host, section.port if port is None else port))
        teller = Teller(workspace)
        children = Children(workspace, listening, host, workers or section.workers, teller.restarted)
        held.callback(_close, listening, children)
        if children.start(lambda: stop.is_asked):
            log.info(
                "webhooks", open=", ".join(sorted(name for name, some in secrets.webhooks.items() if some)) or "none"
            )
            _warn_of_deliveries(workspace)
            teller.plans(jobs)  # before the wait: what failed or is overdue is told meanwhile
            # the doors are open: events are taken and kept while a command has the store, however long
            mine = held.enter_context(owned(workspace, stop, seconds=inf, listening=binding.url_of(listening)))
            if mine is not None:
                owner = Owner(mine, teller.worked)
                commands = owner.serve(workspace.socket)
                schedule = Schedule(owner, jobs, teller.begins)
                try:
                    schedule.start()
                    logs.say(f"listening on {binding.url_of(listening)}")
                    stop.wait(children.kill)
                finally:
                    log.info("ending")
                    schedule.stop()
                    owner.stop()
                    _close(listening, children)
                    stop.obey()
                    commands.join()
                    finish(owner)
    log.info("ended")


def _close(listening: socket.socket, children: Children) -> None:
    """Take no more connections, and let the collectors keep what they took; done twice it is done once."""
    listening.close()
    children.end()


def _warn_of_deliveries(workspace: Workspace) -> None:
    """A list that is none costs no events: they are taken meanwhile."""
    try:
        deliveries.check(workspace)
    except ConfigError as error:
        log.warning("delivery will fail", error=str(error))
